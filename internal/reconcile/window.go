package reconcile

import (
	"github.com/belaycd/belay/internal/project"
)

// windowMessage is what an operation says that a sync window holds up, in Argo CD's words.
const windowMessage = "Sync operation blocked by sync window"

// waitsForWindow reports whether the sync windows of the project hold the operation up. It stays as it is, and goes on
// by itself when they permit it. A dry run changes nothing and is not held up.
func (r *Reconciler) waitsForWindow(s *run) bool {
	op := s.state.Operation
	if op.Sync.DryRun {
		return false
	}
	sync := project.Sync{Manual: !op.InitiatedBy.Automated, Began: s.state.StartedAt.Time}
	v := r.windows(s, sync)
	if v.Allowed {
		return false
	}
	s.state.Message = windowMessage
	if v.Again.IsZero() {
		s.state.Message += ": " + v.Why // it does not end by itself
	}
	return true
}

// windows asks the sync windows about a sync now. When they forbid it, the application is looked at again at the time at
// which they may not.
func (r *Reconciler) windows(s *run, sync project.Sync) project.Verdict {
	now := r.Now()
	v := s.Project.Window(s.app, sync, now)
	if !v.Again.IsZero() {
		s.again(v.Again.Sub(now))
	}
	return v
}
