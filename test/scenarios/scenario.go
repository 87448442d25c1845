package scenarios

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/test/e2e/harness"
)

// scenario is the state of one running file.
type scenario struct {
	*Suite
	t     testing.TB
	plane *harness.Plane
	// ns is the namespace of the scenario's own; app, its name, begins the names of its Applications.
	ns    string
	repos map[string]*harness.Repo
	registries
	// given are the variables that a file does not see: those of the shell.
	given map[string]bool
	// over is set by a line after which nothing counts for this controller.
	over bool
	// created are the objects outside the namespace that have to go in the end.
	created []target
}

type scenarioKey struct{}

// of returns the scenario that a command belongs to.
func of(ts *testscript.TestScript) *scenario { return ts.Value(scenarioKey{}).(*scenario) }

// project is the AppProject that each scenario has: it allows everything.
const project = `apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: %s, namespace: %s}
spec:
  sourceRepos: ["*"]
  destinations: [{server: "*", namespace: "*"}]
  clusterResourceWhitelist: [{group: "*", kind: "*"}]
`

// setup gives a scenario its namespace, project and repository.
func (s *Suite) setup(env *testscript.Env) error {
	t, ok := env.T().(testing.TB)
	if !ok {
		return errors.New("scenarios run below a testing.T")
	}
	sc := &scenario{Suite: s, t: t, plane: s.Plane, given: map[string]bool{}, repos: map[string]*harness.Repo{}}
	for _, v := range env.Vars {
		name, _, _ := strings.Cut(v, "=")
		sc.given[name] = true
	}
	name := t.Name()[strings.LastIndex(t.Name(), "/")+1:]
	sc.ns = s.Cluster.NamespaceFor(t, name[:min(len(name), 24)])
	sc.repos[""] = harness.NewEmptyRepo(t, harness.RepoOptions{})
	env.Defer(sc.end)
	if err := sc.place(fmt.Sprintf(project, sc.ns, sc.plane.Namespace)); err != nil {
		return err
	}
	env.Values[scenarioKey{}] = sc
	env.Setenv("NS", sc.ns)
	env.Setenv("APP", sc.ns)
	env.Setenv("PROJECT", sc.ns)
	env.Setenv("REPO", sc.repos[""].URL)
	env.Setenv("REPOS", strings.TrimSuffix(sc.repos[""].URL, "/repo.git"))
	env.Setenv("ARGOCD", sc.plane.Namespace)
	return nil
}

// place writes a manifest of the runner itself.
func (sc *scenario) place(manifest string) error {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Limit)
	defer cancel()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(manifest), &u.Object); err != nil {
		return err
	}
	return sc.applyServerSide(ctx, u, "scenario")
}

// end takes away what the scenario has made outside its namespace, and tells about its Applications if it failed.
func (sc *scenario) end() {
	ctx, cancel := context.WithTimeout(context.Background(), harness.Limit)
	defer cancel()
	apps, err := sc.applications(ctx)
	if err != nil {
		sc.t.Logf("list Applications: %v", err)
	}
	if sc.t.Failed() {
		for _, app := range apps {
			sc.t.Logf("Application %s:\n%s\nwhat the log says of it:\n%s", app.GetName(), describe(app), sc.plane.LogOf(app.GetName()))
		}
	}
	gone := slices.Clone(sc.created)
	for _, app := range apps {
		gone = append(gone, target{kind: "app", namespace: app.GetNamespace(), name: app.GetName()})
	}
	gone = append(gone, target{kind: "project", namespace: sc.plane.Namespace, name: sc.ns})
	for _, t := range gone {
		if err := sc.discard(ctx, t); err != nil {
			sc.t.Logf("clean up %s: %v", t, err)
		}
	}
}

// applications returns the Applications of the scenario.
func (sc *scenario) applications(ctx context.Context) ([]*unstructured.Unstructured, error) {
	at, err := sc.at(target{kind: "app", namespace: sc.plane.Namespace})
	if err != nil {
		return nil, err
	}
	list, err := at.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	for i := range list.Items {
		if strings.HasPrefix(list.Items[i].GetName(), sc.ns) {
			out = append(out, &list.Items[i])
		}
	}
	return out, nil
}

// discard deletes an object without ceremony: what its finalizers wait for is gone or will go with the namespace.
func (sc *scenario) discard(ctx context.Context, t target) error {
	at, err := sc.at(t)
	if err != nil {
		return err
	}
	if err := at.Delete(ctx, t.name, metav1.DeleteOptions{}); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	if t.kind != "app" {
		return nil
	}
	_, err = at.Patch(ctx, t.name, mergePatch, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// at returns where the objects of a target's kind are; the default namespace is that of the control plane for the kinds
// that live there, and the scenario's for all others.
func (sc *scenario) at(t target) (dynamic.ResourceInterface, error) {
	m, err := sc.objects.kindOf(t.kind)
	if err != nil {
		return nil, err
	}
	return sc.objects.place(m, sc.in(t).namespace), nil
}

// in fills in the default namespace.
func (sc *scenario) in(t target) target {
	if t.namespace != "" {
		return t
	}
	t.namespace = sc.ns
	if m, err := sc.objects.kindOf(t.kind); err == nil && m.Resource.Group == "argoproj.io" &&
		(m.Resource.Resource == "applications" || m.Resource.Resource == "appprojects") {
		t.namespace = sc.plane.Namespace
	}
	return t
}

// parse reads KIND/NAME or KIND.
func (sc *scenario) parse(text, namespace, selector string) target {
	kind, name, _ := strings.Cut(text, "/")
	return sc.in(target{kind: kind, name: name, namespace: namespace, selector: selector})
}

// variable is $NAME or ${NAME} in a file or a JSON argument.
var variable = regexp.MustCompile(`\$(?:([A-Z][A-Z0-9_]*)|\{([A-Z][A-Z0-9_]*)\})`)

// expand replaces the scenario's variables, and leaves all other text as it is: templates and scripts have dollars, too.
func (sc *scenario) expand(ts *testscript.TestScript, text string) string {
	return variable.ReplaceAllStringFunc(text, func(m string) string {
		name := strings.Trim(m, "${}")
		if value := ts.Getenv(name); value != "" && !sc.given[name] {
			return value
		}
		return m
	})
}

// variables are what queries see as $NAME.
func (sc *scenario) variables(ts *testscript.TestScript, text string) map[string]string {
	out := map[string]string{}
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		name := m[1] + m[2]
		if value := ts.Getenv(name); value != "" && !sc.given[name] {
			out[name] = value
		}
	}
	return out
}

// bounded is the context of a command.
func (sc *scenario) bounded(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(sc.t.Context(), limit)
}

// describe shows an object without what nobody reads, and without the contents of a Secret.
func describe(u *unstructured.Unstructured) string {
	if u == nil {
		return "(there is none)"
	}
	u = u.DeepCopy()
	u.SetManagedFields(nil)
	if u.GetKind() == "Secret" {
		for _, field := range []string{"data", "stringData"} {
			if m, ok := u.Object[field].(map[string]any); ok {
				for _, key := range slices.Collect(maps.Keys(m)) {
					m[key] = "++++++++"
				}
			}
		}
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")
	}
	data, err := yaml.Marshal(u.Object)
	if err != nil {
		return err.Error()
	}
	const most = 12000
	if len(data) > most {
		data = append(data[:most], "...\n"...)
	}
	return string(data)
}
