package reconcile

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/source"
)

// TestEarlyFailureIsAnAttempt: an automatic sync that is refused before it begins must not start again at once, for ever.
func TestEarlyFailureIsAnAttempt(t *testing.T) {
	automated := func(a *v1alpha1.Application) {
		a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{
			Automated: &v1alpha1.SyncPolicyAutomated{}, SyncOptions: v1alpha1.SyncOptions{"FailOnSharedResource=true"}, Retry: &v1alpha1.RetryStrategy{},
		}
	}
	s := newRun(Request{App: shop(automated), Memory: NewMemory(""), Project: team()}, time.Unix(0, 0))
	s.origin = s.origin.at([]source.Revision{"c1"})
	s.desired.origin = s.origin
	s.plan = &diff.Plan{Items: []*diff.Item{{Ref: object.Ref{Kind: "ConfigMap", Name: "a"}, Action: diff.Create, Desired: mine("ConfigMap", "shop", "a").Object}}}
	s.condition(v1alpha1.ConditionSharedResourceWarning, "shared")
	r := &Reconciler{Now: func() time.Time { return time.Unix(0, 0) }}
	if err := r.gate(t.Context(), s); err != nil || s.state == nil {
		t.Fatalf("no operation began: %v", err)
	}
	if r.operate(t.Context(), s, "") || s.app.Status.OperationState == nil {
		t.Fatal("the operation was not refused")
	}
	d := decideAutoSync(autoInput{app: s.app, plan: s.plan, origin: s.origin})
	if d.operation != nil || d.problem == "" {
		t.Errorf("after the refusal: operation %v, problem %q", d.operation, d.problem)
	}
}

// TestDryRunHidesNoAttempt: after a rehearsal by hand, drift is not healed where that is switched off.
func TestDryRunHidesNoAttempt(t *testing.T) {
	app := shop(func(a *v1alpha1.Application) {
		a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{}}
		a.Status.OperationState = &v1alpha1.OperationState{
			Operation: v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{DryRun: true}}, Phase: v1alpha1.OperationSucceeded,
			SyncResult: &v1alpha1.SyncOperationResult{Revision: "c1", Source: *a.Spec.Source},
		}
		a.Status.History = v1alpha1.RevisionHistories{{Revision: "c1", Source: *a.Spec.Source}}
	})
	plan := &diff.Plan{Items: []*diff.Item{{Ref: object.Ref{Kind: "ConfigMap", Name: "a"}, Action: diff.Update, Desired: mine("ConfigMap", "shop", "a").Object}}}
	in := autoInput{app: app, plan: plan, origin: originOf(&app.Spec).at([]source.Revision{"c1"})}
	if d := decideAutoSync(in); d.operation != nil {
		t.Error("drift is overwritten without selfHeal")
	}
	in.origin.revisions = []source.Revision{"c2"}
	if d := decideAutoSync(in); d.operation == nil {
		t.Error("a new commit is not synced")
	}
}

func TestOperationThatWasRemovedEnds(t *testing.T) {
	app := shop(func(a *v1alpha1.Application) {
		a.Status.OperationState = &v1alpha1.OperationState{Operation: v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}}, Phase: v1alpha1.OperationRunning}
	})
	s := newRun(Request{App: app, Memory: NewMemory("")}, time.Unix(0, 0))
	s.plan = &diff.Plan{}
	r := &Reconciler{Now: func() time.Time { return time.Unix(0, 0) }}
	if err := r.gate(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := s.app.Status.OperationState.Phase; got != v1alpha1.OperationFailed || s.state != nil {
		t.Errorf("phase %s, state %v, want Failed and none", got, s.state)
	}
}

// slow is a Writer for which every write takes three seconds of the test's clock.
type slow struct {
	apply.Writer
	writes atomic.Int64
}

func (w *slow) Apply(ctx context.Context, u *unstructured.Unstructured, o apply.WriteOptions) (*object.Live, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !o.DryRun {
		w.writes.Add(1)
	}
	return object.NewLive(u.DeepCopy()), nil
}

// TestTermination: whoever ends an operation does not wait until all of it is written.
func TestTermination(t *testing.T) {
	w := &slow{}
	var now atomic.Int64
	r := &Reconciler{Now: func() time.Time { return time.Unix(now.Add(3), 0) }}
	reports := 0
	s := newRun(Request{App: shop(), Memory: NewMemory(""), Project: team(), Progress: func(st *v1alpha1.OperationState) bool {
		reports++
		if len(st.SyncResult.Resources) < 2 || st.SyncResult.Resources[0].Name != "earlier" {
			t.Errorf("report %d has lost what earlier steps did: %v", reports, st.SyncResult.Resources)
		}
		return false
	}}, time.Unix(0, 0))
	s.dest = &Destination{Cluster: view{}, Writer: w}
	s.origin = s.origin.at([]source.Revision{"c1"})
	s.desired.origin = s.origin
	s.plan = &diff.Plan{}
	const n = 200
	for i := range n {
		u := mine("ConfigMap", "shop", fmt.Sprintf("c-%03d", i)).Object
		u.SetAnnotations(map[string]string{})
		s.plan.Items = append(s.plan.Items, &diff.Item{Ref: object.RefOf(u), Action: diff.Create, Desired: u})
	}
	s.state = &v1alpha1.OperationState{
		Operation: v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}, Retry: v1alpha1.RetryStrategy{Limit: 5}}, StartedAt: metav1.Unix(0, 0),
		SyncResult: &v1alpha1.SyncOperationResult{Resources: v1alpha1.ResourceResults{{Kind: "ConfigMap", Name: "earlier", Status: v1alpha1.ResultSynced}}},
	}
	r.operate(t.Context(), s, "")
	if reports != 1 {
		t.Errorf("%d reports, want 1", reports)
	}
	if s.state.Phase != v1alpha1.OperationFailed || s.state.Message != "Operation terminated" {
		t.Errorf("%s: %s, want Failed: Operation terminated", s.state.Phase, s.state.Message)
	}
	if got := w.writes.Load(); got == 0 || got > n/2 {
		t.Errorf("%d of %d objects were written after the termination", got, n)
	}
}

// TestHealLeavesWhatASyncWouldLeave: an object that must not be pruned differs for ever; that is no reason to sync for ever.
func TestHealLeavesWhatASyncWouldLeave(t *testing.T) {
	kept := mine("ConfigMap", "shop", "kept", v1alpha1.AnnotationSyncOptions+"=Prune=false")
	old, changed := mine("ConfigMap", "shop", "old"), mine("ConfigMap", "shop", "changed")
	item := func(l *object.Live, a diff.Action) *diff.Item {
		return &diff.Item{Ref: l.Ref(), Action: a, Live: l, Desired: map[diff.Action]*unstructured.Unstructured{diff.Update: l.Object}[a]}
	}
	for _, tc := range []struct {
		reason  string
		items   []*diff.Item
		options v1alpha1.SyncOptions
		want    []string
	}{
		{reason: "an object that asks to stay", items: []*diff.Item{item(kept, diff.Delete)}},
		{reason: "the application keeps all", items: []*diff.Item{item(old, diff.Delete)}, options: v1alpha1.SyncOptions{"Prune=false"}},
		{reason: "beside one that is healed", items: []*diff.Item{item(kept, diff.Delete), item(changed, diff.Update)}, want: []string{"changed"}},
		{reason: "one that may go", items: []*diff.Item{item(old, diff.Delete), item(changed, diff.Update)}, want: []string{"old", "changed"}},
	} {
		app := shop(func(a *v1alpha1.Application) {
			a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{Prune: true, SelfHeal: true}, SyncOptions: tc.options}
			a.Status.OperationState = &v1alpha1.OperationState{
				Operation: v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}}, Phase: v1alpha1.OperationSucceeded,
				SyncResult: &v1alpha1.SyncOperationResult{Revision: "c1", Source: *a.Spec.Source},
			}
		})
		d := decideAutoSync(autoInput{app: app, plan: &diff.Plan{Items: tc.items}, origin: originOf(&app.Spec).at([]source.Revision{"c1"})})
		var got []string
		if d.operation != nil {
			for _, r := range d.operation.Sync.Resources {
				got = append(got, r.Name)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(tc.want) || (d.operation == nil) != (tc.want == nil) {
			t.Errorf("%s: heals %v, want %v", tc.reason, got, tc.want)
		}
	}
}
