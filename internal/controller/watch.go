package controller

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/live"
	"github.com/belaycd/belay/internal/object"
)

// queue is where applications wait. It exists once the manager has started the controller, which begins with all applications: until
// then, as on a replica that stands by, nobody waits.
type queue struct {
	mu    sync.Mutex
	inner workqueue.TypedRateLimitingInterface[ctrl.Request]
}

func (q *queue) add(key types.NamespacedName) { q.addAfter(key, 0) }

// addAfter adds the key when a time has passed, unless something else brings it before.
func (q *queue) addAfter(key types.NamespacedName, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.inner != nil {
		q.inner.AddAfter(ctrl.Request{NamespacedName: key}, wait)
	}
}

func (q *queue) open(inner workqueue.TypedRateLimitingInterface[ctrl.Request]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inner = inner
}

func (c *Controller) queueSource() source.Source {
	return source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[ctrl.Request]) error {
		c.queue.open(q)
		return nil
	})
}

// onChange lets through what a person or a tool changed. Our own status writes change nothing that is looked at here,
// save where a termination was asked for through the status, as the operation protocol has it.
func (c *Controller) onChange() builder.ForOption {
	return builder.WithPredicates(predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*v1alpha1.Application)
		after, ok2 := e.ObjectNew.(*v1alpha1.Application)
		if !ok1 || !ok2 {
			return true
		}
		if level := after.Annotations[v1alpha1.AnnotationRefresh]; level != "" && level != before.Annotations[v1alpha1.AnnotationRefresh] {
			// A reconciliation that is under way removes the annotation at its end, and may have begun before it was set.
			c.entry(types.NamespacedName{Namespace: after.Namespace, Name: after.Name}).want(refreshLevel(level))
		}
		return asksForWork(before, after)
	}})
}

func asksForWork(before, after *v1alpha1.Application) bool {
	if !equality.Semantic.DeepEqual(before.Spec, after.Spec) ||
		after.Operation != nil && !equality.Semantic.DeepEqual(before.Operation, after.Operation) ||
		!maps.Equal(before.Labels, after.Labels) ||
		!slices.Equal(before.Finalizers, after.Finalizers) ||
		(before.DeletionTimestamp == nil) != (after.DeletionTimestamp == nil) {
		return true
	}
	for _, key := range []string{v1alpha1.AnnotationRefresh, v1alpha1.AnnotationSkipReconcile, v1alpha1.AnnotationDeletionApproved, v1alpha1.AnnotationCompareOptions} {
		if v := after.Annotations[key]; v != before.Annotations[key] && (v != "" || key != v1alpha1.AnnotationRefresh) {
			return true
		}
	}
	return terminating(after) && !terminating(before)
}

func terminating(a *v1alpha1.Application) bool {
	return a.Status.OperationState != nil && a.Status.OperationState.Phase == v1alpha1.OperationTerminating
}

// Refresh asks for a new look at one application.
func (c *Controller) Refresh(key types.NamespacedName, level string) {
	c.entry(key).want(level)
	c.queue.add(key)
}

// RefreshMatching asks for another look at the applications that match. With an empty level, what is known of the
// remotes counts as current.
func (c *Controller) RefreshMatching(ctx context.Context, level string, match func(*v1alpha1.Application) bool) error {
	var list v1alpha1.ApplicationList
	if err := c.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	for i := range list.Items {
		a := &list.Items[i]
		if !match(a) {
			continue
		}
		key := types.NamespacedName{Namespace: a.Namespace, Name: a.Name}
		if level != "" {
			c.Refresh(key, level)
			continue
		}
		c.queue.add(key)
	}
	return nil
}

// Changed tells of a change of a live object. controlPlane is the namespace whose applications bear bare names.
func (c *Controller) Changed(e live.Event, owner func(object.Ref) (string, bool), controlPlane string) {
	app := e.App
	if e.Ref.Group == "discovery.k8s.io" && e.Ref.Kind == "EndpointSlice" {
		app = c.serviceOwner(e, owner)
	}
	if app != "" {
		ns, name := object.SplitAppName(app, controlPlane)
		key := types.NamespacedName{Namespace: ns, Name: name}
		c.mu.Lock()
		known := c.entries[key]
		c.mu.Unlock()
		if known != nil {
			if m := known.remembered(); m != nil {
				if e.New == nil {
					m.Saw(e.Old)
				}
				m.Saw(e.New)
			}
		}
		c.queue.add(key)
	}
	for _, key := range c.loose.wanting(e.Ref) {
		c.queue.add(key)
	}
	if app == "" && e.Kind != live.Updated {
		c.orphaned(e)
	}
}

// orphanPause is how long changes of objects that belong to nobody are gathered.
const orphanPause = time.Second

// orphaned wakes the applications that tell of objects without an owner in the namespace of the event.
func (c *Controller) orphaned(e live.Event) {
	l := e.New
	if l == nil {
		l = e.Old
	}
	if e.Ref.Namespace == "" || len(l.Object.GetOwnerReferences()) > 0 {
		return
	}
	for _, key := range c.loose.wanting(object.Ref{Namespace: e.Ref.Namespace}) {
		c.queue.addAfter(key, orphanPause)
	}
}

func (c *Controller) serviceOwner(e live.Event, owner func(object.Ref) (string, bool)) string {
	slice := e.New
	if slice == nil {
		slice = e.Old
	}
	name := slice.Object.GetLabels()["kubernetes.io/service-name"]
	if name == "" {
		return ""
	}
	app, _ := owner(object.Ref{Kind: "Service", Namespace: e.Ref.Namespace, Name: name})
	return app
}

// looseIndex finds applications by objects that they want but that do not bear their mark (yet, or never, as CRDs).
type looseIndex struct {
	mu    sync.Mutex
	byRef map[object.Ref]map[types.NamespacedName]bool
	byApp map[types.NamespacedName][]object.Ref
}

func (x *looseIndex) set(key types.NamespacedName, refs []object.Ref) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, r := range x.byApp[key] {
		delete(x.byRef[r], key)
		if len(x.byRef[r]) == 0 {
			delete(x.byRef, r)
		}
	}
	delete(x.byApp, key)
	if len(refs) == 0 {
		return
	}
	if x.byRef == nil {
		x.byRef = map[object.Ref]map[types.NamespacedName]bool{}
		x.byApp = map[types.NamespacedName][]object.Ref{}
	}
	x.byApp[key] = refs
	for _, r := range refs {
		if x.byRef[r] == nil {
			x.byRef[r] = map[types.NamespacedName]bool{}
		}
		x.byRef[r][key] = true
	}
}

func (x *looseIndex) wanting(ref object.Ref) []types.NamespacedName {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Collect(maps.Keys(x.byRef[ref]))
}
