package status

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/object"
)

func at(minute int) metav1.Time {
	return metav1.NewTime(time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC))
}

func TestConditions(t *testing.T) {
	cond := func(ty v1alpha1.ConditionType, message string, minute int) v1alpha1.ApplicationCondition {
		return v1alpha1.ApplicationCondition{Type: ty, Message: message, LastTransitionTime: ptr.To(at(minute))}
	}
	old := []v1alpha1.ApplicationCondition{
		cond(v1alpha1.ConditionComparisonError, "same", 1),
		cond(v1alpha1.ConditionSyncError, "gone", 1),
		cond("SomebodyElsesWarning", "judged by nobody here", 1),
	}
	found := []v1alpha1.ApplicationCondition{{Type: v1alpha1.ConditionComparisonError, Message: "same"}, {Type: v1alpha1.ConditionInvalidSpecError, Message: "new"}}
	want := []v1alpha1.ApplicationCondition{
		cond(v1alpha1.ConditionComparisonError, "same", 1),
		cond(v1alpha1.ConditionInvalidSpecError, "new", 9),
		cond("SomebodyElsesWarning", "judged by nobody here", 1),
	}
	got := Conditions(old, found, Evaluated(), at(9))
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("conditions (-want +got):\n%s", d)
	}
	if d := cmp.Diff(got, Conditions(got, found, Evaluated(), at(10))); d != "" {
		t.Errorf("a second evaluation of the same state changes something:\n%s", d)
	}
}

func TestHistory(t *testing.T) {
	op := &v1alpha1.OperationState{StartedAt: at(1), SyncResult: &v1alpha1.SyncOperationResult{Revision: "c"}}
	var h v1alpha1.RevisionHistories
	for range 15 {
		h = History(h, op, nil, at(2))
	}
	if len(h) != 10 || h[0].ID != 5 || h[9].ID != 14 {
		t.Errorf("%d entries, ids %d to %d, want 10 entries, 5 to 14", len(h), h[0].ID, h[len(h)-1].ID)
	}
	if h = History(h, op, ptr.To(int64(3)), at(2)); len(h) != 3 || h[2].ID != 15 {
		t.Errorf("with a limit of 3: %d entries, last id %d", len(h), h[len(h)-1].ID)
	}
	if h = History(h, op, ptr.To(int64(0)), at(2)); len(h) != 0 {
		t.Errorf("with a limit of 0: %d entries", len(h))
	}
	if h = History(nil, op, ptr.To(int64(-1)), at(2)); len(h) != 0 {
		t.Errorf("with a limit below 0: %d entries", len(h))
	}
}

func TestResources(t *testing.T) {
	obj := func(kind, name string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": name, "namespace": "shop"}}}
	}
	item := func(u *unstructured.Unstructured, a diff.Action, live bool) *diff.Item {
		i := &diff.Item{Ref: object.RefOf(u), Action: a}
		if a != diff.Delete {
			i.Desired = u
		}
		if live {
			i.Live = &object.Live{Object: u}
		}
		return i
	}
	done := item(obj("Job", "done"), diff.None, false)
	done.Finished = true
	extra := item(obj("ConfigMap", "extra"), diff.Delete, true)
	extra.Extraneous = true
	plan := &diff.Plan{Items: []*diff.Item{
		item(obj("ConfigMap", "fine"), diff.None, true), item(obj("ConfigMap", "missing"), diff.Create, false),
		item(obj("Pod", "sick"), diff.Update, true), extra, done,
	}}
	resources, app, _ := Resources(plan, func(l *object.Live) (health.Result, bool) {
		if l.Object.GetKind() == "Pod" {
			return health.Result{Status: v1alpha1.HealthDegraded, Message: "crash loop"}, true
		}
		return health.Result{}, false
	})
	got := map[string]string{}
	for _, r := range resources {
		text := string(r.Status)
		if r.Health != nil {
			text += " " + string(r.Health.Status)
		}
		if r.RequiresPruning {
			text += " prune"
		}
		got[r.Name] = text
	}
	want := map[string]string{
		"fine": "Synced", "missing": "OutOfSync Missing", "sick": "OutOfSync Degraded", "extra": "OutOfSync prune", "done": "Synced Healthy",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("resources (-want +got):\n%s", d)
	}
	if app.Status != v1alpha1.HealthDegraded {
		t.Errorf("the application is %s, want Degraded", app.Status)
	}
	if Code(plan) != v1alpha1.SyncStatusOutOfSync {
		t.Error("a plan with changes is Synced")
	}
	if Code(&diff.Plan{Items: []*diff.Item{extra, done}}) != v1alpha1.SyncStatusSynced {
		t.Error("an extraneous object or a finished Job makes the application OutOfSync")
	}
}

func TestExternalURLs(t *testing.T) {
	ing := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": map[string]any{
		"tls":   []any{map[string]any{"hosts": []any{"a.example.com"}}},
		"rules": []any{map[string]any{"host": "a.example.com"}, map[string]any{"host": "b.example.com"}, map[string]any{"host": "*.example.com"}, "nonsense"},
	}}}
	want := []string{"https://a.example.com", "http://b.example.com"}
	if d := cmp.Diff(want, externalURLs(ing)); d != "" {
		t.Errorf("addresses (-want +got):\n%s", d)
	}
	ing.Object["spec"] = "nonsense"
	if got := externalURLs(ing); got != nil {
		t.Errorf("a malformed Ingress has addresses %v", got)
	}
}
