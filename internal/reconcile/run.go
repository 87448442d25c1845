package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// run is what the stages of one reconciliation hand to each other.
type run struct {
	Request
	app  *v1alpha1.Application // the copy that is reported
	name string                // the name that tracking uses
	now  metav1.Time

	dest     *Destination
	revision source.Revision
	desired  desired
	rules    diff.Rules
	plan     *diff.Plan
	state    *v1alpha1.OperationState // the operation under way, nil for none
	finished *v1alpha1.OperationState
	found    []v1alpha1.ApplicationCondition
	unknown  bool // the comparison is not known
	judge    *judge
	after    time.Duration
	drift    []*diff.Item
	err      error
}

// desired is what a source at a revision asks for.
type desired struct {
	key      string // equal keys, equal targets
	source   v1alpha1.ApplicationSource
	revision source.Revision
	typ      v1alpha1.ApplicationSourceType
	targets  diff.Targets
	warnings []v1alpha1.ApplicationCondition
}

func newRun(req Request, now time.Time) *run {
	app := req.App.DeepCopy()
	return &run{
		Request: req, app: app, now: metav1.NewTime(now.Truncate(time.Second)),
		name: object.AppName(app.Namespace, app.Name, req.Config.ControllerNamespace),
	}
}

func (s *run) condition(t v1alpha1.ConditionType, format string, args ...any) {
	s.found = append(s.found, v1alpha1.ApplicationCondition{Type: t, Message: fmt.Sprintf(format, args...)})
}

// again asks for another look after d at the latest.
func (s *run) again(d time.Duration) {
	if d > 0 && (s.after == 0 || d < s.after) {
		s.after = d
	}
}

// permit judges the spec by itself and against the project.
func (r *Reconciler) permit(ctx context.Context, s *run) error {
	spec := &s.app.Spec
	if s.Project == nil {
		return fault.New(fault.Invalid, "Application references project %s which does not exist; create it or change spec.project", spec.ProjectName())
	}
	s.found = append(s.found, s.Project.Validate(s.app)...)
	for _, c := range s.found {
		if c.Type == v1alpha1.ConditionInvalidSpecError {
			return errInvalidSpec
		}
	}
	sources := spec.GetSources()
	if len(sources) != 1 {
		return fault.New(fault.Invalid, "spec.sources has %d entries; Belay acts on one source so far", len(sources))
	}
	if err := s.Project.PermitsSource(sources[0].RepoURL); err != nil {
		return err
	}
	dest, err := r.Destinations.Destination(ctx, spec.Destination)
	if err != nil {
		return err
	}
	s.dest = dest
	return s.Project.PermitsDestination(dest.Server, dest.Name, spec.Destination.Namespace)
}

// errInvalidSpec says that conditions tell already what is wrong with the spec. Only a change of it can help, so that
// it is not tried again meanwhile.
var errInvalidSpec = fault.New(fault.Invalid, "spec is invalid or not supported: see the condition InvalidSpecError")

// resolve finds the commit that the application's target revision means now.
func (r *Reconciler) resolve(ctx context.Context, s *run) error {
	src := s.app.Spec.GetSources()[0]
	fresh := source.Cached
	if s.Refresh != "" || s.Memory.owesLook() {
		fresh = source.Fresh
	}
	rev, err := r.revisionOf(ctx, src, fresh)
	if fresh == source.Fresh {
		// Until the remote has answered, what was seen before must not pass for an answer.
		s.Memory.oweLook(err != nil)
	}
	if err != nil {
		return err
	}
	s.revision = rev
	return nil
}

func (r *Reconciler) revisionOf(ctx context.Context, src v1alpha1.ApplicationSource, fresh source.Freshness) (source.Revision, error) {
	req := source.Request{RepoURL: src.RepoURL, Target: src.TargetRevision, TagPrefix: src.TagPrefix}
	rev, err := r.Source.Resolve(ctx, req, fresh)
	if fault.Is(err, fault.NotFound) && fresh == source.Cached {
		// A branch may be younger than the last look.
		rev, err = r.Source.Resolve(ctx, req, source.Fresh)
	}
	return rev, err
}

// render turns the commit into desired objects.
func (r *Reconciler) render(ctx context.Context, s *run) error {
	if err := s.dest.Cluster.Ready(ctx); err != nil {
		return fmt.Errorf("cluster %s is not reachable: %w", s.dest.Server, err)
	}
	rules, err := diff.NewRules(s.Config.IgnoreDifferences, s.app.Spec.IgnoreDifferences)
	if err != nil {
		return err
	}
	rules.KeepStatus = s.Config.KeepStatus
	s.rules = rules
	s.Memory.reset(object.Hash([]any{s.app.Spec.IgnoreDifferences, s.app.Spec.Destination, s.Config.Version}))
	s.desired, err = r.desire(ctx, s, s.app.Spec.GetSources()[0], s.revision)
	if err != nil {
		return err
	}
	s.found = append(s.found, s.desired.warnings...)
	return nil
}

// desire renders a source at a revision and makes targets of it.
func (r *Reconciler) desire(ctx context.Context, s *run, src v1alpha1.ApplicationSource, rev source.Revision) (desired, error) {
	req := source.Request{RepoURL: src.RepoURL, Target: src.TargetRevision, TagPrefix: src.TagPrefix}
	snapshot, err := r.Source.Snapshot(ctx, req, rev)
	if err != nil {
		return desired{}, err
	}
	if s.Refresh == v1alpha1.RefreshHard {
		ctx = render.Anew(ctx)
	}
	m, err := r.Renderer.Render(ctx, snapshot.FS(), s.renderSpec(s.dest.Cluster, src, rev))
	if err != nil {
		return desired{}, fmt.Errorf("render %s at %s: %w", path(src), rev.Short(), err)
	}
	out := desired{key: targetsKey(m, s.app), source: src, revision: rev, typ: m.Type}
	if out.targets, err = s.targets(m); err != nil {
		return desired{}, err
	}
	out.warnings = warnings(m, out.targets)
	return out, nil
}

// renderSpec names everything that a render of the application depends on besides files.
func (q Request) renderSpec(c Cluster, src v1alpha1.ApplicationSource, rev source.Revision) render.Spec {
	return render.Spec{
		AppName: q.App.Name, AppNamespace: q.App.Namespace, Project: q.App.Spec.ProjectName(),
		Namespace: q.App.Spec.Destination.Namespace, Source: src, Revision: rev,
		KubeVersion: c.Version(), APIVersions: c.APIVersions(),
		Options: q.Config.Render,
	}
}

func path(src v1alpha1.ApplicationSource) string {
	if src.Path == "" {
		return src.RepoURL
	}
	return src.Path
}

func warnings(m render.Manifests, t diff.Targets) []v1alpha1.ApplicationCondition {
	var out []v1alpha1.ApplicationCondition
	for _, ref := range t.Repeated {
		out = append(out, v1alpha1.ApplicationCondition{
			Type:    v1alpha1.ConditionRepeatedResourceWarning,
			Message: fmt.Sprintf("Resource %s appeared more than once among the manifests; the last one is used", ref),
		})
	}
	if n := len(t.Hooks); n > 0 {
		out = append(out, v1alpha1.ApplicationCondition{
			Type:    v1alpha1.ConditionExcludedResourceWarning,
			Message: fmt.Sprintf("%d hook(s) are not run by this version of Belay, first of them: %s", n, object.RefOf(t.Hooks[0])),
		})
	}
	if len(m.Warnings) > 0 {
		out = append(out, v1alpha1.ApplicationCondition{
			Type: v1alpha1.ConditionExcludedResourceWarning, Message: strings.Join(m.Warnings, "; "),
		})
	}
	return out
}

// targetsKey names manifests as they are for one application.
func targetsKey(m render.Manifests, app *v1alpha1.Application) string {
	return m.Key + "\x00" + app.Spec.Destination.Namespace
}

// targets prepares manifests, once for each render.
func (s *run) targets(m render.Manifests) (diff.Targets, error) {
	key := targetsKey(m, s.app)
	if t, ok := s.Memory.targets(key); ok {
		return t, nil
	}
	complete := true
	scope := func(gvk schema.GroupVersionKind) (namespaced, known bool) {
		k, ok := s.dest.Cluster.Kind(gvk.GroupKind(), "")
		complete = complete && ok
		return k.Namespaced, ok
	}
	manifests := m.Objects
	if s.Config.Excluded != nil {
		manifests = slices.DeleteFunc(slices.Clone(manifests), func(u *unstructured.Unstructured) bool {
			gvk := u.GroupVersionKind()
			return s.Config.Excluded(gvk.Group, gvk.Kind)
		})
	}
	if ns := s.managedNamespace(); ns != nil {
		manifests = append(slices.Clone(manifests), ns)
	}
	t, err := diff.NewTargets(manifests, diff.TargetOptions{
		Namespace: s.app.Spec.Destination.Namespace,
		Scope:     scope,
		Track: func(u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			return s.Config.Tracking.Set(u, s.name, s.app.Spec.Destination.Namespace)
		},
	})
	if err == nil && complete {
		s.Memory.keepTargets(key, t)
	}
	return t, err
}

// managedNamespace returns the destination namespace with its managed metadata, when the application manages it.
func (s *run) managedNamespace() *unstructured.Unstructured {
	p := s.app.Spec.SyncPolicy
	if p == nil || p.ManagedNamespaceMetadata == nil || !p.SyncOptions.Has("CreateNamespace=true") {
		return nil
	}
	return namespaceObject(s.app.Spec.Destination.Namespace, p.ManagedNamespaceMetadata)
}

func namespaceObject(name string, meta *v1alpha1.ManagedNamespaceMetadata) *unstructured.Unstructured {
	ns := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
	}}
	if meta != nil {
		if len(meta.Labels) > 0 {
			ns.SetLabels(maps.Clone(meta.Labels))
		}
		if len(meta.Annotations) > 0 {
			ns.SetAnnotations(maps.Clone(meta.Annotations))
		}
	}
	return ns
}

// read makes sure that the live state of every kind at hand is in view, and fails when any of it is not: what
// cannot be seen is never taken for missing.
func (r *Reconciler) read(ctx context.Context, s *run) error {
	return s.view(ctx, s.desired.targets)
}

func (s *run) view(ctx context.Context, t diff.Targets) error {
	kinds := map[schema.GroupVersionKind]bool{}
	for _, o := range t.Objects {
		gvk := o.Object.GroupVersionKind()
		if _, ok := s.dest.Cluster.Kind(gvk.GroupKind(), gvk.Version); ok {
			kinds[gvk] = true
		}
		if gvk.Group == "" && gvk.Kind == "Service" {
			kinds[endpointSlices()] = true
		}
	}
	if err := s.dest.Cluster.Manage(ctx, slices.Collect(maps.Keys(kinds))...); err != nil {
		return fmt.Errorf("read live objects: %w", err)
	}
	for gvk := range kinds {
		if err := s.dest.Cluster.Synced(gvk.GroupKind()); err != nil {
			return fmt.Errorf("read live objects: %w", err)
		}
	}
	return nil
}

func endpointSlices() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"}
}

// compare finds what a sync to the target revision would do.
func (r *Reconciler) compare(ctx context.Context, s *run) (err error) {
	s.plan, err = s.comparePlan(ctx, s.desired)
	if err != nil {
		return err
	}
	s.Memory.diff.Keep(s.plan)
	if s.app.Status.Sync.Revision == string(s.revision) {
		s.drift = outOfSync(s.plan) // Git did not move, so the cluster did
	}
	for _, i := range s.plan.Items {
		if owner, other := s.otherOwner(i); other {
			s.condition(v1alpha1.ConditionSharedResourceWarning, "%s is part of applications %s and %s", i.Ref, s.name, owner)
		}
	}
	return nil
}

// comparePlan compares a desired state with the cluster and marks what the project forbids.
func (s *run) comparePlan(ctx context.Context, d desired) (*diff.Plan, error) {
	plan := diff.Compare(diff.Input{
		Targets: d.targets, Live: s.dest.Cluster.Get, Owned: s.Config.managed(s.dest.Cluster.Owned(s.name)),
		Rules: s.rules, Memory: s.Memory.diff, Done: s.Memory.wasDone,
	})
	for _, i := range plan.Items {
		if i.Action == diff.Delete {
			continue
		}
		k, known := s.dest.Cluster.Kind(i.Ref.GroupKind(), "")
		namespaced := k.Namespaced || !known && i.Ref.Namespace != ""
		if s.isManagedNamespace(i.Ref) {
			continue // created by CreateNamespace, which the destination rule permits
		}
		err := s.Project.PermitsKind(i.Ref.Group, i.Ref.Kind, i.Ref.Name, i.Ref.Namespace, namespaced)
		if err == nil && namespaced && i.Ref.Namespace != s.app.Spec.Destination.Namespace {
			err = s.Project.PermitsDestination(s.dest.Server, s.dest.Name, i.Ref.Namespace)
		}
		i.Forbidden = err
	}
	return plan, diff.Confirm(ctx, plan, s.Memory.diff, s.rules, s.dest.Predictor)
}

// managed leaves out the objects of kinds that are left alone. A kind that has just been excluded is still in view, and
// what the manifests do not hold any more for that reason must not be taken for removed from Git.
func (c Config) managed(owned []*object.Live) []*object.Live {
	if c.Excluded == nil {
		return owned
	}
	return slices.DeleteFunc(slices.Clone(owned), func(l *object.Live) bool {
		return c.Excluded(l.Ref().Group, l.Ref().Kind)
	})
}

func (s *run) isManagedNamespace(ref object.Ref) bool {
	return ref.Group == "" && ref.Kind == "Namespace" && ref.Name == s.app.Spec.Destination.Namespace && s.managedNamespace() != nil
}

func (s *run) otherOwner(i *diff.Item) (string, bool) {
	if i.Live == nil {
		return "", false
	}
	owner, ok := s.Config.Tracking.OwnerOf(i.Live.Object)
	return owner, ok && owner != s.Config.Tracking.Mark(s.name)
}
