package server

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
)

// ApplicationResourceEventsQuery is of Application.ListResourceEvents.
type ApplicationResourceEventsQuery struct {
	Named             `json:",inline"`
	ResourceNamespace string `query:"resourceNamespace" json:"resourceNamespace,omitempty"`
	ResourceName      string `query:"resourceName" json:"resourceName,omitempty"`
	ResourceUID       string `query:"resourceUID" json:"resourceUID,omitempty"`
}

// ListResourceEvents returns the events of an object of the application, or of the application itself.
func (s *Server) ListResourceEvents(ctx context.Context, q *ApplicationResourceEventsQuery) (*corev1.EventList, error) {
	app, err := s.namedApplication(ctx, q.Named, "get")
	if err != nil {
		return nil, err
	}
	if q.ResourceName == "" && q.ResourceUID == "" {
		return s.eventsOf(ctx, s.Reader, app.Namespace, client.MatchingFields{"involvedObject.name": app.Name, "involvedObject.uid": string(app.UID)})
	}
	nodes, err := s.Engine.Tree(ctx, app)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(nodes, func(n Node) bool {
		return (q.ResourceUID == "" || n.UID == q.ResourceUID) && (q.ResourceName == "" || n.Ref.Name == q.ResourceName) &&
			(q.ResourceNamespace == "" || n.Ref.Namespace == q.ResourceNamespace)
	})
	if at < 0 {
		return nil, fault.New(fault.NotFound, "%s is no object of application %s in the cluster", firstText(q.ResourceName, q.ResourceUID), app.Name)
	}
	dest, err := s.Engine.Destination(ctx, app)
	if err != nil {
		return nil, err
	}
	list, err := s.eventsOf(ctx, dest.Client, nodes[at].Ref.Namespace, client.MatchingFields{"involvedObject.uid": nodes[at].UID})
	return list, dest.explained(err)
}

func (s *Server) eventsOf(ctx context.Context, from client.Reader, namespace string, fields client.MatchingFields) (*corev1.EventList, error) {
	list := &corev1.EventList{}
	if err := from.List(ctx, list, client.InNamespace(namespace), fields); err != nil {
		return nil, kubeFault(err, "list events")
	}
	for i := range list.Items {
		list.Items[i].ManagedFields = nil
		list.Items[i].Message = mask.Text(list.Items[i].Message)
	}
	if list.Items == nil {
		list.Items = []corev1.Event{}
	}
	return list, nil
}
