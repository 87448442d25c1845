package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// TestBasics shares one belay.
func TestBasics(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	for name, test := range map[string]func(*testing.T, *harness.Plane){
		"second sync writes nothing": testSecondSync,
		"order does not matter":      testOrder,
		"heal":                       testHeal,
		"drift in a manual app":      testDriftShown,
		"prune":                      testPrune,
		"allow empty":                testAllowEmpty,
		"deletion":                   testDeletion,
		"history":                    testHistory,
		"skip reconcile":             testSkipReconcile,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, plane)
		})
	}
}

// versions returns the resourceVersion of every object of the application.
func versions(t *testing.T, a *harness.App) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range a.Get(t).Status.Resources {
		if u := a.Live(t, resourceID(r)); u != nil {
			out[r.Kind+" "+r.Namespace+"/"+r.Name] = u.GetResourceVersion()
		}
	}
	return out
}

func resourceID(r v1alpha1.ResourceStatus) harness.ID {
	apiVersion := r.Version
	if r.Group != "" {
		apiVersion = r.Group + "/" + r.Version
	}
	return harness.Ref(apiVersion, r.Kind, r.Namespace, r.Name)
}

// expectNoOp syncs and asserts that nothing was written.
func expectNoOp(t *testing.T, a *harness.App) {
	t.Helper()
	before := versions(t, a)
	objects := len(a.Get(t).Status.Resources)
	st := a.Sync(t, v1alpha1.SyncOperation{})
	if st.Phase != v1alpha1.OperationSucceeded {
		t.Fatalf("second sync: %s: %s", st.Phase, st.Message)
	}
	for _, r := range st.SyncResult.Resources {
		if r.Message != "unchanged" {
			t.Errorf("second sync of %s %s/%s: %s %q, want unchanged", r.Kind, r.Namespace, r.Name, r.Status, r.Message)
		}
	}
	if n := len(st.SyncResult.Resources); n != objects || n == 0 {
		t.Errorf("%d results for %d objects", n, objects)
	}
	if d := cmp.Diff(before, versions(t, a)); d != "" {
		t.Errorf("the second sync wrote (-before +after):\n%s", d)
	}
}

func testSecondSync(t *testing.T, plane *harness.Plane) {
	repo := harness.NewRepo(t, harness.Txtar(some))
	a := plane.App(t, "second", plane.Cluster.Namespace(t), repo.Source("app"))
	a.Wait(t, func(app *harness.Application) string {
		if app.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync || app.Status.Health.Status != v1alpha1.HealthMissing {
			return fmt.Sprintf("%s and %s", app.Status.Sync.Status, app.Status.Health.Status)
		}
		return ""
	})
	if st := a.Sync(t, v1alpha1.SyncOperation{}); st.Phase != v1alpha1.OperationSucceeded {
		t.Fatalf("first sync: %s: %s", st.Phase, st.Message)
	}
	a.Wait(t, harness.Healthy(""))
	expectNoOp(t, a)
	for _, level := range []string{v1alpha1.RefreshNormal, v1alpha1.RefreshHard} {
		if missing := harness.Healthy("")(a.Refresh(t, level)); missing != "" {
			t.Errorf("after a %s refresh: %s", level, missing)
		}
	}
}

// testOrder deploys the same objects in another order of files and documents: nothing may differ.
func testOrder(t *testing.T, plane *harness.Plane) {
	files := harness.Txtar(some)
	repo := harness.NewRepo(t, files)
	a := plane.App(t, "order", plane.Cluster.Namespace(t), repo.Source("app"), harness.SelfHeal)
	a.Wait(t, harness.Healthy(""))
	before := versions(t, a)
	var docs []string
	for _, name := range []string{"app/service.yaml", "app/config.yaml", "app/secret.yaml", "app/deployment.yaml"} {
		docs = append(docs, files[name])
	}
	rev := repo.Commit(t, "main", harness.Files{"app/all.yaml": strings.Join(docs, "\n---\n")})
	a.Refresh(t, v1alpha1.RefreshNormal)
	app := a.Wait(t, harness.Healthy(rev))
	if d := cmp.Diff(before, versions(t, a)); d != "" {
		t.Errorf("another order of the same objects wrote (-before +after):\n%s", d)
	}
	if n := len(app.Status.History); n != 1 {
		t.Errorf("%d entries of history, want the first sync alone", n)
	}
}

// drifts are changes that others make to live objects.
func drifts(ns string) []drift {
	edit := func(kind, apiVersion, name string, f func(u *unstructured.Unstructured)) func(t *testing.T, c *harness.Cluster) {
		return func(t *testing.T, c *harness.Cluster) {
			t.Helper()
			c.Edit(t, harness.Ref(apiVersion, kind, ns, name), f)
		}
	}
	set := func(value any, fields ...string) func(u *unstructured.Unstructured) {
		return func(u *unstructured.Unstructured) {
			if err := unstructured.SetNestedField(u.Object, value, fields...); err != nil {
				panic(err)
			}
		}
	}
	configMap, deployment, service := harness.Ref("v1", "ConfigMap", ns, "settings"), harness.Ref("apps/v1", "Deployment", ns, "web"), harness.Ref("v1", "Service", ns, "web")
	return []drift{
		{"ConfigMap data", configMap, edit("ConfigMap", "v1", "settings", set("red", "data", "colour"))},
		{"replicas", deployment, edit("Deployment", "apps/v1", "web", set(int64(5), "spec", "replicas"))},
		{"image", deployment, edit("Deployment", "apps/v1", "web", func(u *unstructured.Unstructured) {
			cs, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
			cs[0].(map[string]any)["image"] = "example.com/web:evil"
			set(cs, "spec", "template", "spec", "containers")(u)
		})},
		{"added selector key", service, edit("Service", "v1", "web", set("no", "spec", "selector", "extra"))},
		{"removed label", configMap, edit("ConfigMap", "v1", "settings", func(u *unstructured.Unstructured) { u.SetLabels(nil) })},
		{"removed tracking", configMap, edit("ConfigMap", "v1", "settings", func(u *unstructured.Unstructured) { u.SetAnnotations(nil) })},
		{"removed tracking and data", service, edit("Service", "v1", "web", func(u *unstructured.Unstructured) {
			u.SetAnnotations(nil)
			set([]any{map[string]any{"port": int64(80), "targetPort": int64(9999)}}, "spec", "ports")(u)
		})},
		{"deleted Secret", harness.Ref("v1", "Secret", ns, "token"), func(t *testing.T, c *harness.Cluster) {
			t.Helper()
			c.Remove(t, harness.Ref("v1", "Secret", ns, "token"))
		}},
		{"deleted Deployment", deployment, func(t *testing.T, c *harness.Cluster) {
			t.Helper()
			c.Remove(t, deployment)
		}},
	}
}

type drift struct {
	name string
	id   harness.ID
	make func(t *testing.T, c *harness.Cluster)
}

// fingerprint is the part of an object that Git is about.
func fingerprint(u *unstructured.Unstructured) string {
	if u == nil {
		return "absent"
	}
	return harness.JSON(map[string]any{
		"data": u.Object["data"], "spec": u.Object["spec"], "labels": u.GetLabels(),
		"tracking": u.GetAnnotations()[v1alpha1.AnnotationTrackingID],
	})
}

// healWithin is how soon a drift must be put back: what the cluster reports does it, and not the next look at Git, which is
// minutes away. The milliseconds that it takes are measured by "make bench".
const healWithin = 30 * time.Second

func testHeal(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	a := plane.App(t, "heal", ns, repo.Source("app"), harness.SelfHeal)
	a.Wait(t, harness.Healthy(""))
	for _, d := range drifts(ns) {
		// A Service's fingerprint holds its address, which a deleted one would lose; a Secret's and a Deployment's do not.
		before := a.Live(t, d.id)
		want := fingerprint(before)
		started := time.Now()
		d.make(t, plane.Cluster)
		got := ""
		harness.Eventually(t, d.name+" is put back", func(context.Context) error {
			if got = fingerprint(a.Live(t, d.id)); got != want {
				return fmt.Errorf("it is %s, want %s", got, want)
			}
			return nil
		})
		if took := time.Since(started); took > healWithin {
			t.Errorf("%s was put back after %s, want at most %s", d.name, took, healWithin)
		} else {
			t.Logf("%s was put back after %s", d.name, took.Round(time.Millisecond))
		}
		a.Wait(t, harness.Synced(""))
		if a.Live(t, d.id).GetResourceVersion() == before.GetResourceVersion() {
			t.Errorf("%s: the drift did not happen, so nothing was tested", d.name)
		}
	}
	if n := len(a.Get(t).Status.History); n != 1 {
		t.Errorf("%d entries of history: heals are none", n)
	}
}

func testDriftShown(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	a := plane.App(t, "manual", ns, repo.Source("app"))
	a.Sync(t, v1alpha1.SyncOperation{})
	a.Wait(t, harness.Healthy(""))
	for _, d := range drifts(ns) {
		d.make(t, plane.Cluster)
		a.Wait(t, func(app *harness.Application) string {
			for _, r := range app.Status.Resources {
				if r.Kind == d.id.Kind && r.Name == d.id.Name && r.Status == v1alpha1.SyncStatusOutOfSync &&
					app.Status.Sync.Status == v1alpha1.SyncStatusOutOfSync {
					return ""
				}
			}
			return d.name + " is not shown: " + harness.JSON(app.Status.Resources)
		})
		drifted := fingerprint(a.Live(t, d.id))
		a.Refresh(t, v1alpha1.RefreshNormal)
		if got := fingerprint(a.Live(t, d.id)); got != drifted {
			t.Errorf("%s was undone without anybody asking", d.name)
		}
		if st := a.Sync(t, v1alpha1.SyncOperation{}); st.Phase != v1alpha1.OperationSucceeded {
			t.Fatalf("sync after %s: %s: %s", d.name, st.Phase, st.Message)
		}
		a.Wait(t, harness.Synced(""))
	}
}

func testPrune(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	files := harness.Txtar(some)
	repo := harness.NewRepo(t, files)
	a := plane.App(t, "prune", ns, repo.Source("app"))
	a.Sync(t, v1alpha1.SyncOperation{})
	a.Wait(t, harness.Synced(""))
	repo.Commit(t, "main", files.With("app/config.yaml", ""))
	config := harness.Ref("v1", "ConfigMap", ns, "settings")

	a.Refresh(t, v1alpha1.RefreshNormal)
	st := a.Sync(t, v1alpha1.SyncOperation{})
	if a.Live(t, config) == nil {
		t.Fatal("a sync without prune pruned")
	}
	if st.Phase != v1alpha1.OperationSucceeded || !has(st, "ConfigMap", v1alpha1.ResultPruneSkipped, "ignored (requires pruning)") {
		t.Errorf("sync without prune: %s %s %s", st.Phase, st.Message, harness.JSON(st.SyncResult))
	}
	app := a.Get(t)
	if app.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync {
		t.Errorf("sync status %s with a leftover", app.Status.Sync.Status)
	}
	st = a.Sync(t, v1alpha1.SyncOperation{Prune: true})
	if !has(st, "ConfigMap", v1alpha1.ResultPruned, "pruned") {
		t.Errorf("sync with prune: %s %s %s", st.Phase, st.Message, harness.JSON(st.SyncResult))
	}
	a.Wait(t, harness.Synced(""))
	if a.Live(t, config) != nil {
		t.Error("pruned, and still there")
	}
}

func has(st *v1alpha1.OperationState, kind string, code v1alpha1.ResultCode, message string) bool {
	for _, r := range st.SyncResult.Resources {
		if r.Kind == kind && r.Status == code && r.Message == message {
			return true
		}
	}
	return false
}

// testAllowEmpty: an automated sync never deletes the last object unless that is allowed.
func testAllowEmpty(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	a := plane.App(t, "empty", ns, repo.Source("app"), harness.SelfHeal)
	a.Wait(t, harness.Healthy(""))
	repo.Commit(t, "main", harness.Files{"app/README.md": "nothing here any more\n"})
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, harness.Has(v1alpha1.ConditionSyncError, "auto-sync will wipe out all resources", "allowEmpty"))
	if a.Live(t, harness.Ref("apps/v1", "Deployment", ns, "web")) == nil {
		t.Fatal("an empty directory deleted a Deployment")
	}
	a.Change(t, func(app *harness.Application) { app.Spec.SyncPolicy.Automated.AllowEmpty = true })
	a.Wait(t, func(app *harness.Application) string {
		if n := len(app.Status.Resources); n > 0 {
			return fmt.Sprintf("%d objects are left", n)
		}
		return harness.Synced("")(app)
	})
	if a.Live(t, harness.Ref("apps/v1", "Deployment", ns, "web")) != nil {
		t.Error("allowEmpty deleted nothing")
	}
}

func testDeletion(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	a := plane.App(t, "deleted", ns, repo.Source("app"), harness.SelfHeal, func(app *harness.Application) {
		app.Finalizers = []string{v1alpha1.FinalizerResources}
	})
	app := a.Wait(t, harness.Healthy(""))
	plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, a.Name))
	a.WaitGone(t)
	for _, r := range app.Status.Resources {
		if a.Live(t, resourceID(r)) != nil {
			t.Errorf("%s %s is left", r.Kind, r.Name)
		}
	}

	kept := plane.App(t, "kept", ns, repo.Source("app"), harness.SelfHeal)
	app = kept.Wait(t, harness.Healthy(""))
	plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, kept.Name))
	kept.WaitGone(t)
	for _, r := range app.Status.Resources {
		if kept.Live(t, resourceID(r)) == nil {
			t.Errorf("%s %s is gone although the Application had no finalizer", r.Kind, r.Name)
		}
	}
}

func testHistory(t *testing.T, plane *harness.Plane) {
	files := harness.Txtar(some)
	repo := harness.NewRepo(t, files)
	a := plane.App(t, "history", plane.Cluster.Namespace(t), repo.Source("app"), harness.SelfHeal, func(app *harness.Application) {
		limit := int64(2)
		app.Spec.RevisionHistoryLimit = &limit
	})
	a.Wait(t, harness.Healthy(""))
	var want []string
	for i := range 3 {
		rev := repo.Commit(t, "main", files.With("app/config.yaml", strings.Replace(files["app/config.yaml"], "blue", fmt.Sprintf("blue%d", i), 1)))
		want = append(want, rev)
		a.Refresh(t, v1alpha1.RefreshNormal)
		a.Wait(t, harness.Synced(rev))
	}
	var got []string
	history := a.Get(t).Status.History
	for _, h := range history {
		got = append(got, h.Revision)
	}
	if d := cmp.Diff(want[1:], got); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
	if n := len(history); n == 2 && history[1].ID != 3 {
		t.Errorf("the fourth deployment has id %d, want 3", history[1].ID)
	}
}

// testSkipReconcile: the annotation stops all work on the application, and taking it away resumes it.
func testSkipReconcile(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	a := plane.App(t, "skipped", ns, repo.Source("app"), harness.SelfHeal)
	a.Wait(t, harness.Healthy(""))
	a.Patch(t, `{"metadata":{"annotations":{"argocd.argoproj.io/skip-reconcile":"true"}}}`)
	config := harness.Ref("v1", "ConfigMap", ns, "settings")
	plane.Remove(t, config)
	// Another application that heals the same drift meanwhile shows that there was time for it.
	other := plane.App(t, "not-skipped", plane.Cluster.Namespace(t), repo.Source("app"), harness.SelfHeal)
	other.Wait(t, harness.Healthy(""))
	if a.Live(t, config) != nil {
		t.Error("a skipped application healed")
	}
	a.Patch(t, `{"metadata":{"annotations":{"argocd.argoproj.io/skip-reconcile":null}}}`)
	harness.Eventually(t, "the ConfigMap is back", func(context.Context) error {
		if a.Live(t, config) == nil {
			return fmt.Errorf("it is missing")
		}
		return nil
	})
}
