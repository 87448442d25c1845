package controller

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

func application() *v1alpha1.Application {
	return &v1alpha1.Application{
		ObjectMeta: metav1.ObjectMeta{Name: "shop", Namespace: "argocd", Finalizers: []string{v1alpha1.FinalizerResources},
			Annotations: map[string]string{v1alpha1.AnnotationRefresh: "normal", "keep": "me"}},
		Spec:      v1alpha1.ApplicationSpec{Project: "default"},
		Operation: &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: "c1"}},
		Status:    v1alpha1.ApplicationStatus{Sync: v1alpha1.SyncStatus{Status: v1alpha1.SyncStatusOutOfSync}},
	}
}

// TestMergePatch applies each patch to what the server stores, with a field that this version does not know, and expects the
// change and nothing else.
func TestMergePatch(t *testing.T) {
	for _, tc := range []struct {
		reason string
		change func(*v1alpha1.Application)
		want   string
	}{
		{"the end of an operation removes the request for it", func(a *v1alpha1.Application) {
			a.Operation = nil
			a.Status.OperationState = &v1alpha1.OperationState{Phase: v1alpha1.OperationFailed}
		}, `{"operation":null,"status":{"operationState":{"operation":{"initiatedBy":{},"retry":{}},"phase":"Failed","startedAt":null}}}`},
		{"only the answered annotation goes", func(a *v1alpha1.Application) { delete(a.Annotations, v1alpha1.AnnotationRefresh) },
			`{"metadata":{"annotations":{"argocd.argoproj.io/refresh":null}}}`},
		{"a finished deletion drops the finalizer", func(a *v1alpha1.Application) { a.Finalizers = nil }, `{"metadata":{"finalizers":null}}`},
		{"nothing changed", func(*v1alpha1.Application) {}, `{}`},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			before, after := application(), application()
			tc.change(after)
			patch, err := mergePatch(before, after)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(decode(t, []byte(tc.want)), decode(t, patch)); d != "" {
				t.Errorf("patch (-want +got):\n%s", d)
			}
			if unchanged(before, after) != (tc.want == "{}") {
				t.Errorf("unchanged says %v", unchanged(before, after))
			}
			stored, err := json.Marshal(before)
			if err != nil {
				t.Fatal(err)
			}
			unknown := decode(t, stored)
			unknown["spec"].(map[string]any)["fromTheFuture"] = true
			stored, _ = json.Marshal(unknown)
			patched, err := jsonpatch.MergePatch(stored, patch)
			if err != nil {
				t.Fatal(err)
			}
			if decode(t, patched)["spec"].(map[string]any)["fromTheFuture"] != true {
				t.Error("a field that is not known was dropped")
			}
		})
	}
}

func decode(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAsksForWork(t *testing.T) {
	for _, tc := range []struct {
		reason string
		change func(*v1alpha1.Application)
		want   bool
	}{
		{"a status that we wrote", func(a *v1alpha1.Application) { a.Status.Sync.Status = v1alpha1.SyncStatusSynced }, false},
		{"the end of an operation, which we wrote", func(a *v1alpha1.Application) { a.Operation = nil }, false},
		{"the removal of a refresh, which we wrote", func(a *v1alpha1.Application) { delete(a.Annotations, v1alpha1.AnnotationRefresh) }, false},
		{"a foreign annotation", func(a *v1alpha1.Application) { a.Annotations["x"] = "y" }, false},
		{"another spec", func(a *v1alpha1.Application) { a.Spec.Project = "other" }, true},
		{"another operation", func(a *v1alpha1.Application) { a.Operation.Sync.Revision = "c2" }, true},
		{"a hard refresh", func(a *v1alpha1.Application) { a.Annotations[v1alpha1.AnnotationRefresh] = "hard" }, true},
		{"the end of skip-reconcile", func(a *v1alpha1.Application) { a.Annotations[v1alpha1.AnnotationSkipReconcile] = "false" }, true},
		{"a confirmation", func(a *v1alpha1.Application) { a.Annotations[v1alpha1.AnnotationDeletionApproved] = "now" }, true},
		{"a termination, asked for through the status", func(a *v1alpha1.Application) {
			a.Status.OperationState = &v1alpha1.OperationState{Phase: v1alpha1.OperationTerminating}
		}, true},
		{"a deletion", func(a *v1alpha1.Application) { now := metav1.Now(); a.DeletionTimestamp = &now }, true},
	} {
		before, after := application(), application()
		tc.change(after)
		if got := asksForWork(before, after); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.reason, got, tc.want)
		}
	}
}

func TestLooseIndex(t *testing.T) {
	var x looseIndex
	a, b := types.NamespacedName{Name: "a"}, types.NamespacedName{Name: "b"}
	crd := object.Ref{Kind: "CustomResourceDefinition", Name: "x"}
	x.set(a, []object.Ref{crd})
	x.set(b, []object.Ref{crd, {Kind: "Namespace", Name: "n"}})
	if n := len(x.wanting(crd)); n != 2 {
		t.Errorf("%d applications want it, want 2", n)
	}
	x.set(a, nil)
	if got := x.wanting(crd); len(got) != 1 || got[0] != b {
		t.Errorf("after one let go: %v", got)
	}
	x.set(b, nil)
	if len(x.byRef) != 0 || len(x.byApp) != 0 {
		t.Errorf("the index keeps %v, %v", x.byRef, x.byApp)
	}
}
