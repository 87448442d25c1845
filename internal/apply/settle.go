package apply

import (
	"fmt"

	"github.com/belaycd/belay/api/v1alpha1"
)

// settle says what everything up to and including a place still waits for before the next one may start: objects that
// are not healthy, deletions that are not through, hooks that have not ended. It returns "" when nothing is left. What can
// no longer become well is recorded as failed.
//
// After the last place of all only hooks are waited for; beside them their own objects, when there is more than one place.
func (s *stepper) settle(upTo place, last bool) string {
	if last && !hasHooks(s.stages, upTo) {
		return ""
	}
	hooksOnly := last && s.stages[0].place() == upTo
	var waiting []string
	for _, st := range s.stages {
		if upTo.before(st.place()) {
			break
		}
		for _, t := range st.Tasks {
			switch {
			case t.Hook != nil:
				waiting = append(waiting, s.pendingHook(t)...)
			case !hooksOnly:
				waiting = append(waiting, s.unsettled(t)...)
			}
		}
	}
	if len(waiting) == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%s)", waitingFor(waiting), upTo)
}

// waitingFor names the first of what is waited for.
func waitingFor(what []string) string {
	more := ""
	if len(what) > 1 {
		more = fmt.Sprintf(" and %d more resources", len(what)-1)
	}
	return "waiting for " + what[0] + more
}

// unsettled says what an object that was applied or deleted is waited for.
func (s *stepper) unsettled(t *Task) []string {
	live, found := s.op.Read(t.Ref)
	if t.prune() {
		// A view that has not seen the deletion yet shows the object as it was.
		deleted := found && s.results.pruned(t) && live.Object.GetUID() == t.Live.Object.GetUID()
		if found && live.Object.GetDeletionTimestamp() != nil || deleted {
			return []string{"deletion of " + t.Ref.String()}
		}
		return nil
	}
	if !found {
		if t.Finished {
			return nil
		}
		return []string{t.Ref.String()}
	}
	if r := s.results.get(t); r != nil && r.HookPhase == v1alpha1.OperationSucceeded {
		return nil // it was healthy after it was written
	}
	if live.Object.GetAnnotations()[v1alpha1.AnnotationIgnoreHealth] == "true" {
		return nil // it does not count for the application, so it holds up no sync either
	}
	status, message, ok := s.op.Healthy(live)
	switch {
	case !ok || status == v1alpha1.HealthHealthy:
		s.results.settled(t)
		return nil
	case status == v1alpha1.HealthDegraded:
		s.results.put(t, v1alpha1.ResultSynced, "is Degraded: "+message, v1alpha1.OperationFailed)
		return nil
	}
	return []string{fmt.Sprintf("healthy state of %s (%s)", t.Ref, message)}
}

// pendingHook says what a hook is waited for that has not ended, also one whose object of an earlier sync is in its way.
func (s *stepper) pendingHook(t *Task) []string {
	switch s.results.hookPhase(t) {
	case "":
		return []string{fmt.Sprintf("deletion of hook %s of an earlier sync", t.Ref)}
	case v1alpha1.OperationRunning:
		return []string{runningHook(t, s.results.get(t).Message)}
	}
	return nil
}

func runningHook(t *Task, message string) string {
	if message == "" {
		return "completion of hook " + t.Ref.String()
	}
	return fmt.Sprintf("completion of hook %s (%s)", t.Ref, message)
}

// pendingHooks says what the hooks of the stages are waited for.
func (s *stepper) pendingHooks(stages []Stage) []string {
	var out []string
	for _, t := range hooksOf(stages) {
		out = append(out, s.pendingHook(t)...)
	}
	return out
}

// unfinishedHooks says which hooks run; those that have not begun are not waited for.
func (s *stepper) unfinishedHooks(stages []Stage) []string {
	var out []string
	for _, t := range hooksOf(stages) {
		if s.results.hookPhase(t) == v1alpha1.OperationRunning {
			out = append(out, runningHook(t, s.results.get(t).Message))
		}
	}
	return out
}

func hooksOf(stages []Stage) []*Task {
	var out []*Task
	for _, st := range stages {
		for _, t := range st.Tasks {
			if t.Hook != nil {
				out = append(out, t)
			}
		}
	}
	return out
}

func hasHooks(stages []Stage, at place) bool {
	for _, t := range hooksOf(stages) {
		if t.place() == at {
			return true
		}
	}
	return false
}
