package rest_test

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/server"
)

// engine compares given manifests with the real objects of the cluster. Rendering is not what these tests are about; the
// objects, their secrets, and what is done to them are real.
type engine struct {
	client    client.WithWatch
	kube      kubernetes.Interface
	manifests []*unstructured.Unstructured
	commit    server.RevisionMetadata
}

func (e *engine) Preview(ctx context.Context, app *v1alpha1.Application, revisions []string, _ bool) (*server.Preview, error) {
	if n := len(app.Spec.GetSources()); len(revisions) > 0 && len(revisions) != n {
		return nil, fault.New(fault.Invalid, "%d revisions for %d sources", len(revisions), n)
	}
	p := &server.Preview{Revisions: []string{"0123456789012345678901234567890123456789"}, Plan: &diff.Plan{}}
	for _, want := range e.manifests {
		ref := object.RefOf(want)
		item := &diff.Item{Ref: ref, Action: diff.Create, Desired: want, Reason: "is not in the cluster"}
		have, err := e.get(ctx, ref, want.GroupVersionKind().Version)
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		if err == nil {
			item.Live = object.NewLive(have)
			item.Action, item.Reason = diff.Update, "differs"
			item.Changes = diff.Fields(have.Object, want.Object)
		}
		p.Plan.Items = append(p.Plan.Items, item)
		p.Targets.Objects = append(p.Targets.Objects, diff.Target{Ref: ref, Object: want})
	}
	return p, nil
}

func (e *engine) get(ctx context.Context, ref object.Ref, version string) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: ref.Group, Version: version, Kind: ref.Kind})
	return u, e.client.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, u)
}

func (e *engine) Tree(ctx context.Context, _ *v1alpha1.Application) ([]server.Node, error) {
	var nodes []server.Node
	for _, want := range e.manifests {
		ref, version := object.RefOf(want), want.GroupVersionKind().Version
		u, err := e.get(ctx, ref, version)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, server.Node{Ref: ref, Version: version, UID: string(u.GetUID()), Created: u.GetCreationTimestamp().Time, Object: u,
			Health: v1alpha1.HealthStatus{Status: v1alpha1.HealthHealthy}})
	}
	return nodes, nil
}

func (e *engine) Live(ctx context.Context, _ *v1alpha1.Application, ref object.Ref, version string) (*unstructured.Unstructured, error) {
	u, err := e.get(ctx, ref, version)
	if err != nil {
		return nil, fault.New(fault.NotFound, "get %s: %w", ref, err)
	}
	return u, nil
}

func (e *engine) Destination(context.Context, *v1alpha1.Application) (server.Destination, error) {
	return server.Destination{Server: v1alpha1.InClusterServer, Client: e.client, Pods: e.kube.CoreV1()}, nil
}

func (e *engine) Commit(context.Context, v1alpha1.ApplicationSource, string, string) (server.RevisionMetadata, error) {
	return e.commit, nil
}

func (e *engine) MaskedAnnotations() []string { return []string{maskedAnnotation} }

const maskedAnnotation = "example.com/token"

// objects of the fixture's application: a Deployment, a ConfigMap, a CronJob, a Pod and a Secret with the given value.
func fixtureObjects(namespace, value string) []*unstructured.Unstructured {
	pod := map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"app": "web"}},
		"spec":     map[string]any{"containers": []any{map[string]any{"name": "web", "image": "registry.example.com/web:1"}}},
	}
	meta := func(name string) map[string]any { return map[string]any{"name": name, "namespace": namespace} }
	secret := meta("db")
	secret["annotations"] = map[string]any{maskedAnnotation: value, corev1.LastAppliedConfigAnnotation: fmt.Sprintf(`{"stringData":{"password":%q}}`, value)}
	job := map[string]any{"spec": map[string]any{"template": map[string]any{
		"spec": map[string]any{"restartPolicy": "Never", "containers": []any{map[string]any{"name": "job", "image": "registry.example.com/job:1"}}},
	}}}
	var out []*unstructured.Unstructured
	for _, o := range []map[string]any{
		{"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("settings"), "data": map[string]any{"mode": "fast"}},
		{"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": map[string]any{"password": value}},
		{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("web"), "spec": map[string]any{
			"replicas": int64(1), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}, "template": pod}},
		{"apiVersion": "batch/v1", "kind": "CronJob", "metadata": meta("nightly"), "spec": map[string]any{"schedule": "0 3 * * *", "jobTemplate": job}},
		{"apiVersion": "v1", "kind": "Pod", "metadata": meta("lone"), "spec": pod["spec"]},
	} {
		out = append(out, &unstructured.Unstructured{Object: o})
	}
	return out
}

// fixture makes the application shop of the project dev and its objects, whatever of them is missing, and takes a running
// operation away.
func (b *bench) fixture(value string) {
	b.t.Helper()
	ctx := b.t.Context()
	e := b.engine
	if e.manifests == nil {
		e.manifests = fixtureObjects(b.Namespace, value)
	}
	ensure := func(o client.Object) {
		if err := b.Client.Create(ctx, o); err != nil && !apierrors.IsAlreadyExists(err) {
			b.t.Fatal(err)
		}
	}
	ensure(&v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "dev", Namespace: b.Namespace}, Spec: v1alpha1.AppProjectSpec{
		SourceRepos: []string{"*"}, Destinations: []v1alpha1.ApplicationDestination{{Server: "*", Namespace: "*"}},
	}})
	ensure(&v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "empty", Namespace: b.Namespace}})
	for _, u := range e.manifests {
		ensure(u.DeepCopy())
	}
	for {
		app := &v1alpha1.Application{}
		err := b.Client.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: "shop"}, app)
		switch {
		case apierrors.IsNotFound(err):
			b.App("shop", func(a *v1alpha1.Application) {
				a.Spec.Project = "dev"
				a.Status.History = history()
			})
			return
		case err != nil:
			b.t.Fatal(err)
		}
		if app.Operation == nil && len(app.Finalizers) == 0 && len(app.Status.History) > 0 {
			return
		}
		app.Operation, app.Finalizers, app.Status.History = nil, nil, history()
		if err := b.Client.Update(ctx, app); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			b.t.Fatal(err)
		}
	}
}

func history() v1alpha1.RevisionHistories {
	var out v1alpha1.RevisionHistories
	for i := range 2 {
		out = append(out, v1alpha1.RevisionHistory{ID: int64(i + 1), Revision: fmt.Sprintf("%040d", i), DeployedAt: metav1.Unix(1_700_000_000, 0),
			Source: v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/deploy.git", Path: "app", TargetRevision: "main"}})
	}
	return out
}
