package cli

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/operation"
	"github.com/belaycd/belay/internal/settings"
)

// knownHostsKey is the key of the ConfigMap with SSH host keys.
const knownHostsKey = "ssh_known_hosts"

// certificate is a TLS certificate or an SSH host key that connections to repositories trust.
type certificate struct {
	ServerName string `json:"serverName"`
	Type       string `json:"certType"`    // https or ssh
	SubType    string `json:"certSubType"` // algorithm
	Data       string `json:"certData"`
	Info       string `json:"certInfo"` // subject or fingerprint
}

func (c *cli) certCommand() *cobra.Command {
	cmd := c.group("cert", "Look at trusted TLS certificates and SSH host keys of repositories, and change them",
		`  belay cert list
  belay cert add-tls git.example.com --from ca.pem
  ssh-keyscan git.example.com | belay cert add-ssh --batch
  belay cert rm git.example.com`,
		c.certList(), c.certAddTLS(), c.certAddSSH(), c.certRemove())
	cmd.Aliases = []string{"certs", "certificate"}
	return cmd
}

// configData reads the data of a ConfigMap; one that is not there has none.
func (c *Connection) configData(ctx context.Context, name string) (map[string]string, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	var cm corev1.ConfigMap
	err := c.Client.Get(rctx, appKey{Namespace: c.Namespace, Name: name}, &cm)
	if apierrors.IsNotFound(err) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get ConfigMap %s: %w", name, err)
	}
	return cm.Data, nil
}

// changeConfig changes the data of a ConfigMap, which is made when it is not there, and begins again when somebody else was
// faster.
func (c *Connection) changeConfig(ctx context.Context, name string, change func(data map[string]string) error) error {
	err := retry.RetryOnConflict(operation.Again(), func() error {
		rctx, cancel := c.request(ctx)
		defer cancel()
		var cm corev1.ConfigMap
		err := c.Client.Get(rctx, appKey{Namespace: c.Namespace, Name: name}, &cm)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		after := cm.DeepCopy()
		if after.Data == nil {
			after.Data = map[string]string{}
		}
		if err := change(after.Data); err != nil {
			return err
		}
		if err == nil {
			return c.Client.Patch(rctx, after, client.MergeFromWithOptions(&cm, client.MergeFromWithOptimisticLock{}))
		}
		after.ObjectMeta = metav1.ObjectMeta{Name: name, Namespace: c.Namespace,
			Labels: map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "argocd"}}
		return c.Client.Create(rctx, after)
	})
	if err != nil {
		return fmt.Errorf("change ConfigMap %s: %w", name, err)
	}
	return nil
}

// certificates lists what is trusted, by host.
func (c *Connection) certificates(ctx context.Context) ([]certificate, error) {
	tls, err := c.configData(ctx, settings.TLSCertsName)
	if err != nil {
		return nil, err
	}
	hosts, err := c.configData(ctx, settings.KnownHostsName)
	if err != nil {
		return nil, err
	}
	var out []certificate
	for host, data := range tls {
		found, err := parseCertificates(host, []byte(data))
		if err != nil {
			found = append(found, certificate{ServerName: host, Type: "https", Info: "cannot be read: " + err.Error()})
		}
		out = append(out, found...)
	}
	for _, line := range strings.Split(hosts[knownHostsKey], "\n") {
		out = append(out, hostKeys(line)...)
	}
	slices.SortStableFunc(out, func(a, b certificate) int {
		return cmp.Or(strings.Compare(a.ServerName, b.ServerName), strings.Compare(a.Type, b.Type), strings.Compare(a.SubType, b.SubType))
	})
	return out, nil
}

// parseCertificates reads PEM, each certificate once.
func parseCertificates(host string, data []byte) ([]certificate, error) {
	var out []certificate
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if len(out) == 0 {
				return nil, usageError("there is no PEM certificate")
			}
			return out, nil
		}
		if block.Type != "CERTIFICATE" {
			return nil, usageError("there is a %s, where only certificates belong", clean(block.Type))
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, usageError("certificate %d: %w", len(out)+1, err)
		}
		next := certificate{ServerName: host, Type: "https", SubType: strings.ToLower(cert.PublicKeyAlgorithm.String()),
			Data: string(pem.EncodeToMemory(block)), Info: cert.Subject.String()}
		if !slices.Contains(out, next) {
			out = append(out, next)
		}
	}
}

// hostKeys reads a line of known_hosts; one that cannot be read gives none.
func hostKeys(line string) []certificate {
	marker, hosts, key, _, _, err := ssh.ParseKnownHosts([]byte(strings.TrimSpace(line) + "\n"))
	if err != nil || marker != "" { // of authorities and revoked keys, which are written by hand
		return nil
	}
	sum := sha256.Sum256(key.Marshal())
	var out []certificate
	for _, host := range hosts {
		out = append(out, certificate{ServerName: host, Type: "ssh", SubType: key.Type(), Data: base64.StdEncoding.EncodeToString(key.Marshal()),
			Info: "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])})
	}
	return out
}

func (c *cli) certList() *cobra.Command {
	var output, kind, pattern, order string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List trusted certificates and host keys",
		Example: "  belay cert list\n  belay cert list --cert-type ssh --hostname-pattern '*.example.com'",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			match, err := certSelection(kind, "", pattern)
			if err != nil {
				return err
			}
			if order != "" && order != "hostname" && order != "type" {
				return usageError("unknown order %q: it is hostname or type", order)
			}
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			all, err := conn.certificates(cmd.Context())
			if err != nil {
				return err
			}
			found := slices.DeleteFunc(all, func(e certificate) bool { return !match(e) })
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, append([]certificate{}, found...))
			}
			if order == "type" {
				slices.SortStableFunc(found, func(a, b certificate) int { return strings.Compare(a.Type, b.Type) })
			}
			rows := make([][]string, len(found))
			for i, e := range found {
				rows[i] = []string{e.ServerName, e.Type, e.SubType, e.Info}
			}
			return table(c.Out, []string{"HOSTNAME", "TYPE", "SUBTYPE", "INFO"}, rows)
		},
	}
	c.outputFlag(cmd, &output, "wide", "json", "yaml")
	cmd.Flags().StringVar(&kind, "cert-type", "", "only ssh or https")
	cmd.Flags().StringVar(&pattern, "hostname-pattern", "", "only hosts that match this glob")
	cmd.Flags().StringVar(&order, "sort", "", "order of the table: hostname or type")
	return cmd
}

// certSelection says which entries are meant.
func certSelection(kind, subType, pattern string) (func(certificate) bool, error) {
	if kind != "" && kind != "ssh" && kind != "https" {
		return nil, usageError("unknown type %q: it is ssh or https", kind)
	}
	g, err := glob.Compile(firstOf(pattern, "*"))
	if err != nil {
		return nil, usageError("%w", err)
	}
	return func(e certificate) bool {
		return (kind == "" || e.Type == kind) && (subType == "" || e.SubType == subType) && g.Match(e.ServerName)
	}, nil
}

// input reads a file, or standard input when there is none.
func (c *cli) input(ctx context.Context, file string) ([]byte, error) {
	in, err := c.open(ctx, firstOf(file, "-"))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxKey+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", firstOf(file, "standard input"), err)
	}
	if len(data) > maxKey {
		return nil, usageError("%s is larger than %d bytes", firstOf(file, "standard input"), maxKey)
	}
	return data, nil
}

func (c *cli) certAddTLS() *cobra.Command {
	var from string
	var upsert bool
	cmd := &cobra.Command{
		Use: "add-tls SERVERNAME", Short: "Trust the TLS certificates of a repository's server, or of who signs them",
		Example: "  belay cert add-tls git.example.com --from ca.pem\n  cat ca.pem | belay cert add-tls git.example.com",
		Args:    argCount(1, 1, "the host name of a server"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			host := strings.ToLower(args[0])
			if strings.ContainsAny(host, "/:@ ") || host == "" {
				return usageError("%q is no host name: it has neither scheme nor port", args[0])
			}
			data, err := c.input(cmd.Context(), from)
			if err != nil {
				return err
			}
			found, err := parseCertificates(host, data)
			if err != nil {
				return err
			}
			var text strings.Builder
			for _, e := range found {
				text.WriteString(e.Data)
			}
			err = conn.changeConfig(cmd.Context(), settings.TLSCertsName, func(data map[string]string) error {
				if have := data[host]; have != "" && have != text.String() && !upsert {
					return &Failure{Exit: ExitAPI, Code: "CertExists", Err: fmt.Errorf("there are other certificates for %s", host), Hint: "add --upsert to replace them"}
				}
				data[host] = text.String()
				return nil
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "Created/updated TLS certificate entry for repository server %s with %d unique PEM certificates\n", host, len(found))
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "file with PEM certificates (default: standard input)")
	cmd.Flags().BoolVar(&upsert, "upsert", false, "replace certificates that are there and differ")
	return cmd
}

func (c *cli) certAddSSH() *cobra.Command {
	var from string
	var batch, upsert bool
	cmd := &cobra.Command{
		Use: "add-ssh --batch", Short: "Trust SSH host keys of repositories' servers",
		Long:    "Trust SSH host keys, in the lines that ssh-keyscan prints. Compare the fingerprints of belay cert list with those that the\nserver's owner publishes.",
		Example: "  ssh-keyscan git.example.com | belay cert add-ssh --batch\n  belay cert add-ssh --batch --from known_hosts",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !batch {
				return usageError("--batch is needed: keys are read as lines of known_hosts")
			}
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			data, err := c.input(cmd.Context(), from)
			if err != nil {
				return err
			}
			var added []certificate
			for n, line := range strings.Split(string(data), "\n") {
				keys := hostKeys(line)
				if text := strings.TrimSpace(line); len(keys) == 0 && text != "" && !strings.HasPrefix(text, "#") {
					return usageError("line %d is none of known_hosts", n+1)
				}
				added = append(added, keys...)
			}
			if len(added) == 0 {
				return usageError("there is no SSH host key")
			}
			err = conn.changeConfig(cmd.Context(), settings.KnownHostsName, func(data map[string]string) error {
				text, err := withHostKeys(data[knownHostsKey], added, upsert)
				data[knownHostsKey] = text
				return err
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.Out, "Successfully created %d SSH known host entries\n", len(added))
			return err
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "file with lines of known_hosts (default: standard input)")
	cmd.Flags().BoolVar(&batch, "batch", false, "read lines of known_hosts (needed)")
	cmd.Flags().BoolVar(&upsert, "upsert", false, "replace keys of the same host and type")
	return cmd
}

// withHostKeys adds keys to known_hosts. Another key of the same host and type is refused, or replaced.
func withHostKeys(text string, added []certificate, upsert bool) (string, error) {
	for _, e := range added {
		other := func(k certificate) bool { return k.ServerName == e.ServerName && k.SubType == e.SubType }
		known := false
		for _, line := range strings.Split(text, "\n") {
			for _, k := range hostKeys(line) {
				if other(k) && k.Data != e.Data && !upsert {
					return text, &Failure{Exit: ExitAPI, Code: "CertExists", Hint: "make sure that the server has a new key, then add --upsert",
						Err: fmt.Errorf("there is another key of type %s for %s", e.SubType, e.ServerName)}
				}
				known = known || other(k) && k.Data == e.Data
			}
		}
		if known {
			continue
		}
		text = withoutHostKeys(text, other)
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		text += e.ServerName + " " + e.SubType + " " + e.Data + "\n"
	}
	return text, nil
}

// withoutHostKeys takes keys out of known_hosts; comments and what cannot be read stay.
func withoutHostKeys(text string, gone func(certificate) bool) string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		keys := hostKeys(line)
		kept := slices.DeleteFunc(slices.Clone(keys), gone)
		if len(kept) == len(keys) {
			out = append(out, line)
			continue
		}
		for _, k := range kept {
			out = append(out, k.ServerName+" "+k.SubType+" "+k.Data)
		}
	}
	return strings.Join(out, "\n")
}

func (c *cli) certRemove() *cobra.Command {
	var kind, subType string
	cmd := &cobra.Command{
		Use: "rm REPOSERVER", Aliases: []string{"remove"}, Short: "Trust the certificates and host keys of a server no longer",
		Example: "  belay cert rm git.example.com\n  belay cert rm git.example.com --cert-type ssh --cert-sub-type ssh-rsa",
		Args:    argCount(1, 1, "a host name or a glob of host names"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "*" {
				return usageError("a single * would remove everything: name a host")
			}
			match, err := certSelection(kind, subType, args[0])
			if err != nil {
				return err
			}
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			all, err := conn.certificates(cmd.Context())
			if err != nil {
				return err
			}
			gone := slices.DeleteFunc(all, func(e certificate) bool { return !match(e) })
			if len(gone) == 0 {
				_, err := fmt.Fprintln(c.Out, "No certificates were removed (none matched the given pattern)")
				return err
			}
			return c.removeCerts(cmd.Context(), conn, gone, match)
		},
	}
	cmd.Flags().StringVar(&kind, "cert-type", "", "only ssh or https")
	cmd.Flags().StringVar(&subType, "cert-sub-type", "", "only keys of this algorithm (ssh)")
	return cmd
}

func (c *cli) removeCerts(ctx context.Context, conn *Connection, gone []certificate, match func(certificate) bool) error {
	has := func(kind string) bool {
		return slices.ContainsFunc(gone, func(e certificate) bool { return e.Type == kind })
	}
	if has("https") {
		err := conn.changeConfig(ctx, settings.TLSCertsName, func(data map[string]string) error {
			for _, e := range gone {
				if e.Type == "https" {
					delete(data, e.ServerName)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if has("ssh") {
		err := conn.changeConfig(ctx, settings.KnownHostsName, func(data map[string]string) error {
			data[knownHostsKey] = withoutHostKeys(data[knownHostsKey], match)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, e := range gone {
		fmt.Fprintf(c.Out, "Removed cert for '%s' of type '%s' (subtype '%s')\n", clean(e.ServerName), e.Type, e.SubType)
	}
	return nil
}
