package e2e

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// two applications that share a base.
const two = `
-- base/kustomization.yaml --
resources: [shared.yaml]
-- base/shared.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {colour: blue}
-- shop/kustomization.yaml --
resources: [../base, own.yaml]
-- shop/own.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: own}
data: {size: "1"}
-- search/kustomization.yaml --
resources: [../base, own.yaml]
-- search/own.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: own}
data: {size: "1"}
`

const ownSize2 = `
apiVersion: v1
kind: ConfigMap
metadata: {name: own}
data: {size: "2"}
`

// TestMonorepo looks at an application while commits concern another one of its repository.
func TestMonorepo(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	files := harness.Txtar(two)
	repo := harness.NewRepo(t, files)
	shop := plane.App(t, "mono-shop", plane.Cluster.Namespace(t), repo.Source("shop"), harness.SelfHeal)
	search := plane.App(t, "search", plane.Cluster.Namespace(t), repo.Source("search"), harness.SelfHeal)
	shop.Wait(t, harness.Healthy(""))
	before := search.Wait(t, harness.Healthy(""))
	objects := versions(t, search)

	// A commit that does not concern it: it names the commit after a while, by itself, and does nothing else.
	files = files.With("shop/own.yaml", ownSize2)
	rev := repo.Commit(t, "main", files)
	shop.Refresh(t, v1alpha1.RefreshNormal)
	shop.Wait(t, harness.Healthy(rev))
	after := search.Wait(t, harness.Healthy(rev))
	if d := cmp.Diff(objects, versions(t, search)); d != "" {
		t.Errorf("a commit that does not concern it writes its objects:\n%s", d)
	}
	if d := cmp.Diff(before.Status.OperationState, after.Status.OperationState); d != "" {
		t.Errorf("a commit that does not concern it is synced:\n%s", d)
	}
	if len(after.Status.History) != len(before.Status.History) {
		t.Errorf("the history grew from %d to %d", len(before.Status.History), len(after.Status.History))
	}

	// Somebody who asks gets the answer at once: a refresh has ended when its annotation is gone.
	rev = repo.Commit(t, "main", files.With("shop/own.yaml", ownSize2+"---\n"))
	shop.Refresh(t, v1alpha1.RefreshNormal)
	if got := search.Refresh(t, v1alpha1.RefreshNormal).Status.Sync.Revision; got != rev {
		t.Errorf("after a refresh it names %s, want %s", got, rev)
	}

	// A commit to what they share reaches it although only the other one is refreshed.
	files = files.With("base/shared.yaml", `
apiVersion: v1
kind: ConfigMap
metadata: {name: shared}
data: {colour: red}
`)
	rev = repo.Commit(t, "main", files)
	shop.Refresh(t, v1alpha1.RefreshNormal)
	state := search.Wait(t, harness.Healthy(rev)).Status.OperationState
	if state.SyncResult == nil || state.SyncResult.Revision != rev {
		t.Errorf("a commit to the shared base was not synced: %+v", state)
	}

	// Back to where it was, by a forced push: it follows.
	repo.ForcePush(t, "main", files.With("base/shared.yaml", harness.Txtar(two)["base/shared.yaml"]))
	shop.Refresh(t, v1alpha1.RefreshNormal)
	shared := harness.Ref("v1", "ConfigMap", before.Spec.Destination.Namespace, "shared")
	harness.Eventually(t, "the shared object is blue again", func(context.Context) error {
		got, _, err := unstructured.NestedString(search.Live(t, shared).Object, "data", "colour")
		if err == nil && got != "blue" {
			err = fmt.Errorf("it is %s", got)
		}
		return err
	})
}
