package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// start brings a hook to run: the object of an earlier sync goes first if the hook's policy says so, and one that a
// process started that did not live to record it is taken up.
func (s *stepper) start(ctx context.Context, t *Task) error {
	live, found := s.op.Read(t.Ref)
	switch {
	case found && t.Hook.startedBy(live):
		s.results.hook(t, v1alpha1.OperationRunning, verb(t))
		s.judgeHook(t)
		return nil
	case found && s.begins(t):
		if err := s.discard(ctx, live); err != nil {
			s.results.fail(t, err)
			return err
		}
		return nil // its deletion is waited for
	}
	stored, err := s.w.Apply(ctx, t.Desired, s.writeOptions(t))
	if err != nil {
		s.results.fail(t, err)
		return err
	}
	phase, message := outcome(stored, s.op.Healthy)
	if message == "" {
		message = verb(t)
	}
	s.results.hook(t, phase, message)
	return nil
}

// begins reports whether the hook begins with a new object: there is none yet, or it will be deleted first.
func (s *stepper) begins(t *Task) bool {
	live, found := s.op.Read(t.Ref)
	return !found || live.Object.GetDeletionTimestamp() != nil || deletes(t.Desired, beforeCreation)
}

// discard deletes the object of a hook.
func (s *stepper) discard(ctx context.Context, live *object.Live) error {
	if err := release(ctx, s.w, live); err != nil {
		return err
	}
	if live.Object.GetDeletionTimestamp() != nil {
		return nil
	}
	return s.w.Delete(ctx, live, s.op.Options.Propagation, false)
}

// release takes our finalizer off a hook.
func release(ctx context.Context, w Writer, live *object.Live) error {
	if !slices.Contains(live.Object.GetFinalizers(), v1alpha1.FinalizerHook) {
		return nil
	}
	return w.Release(ctx, live, v1alpha1.FinalizerHook)
}

// followHooks records how running hooks get on, and lets go of those that have ended.
func (s *stepper) followHooks(ctx context.Context) {
	tasks := slices.Concat(hooksOf(s.stages), hooksOf(s.rescue))
	for _, t := range tasks {
		if s.results.hookPhase(t) == v1alpha1.OperationRunning {
			s.judgeHook(t)
		}
	}
	s.letGo(ctx, tasks)
}

func (s *stepper) judgeHook(t *Task) {
	live, found := s.op.Read(t.Ref)
	if !found {
		s.results.hook(t, v1alpha1.OperationError, "is missing; it may have been deleted")
		return
	}
	phase, message := outcome(live, s.op.Healthy)
	if message == "" {
		message = verb(t)
	}
	if r := s.results.get(t); r.HookPhase != phase || r.Message != short(message) {
		s.results.hook(t, phase, message)
	}
}

// letGo takes our finalizer off hooks that have ended, after their outcome was stored: by then they may be gone.
func (s *stepper) letGo(ctx context.Context, tasks []*Task) {
	var held []*object.Live
	for _, t := range tasks {
		live, found := s.op.Read(t.Ref)
		if found && s.results.hookPhase(t).Completed() && t.Hook.startedBy(live) &&
			slices.Contains(live.Object.GetFinalizers(), v1alpha1.FinalizerHook) {
			held = append(held, live)
		}
	}
	if len(held) == 0 {
		return
	}
	s.checkpoint()
	for _, live := range held {
		// What fails here is tried again in the next step, and before the hook is deleted.
		_ = release(ctx, s.w, live)
	}
}

func (s *stepper) checkpoint() {
	if s.op.Checkpoint != nil {
		s.op.Checkpoint(s.results.list())
	}
}

// deleteHooks deletes the hooks of the operation that have ended and whose policy says so.
func (s *stepper) deleteHooks(ctx context.Context, policy deletePolicy) {
	tasks := slices.Concat(hooksOf(s.stages), hooksOf(s.rescue))
	s.letGo(ctx, tasks)
	stored := false
	for _, t := range tasks {
		live, found := s.op.Read(t.Ref)
		if !found || !s.results.hookPhase(t).Completed() || !deletes(t.Desired, policy) || !t.Hook.startedBy(live) {
			continue
		}
		if !stored {
			s.checkpoint()
			stored = true
		}
		if err := s.discard(ctx, live); err != nil {
			s.results.hook(t, s.results.hookPhase(t), fmt.Sprintf("%s; it could not be deleted: %s", s.results.get(t).Message, err))
		}
	}
}

// Terminate ends the hooks of an operation that is to go no further: those that run are deleted, and none is held any more.
// It returns the results and what could not be done.
func Terminate(ctx context.Context, op Operation, w Writer) ([]*v1alpha1.ResourceResult, error) {
	results := slices.Clone(op.Earlier)
	var errs []error
	for i, r := range results {
		if r.HookType == "" || r.Status == v1alpha1.ResultSyncFailed {
			continue
		}
		live, found := op.Read(keyOf(r).ref)
		next := *r
		if !found {
			if r.HookPhase == v1alpha1.OperationRunning {
				next.HookPhase, next.Message = v1alpha1.OperationFailed, "Terminated"
			}
			results[i] = &next
			continue
		}
		if r.HookPhase == v1alpha1.OperationRunning {
			next.HookPhase, next.Message = outcome(live, op.Healthy)
		}
		s := &stepper{op: op, w: w}
		if next.HookPhase == v1alpha1.OperationRunning {
			next.HookPhase, next.Message = v1alpha1.OperationFailed, "Terminated"
			errs = append(errs, s.discard(ctx, live))
		} else {
			errs = append(errs, release(ctx, w, live))
		}
		results[i] = &next
	}
	return results, errors.Join(errs...)
}

// LetGo takes our finalizer off the hooks of an operation that is over, and leaves them to themselves: what runs may run to
// its end.
func LetGo(ctx context.Context, op Operation, w Writer) error {
	var errs []error
	for _, r := range op.Earlier {
		if r.HookType == "" {
			continue
		}
		if live, found := op.Read(keyOf(r).ref); found {
			errs = append(errs, release(ctx, w, live))
		}
	}
	return errors.Join(errs...)
}
