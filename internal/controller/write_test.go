package controller

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

func state(phase v1alpha1.OperationPhase, op *v1alpha1.Operation) *v1alpha1.OperationState {
	return &v1alpha1.OperationState{Operation: *op, Phase: phase, StartedAt: metav1.Unix(1000, 0)}
}

// TestGiveWay makes the patch of a reconciliation, lets somebody else write first, and looks at what is stored in the end.
func TestGiveWay(t *testing.T) {
	first := &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: "c1"}}
	second := &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: "c2", Prune: true}}
	auto := &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: "c1"}, InitiatedBy: v1alpha1.OperationInitiator{Automated: true}}
	begun := func(op *v1alpha1.Operation, phase v1alpha1.OperationPhase) func(*v1alpha1.Application) {
		return func(a *v1alpha1.Application) { a.Operation, a.Status.OperationState = op, state(phase, op) }
	}
	ended := func(op *v1alpha1.Operation) func(*v1alpha1.Application) {
		return func(a *v1alpha1.Application) {
			a.Operation, a.Status.OperationState = nil, state(v1alpha1.OperationSucceeded, op)
			a.Status.History = v1alpha1.RevisionHistories{{Revision: "c1"}}
		}
	}
	asked := func(op *v1alpha1.Operation) func(*v1alpha1.Application) {
		return func(a *v1alpha1.Application) { a.Operation, a.Status.OperationState = op, nil }
	}
	nothing := func(*v1alpha1.Application) {}
	for _, tc := range []struct {
		reason            string
		seen, ours, other func(*v1alpha1.Application)
		operation         *v1alpha1.Operation
		phase             v1alpha1.OperationPhase
		overtaken         bool
	}{
		{"nobody else wrote", begun(first, v1alpha1.OperationRunning), ended(first), nothing, nil, v1alpha1.OperationSucceeded, false},
		{"another operation came while the first one ended", begun(first, v1alpha1.OperationRunning), ended(first), asked(second), second, "", true},
		{"an operation came while an automatic one began", nothing, begun(auto, v1alpha1.OperationRunning), asked(second), second, "", true},
		{"an operation came while an automatic one ran to its end", nothing, ended(auto), asked(second), second, "", true},
		{"a termination came while the operation waited", begun(first, v1alpha1.OperationRunning),
			func(a *v1alpha1.Application) {
				begun(first, v1alpha1.OperationRunning)(a)
				a.Status.OperationState.Message = "waiting"
			},
			begun(first, v1alpha1.OperationTerminating), first, v1alpha1.OperationTerminating, false},
		{"a termination came too late", begun(first, v1alpha1.OperationRunning), ended(first), begun(first, v1alpha1.OperationTerminating),
			nil, v1alpha1.OperationSucceeded, false},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			seen, after, fresh := application(), application(), application()
			for _, a := range []*v1alpha1.Application{seen, after, fresh} {
				a.Operation = nil
				tc.seen(a)
			}
			tc.ours(after)
			tc.other(fresh)
			data, err := mergePatch(seen, after)
			if err != nil {
				t.Fatal(err)
			}
			patch, err := decodePatch(data)
			if err != nil {
				t.Fatal(err)
			}
			if overtaken := giveWay(patch, seen, fresh); overtaken != tc.overtaken {
				t.Errorf("overtaken: %v, want %v", overtaken, tc.overtaken)
			}
			got := merge(t, fresh, patch)
			if d := cmp.Diff(tc.operation, got.Operation); d != "" {
				t.Errorf("operation (-want +got):\n%s", d)
			}
			phase := v1alpha1.OperationPhase("")
			if got.Status.OperationState != nil {
				phase = got.Status.OperationState.Phase
			}
			if phase != tc.phase {
				t.Errorf("phase %q, want %q", phase, tc.phase)
			}
			if len(after.Status.History) != len(got.Status.History) {
				t.Errorf("history %v, want %v", got.Status.History, after.Status.History)
			}
		})
	}
}

func merge(t *testing.T, stored *v1alpha1.Application, patch map[string]any) *v1alpha1.Application {
	t.Helper()
	data, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(patch)
	if err != nil {
		t.Fatal(err)
	}
	if data, err = jsonpatch.MergePatch(data, text); err != nil {
		t.Fatal(err)
	}
	out := &v1alpha1.Application{}
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestUncertain: after a write of which nobody knows whether it got through, the next one is right in both cases, and leaves
// nothing of the operation before.
func TestUncertain(t *testing.T) {
	op := &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: "c2"}}
	before := application()
	before.Operation = nil
	before.Status.OperationState = state(v1alpha1.OperationFailed, &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: "c1"}})
	before.Status.OperationState.RetryCount = 3
	before.Status.OperationState.FinishedAt = &metav1.Time{Time: time.Unix(900, 0)}
	before.Status.OperationState.SyncResult = &v1alpha1.SyncOperationResult{Revision: "c1", Resources: v1alpha1.ResourceResults{{Name: "a"}}}
	running := before.DeepCopy()
	running.Operation, running.Status.OperationState = op, state(v1alpha1.OperationRunning, op)
	after := running.DeepCopy()
	after.Status.OperationState.Message = "waiting"
	data, err := mergePatch(uncertain(running), after)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := decodePatch(data)
	if err != nil {
		t.Fatal(err)
	}
	for reason, stored := range map[string]*v1alpha1.Application{"it did not get through": before, "it got through": running} {
		got := merge(t, stored, patch)
		if d := cmp.Diff(after.Status.OperationState, got.Status.OperationState); d != "" {
			t.Errorf("%s: state (-want +got):\n%s", reason, d)
		}
	}
}

func TestSlim(t *testing.T) {
	app := application()
	if slim(app) {
		t.Error("an Application without results was changed")
	}
	app.Status.OperationState = state(v1alpha1.OperationFailed, &v1alpha1.Operation{})
	app.Status.OperationState.Message = "failed"
	app.Status.OperationState.SyncResult = &v1alpha1.SyncOperationResult{Revision: "c1"}
	for i := range 3000 {
		code := v1alpha1.ResultSynced
		if i == 7 {
			code = v1alpha1.ResultSyncFailed
		}
		app.Status.OperationState.SyncResult.Resources = append(app.Status.OperationState.SyncResult.Resources, &v1alpha1.ResourceResult{Name: "a", Status: code})
	}
	before := app.Status.OperationState
	if !slim(app) || len(app.Status.OperationState.SyncResult.Resources) != 1 || app.Status.OperationState.SyncResult.Revision != "c1" {
		t.Errorf("left: %v", app.Status.OperationState.SyncResult)
	}
	if len(before.SyncResult.Resources) != 3000 || before.Message != "failed" {
		t.Error("the state that is reported elsewhere was changed")
	}
	if slim(app) {
		t.Error("there was more to take")
	}
	if !tooLarge(errors.New("etcdserver: request is too large")) || tooLarge(nil) || tooLarge(errors.New("no")) {
		t.Error("errors are told apart wrong")
	}
}
