package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// projectChange is a command that changes a project: its words after the project go in, what was done comes out. A change
// that finds nothing to do says so in done and changes nothing.
type projectChange struct {
	use, short, example string
	long                string
	args                int // words after the project
	optional            int // further ones
	flags               func(*pflag.FlagSet)
	change              func(p *v1alpha1.AppProject, args []string) (done string, err error)
}

func (c *cli) projChange(d projectChange) *cobra.Command {
	cmd := &cobra.Command{
		Use: d.use, Short: d.short, Long: d.long, Example: d.example,
		Args:              argCount(1+d.args, 1+d.args+d.optional, strings.TrimSpace(strings.TrimPrefix(d.use, strings.Fields(d.use)[0]))),
		ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeProject(cmd.Context(), args[0], func(p *v1alpha1.AppProject) (string, error) { return d.change(p, args[1:]) })
		},
	}
	if d.flags != nil {
		d.flags(cmd.Flags())
	}
	return cmd
}

// projLists are the commands that add to the lists of a project and remove from them.
func (c *cli) projLists() []*cobra.Command {
	texts := func(list func(*v1alpha1.AppProject) *[]string, what string) (add, remove func(*v1alpha1.AppProject, []string) (string, error)) {
		add = func(p *v1alpha1.AppProject, args []string) (string, error) {
			if slices.Contains(*list(p), args[0]) {
				return fmt.Sprintf("%s '%s' is permitted already", what, args[0]), nil
			}
			*list(p) = append(*list(p), args[0])
			return fmt.Sprintf("%s '%s' added", what, args[0]), nil
		}
		remove = func(p *v1alpha1.AppProject, args []string) (string, error) {
			i := slices.Index(*list(p), args[0])
			if i < 0 {
				return "", notInProject(p, "%s '%s' is not in project '%s'", what, args[0], p.Name)
			}
			*list(p) = slices.Delete(*list(p), i, i+1)
			return fmt.Sprintf("%s '%s' removed", what, args[0]), nil
		}
		return add, remove
	}
	addSource, removeSource := texts(func(p *v1alpha1.AppProject) *[]string { return &p.Spec.SourceRepos }, "source")
	addSpace, removeSpace := texts(func(p *v1alpha1.AppProject) *[]string { return &p.Spec.SourceNamespaces }, "source namespace")
	return []*cobra.Command{
		c.projChange(projectChange{use: "add-source PROJECT URL", short: "Permit a repository to the applications of a project", args: 1, change: addSource,
			example: "  belay proj add-source callcenter-ai https://git.example.com/callcenter-ai.git\n  belay proj add-source callcenter-ai '!https://git.example.com/secret/*'"}),
		c.projChange(projectChange{use: "remove-source PROJECT URL", short: "Remove a repository from the permitted ones of a project", args: 1, change: removeSource,
			example: "  belay proj remove-source callcenter-ai https://git.example.com/callcenter-ai.git"}),
		c.projChange(projectChange{use: "add-source-namespace PROJECT NAMESPACE", short: "Permit Applications of a namespace to name a project", args: 1, change: addSpace,
			example: "  belay proj add-source-namespace callcenter-ai team-voice"}),
		c.projChange(projectChange{use: "remove-source-namespace PROJECT NAMESPACE", short: "Remove a namespace from those whose Applications may name a project", args: 1, change: removeSpace,
			example: "  belay proj remove-source-namespace callcenter-ai team-voice"}),
		c.projAddDestination(), c.projRemoveDestination(), c.projSignatureKey(true), c.projSignatureKey(false),
		c.projKinds(kindsCommand{"allow-cluster-resource", true, true, "allow"}), c.projKinds(kindsCommand{"deny-cluster-resource", false, true, "allow"}),
		c.projKinds(kindsCommand{"allow-namespace-resource", true, false, "deny"}), c.projKinds(kindsCommand{"deny-namespace-resource", false, false, "deny"}),
	}
}

func notInProject(p *v1alpha1.AppProject, format string, args ...any) error {
	f := usageError(format, args...)
	f.Hint = "belay proj get " + p.Name
	return f
}

func (c *cli) projAddDestination() *cobra.Command {
	byName := false
	return c.projChange(projectChange{
		use: "add-destination PROJECT SERVER NAMESPACE", short: "Permit a destination to the applications of a project", args: 2,
		example: "  belay proj add-destination callcenter-ai https://kubernetes.default.svc 'callcenter-*'\n  belay proj add-destination callcenter-ai in-cluster 'callcenter-*' --name",
		flags:   func(fs *pflag.FlagSet) { fs.BoolVar(&byName, "name", false, "SERVER is the name of a cluster") },
		change: func(p *v1alpha1.AppProject, args []string) (string, error) {
			d := v1alpha1.ApplicationDestination{Server: args[0], Namespace: args[1]}
			if byName {
				d.Server, d.Name = "", args[0]
			}
			if slices.Contains(p.Spec.Destinations, d) {
				return "destination " + destinationWord(d) + " is permitted already", nil
			}
			p.Spec.Destinations = append(p.Spec.Destinations, d)
			return "destination " + destinationWord(d) + " added", nil
		},
	})
}

func (c *cli) projRemoveDestination() *cobra.Command {
	return c.projChange(projectChange{
		use: "remove-destination PROJECT SERVER NAMESPACE", short: "Remove a destination from the permitted ones of a project", args: 2,
		long:    "Remove a destination from the permitted ones of a project. SERVER is the address of the cluster or its name.",
		example: "  belay proj remove-destination callcenter-ai https://kubernetes.default.svc 'callcenter-*'",
		change: func(p *v1alpha1.AppProject, args []string) (string, error) {
			i := slices.IndexFunc(p.Spec.Destinations, func(d v1alpha1.ApplicationDestination) bool {
				return (d.Server == args[0] || d.Server == "" && d.Name == args[0]) && d.Namespace == args[1]
			})
			if i < 0 {
				return "", notInProject(p, "destination %s,%s is not in project '%s'", args[0], args[1], p.Name)
			}
			p.Spec.Destinations = slices.Delete(p.Spec.Destinations, i, i+1)
			return fmt.Sprintf("destination %s,%s removed", args[0], args[1]), nil
		},
	})
}

func (c *cli) projSignatureKey(add bool) *cobra.Command {
	d := projectChange{
		use: "add-signature-key PROJECT KEY-ID", short: "Demand that commits are signed, and permit a GnuPG key to sign them", args: 1,
		example: "  belay proj add-signature-key callcenter-ai 4AEE18F83AFDEB23",
		change: func(p *v1alpha1.AppProject, args []string) (string, error) {
			key := v1alpha1.SignatureKey{KeyID: args[0]}
			if slices.Contains(p.Spec.SignatureKeys, key) {
				return "key " + args[0] + " is permitted already", nil
			}
			if n := len(args[0]); n < 8 || strings.Trim(args[0], "0123456789abcdefABCDEF") != "" {
				return "", usageError("%q is no id of a key: it has at least 8 hexadecimal digits", args[0])
			}
			p.Spec.SignatureKeys = append(p.Spec.SignatureKeys, key)
			return "key " + args[0] + " added", nil
		},
	}
	if !add {
		d.use, d.short = "remove-signature-key PROJECT KEY-ID", "Remove a GnuPG key from those that may sign commits"
		d.example = strings.Replace(d.example, "add-", "remove-", 1)
		d.change = func(p *v1alpha1.AppProject, args []string) (string, error) {
			i := slices.Index(p.Spec.SignatureKeys, v1alpha1.SignatureKey{KeyID: args[0]})
			if i < 0 {
				return "", notInProject(p, "key %s is not in project '%s'", args[0], p.Name)
			}
			p.Spec.SignatureKeys = slices.Delete(p.Spec.SignatureKeys, i, i+1)
			return "key " + args[0] + " removed", nil
		}
	}
	return c.projChange(d)
}

// kindsCommand is one of the four commands about lists of kinds: list is the list that it changes unless told otherwise.
type kindsCommand struct {
	name           string
	allow, cluster bool
	list           string
}

// projKinds changes a list of kinds. To allow a kind is to add it to the allow list, or to remove it from the deny list; to
// deny it the other way round.
func (c *cli) projKinds(k kindsCommand) *cobra.Command {
	list := k.list
	scope, verb := "namespaced", "Deny"
	if k.cluster {
		scope = "cluster-scoped"
	}
	if k.allow {
		verb = "Allow"
	}
	d := projectChange{
		use: k.name + " PROJECT GROUP KIND", short: verb + " a " + scope + " kind to the applications of a project", args: 2,
		long: fmt.Sprintf("%s a %s kind. With --list allow the kind is %s the allow list, with --list deny it is %s the deny list.\nThe group of core kinds is empty.",
			verb, scope, map[bool]string{true: "added to", false: "removed from"}[k.allow], map[bool]string{true: "removed from", false: "added to"}[k.allow]),
		example: fmt.Sprintf("  belay proj %s callcenter-ai %s\n  belay proj %s callcenter-ai '' %s --list %s", k.name,
			map[bool]string{true: "rbac.authorization.k8s.io ClusterRole", false: "networking.k8s.io NetworkPolicy"}[k.cluster], k.name,
			map[bool]string{true: "Namespace", false: "LimitRange"}[k.cluster], map[string]string{"allow": "deny", "deny": "allow"}[k.list]),
		flags: func(fs *pflag.FlagSet) {
			fs.StringVarP(&list, "list", "l", k.list, "the list to change: allow or deny")
		},
		change: func(p *v1alpha1.AppProject, args []string) (string, error) {
			if list != "allow" && list != "deny" {
				return "", usageError("unknown list %q: it is allow or deny", list)
			}
			add := k.allow == (list == "allow")
			if k.cluster {
				item := v1alpha1.ClusterResourceRestrictionItem{Group: args[0], Kind: args[1]}
				if len(args) == 3 {
					item.Name = args[2]
				}
				into := &p.Spec.ClusterResourceWhitelist
				if list == "deny" {
					into = &p.Spec.ClusterResourceBlacklist
				}
				return changeList(into, item, add, strings.Join(args, "/")+" "+inList(add, list))
			}
			into := &p.Spec.NamespaceResourceWhitelist
			if list == "deny" {
				into = &p.Spec.NamespaceResourceBlacklist
			}
			if len(*into) == 1 && !add && list == "allow" {
				// An empty list is not written, and no list allows all kinds.
				return "", usageError("%s is the last kind of the allow list, and without a list all namespaced kinds are allowed: allow another one first", strings.Join(args, "/"))
			}
			return changeList(into, metav1.GroupKind{Group: args[0], Kind: args[1]}, add, strings.Join(args, "/")+" "+inList(add, list))
		},
	}
	if k.cluster {
		d.use, d.optional = k.name+" PROJECT GROUP KIND [NAME]", 1
	}
	return c.projChange(d)
}

func inList(add bool, list string) string {
	if add {
		return "added to the " + list + " list"
	}
	return "removed from the " + list + " list"
}

// changeList adds an item to a list or removes it. An item that is there, or not there, already changes nothing.
func changeList[T comparable](list *[]T, item T, add bool, done string) (string, error) {
	i := slices.Index(*list, item)
	switch {
	case add && i < 0:
		*list = append(*list, item)
	case !add && i >= 0:
		*list = slices.Delete(*list, i, i+1)
	default:
		return "nothing to change", nil
	}
	return done, nil
}

// projDelete deletes a project that no application names.
func (c *cli) projDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete PROJECT...", Aliases: []string{"rm"}, Short: "Delete projects that no application uses",
		Example: "  belay proj delete callcenter-old", Args: argCount(1, -1, "names of projects"), ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			for _, name := range args {
				if err := deleteProject(cmd.Context(), conn, name); err != nil {
					return err
				}
				fmt.Fprintf(c.Out, "project '%s' deleted\n", name)
			}
			return nil
		},
	}
}

func deleteProject(ctx context.Context, cp ControlPlane, name string) error {
	if _, err := readProject(ctx, cp, name); err != nil {
		return err
	}
	if name == v1alpha1.DefaultProjectName {
		return usageError("the project 'default' cannot be deleted: applications without a project use it")
	}
	used, err := selectApps(ctx, cp, listOptions{projects: []string{name}, appFlags: appFlags{appNamespace: cp.Home()}})
	if err != nil {
		return err
	}
	if len(used) > 0 {
		return &Failure{Exit: ExitAPI, Code: "ProjectInUse", Err: fmt.Errorf("project '%s' is used by %d applications, first of them %s", name, len(used), used[0]),
			Hint: "move them to another project, or delete them: belay app list --project " + name}
	}
	if err := cp.DeleteProject(ctx, name); err != nil {
		return fmt.Errorf("delete project %s: %w", name, err)
	}
	return nil
}
