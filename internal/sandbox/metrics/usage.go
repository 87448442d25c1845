// Package metrics pretends to be the resource metrics API of a cluster (metrics.k8s.io/v1beta1): in go the pods and nodes
// that the API server knows, out comes the CPU and memory that they would use if their containers ran.
package metrics

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	api "k8s.io/metrics/pkg/apis/metrics"
)

// The annotations say what every container of a pod uses; with ".CONTAINER" behind them, what one of them uses. The value
// is a quantity ("250m", "1Gi") or a share of the container's request ("90%").
const (
	CPUAnnotation    = "belay.dev/sandbox-cpu"
	MemoryAnnotation = "belay.dev/sandbox-memory"
)

const (
	// defaultPercent of the request is below the target of every usual autoscaler, so that none scales up by itself.
	defaultPercent = 50
	// longestWindow is that of a metrics-server with default settings.
	longestWindow = 15 * time.Second
	// most is a limit to what can be asked for, so that the sum of many pods still is a number.
	most = 1 << 50
)

// measure is CPU, counted in thousandths of a core, or memory, counted in bytes.
type measure struct {
	name       core.ResourceName
	annotation string
	// presumed is what a container without a request counts as requesting.
	presumed int64
	count    func(resource.Quantity) int64
	quantity func(int64) resource.Quantity
}

func measures() []measure {
	return []measure{
		{
			core.ResourceCPU, CPUAnnotation, 10,
			func(q resource.Quantity) int64 { return q.MilliValue() },
			func(n int64) resource.Quantity { return *resource.NewMilliQuantity(n, resource.DecimalSI) },
		},
		{
			core.ResourceMemory, MemoryAnnotation, 32 << 20,
			func(q resource.Quantity) int64 { return q.Value() },
			func(n int64) resource.Quantity { return *resource.NewQuantity(n, resource.BinarySI) },
		},
	}
}

// ofPod returns what a pod uses, and false if it has no metrics because nothing of it runs.
func ofPod(pod *core.Pod, now time.Time) (api.PodMetrics, bool) {
	if pod.Status.Phase != core.PodRunning {
		return api.PodMetrics{}, false
	}
	running := map[string]bool{}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		running[status.Name] = status.State.Running != nil
	}
	var containers []api.ContainerMetrics
	for _, container := range lasting(pod) {
		if !running[container.Name] {
			continue
		}
		usage := core.ResourceList{}
		for _, m := range measures() {
			usage[m.name] = m.quantity(m.used(pod, &container))
		}
		containers = append(containers, api.ContainerMetrics{Name: container.Name, Usage: usage})
	}
	if len(containers) == 0 {
		return api.PodMetrics{}, false
	}
	at := now.Truncate(time.Second)
	return api.PodMetrics{
		ObjectMeta: meta.ObjectMeta{
			Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels, CreationTimestamp: meta.NewTime(at),
		},
		Timestamp: meta.NewTime(at), Window: meta.Duration{Duration: window(pod, at)}, Containers: containers,
	}, true
}

// ofNode returns what the pods of a node use together.
func ofNode(node *core.Node, pods []core.Pod, now time.Time) api.NodeMetrics {
	usage := core.ResourceList{}
	for _, m := range measures() {
		var sum int64
		for i := range pods {
			metrics, ok := ofPod(&pods[i], now)
			if !ok || pods[i].Spec.NodeName != node.Name {
				continue
			}
			for _, container := range metrics.Containers {
				sum = min(sum+m.count(container.Usage[m.name]), most)
			}
		}
		usage[m.name] = m.quantity(sum)
	}
	at := meta.NewTime(now.Truncate(time.Second))
	return api.NodeMetrics{
		ObjectMeta: meta.ObjectMeta{Name: node.Name, Labels: node.Labels, CreationTimestamp: at},
		Timestamp:  at, Window: meta.Duration{Duration: longestWindow}, Usage: usage,
	}
}

// lasting are the containers that are meant to run for as long as the pod: its sidecars and its main containers.
func lasting(pod *core.Pod) []core.Container {
	var containers []core.Container
	for _, c := range pod.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == core.ContainerRestartPolicyAlways {
			containers = append(containers, c)
		}
	}
	return append(containers, pod.Spec.Containers...)
}

// window is the time that the measurement covers: no longer than the pod has been ready, because the autoscaler passes over
// a young pod whose window began before (k8s.io/kubernetes/pkg/controller/podautoscaler, groupPods).
func window(pod *core.Pod, at time.Time) time.Duration {
	for _, c := range pod.Status.Conditions {
		if c.Type == core.PodReady {
			since := at.Sub(c.LastTransitionTime.Truncate(time.Second))
			return min(max(since, 0), longestWindow)
		}
	}
	return 0
}

// used is what the container uses. A value that cannot be read counts as absent.
func (m measure) used(pod *core.Pod, container *core.Container) int64 {
	request, ok := m.requested(pod, container)
	if !ok {
		request = m.presumed
	}
	for _, name := range []string{m.annotation + "." + container.Name, m.annotation} {
		text, ok := pod.Annotations[name]
		if !ok {
			continue
		}
		if used, ok := m.parse(text, request); ok {
			return used
		}
	}
	return percentOf(request, defaultPercent)
}

// parse reads an annotation.
func (m measure) parse(text string, request int64) (int64, bool) {
	text = strings.TrimSpace(text)
	if number, ok := strings.CutSuffix(text, "%"); ok {
		percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || math.IsNaN(percent) || percent < 0 {
			return 0, false
		}
		return percentOf(request, percent), true
	}
	quantity, err := resource.ParseQuantity(text)
	if err != nil || quantity.Sign() < 0 {
		return 0, false
	}
	return min(m.count(quantity), most), true
}

// percentOf rounds down: a container that requests next to nothing must not appear to use more than its share.
func percentOf(request int64, percent float64) int64 {
	return int64(math.Min(float64(request)*percent/100, most))
}

// requested is the container's own request or its part of what the pod as a whole requests beyond those of its containers.
func (m measure) requested(pod *core.Pod, container *core.Container) (int64, bool) {
	if own, ok := container.Resources.Requests[m.name]; ok {
		return m.count(own), true
	}
	if pod.Spec.Resources == nil {
		return 0, false
	}
	whole, ok := pod.Spec.Resources.Requests[m.name]
	if !ok {
		return 0, false
	}
	left, sharers := m.count(whole), int64(0)
	for _, c := range lasting(pod) {
		if own, ok := c.Resources.Requests[m.name]; ok {
			left -= m.count(own)
		} else {
			sharers++
		}
	}
	return max(left, 0) / max(sharers, 1), true
}
