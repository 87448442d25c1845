package operation

import (
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/project"
)

// Automated refuses what automated sync would undo at once: another revision than the one it follows, and manifests that are
// not in Git. A dry run undoes nothing.
func Automated(app *v1alpha1.Application, s *v1alpha1.SyncOperation) error {
	if !app.Spec.SyncPolicy.IsAutomated() || s.DryRun {
		return nil
	}
	hint := "switch it off first with: belay app set " + qualified(app) + " --sync-policy manual"
	sources := app.Spec.GetSources()
	target := "HEAD"
	if len(sources) > 0 && sources[0].TargetRevision != "" {
		target = sources[0].TargetRevision
	}
	if s.Revision != "" && s.Revision != target {
		return refuse(AutomatedSync, fault.Conflict, hint, "cannot sync to %s: automated sync keeps the application at %s", s.Revision, target)
	}
	for i, revision := range s.Revisions {
		if i >= len(sources) {
			break // whoever makes the operation tells
		}
		if at := sources[i].TargetRevision; revision != "" && revision != at {
			if at == "" {
				at = "HEAD"
			}
			return refuse(AutomatedSync, fault.Conflict, hint, "cannot sync source %d to %s: automated sync keeps it at %s", i+1, revision, at)
		}
	}
	if len(s.Manifests) > 0 {
		return refuse(AutomatedSync, fault.Conflict, hint, "cannot sync local manifests: automated sync would undo it")
	}
	return nil
}

// Window refuses a sync by hand that the windows of the project forbid now. moment writes a time of opening.
func Window(w project.Windows, app *v1alpha1.Application, now time.Time, moment func(time.Time) string) error {
	manual := project.Sync{Manual: true}
	v := w.Judge(manual, now)
	if v.Allowed {
		return nil
	}
	hint := "see belay proj windows list " + app.Spec.ProjectName()
	switch at, certain := w.Change(manual, now); {
	case certain && !at.IsZero():
		hint = "syncs are permitted again at " + moment(at) + "; " + hint
	case w.Invalid() != nil:
		hint = "correct or remove the window; " + hint
	}
	return refuse(SyncWindow, fault.Denied, hint, "cannot sync: blocked by sync window: %s", v.Why)
}
