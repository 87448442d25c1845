package server

import (
	"context"

	"github.com/belaycd/belay/api/v1alpha1"
)

// TreeTable are the nodes of an ApplicationTree by columns. Numbers stand for texts, and where it is said for lists of texts.
type TreeTable struct {
	Texts []string    `json:"texts"`
	Lists [][]int     `json:"lists"`
	Nodes NodeColumns `json:"nodes"`
	// Orphaned is how many of the nodes, at the end, belong to no application.
	Orphaned int `json:"orphaned"`
}

// NodeColumns have a number for each node.
type NodeColumns struct {
	Group     []int `json:"group"`
	Version   []int `json:"version"`
	Kind      []int `json:"kind"`
	Namespace []int `json:"namespace"`
	Name      []int `json:"name"`
	UID       []int `json:"uid"`
	// Parents are lists of the UIDs of nodes.
	Parents         []int `json:"parents"`
	CreatedAt       []int `json:"createdAt"`
	ResourceVersion []int `json:"resourceVersion"`
	Health          []int `json:"health"`
	HealthMessage   []int `json:"healthMessage"`
	// Images are lists; Info are lists of names and values in turn.
	Images []int `json:"images"`
	Info   []int `json:"info"`
}

// ResourceTable returns what ResourceTree does, by columns.
func (s *Server) ResourceTable(ctx context.Context, q *ResourcesQuery) (*TreeTable, error) {
	tree, err := s.ResourceTree(ctx, q)
	if err != nil {
		return nil, err
	}
	return treeTable(tree), nil
}

func treeTable(tree *ApplicationTree) *TreeTable {
	t := newTexts()
	out := &TreeTable{Orphaned: len(tree.OrphanedNodes)}
	for _, list := range [][]ResourceNode{tree.Nodes, tree.OrphanedNodes} {
		for i := range list {
			out.Nodes.add(&list[i], t)
		}
	}
	out.Texts, out.Lists = t.list, t.lists
	return out
}

func (c *NodeColumns) add(n *ResourceNode, t *texts) {
	var parents, info []string
	for _, p := range n.ParentRefs {
		parents = append(parents, p.UID)
	}
	for _, line := range n.Info {
		info = append(info, line.Name, line.Value)
	}
	health := v1alpha1.HealthStatus{}
	if n.Health != nil {
		health = *n.Health
	}
	for _, cell := range []struct {
		column *[]int
		value  int
	}{
		{&c.Group, t.of(n.Group)}, {&c.Version, t.of(n.Version)}, {&c.Kind, t.of(n.Kind)}, {&c.Namespace, t.of(n.Namespace)}, {&c.Name, t.of(n.Name)},
		{&c.UID, t.of(n.UID)}, {&c.Parents, t.set(parents...)}, {&c.CreatedAt, t.time(n.CreatedAt)}, {&c.ResourceVersion, t.of(n.ResourceVersion)},
		{&c.Health, t.of(string(health.Status))}, {&c.HealthMessage, t.of(health.Message)}, {&c.Images, t.set(n.Images...)}, {&c.Info, t.set(info...)},
	} {
		*cell.column = append(*cell.column, cell.value)
	}
}
