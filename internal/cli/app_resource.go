package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// chosenObjects are flags that name objects of an application: those of its manifests, and what they own.
type chosenObjects struct {
	appFlags
	fs                           *pflag.FlagSet
	group, kind, namespace, name string
	all                          bool
	// kindFree takes all objects of the manifests when no kind is named.
	kindFree bool
}

func (o *chosenObjects) bindChoice(fs *pflag.FlagSet) {
	o.appFlags.bind(fs)
	o.fs = fs
	fs.StringVar(&o.kind, "kind", "", "kind of the object (needed)")
	fs.StringVar(&o.group, "group", "", "API group of the kind (default: any)")
	fs.StringVar(&o.name, "resource-name", "", "name of the object (default: any)")
	// It hides the global flag of that name, as with argocd.
	fs.StringVar(&o.namespace, "namespace", "", "only objects of this namespace (-N is the application's)")
}

func (o *chosenObjects) matches(r object.Ref) bool {
	return (r.Kind == o.kind || o.kind == "" && o.kindFree) && (r.Group == o.group || !o.fs.Changed("group")) &&
		(o.name == "" || r.Name == o.name) && (o.namespace == "" || r.Namespace == o.namespace)
}

// chosen are live objects of an application.
type chosen struct {
	app     *v1alpha1.Application
	objects []*unstructured.Unstructured
}

// choose reads the objects. One is expected unless many says otherwise.
func (o *chosenObjects) choose(ctx context.Context, conn ControlPlane, arg string, many bool) (chosen, error) {
	if o.kind == "" && !o.kindFree {
		return chosen{}, usageError("--kind is needed")
	}
	key, err := o.key(arg, conn.Home())
	if err != nil {
		return chosen{}, err
	}
	app, err := getApp(ctx, conn, key)
	if err != nil {
		return chosen{}, err
	}
	nodes := slices.DeleteFunc(rootsOf(app), func(n *node) bool { return !o.matches(n.ref) })
	if len(nodes) == 0 && o.kind != "" {
		roots, _, err := treeOf(ctx, conn, app)
		if err != nil {
			return chosen{}, err
		}
		for _, r := range roots {
			nodes = append(nodes, r.below(o.matches)...)
		}
	}
	var out []*unstructured.Unstructured
	for _, n := range nodes {
		u, err := conn.LiveObject(ctx, app, n.ref, n.version)
		if fault.Is(err, fault.NotFound) {
			continue // of the manifests, and not in the cluster
		}
		if err != nil {
			return chosen{}, err
		}
		out = append(out, u)
	}
	switch {
	case len(out) == 0:
		return chosen{}, &Failure{Exit: ExitAPI, Code: "ResourceNotFound", Err: fmt.Errorf("application %s has no such object in the cluster", key),
			Hint: "belay app resources " + key.String() + " -o tree"}
	case len(out) > 1 && !many:
		f := usageError("%d objects of application %s match, first of them %s and %s", len(out), key, object.RefOf(out[0]), object.RefOf(out[1]))
		f.Hint = "name one with --resource-name, --namespace and --group, or take all with --all"
		return chosen{}, f
	}
	return chosen{app, out}, nil
}

// below returns the nodes below n, and n, that match.
func (n *node) below(match func(object.Ref) bool) []*node {
	var out []*node
	if match(n.ref) {
		out = append(out, n)
	}
	for _, child := range n.children {
		out = append(out, child.below(match)...)
	}
	return out
}

func (c *cli) appGetResource() *cobra.Command {
	o := &chosenObjects{}
	var output string
	var fields []string
	var managed bool
	cmd := &cobra.Command{
		Use: "get-resource APPNAME", Short: "Show live objects of an application",
		Example: `  belay app get-resource callcenter-ai-prod --kind Deployment --resource-name agent-service -o yaml
  belay app get-resource callcenter-ai-prod --kind Pod --filter-fields status.phase,spec.nodeName`,
		Args: argCount(1, 1, "the name of an application"), ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			found, err := o.choose(cmd.Context(), conn, args[0], true)
			if err != nil {
				return err
			}
			objects := found.objects
			for i, u := range objects {
				u = mask.Object(u)
				if !managed {
					u.SetManagedFields(nil)
				}
				if len(fields) > 0 {
					u = &unstructured.Unstructured{Object: onlyFields(u.Object, fields)}
				}
				objects[i] = u
			}
			return printObjects(c.Out, objects, output)
		},
	}
	o.bindChoice(cmd.Flags())
	c.kube.bindHome(cmd.Flags())
	c.outputFlag(cmd, &output, "wide", "json", "yaml")
	cmd.Flags().StringSliceVar(&fields, "filter-fields", nil, "only these fields, such as metadata.name,spec.replicas")
	cmd.Flags().BoolVar(&managed, "show-managed-fields", false, "show who owns which field")
	return cmd
}

// onlyFields is an object with the fields of these paths alone. A path goes through the elements of a list.
func onlyFields(from map[string]any, paths []string) map[string]any {
	out := map[string]any{}
	for _, path := range paths {
		if v, ok := fieldAt(from, strings.Split(path, ".")); ok {
			overlay(out, v.(map[string]any))
		}
	}
	return out
}

func fieldAt(v any, path []string) (any, bool) {
	if len(path) == 0 {
		return v, true
	}
	switch t := v.(type) {
	case map[string]any:
		if inner, ok := fieldAt(t[path[0]], path[1:]); ok && t[path[0]] != nil {
			return map[string]any{path[0]: inner}, true
		}
	case []any:
		var list []any
		for _, e := range t {
			if inner, ok := fieldAt(e, path); ok {
				list = append(list, inner)
			}
		}
		return list, len(list) > 0
	}
	return nil, false
}

func printObjects(out io.Writer, objects []*unstructured.Unstructured, format string) error {
	switch format {
	case "json":
		if len(objects) == 1 {
			return printJSON(out, objects[0].Object)
		}
		return printJSON(out, objects)
	case "yaml":
		for i, u := range objects {
			if i > 0 {
				fmt.Fprintln(out, "---")
			}
			if err := printYAML(out, u.Object); err != nil {
				return err
			}
		}
		return nil
	}
	var rows [][]string
	for _, u := range objects {
		flatten(u.Object, "", func(field, value string) {
			row := []string{field, value}
			if len(objects) > 1 {
				row = []string{field, u.GetName(), value}
			}
			rows = append(rows, row)
		})
	}
	header := []string{"FIELD", "VALUE"}
	if len(objects) > 1 {
		header = []string{"FIELD", "RESOURCE NAME", "VALUE"}
	}
	return table(out, header, rows)
}

// flatten names each value of an object by its path, in a stable order.
func flatten(v any, path string, found func(field, value string)) {
	switch t := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(t))
		for k := range t {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			flatten(t[k], strings.TrimPrefix(path+"."+k, "."), found)
		}
	case []any:
		for i, e := range t {
			flatten(e, path+"["+strconv.Itoa(i)+"]", found)
		}
	default:
		found(path, fmt.Sprint(v))
	}
}

func (c *cli) appPatchResource() *cobra.Command {
	o := &chosenObjects{}
	var patch, kind string
	cmd := &cobra.Command{
		Use: "patch-resource APPNAME", Short: "Patch live objects of an application",
		Long: "Patch live objects. The patch goes to the cluster and not to Git: a later sync, or self-heal, undoes what differs from Git.",
		Example: `  belay app patch-resource callcenter-ai-dev --kind Deployment --resource-name agent-service \
      --patch '{"spec": {"replicas": 0}}'`,
		Args: argCount(1, 1, "the name of an application"), ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			kinds := []types.PatchType{types.MergePatchType, types.JSONPatchType, types.StrategicMergePatchType}
			if patch == "" || !slices.Contains(kinds, types.PatchType(kind)) {
				return usageError("--patch is needed, and --patch-type is one of %v", kinds)
			}
			return c.eachChosen(cmd.Context(), o, args[0], "patched", func(ctx context.Context, conn ControlPlane, app *v1alpha1.Application, u *unstructured.Unstructured) error {
				return conn.PatchObject(ctx, app, u, types.PatchType(kind), []byte(patch))
			})
		},
	}
	o.bindChoice(cmd.Flags())
	c.kube.bindHome(cmd.Flags())
	cmd.Flags().StringVar(&patch, "patch", "", "the patch, in JSON (needed)")
	cmd.Flags().StringVar(&kind, "patch-type", string(types.MergePatchType), "application/merge-patch+json, application/json-patch+json or application/strategic-merge-patch+json")
	cmd.Flags().BoolVar(&o.all, "all", false, "patch all objects that match")
	return cmd
}

func (c *cli) appDeleteResource() *cobra.Command {
	o := &chosenObjects{}
	var force, orphan bool
	cmd := &cobra.Command{
		Use: "delete-resource APPNAME", Short: "Delete live objects of an application",
		Long: "Delete live objects from the cluster. Git is as it was: an object of the manifests comes back with the next sync, or at\n" +
			"once with self-heal.",
		Example: `  belay app delete-resource callcenter-ai-dev --kind Pod --resource-name agent-service-5d4f8c7b9-x2x7p
  belay app delete-resource callcenter-ai-dev --kind Job --all`,
		Args: argCount(1, 1, "the name of an application"), ValidArgsFunction: c.completeApps(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.eachChosen(cmd.Context(), o, args[0], "deleted", func(ctx context.Context, conn ControlPlane, app *v1alpha1.Application, u *unstructured.Unstructured) error {
				return conn.DeleteObject(ctx, app, u, force, orphan)
			})
		},
	}
	o.bindChoice(cmd.Flags())
	c.kube.bindHome(cmd.Flags())
	cmd.Flags().BoolVar(&force, "force", false, "do not give the object time to end")
	cmd.Flags().BoolVar(&orphan, "orphan", false, "leave what the object owns")
	cmd.Flags().BoolVar(&o.all, "all", false, "delete all objects that match")
	return cmd
}

// eachChosen does something with each of the chosen objects.
func (c *cli) eachChosen(
	ctx context.Context, o *chosenObjects, arg, done string, act func(context.Context, ControlPlane, *v1alpha1.Application, *unstructured.Unstructured) error,
) error {
	conn, err := c.connect(ctx)
	if err != nil {
		return err
	}
	found, err := o.choose(ctx, conn, arg, o.all)
	if err != nil {
		return err
	}
	for _, u := range found.objects {
		ref := object.RefOf(u)
		if err := act(ctx, conn, found.app, u); err != nil {
			return fmt.Errorf("%s is not %s: %w", ref, done, err)
		}
		fmt.Fprintf(c.Out, "Resource '%s' %s\n", ref, done)
	}
	return nil
}
