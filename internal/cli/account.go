package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/internal/access"
	"github.com/belaycd/belay/internal/identity"
)

func (c *cli) accountCommand() *cobra.Command {
	return c.group("account", "Look at local accounts and change them, and ask what somebody may do",
		"  belay account list\n  belay account can-i sync applications 'callcenter-ai/*' --as dev --groups platform\n  belay account initial-password",
		c.accountCanI(), c.accountList(), c.accountGet(), c.accountUpdatePassword(), c.accountGenerateToken(), c.accountDeleteToken(),
		c.accountBcrypt(), c.accountInitialPassword())
}

func (c *cli) accountCanI() *cobra.Command {
	var subject access.Subject
	source := policySource{builtin: true}
	cmd := &cobra.Command{
		Use: "can-i ACTION RESOURCE SUBRESOURCE", Short: "Say whether somebody may do something",
		Long: `Say whether somebody may do something: yes or no on standard output, the line that decides on standard error. It is decided here, from ConfigMap
argocd-rbac-cm and the roles of projects; --as and --groups say for whom.

Actions are get, create, update, delete, sync, rollback, override, invoke, action/<group>/<kind>/<action>, update/<group>/<kind>/<namespace>/<name> and
delete/<group>/<kind>/<namespace>/<name>. An application is <project>/<name>, or <project>/<namespace>/<name> outside of the control plane's
namespace.`,
		Example: "  belay account can-i sync applications callcenter-ai/callcenter-ai-prod --as dev --groups platform,oncall\n  belay account can-i delete clusters '*' --as admin\n" +
			"  belay account can-i action/apps/Deployment/restart applications callcenter-ai/web --as proj:callcenter-ai:ci",
		Args: argCount(3, 3, "an action, a resource and an object of it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if subject.Name == "" && len(subject.Groups) == 0 {
				f := usageError("for whom is not said")
				f.Hint = "add --as NAME, --groups GROUP,GROUP, or both"
				return f
			}
			action, resource, object, err := question(args[0], args[1], args[2], true)
			if err != nil {
				return err
			}
			policy, problems, err := c.readPolicy(cmd.Context(), source)
			if err != nil {
				return err
			}
			return c.answer(policy.Decide(subject, resource, action, object), problems, answerForm{yes: "yes", no: "no"})
		},
	}
	cmd.Flags().StringVar(&subject.Name, "as", "", "name of the account or user, or proj:<project>:<role>")
	cmd.Flags().StringSliceVar(&subject.Groups, "groups", nil, "groups of the user, separated by commas")
	return cmd
}

// accountView is an account as lists show it.
type accountView struct {
	Name         string                `json:"name"`
	Enabled      bool                  `json:"enabled"`
	Capabilities []identity.Capability `json:"capabilities"`
	Tokens       []tokenView           `json:"tokens,omitempty"`
}

// tokenView is a token in the fields of argocd's output.
type tokenView struct {
	ID        string `json:"id"`
	IssuedAt  int64  `json:"issuedAt"`
	ExpiresAt int64  `json:"expiresAt,omitempty"`
}

// accounts lists the local accounts. Their tokens need permission to read the Secret, and are left out without it.
func (c *cli) accounts(ctx context.Context, tokens bool) ([]accountView, error) {
	conn, err := c.connectCluster()
	if err != nil {
		return nil, err
	}
	config, err := conn.configMap(ctx, identity.ConfigMapName)
	if err != nil {
		return nil, err
	}
	var data map[string][]byte
	if tokens {
		secret, err := conn.controlSecret(ctx, identity.SecretName)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		if secret != nil {
			data = secret.Data
		}
	}
	all, problems := identity.ReadAccounts(config, data)
	c.warnProblems(problems)
	var out []accountView
	for _, a := range slices.SortedFunc(maps.Values(all), func(a, b identity.Account) int { return cmp.Compare(a.Name, b.Name) }) {
		view := accountView{Name: a.Name, Enabled: a.Enabled, Capabilities: a.Capabilities}
		for _, t := range a.Tokens {
			view.Tokens = append(view.Tokens, tokenView(t))
		}
		out = append(out, view)
	}
	return out, nil
}

// controlSecret reads a Secret of the control plane.
func (c *Connection) controlSecret(ctx context.Context, name string) (*corev1.Secret, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	var s corev1.Secret
	if err := c.Client.Get(rctx, types.NamespacedName{Namespace: c.Namespace, Name: name}, &s); err != nil {
		return nil, fmt.Errorf("read Secret %s/%s: %w", c.Namespace, name, err)
	}
	return &s, nil
}

func words(capabilities []identity.Capability) string {
	texts := make([]string, len(capabilities))
	for i, c := range capabilities {
		texts[i] = string(c)
	}
	return strings.Join(texts, ", ")
}

func (c *cli) accountList() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List local accounts",
		Example: "  belay account list\n  belay account list -o json",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := c.accounts(cmd.Context(), output == "json" || output == "yaml")
			if err != nil {
				return err
			}
			switch output {
			case "json", "yaml":
				return printAs(c.Out, output, all)
			case "name":
				for _, a := range all {
					fmt.Fprintln(c.Out, clean(a.Name))
				}
				return nil
			}
			rows := make([][]string, len(all))
			for i, a := range all {
				rows[i] = []string{a.Name, strconv.FormatBool(a.Enabled), words(a.Capabilities)}
			}
			return table(c.Out, []string{"NAME", "ENABLED", "CAPABILITIES"}, rows)
		},
	}
	c.outputFlag(cmd, &output, "wide", "name", "json", "yaml")
	return cmd
}

func (c *cli) accountGet() *cobra.Command {
	var output, name string
	cmd := &cobra.Command{
		Use: "get", Short: "Show a local account and its tokens",
		Example: "  belay account get --account ci\n  belay account get --account ci -o json",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := c.accounts(cmd.Context(), true)
			if err != nil {
				return err
			}
			at := slices.IndexFunc(all, func(a accountView) bool { return a.Name == name })
			if at < 0 {
				return &Failure{Exit: ExitAPI, Code: "NotFound", Err: fmt.Errorf("account '%s' does not exist", name), Hint: "belay account list"}
			}
			a := all[at]
			if output != "wide" {
				return printAs(c.Out, output, a)
			}
			if err := fields(c.Out, [][2]string{{"Name:", a.Name}, {"Enabled:", strconv.FormatBool(a.Enabled)}, {"Capabilities:", words(a.Capabilities)}}); err != nil {
				return err
			}
			fmt.Fprintln(c.Out, "\nTokens:")
			if len(a.Tokens) == 0 {
				_, err := fmt.Fprintln(c.Out, "NONE")
				return err
			}
			rows := make([][]string, len(a.Tokens))
			for i, t := range a.Tokens {
				ends := "never"
				if t.ExpiresAt != 0 {
					ends = c.when(t.ExpiresAt)
				}
				rows[i] = []string{t.ID, c.when(t.IssuedAt), ends}
			}
			return table(c.Out, []string{"ID", "ISSUED AT", "EXPIRING AT"}, rows)
		},
	}
	cmd.Flags().StringVarP(&name, "account", "a", identity.Admin, "name of the account")
	c.outputFlag(cmd, &output, "wide", "json", "yaml")
	return cmd
}

// when is a moment in the user's time zone.
func (c *cli) when(unix int64) string {
	return time.Unix(unix, 0).In(c.Now().Location()).Format(time.RFC3339)
}

func (c *cli) accountBcrypt() *cobra.Command {
	var password string
	stdin := false
	cmd := &cobra.Command{
		Use: "bcrypt", Short: "Print the bcrypt hash of a password, for argocd-secret",
		Example: "  belay account bcrypt --password-stdin < password\n  belay account bcrypt --password YOUR_PASSWORD",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if stdin == cmd.Flags().Changed("password") {
				return usageError("give the password with either --password or --password-stdin")
			}
			if stdin {
				var err error
				if password, err = c.secretLine(); err != nil {
					return err
				}
			}
			hash, err := identity.Hash(password, 0)
			if err != nil {
				return usageError("%w", err)
			}
			_, err = fmt.Fprintln(c.Out, string(hash))
			return err
		},
	}
	cmd.Flags().StringVar(&password, "password", "", "password; --password-stdin keeps it out of the list of processes")
	cmd.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	return cmd
}

func (c *cli) accountInitialPassword() *cobra.Command {
	return &cobra.Command{
		Use: "initial-password", Short: "Print the password that the account admin got at the first start",
		Example: "  belay account initial-password",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := c.connectCluster()
			if err != nil {
				return err
			}
			secret, err := conn.controlSecret(cmd.Context(), identity.InitialSecretName)
			if apierrors.IsNotFound(err) {
				f := &Failure{Exit: ExitAPI, Code: "NotFound", Err: fmt.Errorf("there is no Secret %s/%s: the server has not started yet, or somebody deleted it, as one should", conn.Namespace, identity.InitialSecretName)}
				f.Hint = "for a new password remove admin.password and admin.passwordMtime from Secret " + identity.SecretName + ", and start the server once more"
				return f
			}
			if err != nil {
				return err
			}
			password := string(secret.Data["password"])
			if password == "" {
				return &Failure{Exit: ExitAPI, Code: "NotFound", Err: fmt.Errorf("Secret %s/%s holds no password", conn.Namespace, identity.InitialSecretName)}
			}
			if _, err := fmt.Fprintln(c.Out, password); err != nil {
				return err
			}
			fmt.Fprintf(c.Err, "hint: change it after the first login, and delete this copy: kubectl --namespace %s delete secret %s\n", conn.Namespace, identity.InitialSecretName)
			return nil
		},
	}
}
