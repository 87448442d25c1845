package reconcile

import (
	"context"
	"fmt"
	"maps"
	"reflect"
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

	dest *Destination
	// user is as whom dest is written, "" for Belay itself; nobody is why it cannot be written at all.
	user     string
	nobody   error
	origin   origin // what the application follows; its revisions are known once they are resolved
	desired  desired
	rules    diff.Rules
	plan     *diff.Plan
	state    *v1alpha1.OperationState // the operation under way, nil for none
	finished *v1alpha1.OperationState
	// terminated says that somebody ended the operation while a step of it ran.
	terminated bool
	found      []v1alpha1.ApplicationCondition
	unknown    bool // the comparison is not known
	judge      *judge
	after      time.Duration
	drift      []*diff.Item
	err        error
}

// desired is what sources at their revisions ask for.
type desired struct {
	key     string // equal keys, equal targets
	origin  origin
	typ     v1alpha1.ApplicationSourceType   // of a single source
	types   []v1alpha1.ApplicationSourceType // of a list of sources
	targets diff.Targets
	// namespace is the destination namespace when the application manages its metadata and the manifests do not hold it.
	namespace object.Ref
	warnings  []v1alpha1.ApplicationCondition
}

func newRun(req Request, now time.Time) *run {
	app := req.App.DeepCopy()
	return &run{
		Request: req, app: app, origin: originOf(&app.Spec), now: metav1.NewTime(now.Truncate(time.Second)),
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
	if len(s.origin.sources) == 0 {
		return fault.New(fault.Invalid, "the Application has no source; set spec.source or spec.sources")
	}
	if err := s.origin.permit(s.Project); err != nil {
		return err
	}
	dest, err := r.destination(ctx, s)
	if err != nil {
		return err
	}
	s.dest = dest
	if err := s.Project.PermitsDestination(dest.Server, dest.Name, spec.Destination.Namespace); err != nil {
		return err
	}
	if s.nobody != nil {
		s.condition(v1alpha1.ConditionSyncError, "no sync starts: %s", s.nobody)
	}
	return nil
}

// errInvalidSpec says that conditions tell already what is wrong with the spec. Only a change of it can help, so that
// it is not tried again meanwhile.
var errInvalidSpec = fault.New(fault.Invalid, "spec is invalid or not supported: see the condition InvalidSpecError")

// resolve finds the commits that the application's target revisions mean now.
func (r *Reconciler) resolve(ctx context.Context, s *run) error {
	fresh := source.Cached
	if s.Refresh != "" || s.Memory.owesLook() || asksForLatest(s.app) {
		fresh = source.Fresh
	}
	revisions, err := r.revisionsOf(ctx, s.origin, fresh)
	if fresh == source.Fresh {
		// Until the remote has answered, what was seen before must not pass for an answer.
		s.Memory.oweLook(err != nil)
	}
	if err != nil {
		return err
	}
	s.origin = s.origin.at(revisions)
	return nil
}

// asksForLatest reports whether a person just asked for a sync to whatever a branch or tag means now: what was reviewed a
// moment ago on the remote must be what is applied. A full commit, as in a rollback, needs no look at the remote.
func asksForLatest(app *v1alpha1.Application) bool {
	op := app.Operation
	if op == nil || op.Sync == nil || op.InitiatedBy.Automated || namesCommits(op.Sync) {
		return false
	}
	st := app.Status.OperationState
	return st == nil || st.Phase.Completed() || !reflect.DeepEqual(st.Operation, *op)
}

// namesCommits reports whether an operation wants full commits of all sources.
func namesCommits(op *v1alpha1.SyncOperation) bool {
	for _, revision := range op.Revisions {
		if !isCommit(revision) {
			return false
		}
	}
	return len(op.Revisions) > 0 || isCommit(op.Revision)
}

func isCommit(revision string) bool {
	if len(revision) != 40 {
		return false
	}
	return strings.Trim(revision, "0123456789abcdef") == ""
}

func (r *Reconciler) revisionOf(ctx context.Context, req source.Request, fresh source.Freshness) (source.Revision, error) {
	rev, err := r.Source.Resolve(ctx, req, fresh)
	if fault.Is(err, fault.NotFound) && fresh == source.Cached {
		// A branch may be younger than the last look.
		rev, err = r.Source.Resolve(ctx, req, source.Fresh)
	}
	return rev, err
}

// render turns the commits into desired objects.
func (r *Reconciler) render(ctx context.Context, s *run) error {
	err := s.prepare(ctx)
	if err != nil {
		return err
	}
	s.desired, err = r.desire(ctx, s, s.origin)
	if err != nil {
		return err
	}
	s.found = append(s.found, s.desired.warnings...)
	return nil
}

// prepare reaches the cluster and reads the rules of comparison.
func (s *run) prepare(ctx context.Context) error {
	if err := reachable(ctx, s.dest); err != nil {
		return err
	}
	if s.Config.RulesErr != nil {
		return s.Config.RulesErr
	}
	rules, err := s.Config.Rules.With(s.app.Spec.IgnoreDifferences)
	if err != nil {
		return err
	}
	rules.Mutations = diff.HasOption(s.app.Annotations, v1alpha1.AnnotationCompareOptions, "IncludeMutationWebhook=true")
	if p := s.app.Spec.SyncPolicy; p != nil {
		rules.NoValidate = p.SyncOptions.Has("Validate=false")
		rules.NoAdoption = p.SyncOptions.Has("ClientSideApplyMigration=false")
	}
	rules.Migrates = s.app.Annotations[v1alpha1.AnnotationMigrationManager]
	s.rules = rules
	s.Memory.reset(object.Hash([]any{s.app.Spec.IgnoreDifferences, rules.NoValidate, rules.NoAdoption, rules.Migrates, rules.Mutations, s.app.Spec.Destination, s.user, s.Config.Version}))
	if s.Refresh == v1alpha1.RefreshHard {
		s.Memory.forgetVerdicts() // a webhook or a policy may have changed since
	}
	return nil
}

// desire renders sources at their revisions and makes targets of what they give.
func (r *Reconciler) desire(ctx context.Context, s *run, o origin) (desired, error) {
	m, err := r.manifests(ctx, s, o)
	if err != nil {
		return desired{}, err
	}
	out, err := s.desiredOf(m)
	out.origin = o
	return out, err
}

// desiredOf makes targets of manifests.
func (s *run) desiredOf(m rendered) (desired, error) {
	out := desired{key: targetsKey(m.Manifests, s.app), typ: m.Type, types: m.types}
	ns := s.managedNamespace(m.Objects)
	if ns != nil {
		out.namespace = object.RefOf(ns)
	}
	var err error
	if out.targets, err = s.targets(m.Manifests, ns); err != nil {
		return desired{}, err
	}
	out.warnings = append(warnings(m.Manifests, out.targets), s.exclusions(m.Manifests)...)
	return out, nil
}

// manifests renders each source of an origin.
func (r *Reconciler) manifests(ctx context.Context, s *run, o origin) (rendered, error) {
	trees, err := r.trees(ctx, o)
	if err != nil {
		return rendered{}, err
	}
	if s.Refresh == v1alpha1.RefreshHard {
		ctx = render.Anew(ctx)
	}
	refs := o.refs(trees)
	return o.combine(func(i int) (render.Manifests, error) {
		src, rev := o.sources[i], o.revisions[i]
		m, err := r.Renderer.Render(ctx, trees[i], s.renderSpec(s.dest.Cluster, src, rev, refs))
		if err != nil {
			return m, fmt.Errorf("render %s at %s: %w", path(src), rev.Short(), err)
		}
		return m, nil
	})
}

// renderSpec names everything that a render of one source depends on besides its files.
func (q Request) renderSpec(c Cluster, src v1alpha1.ApplicationSource, rev source.Revision, refs render.Refs) render.Spec {
	return render.Spec{
		AppName: q.App.Name, AppNamespace: q.App.Namespace, Project: q.App.Spec.ProjectName(),
		Namespace: q.App.Spec.Destination.Namespace, Source: src, Revision: rev, Refs: refs,
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
	for _, h := range t.Hooks {
		if unknown := diff.UnknownHooks(h); len(unknown) > 0 {
			out = append(out, v1alpha1.ApplicationCondition{
				Type: v1alpha1.ConditionExcludedResourceWarning,
				Message: fmt.Sprintf("hook %s is of unknown type %s and is not run at that time; known are PreSync, Sync, PostSync, SyncFail, "+
					"PreDelete, PostDelete and Skip", object.RefOf(h), strings.Join(unknown, ", ")),
			})
			break // one of them is enough to look
		}
	}
	if len(m.Warnings) > 0 {
		out = append(out, v1alpha1.ApplicationCondition{
			Type: v1alpha1.ConditionExcludedResourceWarning, Message: strings.Join(m.Warnings, "; "),
		})
	}
	return out
}

// exclusions tells which manifests the settings exclude.
func (s *run) exclusions(m render.Manifests) []v1alpha1.ApplicationCondition {
	var first object.Ref
	n := 0
	for _, u := range m.Objects {
		if s.excluded(u.GroupVersionKind().GroupKind()) {
			if n++; n == 1 {
				first = object.RefOf(u)
			}
		}
	}
	if n == 0 {
		return nil
	}
	return []v1alpha1.ApplicationCondition{{
		Type:    v1alpha1.ConditionExcludedResourceWarning,
		Message: fmt.Sprintf("%d object(s) are of kinds that are excluded in the settings and are left alone, first of them: %s", n, first),
	}}
}

// targetsKey names manifests as they are for one application.
func targetsKey(m render.Manifests, app *v1alpha1.Application) string {
	key := m.Key + "\x00" + app.Spec.Destination.Namespace
	if meta := managedMetadata(app); meta != nil {
		key += "\x00" + object.Hash(meta)
	}
	return key
}

// targets prepares manifests, once for each render.
func (s *run) targets(m render.Manifests, namespace *unstructured.Unstructured) (diff.Targets, error) {
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
	manifests := slices.DeleteFunc(slices.Clone(m.Objects), func(u *unstructured.Unstructured) bool {
		return s.excluded(u.GroupVersionKind().GroupKind())
	})
	var own object.Ref
	if namespace != nil {
		manifests, own = append(manifests, namespace), object.RefOf(namespace)
	}
	t, err := diff.NewTargets(manifests, diff.TargetOptions{
		Namespace: s.app.Spec.Destination.Namespace,
		Scope:     scope, KeepsStatus: s.rules.KeepsStatus,
		Track: func(u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
			if object.RefOf(u) == own {
				return u, nil // without the mark, so that neither a prune nor a deletion takes it, and all that is in it
			}
			return s.Config.Tracking.Set(u, s.name, s.app.Spec.Destination.Namespace)
		},
	})
	if !complete {
		key = "" // of use as long as nobody asks for it again
	}
	if err == nil {
		s.Memory.keepTargets(key, t)
	}
	return t, err
}

// managedMetadata returns what the application wants of its destination namespace, nil when it does not manage it.
func managedMetadata(app *v1alpha1.Application) *v1alpha1.ManagedNamespaceMetadata {
	p := app.Spec.SyncPolicy
	if p == nil || !p.SyncOptions.Has("CreateNamespace=true") {
		return nil
	}
	return p.ManagedNamespaceMetadata
}

// managedNamespace returns the destination namespace with its managed metadata, when the application manages it and the
// manifests do not.
func (s *run) managedNamespace(manifests []*unstructured.Unstructured) *unstructured.Unstructured {
	meta, name := managedMetadata(s.app), s.app.Spec.Destination.Namespace
	if meta == nil || name == "" {
		return nil
	}
	ns := namespaceObject(name, meta)
	for _, u := range manifests {
		if u.GroupVersionKind() == ns.GroupVersionKind() && u.GetName() == name {
			return nil
		}
	}
	return ns
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

// viewTimeout bounds the wait for a first look at a kind: one that cannot be read must not hold up other applications.
const viewTimeout = 20 * time.Second

func (s *run) view(ctx context.Context, t diff.Targets) error {
	ctx, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()
	seen := map[schema.GroupVersionKind]bool{}
	var kinds []schema.GroupVersionKind // in the order of the manifests, so that messages are stable
	services := false
	see := func(gvk schema.GroupVersionKind) {
		services = services || gvk.Group == "" && gvk.Kind == "Service"
		if seen[gvk] {
			return
		}
		seen[gvk] = true
		if _, ok := s.dest.Cluster.Kind(gvk.GroupKind(), gvk.Version); ok {
			kinds = append(kinds, gvk)
		}
	}
	for _, o := range t.Objects {
		see(o.Object.GroupVersionKind())
	}
	for _, h := range t.Hooks {
		see(h.GroupVersionKind())
	}
	if err := s.dest.Cluster.Manage(ctx, kinds...); err != nil {
		return fmt.Errorf("read live objects: %w", err)
	}
	for _, gvk := range kinds {
		if err := s.dest.Cluster.Synced(gvk.GroupKind()); err != nil {
			return fmt.Errorf("read live objects: %w", err)
		}
	}
	if services {
		// They only make the health of Services better known; where they may not be read, it is judged without them.
		_ = s.dest.Cluster.Manage(ctx, endpointSlices())
	}
	return nil
}

// reachable waits for the first view of a cluster.
func reachable(ctx context.Context, dest *Destination) error {
	ctx, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()
	if err := dest.Cluster.Ready(ctx); err != nil {
		return fmt.Errorf("cluster %s is not reachable: %w", dest.Server, err)
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
	if st := s.app.Status.Sync; s.origin.isAt(st.Revision, st.Revisions) {
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
	plan, err := diff.Compare(diff.Input{
		Targets: d.targets, Live: s.dest.Cluster.Get, Owned: s.owned(s.dest),
		Rules: s.rules, Memory: s.Memory.diff, Done: s.Memory.wasDone,
	})
	if err != nil {
		return nil, err
	}
	for _, i := range plan.Items {
		// The namespace that CreateNamespace makes is permitted by the rule for destinations.
		if i.Action != diff.Delete && i.Ref != d.namespace {
			i.Forbidden = s.permits(s.dest, i.Ref)
		}
	}
	if err := diff.Confirm(ctx, plan, s.Memory.diff, s.rules, s.dest.Predictor); err != nil {
		return nil, err
	}
	return plan, nil
}

func (s *run) otherOwner(i *diff.Item) (string, bool) {
	if i.Live == nil {
		return "", false
	}
	owner, ok := s.Config.Tracking.OwnerOf(i.Live.Object)
	return owner, ok && owner != s.Config.Tracking.Mark(s.name)
}
