package apply

import (
	"context"
	"fmt"
	"slices"
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
	// Adopt makes the fields of these managers ours before the write.
	Adopt []string
}

// Writer writes one object. It is safe for concurrent use; errors carry fault kinds.
type Writer interface {
	// Apply makes the object as desired and returns what the server stored.
	Apply(ctx context.Context, desired *unstructured.Unstructured, opts WriteOptions) (*object.Live, error)
	// Delete deletes the object if it still has that UID; one that is gone already is no error.
	Delete(ctx context.Context, live *object.Live, propagation string, dryRun bool) error
	// AwaitKind returns when the cluster serves the kind that a CRD just defined at all of those versions, or an error when
	// that takes too long.
	AwaitKind(ctx context.Context, gk schema.GroupKind, versions []string) error
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
	if op.Options.DryRun || !begun(op.Earlier) {
		if failed := s.preflight(ctx, stages); failed {
			return s.progress(v1alpha1.OperationFailed, "one or more objects failed to apply (dry run)"+s.results.causes())
		}
	}
	if op.Options.DryRun {
		s.pretend(stages)
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

// begun reports whether an earlier step got beyond the rehearsal, which reports nothing but refusals.
func begun(earlier []*v1alpha1.ResourceResult) bool {
	return slices.ContainsFunc(earlier, func(r *v1alpha1.ResourceResult) bool { return r.Status != v1alpha1.ResultSyncFailed })
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

// preflight lets the server judge all writes of the operation before the first one is made. What the comparison has
// asked already is not asked again, and a single write needs no rehearsal, unless a deletion would come before it: an
// object that moves (to another namespace, to another name) must not be lost because its new place refuses it.
func (s *stepper) preflight(ctx context.Context, stages []Stage) (failed bool) {
	var unknown []*Task
	writes, deletes := 0, false
	defined := definedKinds(stages)
	namespaces := createdNamespaces(stages)
	namespaces[s.op.Options.NewNamespace] = s.op.Options.NewNamespace != ""
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
			case t.Refused != nil && !s.writeOptions(t).Force && !s.writeOptions(t).Replace:
				s.results.fail(t, t.Refused)
				failed = true
			case defined[t.Ref.GroupKind()] == diff.Create, namespaces[t.Ref.Namespace]:
			case (t.Refused != nil || t.Predicted != nil) && !s.writeOptions(t).Replace:
			default:
				unknown = append(unknown, t)
			}
		}
	}
	if failed || writes < 2 && !deletes && !s.op.Options.DryRun {
		return failed
	}
	return s.rehearse(ctx, unknown, defined)
}

// rehearse asks for a dry-run of each task. A kind that a CRD of this operation will serve is not known yet.
func (s *stepper) rehearse(ctx context.Context, tasks []*Task, defined map[schema.GroupKind]diff.Action) (failed bool) {
	ok := make([]bool, len(tasks))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, t := range tasks {
		group.Go(func() error {
			opts := s.writeOptions(t)
			opts.DryRun, opts.Force = true, false
			_, err := s.w.Apply(ctx, t.Desired, opts)
			missing := fault.Is(err, fault.NotFound) && (defined[t.Ref.GroupKind()] != "" || s.skipsMissingKind(t))
			if err != nil && !s.writeOptions(t).Force && !missing {
				s.results.fail(t, err)
				return nil
			}
			ok[i] = true
			return nil
		})
	}
	_ = group.Wait() // the functions report through results
	for _, good := range ok {
		failed = failed || !good
	}
	return failed
}

// pretend reports for a dry run what would have been done.
func (s *stepper) pretend(stages []Stage) {
	for _, st := range stages {
		for _, t := range st.Tasks {
			code, why := s.skipsPrune(t)
			switch {
			case t.Action == diff.None:
				s.results.done(t, v1alpha1.ResultSynced, "unchanged (dry run)")
			case !t.prune():
				s.results.done(t, v1alpha1.ResultSynced, verb(t)+" (dry run)")
			case why != "":
				s.results.done(t, code, why)
			default:
				s.results.done(t, v1alpha1.ResultPruned, "pruned (dry run)")
			}
		}
	}
}

func (s *stepper) skipsMissingKind(t *Task) bool {
	return flag(t.Desired, "SkipDryRunOnMissingResource", s.op.Options.SkipMissingKinds)
}

func (s *stepper) writeOptions(t *Task) WriteOptions {
	return WriteOptions{
		Replace:    flag(t.Desired, "Replace", s.op.Options.Replace),
		Force:      flag(t.Desired, "Force", s.op.Options.Force),
		NoValidate: !flag(t.Desired, "Validate", !s.op.Options.NoValidate),
		Adopt:      t.Adopt,
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
	if t.Forbidden != nil { // the project may have changed since the rehearsal
		s.results.fail(t, t.Forbidden)
		return t.Forbidden
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

// definedKinds returns what the operation does with the definition of kinds: diff.Create or diff.Update.
func definedKinds(stages []Stage) map[schema.GroupKind]diff.Action {
	out := map[schema.GroupKind]diff.Action{}
	for _, st := range stages {
		for _, t := range st.Tasks {
			if t.Desired == nil || t.Action == diff.None {
				continue
			}
			if gk, _, ok := diff.DefinedKind(t.Desired); ok {
				out[gk] = t.Action
			}
		}
	}
	return out
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
