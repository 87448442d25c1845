package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/live"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// view is a cluster as the watch cache shows it.
type view struct {
	Cluster
	objects []*object.Live // in view as objects of the application, whatever they say by now
	unseen  map[string]error
}

func (v view) Ready(context.Context) error                              { return nil }
func (v view) Manage(context.Context, ...schema.GroupVersionKind) error { return nil }
func (v view) Owned(string) []*object.Live                              { return v.objects }
func (v view) Synced(gk schema.GroupKind) error                         { return v.unseen[gk.Kind] }
func (v view) Get(object.Ref) (*object.Live, bool)                      { return nil, false }
func (v view) Kind(gk schema.GroupKind, _ string) (live.Kind, bool) {
	return live.Kind{Namespaced: gk.Kind != "Namespace" && gk.Kind != "ClusterRole"}, true
}

// eraser notes what is deleted.
type eraser struct {
	apply.Writer
	deleted []string
	refuses map[string]error
}

func (e *eraser) Delete(_ context.Context, l *object.Live, _ string, _ bool) error {
	e.deleted = append(e.deleted, l.Ref().String())
	return e.refuses[l.Object.GetName()]
}

// place is the only destination.
type place struct {
	view   view
	writer *eraser
	err    error
}

func (p place) Destination(context.Context, v1alpha1.ApplicationDestination) (*Destination, error) {
	return &Destination{Server: v1alpha1.InClusterServer, Cluster: p.view, Writer: p.writer}, p.err
}

// mine returns an object that bears the mark of application shop; annotations are key=value.
func mine(kind, namespace, name string, annotations ...string) *object.Live {
	version := map[string]string{"Application": "argoproj.io/v1alpha1", "ClusterRole": "rbac.authorization.k8s.io/v1"}[kind]
	if version == "" {
		version = "v1"
	}
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name}}}
	if namespace != "" {
		u.SetNamespace(namespace)
	}
	u, err := object.Tracking{}.Set(u, "shop", "shop")
	if err != nil {
		panic(err)
	}
	all := u.GetAnnotations()
	for _, a := range annotations {
		k, v, _ := strings.Cut(a, "=")
		all[k] = v
	}
	u.SetAnnotations(all)
	return object.NewLive(u)
}

func shop(change ...func(*v1alpha1.Application)) *v1alpha1.Application {
	a := &v1alpha1.Application{
		ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "shop"},
		Spec: v1alpha1.ApplicationSpec{
			Source:      &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/shop.git", Path: "."},
			Destination: v1alpha1.ApplicationDestination{Server: v1alpha1.InClusterServer, Namespace: "shop"},
		},
	}
	for _, f := range change {
		f(a)
	}
	return a
}

func team() *project.Project {
	return project.New(&v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: v1alpha1.AppProjectSpec{
		SourceRepos:                []string{"*"},
		Destinations:               []v1alpha1.ApplicationDestination{{Server: "*", Namespace: "shop"}},
		NamespaceResourceBlacklist: []metav1.GroupKind{{Kind: "ServiceAccount"}},
	}})
}

// TestOnlyTheApplicationsOwnIsPruned: what is in view as the application's may not be its own by the settings of now.
func TestOnlyTheApplicationsOwnIsPruned(t *testing.T) {
	objects := []*object.Live{
		mine("ConfigMap", "shop", "old"),
		mine("Secret", "shop", "excluded"),
		mine("ConfigMap", "elsewhere", "out-of-bounds"),
		mine("ClusterRole", "", "not-permitted"),
		mine("ServiceAccount", "shop", "forbidden"),
		mine("Application", "argocd", "shop"),
		mine("ConfigMap", "shop", "other", v1alpha1.AnnotationTrackingID+"=other:/ConfigMap:shop/other"),
	}
	req := Request{
		App: shop(), Project: team(), Memory: NewMemory(""),
		Config: Config{ControllerNamespace: "argocd", Excluded: func(group, kind string) bool { return kind == "Secret" }},
	}
	s := newRun(req, time.Unix(0, 0))
	s.dest = &Destination{Server: v1alpha1.InClusterServer, Cluster: view{objects: objects}}
	plan, err := s.comparePlan(t.Context(), desired{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range plan.Items {
		got = append(got, string(i.Action)+" "+i.Ref.String())
	}
	if d := cmp.Diff([]string{"delete ConfigMap/shop/old"}, got); d != "" {
		t.Errorf("plan (-want +got):\n%s", d)
	}
	if len(objects) != 7 || objects[0] == nil {
		t.Error("the view of the cluster was changed")
	}
}

// away is a source that nobody reaches.
type away struct{ source.Source }

func (away) Resolve(context.Context, source.Request, source.Freshness) (source.Revision, error) {
	return "", fault.New(fault.Transient, "the repository is away")
}

func TestRemove(t *testing.T) {
	foreground := func(a *v1alpha1.Application) { a.Finalizers = []string{v1alpha1.FinalizerResources} }
	option := func(o string) func(*v1alpha1.Application) {
		return func(a *v1alpha1.Application) {
			a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{SyncOptions: v1alpha1.SyncOptions{o}}
		}
	}
	knows := func(a *v1alpha1.Application) {
		a.Status.Resources = []v1alpha1.ResourceStatus{{Kind: "Secret", Namespace: "shop", Name: "s"}}
	}
	a, b := mine("ConfigMap", "shop", "a"), mine("ConfigMap", "shop", "b")
	late := mine("ConfigMap", "shop", "late", v1alpha1.AnnotationSyncWave+"=3")
	for _, tc := range []struct {
		reason  string
		app     *v1alpha1.Application
		place   place
		orphan  bool // the project is gone
		deleted []string
		held    bool   // the finalizer stays
		told    string // a part of the condition
	}{
		{reason: "objects go, then the finalizer", app: shop(foreground), place: place{view: view{objects: []*object.Live{a, b}}},
			deleted: []string{"ConfigMap/shop/a", "ConfigMap/shop/b"}, held: true},
		{reason: "nothing is left", app: shop(foreground)},
		{reason: "the last wave goes first", app: shop(foreground), place: place{view: view{objects: []*object.Live{a, late}}},
			deleted: []string{"ConfigMap/shop/late"}, held: true},
		{reason: "one that cannot be deleted does not keep the others", app: shop(foreground),
			place:   place{view: view{objects: []*object.Live{a, b}}, writer: &eraser{refuses: map[string]error{"a": errors.New("a is held")}}},
			deleted: []string{"ConfigMap/shop/a", "ConfigMap/shop/b"}, held: true, told: "a is held"},
		{reason: "the application is among its own objects", app: shop(foreground),
			place: place{view: view{objects: []*object.Live{mine("Application", "argocd", "shop")}}}},
		{reason: "what the project does not permit stays", app: shop(foreground),
			place: place{view: view{objects: []*object.Live{mine("ConfigMap", "elsewhere", "c")}}}},
		{reason: "without its project nobody knows what may go", app: shop(foreground), orphan: true,
			place: place{view: view{objects: []*object.Live{a}}}, held: true, told: "project default does not exist"},
		{reason: "what cannot be seen is not left behind", app: shop(foreground, knows),
			place: place{view: view{unseen: map[string]error{"Secret": fault.New(fault.Denied, "may not list")}}}, held: true, told: "may not list"},
		{reason: "a kind that is not served any more has no objects", app: shop(foreground, knows),
			place: place{view: view{unseen: map[string]error{"Secret": fault.New(fault.NotFound, "not served")}}}},
		{reason: "the application says that its objects stay", app: shop(foreground, option("Delete=false")),
			place: place{view: view{objects: []*object.Live{a}}}},
		{reason: "an object may say otherwise", app: shop(foreground, option("Delete=false")),
			place:   place{view: view{objects: []*object.Live{mine("ConfigMap", "shop", "a", v1alpha1.AnnotationSyncOptions+"=Delete=true")}}},
			deleted: []string{"ConfigMap/shop/a"}, held: true},
		{reason: "the application asks for confirmation", app: shop(foreground, option("Delete=confirm")),
			place: place{view: view{objects: []*object.Live{a}}}, held: true, told: "waiting for deletion confirmation of ConfigMap/shop/a"},
		{reason: "nothing goes before the hooks that come first, and they cannot be read", held: true,
			told: "PreDelete hooks cannot be run: the repository is away; to delete without them, remove " + v1alpha1.FinalizerPreDelete,
			app: shop(func(a *v1alpha1.Application) {
				a.Finalizers = []string{v1alpha1.FinalizerResources, v1alpha1.FinalizerPreDelete}
			}),
			place: place{view: view{objects: []*object.Live{a}}}},
		{reason: "a destination that nobody knows", app: shop(foreground), place: place{err: fault.New(fault.NotFound, "unknown")}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			now := metav1.NewTime(time.Unix(1000, 0))
			tc.app.DeletionTimestamp = &now
			if tc.place.writer == nil {
				tc.place.writer = &eraser{}
			}
			r := &Reconciler{Source: away{}, Destinations: tc.place, Now: func() time.Time { return now.Time }}
			req := Request{App: tc.app, Memory: NewMemory(""), Config: Config{ControllerNamespace: "argocd"}}
			if !tc.orphan {
				req.Project = team()
			}
			res := r.Reconcile(t.Context(), req)
			if d := cmp.Diff(tc.deleted, tc.place.writer.deleted); d != "" {
				t.Errorf("deleted (-want +got):\n%s", d)
			}
			if held := slices.Contains(res.App.Finalizers, v1alpha1.FinalizerResources); held != tc.held {
				t.Errorf("finalizers %v, want it held: %v", res.App.Finalizers, tc.held)
			}
			text := ""
			for _, c := range res.App.Status.Conditions {
				text += string(c.Type) + ": " + c.Message + "\n"
			}
			if (tc.told == "") != (text == "") || !strings.Contains(text, tc.told) {
				t.Errorf("conditions %q, want %q", text, tc.told)
			}
		})
	}
}

// TestManagedNamespace: the namespace of managedNamespaceMetadata is compared but never the application's to delete.
func TestManagedNamespace(t *testing.T) {
	managed := func(a *v1alpha1.Application) {
		a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{
			Automated: &v1alpha1.SyncPolicyAutomated{Prune: true}, SyncOptions: v1alpha1.SyncOptions{"CreateNamespace=true"},
			ManagedNamespaceMetadata: &v1alpha1.ManagedNamespaceMetadata{Labels: map[string]string{"team": "shop"}},
		}
	}
	s := newRun(Request{App: shop(managed), Project: team(), Memory: NewMemory(""), Config: Config{ControllerNamespace: "argocd"}}, time.Unix(0, 0))
	s.dest = &Destination{Server: v1alpha1.InClusterServer, Cluster: view{objects: []*object.Live{mine("ConfigMap", "shop", "old")}}}

	ns := s.managedNamespace(nil)
	targets, err := s.targets(render.Manifests{Key: "k"}, ns)
	if err != nil || len(targets.Objects) != 1 {
		t.Fatalf("targets %v, %v, want the namespace", targets.Objects, err)
	}
	if _, marked := s.Config.Tracking.OwnerOf(targets.Objects[0].Object); marked {
		t.Error("the namespace bears the application's mark: a prune would take it and all that is in it")
	}
	s.desired = desired{targets: targets, namespace: targets.Objects[0].Ref}
	plan := &diff.Plan{Items: []*diff.Item{
		{Ref: s.desired.namespace, Action: diff.None, Desired: ns},
		{Ref: object.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "old"}, Action: diff.Delete, Live: mine("ConfigMap", "shop", "old")},
	}}
	d := decideAutoSync(autoInput{app: s.app, plan: plan, origin: s.origin.at([]source.Revision{"c1"}), namespace: s.desired.namespace})
	if d.operation != nil || !strings.Contains(d.problem, "wipe out") {
		t.Errorf("an emptied repository: operation %v, problem %q, want the refusal to wipe out", d.operation, d.problem)
	}

	key := targetsKey(render.Manifests{Key: "k"}, s.app)
	s.app.Spec.SyncPolicy.ManagedNamespaceMetadata.Labels["team"] = "other"
	if targetsKey(render.Manifests{Key: "k"}, s.app) == key {
		t.Error("other metadata is taken for what was prepared")
	}
	if own := s.managedNamespace([]*unstructured.Unstructured{namespaceObject("shop", nil)}); own != nil {
		t.Error("the namespace in the manifests is not the one that counts")
	}
}
