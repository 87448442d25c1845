package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// TestOptions: options of syncs, and deletions under difficulties. The tests share one belay.
func TestOptions(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	for name, test := range map[string]func(*testing.T, *harness.Plane){
		"ignored differences":      testIgnoredDifferences,
		"force":                    testForce,
		"prune options":            testPruneOptions,
		"two owners":               testTwoOwners,
		"managed namespace":        testManagedNamespace,
		"deletion of a broken app": testDeletionOfBroken,
		"deletion that hangs":      testDeletionHangs,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, plane)
		})
	}
	t.Run("killed while deleting", func(t *testing.T) {
		t.Parallel()
		testDeletionKilled(t, plane.Plane(t))
	})
}

func replicas(t *testing.T, a *harness.App, ns string) int64 {
	t.Helper()
	n, _, err := unstructured.NestedInt64(a.Live(t, harness.Ref("apps/v1", "Deployment", ns, "web")).Object, "spec", "replicas")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testIgnoredDifferences: what is ignored is neither shown nor healed, and with RespectIgnoreDifferences not overwritten.
func testIgnoredDifferences(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	files := harness.Txtar(some)
	repo := harness.NewRepo(t, files)
	a := plane.App(t, "ignoring", ns, repo.Source("app"), harness.SelfHeal, func(app *harness.Application) {
		app.Spec.SyncPolicy.SyncOptions = v1alpha1.SyncOptions{"RespectIgnoreDifferences=true"}
		app.Spec.IgnoreDifferences = v1alpha1.IgnoreDifferences{{Group: "apps", Kind: "Deployment", JSONPointers: []string{"/spec/replicas"}}}
	})
	a.Wait(t, harness.Healthy(""))
	plane.Edit(t, harness.Ref("apps/v1", "Deployment", ns, "web"), func(u *unstructured.Unstructured) {
		if err := unstructured.SetNestedField(u.Object, int64(4), "spec", "replicas"); err != nil {
			t.Fatal(err)
		}
	})
	// A drift that counts is healed meanwhile: then there was time for the other one, too.
	plane.Remove(t, harness.Ref("v1", "Secret", ns, "token"))
	harness.Eventually(t, "the Secret is back", func(context.Context) error {
		if a.Live(t, harness.Ref("v1", "Secret", ns, "token")) == nil {
			return fmt.Errorf("it is missing")
		}
		return nil
	})
	if missing := harness.Synced("")(a.Refresh(t, v1alpha1.RefreshHard)); missing != "" {
		t.Error(missing)
	}
	rev := repo.Commit(t, "main", files.With("app/deployment.yaml", strings.Replace(files["app/deployment.yaml"], "web:1", "web:2", 1)))
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, harness.Healthy(rev))
	if n := replicas(t, a, ns); n != 4 {
		t.Errorf("%d replicas after a sync, want the 4 that somebody set", n)
	}
}

// testForce: an immutable field changes with the object's consent, by deleting and creating it.
func testForce(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	files := harness.Txtar(some)
	repo := harness.NewRepo(t, files)
	a := plane.App(t, "forced", ns, repo.Source("app"), harness.SelfHeal)
	a.Wait(t, harness.Healthy(""))
	id := harness.Ref("apps/v1", "Deployment", ns, "web")
	before := a.Live(t, id).GetUID()
	forced := strings.ReplaceAll(files["app/deployment.yaml"], "app: web", "app: other")
	forced = strings.Replace(forced, "metadata: {name: web}", "metadata: {name: web, annotations: {argocd.argoproj.io/sync-options: Force=true}}", 1)
	rev := repo.Commit(t, "main", files.With("app/deployment.yaml", forced, "app/service.yaml", strings.ReplaceAll(files["app/service.yaml"], "app: web", "app: other")))
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, harness.Healthy(rev))
	if a.Live(t, id).GetUID() == before {
		t.Error("the Deployment is the old one")
	}
	expectNoOp(t, a)
}

// testPruneOptions: objects that ask to stay do, and the application says that they are too many.
func testPruneOptions(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	asking := func(name, option string) string {
		return strings.Replace(configMap(name, "a: b"), "{name: "+name+"}", "{name: "+name+", annotations: {argocd.argoproj.io/sync-options: "+option+"}}", 1)
	}
	base := harness.Files{"app/base.yaml": configMap("base", "a: b")}
	repo := harness.NewRepo(t, base.With("app/stays.yaml", asking("stays", "Prune=false"), "app/goes.yaml", configMap("goes", "a: b"),
		"app/asks.yaml", asking("asks", "Prune=confirm")))
	a := plane.App(t, "prune-options", ns, repo.Source("app"))
	a.Sync(t, v1alpha1.SyncOperation{})
	a.Wait(t, harness.Synced(""))
	repo.Commit(t, "main", base)
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.StartSync(t, v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Prune: true}})
	a.Wait(t, running("waiting for pruning confirmation of ConfigMap/"+ns+"/asks"))
	if a.Live(t, harness.Ref("v1", "ConfigMap", ns, "goes")) == nil {
		t.Error("something was pruned before the confirmation")
	}
	a.Patch(t, fmt.Sprintf(`{"metadata":{"annotations":{"argocd.argoproj.io/deletion-approved":%q}}}`, time.Now().Add(time.Second).UTC().Format(time.RFC3339)))
	st := a.WaitOperation(t).Status.OperationState
	for name, there := range map[string]bool{"base": true, "stays": true, "goes": false, "asks": false} {
		// A sync ends when the deletion is asked for; the garbage collector takes a moment.
		u := a.Live(t, harness.Ref("v1", "ConfigMap", ns, name))
		if got := u != nil && u.GetDeletionTimestamp() == nil; got != there {
			t.Errorf("ConfigMap %s there: %v, want %v", name, got, there)
		}
	}
	if !has(st, "ConfigMap", v1alpha1.ResultPruneSkipped, "ignored (no prune)") {
		t.Errorf("results: %s", harness.JSON(st.SyncResult.Resources))
	}
	if s := a.Get(t).Status.Sync.Status; s != v1alpha1.SyncStatusOutOfSync {
		t.Errorf("%s with an object too many", s)
	}
}

// ownersWrites bounds how often two applications that both claim an object may write it in a few seconds. They can not
// both be right, but they must not melt the API server either.
const ownersWrites = 40

func testTwoOwners(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Files{"a/one.yaml": configMap("shared", "by: a"), "b/one.yaml": configMap("shared", "by: b")})
	first := plane.App(t, "owner-a", ns, repo.Source("a"), harness.SelfHeal)
	first.Wait(t, harness.Synced(""))
	second := plane.App(t, "owner-b", ns, repo.Source("b"), harness.SelfHeal)
	for _, a := range []*harness.App{first, second} {
		a.Wait(t, harness.Has(v1alpha1.ConditionSharedResourceWarning, "ConfigMap/"+ns+"/shared", "owner-a", "owner-b"))
	}
	writes, last := 0, ""
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if v := first.Live(t, harness.Ref("v1", "ConfigMap", ns, "shared")).GetResourceVersion(); v != last {
			writes, last = writes+1, v
		}
	}
	t.Logf("two owners wrote about %d times", writes)
	if writes > ownersWrites {
		t.Errorf("two owners wrote %d times, want at most %d", writes, ownersWrites)
	}
	// The one that gives it up must not take it away from the other.
	plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, second.Name))
	second.WaitGone(t)
	first.Wait(t, harness.Synced(""))
	harness.Eventually(t, "the object is the first one's again", func(context.Context) error {
		u := first.Live(t, harness.Ref("v1", "ConfigMap", ns, "shared"))
		if data, _ := u.Object["data"].(map[string]any); data["by"] != "a" {
			return fmt.Errorf("it is by %v", data["by"])
		}
		return nil
	})
}

func testManagedNamespace(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t) + "-managed"
	a := plane.App(t, "managed-namespace", ns, harness.NewRepo(t, harness.Txtar(some)).Source("app"), harness.SelfHeal, func(app *harness.Application) {
		app.Spec.SyncPolicy.SyncOptions = v1alpha1.SyncOptions{"CreateNamespace=true"}
		app.Spec.SyncPolicy.ManagedNamespaceMetadata = &v1alpha1.ManagedNamespaceMetadata{Labels: map[string]string{"team": "shop"}}
		app.Finalizers = []string{v1alpha1.FinalizerResources}
	})
	a.Wait(t, harness.Healthy(""))
	id := harness.Ref("v1", "Namespace", "", ns)
	plane.Edit(t, id, func(u *unstructured.Unstructured) { u.SetLabels(map[string]string{"team": "other"}) })
	harness.Eventually(t, "the label is put back", func(context.Context) error {
		if got := a.Live(t, id).GetLabels()["team"]; got != "shop" {
			return fmt.Errorf("it is %q", got)
		}
		return nil
	})
	plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, a.Name))
	a.WaitGone(t)
	if u := a.Live(t, id); u == nil || u.GetDeletionTimestamp() != nil {
		t.Error("the namespace was deleted with the application; it may hold what others made")
	}
	plane.Remove(t, id)
}

// testDeletionOfBroken: an application that cannot be compared any more can still be deleted with its objects.
func testDeletionOfBroken(t *testing.T, plane *harness.Plane) {
	s := newScene(t, plane, "broken-deleted")
	s.repo.Away(t, true)
	s.Change(t, func(app *harness.Application) {
		app.Finalizers = []string{v1alpha1.FinalizerResources}
		app.Spec.Project = "gone"
		app.Spec.Source.Path = "../outside"
	})
	s.Wait(t, harness.Has(v1alpha1.ConditionInvalidSpecError, "gone"))
	plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, s.Name))
	s.Wait(t, harness.Has(v1alpha1.ConditionDeletionError, "project gone does not exist", "create it"))
	s.expectKept(t)
	plane.Apply(t, "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: gone, namespace: "+plane.Namespace+
		"}\nspec: {sourceRepos: ['*'], destinations: [{server: '*', namespace: '*'}]}\n")
	s.WaitGone(t)
	for _, id := range s.objs {
		if s.Live(t, id) != nil {
			t.Errorf("%s %s is left", id.Kind, id.Name)
		}
	}

	nowhere := plane.App(t, "nowhere-deleted", s.ns, s.repo.Source("app"), func(app *harness.Application) {
		app.Finalizers = []string{v1alpha1.FinalizerResources}
		app.Spec.Destination = v1alpha1.ApplicationDestination{Name: "no-such-cluster", Namespace: s.ns}
	})
	plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, nowhere.Name))
	nowhere.WaitGone(t)
}

// testDeletionHangs: while an object's own finalizer holds it, the Application stays, and says what it waits for.
func testDeletionHangs(t *testing.T, plane *harness.Plane) {
	s := newScene(t, plane, "hanging")
	held := harness.Ref("v1", "ConfigMap", s.ns, "settings")
	plane.Edit(t, held, func(u *unstructured.Unstructured) { u.SetFinalizers([]string{"e2e.example.com/hold"}) })
	s.Change(t, func(app *harness.Application) { app.Finalizers = []string{v1alpha1.FinalizerResources} })
	plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, s.Name))
	s.Wait(t, harness.Has(v1alpha1.ConditionDeletionError, "ConfigMap/"+s.ns+"/settings", "finalizer", "e2e.example.com/hold"))
	plane.Edit(t, held, removeFinalizers)
	s.WaitGone(t)
}

// testDeletionKilled: a belay that is killed in the middle of a deletion goes on with it.
func testDeletionKilled(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	a := plane.App(t, ns, ns, harness.NewRepo(t, many(1)).Source("app"), harness.SelfHeal, func(app *harness.Application) {
		app.Finalizers = []string{v1alpha1.FinalizerResources}
	})
	a.Wait(t, harness.Healthy(""))
	plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, a.Name))
	harness.Eventually(t, "the deletion has begun", func(context.Context) error {
		if n := len(inventory(t, plane.Cluster, ns)); n == len(many(1)) {
			return fmt.Errorf("%d objects", n)
		}
		return nil
	})
	plane.Kill()
	plane.Start(t)
	a.WaitGone(t)
	if left := inventory(t, plane.Cluster, ns); len(left) > 0 {
		t.Errorf("%d objects are left: %v", len(left), left)
	}
}
