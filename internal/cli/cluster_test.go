package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/wait"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/sandbox"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

const patience = 20 * time.Second

// bench is a cluster with the custom resource definitions, a namespace of the test's own, and the command line.
type bench struct {
	t         *testing.T
	sandbox   *sandbox.Sandbox
	client    client.WithWatch
	namespace string
	planner   cli.PlannerFunc
	prober    cli.ProberFunc
	env       map[string]string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s := sandbox.Start(t)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, v1alpha1.AddToScheme, apiextensions.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c, err := client.NewWithWatch(s.RESTConfig(), client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, sandbox: s, client: c, namespace: s.Namespace(t)}
	b.installCRDs()
	return b
}

func (b *bench) installCRDs() {
	out := b.run("install", "--crds-only").ok(b.t)
	var crds apiextensions.CustomResourceDefinitionList
	for _, doc := range strings.Split(out.stdout, "---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		var crd apiextensions.CustomResourceDefinition
		if err := yaml.UnmarshalStrict([]byte(doc), &crd); err != nil {
			b.t.Fatal(err)
		}
		if err := b.client.Create(b.t.Context(), &crd); err != nil && !apierrors.IsAlreadyExists(err) {
			b.t.Fatal(err)
		}
		crds.Items = append(crds.Items, crd)
	}
	for _, crd := range crds.Items {
		b.eventually("CRD "+crd.Name+" is established", func(ctx context.Context) bool {
			var now apiextensions.CustomResourceDefinition
			if err := b.client.Get(ctx, types.NamespacedName{Name: crd.Name}, &now); err != nil {
				return false
			}
			for _, c := range now.Status.Conditions {
				if c.Type == apiextensions.Established && c.Status == apiextensions.ConditionTrue {
					return true
				}
			}
			return false
		})
	}
}

func (b *bench) eventually(what string, cond func(context.Context) bool) {
	b.t.Helper()
	err := wait.PollUntilContextTimeout(b.t.Context(), 20*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		return cond(ctx), nil
	})
	if err != nil {
		b.t.Fatalf("waiting until %s: %v", what, err)
	}
}

// result is what a command line gave.
type result struct {
	stdout, stderr string
	code           int
}

func (r result) ok(t *testing.T) result {
	t.Helper()
	return r.exits(t, 0)
}

func (r result) exits(t *testing.T, code int) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", r.code, code, r.stdout, r.stderr)
	}
	return r
}

func (r result) says(t *testing.T, texts ...string) result {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("%q is not in\nstdout:\n%s\nstderr:\n%s", text, r.stdout, r.stderr)
		}
	}
	return r
}

func (b *bench) run(args ...string) result { return b.runIn(b.t.Context(), "", args...) }

func (b *bench) runIn(ctx context.Context, stdin string, args ...string) result {
	b.t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(ctx, cli.Env{
		In: strings.NewReader(stdin), Out: &out, Err: &errs,
		Getenv:  func(name string) string { return b.env[name] },
		Now:     func() time.Time { return time.Now().UTC() },
		Build:   cli.Build{Version: "test", Go: "go"},
		Planner: b.planner, Prober: b.prober,
	}, append([]string{args[0], "--kubeconfig", b.sandbox.Kubeconfig(), "--namespace", b.namespace}, args[1:]...))
	return result{out.String(), errs.String(), code}
}

// create writes an Application; fields it does not set are those of a small manual one.
func (b *bench) create(name string, change func(*v1alpha1.Application)) *v1alpha1.Application {
	b.t.Helper()
	app := &v1alpha1.Application{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: b.namespace},
		Spec: v1alpha1.ApplicationSpec{
			Project:     "default",
			Source:      &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/deploy.git", Path: "app", TargetRevision: "main"},
			Destination: v1alpha1.ApplicationDestination{Server: v1alpha1.InClusterServer, Namespace: b.namespace},
		},
	}
	if change != nil {
		change(app)
	}
	if err := b.client.Create(b.t.Context(), app); err != nil {
		b.t.Fatal(err)
	}
	return app
}

func (b *bench) get(name string) *v1alpha1.Application {
	b.t.Helper()
	var app v1alpha1.Application
	if err := b.client.Get(b.t.Context(), types.NamespacedName{Namespace: b.namespace, Name: name}, &app); err != nil {
		b.t.Fatal(err)
	}
	return &app
}

// actor answers operations and refreshes as a controller does, by writing status alone: it takes an operation up, then
// ends it as outcome says.
type actor struct {
	outcome func(*v1alpha1.Application, *v1alpha1.OperationState)
	// between runs when an operation has been taken up and before it ends.
	between func()
}

func (b *bench) act(a actor) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w, err := b.client.Watch(ctx, &v1alpha1.ApplicationList{}, client.InNamespace(b.namespace))
	if err != nil {
		cancel()
		b.t.Fatal(err)
	}
	done := make(chan struct{})
	b.t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		defer w.Stop()
		for event := range w.ResultChan() {
			app, ok := event.Object.(*v1alpha1.Application)
			if !ok || event.Type == "DELETED" {
				continue
			}
			if err := b.step(ctx, app.DeepCopy(), a); err != nil && ctx.Err() == nil {
				b.t.Errorf("actor: %v", err)
			}
		}
	}()
}

func (b *bench) step(ctx context.Context, app *v1alpha1.Application, a actor) error {
	if _, ok := app.Annotations[v1alpha1.AnnotationRefresh]; ok {
		return b.patch(ctx, app, map[string]any{"metadata": map[string]any{"annotations": map[string]any{v1alpha1.AnnotationRefresh: nil}}})
	}
	if app.Operation == nil {
		return nil
	}
	state := app.Status.OperationState
	if state == nil {
		now := metav1.Now()
		return b.patch(ctx, app, map[string]any{"status": map[string]any{"operationState": v1alpha1.OperationState{
			Operation: *app.Operation, Phase: v1alpha1.OperationRunning, StartedAt: now}}})
	}
	if state.Phase.Completed() {
		return nil
	}
	if a.between != nil {
		a.between()
	}
	now := metav1.Now()
	state.FinishedAt = &now
	if state.Phase == v1alpha1.OperationTerminating {
		state.Phase, state.Message = v1alpha1.OperationFailed, "Operation terminated"
	} else {
		state.Phase, state.Message = v1alpha1.OperationSucceeded, "successfully synced (all tasks run)"
		state.SyncResult = &v1alpha1.SyncOperationResult{Revision: strings.Repeat("a", 40), Source: *app.Spec.Source}
		app.Status.Sync.Status = v1alpha1.SyncStatusSynced
		app.Status.Health.Status = v1alpha1.HealthHealthy
		if a.outcome != nil {
			a.outcome(app, state)
		}
	}
	app.Status.ReconciledAt = &now
	return b.patch(ctx, app, map[string]any{"operation": nil, "status": app.Status})
}

func (b *bench) patch(ctx context.Context, app *v1alpha1.Application, patch map[string]any) error {
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	target := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Name: app.Name, Namespace: app.Namespace}}
	return client.IgnoreNotFound(b.client.Patch(ctx, target, client.RawPatch(types.MergePatchType, data)))
}

// setStatus writes a status as a controller would have left it.
func (b *bench) setStatus(name string, change func(*v1alpha1.ApplicationStatus)) {
	b.t.Helper()
	app := b.get(name)
	change(&app.Status)
	if err := b.client.Update(b.t.Context(), app); err != nil {
		b.t.Fatal(err)
	}
}

func sha(letter string) string { return strings.Repeat(letter, 40) }

func deployments(n int) v1alpha1.RevisionHistories {
	var history v1alpha1.RevisionHistories
	for i := range n {
		history = append(history, v1alpha1.RevisionHistory{
			ID: int64(40 + i), Revision: sha(fmt.Sprint(i)),
			DeployedAt: metav1.NewTime(time.Date(2026, 11, 1+i, 10, 0, 0, 0, time.UTC)),
			Source:     v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/deploy.git", Path: "app", TargetRevision: "main"},
		})
	}
	return history
}

// decode reads one YAML document with the number types of a JSON answer.
func decode(t *testing.T, data []byte) map[string]any {
	t.Helper()
	raw, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	u := map[string]any{}
	if err := utiljson.Unmarshal(raw, &u); err != nil {
		t.Fatal(err)
	}
	return u
}
