package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/access"
	"github.com/belaycd/belay/internal/fault"
)

func (c *cli) rbacCommand() *cobra.Command {
	return c.group("rbac", "Try, check and review who may do what: argocd-rbac-cm and the roles of projects",
		"  belay rbac review --project callcenter-ai -o csv > review.csv\n  belay rbac can role:deployer sync applications callcenter-ai/prod\n  belay rbac validate --policy-file argocd-rbac-cm.yaml",
		c.rbacReview(), c.rbacCan(), c.rbacValidate())
}

// configMap reads the data of a ConfigMap of the control plane, nil if there is none.
func (c *Connection) configMap(ctx context.Context, name string) (map[string]string, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	var cm corev1.ConfigMap
	err := c.Client.Get(rctx, types.NamespacedName{Namespace: c.Namespace, Name: name}, &cm)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read ConfigMap %s/%s: %w", c.Namespace, name, err)
	}
	return cm.Data, nil
}

// projectPointers lists the projects as policies take them.
func (c *Connection) projectPointers(ctx context.Context) ([]*v1alpha1.AppProject, error) {
	all, err := c.ListProjects(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]*v1alpha1.AppProject, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	return out, nil
}

// policySource is where a command takes the policy from: a file, or the cluster with its projects.
type policySource struct {
	file        string
	defaultRole string
	builtin     bool
}

func (s *policySource) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.file, "policy-file", "", "file with policy lines or with ConfigMap argocd-rbac-cm, in place of the cluster's; - reads standard input")
}

// read returns the policy. That of the cluster has the roles of projects, too.
func (c *cli) readPolicy(ctx context.Context, s policySource) (*access.Policy, []error, error) {
	config := access.Config{WithoutBuiltin: !s.builtin}
	var projects []*v1alpha1.AppProject
	if s.file != "" {
		data, err := c.policyFile(s.file)
		if err != nil {
			return nil, nil, err
		}
		config.Data = data
	} else {
		conn, err := c.connectCluster()
		if err != nil {
			return nil, nil, err
		}
		if config.Data, err = conn.configMap(ctx, access.ConfigMapName); err != nil {
			return nil, nil, err
		}
		if projects, err = conn.projectPointers(ctx); err != nil {
			return nil, nil, err
		}
	}
	if s.defaultRole != "" {
		data := map[string]string{"policy.default": s.defaultRole}
		for k, v := range config.Data {
			if k != "policy.default" {
				data[k] = v
			}
		}
		config.Data = data
	}
	policy, problems := access.New(config, projects)
	return policy, problems, nil
}

// policyFile reads the data of a ConfigMap in YAML, or lines of a policy.
func (c *cli) policyFile(name string) (map[string]string, error) {
	var text []byte
	var err error
	if name == "-" {
		text, err = io.ReadAll(c.In)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, &Failure{Exit: ExitUsage, Code: "Usage", Err: fmt.Errorf("read policy file: %w", err), Hint: "name a file with --policy-file, or leave it out to use the cluster's"}
	}
	var cm corev1.ConfigMap
	if yaml.Unmarshal(text, &cm) == nil && cm.Kind == "ConfigMap" {
		return cm.Data, nil
	}
	return map[string]string{"policy.csv": string(text)}, nil
}

// warnProblems prints what is wrong with a policy to standard error.
func (c *cli) warnProblems(problems []error) {
	for _, err := range problems {
		fmt.Fprintf(c.Err, "warning: %s\n", clean(err.Error()))
	}
}

// resourceWord takes the short names that argocd takes.
func resourceWord(word string) string {
	for name, short := range map[string][]string{
		access.Accounts: {"account"}, access.Applications: {"app", "apps", "application"}, access.ApplicationSets: {"appset", "appsets", "applicationset"},
		access.Certificates: {"cert", "certs", "certificate"}, access.Clusters: {"cluster"}, access.Extensions: {"extension"}, access.GPGKeys: {"gpgkey", "key"},
		access.Logs: {"log"}, access.Projects: {"proj", "projs", "project"}, access.Repositories: {"repo", "repos", "repository"},
	} {
		if slices.Contains(short, word) {
			return name
		}
	}
	return word
}

// question checks the words of a question about permission, and completes the object.
func question(action, resource, object string, strict bool) (string, string, string, error) {
	resource = resourceWord(resource)
	if strict {
		if access.Actions(resource) == nil {
			f := usageError("%q is no resource", resource)
			f.Hint = "resources are " + strings.Join(access.Resources(), ", ")
			if near := nearest(resource, access.Resources()); len(near) > 0 {
				f.Hint = "did you mean " + strings.Join(near, " or ") + "?"
			}
			return "", "", "", f
		}
		if !access.HasAction(resource, action) {
			f := usageError("there is no action %q on %s", action, resource)
			f.Hint = "actions are " + strings.Join(access.Actions(resource), ", ")
			return "", "", "", f
		}
	}
	if access.ProjectScoped(resource) && (object == "" || object == "*") {
		object = "*/*"
	}
	return action, resource, object, nil
}

func (c *cli) rbacCan() *cobra.Command {
	source := policySource{}
	strict, quiet := true, false
	cmd := &cobra.Command{
		Use: "can ROLE/SUBJECT ACTION RESOURCE [SUB-RESOURCE]", Short: "Say whether a role or a subject may do something",
		Long: `Say whether a role or a subject may do something, by the policy of a file or of the cluster. Exit code 0 is yes, 1 is no. The line that
decides is named on standard error.`,
		Example: "  belay rbac can role:deployer sync applications callcenter-ai/prod\n  belay rbac can dev create application 'default/app' --policy-file argocd-rbac-cm.yaml\n" +
			"  belay rbac can dev get logs 'callcenter-ai/*' --default-role role:readonly",
		Args: argCount(3, 4, "a role or subject, an action, a resource and perhaps an object of it"),
		RunE: func(cmd *cobra.Command, args []string) error {
			object := ""
			if len(args) > 3 {
				object = args[3]
			}
			action, resource, object, err := question(args[1], args[2], object, strict)
			if err != nil {
				return err
			}
			policy, problems, err := c.readPolicy(cmd.Context(), source)
			if err != nil {
				return err
			}
			return c.answer(policy.DecideFor(args[0], resource, action, object), problems, answerForm{"Yes", "No", quiet, true})
		},
	}
	source.bind(cmd)
	cmd.Flags().StringVar(&source.defaultRole, "default-role", "", "role of everybody, in place of policy.default")
	cmd.Flags().BoolVar(&source.builtin, "use-builtin-policy", true, "count role:readonly, role:admin and the account admin")
	cmd.Flags().BoolVar(&strict, "strict", true, "refuse resources and actions that do not exist")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print nothing: the exit code is the answer")
	return cmd
}

// answerForm is how a command says yes or no.
type answerForm struct {
	yes, no  string
	quiet    bool
	exitCode bool // no is exit code 1
}

// answer prints a decision to standard output, and its reason to standard error.
func (c *cli) answer(d access.Decision, problems []error, form answerForm) error {
	word := form.no
	if d.Allowed {
		word = form.yes
	}
	if !form.quiet {
		if _, err := fmt.Fprintln(c.Out, word); err != nil {
			return err
		}
		c.warnProblems(problems)
		fmt.Fprintln(c.Err, clean(d.String()))
	}
	if !d.Allowed && form.exitCode {
		return different()
	}
	return nil
}

func (c *cli) rbacValidate() *cobra.Command {
	source := policySource{builtin: true}
	cmd := &cobra.Command{
		Use: "validate", Short: "Find mistakes in a policy",
		Long: `Find mistakes in a policy: lines that cannot be read, and lines without effect because they name what does not exist. The policy is that of a
file, or that of the cluster with the roles of its projects. Exit code 1 says that something was found.`,
		Example: "  belay rbac validate\n  belay rbac validate --policy-file argocd-rbac-cm.yaml",
		Args:    argCount(0, 0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, problems, err := c.readPolicy(cmd.Context(), source)
			if err != nil {
				return err
			}
			if len(problems) == 0 {
				_, err := fmt.Fprintln(c.Out, "Policy is valid.")
				return err
			}
			for _, problem := range problems {
				if _, err := fmt.Fprintf(c.Out, "Policy is invalid: %s\n", clean(problem.Error())); err != nil {
					return err
				}
			}
			return different()
		},
	}
	source.bind(cmd)
	return cmd
}

// unknownProject says that a project is not there; a review of it would look as if nobody had access.
func unknownProject(name string, all []*v1alpha1.AppProject) error {
	if name == v1alpha1.DefaultProjectName || slices.ContainsFunc(all, func(p *v1alpha1.AppProject) bool { return p.Name == name }) {
		return nil
	}
	return &Failure{Exit: ExitAPI, Code: "NotFound", Err: fault.As(fault.NotFound, errors.New("project '"+name+"' does not exist")), Hint: "belay proj list"}
}
