package metrics

import (
	"context"
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	api "k8s.io/metrics/pkg/apis/metrics"
)

// cluster is what the metrics are computed from. It is asked for each request, from the cache of the API server: metrics
// that nobody reads cost nothing.
type cluster interface {
	typedcore.PodsGetter
	typedcore.NodesGetter
}

// fromCache lets the API server answer a list from memory.
const fromCache = "0"

// podStorage serves the resource "pods" of the group.
type podStorage struct {
	rest.TableConvertor
	cluster cluster
	now     func() time.Time
}

func newPodStorage(c cluster, now func() time.Time) *podStorage {
	return &podStorage{rest.NewDefaultTableConvertor(api.Resource("pods")), c, now}
}

func (*podStorage) New() runtime.Object     { return &api.PodMetrics{} }
func (*podStorage) NewList() runtime.Object { return &api.PodMetricsList{} }
func (*podStorage) Destroy()                {}
func (*podStorage) NamespaceScoped() bool   { return true }
func (*podStorage) GetSingularName() string { return "podmetrics" }

// Get answers for one pod; a pod without metrics is not found.
func (s *podStorage) Get(ctx context.Context, name string, _ *meta.GetOptions) (runtime.Object, error) {
	pod, err := s.cluster.Pods(request.NamespaceValue(ctx)).Get(ctx, name, meta.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("read pod %s: %w", name, err)
	}
	if err == nil {
		if metrics, ok := ofPod(pod, s.now()); ok {
			return &metrics, nil
		}
	}
	return nil, apierrors.NewNotFound(api.Resource("podmetrics"), name)
}

// List answers for the pods of a namespace, or of all, that run and that the selectors choose.
func (s *podStorage) List(ctx context.Context, options *internalversion.ListOptions) (runtime.Object, error) {
	pods, err := s.cluster.Pods(request.NamespaceValue(ctx)).List(ctx, listOptions(options))
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	now := s.now()
	list := &api.PodMetricsList{Items: []api.PodMetrics{}}
	for i := range pods.Items {
		if metrics, ok := ofPod(&pods.Items[i], now); ok {
			list.Items = append(list.Items, metrics)
		}
	}
	return list, nil
}

// nodeStorage serves the resource "nodes" of the group.
type nodeStorage struct {
	rest.TableConvertor
	cluster cluster
	now     func() time.Time
}

func newNodeStorage(c cluster, now func() time.Time) *nodeStorage {
	return &nodeStorage{rest.NewDefaultTableConvertor(api.Resource("nodes")), c, now}
}

func (*nodeStorage) New() runtime.Object     { return &api.NodeMetrics{} }
func (*nodeStorage) NewList() runtime.Object { return &api.NodeMetricsList{} }
func (*nodeStorage) Destroy()                {}
func (*nodeStorage) NamespaceScoped() bool   { return false }
func (*nodeStorage) GetSingularName() string { return "nodemetrics" }

// Get answers for one node.
func (s *nodeStorage) Get(ctx context.Context, name string, _ *meta.GetOptions) (runtime.Object, error) {
	node, err := s.cluster.Nodes().Get(ctx, name, meta.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, apierrors.NewNotFound(api.Resource("nodemetrics"), name)
	}
	if err != nil {
		return nil, fmt.Errorf("read node %s: %w", name, err)
	}
	pods, err := s.pods(ctx, fields.OneTermEqualSelector("spec.nodeName", name))
	if err != nil {
		return nil, err
	}
	metrics := ofNode(node, pods, s.now())
	return &metrics, nil
}

// List answers for the nodes that the selectors choose.
func (s *nodeStorage) List(ctx context.Context, options *internalversion.ListOptions) (runtime.Object, error) {
	nodes, err := s.cluster.Nodes().List(ctx, listOptions(options))
	if err != nil {
		return nil, fmt.Errorf("list nodes: %w", err)
	}
	pods, err := s.pods(ctx, fields.OneTermNotEqualSelector("spec.nodeName", ""))
	if err != nil {
		return nil, err
	}
	byNode := map[string][]core.Pod{}
	for _, pod := range pods {
		byNode[pod.Spec.NodeName] = append(byNode[pod.Spec.NodeName], pod)
	}
	list := &api.NodeMetricsList{Items: []api.NodeMetrics{}}
	for i := range nodes.Items {
		list.Items = append(list.Items, ofNode(&nodes.Items[i], byNode[nodes.Items[i].Name], s.now()))
	}
	return list, nil
}

func (s *nodeStorage) pods(ctx context.Context, selector fields.Selector) ([]core.Pod, error) {
	pods, err := s.cluster.Pods(meta.NamespaceAll).List(ctx, meta.ListOptions{
		FieldSelector: selector.String(), ResourceVersion: fromCache,
	})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	return pods.Items, nil
}

// listOptions passes the selectors on.
func listOptions(options *internalversion.ListOptions) meta.ListOptions {
	passed := meta.ListOptions{ResourceVersion: fromCache}
	if options != nil && options.LabelSelector != nil {
		passed.LabelSelector = options.LabelSelector.String()
	}
	if options != nil && options.FieldSelector != nil {
		passed.FieldSelector = options.FieldSelector.String()
	}
	return passed
}
