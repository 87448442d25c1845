package apply

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
)

func (s *stepper) skipsMissingKind(t *Task) bool {
	return flag(t.Desired, "SkipDryRunOnMissingResource", s.op.Options.SkipMissingKinds)
}

func (s *stepper) writeOptions(t *Task) WriteOptions {
	o := WriteOptions{
		Replace:    flag(t.Desired, "Replace", s.op.Options.Replace),
		Force:      flag(t.Desired, "Force", s.op.Options.Force),
		NoValidate: !flag(t.Desired, "Validate", !s.op.Options.NoValidate),
	}
	if !s.op.Options.NoAdoption {
		o.Adopt = t.Adopt
	}
	return o
}

// run writes what a stage still has to write and reports whether all of it went well.
func (s *stepper) run(ctx context.Context, stage Stage) bool {
	var group errgroup.Group
	group.SetLimit(parallel)
	for _, t := range stage.Tasks {
		if s.results.finished(t) || t.Hook != nil && s.results.hookPhase(t) != "" {
			continue
		}
		group.Go(func() error { return s.do(ctx, t) })
	}
	return group.Wait() == nil
}

func (s *stepper) do(ctx context.Context, t *Task) error {
	if t.Forbidden != nil { // the project may have changed since the rehearsal
		s.results.fail(t, t.Forbidden)
		return t.Forbidden
	}
	if t.Hook != nil {
		return s.start(ctx, t)
	}
	switch t.Action {
	case diff.None:
		s.results.done(t, v1alpha1.ResultSynced, "unchanged")
		return nil
	case diff.Delete:
		return s.prune(ctx, t)
	}
	stored, err := s.w.Apply(ctx, t.Desired, s.writeOptions(t))
	if err != nil {
		s.results.fail(t, err)
		return err
	}
	if s.op.Wrote != nil {
		s.op.Wrote(t.Item, stored)
	}
	if gk, _, ok := diff.DefinedKind(t.Desired); ok {
		if err := s.w.AwaitKind(ctx, gk, diff.ServedVersions(t.Desired)); err != nil {
			s.results.fail(t, err)
			return err
		}
	}
	s.results.done(t, v1alpha1.ResultSynced, verb(t))
	return nil
}

func (s *stepper) prune(ctx context.Context, t *Task) error {
	if code, why := s.skipsPrune(t); why != "" {
		s.results.done(t, code, why)
		return nil
	}
	if err := s.w.Delete(ctx, t.Live, s.op.Options.Propagation, false); err != nil {
		s.results.fail(t, err)
		return err
	}
	s.results.done(t, v1alpha1.ResultPruned, "pruned")
	return nil
}

// skipsPrune says why an object that Git does not have stays, or "".
func (s *stepper) skipsPrune(t *Task) (v1alpha1.ResultCode, string) {
	switch {
	case !t.prune():
		return "", ""
	case !s.op.Options.Prune:
		return v1alpha1.ResultPruneSkipped, "ignored (requires pruning)"
	case s.op.Options.PrunePolicy(t.Live.Object) == "false":
		return v1alpha1.ResultPruneSkipped, "ignored (no prune)"
	}
	return "", ""
}

func verb(t *Task) string {
	if t.Action == diff.Create {
		return "created"
	}
	return "configured"
}
