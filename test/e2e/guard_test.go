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

// TestGuards: what must neither be lost nor be stuck.
func TestGuards(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	for name, test := range map[string]func(*testing.T, *harness.Plane){
		"a managed namespace stays":               testManagedNamespaceStays,
		"rollback while Git is broken":            testRollbackWhileBroken,
		"a kind gets a version":                   testKindGetsVersion,
		"another operation overtakes":             testOvertaken,
		"a namespace that is about to go":         testNamespaceTerminating,
		"an application among its own objects":    testOwnApplication,
		"a Secret that is refused is not quoted":  testSecretNotQuoted,
		"another application took an object over": testTakenOver,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, plane)
		})
	}
}

// testManagedNamespaceStays: the metadata of the destination namespace is the application's, the namespace is not.
func testManagedNamespaceStays(t *testing.T, plane *harness.Plane) {
	ns := plane.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	app := plane.App(t, "managed-namespace", ns, directory(repo, "app"), harness.SelfHeal, harness.Options("CreateNamespace=true"),
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
	app.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Plane().Namespace, app.Name))
	app.WaitGone(t)
	stays()
}
