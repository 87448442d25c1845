package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// RunHooks brings hooks that belong to no sync (PreDelete, PostDelete) one step further, wave by wave. Their state is read
// from their objects alone. It returns what is waited for, "" when all have succeeded. A hook that failed is an error; with
// again it is deleted, so that the next step starts it anew. Hooks stay held by their finalizer until CleanHooks.
func RunHooks(ctx context.Context, op Operation, again bool, w Writer) (waiting string, err error) {
	op.Plan = &diff.Plan{}
	s := newStepper(op, w)
	for i, stage := range s.stages {
		s.run(ctx, stage) // a failure is among the results
		if i+1 < len(s.stages) && s.stages[i+1].place() == stage.place() {
			continue
		}
		if failed := s.failedHooks(s.stages[:i+1]); len(failed) > 0 {
			return s.startAgain(ctx, failed, again)
		}
		if pending := s.pendingHooks(s.stages[:i+1]); len(pending) > 0 {
			return waitingFor(pending), nil
		}
	}
	return "", nil
}

func (s *stepper) failedHooks(stages []Stage) []*Task {
	return slices.DeleteFunc(hooksOf(stages), func(t *Task) bool {
		r := s.results.get(t)
		return r == nil || !bad(r)
	})
}

// startAgain tells of hooks that failed, or deletes them. One that somebody deletes is let go: it is meant to run again.
func (s *stepper) startAgain(ctx context.Context, failed []*Task, again bool) (string, error) {
	var waiting, reasons []string
	for _, t := range failed {
		live, found := s.op.Read(t.Ref)
		if !found || !again && live.Object.GetDeletionTimestamp() == nil {
			reasons = append(reasons, reason(s.results.get(t)))
			continue
		}
		if err := s.discard(ctx, live); err != nil {
			reasons = append(reasons, err.Error())
			continue
		}
		waiting = append(waiting, fmt.Sprintf("another try of hook %s, which failed (%s)", t.Ref, s.results.get(t).Message))
	}
	if len(reasons) > 0 {
		return "", fault.New(fault.Conflict, "%s", strings.Join(reasons, "; "))
	}
	return waitingFor(waiting), nil
}

// CleanHooks lets go of the hooks of a deletion and deletes those whose policy says so, by how all of them ended; one
// without a policy is deleted. It returns what is waited for, "" when nothing is left to do.
func CleanHooks(ctx context.Context, hooks []*object.Live, op Operation, w Writer) (waiting string, err error) {
	policy := hookSucceeded
	for _, l := range hooks {
		if phase, _ := outcome(l, op.Healthy); phase == v1alpha1.OperationFailed {
			policy = hookFailed
		}
	}
	s := &stepper{op: op, w: w}
	var pending []string
	for _, l := range hooks {
		if err := release(ctx, w, l); err != nil {
			return "", err
		}
		if !deletes(l.Object, policy) && !withoutPolicy(l.Object) {
			continue
		}
		if err := s.discard(ctx, l); err != nil {
			return "", err
		}
		if _, found := op.Read(l.Ref()); found {
			pending = append(pending, "deletion of hook "+l.Ref().String())
		}
	}
	if len(pending) == 0 {
		return "", nil
	}
	return waitingFor(pending), nil
}
