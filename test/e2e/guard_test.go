package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// TestGuards: what must neither be lost nor be stuck.
func TestGuards(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	for name, test := range map[string]func(*testing.T, *harness.Plane){
		"a managed namespace stays":            testManagedNamespaceStays,
		"rollback while Git is broken":         testRollbackWhileBroken,
		"a kind gets a version":                testKindGetsVersion,
		"a namespace that is about to go":      testNamespaceTerminating,
		"an application among its own objects": testOwnApplication,
		"a refused Secret is not quoted":       testSecretNotQuoted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, plane)
		})
	}
}

// testManagedNamespaceStays: the metadata of the destination namespace is the application's, the namespace is not.
func testManagedNamespaceStays(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	app := plane.App(t, "kept-namespace", ns, directory(repo, "app"), harness.SelfHeal, harness.Options("CreateNamespace=true"),
		func(a *v1alpha1.Application) {
			a.Finalizers = []string{v1alpha1.FinalizerResources}
			a.Spec.SyncPolicy.ManagedNamespaceMetadata = &v1alpha1.ManagedNamespaceMetadata{Labels: map[string]string{"team": "a"}}
		})
	labelled := func(want string) {
		t.Helper()
		harness.Eventually(t, "the namespace has team="+want, func(context.Context) error {
			if got := plane.Live(t, harness.Ref("v1", "Namespace", "", ns)).GetLabels()["team"]; got != want {
				return fmt.Errorf("team=%q", got)
			}
			return nil
		})
	}
	app.Wait(t, harness.Synced(""))
	labelled("a")
	app.Change(t, func(a *v1alpha1.Application) { a.Spec.SyncPolicy.ManagedNamespaceMetadata.Labels["team"] = "b" })
	labelled("b")
	app.Change(t, func(a *v1alpha1.Application) { a.Spec.SyncPolicy.ManagedNamespaceMetadata = nil })
	repo.Commit(t, "main", harness.Txtar(some).With("app/service.yaml", ""))
	app.Refresh(t, v1alpha1.RefreshNormal)
	app.Wait(t, harness.Synced(""))
	stays := func() {
		t.Helper()
		if u := plane.Live(t, harness.Ref("v1", "Namespace", "", ns)); u == nil || u.GetDeletionTimestamp() != nil {
			t.Fatal("the namespace was deleted")
		}
	}
	stays()
	app.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, app.Name))
	app.WaitGone(t)
	stays()
}

// testRollbackWhileBroken: a commit that cannot be rendered must not stand in the way back.
func testRollbackWhileBroken(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	files := harness.Txtar(some)
	repo := harness.NewRepo(t, files)
	good := strings.TrimSpace(repo.Git(t, "rev-parse", "main"))
	app := plane.App(t, "broken-head", ns, directory(repo, "app"))
	app.Sync(t, v1alpha1.SyncOperation{})
	repo.Commit(t, "main", files.With("app/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings"))
	app.Refresh(t, v1alpha1.RefreshNormal)
	app.Wait(t, harness.Has(v1alpha1.ConditionComparisonError, "config.yaml"))
	app.Edit(t, harness.Ref("v1", "ConfigMap", ns, "settings"), func(u *unstructured.Unstructured) {
		u.Object["data"] = map[string]any{"colour": "red"}
	})
	st := app.Sync(t, v1alpha1.SyncOperation{Revision: good})
	if st.Phase != v1alpha1.OperationSucceeded || st.SyncResult.Revision != good {
		t.Fatalf("rollback: %s: %s (%s)", st.Phase, st.Message, st.SyncResult.Revision)
	}
	if got := app.Live(t, harness.Ref("v1", "ConfigMap", ns, "settings")).Object["data"].(map[string]any)["colour"]; got != "blue" {
		t.Errorf("after the rollback the colour is %v, want blue", got)
	}
	app.Wait(t, harness.Has(v1alpha1.ConditionComparisonError, "config.yaml"))
	if st := app.Sync(t, v1alpha1.SyncOperation{}); st.Phase != v1alpha1.OperationError || !strings.Contains(st.Message, "config.yaml") {
		t.Errorf("a sync to the broken commit: %s: %s", st.Phase, st.Message)
	}
}

const gadgets = `
-- app/crd.yaml --
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.guards.example.com}
spec:
  group: guards.example.com
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
-- app/gadget.yaml --
apiVersion: guards.example.com/v1
kind: Gadget
metadata: {name: g}
spec: {size: 1}
`

// testKindGetsVersion: a definition and its objects come, and move to another version, in one commit each.
func testKindGetsVersion(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	files := harness.Txtar(gadgets)
	repo := harness.NewRepo(t, files)
	app := plane.App(t, "gadgets", ns, directory(repo, "app"), harness.SelfHeal)
	app.Wait(t, harness.Synced(""))
	more := strings.Replace(files["app/crd.yaml"], "served: true, storage: true", "served: true, storage: false", 1) +
		"  - {name: v2, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}\n"
	rev := repo.Commit(t, "main", files.With("app/crd.yaml", more, "app/gadget.yaml", strings.Replace(files["app/gadget.yaml"], "com/v1", "com/v2", 1)+"# moved\n"))
	app.Refresh(t, v1alpha1.RefreshNormal)
	app.Wait(t, harness.Synced(rev))
}

// testNamespaceTerminating: a sync into a namespace that is going away waits and makes it anew.
func testNamespaceTerminating(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	config := harness.Ref("v1", "ConfigMap", ns, "holds")
	plane.Apply(t, fmt.Sprintf("{apiVersion: v1, kind: ConfigMap, metadata: {name: holds, namespace: %s, finalizers: [example.com/hold]}}", ns))
	plane.Remove(t, harness.Ref("v1", "Namespace", "", ns))
	app := plane.App(t, "terminating-namespace", ns, directory(repo, "app"), harness.SelfHeal, harness.Options("CreateNamespace=true"))
	app.Wait(t, func(a *v1alpha1.Application) string {
		if st := a.Status.OperationState; st == nil || !strings.Contains(st.Message, "waiting for the deletion of Namespace "+ns) {
			return "the operation does not wait: " + harness.Operation(a)
		}
		return ""
	})
	plane.Edit(t, config, func(u *unstructured.Unstructured) { u.SetFinalizers(nil) })
	app.Wait(t, harness.Synced(""))
}

// testOwnApplication: an application that manages itself can be deleted, and does not delete itself.
func testOwnApplication(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	self := fmt.Sprintf(`
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: itself, namespace: %s, labels: {managed: "true"}}
spec: {project: default, destination: {server: https://kubernetes.default.svc, namespace: %s}}
`, plane.Namespace, ns)
	files := harness.Txtar(some).With("app/self.yaml", self)
	repo := harness.NewRepo(t, files)
	app := plane.App(t, "itself", ns, directory(repo, "app"), harness.SelfHeal, func(a *v1alpha1.Application) {
		a.Finalizers = []string{v1alpha1.FinalizerResources}
	})
	app.Wait(t, func(a *v1alpha1.Application) string {
		if a.Labels["managed"] == "" {
			return "it does not manage itself"
		}
		return harness.Synced("")(a)
	})
	rev := repo.Commit(t, "main", harness.Txtar(some))
	app.Refresh(t, v1alpha1.RefreshNormal)
	app.Wait(t, harness.Synced(rev))
	if app.Get(t).DeletionTimestamp != nil {
		t.Fatal("the application deleted itself")
	}
	app.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, app.Name))
	app.WaitGone(t)
	if plane.Live(t, harness.Ref("v1", "ConfigMap", ns, "settings")) != nil {
		t.Error("its objects were left")
	}
}

// testSecretNotQuoted: what the API server says about a Secret may hold its values.
func testSecretNotQuoted(t *testing.T, plane *harness.Plane) {
	const pin = "47114711"
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some).With("app/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\ndata: {pin: "+pin+"}\n"))
	app := plane.App(t, "unquoted", ns, directory(repo, "app"))
	st := app.Sync(t, v1alpha1.SyncOperation{})
	if st.Phase != v1alpha1.OperationFailed || !strings.Contains(st.Message, "pin: expected string") {
		t.Errorf("%s: %s", st.Phase, st.Message)
	}
	if text := harness.JSON(app.Get(t)); strings.Contains(text, pin) {
		t.Errorf("the Application tells the value: %s", text)
	}
	if strings.Contains(plane.Log(), pin) {
		t.Error("the log tells the value")
	}
}
