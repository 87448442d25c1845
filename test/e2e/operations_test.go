package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// TestOperations: the operation protocol, as clients of Argo CD speak it. The tests share one belay.
func TestOperations(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	for name, test := range map[string]func(*testing.T, *harness.Plane){
		"terminate":         testTerminate,
		"retry":             testRetry,
		"dry run":           testDryRun,
		"partial":           testPartial,
		"other revision":    testOtherRevision,
		"unknown revision":  testUnknownRevision,
		"waves":             testWaves,
		"newer commit":      testNewerCommit,
		"duplicate objects": testDuplicates,
		"comes into being":  testComesIntoBeing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, plane)
		})
	}
}

// stuck is a wave that never becomes healthy, because no node fits, and one behind it.
const stuck = `
-- app/stuck.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: stuck}
spec:
  selector: {matchLabels: {app: stuck}}
  template:
    metadata: {labels: {app: stuck}}
    spec:
      nodeSelector: {no-such: node}
      containers: [{name: web, image: example.com/web:1}]
-- app/after.yaml --
apiVersion: v1
kind: ConfigMap
metadata:
  name: after
  annotations: {argocd.argoproj.io/sync-wave: '1'}
data: {a: b}
`

func running(text string) func(*harness.Application) string {
	return func(app *harness.Application) string {
		st := app.Status.OperationState
		if app.Operation == nil || st == nil || st.Phase != v1alpha1.OperationRunning || !strings.Contains(st.Message, text) {
			return fmt.Sprintf("not running with %q: %s", text, harness.Operation(app))
		}
		return ""
	}
}

func testTerminate(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	a := plane.App(t, "terminated", ns, harness.NewRepo(t, harness.Txtar(stuck)).Source("app"))
	a.StartSync(t, v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}, Retry: v1alpha1.RetryStrategy{Limit: 5}})
	a.Wait(t, running("waiting for healthy state of apps/Deployment/"+ns+"/stuck"))
	a.Patch(t, `{"status":{"operationState":{"phase":"Terminating"}}}`)
	app := a.WaitOperation(t)
	if st := app.Status.OperationState; st.Phase != v1alpha1.OperationFailed || st.Message != "Operation terminated" || st.FinishedAt == nil {
		t.Errorf("terminated operation: %s", harness.JSON(st))
	}
	if a.Live(t, harness.Ref("v1", "ConfigMap", ns, "after")) != nil {
		t.Error("the wave behind one that is not healthy was applied")
	}
	if n := len(app.Status.History); n != 0 {
		t.Errorf("%d entries of history for a terminated sync", n)
	}
}

func testRetry(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	late := ns + "-late"
	files := harness.Txtar(some)
	files["app/config.yaml"] = strings.Replace(files["app/config.yaml"], "name: settings", "name: settings\n  namespace: "+late, 1)
	a := plane.App(t, "retried", ns, harness.NewRepo(t, files).Source("app"))
	a.StartSync(t, v1alpha1.Operation{
		Sync:  &v1alpha1.SyncOperation{},
		Retry: v1alpha1.RetryStrategy{Limit: 20, Backoff: &v1alpha1.Backoff{Duration: "300ms", MaxDuration: "300ms"}},
	})
	a.Wait(t, running("Retrying attempt #2"))
	plane.Apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+late+"}\n")
	st := a.WaitOperation(t).Status.OperationState
	if st.Phase != v1alpha1.OperationSucceeded || st.RetryCount < 2 {
		t.Errorf("retried operation: %s after %d retries: %s", st.Phase, st.RetryCount, st.Message)
	}

	plane.Remove(t, harness.Ref("v1", "Namespace", "", late))
	other := plane.App(t, "given-up", ns, harness.NewRepo(t, harness.Files{
		"app/config.yaml": strings.Replace(configMap("other", "a: b"), "{name: other}", "{name: other, namespace: nowhere}", 1),
	}).Source("app"))
	other.StartSync(t, v1alpha1.Operation{
		Sync:  &v1alpha1.SyncOperation{},
		Retry: v1alpha1.RetryStrategy{Limit: 2, Backoff: &v1alpha1.Backoff{Duration: "100ms"}},
	})
	other.WaitOperation(t)
	other.Wait(t, operationFails("nowhere", "(retried 2 times)"))
}

func testDryRun(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	files := harness.Txtar(some)
	repo := harness.NewRepo(t, files)
	a := plane.App(t, "dry", ns, repo.Source("app"))
	st := a.Sync(t, v1alpha1.SyncOperation{DryRun: true, Prune: true})
	if st.Phase != v1alpha1.OperationSucceeded || !has(st, "ConfigMap", v1alpha1.ResultSynced, "created (dry run)") {
		t.Errorf("dry run: %s", harness.JSON(st))
	}
	app := a.Get(t)
	if app.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync || len(app.Status.History) != 0 {
		t.Errorf("after a dry run: %s with %d entries of history", app.Status.Sync.Status, len(app.Status.History))
	}
	for _, r := range app.Status.Resources {
		if a.Live(t, resourceID(r)) != nil {
			t.Errorf("a dry run created %s %s", r.Kind, r.Name)
		}
	}
	a.Sync(t, v1alpha1.SyncOperation{})
	a.Wait(t, harness.Synced(""))
	repo.Commit(t, "main", files.With("app/config.yaml", ""))
	a.Refresh(t, v1alpha1.RefreshNormal)
	st = a.Sync(t, v1alpha1.SyncOperation{DryRun: true, Prune: true})
	if !has(st, "ConfigMap", v1alpha1.ResultPruned, "pruned (dry run)") {
		t.Errorf("dry run of a deletion: %s", harness.JSON(st.SyncResult.Resources))
	}
	if a.Live(t, harness.Ref("v1", "ConfigMap", ns, "settings")) == nil {
		t.Error("a dry run pruned")
	}
}

func testPartial(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	a := plane.App(t, "partial", ns, harness.NewRepo(t, harness.Txtar(some)).Source("app"))
	st := a.Sync(t, v1alpha1.SyncOperation{Resources: []v1alpha1.SyncOperationResource{{Kind: "ConfigMap", Name: "settings"}}})
	if st.Phase != v1alpha1.OperationSucceeded || len(st.SyncResult.Resources) != 1 {
		t.Errorf("partial sync: %s", harness.JSON(st))
	}
	if a.Live(t, harness.Ref("v1", "ConfigMap", ns, "settings")) == nil || a.Live(t, harness.Ref("v1", "Service", ns, "web")) != nil {
		t.Error("a partial sync applies what is selected and nothing else")
	}
	if app := a.Get(t); app.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync || len(app.Status.History) != 0 {
		t.Errorf("after a partial sync: %s with %d entries of history", app.Status.Sync.Status, len(app.Status.History))
	}
}

// testOtherRevision syncs to an older commit by revision, and back by history.
func testOtherRevision(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	files := harness.Txtar(some)
	repo := harness.NewRepo(t, files)
	first := repo.Git(t, "rev-parse", "main")
	second := repo.Commit(t, "main", files.With("app/config.yaml", configMap("settings", "colour: green")))
	a := plane.App(t, "rolled-back", ns, repo.Source("app"))
	a.Sync(t, v1alpha1.SyncOperation{})
	a.Wait(t, harness.Healthy(second))

	colour := func() any {
		data, _ := a.Live(t, harness.Ref("v1", "ConfigMap", ns, "settings")).Object["data"].(map[string]any)
		return data["colour"]
	}
	source := repo.Source("app")
	st := a.Sync(t, v1alpha1.SyncOperation{Revision: first, Source: &source})
	if st.Phase != v1alpha1.OperationSucceeded || st.SyncResult.Revision != first || colour() != "blue" {
		t.Errorf("rollback: %s %s; colour %v", st.Phase, st.Message, colour())
	}
	app := a.Wait(t, func(app *harness.Application) string {
		if app.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync || app.Status.Sync.Revision != second {
			return fmt.Sprintf("%s at %s", app.Status.Sync.Status, app.Status.Sync.Revision)
		}
		return ""
	})
	var revisions []string
	for _, h := range app.Status.History {
		revisions = append(revisions, h.Revision)
	}
	if d := cmp.Diff([]string{second, first}, revisions); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
}

func testUnknownRevision(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	a := plane.App(t, "unknown-revision", ns, harness.NewRepo(t, harness.Txtar(some)).Source("app"))
	st := a.Sync(t, v1alpha1.SyncOperation{Revision: "no-such-tag"})
	if st.Phase != v1alpha1.OperationError || !strings.Contains(st.Message, "no-such-tag") {
		t.Errorf("sync to an unknown revision: %s: %s", st.Phase, st.Message)
	}
	if st := a.Sync(t, v1alpha1.SyncOperation{}); st.Phase != v1alpha1.OperationSucceeded {
		t.Errorf("the next sync: %s: %s", st.Phase, st.Message)
	}
}

// testWaves: each wave is there, and healthy, before the next one begins, whatever the files are called.
func testWaves(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	files := harness.Txtar(some)
	for i, name := range []string{"app/secret.yaml", "app/service.yaml", "app/deployment.yaml", "app/config.yaml"} {
		files[name] = strings.Replace(files[name], "metadata: {name:", fmt.Sprintf("metadata: {annotations: {argocd.argoproj.io/sync-wave: '%d'}, name:", i), 1)
		files[name] = strings.Replace(files[name], "metadata:\n  name:", fmt.Sprintf("metadata:\n  annotations: {argocd.argoproj.io/sync-wave: '%d'}\n  name:", i), 1)
	}
	a := plane.App(t, "waves", ns, harness.NewRepo(t, files).Source("app"), harness.SelfHeal)
	// The Service of wave 1 has no ready endpoint before the Deployment of wave 2: it must not wait for that for ever.
	a.Wait(t, harness.Healthy(""))
	// Nobody writes to the first two after their creation, and to the Deployment not after it became available.
	last := 0
	for _, id := range []harness.ID{
		harness.Ref("v1", "Secret", ns, "token"), harness.Ref("v1", "Service", ns, "web"),
		harness.Ref("apps/v1", "Deployment", ns, "web"), harness.Ref("v1", "ConfigMap", ns, "settings"),
	} {
		version, err := strconv.Atoi(a.Live(t, id).GetResourceVersion())
		if err != nil {
			t.Fatal(err)
		}
		if version <= last {
			t.Errorf("%s was written before the wave in front of it was done", id.Kind)
		}
		last = version
	}
}

// testNewerCommit: a sync that waits for health that never comes gives way to the commit that mends it.
func testNewerCommit(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	files := harness.Txtar(stuck)
	repo := harness.NewRepo(t, files)
	a := plane.App(t, "mended", ns, repo.Source("app"), harness.SelfHeal)
	a.Wait(t, running("waiting for healthy state"))
	rev := repo.Commit(t, "main", files.With("app/stuck.yaml", strings.Replace(files["app/stuck.yaml"], "      nodeSelector: {no-such: node}\n", "", 1)))
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, harness.Healthy(rev))
}

func testDuplicates(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	a := plane.App(t, "duplicates", ns, harness.NewRepo(t, harness.Files{
		"app/a.yaml": configMap("twice", "from: a"), "app/b.yaml": configMap("twice", "from: b"),
	}).Source("app"), harness.SelfHeal)
	app := a.Wait(t, harness.Healthy(""))
	if missing := harness.Has(v1alpha1.ConditionRepeatedResourceWarning, "ConfigMap", "twice", "more than once")(app); missing != "" {
		t.Error(missing)
	}
	data, _ := a.Live(t, harness.Ref("v1", "ConfigMap", ns, "twice")).Object["data"].(map[string]any)
	if data["from"] != "b" {
		t.Errorf("the object comes from %v, want the last one", data["from"])
	}
	expectNoOp(t, a)
}

// testComesIntoBeing: what an application waits for need not be announced to it.
func testComesIntoBeing(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	a := plane.App(t, "early", ns, harness.NewRepo(t, harness.Txtar(some)).Source("app"), harness.SelfHeal, func(app *harness.Application) {
		app.Spec.Project = "later"
	})
	a.Wait(t, harness.Has(v1alpha1.ConditionInvalidSpecError, "project later"))
	plane.Apply(t, "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: later, namespace: "+plane.Namespace+
		"}\nspec: {sourceRepos: ['*'], destinations: [{server: '*', namespace: '*'}]}\n")
	a.Wait(t, harness.Healthy(""))

	// Two applications, one of which brings the kind that the other needs.
	const crd = `
-- crd/crd.yaml --
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.e2e.example.com}
spec:
  group: e2e.example.com
  scope: Namespaced
  names: {kind: Gadget, listKind: GadgetList, plural: gadgets, singular: gadget}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
-- app/gadget.yaml --
apiVersion: e2e.example.com/v1
kind: Gadget
metadata: {name: one}
spec: {size: 1}
`
	repo := harness.NewRepo(t, harness.Txtar(crd))
	user := plane.App(t, "gadget-user", ns, repo.Source("app"), harness.SelfHeal, func(app *harness.Application) {
		app.Spec.SyncPolicy.Retry = &v1alpha1.RetryStrategy{Limit: -1, Backoff: &v1alpha1.Backoff{Duration: "500ms", MaxDuration: "1s"}}
	})
	user.Wait(t, running("CustomResourceDefinition"))
	plane.App(t, "gadget-maker", ns, repo.Source("crd"), harness.SelfHeal).Wait(t, harness.Synced(""))
	user.Wait(t, harness.Healthy(""))
	gadget := harness.Ref("e2e.example.com/v1", "Gadget", ns, "one")
	plane.Remove(t, gadget)
	harness.Eventually(t, "the Gadget is back", func(context.Context) error {
		if user.Live(t, gadget) == nil {
			return errors.New("it is missing")
		}
		return nil
	})
}
