package reconcile

import (
	"context"
	"testing"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// flaky remembers a commit, and fails to look for newer ones as long as the remote is down.
type flaky struct {
	source.Source
	down bool
}

func (f *flaky) Resolve(_ context.Context, _ source.Request, fresh source.Freshness) (source.Revision, error) {
	if fresh == source.Fresh && f.down {
		return "", fault.New(fault.Transient, "the remote does not answer")
	}
	if fresh == source.Fresh {
		return "new", nil
	}
	return "old", nil
}

// TestResolveAfterFailure: what was known before a failed look must not pass for its answer.
func TestResolveAfterFailure(t *testing.T) {
	remote := &flaky{}
	r := &Reconciler{Source: remote}
	memory := NewMemory("")
	resolve := func(refresh string) string {
		app := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{Source: &v1alpha1.ApplicationSource{Path: "app"}}}
		s := newRun(Request{App: app, Refresh: refresh, Memory: memory}, time.Unix(0, 0))
		if err := r.resolve(t.Context(), s); err != nil {
			return err.Error()
		}
		return s.origin.String()
	}
	for _, step := range []struct {
		refresh string
		down    bool
		want    string
	}{
		{"", false, "old"},
		{v1alpha1.RefreshNormal, true, "the remote does not answer"},
		{"", true, "the remote does not answer"},
		{"", false, "new"},
		{"", false, "old"}, // answered: from here on the cache is asked again
	} {
		remote.down = step.down
		if got := resolve(step.refresh); got != step.want {
			t.Errorf("refresh %q, remote down %v: %q, want %q", step.refresh, step.down, got, step.want)
		}
	}
}
