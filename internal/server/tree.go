package server

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// ResourcesQuery is of Application.ResourceTree, WatchResourceTree and ManagedResources.
type ResourcesQuery struct {
	ApplicationName string `path:"name" json:"applicationName,omitempty"`
	AppNamespace    string `query:"appNamespace" json:"appNamespace,omitempty"`
	Project         string `query:"project" json:"project,omitempty"`
	Group           string `query:"group" json:"group,omitempty"`
	Version         string `query:"version" json:"version,omitempty"`
	Kind            string `query:"kind" json:"kind,omitempty"`
	Namespace       string `query:"namespace" json:"namespace,omitempty"`
	Name            string `query:"name" json:"name,omitempty"`
}

func (q *ResourcesQuery) application() Named {
	return Named{Name: q.ApplicationName, AppNamespace: q.AppNamespace, Project: q.Project}
}

// matches reports whether the query selects an object; what it leaves open selects all.
func (q *ResourcesQuery) matches(r object.Ref) bool {
	return (q.Group == "" || q.Group == r.Group) && (q.Kind == "" || q.Kind == r.Kind) &&
		(q.Namespace == "" || q.Namespace == r.Namespace) && (q.Name == "" || q.Name == r.Name)
}

// ApplicationTree are the objects of an application, each with its parents.
type ApplicationTree struct {
	Nodes         []ResourceNode `json:"nodes,omitempty"`
	OrphanedNodes []ResourceNode `json:"orphanedNodes,omitempty"`
}

// NodeRef names an object of a tree. It is Argo CD's ResourceRef.
type NodeRef struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version,omitempty"`
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	UID       string `json:"uid,omitempty"`
}

// ResourceNode is an object of a tree.
type ResourceNode struct {
	NodeRef         `json:",inline"`
	ParentRefs      []NodeRef              `json:"parentRefs,omitempty"`
	Info            []InfoItem             `json:"info,omitempty"`
	ResourceVersion string                 `json:"resourceVersion,omitempty"`
	Images          []string               `json:"images,omitempty"`
	Health          *v1alpha1.HealthStatus `json:"health,omitempty"`
	CreatedAt       *metav1.Time           `json:"createdAt,omitempty"`
}

// InfoItem is a line about a node.
type InfoItem struct {
	Name  string `json:"name,omitempty"`
	Value string `json:"value,omitempty"`
}

// ResourceTree returns the objects of an application and all that these own.
func (s *Server) ResourceTree(ctx context.Context, q *ResourcesQuery) (*ApplicationTree, error) {
	app, err := s.namedApplication(ctx, q.application(), "get")
	if err != nil {
		return nil, err
	}
	return s.tree(ctx, app)
}

func (s *Server) tree(ctx context.Context, app *v1alpha1.Application) (*ApplicationTree, error) {
	nodes, err := s.Engine.Tree(ctx, app)
	if err != nil {
		return nil, err
	}
	refs := make(map[string]NodeRef, len(nodes))
	for i := range nodes {
		refs[nodes[i].UID] = nodeRef(&nodes[i])
	}
	out := &ApplicationTree{}
	for i := range nodes {
		n := resourceNode(&nodes[i], refs)
		if nodes[i].Orphaned {
			out.OrphanedNodes = append(out.OrphanedNodes, n)
		} else {
			out.Nodes = append(out.Nodes, n)
		}
	}
	for _, list := range [][]ResourceNode{out.Nodes, out.OrphanedNodes} {
		slices.SortFunc(list, func(a, b ResourceNode) int {
			return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
		})
	}
	return out, nil
}

func nodeRef(n *Node) NodeRef {
	return NodeRef{Group: n.Ref.Group, Version: n.Version, Kind: n.Ref.Kind, Namespace: n.Ref.Namespace, Name: n.Ref.Name, UID: n.UID}
}

// resourceNode is a node as callers see it. It holds no field of the object but those that are named here.
func resourceNode(n *Node, refs map[string]NodeRef) ResourceNode {
	out := ResourceNode{NodeRef: nodeRef(n)}
	for _, uid := range n.Parents {
		if parent, ok := refs[uid]; ok {
			out.ParentRefs = append(out.ParentRefs, parent)
		}
	}
	if n.Health.Status != "" {
		health := n.Health
		out.Health = &health
	}
	if !n.Created.IsZero() {
		created := metav1.NewTime(n.Created)
		out.CreatedAt = &created
	}
	if n.Object != nil {
		out.ResourceVersion = n.Object.GetResourceVersion()
		out.Images = object.Images(n.Object)
		out.Info = infoOf(n.Ref, n.Object)
	}
	return out
}

// infoOf are the lines about a node that Argo CD's pages show beside it.
func infoOf(ref object.Ref, u *unstructured.Unstructured) []InfoItem {
	var info []InfoItem
	if revision := u.GetAnnotations()["deployment.kubernetes.io/revision"]; revision != "" && ref.Kind == "ReplicaSet" {
		info = append(info, InfoItem{"Revision", "Rev:" + revision})
	}
	if ref.Group != "" || ref.Kind != "Pod" {
		return info
	}
	phase, _, _ := unstructured.NestedString(u.Object, "status", "phase")
	statuses, _, _ := unstructured.NestedSlice(u.Object, "status", "containerStatuses")
	ready, restarts := 0, int64(0)
	for _, entry := range statuses {
		container, _ := entry.(map[string]any)
		if ok, _ := container["ready"].(bool); ok {
			ready++
		}
		n, _ := container["restartCount"].(int64)
		restarts += n
		if reason, _, _ := unstructured.NestedString(container, "state", "waiting", "reason"); reason != "" {
			phase = reason
		}
	}
	if phase != "" {
		info = append(info, InfoItem{"Status Reason", phase})
	}
	if node, _, _ := unstructured.NestedString(u.Object, "spec", "nodeName"); node != "" {
		info = append(info, InfoItem{"Node", node})
	}
	if containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "containers"); len(containers) > 0 {
		info = append(info, InfoItem{"Containers", strconv.Itoa(ready) + "/" + strconv.Itoa(len(containers))})
	}
	if restarts > 0 {
		info = append(info, InfoItem{"Restart Count", strconv.FormatInt(restarts, 10)})
	}
	return info
}
