package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

// projectFlags describe or change the spec of a project. Only flags that were given count; a list replaces the one that
// was there.
type projectFlags struct {
	fs                                               *pflag.FlagSet
	description                                      string
	destinations, sources, namespaces, keys          []string
	clusterAllow, clusterDeny, namedAllow, namedDeny []string
	orphaned, orphanedWarn                           bool
}

func (f *projectFlags) bind(fs *pflag.FlagSet) {
	f.fs = fs
	fs.StringVar(&f.description, "description", "", "what the project is for")
	fs.StringArrayVarP(&f.destinations, "dest", "d", nil, "permitted destination SERVER,NAMESPACE (may be repeated)")
	fs.StringArrayVarP(&f.sources, "src", "s", nil, "permitted repository (may be repeated)")
	fs.StringSliceVar(&f.namespaces, "source-namespaces", nil, "namespaces whose Applications may name the project")
	fs.StringSliceVar(&f.keys, "signature-keys", nil, "ids of the GnuPG keys that may sign commits")
	fs.StringArrayVar(&f.clusterAllow, "allow-cluster-resource", nil, "permitted cluster-scoped kind GROUP/KIND[/NAME] (may be repeated)")
	fs.StringArrayVar(&f.clusterDeny, "deny-cluster-resource", nil, "forbidden cluster-scoped kind GROUP/KIND[/NAME] (may be repeated)")
	fs.StringArrayVar(&f.namedAllow, "allow-namespaced-resource", nil, "permitted namespaced kind GROUP/KIND (may be repeated)")
	fs.StringArrayVar(&f.namedDeny, "deny-namespaced-resource", nil, "forbidden namespaced kind GROUP/KIND (may be repeated)")
	fs.BoolVar(&f.orphaned, "orphaned-resources", false, "watch objects that belong to no application")
	fs.BoolVar(&f.orphanedWarn, "orphaned-resources-warn", false, "warn of objects that belong to no application")
}

// apply lays the flags over a project.
func (f *projectFlags) apply(p *v1alpha1.AppProject) error {
	s := &p.Spec
	for flag, set := range map[string]func() error{
		"description":       func() error { s.Description = f.description; return nil },
		"src":               func() error { s.SourceRepos = f.sources; return nil },
		"source-namespaces": func() error { s.SourceNamespaces = f.namespaces; return nil },
		"dest": func() error {
			s.Destinations = nil
			for _, text := range f.destinations {
				server, namespace, ok := strings.Cut(text, ",")
				if !ok || server == "" {
					return usageError("%q is no destination: it needs SERVER,NAMESPACE", text)
				}
				s.Destinations = append(s.Destinations, v1alpha1.ApplicationDestination{Server: server, Namespace: namespace})
			}
			return nil
		},
		"signature-keys": func() error {
			s.SignatureKeys = nil
			for _, key := range f.keys {
				s.SignatureKeys = append(s.SignatureKeys, v1alpha1.SignatureKey{KeyID: key})
			}
			return nil
		},
		"allow-cluster-resource":    func() (err error) { s.ClusterResourceWhitelist, err = clusterKinds(f.clusterAllow); return err },
		"deny-cluster-resource":     func() (err error) { s.ClusterResourceBlacklist, err = clusterKinds(f.clusterDeny); return err },
		"allow-namespaced-resource": func() (err error) { s.NamespaceResourceWhitelist, err = groupKinds(f.namedAllow); return err },
		"deny-namespaced-resource":  func() (err error) { s.NamespaceResourceBlacklist, err = groupKinds(f.namedDeny); return err },
		"orphaned-resources": func() error {
			if s.OrphanedResources = nil; f.orphaned {
				s.OrphanedResources = &v1alpha1.OrphanedResourcesMonitorSettings{}
			}
			return nil
		},
	} {
		if f.fs.Changed(flag) {
			if err := set(); err != nil {
				return err
			}
		}
	}
	if f.fs.Changed("orphaned-resources-warn") {
		if s.OrphanedResources == nil {
			return usageError("--orphaned-resources-warn belongs to --orphaned-resources")
		}
		warn := f.orphanedWarn
		s.OrphanedResources.Warn = &warn
	}
	return nil
}

func clusterKinds(texts []string) ([]v1alpha1.ClusterResourceRestrictionItem, error) {
	var out []v1alpha1.ClusterResourceRestrictionItem
	for _, text := range texts {
		parts := strings.SplitN(text, "/", 3)
		if len(parts) < 2 || parts[1] == "" {
			return nil, usageError("%q is no kind: it needs GROUP/KIND, such as rbac.authorization.k8s.io/ClusterRole or /Namespace", text)
		}
		item := v1alpha1.ClusterResourceRestrictionItem{Group: parts[0], Kind: parts[1]}
		if len(parts) == 3 {
			item.Name = parts[2]
		}
		out = append(out, item)
	}
	return out, nil
}

func groupKinds(texts []string) ([]metav1.GroupKind, error) {
	items, err := clusterKinds(texts)
	var out []metav1.GroupKind
	for i, item := range items {
		if item.Name != "" {
			return nil, usageError("%q names an object: kinds of namespaced objects are GROUP/KIND", texts[i])
		}
		out = append(out, metav1.GroupKind{Group: item.Group, Kind: item.Kind})
	}
	return out, err
}

func (c *cli) projCreate() *cobra.Command {
	f := &projectFlags{}
	var file, output string
	var upsert bool
	cmd := &cobra.Command{
		Use: "create [PROJECT]", Short: "Create a project from flags or a file",
		Example: `  belay proj create callcenter-ai --description "voice team" --src https://git.example.com/callcenter-ai.git \
      --dest https://kubernetes.default.svc,callcenter-ai-dev --allow-cluster-resource /Namespace
  belay proj create -f callcenter-ai.yaml --upsert`,
		Args: argCount(0, 1, "at most one name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			raw, err := c.projectFile(cmd.Context(), file, args)
			if err != nil {
				return err
			}
			return c.createProject(cmd.Context(), conn, raw, projectCreation{f, upsert, output})
		},
	}
	c.outputFlag(cmd, &output, "wide", "json", "yaml", "name")
	f.bind(cmd.Flags())
	cmd.Flags().StringVarP(&file, "file", "f", "", "file or URL with a project in YAML or JSON; - reads standard input")
	cmd.Flags().BoolVar(&upsert, "upsert", false, "overwrite a project that exists and differs")
	return cmd
}

// projectFile reads the project of a file, or begins an empty one of that name.
func (c *cli) projectFile(ctx context.Context, file string, args []string) (*unstructured.Unstructured, error) {
	raw := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{}}}
	raw.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.AppProjectKind))
	if file != "" {
		in, err := c.open(ctx, file)
		if err != nil {
			return nil, err
		}
		defer in.Close()
		objects, err := decodeDocuments(io.LimitReader(in, maxInput))
		if err != nil {
			return nil, usageError("%s: %w", mask.Text(file), err)
		}
		if len(objects) != 1 || objects[0].GetKind() != v1alpha1.AppProjectKind || objects[0].GroupVersionKind().Group != v1alpha1.Group {
			return nil, usageError("%s does not hold one AppProject", mask.Text(file))
		}
		raw = objects[0]
	}
	if len(args) == 1 {
		if have := raw.GetName(); have != "" && have != args[0] {
			return nil, usageError("the argument %q and the name %q of the file differ", args[0], have)
		}
		raw.SetName(args[0])
	}
	if raw.GetName() == "" {
		return nil, usageError("give a name, or a file with -f")
	}
	return raw, nil
}

type projectCreation struct {
	flags  *projectFlags
	upsert bool
	output string
}

func (c *cli) createProject(ctx context.Context, conn ControlPlane, raw *unstructured.Unstructured, o projectCreation) error {
	raw.SetNamespace(conn.Home())
	var p v1alpha1.AppProject
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw.Object, &p); err != nil {
		return usageError("read project %s: %w", raw.GetName(), err)
	}
	want := p.DeepCopy()
	if err := o.flags.apply(want); err != nil {
		return err
	}
	after, err := withChange(raw, &p, want)
	if err != nil {
		return err
	}
	delete(after.Object, "status")
	unstructured.RemoveNestedField(after.Object, "metadata", "creationTimestamp")
	if err := checkProject(after); err != nil {
		return err
	}
	word := "created"
	created, err := conn.CreateProject(ctx, after)
	if errors.Is(err, ErrExists) {
		word, created, err = upsertProject(ctx, conn, after, o.upsert)
	}
	if err != nil {
		return fmt.Errorf("create project %s: %w", raw.GetName(), err)
	}
	switch o.output {
	case "json", "yaml":
		return printAs(c.Out, o.output, plainObject(created))
	case "name":
		_, err = fmt.Fprintln(c.Out, created.GetName())
	default:
		_, err = fmt.Fprintf(c.Out, "project '%s' %s\n", created.GetName(), word)
	}
	return err
}

// upsertProject gives a project that exists the wanted spec, if that is permitted.
func upsertProject(ctx context.Context, cp ControlPlane, want *unstructured.Unstructured, upsert bool) (string, *unstructured.Unstructured, error) {
	have, err := rawProject(ctx, cp, want.GetName())
	if err != nil {
		return "", nil, err
	}
	object, err := toMap(have.Object)
	if err != nil {
		return "", nil, err
	}
	if reflect.DeepEqual(object["spec"], want.Object["spec"]) {
		return "unchanged", have, nil
	}
	if !upsert {
		return "", nil, &Failure{Exit: ExitAPI, Code: "ProjectExists", Hint: "add --upsert",
			Err: fmt.Errorf("existing project spec is different, use upsert flag to force update")}
	}
	object["spec"] = want.Object["spec"]
	after := &unstructured.Unstructured{Object: object}
	_, err = cp.Replace(ctx, have, after)
	return "updated", after, err
}

func (c *cli) projSet() *cobra.Command {
	f := &projectFlags{}
	cmd := &cobra.Command{
		Use: "set PROJECT", Short: "Change the spec of a project",
		Long:    "Change the spec of a project. What is not given stays as it is; a list is replaced as a whole.",
		Example: "  belay proj set callcenter-ai --description 'voice team'\n  belay proj set callcenter-ai --src 'https://git.example.com/*'",
		Args:    argCount(1, 1, "the name of a project"), ValidArgsFunction: c.completeProjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !anyChanged(cmd.LocalNonPersistentFlags()) {
				return usageError("nothing to change: give one of the flags")
			}
			return c.changeProject(cmd.Context(), args[0], func(p *v1alpha1.AppProject) (string, error) {
				return "changed", f.apply(p)
			})
		},
	}
	f.bind(cmd.Flags())
	return cmd
}
