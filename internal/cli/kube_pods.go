package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// PodLog implements Objects.
func (c *Connection) PodLog(ctx context.Context, app *v1alpha1.Application, pod object.Ref, o *corev1.PodLogOptions) (io.ReadCloser, error) {
	if err := refuseRemote(app); err != nil {
		return nil, err
	}
	core, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", c.Config.Host, err)
	}
	return core.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, o).Stream(ctx)
}

// owners finds the pods of an application by climbing their owner references, so that it works for every kind that makes
// pods, through any number of levels.
type owners struct {
	conn       *Connection
	selected   map[object.Ref]bool
	namespaces []string
	remote     error
	known      map[types.UID]bool // whether an object belongs to the selection
}

// PodFinder implements Objects.
func (c *Connection) PodFinder(app *v1alpha1.Application, selected []object.Ref) PodFinder {
	w := &owners{conn: c, selected: map[object.Ref]bool{}, known: map[types.UID]bool{}, remote: refuseRemote(app)}
	for _, ref := range selected {
		w.selected[ref] = true
		if !slices.Contains(w.namespaces, ref.Namespace) {
			w.namespaces = append(w.namespaces, ref.Namespace)
		}
	}
	return w
}

// Pods implements PodFinder.
func (w *owners) Pods(ctx context.Context) ([]corev1.Pod, error) {
	if w.remote != nil {
		return nil, w.remote
	}
	var mine []corev1.Pod
	for _, namespace := range w.namespaces {
		var list corev1.PodList
		rctx, cancel := w.conn.request(ctx)
		err := w.conn.Client.List(rctx, &list, client.InNamespace(namespace))
		cancel()
		if err != nil {
			return nil, fmt.Errorf("list pods in namespace %s: %w", namespace, err)
		}
		if err := w.learn(ctx, list.Items); err != nil {
			return nil, err
		}
		for _, p := range list.Items {
			if w.owns(&p) {
				mine = append(mine, p)
			}
		}
	}
	slices.SortFunc(mine, func(a, b corev1.Pod) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return mine, nil
}

// owns decides about a pod whose owners have been learned.
func (w *owners) owns(p *corev1.Pod) bool {
	if w.selected[object.Ref{Kind: "Pod", Namespace: p.Namespace, Name: p.Name}] {
		return true
	}
	for _, o := range p.OwnerReferences {
		if w.known[o.UID] {
			return true
		}
	}
	return false
}

// learn climbs from the pods to owners that are not known yet.
func (w *owners) learn(ctx context.Context, pods []corev1.Pod) error {
	type step struct {
		ref       metav1.OwnerReference
		namespace string
	}
	fresh := map[types.UID]step{}
	for _, p := range pods {
		for _, o := range p.OwnerReferences {
			if _, ok := w.known[o.UID]; !ok {
				fresh[o.UID] = step{o, p.Namespace}
			}
		}
	}
	steps := make([]step, 0, len(fresh))
	for _, s := range fresh {
		steps = append(steps, s)
	}
	verdicts := make([]bool, len(steps))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelReads)
	for i, s := range steps {
		g.Go(func() error {
			var err error
			verdicts[i], err = w.climb(ctx, s.ref, s.namespace, 0)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, s := range steps {
		w.known[s.ref.UID] = verdicts[i]
	}
	return nil
}

// climb reports whether an owner or one of its own owners is selected. Owners that are gone or may not be read end the way.
func (w *owners) climb(ctx context.Context, o metav1.OwnerReference, namespace string, depth int) (bool, error) {
	gvk := schema.FromAPIVersionAndKind(o.APIVersion, o.Kind)
	if w.selected[object.Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: namespace, Name: o.Name}] {
		return true, nil
	}
	if depth >= maxDepth || gvk.Kind == "Node" {
		return false, nil
	}
	var m metav1.PartialObjectMetadata
	m.SetGroupVersionKind(gvk)
	rctx, cancel := w.conn.request(ctx)
	defer cancel()
	err := w.conn.Client.Get(rctx, appKey{Namespace: namespace, Name: o.Name}, &m)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("get owner %s/%s/%s: %w", gvk.GroupKind(), namespace, o.Name, err)
	}
	if m.UID != o.UID {
		return false, nil
	}
	for _, up := range m.OwnerReferences {
		if mine, err := w.climb(ctx, up, namespace, depth+1); mine || err != nil {
			return mine, err
		}
	}
	return false, nil
}
