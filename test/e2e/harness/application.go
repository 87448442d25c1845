package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Application is the type that tests are about.
type Application = v1alpha1.Application

// App is an Application of a plane.
type App struct {
	*Plane
	Name string
}

// App creates an Application that deploys path of the repository to namespace; change may alter it first.
func (p *Plane) App(t testing.TB, name, namespace string, src v1alpha1.ApplicationSource, change ...func(*Application)) *App {
	t.Helper()
	a := &Application{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: name},
		Spec: v1alpha1.ApplicationSpec{
			Project: "default", Source: &src,
			Destination: v1alpha1.ApplicationDestination{Server: v1alpha1.InClusterServer, Namespace: namespace},
		},
	}
	for _, f := range change {
		f(a)
	}
	p.alone(t, name)
	if err := p.Create(Context(t), a); err != nil {
		t.Fatalf("create Application %s: %v", name, err)
	}
	h := &App{Plane: p, Name: name}
	t.Cleanup(func() {
		if t.Failed() {
			h.dump(t)
		}
	})
	return h
}

// alone fails the test if another control plane of the cluster has an application of that name: to each of them, the objects of the other
// one would be its own, and to be pruned.
func (p *Plane) alone(t testing.TB, name string) {
	t.Helper()
	var all v1alpha1.ApplicationList
	if err := p.List(Context(t), &all); err != nil {
		t.Fatal(err)
	}
	for i := range all.Items {
		if other := &all.Items[i]; other.Name == name && other.Namespace != p.Namespace {
			t.Fatalf("the control plane %s has an application %s too: name one of them otherwise", other.Namespace, name)
		}
	}
}

// Source names a path of the repository's branch main.
func (r *Repo) Source(path string) v1alpha1.ApplicationSource {
	return v1alpha1.ApplicationSource{RepoURL: r.URL, Path: path, TargetRevision: "main"}
}

// Automated lets an application sync by itself.
func Automated(auto v1alpha1.SyncPolicyAutomated) func(*Application) {
	return func(a *Application) { policy(a).Automated = &auto }
}

// SelfHeal lets an application sync by itself, prune and heal.
func SelfHeal(a *Application) {
	policy(a).Automated = &v1alpha1.SyncPolicyAutomated{Prune: true, SelfHeal: true}
}

func policy(a *Application) *v1alpha1.SyncPolicy {
	if a.Spec.SyncPolicy == nil {
		a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{}
	}
	return a.Spec.SyncPolicy
}

// Options sets sync options.
func Options(options ...string) func(*Application) {
	return func(a *Application) { policy(a).SyncOptions = options }
}

func (a *App) key() client.ObjectKey { return client.ObjectKey{Namespace: a.Namespace, Name: a.Name} }

// Get returns the Application as it is now.
func (a *App) Get(t testing.TB) *Application {
	t.Helper()
	out := &Application{}
	if err := a.WithWatch.Get(Context(t), a.key(), out); err != nil {
		t.Fatalf("read Application %s: %v", a.Name, err)
	}
	return out
}

// Wait follows the Application until f returns "", and returns it. f says what is still missing.
func (a *App) Wait(t testing.TB, f func(*Application) string) *Application {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	missing := "no Application"
	for {
		app, err := a.watch(ctx, f, &missing)
		if err == nil {
			return app
		}
		if ctx.Err() != nil {
			t.Fatalf("Application %s: %s (waited %s)", a.Name, missing, Limit)
		}
	}
}

// watch follows one watch to its end.
func (a *App) watch(ctx context.Context, f func(*Application) string, missing *string) (*Application, error) {
	w, err := a.WithWatch.Watch(ctx, &v1alpha1.ApplicationList{}, client.InNamespace(a.Namespace), client.MatchingFields{"metadata.name": a.Name})
	if err != nil {
		// The server may be away for a while, and that may be what is tested.
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
		}
		return nil, err
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		app, ok := e.Object.(*Application)
		if !ok || e.Type == watch.Deleted {
			continue
		}
		if *missing = f(app); *missing == "" {
			return app, nil
		}
	}
	return nil, errors.New("the watch ended")
}

// WaitGone waits until the Application does not exist.
func (a *App) WaitGone(t testing.TB) {
	t.Helper()
	Eventually(t, "Application "+a.Name+" is gone", func(ctx context.Context) error {
		app := &Application{}
		err := a.WithWatch.Get(ctx, a.key(), app)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("it has finalizers %v and conditions %s", app.Finalizers, Conditions(app))
		}
		return err
	})
}

// Change edits the Application.
func (a *App) Change(t testing.TB, change func(*Application)) {
	t.Helper()
	ctx := Context(t)
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		app := &Application{}
		if err := a.WithWatch.Get(ctx, a.key(), app); err != nil {
			return err
		}
		change(app)
		return a.WithWatch.Update(ctx, app, client.FieldOwner(fieldManager))
	})
	if err != nil {
		t.Fatalf("change Application %s: %v", a.Name, err)
	}
}

// Refresh asks for a new look and waits until it was taken.
func (a *App) Refresh(t testing.TB, level string) *Application {
	t.Helper()
	// To ask while an earlier request stands changes nothing, and that one may have been answered by a look in the past.
	a.Wait(t, refreshed)
	a.Patch(t, fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRefresh, level))
	return a.Wait(t, refreshed)
}

func refreshed(app *Application) string {
	if level := app.Annotations[v1alpha1.AnnotationRefresh]; level != "" {
		return level + " refresh is not done"
	}
	return ""
}

// Patch merges a JSON patch into the Application.
func (a *App) Patch(t testing.TB, patch string) {
	t.Helper()
	app := &Application{ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, Name: a.Name}}
	if err := a.WithWatch.Patch(Context(t), app, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		t.Fatalf("patch Application %s: %v", a.Name, err)
	}
}

// StartSync asks for an operation, as clients of Argo CD do.
func (a *App) StartSync(t testing.TB, op v1alpha1.Operation) {
	t.Helper()
	a.Change(t, func(app *Application) {
		app.Operation = &op
		app.Status.OperationState = nil
	})
}

// Sync syncs and waits for the end of the operation.
func (a *App) Sync(t testing.TB, op v1alpha1.SyncOperation) *v1alpha1.OperationState {
	t.Helper()
	a.StartSync(t, v1alpha1.Operation{Sync: &op})
	return a.WaitOperation(t).Status.OperationState
}

// WaitOperation waits until no operation is asked for and the last one has ended.
func (a *App) WaitOperation(t testing.TB) *Application {
	t.Helper()
	return a.Wait(t, func(app *Application) string {
		switch st := app.Status.OperationState; {
		case app.Operation != nil && st == nil:
			return "the operation did not start"
		case app.Operation != nil, st == nil, !st.Phase.Completed():
			return "the operation did not end: " + Operation(app)
		}
		return ""
	})
}

// Operation describes the operation in words.
func Operation(app *Application) string {
	st := app.Status.OperationState
	if st == nil {
		return "no operation"
	}
	return fmt.Sprintf("%s: %s", st.Phase, st.Message)
}

// Conditions returns the conditions as text.
func Conditions(app *Application) string {
	var out []string
	for _, c := range app.Status.Conditions {
		out = append(out, string(c.Type)+": "+c.Message)
	}
	return strings.Join(out, "\n")
}

// Synced asks for sync status Synced at a commit ("" for any) and an ended operation.
func Synced(revision string) func(*Application) string {
	return func(app *Application) string {
		switch st := app.Status; {
		case revision != "" && st.Sync.Revision != revision:
			return fmt.Sprintf("compared to %q, not %s; %s", st.Sync.Revision, revision, Conditions(app))
		case st.Sync.Status != v1alpha1.SyncStatusSynced:
			return fmt.Sprintf("sync status is %q; %s; %s; %s", st.Sync.Status, different(app), Operation(app), Conditions(app))
		case app.Operation != nil:
			return "an operation is under way: " + Operation(app)
		}
		return ""
	}
}

// Healthy asks for Synced and health Healthy.
func Healthy(revision string) func(*Application) string {
	synced := Synced(revision)
	return func(app *Application) string {
		if missing := synced(app); missing != "" {
			return missing
		}
		if app.Status.Health.Status != v1alpha1.HealthHealthy {
			return fmt.Sprintf("health is %q: %s", app.Status.Health.Status, unhealthy(app))
		}
		return ""
	}
}

func different(app *Application) string {
	var out []string
	for _, r := range app.Status.Resources {
		if r.Status != v1alpha1.SyncStatusSynced {
			out = append(out, fmt.Sprintf("%s/%s %s", r.Kind, r.Name, r.Status))
		}
	}
	return fmt.Sprintf("%d of %d objects differ: %s", len(out), len(app.Status.Resources), strings.Join(out[:min(len(out), 5)], ", "))
}

func unhealthy(app *Application) string {
	var out []string
	for _, r := range app.Status.Resources {
		if r.Health != nil && r.Health.Status != v1alpha1.HealthHealthy {
			out = append(out, fmt.Sprintf("%s/%s %s (%s)", r.Kind, r.Name, r.Health.Status, r.Health.Message))
		}
	}
	return strings.Join(out[:min(len(out), 5)], ", ")
}

// Has asks for a condition of that type with all of the texts.
func Has(typ v1alpha1.ConditionType, texts ...string) func(*Application) string {
	return func(app *Application) string {
		for _, c := range app.Status.Conditions {
			if c.Type == typ && containsAll(c.Message, texts) {
				return ""
			}
		}
		return fmt.Sprintf("no condition %s with %q among:\n%s\n%s", typ, texts, Conditions(app), Operation(app))
	}
}

func containsAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// dump tells what is known of an application that failed its test.
func (a *App) dump(t testing.TB) {
	app := &Application{}
	if err := a.WithWatch.Get(context.Background(), a.key(), app); err != nil {
		t.Logf("read Application %s: %v", a.Name, err)
	} else {
		app.ManagedFields = nil
		if len(app.Status.Resources) > 20 {
			app.Status.Resources = app.Status.Resources[:20]
		}
		if st := app.Status.OperationState; st != nil && st.SyncResult != nil && len(st.SyncResult.Resources) > 20 {
			st.SyncResult.Resources = st.SyncResult.Resources[:20]
		}
		data, err := yaml.Marshal(app)
		t.Logf("Application %s (%v):\n%s", a.Name, err, data)
	}
	t.Logf("what belay's log says of %s:\n%s", a.Name, a.LogOf(a.Name))
}

// JSON is a value as JSON, for messages.
func JSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}
