package controller

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// The end of an operation is written in full over whatever its progress left behind: an application whose operation
// before ended the same way once stayed Running, and synced a second time.
func TestEndOfAnOperationAfterProgress(t *testing.T) {
	at := func(s int64) metav1.Time { return metav1.NewTime(time.Unix(s, 0).UTC()) }
	operation := func(rev string) v1alpha1.Operation {
		return v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: rev}}
	}
	state := func(rev string, phase v1alpha1.OperationPhase, results int) *v1alpha1.OperationState {
		st := &v1alpha1.OperationState{Operation: operation(rev), Phase: phase, Message: string(phase), StartedAt: at(10),
			SyncResult: &v1alpha1.SyncOperationResult{Revision: rev}}
		for range results {
			st.SyncResult.Resources = append(st.SyncResult.Resources, &v1alpha1.ResourceResult{Kind: "ConfigMap", Name: "a"})
		}
		if phase.Completed() {
			end := at(20)
			st.FinishedAt = &end
		}
		return st
	}
	before := &v1alpha1.Application{}
	before.Status.Sync.Revision = "c1"
	before.Status.OperationState = state("c1", v1alpha1.OperationSucceeded, 2)

	after := before.DeepCopy()
	after.Status.Sync.Revision = "c2"
	after.Status.OperationState = state("c2", v1alpha1.OperationSucceeded, 2)

	running := inProgress(before, state("c2", v1alpha1.OperationRunning, 1))
	patch, err := mergePatch(uncertain(running), after)
	if err != nil {
		t.Fatal(err)
	}
	for name, stored := range map[string]*v1alpha1.Application{"progress was written": running, "progress was lost": before} {
		data, err := json.Marshal(ownedPart(stored))
		if err != nil {
			t.Fatal(err)
		}
		merged, err := jsonpatch.MergePatch(data, patch)
		if err != nil {
			t.Fatal(err)
		}
		var got owned
		if err := json.Unmarshal(merged, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(ownedPart(after), got); d != "" {
			t.Errorf("%s: the application differs from what was reported (-want +got):\n%s", name, d)
		}
	}
}
