package apply

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// WriteOptions say how one object is written.
type WriteOptions struct {
	DryRun     bool
	Replace    bool
	Force      bool // delete and create again when the server refuses to change the object
	NoValidate bool
}

// Writer writes one object. It is safe for concurrent use; errors carry fault kinds.
type Writer interface {
	// Apply makes the object as desired and returns what the server stored.
	Apply(ctx context.Context, desired *unstructured.Unstructured, opts WriteOptions) (*object.Live, error)
	// Delete deletes the object if it still has that UID; one that is gone already is no error.
	Delete(ctx context.Context, live *object.Live, propagation string, dryRun bool) error
	// AwaitKind returns when the cluster serves the kind that a CRD just defined, or an error when the context ends.
	AwaitKind(ctx context.Context, gk schema.GroupKind) error
}

// Operation is the state that Step works on.
type Operation struct {
	Plan    *diff.Plan
	Options Options
	// Earlier are the results of earlier steps of this operation, from status.operationState.
	Earlier []*v1alpha1.ResourceResult
	// Approved says that a person confirmed the deletions of this operation.
	Approved bool
	// Healthy judges a live object; ok is false for kinds without health, which count as done.
	Healthy func(*object.Live) (status v1alpha1.HealthStatusCode, message string, ok bool)
	// Read returns the newest view of an object.
	Read func(object.Ref) (*object.Live, bool)
	// Wrote is told of every object that was written.
	Wrote func(*diff.Item, *object.Live)
	// Progress is told of every result, from several goroutines.
	Progress func(*v1alpha1.ResourceResult)
}

// Progress is where an operation stands after a step.
type Progress struct {
	Phase   v1alpha1.OperationPhase
	Message string
	Results []*v1alpha1.ResourceResult
	// PruneRequired counts objects that a sync without prune left in place.
	PruneRequired int
}

// parallel bounds the writes of one operation that are in flight; the Writer bounds those of all operations.
const parallel = 16

// Step runs an operation as far as it can go without waiting. It returns phase Running with the reason when a wave is
// not healthy yet; call it again after a change, with a fresh plan. Nothing is written when any object of the
// operation is refused by a dry-run first.
func Step(ctx context.Context, op Operation, w Writer) Progress {
	s := &stepper{op: op, w: w, results: newResults(op.Earlier, op.Progress)}
	stages := Schedule(op.Plan, op.Options)
	if waiting := s.unconfirmed(stages); waiting != "" {
		return s.progress(v1alpha1.OperationRunning, waiting)
	}
	if len(op.Earlier) == 0 {
		if failed := s.preflight(ctx, stages); failed {
			return s.progress(v1alpha1.OperationFailed, "one or more objects failed to apply (dry run)"+s.results.causes())
		}
	}
	if op.Options.DryRun {
		return s.progress(v1alpha1.OperationSucceeded, "successfully synced (dry run)")
	}
	for i, stage := range stages {
		if !s.run(ctx, stage) {
			return s.progress(v1alpha1.OperationFailed, "one or more objects failed to apply"+s.results.causes())
		}
		if i+1 < len(stages) && stages[i+1].Wave != stage.Wave {
			if phase, message := s.settled(stages, stage.Wave); phase != v1alpha1.OperationSucceeded {
				return s.progress(phase, message)
			}
		}
	}
	if len(stages) == 0 {
		return s.progress(v1alpha1.OperationSucceeded, "successfully synced (no more tasks)")
	}
	return s.progress(v1alpha1.OperationSucceeded, "successfully synced (all tasks run)")
}

type stepper struct {
	op      Operation
	w       Writer
	results *results
}

func (s *stepper) progress(phase v1alpha1.OperationPhase, message string) Progress {
	p := Progress{Phase: phase, Message: message, Results: s.results.list()}
	for _, r := range p.Results {
		if r.Status == v1alpha1.ResultPruneSkipped {
			p.PruneRequired++
		}
	}
	return p
}

// unconfirmed names the deletions that wait for a person, or returns "".
func (s *stepper) unconfirmed(stages []Stage) string {
	if s.op.Approved || !s.op.Options.Prune || s.op.Options.DryRun {
		return ""
	}
	var names []string
	for _, st := range stages {
		for _, t := range st.Tasks {
			if t.prune() && s.prunePolicy(t) == "confirm" {
				names = append(names, t.Ref.String())
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	sort.Strings(names)
	return fmt.Sprintf("waiting for pruning confirmation of %s", strings.Join(names, ", "))
}

func (s *stepper) prunePolicy(t *Task) string {
	if v, ok := objectOption(t.Live.Object, "Prune"); ok {
		return v
	}
	switch {
	case s.op.Options.NoPrune:
		return "false"
	case s.op.Options.ConfirmPrune:
		return "confirm"
	}
	return "true"
}

// preflight lets the server judge all writes of the operation before the first one is made. What the comparison has
// asked already is not asked again, and a single write needs no rehearsal, unless a deletion would come before it: an
// object that moves (to another namespace, to another name) must not be lost because its new place refuses it.
func (s *stepper) preflight(ctx context.Context, stages []Stage) (failed bool) {
	var unknown []*Task
	writes, deletes := 0, false
	defined := definedKinds(stages)
	namespaces := createdNamespaces(stages)
	for _, st := range stages {
		for _, t := range st.Tasks {
			if t.Forbidden != nil {
				s.results.fail(t, t.Forbidden)
				failed = true
				continue
			}
			if t.prune() {
				deletes = deletes || s.op.Options.Prune
				continue
			}
			if t.Action == diff.None {
				continue
			}
			writes++
			switch {
			case t.Refused != nil && !s.writeOptions(t).Force:
				s.results.fail(t, t.Refused)
				failed = true
			case t.Refused != nil, t.Predicted != nil, defined[t.Ref.GroupKind()], namespaces[t.Ref.Namespace]:
			default:
				unknown = append(unknown, t)
			}
		}
	}
	if failed || writes < 2 && !deletes && !s.op.Options.DryRun {
		return failed
	}
	return s.rehearse(ctx, unknown)
}

func (s *stepper) rehearse(ctx context.Context, tasks []*Task) (failed bool) {
	ok := make([]bool, len(tasks))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, t := range tasks {
		group.Go(func() error {
			opts := s.writeOptions(t)
			opts.DryRun, opts.Force = true, false
			_, err := s.w.Apply(ctx, t.Desired, opts)
			if err != nil && !s.writeOptions(t).Force && !s.skipsMissingKind(t, err) {
				s.results.fail(t, err)
				return nil
			}
			ok[i] = true
			if s.op.Options.DryRun {
				s.results.done(t, v1alpha1.ResultSynced, verb(t)+" (dry run)")
			}
			return nil
		})
	}
	_ = group.Wait() // the functions report through results
	for _, good := range ok {
		failed = failed || !good
	}
	return failed
}

func (s *stepper) skipsMissingKind(t *Task, err error) bool {
	return fault.Is(err, fault.NotFound) && flag(t.Desired, "SkipDryRunOnMissingResource", s.op.Options.SkipMissingKinds)
}

func (s *stepper) writeOptions(t *Task) WriteOptions {
	return WriteOptions{
		Replace:    flag(t.Desired, "Replace", s.op.Options.Replace),
		Force:      flag(t.Desired, "Force", s.op.Options.Force),
		NoValidate: !flag(t.Desired, "Validate", !s.op.Options.NoValidate),
	}
}

// run writes what a stage still has to write and reports whether all of it went well.
func (s *stepper) run(ctx context.Context, stage Stage) bool {
	var group errgroup.Group
	group.SetLimit(parallel)
	for _, t := range stage.Tasks {
		if s.results.finished(t) {
			continue
		}
		group.Go(func() error { return s.do(ctx, t) })
	}
	return group.Wait() == nil
}

func (s *stepper) do(ctx context.Context, t *Task) error {
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
		if err := s.w.AwaitKind(ctx, gk); err != nil {
			s.results.fail(t, err)
			return err
		}
	}
	s.results.done(t, v1alpha1.ResultSynced, verb(t))
	return nil
}

func (s *stepper) prune(ctx context.Context, t *Task) error {
	switch {
	case !s.op.Options.Prune:
		s.results.done(t, v1alpha1.ResultPruneSkipped, "ignored (requires pruning)")
		return nil
	case s.prunePolicy(t) == "false":
		s.results.done(t, v1alpha1.ResultPruneSkipped, "ignored (no prune)")
		return nil
	}
	if err := s.w.Delete(ctx, t.Live, s.op.Options.Propagation, false); err != nil {
		s.results.fail(t, err)
		return err
	}
	s.results.done(t, v1alpha1.ResultPruned, "pruned")
	return nil
}

// settled reports whether everything up to and including a wave is healthy and gone, so that the next wave may start.
func (s *stepper) settled(stages []Stage, wave int) (v1alpha1.OperationPhase, string) {
	var waiting []string
	for _, st := range stages {
		if st.Wave > wave {
			break
		}
		for _, t := range st.Tasks {
			live, found := s.op.Read(t.Ref)
			if t.prune() {
				if found && live.Object.GetDeletionTimestamp() != nil {
					waiting = append(waiting, "deletion of "+t.Ref.String())
				}
				continue
			}
			if !found {
				if !t.Finished {
					waiting = append(waiting, t.Ref.String())
				}
				continue
			}
			if live.Object.GetAnnotations()[v1alpha1.AnnotationIgnoreHealth] == "true" {
				continue // it does not count for the application, so it holds up no sync either
			}
			status, message, ok := s.op.Healthy(live)
			switch {
			case !ok || status == v1alpha1.HealthHealthy:
			case status == v1alpha1.HealthDegraded:
				return v1alpha1.OperationFailed, fmt.Sprintf("one or more synchronization tasks completed unsuccessfully, reason: %s is Degraded: %s", t.Ref, message)
			default:
				waiting = append(waiting, fmt.Sprintf("healthy state of %s (%s)", t.Ref, message))
			}
		}
	}
	if len(waiting) == 0 {
		return v1alpha1.OperationSucceeded, ""
	}
	more := ""
	if len(waiting) > 1 {
		more = fmt.Sprintf(" and %d more resources", len(waiting)-1)
	}
	return v1alpha1.OperationRunning, fmt.Sprintf("waiting for %s%s (wave %d)", waiting[0], more, wave)
}

func verb(t *Task) string {
	if t.Action == diff.Create {
		return "created"
	}
	return "configured"
}

func definedKinds(stages []Stage) map[schema.GroupKind]bool {
	out := map[schema.GroupKind]bool{}
	for _, st := range stages {
		for _, t := range st.Tasks {
			if gk, _, ok := definedBy(t); ok && t.Action == diff.Create {
				out[gk] = true
			}
		}
	}
	return out
}

func definedBy(t *Task) (schema.GroupKind, bool, bool) {
	if t.Desired == nil {
		return schema.GroupKind{}, false, false
	}
	return diff.DefinedKind(t.Desired)
}

// createdNamespaces returns the namespaces that the operation itself creates: a dry-run inside them cannot work yet.
func createdNamespaces(stages []Stage) map[string]bool {
	out := map[string]bool{}
	for _, st := range stages {
		for _, t := range st.Tasks {
			if t.Ref.Group == "" && t.Ref.Kind == "Namespace" && t.Action == diff.Create {
				out[t.Ref.Name] = true
			}
		}
	}
	delete(out, "")
	return out
}
