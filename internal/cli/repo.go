package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/settings"
)

// Prober reaches repositories as the controller does, with the credentials and the trust of the cluster.
type Prober interface {
	// Probe asks a repository what it has. An error never holds a secret; one of kind Internal says that repositories of
	// that type cannot be asked.
	Probe(ctx context.Context, repo settings.Listed) error
	Close() error
}

// ProberFunc opens a Prober on the cluster of conn. The candidate, if there is one, counts as if it were in the cluster.
type ProberFunc func(ctx context.Context, conn *Connection, candidate *corev1.Secret) (Prober, error)

// secretKind is what the commands about repositories and about credentials of many of them differ in.
type secretKind struct {
	label    string // of the Secret
	prefix   string // of its name
	what     string
	template bool
}

func repositoryKind() secretKind {
	return secretKind{label: "repository", prefix: "repo", what: "Repository"}
}

func credentialsKind() secretKind {
	return secretKind{label: "repo-creds", prefix: "creds", what: "Repository credentials for", template: true}
}

// managedBy marks Secrets that a command line or a server of Argo CD made, and may delete.
const managedBy = "argocd.argoproj.io"

// name is that which Argo CD gives the Secret of a URL, so that both mean the same one.
func (k secretKind) name(repoURL, project string) string {
	h := fnv.New32a()
	// Writes to a hash do not fail.
	_, _ = h.Write([]byte(repoURL))
	_, _ = h.Write([]byte(project))
	return k.prefix + "-" + strconv.FormatUint(uint64(h.Sum32()), 10)
}

func (c *cli) repoCommand() *cobra.Command {
	cmd := c.group("repo", "Look at repositories and their credentials, and change them",
		`  belay repo list
  belay repo add https://git.example.com/callcenter-ai.git --username deploy --password-stdin < token
  belay repo add git@git.example.com:callcenter-ai.git --ssh-private-key-path ~/.ssh/deploy
  belay repo rm https://git.example.com/callcenter-ai.git`,
		c.secretAdd(repositoryKind()), c.repoList(), c.repoGet(), c.secretRemove(repositoryKind()))
	cmd.Aliases = []string{"repos", "repository"}
	return cmd
}

func (c *cli) repoCredsCommand() *cobra.Command {
	cmd := c.group("repocreds", "Look at credentials for all repositories below a URL, and change them",
		`  belay repocreds list
  belay repocreds add https://git.example.com/voice/ --username deploy --password-stdin < token
  belay repocreds rm https://git.example.com/voice/`,
		c.secretAdd(credentialsKind()), c.repoCredsList(), c.secretRemove(credentialsKind()))
	cmd.Aliases = []string{"repocred"}
	return cmd
}

// repositories lists the Secrets of a kind.
func (c *Connection) repositories(ctx context.Context, kind secretKind) ([]settings.Listed, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	var list corev1.SecretList
	if err := c.Client.List(rctx, &list, client.InNamespace(c.Namespace), client.MatchingLabels{v1alpha1.LabelSecretType: kind.label}); err != nil {
		return nil, fmt.Errorf("list Secrets of repositories: %w", err)
	}
	secrets := make([]*corev1.Secret, len(list.Items))
	for i := range list.Items {
		secrets[i] = &list.Items[i]
	}
	found := settings.ListRepositories(secrets, kind.template)
	slices.SortStableFunc(found, func(a, b settings.Listed) int {
		return cmp.Or(strings.Compare(a.URL(), b.URL()), strings.Compare(a.Project, b.Project))
	})
	return found, nil
}

// repoState is a repository as lists show it.
type repoState struct {
	Type      string          `json:"type"`
	Name      string          `json:"name,omitempty"`
	Repo      string          `json:"repo"`
	Insecure  bool            `json:"insecure,omitempty"`
	EnableOCI bool            `json:"enableOCI,omitempty"`
	EnableLFS bool            `json:"enableLfs,omitempty"`
	Creds     bool            `json:"credentials,omitempty"`
	State     connectionState `json:"connectionState"`
	Project   string          `json:"project,omitempty"`
	Secret    string          `json:"secret"`
}

type connectionState struct {
	Status  string `json:"status"` // Successful, Failed or Unknown
	Message string `json:"message"`
}

// parallelProbes bounds how many repositories are asked at once.
const parallelProbes = 8

// probe asks each repository what it has.
func (c *cli) probe(ctx context.Context, conn *Connection, repos []settings.Listed) ([]repoState, error) {
	states := make([]repoState, len(repos))
	for i, r := range repos {
		states[i] = repoState{Type: firstOf(r.Type, "git"), Name: r.Name, Repo: r.URL(), Insecure: r.Insecure || r.InsecureIgnoreHostKey,
			EnableOCI: r.EnableOCI, EnableLFS: r.EnableLFS, Creds: r.Authenticates, Project: r.Project, Secret: r.SecretName,
			State: connectionState{Status: "Unknown"}}
	}
	if c.Prober == nil || len(repos) == 0 {
		return states, nil
	}
	p, err := c.Prober(ctx, conn, nil)
	if err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(parallelProbes)
	for i, r := range repos {
		g.Go(func() error {
			states[i].State = c.probeOne(ctx, p, r)
			return nil
		})
	}
	_ = g.Wait() // what failed stands in the states
	return states, p.Close()
}

func (c *cli) probeOne(ctx context.Context, p Prober, r settings.Listed) connectionState {
	err := r.Err
	if err == nil {
		bounded, cancel := withTimeout(ctx, c.kube.requestTimeout.duration())
		defer cancel()
		err = p.Probe(bounded, r)
	}
	switch {
	case err == nil:
		return connectionState{Status: "Successful"}
	case fault.Is(err, fault.Internal):
		return connectionState{Status: "Unknown", Message: mask.Text(err.Error())}
	}
	return connectionState{Status: "Failed", Message: mask.Text(err.Error())}
}

func (c *cli) repoList() *cobra.Command {
	var output, refresh string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List repositories, and whether they can be reached from here",
		Example: "  belay repo list\n  belay repo list -o url",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			repos, err := conn.repositories(cmd.Context(), repositoryKind())
			if err != nil {
				return err
			}
			return c.printRepos(cmd.Context(), conn, repos, output)
		},
	}
	c.outputFlag(cmd, &output, "wide", "url", "json", "yaml")
	cmd.Flags().StringVar(&refresh, "refresh", "", "accepted for compatibility; repositories are always asked")
	return cmd
}

func (c *cli) repoGet() *cobra.Command {
	var output, project, refresh string
	cmd := &cobra.Command{
		Use: "get URL", Short: "Show a repository, and whether it can be reached from here",
		Example: "  belay repo get https://git.example.com/callcenter-ai.git",
		Args:    argCount(1, 1, "the URL of a repository"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			r, err := conn.repository(cmd.Context(), repositoryKind(), args[0], project)
			if err != nil {
				return err
			}
			return c.printRepos(cmd.Context(), conn, []settings.Listed{r}, output)
		},
	}
	c.outputFlag(cmd, &output, "wide", "url", "json", "yaml")
	cmd.Flags().StringVar(&project, "project", "", "project that the repository is for")
	cmd.Flags().StringVar(&refresh, "refresh", "", "accepted for compatibility; the repository is always asked")
	return cmd
}

// repository finds the Secret of a URL.
func (c *Connection) repository(ctx context.Context, kind secretKind, repoURL, project string) (settings.Listed, error) {
	all, err := c.repositories(ctx, kind)
	if err != nil {
		return settings.Listed{}, err
	}
	var known []string
	for _, r := range all {
		if r.Is(repoURL) && (project == "" || r.Project == project) {
			return r, nil
		}
		known = append(known, r.URL())
	}
	f := &Failure{Exit: ExitAPI, Code: "RepoNotFound", Err: fmt.Errorf("%s '%s' not found", strings.ToLower(kind.what), mask.Text(repoURL)), Hint: "see belay repo list"}
	if kind.template {
		f.Hint = "see belay repocreds list"
	}
	if near := nearest(mask.Text(repoURL), known); len(near) > 0 {
		f.Hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return settings.Listed{}, f
}

func (c *cli) printRepos(ctx context.Context, conn *Connection, repos []settings.Listed, format string) error {
	if format == "url" {
		return printURLs(c.Out, repos)
	}
	states, err := c.probe(ctx, conn, repos)
	if err != nil {
		return err
	}
	if format == "json" || format == "yaml" {
		return printAs(c.Out, format, states)
	}
	rows := make([][]string, len(states))
	for i, s := range states {
		rows[i] = []string{s.Type, s.Name, s.Repo, strconv.FormatBool(s.Insecure), strconv.FormatBool(s.EnableOCI), strconv.FormatBool(s.EnableLFS),
			strconv.FormatBool(s.Creds), s.State.Status, s.State.Message, s.Project}
	}
	return table(c.Out, []string{"TYPE", "NAME", "REPO", "INSECURE", "OCI", "LFS", "CREDS", "STATUS", "MESSAGE", "PROJECT"}, rows)
}

func printURLs(out io.Writer, repos []settings.Listed) error {
	var errs []error
	for _, r := range repos {
		_, err := fmt.Fprintln(out, clean(r.URL()))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// credsState is a repo-creds Secret as lists show it.
type credsState struct {
	URL      string `json:"url"`
	Type     string `json:"type"`
	SSHCreds bool   `json:"sshCredentials,omitempty"`
	TLSCreds bool   `json:"tlsCredentials,omitempty"`
	Creds    bool   `json:"credentials,omitempty"`
	Secret   string `json:"secret"`
	Problem  string `json:"problem,omitempty"`
}

func (c *cli) repoCredsList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List credentials for repositories below a URL",
		Example: "  belay repocreds list",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			all, err := conn.repositories(cmd.Context(), credentialsKind())
			if err != nil {
				return err
			}
			if output == "url" {
				return printURLs(c.Out, all)
			}
			states, rows := make([]credsState, len(all)), make([][]string, len(all))
			for i, r := range all {
				s := credsState{URL: r.URL(), Type: firstOf(r.Type, "git"), SSHCreds: r.SSH(), TLSCreds: r.TLS(), Creds: r.Authenticates, Secret: r.SecretName}
				if r.Err != nil {
					s.Problem = mask.Text(r.Err.Error())
				}
				// A user name may be a token.
				user := "-"
				if !r.Username.IsEmpty() {
					user = mask.Stars
				}
				states[i], rows[i] = s, []string{s.URL, user, strconv.FormatBool(s.SSHCreds), strconv.FormatBool(s.TLSCreds)}
			}
			if output == "json" || output == "yaml" {
				return printAs(c.Out, output, states)
			}
			return table(c.Out, []string{"URL PATTERN", "USERNAME", "SSH_CREDS", "TLS_CREDS"}, rows)
		},
	}
	c.outputFlag(cmd, &output, "wide", "url", "json", "yaml")
	return cmd
}

func (c *cli) secretRemove(kind secretKind) *cobra.Command {
	var project string
	cmd := &cobra.Command{
		Use: "rm URL...", Aliases: []string{"remove", "delete"}, Short: "Remove " + strings.ToLower(strings.TrimSuffix(kind.what, " for")),
		Long: "Remove what is known of a URL. A Secret that no command made stays, without the label by which it was found:\n" +
			"whoever wrote it deletes it.",
		Example: "  belay " + map[bool]string{false: "repo rm https://git.example.com/callcenter-ai.git", true: "repocreds rm https://git.example.com/voice/"}[kind.template],
		Args:    argCount(1, -1, "URLs"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			for _, url := range args {
				r, err := conn.repository(cmd.Context(), kind, url, project)
				if err != nil {
					return err
				}
				if err := conn.removeSecret(cmd.Context(), r.Secret); err != nil {
					return fmt.Errorf("remove Secret %s: %w", r.SecretName, err)
				}
				fmt.Fprintf(c.Out, "%s '%s' removed\n", kind.what, mask.Text(url))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&project, "project", "", "project that it is for")
	return cmd
}

func (c *Connection) removeSecret(ctx context.Context, s *corev1.Secret) error {
	rctx, cancel := c.request(ctx)
	defer cancel()
	if s.Annotations["managed-by"] == managedBy {
		return c.Client.Delete(rctx, s, client.Preconditions{UID: &s.UID})
	}
	bare := s.DeepCopy()
	delete(bare.Labels, v1alpha1.LabelSecretType)
	return c.Client.Patch(rctx, bare, client.MergeFrom(s))
}

func newSecret(kind secretKind, namespace string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: kind.name(string(data["url"]), string(data["project"])), Namespace: namespace,
			Labels:      map[string]string{v1alpha1.LabelSecretType: kind.label},
			Annotations: map[string]string{"managed-by": managedBy},
		},
		Data: data,
	}
}
