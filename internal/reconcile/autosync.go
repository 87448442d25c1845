package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/status"
)

// autoRetries is the retry limit of an automatic sync whose application sets none, as with Argo CD.
const autoRetries = 5

// AnnotationSupersede on an Application, with the value false, lets an automatic sync run to its end although a newer commit
// is there, as Argo CD does.
const AnnotationSupersede = "belay.dev/supersede"

// gate decides whether there is an operation to work on: one that somebody asked for, one that is under way, or one that
// the sync policy starts now.
func (r *Reconciler) gate(ctx context.Context, s *run) error {
	if st := s.app.Status.OperationState; s.app.Operation == nil && st != nil && !st.Phase.Completed() {
		s.state = st.DeepCopy()
		r.terminate(ctx, s, "the operation was removed before it ended; "+st.Message)
		s.state = nil
	}
	if s.app.Operation != nil {
		s.begin(*s.app.Operation)
		if s.superseded() {
			r.terminate(ctx, s, fmt.Sprintf("superseded by newer revision %s; %s", s.origin.short(), s.state.Message))
			s.state = nil
		} else {
			return nil
		}
	}
	d := s.decideAutoSync()
	if d.operation == nil || s.nobody != nil || !r.windows(s, project.Sync{}).Allowed {
		return nil
	}
	if len(d.heal) > 0 {
		if wait := s.Memory.healWait(d.heal, r.Now(), s.Config.SelfHeal); wait > 0 {
			s.again(wait)
			return nil
		}
		s.Memory.healed(d.heal, r.Now())
	}
	s.begin(*d.operation)
	return nil
}

// afterwards asks the sync policy again when an operation has ended: what it says of a failure belongs into the status
// now, and another sync that it wants (after one by hand to another commit) must not wait for an event.
func (s *run) afterwards() {
	if s.finished == nil || s.finished != s.state {
		return
	}
	d := s.decideAutoSync()
	if d.operation != nil && len(d.heal) == 0 {
		s.again(time.Millisecond)
	}
}

// decideAutoSync asks the sync policy about what is known now, and takes down what it says.
func (s *run) decideAutoSync() autoDecision {
	d := decideAutoSync(autoInput{
		app: s.app, plan: s.plan, origin: s.desired.origin,
		failing: hasErrors(s.found), namespace: s.desired.namespace, slow: s.Config.SelfHeal, now: s.now.Time,
	})
	if d.problem != "" {
		s.condition(v1alpha1.ConditionSyncError, "%s", d.problem)
	}
	s.again(d.after)
	return d
}

func hasErrors(conditions []v1alpha1.ApplicationCondition) bool {
	_, has := status.HasErrors(conditions)
	return has
}

// superseded reports whether an automatic operation that waits (for health, for a retry) aims at a commit that is no
// longer wanted. The commit that mends it must not have to wait for it. A hook that runs is waited for: a migration must not
// be torn apart.
func (s *run) superseded() bool {
	if s.app.Annotations[AnnotationSupersede] == "false" || hooksRun(s.state) {
		return false
	}
	op := s.state.Operation.Sync
	return s.state.Operation.InitiatedBy.Automated && op != nil && (op.Revision != "" || len(op.Revisions) > 0) &&
		!s.origin.isAt(op.Revision, op.Revisions)
}

type autoInput struct {
	app     *v1alpha1.Application
	plan    *diff.Plan
	origin  origin
	failing bool
	// namespace is the one whose metadata the application manages; it is there whatever Git holds.
	namespace object.Ref
	slow      Backoff
	now       time.Time
}

type autoDecision struct {
	operation *v1alpha1.Operation
	// heal lists the objects when the operation is a self-heal.
	heal []object.Ref
	// problem is the text of a SyncError condition.
	problem string
	// after is when to decide again; what is not positive means when something changes.
	after time.Duration
}

// AnnotationSelfHealRetry on an Application, with the value true, lets self-heal try again after an attempt that failed. Argo CD
// never does.
const AnnotationSelfHealRetry = "belay.dev/self-heal-retry"

// decideAutoSync is the automated sync of Argo CD, check by check in its order (controller/appcontroller.go, autoSync):
// one attempt for each revision and source; after a success only self-heal syncs again, and only what differs.
func decideAutoSync(in autoInput) autoDecision {
	policy := in.app.Spec.SyncPolicy
	if !policy.IsAutomated() || in.failing || status.Code(in.plan) != v1alpha1.SyncStatusOutOfSync {
		return autoDecision{}
	}
	auto := policy.Automated
	out := outOfSync(in.plan)
	if !auto.Prune && all(out, isDelete) {
		return autoDecision{}
	}
	op := &v1alpha1.Operation{
		Sync:        &v1alpha1.SyncOperation{Prune: auto.Prune, SyncOptions: policy.SyncOptions},
		InitiatedBy: v1alpha1.OperationInitiator{Automated: true},
		Retry:       v1alpha1.RetryStrategy{Limit: autoRetries},
	}
	op.Sync.Revision, op.Sync.Revisions = in.origin.inRevisions()
	if policy.Retry != nil {
		op.Retry = *policy.Retry
	}
	var d autoDecision
	if last := lastAttempt(in.app); attempted(last, in.origin) {
		if d.problem, d.after = failure(in, last); d.problem != "" && d.after != 0 {
			return d
		}
		if !auto.SelfHeal {
			return autoDecision{}
		}
		op.Sync.AutoHealAttemptsCount = autoHeals(last) + 1
		if whole := d.problem != "" && len(last.Operation.Sync.Resources) == 0; !whole {
			if d.heal = heal(op.Sync, out); len(d.heal) == 0 {
				return autoDecision{}
			}
		}
	}
	if auto.Prune && !auto.AllowEmpty && wipesOut(in) {
		return autoDecision{problem: fmt.Sprintf("Skipping sync attempt to %s: auto-sync will wipe out all resources; "+
			"set spec.syncPolicy.automated.allowEmpty or sync by hand if that is meant", in.origin)}
	}
	d.operation = op
	return d
}

// failure tells of a last attempt that failed and when it is tried again: never (-1) unless the application asks for it, 0
// for now.
func failure(in autoInput, last *v1alpha1.OperationState) (problem string, after time.Duration) {
	if last.Phase == v1alpha1.OperationSucceeded {
		return "", 0
	}
	problem = fmt.Sprintf("Failed last sync attempt to %s: %s", in.origin, last.Message)
	if in.app.Annotations[AnnotationSelfHealRetry] != "true" || !in.app.Spec.SyncPolicy.Automated.SelfHeal || last.FinishedAt == nil {
		return problem, -1
	}
	return problem, max(0, last.FinishedAt.Add(in.slow.wait(autoHeals(last))).Sub(in.now))
}

// heal makes of a sync one of the objects that differ, and returns them.
func heal(op *v1alpha1.SyncOperation, out []*diff.Item) []object.Ref {
	var refs []object.Ref
	opts := apply.NewOptions(op)
	for _, i := range out {
		if isDelete(i) && (!op.Prune || opts.PrunePolicy(i.Live.Object) == "false") {
			continue // a sync would leave it, again and again
		}
		op.Resources = append(op.Resources, v1alpha1.SyncOperationResource{
			Group: i.Ref.Group, Kind: i.Ref.Kind, Name: i.Ref.Name, Namespace: i.Ref.Namespace,
		})
		refs = append(refs, i.Ref)
	}
	return refs
}

func outOfSync(p *diff.Plan) []*diff.Item {
	var out []*diff.Item
	for _, i := range p.Items {
		if !i.InSync() {
			out = append(out, i)
		}
	}
	return out
}

func all(items []*diff.Item, f func(*diff.Item) bool) bool {
	for _, i := range items {
		if !f(i) {
			return false
		}
	}
	return len(items) > 0
}

// wipesOut reports whether nothing of the application would be left.
func wipesOut(in autoInput) bool {
	return all(in.plan.Items, func(i *diff.Item) bool { return isDelete(i) || i.Ref == in.namespace })
}

func isDelete(i *diff.Item) bool { return i.Action == diff.Delete }

// lastAttempt returns the last operation that was more than a rehearsal. Of the one before a dry run, the history knows.
func lastAttempt(app *v1alpha1.Application) *v1alpha1.OperationState {
	last, n := app.Status.OperationState, len(app.Status.History)
	if last == nil || last.Operation.Sync == nil || !last.Operation.Sync.DryRun || n == 0 {
		return last
	}
	h := app.Status.History[n-1]
	return &v1alpha1.OperationState{
		Operation: v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}}, Phase: v1alpha1.OperationSucceeded,
		SyncResult: &v1alpha1.SyncOperationResult{Revision: h.Revision, Source: h.Source, Revisions: h.Revisions, Sources: h.Sources},
	}
}

// attempted reports whether the last operation was a sync to those revisions of those sources.
func attempted(last *v1alpha1.OperationState, o origin) bool {
	if last == nil || last.Operation.Sync == nil || last.SyncResult == nil || last.Operation.Sync.DryRun {
		return false
	}
	res := last.SyncResult
	return o.isAt(res.Revision, res.Revisions) && o.isFrom(res.Source, res.Sources)
}

func autoHeals(last *v1alpha1.OperationState) int64 {
	if last.Operation.Sync == nil {
		return 0
	}
	return last.Operation.Sync.AutoHealAttemptsCount
}
