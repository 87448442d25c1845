package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
)

// credentialFlags describe the Secret of a repository. A flag becomes the key of the Secret that belongs to it.
type credentialFlags struct {
	fs            *pflag.FlagSet
	text          map[string]*string // by key
	truth         map[string]*bool
	files         map[string]*string // key -> path
	passwordStdin bool
	upsert, skip  bool
}

func (f *credentialFlags) bind(fs *pflag.FlagSet, kind secretKind) {
	f.fs, f.text, f.truth, f.files = fs, map[string]*string{}, map[string]*bool{}, map[string]*string{}
	text := [][3]string{
		{"type", "type", "type of the repository: git, helm or oci"},
		{"username", "username", "user name"},
		{"password", "password", "password or token; --password-stdin keeps it out of the list of processes"},
		{"bearerToken", "bearer-token", "token of a Git server that takes bearer tokens"},
		{"githubAppID", "github-app-id", "id of a GitHub App"},
		{"githubAppInstallationID", "github-app-installation-id", "id of the installation of the GitHub App"},
		{"githubAppEnterpriseBaseUrl", "github-app-enterprise-base-url", "API address of GitHub Enterprise"},
		{"proxy", "proxy", "proxy to reach the repository through"},
		{"noProxy", "no-proxy", "hosts that are reached without the proxy, separated by commas"},
	}
	truth := [][3]string{
		{"enableOCI", "enable-oci", "the Helm repository is an OCI registry"},
		{"forceHttpBasicAuth", "force-http-basic-auth", "send credentials without being asked for them"},
		{"useAzureWorkloadIdentity", "use-azure-workload-identity", "authenticate by Azure's workload identity"},
		{"insecureOCIForceHttp", "insecure-oci-force-http", "speak with the OCI registry without TLS"},
	}
	files := [][3]string{
		{"sshPrivateKey", "ssh-private-key-path", "file of an SSH private key"},
		{"tlsClientCertData", "tls-client-cert-path", "file of a TLS client certificate"},
		{"tlsClientCertKey", "tls-client-cert-key-path", "file of the key of the TLS client certificate"},
		{"githubAppPrivateKey", "github-app-private-key-path", "file of the private key of the GitHub App"},
		{"gcpServiceAccountKey", "gcp-service-account-key-path", "file of the key of a Google service account"},
	}
	if !kind.template {
		text = append(text, [][3]string{{"name", "name", "name of the repository; needed for Helm"}, {"project", "project", "project that the repository is for"},
			{"depth", "depth", "limit of the history that is fetched; 0 for none"}}...)
		truth = append(truth, [][3]string{{"insecure", "insecure-skip-server-verification", "accept any certificate of the server"},
			{"insecureIgnoreHostKey", "insecure-ignore-host-key", "accept any SSH host key"}, {"enableLfs", "enable-lfs", "fetch files of Git LFS"}}...)
		fs.BoolVar(&f.skip, "skip-test-connection", false, "do not try whether the repository can be reached from here")
	}
	for _, t := range text {
		f.text[t[0]] = fs.String(t[1], map[string]string{"type": "git"}[t[0]], t[2])
	}
	for _, t := range truth {
		f.truth[t[0]] = fs.Bool(t[1], false, t[2])
	}
	for _, t := range files {
		f.files[t[0]] = fs.String(t[1], "", t[2])
	}
	fs.BoolVar(&f.passwordStdin, "password-stdin", false, "read the password from standard input")
	fs.BoolVar(&f.upsert, "upsert", false, "overwrite what is known of the URL and differs")
}

// data is the content of the Secret. What a flag leaves out is left out.
func (c *cli) credentialData(f *credentialFlags, repoURL string) (map[string][]byte, error) {
	data := map[string][]byte{"url": []byte(repoURL)}
	for key, v := range f.text {
		if *v != "" {
			data[key] = []byte(*v)
		}
	}
	for key, v := range f.truth {
		if *v {
			data[key] = []byte(strconv.FormatBool(*v))
		}
	}
	for key, path := range f.files {
		if *path == "" {
			continue
		}
		content, err := readLimited(*path)
		if err != nil {
			return nil, err
		}
		data[key] = content
	}
	if f.passwordStdin || len(data["username"]) > 0 && len(data["password"]) == 0 {
		password, err := c.readPassword(f.passwordStdin)
		if err != nil {
			return nil, err
		}
		data["password"] = password
	}
	return data, nil
}

// maxKey bounds files of keys and certificates.
const maxKey = 1 << 20

func readLimited(path string) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, usageError("%w", err)
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, maxKey+1))
	if err != nil {
		return nil, usageError("%w", err)
	}
	if len(content) > maxKey {
		return nil, usageError("%s is larger than %d bytes", path, maxKey)
	}
	return content, nil
}

// readPassword reads a password from standard input, without echo on a terminal.
func (c *cli) readPassword(stdin bool) ([]byte, error) {
	if file, ok := c.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprint(c.Err, "Password: ")
		password, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(c.Err)
		if err != nil {
			return nil, fmt.Errorf("read the password: %w", err)
		}
		return password, nil
	}
	if !stdin {
		return nil, usageError("--username needs a password: give it with --password-stdin")
	}
	data, err := io.ReadAll(io.LimitReader(c.In, maxKey))
	if err != nil {
		return nil, fmt.Errorf("read the password: %w", err)
	}
	data = bytes.TrimRight(data, "\r\n")
	if len(data) == 0 {
		return nil, usageError("standard input holds no password")
	}
	return data, nil
}

func (c *cli) secretAdd(kind secretKind) *cobra.Command {
	f := &credentialFlags{}
	cmd := &cobra.Command{
		Use: "add URL", Short: "Add a repository with its credentials",
		Long: "Add a repository, as a Secret that Argo CD knows too. It is tried first whether it can be reached from here with\nthese credentials.",
		Example: `  belay repo add https://git.example.com/callcenter-ai.git --username deploy --password-stdin < token
  belay repo add git@git.example.com:callcenter-ai.git --ssh-private-key-path ~/.ssh/deploy
  belay repo add https://charts.example.com --type helm --name charts`,
		Args: argCount(1, 1, "the URL of a repository"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			if source.NormalizeURL(args[0]) == "" {
				return usageError("%q is no URL of a repository", mask.Text(args[0]))
			}
			data, err := c.credentialData(f, args[0])
			if err != nil {
				return err
			}
			return c.addSecret(cmd.Context(), conn, kind, newSecret(kind, conn.Namespace, data), f)
		},
	}
	if kind.template {
		cmd.Short, cmd.Long = "Add credentials for all repositories below a URL", "Add credentials for all repositories whose URL begins with this one, as a Secret that Argo CD knows too."
		cmd.Example = "  belay repocreds add https://git.example.com/voice/ --username deploy --password-stdin < token"
	}
	f.bind(cmd.Flags(), kind)
	return cmd
}

// addSecret tries a repository and writes its Secret.
func (c *cli) addSecret(ctx context.Context, conn *Connection, kind secretKind, s *corev1.Secret, f *credentialFlags) error {
	listed := settings.ListRepositories([]*corev1.Secret{s}, kind.template)
	if len(listed) != 1 || listed[0].Err != nil {
		return usageError("the repository cannot be used: %w", firstError(listed[0].Err))
	}
	url := listed[0].URL()
	if !kind.template && !f.skip {
		if err := c.tryRepository(ctx, conn, s, listed[0]); err != nil {
			return err
		}
	}
	all, err := conn.repositories(ctx, kind)
	if err != nil {
		return err
	}
	have := slices.IndexFunc(all, func(r settings.Listed) bool { return r.Is(string(s.Data["url"])) && r.Project == listed[0].Project })
	word := "added"
	rctx, cancel := conn.request(ctx)
	defer cancel()
	switch {
	case have < 0:
		err = conn.Client.Create(rctx, s)
	case maps.EqualFunc(all[have].Secret.Data, s.Data, bytes.Equal):
		word = "unchanged"
	case !f.upsert:
		return &Failure{Exit: ExitAPI, Code: "RepoExists", Hint: "add --upsert",
			Err: fmt.Errorf("existing %s spec of %s is different, use upsert flag to force update", strings.ToLower(strings.TrimSuffix(kind.what, " for")), url)}
	default:
		word = "updated"
		after := all[have].Secret.DeepCopy()
		after.Data = s.Data
		err = conn.Client.Patch(rctx, after, client.MergeFromWithOptions(all[have].Secret, client.MergeFromWithOptimisticLock{}))
	}
	if err != nil {
		return fmt.Errorf("write Secret %s: %w", s.Name, err)
	}
	_, err = fmt.Fprintf(c.Out, "%s '%s' %s\n", kind.what, url, word)
	return err
}

// tryRepository refuses a repository that cannot be reached.
func (c *cli) tryRepository(ctx context.Context, conn *Connection, s *corev1.Secret, listed settings.Listed) (err error) {
	if c.Prober == nil {
		return nil
	}
	p, err := c.Prober(ctx, conn, s)
	if err != nil {
		return fmt.Errorf("open engine: %w", err)
	}
	defer func() { err = firstError(err, p.Close()) }()
	bounded, cancel := withTimeout(ctx, c.kube.requestTimeout.duration())
	defer cancel()
	err = p.Probe(bounded, listed)
	if fault.Is(err, fault.Internal) {
		fmt.Fprintf(c.Err, "warning: not tried: %s\n", cleanText(mask.Text(err.Error())))
		return nil
	}
	if err != nil {
		return &Failure{Exit: ExitAPI, Code: "RepoUnreachable", Err: fmt.Errorf("repository not accessible: %w", err),
			Hint: "check the URL and the credentials; --skip-test-connection adds it all the same"}
	}
	return nil
}
