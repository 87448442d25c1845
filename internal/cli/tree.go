package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/object"
)

// node is an object of an application or one that such an object owns.
type node struct {
	ref      object.Ref
	version  string
	uid      types.UID
	created  time.Time
	status   string
	health   string
	message  string
	children []*node
}

// maxDepth bounds chains of owners, which can be cyclic.
const maxDepth = 16

// tree reads what the objects of an application own. skipped names kinds that could not be read.
func (c *Connection) tree(ctx context.Context, app *v1alpha1.Application) (roots []*node, skipped []string, err error) {
	if err := refuseRemote(app); err != nil {
		return nil, nil, err
	}
	roots = rootsOf(app)
	kinds, err := c.namespacedKinds()
	if err != nil {
		return nil, nil, err
	}
	items, skipped, err := c.metadata(ctx, kinds, namespacesOf(roots))
	if err != nil {
		return nil, nil, err
	}
	owned := grow(roots, items)
	return roots, skipped, c.assess(ctx, owned)
}

func rootsOf(app *v1alpha1.Application) []*node {
	roots := make([]*node, len(app.Status.Resources))
	for i := range app.Status.Resources {
		r := &app.Status.Resources[i]
		roots[i] = &node{ref: refOf(r), version: r.Version, status: string(r.Status), health: healthWord(r)}
		if r.Health != nil {
			roots[i].message = r.Health.Message
		}
	}
	return roots
}

func namespacesOf(roots []*node) []string {
	var namespaces []string
	for _, r := range roots {
		if ns := r.ref.Namespace; ns != "" && !slices.Contains(namespaces, ns) {
			namespaces = append(namespaces, ns)
		}
	}
	return namespaces
}

// unlisted are kinds that nobody looks for in a tree, or of which there are far too many.
func unlisted() []schema.GroupKind {
	return []schema.GroupKind{{Kind: "Event"}, {Group: "events.k8s.io", Kind: "Event"}, {Kind: "Endpoints"},
		{Group: "discovery.k8s.io", Kind: "EndpointSlice"}, {Group: "coordination.k8s.io", Kind: "Lease"}}
}

// namespacedKinds asks the cluster which kinds can be listed in a namespace. Groups whose server is down are left out.
func (c *Connection) namespacedKinds() ([]schema.GroupVersionKind, error) {
	d, err := discovery.NewDiscoveryClientForConfig(c.Config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.Config.Host, err)
	}
	lists, err := discovery.ServerPreferredNamespacedResources(d)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("list kinds: %w", err)
	}
	var kinds []schema.GroupVersionKind
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue // a version that cannot be read cannot be listed either
		}
		for _, r := range list.APIResources {
			kind := gv.WithKind(r.Kind)
			if slices.Contains([]string(r.Verbs), "list") && !strings.Contains(r.Name, "/") && !slices.Contains(unlisted(), kind.GroupKind()) {
				kinds = append(kinds, kind)
			}
		}
	}
	return kinds, nil
}

// metadata lists the metadata of all objects of those kinds and namespaces.
func (c *Connection) metadata(
	ctx context.Context, kinds []schema.GroupVersionKind, namespaces []string,
) (items []metav1.PartialObjectMetadata, skipped []string, err error) {
	var mu sync.Mutex // guards items and skipped
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for _, kind := range kinds {
		for _, namespace := range namespaces {
			g.Go(func() error {
				found, err := c.metadataOf(ctx, kind, namespace)
				mu.Lock()
				defer mu.Unlock()
				items = append(items, found...)
				if apierrors.IsForbidden(err) || apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
					skipped = append(skipped, kind.GroupKind().String())
					return nil
				}
				return err
			})
		}
	}
	err = g.Wait()
	slices.Sort(skipped)
	return items, slices.Compact(skipped), err
}

func (c *Connection) metadataOf(ctx context.Context, kind schema.GroupVersionKind, namespace string) ([]metav1.PartialObjectMetadata, error) {
	var items []metav1.PartialObjectMetadata
	next := ""
	for {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		rctx, cancel := c.request(ctx)
		err := c.Client.List(rctx, list, client.InNamespace(namespace), client.Limit(listPage), client.Continue(next))
		cancel()
		if err != nil {
			return items, fmt.Errorf("list %s in namespace %s: %w", kind.GroupKind(), namespace, err)
		}
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(kind)
		}
		items = append(items, list.Items...)
		if next = list.Continue; next == "" {
			return items, nil
		}
	}
}

// grow hangs every item below its owner, beginning at the roots, and returns the nodes that it added.
func grow(roots []*node, items []metav1.PartialObjectMetadata) []*node {
	byRef := map[object.Ref]*node{}
	for _, r := range roots {
		byRef[r.ref] = r
	}
	byOwner := map[types.UID][]*node{}
	for i := range items {
		item := &items[i]
		gvk := item.GroupVersionKind()
		ref := object.Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: item.Namespace, Name: item.Name}
		n := &node{ref: ref, version: gvk.Version}
		if root, ok := byRef[ref]; ok {
			n = root
		}
		n.uid, n.created = item.UID, item.CreationTimestamp.Time
		if n != byRef[ref] {
			for _, o := range item.OwnerReferences {
				byOwner[o.UID] = append(byOwner[o.UID], n)
			}
		}
	}
	var added []*node
	hung := map[*node]bool{}
	level := roots
	for depth := 0; depth < maxDepth && len(level) > 0; depth++ {
		var next []*node
		for _, parent := range level {
			if parent.uid == "" {
				continue
			}
			for _, child := range byOwner[parent.uid] {
				if !hung[child] {
					hung[child] = true
					parent.children = append(parent.children, child)
					next = append(next, child)
				}
			}
			slices.SortFunc(parent.children, func(a, b *node) int { return strings.Compare(a.ref.String(), b.ref.String()) })
		}
		added = append(added, next...)
		level = next
	}
	return added
}

// assess reads the added objects of kinds that have health, a list per kind and namespace, and judges them.
func (c *Connection) assess(ctx context.Context, nodes []*node) error {
	type place struct {
		kind      schema.GroupVersionKind
		namespace string
	}
	places := map[place]map[string]*node{}
	for _, n := range nodes {
		if !slices.Contains([]string{"Pod", "ReplicaSet", "Job", "PersistentVolumeClaim"}, n.ref.Kind) {
			continue
		}
		p := place{schema.GroupVersionKind{Group: n.ref.Group, Version: n.version, Kind: n.ref.Kind}, n.ref.Namespace}
		if places[p] == nil {
			places[p] = map[string]*node{}
		}
		places[p][n.ref.Name] = n
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for p, byName := range places {
		g.Go(func() error {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(p.kind.GroupVersion().WithKind(p.kind.Kind + "List"))
			rctx, cancel := c.request(ctx)
			defer cancel()
			if err := c.Client.List(rctx, list, client.InNamespace(p.namespace)); err != nil {
				return fmt.Errorf("list %s in namespace %s: %w", p.kind.GroupKind(), p.namespace, err)
			}
			for i := range list.Items {
				n := byName[list.Items[i].GetName()]
				if n == nil {
					continue
				}
				if r, ok := health.Assess(&list.Items[i], nil); ok {
					n.health, n.message = string(r.Status), r.Message
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// printTree prints an application's objects and what they own.
func (c *cli) printTree(ctx context.Context, conn *Connection, app *v1alpha1.Application, detailed bool) error {
	roots, skipped, err := conn.tree(ctx, app)
	if err != nil {
		return err
	}
	if len(skipped) > 0 {
		fmt.Fprintf(c.Err, "warning: not permitted to list %s\n", clean(joinWords(skipped)))
	}
	return writeTree(c.Out, roots, c.Now(), detailed)
}

// writeTree prints nodes as an indented table.
func writeTree(out io.Writer, roots []*node, now time.Time, detailed bool) error {
	header := []string{"KIND/NAME", "STATUS", "HEALTH", "MESSAGE"}
	if detailed {
		header = []string{"KIND/NAME", "STATUS", "HEALTH", "AGE", "MESSAGE"}
	}
	var rows [][]string
	var add func(n *node, head, indent string)
	add = func(n *node, head, indent string) {
		row := []string{head + n.ref.Kind + "/" + n.ref.Name, n.status, n.health, n.message}
		if detailed {
			age := ""
			if !n.created.IsZero() {
				age = ageWord(now.Sub(n.created))
			}
			row = []string{row[0], n.status, n.health, age, n.message}
		}
		rows = append(rows, row)
		for i, child := range n.children {
			if i == len(n.children)-1 {
				add(child, indent+"└─", indent+"  ")
			} else {
				add(child, indent+"├─", indent+"│ ")
			}
		}
	}
	for _, r := range roots {
		add(r, "", "")
	}
	return table(out, header, rows)
}

// ageWord writes an age as kubectl does, in its largest unit.
func ageWord(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
