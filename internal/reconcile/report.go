package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/status"
)

// retryAfter is when a stopped reconciliation is tried again if nothing else wakes it.
const retryAfter = 10 * time.Second

// lookAgainAfter is when a repository that refuses, or is not there, is asked again: nothing tells when that has changed.
const lookAgainAfter = 2 * time.Minute

// stop records why the story ended early. A comparison that failed is not known; what was known before stays, and
// an operation under way ends in an error.
func (r *Reconciler) stop(ctx context.Context, s *run, stage string, err error) {
	_, barred := status.HasErrors(s.found)
	s.err, s.unknown = err, true
	switch {
	case errors.Is(err, errInvalidSpec):
	case stage == "permit":
		s.condition(v1alpha1.ConditionInvalidSpecError, "%s", err)
	default:
		s.condition(v1alpha1.ConditionComparisonError, "%s", err)
	}
	if fault.Retryable(err) || fault.Is(err, fault.Internal) {
		s.again(retryAfter)
	}
	if stage == "resolve" {
		s.again(lookAgainAfter)
	}
	if s.app.Operation == nil {
		return
	}
	if s.state == nil {
		s.begin(*s.app.Operation)
	}
	if s.state.Phase == v1alpha1.OperationTerminating {
		r.terminate(ctx, s, "Operation terminated")
		return
	}
	if s.state.FinishedAt != nil && s.waitsForRetry() {
		return
	}
	if stage != "permit" && !barred && s.elsewhere() {
		r.apart(ctx, s)
		return
	}
	s.pin()
	message, _ := status.HasErrors(s.found)
	if hooksRun(s.state) && fault.Retryable(err) {
		// What is away for a moment is no reason to give up a migration that runs.
		s.state.Message = "waiting for completion of hooks; meanwhile: " + status.Short(message)
		return
	}
	r.failed(ctx, s, v1alpha1.OperationError, message)
}

// judge assesses the health of live objects of one destination.
type judge struct {
	cluster Cluster
	script  func(*unstructured.Unstructured) (health.Result, bool)
	now     func() time.Time
	recheck time.Duration
}

func (r *Reconciler) judgeOf(s *run) *judge {
	if s.judge == nil {
		s.judge = &judge{cluster: s.dest.Cluster, script: s.Config.HealthScript, now: r.Now}
	}
	return s.judge
}

func (j *judge) of(l *object.Live) (health.Result, bool) {
	res, ok := health.Assess(l.Object, j)
	if ok && res.Recheck > 0 && (j.recheck == 0 || res.Recheck < j.recheck) {
		j.recheck = res.Recheck
	}
	return res, ok
}

// healthy is of as apply asks for it. A child Application that has not told anything yet is waited for: a wave of
// children would be over before it began.
func (j *judge) healthy(l *object.Live) (v1alpha1.HealthStatusCode, string, bool) {
	res, ok := j.of(l)
	if ref := l.Ref(); !ok && ref.Group == v1alpha1.Group && ref.Kind == v1alpha1.ApplicationKind {
		return v1alpha1.HealthProgressing, "it has not told its health yet", true
	}
	return res.Status, res.Message, ok
}

// Script is part of health.Signals.
func (j *judge) Script(obj *unstructured.Unstructured) (health.Result, bool) {
	if j.script == nil {
		return health.Result{}, false
	}
	return j.script(obj)
}

// Now is part of health.Signals.
func (j *judge) Now() time.Time { return j.now() }

// EndpointSlices is part of health.Signals.
func (j *judge) EndpointSlices(namespace, service string) ([]*unstructured.Unstructured, bool) {
	svc, found := j.cluster.Get(object.Ref{Kind: "Service", Namespace: namespace, Name: service})
	if !found || j.cluster.Synced(endpointSlices().GroupKind()) != nil {
		return nil, false
	}
	var out []*unstructured.Unstructured
	for _, c := range j.cluster.Children(svc.Object.GetUID()) {
		if c.Ref().GroupKind() == endpointSlices().GroupKind() {
			if c.Partial {
				return nil, false
			}
			out = append(out, c.Object)
		}
	}
	return out, true
}

// assess fills the status from the plan and the live objects.
func (r *Reconciler) assess(_ context.Context, s *run) error {
	j := r.judgeOf(s)
	st := &s.app.Status
	var appHealth v1alpha1.AppHealthStatus
	st.Resources, appHealth, st.Summary = status.Resources(s.plan, j.of)
	st.Health = status.Health(st.Health, appHealth, s.now)
	st.SourceType, st.SourceTypes = s.desired.typ, s.desired.types
	st.Sync = v1alpha1.SyncStatus{
		Status:     status.Code(s.plan),
		ComparedTo: v1alpha1.ComparedTo{Destination: s.app.Spec.Destination, IgnoreDifferences: s.app.Spec.IgnoreDifferences},
	}
	st.Sync.Revision, st.Sync.Revisions = s.desired.origin.inRevisions()
	st.Sync.ComparedTo.Source, st.Sync.ComparedTo.Sources = s.desired.origin.inSources()
	s.orphans()
	s.again(j.recheck)
	s.afterwards()
	s.holdForHooks()
	for _, i := range s.plan.Items {
		s.Memory.Saw(i.Live)
	}
	if refused := refusals(s.plan); refused != "" && s.state == nil {
		s.condition(v1alpha1.ConditionSyncError, "%s", refused)
	}
	return nil
}

// refusals tells which desired objects the API server refuses, before anybody syncs.
func refusals(p *diff.Plan) string {
	var texts []string
	for _, i := range p.Items {
		if i.Refused != nil {
			texts = append(texts, i.Refused.Error())
		}
	}
	if len(texts) == 0 {
		return ""
	}
	const shown = 3
	more := ""
	if len(texts) > shown {
		more = fmt.Sprintf("; and %d more", len(texts)-shown)
		texts = texts[:shown]
	}
	return "a sync would fail: " + strings.Join(texts, "; ") + more
}

func (s *run) marked(l *object.Live) bool {
	if l == nil {
		return false
	}
	owner, ok := s.Config.Tracking.OwnerOf(l.Object)
	return ok && owner == s.Config.Tracking.Mark(s.name)
}

// report returns what to write.
func (s *run) report() Result {
	st := &s.app.Status
	if s.unknown {
		st.Sync.Status = v1alpha1.SyncStatusUnknown
		if st.Health.Status == "" {
			st.Health = status.Health(st.Health, v1alpha1.AppHealthStatus{Status: v1alpha1.HealthUnknown}, s.now)
		}
	}
	if s.state != nil {
		st.OperationState = s.state
	}
	st.Conditions = status.Conditions(st.Conditions, s.found, status.Evaluated(), s.now)
	st.ControllerNamespace = s.Config.ControllerNamespace
	st.ResourceHealthSource = ""
	if s.app.Annotations[v1alpha1.AnnotationRefresh] != "" {
		delete(s.app.Annotations, v1alpha1.AnnotationRefresh)
	}
	if done := s.Memory.finishedAnnotation(); done != s.app.Annotations[AnnotationFinished] && !s.unknown {
		if s.app.Annotations == nil {
			s.app.Annotations = map[string]string{}
		}
		s.app.Annotations[AnnotationFinished] = done
		if done == "" {
			delete(s.app.Annotations, AnnotationFinished)
		}
	}
	res := Result{App: s.app, After: s.after, Rendered: !s.Memory.holds(s.desired.key), Finished: s.finished, Drift: s.drift, Err: s.err}
	s.Memory.settle(s.settledKey())
	if s.plan != nil {
		for _, i := range s.plan.Items {
			if i.Desired != nil && !s.marked(i.Live) {
				res.Loose = append(res.Loose, i.Ref)
			}
		}
		if s.Project.WarnsOfOrphans() {
			res.Loose = append(res.Loose, object.Ref{Namespace: s.app.Spec.Destination.Namespace})
		}
	}
	return res
}

// settledKey names what was wanted and is settled: no error and no operation is left over.
func (s *run) settledKey() string {
	if s.err != nil || s.app.Operation != nil {
		return ""
	}
	return s.desired.key
}
