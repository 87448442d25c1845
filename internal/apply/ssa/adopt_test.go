package ssa_test

import (
	"encoding/json"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// TestAdoption takes over an object as Argo CD leaves it behind, of which Git has dropped a field since.
func TestAdoption(t *testing.T) {
	client, w, namespace := connect(t)
	old := manifests(t, namespace)[0] // the Deployment
	applied, err := json.Marshal(old.Object)
	if err != nil {
		t.Fatal(err)
	}
	old.SetAnnotations(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": string(applied)})
	gvr, _, _ := kinds{}.Resource(old.GroupVersionKind())
	target := client.Resource(gvr).Namespace(namespace)
	if _, err := target.Create(t.Context(), old, metav1.CreateOptions{FieldManager: v1alpha1.FieldManager}); err != nil {
		t.Fatal(err)
	}
	desired := manifests(t, namespace)[0]
	containers, _, _ := unstructured.NestedSlice(desired.Object, "spec", "template", "spec", "containers")
	container := containers[0].(map[string]any)
	container["env"] = container["env"].([]any)[:1] // B is gone
	if err := unstructured.SetNestedSlice(desired.Object, containers, "spec", "template", "spec", "containers"); err != nil {
		t.Fatal(err)
	}

	compare := func() *diff.Item {
		t.Helper()
		u, err := target.Get(t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		live := object.NewLive(u)
		in := diff.Input{
			Targets: diff.Targets{Objects: []diff.Target{{Ref: object.RefOf(desired), Object: desired, Hash: object.Hash(desired.Object)}}},
			Live:    func(object.Ref) (*object.Live, bool) { return live, true }, Memory: diff.NewMemory(),
		}
		plan, err := diff.Compare(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := diff.Confirm(t.Context(), plan, in.Memory, in.Rules, w); err != nil {
			t.Fatal(err)
		}
		return plan.Items[0]
	}
	item := compare()
	if item.Action != diff.Update || len(item.Adopt) == 0 || len(item.Changes) != 1 {
		t.Fatalf("%s, adopt %v, %v; want the dropped variable alone", item.Action, item.Adopt, item.Changes)
	}
	if _, err := w.Apply(t.Context(), desired, apply.WriteOptions{Adopt: item.Adopt}); err != nil {
		t.Fatal(err)
	}
	u, err := target.Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	now, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	if env := now[0].(map[string]any)["env"].([]any); len(env) != 1 {
		t.Errorf("the dropped variable is still there: %v", env)
	}
	for _, m := range u.GetManagedFields() {
		if m.Operation == metav1.ManagedFieldsOperationUpdate && m.Manager == v1alpha1.FieldManager {
			t.Error("fields are still owned by a client-side apply")
		}
	}
	if item := compare(); item.Action != diff.None {
		t.Errorf("afterwards: %s (%s)", item.Action, item.Reason)
	}
}
