package reconcile

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/source"
)

// TestWindowGate: what a window holds up stays as it is, and is looked at again when the window permits it.
func TestWindowGate(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	night := v1alpha1.SyncWindow{Kind: "allow", Schedule: "0 22 * * *", Duration: "1h", Applications: []string{"shop"}}
	with := func(change func(*v1alpha1.SyncWindow)) v1alpha1.SyncWindow {
		w := night
		change(&w)
		return w
	}
	byHand := v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}, InitiatedBy: v1alpha1.OperationInitiator{Username: "ops"}}
	automated := v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}, InitiatedBy: v1alpha1.OperationInitiator{Automated: true}}
	rehearsal := v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{DryRun: true}}
	for _, tc := range []struct {
		reason  string
		window  v1alpha1.SyncWindow
		op      *v1alpha1.Operation
		began   time.Duration // before now
		waits   bool
		message string
		after   time.Duration
	}{
		{reason: "an automatic sync is not started", window: night, waits: true, after: 10 * time.Hour},
		{reason: "an automatic sync in an open window", window: with(func(w *v1alpha1.SyncWindow) { w.Schedule = "0 12 * * *" })},
		{reason: "an automatic sync beside manualSync", window: with(func(w *v1alpha1.SyncWindow) { w.ManualSync = true }), waits: true, after: 10 * time.Hour},
		{reason: "by hand", window: night, op: &byHand, waits: true, message: "Sync operation blocked by sync window", after: 10 * time.Hour},
		{reason: "by hand, permitted", window: with(func(w *v1alpha1.SyncWindow) { w.ManualSync = true }), op: &byHand},
		{reason: "a dry run", window: night, op: &rehearsal},
		{reason: "begun in a window that ended", window: with(func(w *v1alpha1.SyncWindow) { w.Schedule = "30 10 * * *" }), op: &automated, began: time.Hour,
			waits: true, message: "Sync operation blocked by sync window", after: 22*time.Hour + 30*time.Minute},
		{reason: "begun in a window that ended, with overrun", window: with(func(w *v1alpha1.SyncWindow) { w.Schedule, w.SyncOverrun = "30 10 * * *", true }), op: &automated, began: time.Hour},
		{reason: "a window that cannot be read", window: with(func(w *v1alpha1.SyncWindow) { w.Duration = "long" }), op: &byHand, waits: true,
			message: `Sync operation blocked by sync window: spec.syncWindows[0] of AppProject team (allow:0 22 * * *:long): duration "long" is no span of time, such as 90m or 8h`},
	} {
		p := project.New(&v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: v1alpha1.AppProjectSpec{
			SourceRepos: []string{"*"}, SyncWindows: v1alpha1.SyncWindows{&tc.window}}})
		app := shop(func(a *v1alpha1.Application) {
			a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{}}
		})
		r := &Reconciler{Now: func() time.Time { return noon }}
		s := newRun(Request{App: app, Memory: NewMemory(""), Project: p}, noon)
		s.origin = s.origin.at([]source.Revision{"c1"})
		s.desired.origin = s.origin
		s.plan = &diff.Plan{Items: []*diff.Item{{Ref: object.Ref{Kind: "ConfigMap", Name: "a"}, Action: diff.Create, Desired: mine("ConfigMap", "shop", "a").Object}}}
		var waits bool
		if tc.op == nil {
			if err := r.gate(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			waits = s.state == nil && s.app.Operation == nil
		} else {
			s.state = &v1alpha1.OperationState{Operation: *tc.op, Phase: v1alpha1.OperationRunning, StartedAt: metav1.NewTime(noon.Add(-tc.began))}
			if waits = r.waitsForWindow(s); s.state.Message != tc.message || s.state.Phase != v1alpha1.OperationRunning {
				t.Errorf("%s: %s %q, want %q", tc.reason, s.state.Phase, s.state.Message, tc.message)
			}
		}
		if waits != tc.waits || s.after != tc.after {
			t.Errorf("%s: waits %t for %s, want %t for %s", tc.reason, waits, s.after, tc.waits, tc.after)
		}
	}
}
