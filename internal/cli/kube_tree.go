package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

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

// Tree implements Objects: it lists everything in the namespaces of the application's objects, and picks what these own.
func (c *Connection) Tree(ctx context.Context, app *v1alpha1.Application) (owned []Owned, skipped []string, err error) {
	if err := refuseRemote(app); err != nil {
		return nil, nil, err
	}
	kinds, err := c.namespacedKinds()
	if err != nil {
		return nil, nil, err
	}
	items, skipped, err := c.metadata(ctx, kinds, namespacesOf(app))
	if err != nil {
		return nil, nil, err
	}
	managed := map[object.Ref]bool{}
	for i := range app.Status.Resources {
		managed[refOf(&app.Status.Resources[i])] = true
	}
	owned = below(managed, items)
	var judged []*Owned
	for i := range owned {
		if !managed[owned[i].Ref] {
			judged = append(judged, &owned[i])
		}
	}
	return owned, skipped, c.assess(ctx, judged)
}

// below returns the managed objects among the items, and what they own.
func below(managed map[object.Ref]bool, items []metav1.PartialObjectMetadata) []Owned {
	var out []Owned
	byOwner := map[types.UID][]Owned{}
	for i := range items {
		item := &items[i]
		gvk := item.GroupVersionKind()
		o := Owned{Ref: object.Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: item.Namespace, Name: item.Name}, Version: gvk.Version,
			UID: item.UID, Created: item.CreationTimestamp.Time}
		if managed[o.Ref] {
			out = append(out, o)
			continue
		}
		for _, owner := range item.OwnerReferences {
			o.Owners = append(o.Owners, owner.UID)
		}
		for _, owner := range o.Owners {
			byOwner[owner] = append(byOwner[owner], o)
		}
	}
	seen := map[types.UID]bool{}
	for i := 0; i < len(out); i++ {
		for _, child := range byOwner[out[i].UID] {
			if !seen[child.UID] {
				seen[child.UID] = true
				out = append(out, child)
			}
		}
	}
	return out
}

func namespacesOf(app *v1alpha1.Application) []string {
	var namespaces []string
	for _, r := range app.Status.Resources {
		if r.Namespace != "" && !slices.Contains(namespaces, r.Namespace) {
			namespaces = append(namespaces, r.Namespace)
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

// assess reads the added objects of kinds that have health, a list per kind and namespace, and judges them.
func (c *Connection) assess(ctx context.Context, nodes []*Owned) error {
	type place struct {
		kind      schema.GroupVersionKind
		namespace string
	}
	places := map[place]map[string]*Owned{}
	for _, n := range nodes {
		if !slices.Contains([]string{"Pod", "ReplicaSet", "Job", "PersistentVolumeClaim"}, n.Ref.Kind) {
			continue
		}
		p := place{schema.GroupVersionKind{Group: n.Ref.Group, Version: n.Version, Kind: n.Ref.Kind}, n.Ref.Namespace}
		if places[p] == nil {
			places[p] = map[string]*Owned{}
		}
		places[p][n.Ref.Name] = n
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
					n.Health, n.Message = string(r.Status), r.Message
				}
			}
			return nil
		})
	}
	return g.Wait()
}
