package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

// maxInput bounds manifests that are read from files, standard input and URLs.
const maxInput = 10 << 20

type createOptions struct {
	appFlags
	spec         specFlags
	file         string
	name         string
	labels       []string
	annotations  []string
	upsert       bool
	setFinalizer bool
	validate     bool
	output       string
}

func (c *cli) appCreate() *cobra.Command {
	o := &createOptions{}
	cmd := &cobra.Command{
		Use: "create [APPNAME]", Short: "Create an application from flags or a file",
		Example: `  belay app create -f callcenter-ai-dev.yaml
  belay app create -f callcenter-ai-dev.yaml --upsert
  belay app create shop-dev --repo https://git.example.com/deploy.git --path overlays/dev --revision develop \
      --dest-server https://kubernetes.default.svc --dest-namespace shop-dev \
      --sync-policy automated --auto-prune --self-heal --sync-option CreateNamespace=true`,
		Args: argCount(0, 1, "at most one name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if o.name != "" && o.name != args[0] {
					return usageError("the argument %q and --name %q differ", args[0], o.name)
				}
				o.name = args[0]
			}
			conn, err := c.connect(cmd.Context())
			if err != nil {
				return err
			}
			return c.create(cmd.Context(), conn, o)
		},
	}
	o.bind(cmd.Flags())
	o.spec.bind(cmd.Flags())
	c.outputFlag(cmd, &o.output, "wide", "json", "yaml", "name")
	fs := cmd.Flags()
	fs.StringVarP(&o.file, "file", "f", "", "file or URL with Applications in YAML or JSON; - reads standard input")
	fs.StringVar(&o.name, "name", "", "name of the application; the argument does the same")
	fs.StringArrayVarP(&o.labels, "label", "l", nil, "label key=value (may be repeated)")
	fs.StringArrayVar(&o.annotations, "annotations", nil, "annotation key=value (may be repeated)")
	fs.BoolVar(&o.upsert, "upsert", false, "overwrite an application that exists and differs")
	fs.BoolVar(&o.setFinalizer, "set-finalizer", false, "delete the objects of the application when it is deleted")
	fs.BoolVar(&o.validate, "validate", true, "accepted for compatibility; the controller validates and reports in conditions")
	return cmd
}

func (c *cli) create(ctx context.Context, conn ControlPlane, o *createOptions) error {
	if err := o.spec.extras.read(ctx, c); err != nil {
		return err
	}
	objects, err := c.applications(ctx, o)
	if err != nil {
		return err
	}
	for _, u := range objects {
		if err := c.createOne(ctx, conn, o, u); err != nil {
			return err
		}
	}
	return nil
}

// applications are those of the file with the flags laid over them, or the one that the flags describe.
func (c *cli) applications(ctx context.Context, o *createOptions) ([]*unstructured.Unstructured, error) {
	if o.file == "" {
		if o.name == "" {
			return nil, usageError("give a name, or a file with -f")
		}
		u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"project": v1alpha1.DefaultProjectName, "destination": map[string]any{}}}}
		u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind))
		return []*unstructured.Unstructured{u}, nil
	}
	in, err := c.open(ctx, o.file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", mask.Text(o.file), err)
	}
	if len(data) > maxInput {
		return nil, usageError("%s is larger than %d bytes", mask.Text(o.file), maxInput)
	}
	objects, err := decodeDocuments(strings.NewReader(string(data)))
	if err != nil {
		return nil, usageError("%s: %w", mask.Text(o.file), err)
	}
	if len(objects) == 0 {
		return nil, usageError("%s holds no application", mask.Text(o.file))
	}
	if o.name != "" && len(objects) > 1 {
		return nil, usageError("%s holds %d applications: one name does not fit them", mask.Text(o.file), len(objects))
	}
	for i, u := range objects {
		if u.GetKind() != v1alpha1.ApplicationKind || u.GroupVersionKind().Group != v1alpha1.Group {
			return nil, usageError("document %d of %s is %s %s, not an Application", i+1, mask.Text(o.file), u.GetAPIVersion(), u.GetKind())
		}
	}
	return objects, nil
}

// open reads a file, an URL or standard input.
func (c *cli) open(ctx context.Context, name string) (io.ReadCloser, error) {
	if name == "-" {
		return io.NopCloser(c.In), nil
	}
	if !strings.HasPrefix(name, "https://") && !strings.HasPrefix(name, "http://") {
		f, err := os.Open(name)
		if err != nil {
			return nil, usageError("%w", err)
		}
		return f, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, usageError("%s is no URL", mask.Text(name))
	}
	client := &http.Client{Timeout: c.kube.requestTimeout.duration()}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", mask.Text(name), err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, &Failure{Exit: ExitAPI, Code: "Unreachable", Err: fmt.Errorf("read %s: the server answers %s", mask.Text(name), resp.Status)}
	}
	return resp.Body, nil
}

// prepare lays the flags over an application and checks what can be checked here.
func (o *createOptions) prepare(u *unstructured.Unstructured, fallback string) (*v1alpha1.Application, error) {
	var app v1alpha1.Application
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &app); err != nil {
		return nil, usageError("read application %s: %w", u.GetName(), err)
	}
	if o.name != "" {
		app.Name = o.name
	}
	if app.Namespace == "" || o.appNamespace != "" {
		app.Namespace = o.appNamespace
	}
	key, err := o.key(app.Name, firstOf(app.Namespace, fallback))
	if err != nil {
		return nil, err
	}
	app.Name, app.Namespace = key.Name, key.Namespace
	if err := setPairs(&app.Labels, o.labels); err != nil {
		return nil, err
	}
	if err := setPairs(&app.Annotations, o.annotations); err != nil {
		return nil, err
	}
	if o.setFinalizer && !hasFinalizer(app.Finalizers) {
		app.Finalizers = append(app.Finalizers, v1alpha1.FinalizerResources)
	}
	if err := o.spec.apply(&app); err != nil {
		return nil, err
	}
	app.Spec.Project = app.Spec.ProjectName()
	if len(app.Spec.GetSources()) == 0 && app.Spec.SourceHydrator == nil {
		return nil, usageError("application %s has no source: give --repo and --path or --helm-chart", app.Name)
	}
	if d := app.Spec.Destination; (d.Server == "") == (d.Name == "") {
		return nil, usageError("application %s needs exactly one of --dest-server and --dest-name", app.Name)
	}
	return &app, nil
}

func (c *cli) createOne(ctx context.Context, conn ControlPlane, o *createOptions, u *unstructured.Unstructured) error {
	app, err := o.prepare(u, conn.Home())
	if err != nil {
		return err
	}
	if unknown := unknownFields(u); unknown != "" {
		fmt.Fprintf(c.Err, "warning: application '%s': %s\n", clean(app.Name), clean(unknown))
	}
	raw, err := withSpec(u, app)
	if err != nil {
		return err
	}
	created, err := conn.CreateApplication(ctx, raw, CreateOptions{Validate: o.validate})
	if err == nil {
		return c.printCreated(created, "created", o.output)
	}
	if !errors.Is(err, ErrExists) {
		return fmt.Errorf("create application %s: %w", qualified(app), err)
	}
	word := "unchanged"
	key := appKey{Namespace: app.Namespace, Name: app.Name}
	_, err = changeApp(ctx, conn, key, func(have *v1alpha1.Application) (map[string]any, error) {
		patch, err := replaceSpec(have, app)
		if err != nil || patch == nil {
			return nil, err
		}
		if !o.upsert {
			return nil, &Failure{Exit: ExitAPI, Code: "AppExists",
				Err:  fmt.Errorf("existing application spec of %s is different, use upsert flag to force update", qualified(app)),
				Hint: "add --upsert"}
		}
		word = "updated"
		return patch, nil
	})
	if err != nil {
		return fmt.Errorf("create application %s: %w", qualified(app), err)
	}
	if raw, err = getRaw(ctx, conn, key); err != nil {
		return err
	}
	return c.printCreated(raw, word, o.output)
}

func (c *cli) printCreated(u *unstructured.Unstructured, word, format string) error {
	var err error
	switch format {
	case "json", "yaml":
		err = printAs(c.Out, format, plainObject(u))
	case "name":
		_, err = fmt.Fprintf(c.Out, "%s/%s\n", u.GetNamespace(), u.GetName())
	default:
		_, err = fmt.Fprintf(c.Out, "application '%s' %s\n", u.GetName(), word)
	}
	return err
}

// withSpec puts the prepared application into the document that it came from, so that fields unknown here survive.
func withSpec(u *unstructured.Unstructured, app *v1alpha1.Application) (*unstructured.Unstructured, error) {
	prepared, err := toMap(app)
	if err != nil {
		return nil, fmt.Errorf("encode application %s: %w", app.Name, err)
	}
	out := u.DeepCopy()
	for _, field := range []string{"metadata", "spec"} {
		have, _ := out.Object[field].(map[string]any)
		if have == nil {
			have = map[string]any{}
		}
		out.Object[field] = overlay(have, prepared[field].(map[string]any))
	}
	delete(out.Object, "status")
	unstructured.RemoveNestedField(out.Object, "metadata", "creationTimestamp")
	return out, nil
}

// overlay writes over into base; maps are merged, everything else is replaced.
func overlay(base, over map[string]any) map[string]any {
	for k, v := range over {
		b, bok := base[k].(map[string]any)
		o, ook := v.(map[string]any)
		if bok && ook {
			base[k] = overlay(b, o)
			continue
		}
		base[k] = v
	}
	return base
}

// replaceSpec is the patch that gives an existing application the spec, labels, annotations and finalizers of the
// wanted one; nil when it has them.
func replaceSpec(have, want *v1alpha1.Application) (map[string]any, error) {
	now, err := toMap(have.Spec)
	if err != nil {
		return nil, fmt.Errorf("encode spec: %w", err)
	}
	then, err := toMap(want.Spec)
	if err != nil {
		return nil, fmt.Errorf("encode spec: %w", err)
	}
	patch := map[string]any{}
	if spec := mergePatch(now, then); len(spec) > 0 {
		patch["spec"] = spec
	}
	meta := map[string]any{}
	for field, maps := range map[string][2]map[string]string{"labels": {have.Labels, want.Labels}, "annotations": {have.Annotations, want.Annotations}} {
		added := map[string]any{}
		for k, v := range maps[1] {
			if old, ok := maps[0][k]; !ok || old != v {
				added[k] = v
			}
		}
		if len(added) > 0 {
			meta[field] = added
		}
	}
	if len(want.Finalizers) > 0 && !reflect.DeepEqual(have.Finalizers, want.Finalizers) {
		meta["finalizers"] = want.Finalizers
	}
	if len(meta) > 0 {
		patch["metadata"] = meta
	}
	if len(patch) == 0 {
		return nil, nil
	}
	return patch, nil
}

// mergePatch is the JSON merge patch (RFC 7386) from one map to another.
func mergePatch(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for k := range from {
		if _, ok := to[k]; !ok {
			patch[k] = nil
		}
	}
	for k, v := range to {
		old, ok := from[k]
		if ok && reflect.DeepEqual(old, v) {
			continue
		}
		a, aok := old.(map[string]any)
		b, bok := v.(map[string]any)
		if aok && bok {
			patch[k] = mergePatch(a, b)
			continue
		}
		patch[k] = v
	}
	return patch
}

// unknownFields names the first field of the document that is no field of an Application. It is kept all the same.
func unknownFields(u *unstructured.Unstructured) string {
	data, err := yaml.Marshal(u.Object)
	if err != nil {
		return ""
	}
	var strict v1alpha1.Application
	if err := yaml.UnmarshalStrict(data, &strict); err != nil {
		return strings.TrimPrefix(err.Error(), "error unmarshaling JSON: while decoding JSON: json: ")
	}
	return ""
}

// setPairs reads key=value pairs into a map.
func setPairs(into *map[string]string, pairs []string) error {
	for _, p := range pairs {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" {
			return usageError("%q is not of the form key=value", p)
		}
		if *into == nil {
			*into = map[string]string{}
		}
		(*into)[k] = v
	}
	return nil
}

func hasFinalizer(finalizers []string) bool {
	for _, f := range finalizers {
		if f == v1alpha1.FinalizerResources || strings.HasPrefix(f, v1alpha1.FinalizerResources+"/") {
			return true
		}
	}
	return false
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
