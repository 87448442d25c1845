package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/reconcile"
	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/source"
)

// engine is what the server reads and compares with: the controller's own stages and its view of the cluster. It implements
// server.Engine.
type engine struct {
	env      *environment
	repos    *repositories
	clusters *clusters
	story    *reconcile.Reconciler
	// direct reads and writes the destination without a cache.
	direct client.WithWatch
	pods   kubernetes.Interface
}

var _ server.Engine = (*engine)(nil)

func newEngine(rc *rest.Config, env *environment, repos *repositories, clusters *clusters, story *reconcile.Reconciler) (*engine, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	direct, err := client.NewWithWatch(rc, client.Options{Scheme: scheme, FieldOwner: "belay"})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster at %s: %w", rc.Host, err)
	}
	pods, err := kubernetes.NewForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster at %s: %w", rc.Host, err)
	}
	return &engine{env: env, repos: repos, clusters: clusters, story: story, direct: direct, pods: pods}, nil
}

// Preview implements server.Engine.
func (e *engine) Preview(ctx context.Context, app *v1alpha1.Application, revisions []string, fresh bool) (*server.Preview, error) {
	project, err := e.env.Project(ctx, app.Spec.ProjectName())
	if err != nil {
		return nil, err
	}
	req := reconcile.Request{App: app, Project: project, Config: e.env.Config(), Memory: reconcile.NewMemory(app.Annotations[reconcile.AnnotationFinished])}
	if fresh {
		req.Refresh = v1alpha1.RefreshNormal
	}
	v, err := e.story.Preview(ctx, req, revisions)
	if err != nil {
		return nil, err
	}
	if err := complete(ctx, e.direct, v.Plan); err != nil {
		return nil, err
	}
	out := &server.Preview{Plan: v.Plan, Targets: v.Targets, Conditions: v.Conditions}
	for _, rev := range v.Revisions {
		out.Revisions = append(out.Revisions, string(rev))
	}
	return out, nil
}

// MaskedAnnotations implements server.Engine.
func (e *engine) MaskedAnnotations() []string { return e.env.current.Load().settings.MaskedAnnotations }

// Commit implements server.Engine.
func (e *engine) Commit(ctx context.Context, src v1alpha1.ApplicationSource, project, revision string) (server.RevisionMetadata, error) {
	if src.Chart != "" || strings.HasPrefix(src.RepoURL, "oci://") {
		return server.RevisionMetadata{}, fault.New(fault.Invalid, "%s is a chart or an artifact, which has no commit", src.RepoURL)
	}
	c, err := e.repos.git.Commit(ctx, source.Request{RepoURL: src.RepoURL, Project: project}, source.Revision(revision))
	if err != nil {
		return server.RevisionMetadata{}, err
	}
	out := server.RevisionMetadata{Author: c.Author, Message: c.Message, Tags: c.Tags}
	if at, err := time.Parse(time.RFC3339, c.Date); err == nil {
		out.Date = metav1.NewTime(at)
	}
	return out, nil
}

// Destination implements server.Engine.
func (e *engine) Destination(ctx context.Context, app *v1alpha1.Application) (server.Destination, error) {
	d, user, err := e.as(ctx, app)
	if err != nil {
		return server.Destination{}, err
	}
	out := server.Destination{Server: d.Server, Name: d.Name, User: user, Client: e.direct, Pods: e.pods.CoreV1()}
	if user != "" {
		objects, pods, err := d.names.caller(user, e.direct.RESTMapper())
		if err != nil {
			return server.Destination{}, err
		}
		out.Client, out.Pods = objects, pods.CoreV1()
	}
	return out, nil
}

// as finds the destination of an application, and as whom people act there through the API server, as in Argo CD 3.5: "" for
// Belay itself.
func (e *engine) as(ctx context.Context, app *v1alpha1.Application) (*destination, string, error) {
	d, err := e.clusters.find(ctx, app.Spec.Destination)
	if err != nil {
		return nil, "", err
	}
	config := e.env.Config()
	if !config.Impersonation.Enabled {
		return d, "", nil
	}
	project, err := e.env.Project(ctx, app.Spec.ProjectName())
	if err != nil {
		return nil, "", err
	}
	user, err := reconcile.Account(reconcile.Request{App: app, Project: project, Config: config}, d.Server)
	return d, user, err
}

// Live implements server.Engine.
func (e *engine) Live(ctx context.Context, app *v1alpha1.Application, ref object.Ref, version string) (*unstructured.Unstructured, error) {
	d, user, err := e.as(ctx, app)
	if err != nil {
		return nil, err
	}
	from := e.direct
	if user != "" {
		if from, _, err = d.names.caller(user, e.direct.RESTMapper()); err != nil {
			return nil, err
		}
	}
	if version == "" {
		k, ok := d.Cluster.Kind(ref.GroupKind(), "")
		if !ok {
			return nil, fault.New(fault.NotFound, "the cluster does not serve %s", ref.GroupKind())
		}
		version = k.Version
	}
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: ref.Group, Version: version, Kind: ref.Kind})
	if err := from.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, u); err != nil {
		right := ""
		if user != "" && apierrors.IsForbidden(err) {
			right = apply.MissingRight(user, err.Error())
		}
		return nil, fault.As(readKind(err), fmt.Errorf("get %s: %w%s", ref, err, right))
	}
	u.SetManagedFields(nil)
	return u, nil
}

// Tree implements server.Engine.
func (e *engine) Tree(ctx context.Context, app *v1alpha1.Application) ([]server.Node, error) {
	d, err := e.clusters.Destination(ctx, app.Spec.Destination)
	if err != nil {
		return nil, err
	}
	if err := d.Cluster.Ready(ctx); err != nil {
		return nil, err
	}
	t := tree{cluster: d.Cluster, tracking: e.env.Config().Tracking, seen: map[string]bool{}}
	t.roots(app, e.clusters.cfg.Namespace)
	t.grow()
	e.orphans(ctx, &t, app)
	return t.nodes, e.judge(ctx, d.Cluster, t.nodes)
}

// readKind says whose problem a failed read of the cluster is.
func readKind(err error) fault.Kind {
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault.Denied
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err), apierrors.IsMethodNotSupported(err):
		return fault.NotFound
	}
	return fault.Transient
}
