package reconcile

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/status"
)

// progressEvery is how often a long step reports its results.
const progressEvery = 2 * time.Second

// begin takes up an operation: a new one, or the one that the status says is under way.
func (s *run) begin(op v1alpha1.Operation) {
	if st := s.app.Status.OperationState; st != nil && !st.Phase.Completed() && reflect.DeepEqual(st.Operation, op) {
		s.state = st.DeepCopy()
		return
	}
	s.app.Operation = &op
	s.state = &v1alpha1.OperationState{Operation: op, Phase: v1alpha1.OperationRunning, StartedAt: s.now}
}

// sync brings the operation under way one step further and looks again at what differs afterwards.
func (r *Reconciler) sync(ctx context.Context, s *run) error {
	if s.state == nil {
		return nil
	}
	barrier, _ := status.HasErrors(s.found)
	if !r.operate(ctx, s, barrier) {
		return nil
	}
	return s.lookAgain(ctx)
}

// apart works on an operation to another commit or source while what the application itself wants cannot be told: a
// rollback must work just when Git is broken.
func (r *Reconciler) apart(ctx context.Context, s *run) {
	if err := s.prepare(ctx); err != nil {
		s.pin()
		r.failed(ctx, s, v1alpha1.OperationError, err.Error())
		return
	}
	r.operate(ctx, s, "")
}

// operate takes one step of the operation and reports whether there was one. A barrier is why nothing may be synced.
func (r *Reconciler) operate(ctx context.Context, s *run, barrier string) (stepped bool) {
	switch {
	case s.state.Phase == v1alpha1.OperationTerminating:
		r.terminate(ctx, s, "Operation terminated")
		return false
	case s.state.Operation.Sync == nil:
		s.complete(v1alpha1.OperationError, "operation has no sync; nothing else is supported")
		return false
	case s.overdue():
		r.terminate(ctx, s, "Operation terminated, triggered by controller sync timeout; "+s.state.Message)
		return false
	case s.waitsForRetry(), r.waitsForWindow(s):
		return false
	}
	s.pin()
	if barrier != "" {
		r.failed(ctx, s, v1alpha1.OperationError, barrier)
		return false
	}
	if s.nobody != nil {
		r.failed(ctx, s, v1alpha1.OperationError, s.nobody.Error())
		return false
	}
	if shared, ok := s.sharedResource(); ok && s.state.Operation.Sync.SyncOptions.Has("FailOnSharedResource=true") {
		r.failed(ctx, s, v1alpha1.OperationFailed, "Shared resource found: "+shared)
		return false
	}
	want, plan, err := r.operationPlan(ctx, s)
	if err != nil {
		r.failed(ctx, s, v1alpha1.OperationError, err.Error())
		return false
	}
	p := r.step(ctx, s, want, plan)
	s.state.SyncResult.Resources, s.state.Message = p.Results, p.Message
	switch {
	case s.terminated:
		r.terminate(ctx, s, "Operation terminated")
	case p.Phase == v1alpha1.OperationRunning:
		s.again(30 * time.Second) // events come first; this is for what gives none
	case p.Phase == v1alpha1.OperationSucceeded:
		s.succeeded()
	default:
		r.failed(ctx, s, p.Phase, p.Message)
	}
	return true
}

// sharedResource returns the warning about an object that another application claims too.
func (s *run) sharedResource() (string, bool) {
	for _, c := range s.found {
		if c.Type == v1alpha1.ConditionSharedResourceWarning {
			return c.Message, true
		}
	}
	return "", false
}

// operationPlan compares the cluster with what the operation asks for, which may be another commit or source than
// the application's own (a rollback).
func (r *Reconciler) operationPlan(ctx context.Context, s *run) (desired, *diff.Plan, error) {
	o, err := r.operationOrigin(ctx, s)
	if err != nil {
		return desired{}, nil, err
	}
	s.state.SyncResult.Revision, s.state.SyncResult.Revisions = o.inRevisions()
	if texts := s.state.Operation.Sync.Manifests; texts != nil {
		return s.localPlan(ctx, texts)
	}
	if s.plan != nil && o.equal(s.desired.origin) {
		return s.desired, s.plan, nil
	}
	if err := o.permit(s.Project); err != nil {
		return desired{}, nil, err
	}
	want, err := r.desire(ctx, s, o)
	if err != nil {
		return desired{}, nil, err
	}
	if err := s.view(ctx, want.targets); err != nil {
		return desired{}, nil, err
	}
	plan, err := s.comparePlan(ctx, want)
	return want, plan, err
}

// step runs the plan through apply with everything that it needs of this application.
func (r *Reconciler) step(ctx context.Context, s *run, want desired, plan *diff.Plan) apply.Progress {
	op := s.state.Operation.Sync
	opts := apply.NewOptions(op)
	stays := func(phase v1alpha1.OperationPhase, message string) apply.Progress {
		return apply.Progress{Phase: phase, Message: message, Results: s.state.SyncResult.Resources}
	}
	if name := s.app.Spec.Destination.Namespace; name != "" && op.SyncOptions.Has("CreateNamespace=true") {
		ns, exists := s.dest.Cluster.Get(object.Ref{Kind: "Namespace", Name: name})
		switch {
		case exists && ns.Object.GetDeletionTimestamp() != nil && !opts.DryRun:
			s.again(5 * time.Second)
			return stays(v1alpha1.OperationRunning, fmt.Sprintf("waiting for the deletion of Namespace %s, which is to be made anew", name))
		case exists:
		case opts.DryRun:
			opts.NewNamespace = name
		default:
			if err := s.createNamespace(ctx, name); err != nil {
				return stays(v1alpha1.OperationFailed, err.Error())
			}
		}
	}
	if op.SyncOptions.Has("RespectIgnoreDifferences=true") {
		respected, err := diff.Respect(plan, s.rules)
		if err != nil {
			return stays(v1alpha1.OperationFailed, err.Error())
		}
		plan = respected
	}
	hooks, err := apply.NewHooks(want.targets.Hooks, s.hookRun(), apply.SyncHooks()...)
	if err != nil {
		return stays(v1alpha1.OperationFailed, err.Error())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tell := r.reporter(s, func() { s.terminated = true; cancel() })
	o := s.applying(r.judgeOf(s))
	o.Plan, o.Hooks, o.Options, o.Approved = plan, hooks, opts, s.approved()
	o.Wrote = s.Memory.diff.Learn
	o.Progress = func(results func() []*v1alpha1.ResourceResult) { tell(results, false) }
	o.Checkpoint = func(results []*v1alpha1.ResourceResult) {
		tell(func() []*v1alpha1.ResourceResult { return results }, true)
	}
	return apply.Step(ctx, o, s.dest.Writer)
}

// applying is what all that apply does for an operation needs: what it did before, and eyes.
func (s *run) applying(j *judge) apply.Operation {
	return apply.Operation{
		Earlier: s.state.SyncResult.Resources,
		Healthy: j.healthy,
		Read:    s.dest.Cluster.Get,
	}
}

// reporter tells of results while a step runs, so that a long sync can be watched, taken up again after a crash, and ended
// by whoever wants that: not more often than progressEvery, or at once when that is asked for.
func (r *Reconciler) reporter(s *run, terminate func()) func(results func() []*v1alpha1.ResourceResult, now bool) {
	var mu sync.Mutex
	last := r.Now()
	return func(results func() []*v1alpha1.ResourceResult, now bool) {
		mu.Lock()
		defer mu.Unlock()
		t := r.Now()
		if s.Progress == nil || s.terminated || !now && t.Sub(last) < progressEvery {
			return
		}
		last = t
		state := s.state.DeepCopy()
		state.SyncResult.Resources = results()
		state.Message = fmt.Sprintf("syncing: %d objects done", len(state.SyncResult.Resources))
		if !s.Progress(state) {
			terminate()
		}
	}
}

// createNamespace makes the destination namespace before anything is judged.
func (s *run) createNamespace(ctx context.Context, name string) error {
	var meta *v1alpha1.ManagedNamespaceMetadata
	if p := s.app.Spec.SyncPolicy; p != nil {
		meta = p.ManagedNamespaceMetadata
	}
	_, err := s.dest.Writer.Apply(ctx, namespaceObject(name, meta), apply.WriteOptions{})
	return err
}

// approved reports whether a person confirmed deletions since the operation started.
func (s *run) approved() bool {
	at, err := time.Parse(time.RFC3339, s.app.Annotations[v1alpha1.AnnotationDeletionApproved])
	return err == nil && !at.Before(s.state.StartedAt.Time)
}

// lookAgain compares once more after writes, so that the status tells what is true now. Kinds that the sync defined come
// into view first. A failure concerns the status alone: the operation went as it went.
func (s *run) lookAgain(ctx context.Context) error {
	err := s.view(ctx, s.desired.targets)
	if err == nil {
		s.plan, err = s.comparePlan(ctx, s.desired)
	}
	if err != nil {
		s.err, s.unknown = err, true
		s.condition(v1alpha1.ConditionComparisonError, "%s", err)
		s.again(retryAfter)
		return errDone
	}
	return nil
}

// AnnotationSyncTimeout on an Application bounds its syncs, in place of the setting for all (a duration, 0 for no bound).
const AnnotationSyncTimeout = "belay.dev/sync-timeout"

// overdue reports whether the operation has taken longer than it may; before that it asks for a look at that time.
func (s *run) overdue() bool {
	limit := s.Config.SyncTimeout
	if d, err := time.ParseDuration(s.app.Annotations[AnnotationSyncTimeout]); err == nil {
		limit = d
	}
	if limit <= 0 {
		return false
	}
	left := s.state.StartedAt.Add(limit).Sub(s.now.Time)
	s.again(left)
	return left <= 0
}

func (s *run) succeeded() {
	op := s.state.Operation.Sync
	s.complete(v1alpha1.OperationSucceeded, s.state.Message)
	if !op.DryRun && len(op.Resources) == 0 {
		s.app.Status.History = status.History(s.app.Status.History, s.state, s.app.Spec.RevisionHistoryLimit, s.now)
	}
}

// ended takes a failure: the operation is over, or is retried after a while.
func (s *run) ended(phase v1alpha1.OperationPhase, message string) {
	retry := s.state.Operation.Retry
	if retry.Limit >= 0 && s.state.RetryCount >= retry.Limit {
		if s.state.RetryCount > 0 {
			message += fmt.Sprintf(" (retried %d times).", s.state.RetryCount)
		}
		s.complete(phase, message)
		return
	}
	wait := retryDelay(retry, s.state.RetryCount)
	s.state.RetryCount++
	s.state.Phase = v1alpha1.OperationRunning
	s.state.FinishedAt = &metav1.Time{Time: s.now.Time}
	s.state.Message = fmt.Sprintf("%s. Retrying attempt #%d at %s.", status.Short(message), s.state.RetryCount, s.now.Add(wait).Format(time.Kitchen))
	s.again(wait)
}

// waitsForRetry reports whether the time of the next attempt has not come; when it has, the attempt starts afresh.
func (s *run) waitsForRetry() bool {
	if s.state.FinishedAt == nil {
		return false
	}
	due := s.state.FinishedAt.Add(retryDelay(s.state.Operation.Retry, s.state.RetryCount-1))
	if wait := due.Sub(s.now.Time); wait > 0 {
		s.again(wait)
		return true
	}
	s.state.FinishedAt = nil
	keep := &v1alpha1.SyncOperationResult{}
	if res := s.state.SyncResult; res != nil && !s.state.Operation.Retry.Refresh {
		keep.Revision, keep.Revisions, keep.Source, keep.Sources = res.Revision, res.Revisions, res.Source, res.Sources
	}
	s.state.SyncResult = keep
	return false
}

// retryDelay returns the wait after attempt n: 5s doubling up to 3m unless the strategy says otherwise.
func retryDelay(r v1alpha1.RetryStrategy, n int64) time.Duration {
	base, factor, limit := 5*time.Second, 2.0, 3*time.Minute
	if b := r.Backoff; b != nil {
		if d, err := time.ParseDuration(b.Duration); err == nil && d > 0 {
			base = d
		}
		if b.Factor != nil && *b.Factor >= 1 {
			factor = float64(*b.Factor)
		}
		if d, err := time.ParseDuration(b.MaxDuration); err == nil && d > 0 {
			limit = d
		}
	}
	wait := float64(base) * math.Pow(factor, float64(max(n, 0)))
	return time.Duration(min(wait, float64(limit)))
}

// complete ends the operation and removes the request for it.
func (s *run) complete(phase v1alpha1.OperationPhase, message string) {
	s.state.Phase, s.state.Message = phase, status.Short(message)
	s.state.FinishedAt = &metav1.Time{Time: s.now.Time}
	s.app.Operation = nil
	s.app.Status.OperationState = s.state
	s.finished = s.state
}
