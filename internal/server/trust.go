package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/settings"
)

// gpgKeysName is the ConfigMap with the public keys of signatures.
const gpgKeysName = "argocd-gpg-keys-cm"

// RepositoryCertificateQuery selects what connections to repositories trust.
type RepositoryCertificateQuery struct {
	HostNamePattern string `query:"hostNamePattern" json:"hostNamePattern,omitempty"`
	CertType        string `query:"certType" json:"certType,omitempty"`
	CertSubType     string `query:"certSubType" json:"certSubType,omitempty"`
}

// RepositoryCertificateList are certificates and host keys.
type RepositoryCertificateList struct {
	Items []RepositoryCertificate `json:"items"`
}

// RepositoryCertificate is a TLS certificate or an SSH host key that is trusted.
type RepositoryCertificate struct {
	ServerName string `json:"serverName"`
	// CertType is https or ssh, CertSubType the algorithm.
	CertType    string `json:"certType"`
	CertSubType string `json:"certSubType"`
	// CertData is left out of lists, as in Argo CD.
	CertData string `json:"certData,omitempty"`
	// CertInfo is the subject of a certificate or the fingerprint of a key.
	CertInfo string `json:"certInfo"`
}

// GnuPGPublicKeyQuery selects public keys.
type GnuPGPublicKeyQuery struct {
	KeyID string `path:"keyID" query:"keyID" json:"keyID,omitempty"`
}

// GnuPGPublicKeyList are public keys.
type GnuPGPublicKeyList struct {
	Items []GnuPGPublicKey `json:"items"`
}

// GnuPGPublicKey is a public key that signatures of commits are checked with.
type GnuPGPublicKey struct {
	KeyID   string `json:"keyID"`
	KeyData string `json:"keyData,omitempty"`
}

// ListCertificates returns what connections to repositories trust.
func (s *Server) ListCertificates(ctx context.Context, q *RepositoryCertificateQuery) (*RepositoryCertificateList, error) {
	if err := s.require(ctx, "certificates", "get", ""); err != nil {
		return nil, err
	}
	tls, err := s.configMap(ctx, settings.TLSCertsName)
	if err != nil {
		return nil, err
	}
	hosts, err := s.configMap(ctx, settings.KnownHostsName)
	if err != nil {
		return nil, err
	}
	var found []RepositoryCertificate
	for host, text := range tls {
		found = append(found, certificatesOf(host, []byte(text))...)
	}
	for _, line := range strings.Split(hosts["ssh_known_hosts"], "\n") {
		found = append(found, hostKeysOf(line)...)
	}
	var pattern glob.Pattern
	if q.HostNamePattern != "" {
		if pattern, err = glob.Compile(q.HostNamePattern); err != nil {
			return nil, fault.New(fault.Invalid, "pattern of host names %q: %w", q.HostNamePattern, err)
		}
	}
	found = slices.DeleteFunc(found, func(c RepositoryCertificate) bool {
		return q.CertType != "" && q.CertType != "all" && q.CertType != c.CertType || q.CertSubType != "" && q.CertSubType != c.CertSubType ||
			q.HostNamePattern != "" && !pattern.Match(c.ServerName)
	})
	slices.SortFunc(found, func(a, b RepositoryCertificate) int {
		return cmp.Or(strings.Compare(a.ServerName, b.ServerName), strings.Compare(a.CertType, b.CertType), strings.Compare(a.CertSubType, b.CertSubType))
	})
	if found == nil {
		found = []RepositoryCertificate{}
	}
	return &RepositoryCertificateList{Items: found}, nil
}

func certificatesOf(host string, rest []byte) (out []RepositoryCertificate) {
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			continue // nobody trusts it either
		}
		out = append(out, RepositoryCertificate{ServerName: host, CertType: "https",
			CertSubType: strings.ToLower(cert.PublicKeyAlgorithm.String()), CertInfo: cert.Subject.String()})
	}
}

func hostKeysOf(line string) (out []RepositoryCertificate) {
	marker, hosts, key, _, _, err := ssh.ParseKnownHosts([]byte(strings.TrimSpace(line) + "\n"))
	if err != nil || marker != "" {
		return nil
	}
	sum := sha256.Sum256(key.Marshal())
	for _, host := range hosts {
		out = append(out, RepositoryCertificate{ServerName: host, CertType: "ssh", CertSubType: key.Type(),
			CertInfo: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])})
	}
	return out
}

// ListGPGKeys returns the public keys that signatures of commits are checked with.
func (s *Server) ListGPGKeys(ctx context.Context, q *GnuPGPublicKeyQuery) (*GnuPGPublicKeyList, error) {
	if err := s.require(ctx, "gpgkeys", "get", ""); err != nil {
		return nil, err
	}
	keys, err := s.configMap(ctx, gpgKeysName)
	if err != nil {
		return nil, err
	}
	out := &GnuPGPublicKeyList{Items: []GnuPGPublicKey{}}
	for id, data := range keys {
		if q.KeyID == "" || q.KeyID == id {
			out.Items = append(out.Items, GnuPGPublicKey{KeyID: id, KeyData: data})
		}
	}
	slices.SortFunc(out.Items, func(a, b GnuPGPublicKey) int { return strings.Compare(a.KeyID, b.KeyID) })
	return out, nil
}
