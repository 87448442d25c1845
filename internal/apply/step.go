package apply

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// WriteOptions say how one object is written.
type WriteOptions struct {
	DryRun     bool
	Replace    bool
	Force      bool // delete and create again when the server refuses to change the object
	NoValidate bool
	// Adopt makes the fields of these managers ours before the write.
	Adopt []string
	// Fresh judges the object as a new one although another of its name exists, which will be gone by then. It is for a
	// DryRun only.
	Fresh bool
}

// Writer writes one object. It is safe for concurrent use; errors carry fault kinds.
type Writer interface {
	// Apply makes the object as desired and returns what the server stored.
	Apply(ctx context.Context, desired *unstructured.Unstructured, opts WriteOptions) (*object.Live, error)
	// Delete deletes the object if it still has that UID; one that is gone already is no error.
	Delete(ctx context.Context, live *object.Live, propagation string, dryRun bool) error
	// Release removes a finalizer from the object if it still has that UID; one that is gone already is no error.
	Release(ctx context.Context, live *object.Live, finalizer string) error
	// AwaitKind returns when the cluster serves the kind that a CRD just defined at all of those versions, or an error when
	// that takes too long.
	AwaitKind(ctx context.Context, gk schema.GroupKind, versions []string) error
}

// HealthFunc judges a live object; ok is false for kinds without health, which count as done.
type HealthFunc func(*object.Live) (status v1alpha1.HealthStatusCode, message string, ok bool)

// Operation is the state that Step works on.
type Operation struct {
	Plan *diff.Plan
	// Hooks of all phases, from NewHooks.
	Hooks   []Hook
	Options Options
	// Earlier are the results of earlier steps of this operation, from status.operationState.
	Earlier []*v1alpha1.ResourceResult
	// Approved says that a person confirmed the deletions of this operation.
	Approved bool
	Healthy  HealthFunc
	// Read returns the newest view of an object.
	Read func(object.Ref) (*object.Live, bool)
	// Wrote is told of every object that was written; nil for nobody.
	Wrote func(*diff.Item, *object.Live)
	// Progress is told whenever there is a result, from several goroutines; nil for nobody.
	Progress func(results func() []*v1alpha1.ResourceResult)
	// Checkpoint stores results for good before something is done after which they could not be found out again: a hook whose
	// outcome is known is let go only then. Nil stores nothing.
	Checkpoint func(results []*v1alpha1.ResourceResult)
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
// not settled yet; call it again after a change, with a fresh plan. Nothing is written when any object of the
// operation is refused by a dry-run first.
func Step(ctx context.Context, op Operation, w Writer) Progress {
	s := newStepper(op, w)
	if waiting := s.unconfirmed(s.stages); waiting != "" {
		return s.progress(v1alpha1.OperationRunning, waiting)
	}
	if op.Options.DryRun || !begun(op.Earlier) {
		if failed := s.preflight(ctx, slices.Concat(s.stages, s.rescue)); failed {
			return s.progress(v1alpha1.OperationFailed, "one or more objects failed to apply (dry run)"+s.results.causes())
		}
	}
	if op.Options.DryRun {
		s.pretend(s.stages)
		return s.progress(v1alpha1.OperationSucceeded, "successfully synced (dry run)")
	}
	s.followHooks(ctx)
	if s.results.failed() {
		return s.fail(ctx)
	}
	for i, stage := range s.stages {
		if !s.run(ctx, stage) {
			return s.fail(ctx)
		}
		last := i+1 == len(s.stages)
		if !last && s.stages[i+1].place() == stage.place() {
			continue
		}
		waiting := s.settle(stage.place(), last)
		if s.results.failed() {
			return s.fail(ctx)
		}
		if waiting != "" {
			return s.progress(v1alpha1.OperationRunning, waiting)
		}
	}
	return s.succeed(ctx)
}

// begun reports whether an earlier step got beyond the rehearsal, which reports nothing but refusals.
func begun(earlier []*v1alpha1.ResourceResult) bool {
	return slices.ContainsFunc(earlier, func(r *v1alpha1.ResourceResult) bool { return r.Status != v1alpha1.ResultSyncFailed })
}

type stepper struct {
	op             Operation
	w              Writer
	stages, rescue []Stage
	results        *results
}

func newStepper(op Operation, w Writer) *stepper {
	s := &stepper{op: op, w: w, results: newResults(op.Earlier, op.Progress)}
	s.stages, s.rescue = Schedule(op.Plan, op.Hooks, op.Options)
	return s
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

// succeed ends the operation. After its last wave it succeeds whether the objects of that wave are healthy or not.
func (s *stepper) succeed(ctx context.Context) Progress {
	message := "successfully synced (all tasks run)"
	if n := len(s.stages); n == 0 || hasHooks(s.stages, s.stages[n-1].place()) {
		message = "successfully synced (no more tasks)"
	}
	s.deleteHooks(ctx, hookSucceeded)
	return s.progress(v1alpha1.OperationSucceeded, message)
}

// fail ends the operation once its running hooks have ended and its SyncFail hooks, wave by wave, have run.
func (s *stepper) fail(ctx context.Context) Progress {
	if waiting := s.unfinishedHooks(s.stages); len(waiting) > 0 {
		return s.progress(v1alpha1.OperationRunning, s.results.verdict()+"; "+waitingFor(waiting))
	}
	for i, stage := range s.rescue {
		s.run(ctx, stage) // a failure is among the results
		if i+1 < len(s.rescue) && s.rescue[i+1].place() == stage.place() {
			continue
		}
		if waiting := s.pendingHooks(s.rescue[:i+1]); len(waiting) > 0 {
			return s.progress(v1alpha1.OperationRunning, s.results.verdict()+"; "+waitingFor(waiting))
		}
	}
	s.deleteHooks(ctx, hookFailed)
	return s.progress(v1alpha1.OperationFailed, s.results.verdict())
}

// unconfirmed names the deletions that wait for a person, or returns "".
func (s *stepper) unconfirmed(stages []Stage) string {
	if s.op.Approved || !s.op.Options.Prune || s.op.Options.DryRun {
		return ""
	}
	var names []string
	for _, st := range stages {
		for _, t := range st.Tasks {
			if t.prune() && s.op.Options.PrunePolicy(t.Live.Object) == "confirm" {
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
