package settings

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
)

// Trust is whom connections to repositories believe: SSH host keys and certificate authorities by host.
type Trust struct {
	// KnownHosts are lines of OpenSSH's known_hosts.
	KnownHosts  string
	authorities map[string]string
}

// CA returns the PEM of the authorities for the host, empty for the system's.
func (t Trust) CA(host string) string { return t.authorities[strings.ToLower(host)] }

// NewTrust reads the data of argocd-ssh-known-hosts-cm and argocd-tls-certs-cm. A line or certificate that cannot be read
// is left out, so that it makes nobody trusted.
func NewTrust(knownHosts, tlsCerts map[string]string) (Trust, []Problem) {
	var problems []Problem
	t := Trust{authorities: map[string]string{}}
	var good strings.Builder
	for i, line := range strings.Split(knownHosts[knownHostsDataKey], "\n") {
		text := strings.TrimSpace(line)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if !knownHost(text) {
			problems = append(problems, Problem{Object: "ConfigMap/" + KnownHostsName, Key: knownHostsDataKey, Line: i + 1,
				Reason: "the line is not of the form: host key-type base64-key"})
			continue
		}
		good.WriteString(text + "\n")
	}
	t.KnownHosts = good.String()
	for _, host := range sortedKeys(tlsCerts) {
		if reason := notCertificates(tlsCerts[host]); reason != "" {
			problems = append(problems, Problem{Object: "ConfigMap/" + TLSCertsName, Key: host, Reason: reason})
			continue
		}
		t.authorities[strings.ToLower(host)] = tlsCerts[host]
	}
	return t, sorted(problems)
}

// knownHost reports whether a line of known_hosts has its fields; ssh itself judges what is in them.
func knownHost(line string) bool {
	fields := strings.Fields(line)
	if len(fields) > 0 && strings.HasPrefix(fields[0], "@") { // @cert-authority, @revoked
		fields = fields[1:]
	}
	return len(fields) >= 3 && !strings.ContainsRune(line, 0)
}

// notCertificates says why text is no list of PEM certificates, or returns "".
func notCertificates(text string) string {
	rest := []byte(text)
	for n := 0; ; n++ {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil && n == 0:
			return "the value holds no PEM certificate"
		case block == nil:
			return ""
		case block.Type != "CERTIFICATE":
			return "the value holds something else than certificates: " + clip(block.Type)
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "a certificate in the value cannot be read"
		}
	}
}
