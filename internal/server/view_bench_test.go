package server

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit/configmap"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/sandbox"
	"github.com/belaycd/belay/internal/server/servertest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard()) // of the client that the tests use
	os.Exit(sandbox.Main(m))
}

// viewBench is a namespace of a real cluster, and the services over it with an engine that compares with that cluster. What the
// revisions hold is given by the test in place of a repository.
type viewBench struct {
	*servertest.Cluster
	t      *testing.T
	server *Server
	record *configmap.Store
	git    *revisions
}

// revisions are manifests by revision, and the one that main is at.
type revisions struct {
	mu   sync.Mutex
	main string
	held map[string]string
}

func (r *revisions) commit(sha, manifests string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.main, r.held[sha] = sha, manifests
}

type viewAccess struct{}

func (viewAccess) Allows(c Caller, _, action, _ string) bool {
	return c.Name == "admin" || c.Name == "reader" && action == "get"
}

func newViewBench(t *testing.T) *viewBench {
	t.Helper()
	b := &viewBench{Cluster: servertest.New(t), t: t, git: &revisions{held: map[string]string{}}}
	log := slog.New(slog.DiscardHandler)
	b.record = configmap.New(configmap.Options{Client: b.Client, Reader: b.Client, Namespace: b.Namespace, Now: time.Now, Log: log, Writer: "test"})
	b.server = New(Options{
		Client: b.Client, Reader: b.Client, Namespace: b.Namespace, Access: viewAccess{}, Now: time.Now, Log: log, Recorder: b.record, Audit: b.record,
		Engine: &viewEngine{client: b.Client, pods: b.Kube, git: b.git},
	})
	p := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "default", Namespace: b.Namespace}}
	if err := b.Client.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *viewBench) as(name string) context.Context {
	return WithCaller(b.t.Context(), Caller{Name: name, Address: "192.0.2.7"})
}

func (b *viewBench) app(name string, change func(*v1alpha1.Application)) {
	b.t.Helper()
	b.App(name, func(app *v1alpha1.Application) {
		app.Spec.Source = &v1alpha1.ApplicationSource{RepoURL: "https://github.com/example/deploy.git", Path: "web/overlays/dev", TargetRevision: "main"}
		if change != nil {
			change(app)
		}
	})
}

// apply writes manifests as a sync would have.
func (b *viewBench) apply(manifests, manager string) {
	b.t.Helper()
	for _, u := range documents(b.t, manifests) {
		u.SetNamespace(b.Namespace)
		if err := b.Client.Apply(b.t.Context(), client.ApplyConfigurationFromUnstructured(u), client.ForceOwnership, client.FieldOwner(manager)); err != nil {
			b.t.Fatal(err)
		}
	}
}

type failer interface {
	Helper()
	Fatal(args ...any)
}

func documents(t failer, manifests string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, doc := range strings.Split(manifests, "---\n") {
		u := &unstructured.Unstructured{}
		raw, err := yaml.YAMLToJSON([]byte(doc))
		if err == nil {
			err = u.UnmarshalJSON(raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, u)
	}
	return out
}

// viewEngine implements Engine: what is compared is real, where manifests come from is not.
type viewEngine struct {
	client client.WithWatch
	pods   kubernetes.Interface
	git    *revisions
}

type panics struct{}

func (panics) Helper()           {}
func (panics) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

func (e *viewEngine) Preview(ctx context.Context, app *v1alpha1.Application, wanted []string, _ bool) (*Preview, error) {
	e.git.mu.Lock()
	at := e.git.main
	if len(wanted) > 0 && wanted[0] != "" {
		at = wanted[0]
	}
	text, found := e.git.held[at]
	e.git.mu.Unlock()
	if !found {
		return nil, fault.New(fault.NotFound, "revision %s does not exist", at)
	}
	targets, err := diff.NewTargets(documents(panics{}, text), diff.TargetOptions{
		Namespace: app.Spec.Destination.Namespace,
		Scope:     func(schema.GroupVersionKind) (bool, bool) { return true, true },
		Track:     func(u *unstructured.Unstructured) (*unstructured.Unstructured, error) { return u, nil },
	})
	if err != nil {
		return nil, err
	}
	rules, err := diff.NewRules(diff.Options{})
	if err != nil {
		return nil, err
	}
	live := func(ref object.Ref) (*object.Live, bool) {
		for _, t := range targets.Objects {
			if t.Ref == ref {
				l, err := e.Read(ctx, t.Object)
				return l, err == nil
			}
		}
		return nil, false
	}
	memory := diff.NewMemory()
	plan, err := diff.Compare(diff.Input{Targets: targets, Live: live, Rules: rules, Memory: memory})
	if err != nil {
		return nil, err
	}
	if err := diff.Confirm(ctx, plan, memory, rules, e); err != nil {
		return nil, err
	}
	return &Preview{Revisions: []string{at}, Plan: plan, Targets: targets}, nil
}

// Read implements diff.Predictor.
func (e *viewEngine) Read(ctx context.Context, like *unstructured.Unstructured) (*object.Live, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(like.GroupVersionKind())
	if err := e.client.Get(ctx, client.ObjectKeyFromObject(like), u); err != nil {
		return nil, err
	}
	return object.NewLive(u), nil
}

// Predict implements diff.Predictor.
func (e *viewEngine) Predict(ctx context.Context, desired *unstructured.Unstructured, _ bool) (*unstructured.Unstructured, error) {
	u := desired.DeepCopy()
	err := e.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.DryRunAll, client.ForceOwnership, client.FieldOwner(v1alpha1.FieldManager))
	return u, err
}

func (e *viewEngine) Tree(ctx context.Context, app *v1alpha1.Application) ([]Node, error) {
	var out []Node
	for _, kind := range []schema.GroupVersionKind{{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "apps", Version: "v1", Kind: "ReplicaSet"}, {Version: "v1", Kind: "Pod"}} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := e.client.List(ctx, list, client.InNamespace(app.Spec.Destination.Namespace)); err != nil {
			return nil, err
		}
		for i := range list.Items {
			u := &list.Items[i]
			n := Node{Ref: object.RefOf(u), Version: kind.Version, UID: string(u.GetUID()), Created: u.GetCreationTimestamp().Time}
			for _, o := range u.GetOwnerReferences() {
				n.Parents = append(n.Parents, string(o.UID))
			}
			out = append(out, n)
		}
	}
	return out, nil
}

func (e *viewEngine) Live(ctx context.Context, _ *v1alpha1.Application, ref object.Ref, version string) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(ref.GroupKind().WithVersion(version))
	return u, e.client.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, u)
}

func (e *viewEngine) Destination(context.Context, *v1alpha1.Application) (Destination, error) {
	return Destination{Client: e.client, Pods: e.pods.CoreV1()}, nil
}

func (e *viewEngine) Commit(_ context.Context, _ v1alpha1.ApplicationSource, _, revision string) (RevisionMetadata, error) {
	return RevisionMetadata{Author: "Ada", Message: "change " + revision[:1] + "\n\nbody"}, nil
}

func (e *viewEngine) MaskedAnnotations() []string { return nil }
