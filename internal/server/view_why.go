package server

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
)

// WhyQuery asks why an application is not as it should be.
type WhyQuery struct {
	Name         string `path:"name" json:"name,omitempty"`
	AppNamespace string `query:"appNamespace" json:"appNamespace,omitempty"`
}

// Why explains an application. What cannot be read of the cluster or of Git is left out of the explanation; the last lines of
// logs are for who may read logs.
func (s *Server) Why(ctx context.Context, q *WhyQuery) (*Why, error) {
	app, err := s.application(ctx, q.AppNamespace, q.Name, "get")
	if err != nil {
		return nil, err
	}
	in := insight.WhyInput{App: app, Now: s.Now(), ControlPlane: s.Namespace, Masked: s.Engine.MaskedAnnotations()}
	var p v1alpha1.AppProject
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: app.Spec.ProjectName()}, &p); err == nil {
		if permitted, err := s.permissions(ctx, &p); err == nil {
			in.Windows = permitted.Windows(app)
		}
	}
	if app.Status.Sync.Status == v1alpha1.SyncStatusOutOfSync {
		preview, err := s.Engine.Preview(ctx, app, nil, false)
		if err != nil {
			s.Log.Debug("explain without the plan", "application", app.Namespace+"/"+app.Name, "error", err.Error())
		} else {
			in.Plan = preview.Plan
		}
	}
	nodes, err := s.Engine.Tree(ctx, app)
	if err != nil {
		s.Log.Debug("explain without the tree", "application", app.Namespace+"/"+app.Name, "error", err.Error())
		return insight.Explain(ctx, in, nil), nil
	}
	in.Nodes = insightNodes(nodes)
	destination, err := s.Engine.Destination(ctx, app)
	if err != nil {
		return insight.Explain(ctx, in, nil), nil
	}
	c := &evidence{server: s, app: app, destination: destination, logs: s.Allowed(ctx, "logs", "get", s.rbacObject(app))}
	return insight.Explain(ctx, in, c), nil
}

func insightNodes(nodes []Node) []insight.Node {
	out := make([]insight.Node, 0, len(nodes))
	for _, n := range nodes {
		if !n.Orphaned {
			out = append(out, insight.Node{Ref: n.Ref, Version: n.Version, UID: n.UID, Parents: n.Parents, Created: n.Created, Health: n.Health})
		}
	}
	return out
}

// evidence implements insight.Cluster.
type evidence struct {
	server      *Server
	app         *v1alpha1.Application
	destination Destination
	logs        bool
}

// Read implements insight.Cluster. Besides objects of the application it is asked for the claims that its pods name.
func (e *evidence) Read(ctx context.Context, n insight.Node) (*unstructured.Unstructured, error) {
	return e.server.Engine.Live(ctx, e.app, n.Ref, n.Version)
}

// Events implements insight.Cluster.
func (e *evidence) Events(ctx context.Context, n insight.Node) ([]insight.Event, error) {
	fields := client.MatchingFields{"involvedObject.name": n.Ref.Name, "involvedObject.kind": n.Ref.Kind}
	if n.UID != "" {
		fields = client.MatchingFields{"involvedObject.uid": n.UID}
	}
	var list corev1.EventList
	if err := e.destination.Client.List(ctx, &list, client.InNamespace(n.Ref.Namespace), fields); err != nil {
		return nil, err
	}
	return insight.EventsOf(list.Items), nil
}

// LastLine implements insight.Cluster.
func (e *evidence) LastLine(ctx context.Context, pod insight.Node, container string, previous bool) (string, error) {
	if !e.logs {
		return "", fault.New(fault.Denied, "permission denied: logs")
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	stream, err := e.destination.Pods.Pods(pod.Ref.Namespace).GetLogs(pod.Ref.Name, insight.LastLines(container, previous)).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	return insight.LastLine(stream)
}
