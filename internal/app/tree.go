package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apitypes "k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/reconcile"
	"github.com/belaycd/belay/internal/server"
)

// tree collects the nodes of an application.
type tree struct {
	cluster  reconcile.Cluster
	tracking object.Tracking
	nodes    []server.Node
	seen     map[string]bool // UIDs
}

// maxNodes bounds a tree; an application with more objects is shown in part.
const maxNodes = 20_000

// add appends an object, once.
func (t *tree) add(l *object.Live, parents []string) (*server.Node, bool) {
	uid := string(l.Object.GetUID())
	if t.seen[uid] || len(t.nodes) >= maxNodes {
		return nil, false
	}
	t.seen[uid] = true
	t.nodes = append(t.nodes, server.Node{
		Ref: l.Ref(), Version: l.Object.GroupVersionKind().Version, UID: uid, Parents: parents,
		Created: l.Object.GetCreationTimestamp().Time, Object: l.Object,
	})
	return &t.nodes[len(t.nodes)-1], true
}

// roots adds the managed objects: those of the status, with their health, and those that are there besides.
func (t *tree) roots(app *v1alpha1.Application, controlPlane string) {
	for i := range app.Status.Resources {
		res := &app.Status.Resources[i]
		ref := object.Ref{Group: res.Group, Kind: res.Kind, Namespace: res.Namespace, Name: res.Name}
		l, ok := t.cluster.Get(ref)
		if !ok {
			// Missing objects are part of the tree: that they are missing is what somebody looks for.
			t.nodes = append(t.nodes, server.Node{Ref: ref, Version: res.Version, Health: healthOf(res)})
			continue
		}
		if n, added := t.add(l, nil); added {
			n.Health = healthOf(res)
		}
	}
	for _, l := range t.cluster.Owned(object.AppName(app.Namespace, app.Name, controlPlane)) {
		t.add(l, nil)
	}
}

func healthOf(res *v1alpha1.ResourceStatus) v1alpha1.HealthStatus {
	if res.Health == nil {
		return v1alpha1.HealthStatus{}
	}
	return *res.Health
}

// grow adds what the nodes own, and what that owns.
func (t *tree) grow() {
	for i := 0; i < len(t.nodes); i++ {
		uid := t.nodes[i].UID
		if uid == "" {
			continue
		}
		for _, l := range t.cluster.Children(apitypes.UID(uid)) {
			if !unlisted(l.Ref()) {
				t.add(l, []string{uid})
			}
		}
	}
}

// unlisted are kinds that nobody looks for in a tree, or of which there are far too many.
func unlisted(ref object.Ref) bool {
	return ref.Kind == "Event" || ref.Group == "coordination.k8s.io" && ref.Kind == "Lease"
}

// orphans adds the objects of the destination namespace that no application owns, where the project asks for them.
func (e *engine) orphans(ctx context.Context, t *tree, app *v1alpha1.Application) {
	project, err := e.env.Project(ctx, app.Spec.ProjectName())
	if err != nil || !project.WarnsOfOrphans() || app.Spec.Destination.Namespace == "" {
		return
	}
	for _, l := range t.cluster.Namespace(app.Spec.Destination.Namespace) {
		ref := l.Ref()
		if _, owned := t.tracking.OwnerOf(l.Object); owned || len(l.Object.GetOwnerReferences()) > 0 ||
			!project.IsOrphan(ref.Group, ref.Kind, ref.Namespace, ref.Name) {
			continue
		}
		if n, added := t.add(l, nil); added {
			n.Orphaned = true
		}
	}
}

// judge fills in the health of what is not managed: a list per kind and namespace, for the watch cache has metadata alone.
func (e *engine) judge(ctx context.Context, cluster reconcile.Cluster, nodes []server.Node) error {
	type place struct {
		kind      schema.GroupVersionKind
		namespace string
	}
	places := map[place]map[string]*server.Node{}
	sig := alone{script: e.env.Config().HealthScript, now: time.Now()}
	for i := range nodes {
		n := &nodes[i]
		if n.Health.Status != "" || n.UID == "" {
			continue
		}
		if n.Object != nil && !metadataOnly(n.Object) {
			setHealth(n, sig)
			continue
		}
		if !slices.Contains([]string{"Pod", "ReplicaSet", "Job", "PersistentVolumeClaim"}, n.Ref.Kind) {
			continue
		}
		p := place{schema.GroupVersionKind{Group: n.Ref.Group, Version: n.Version, Kind: n.Ref.Kind}, n.Ref.Namespace}
		if places[p] == nil {
			places[p] = map[string]*server.Node{}
		}
		places[p][n.UID] = n
	}
	for p, byUID := range places {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(p.kind.GroupVersion().WithKind(p.kind.Kind + "List"))
		if err := e.direct.List(ctx, list, client.InNamespace(p.namespace)); err != nil {
			return fault.As(readKind(err), fmt.Errorf("list %s in namespace %s: %w", p.kind.GroupKind(), p.namespace, err))
		}
		for i := range list.Items {
			if n := byUID[string(list.Items[i].GetUID())]; n != nil {
				list.Items[i].SetManagedFields(nil)
				n.Object = &list.Items[i]
				setHealth(n, sig)
			}
		}
	}
	return nil
}

func setHealth(n *server.Node, sig health.Signals) {
	if r, ok := health.Assess(n.Object, sig); ok {
		n.Health = v1alpha1.HealthStatus{Status: r.Status, Message: r.Message}
	}
}

// metadataOnly reports whether the watch cache has nothing else of an object.
func metadataOnly(u *unstructured.Unstructured) bool {
	for key := range u.Object {
		if key != "apiVersion" && key != "kind" && key != "metadata" {
			return false
		}
	}
	return true
}
