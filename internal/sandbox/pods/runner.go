// Package pods pretends to be the kubelets of a cluster as far as their pods go: in go pods bound to nodes, out comes the
// status, and the logs, that those pods would have if their containers ran.
package pods

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
)

// workers is the number of pods whose status is written at once.
const workers = 16

// Runner simulates the pods of all nodes.
type Runner struct {
	client      kubernetes.Interface
	nodes       []string
	hostAddress string
	log         *slog.Logger

	queue     workqueue.TypedRateLimitingInterface[cache.ObjectName]
	pods      listers.PodLister
	addresses *addresses
	recorder  record.EventRecorder

	// mu guards the machines: the workers, each for its own pod, and the log server use them.
	mu       sync.Mutex
	machines map[cache.ObjectName]*machine
}

// NewRunner makes a Runner for the pods of the nodes, which all have the host address; nothing happens before Run.
func NewRunner(client kubernetes.Interface, nodes []string, hostAddress string, log *slog.Logger) *Runner {
	return &Runner{
		client: client, nodes: nodes, hostAddress: hostAddress, log: log,
		queue: workqueue.NewTypedRateLimitingQueue(
			workqueue.NewTypedItemExponentialFailureRateLimiter[cache.ObjectName](20*time.Millisecond, 5*time.Second)),
		addresses: newAddresses(),
		machines:  map[cache.ObjectName]*machine{},
	}
}

// Run simulates until the context ends.
func (r *Runner) Run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(r.client, 0, informers.WithTweakListOptions(func(o *meta.ListOptions) {
		o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
	}))
	informer := factory.Core().V1().Pods()
	r.pods = informer.Lister()
	enqueue := func(o any) {
		if name, err := cache.DeletionHandlingObjectToName(o); err == nil {
			r.queue.Add(name)
		}
	}
	if _, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: enqueue, UpdateFunc: func(_, o any) { enqueue(o) }, DeleteFunc: enqueue,
	}); err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: r.client.CoreV1().Events("")})
	defer broadcaster.Shutdown()
	r.recorder = broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: "kubelet"})

	factory.Start(ctx.Done())
	defer factory.Shutdown()
	factory.WaitForCacheSync(ctx.Done())
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for r.work(ctx) {
			}
		})
	}
	<-ctx.Done()
	r.queue.ShutDown()
	wait.Wait()
	return nil
}

func (r *Runner) work(ctx context.Context) bool {
	name, quit := r.queue.Get()
	if quit {
		return false
	}
	defer r.queue.Done(name)
	err := r.sync(ctx, name)
	if err == nil || apierrors.IsNotFound(err) {
		r.queue.Forget(name)
		return true
	}
	if ctx.Err() == nil && !apierrors.IsConflict(err) {
		r.log.Warn("simulate pod", "pod", name.String(), "error", err)
	}
	r.queue.AddRateLimited(name)
	return true
}

// sync gathers what is known about a pod, lets its machine decide, and writes what has changed.
func (r *Runner) sync(ctx context.Context, name cache.ObjectName) error {
	pod, err := r.pods.Pods(name.Namespace).Get(name.Name)
	if apierrors.IsNotFound(err) {
		r.forget(name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read pod %s: %w", name, err)
	}
	if !slices.Contains(r.nodes, pod.Spec.NodeName) {
		return nil
	}
	m, err := r.machine(ctx, name, pod)
	if err != nil {
		return err
	}
	if pod.DeletionTimestamp != nil {
		return r.remove(ctx, name, m)
	}
	now := time.Now()
	r.mu.Lock()
	next := m.advance(now)
	status, present, happened := m.status(now, r.hostAddress), m.pod, m.takeEvents()
	r.mu.Unlock()
	if err := r.write(ctx, m, present, status); err != nil {
		return err
	}
	for _, e := range happened {
		r.recorder.Event(present, e.kind, e.reason, e.message)
	}
	if !next.IsZero() {
		r.queue.AddAfter(name, max(time.Until(next), 0))
	}
	return nil
}

// machine finds or makes the machine of a pod, and gives it the newest version of the pod and of its configuration.
func (r *Runner) machine(ctx context.Context, name cache.ObjectName, pod *core.Pod) (*machine, error) {
	now := time.Now()
	r.mu.Lock()
	m := r.machines[name]
	if m != nil && m.pod.UID != pod.UID {
		r.addresses.release(m.address)
		m = nil
	}
	if m != nil && newer(pod, m.pod) {
		m.update(pod, now)
	}
	starting := m == nil || m.starting()
	r.mu.Unlock()
	if !starting || pod.DeletionTimestamp != nil && m != nil {
		return m, nil
	}
	read, err := readConfig(ctx, r.client, pod)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case m != nil:
		m.config = read
		return m, nil
	case pod.Status.StartTime != nil:
		m = adopt(pod, backoffDefaults(), read)
		r.addresses.keep(m.address)
	default:
		m = newMachine(pod, r.addresses.acquire(), backoffDefaults(), now)
		m.config = read
	}
	r.machines[name] = m
	return m, nil
}

// newer compares resource versions, which Kubernetes guarantees to be ordered numbers from 1.35 on. The pod that a write
// returned is often newer than the one that the watch has brought.
func newer(a, b *core.Pod) bool {
	x, errX := strconv.ParseUint(a.ResourceVersion, 10, 64)
	y, errY := strconv.ParseUint(b.ResourceVersion, 10, 64)
	return errX != nil || errY != nil || x > y
}

func (r *Runner) forget(name cache.ObjectName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m := r.machines[name]; m != nil {
		r.addresses.release(m.address)
		delete(r.machines, name)
	}
}

// write patches the status, as a kubelet does, if it differs from the present one.
func (r *Runner) write(ctx context.Context, m *machine, present *core.Pod, status core.PodStatus) error {
	patch, err := statusPatch(present, status)
	if err != nil || patch == nil {
		return err
	}
	written, err := r.client.CoreV1().Pods(present.Namespace).Patch(ctx, present.Name, types.StrategicMergePatchType, patch, meta.PatchOptions{}, "status")
	if err != nil {
		return fmt.Errorf("write status of pod %s/%s: %w", present.Namespace, present.Name, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if newer(written, m.pod) {
		m.update(written, time.Now())
	}
	return nil
}

// remove ends a pod that is being deleted: at once, unless it is told to be slow. A pod that somebody waits for (a Job
// holds its pods by a finalizer) gets its last status first.
func (r *Runner) remove(ctx context.Context, name cache.ObjectName, m *machine) error {
	now := time.Now()
	r.mu.Lock()
	pod := m.pod
	wait := m.stopTime(now)
	r.mu.Unlock()
	if pod.DeletionTimestamp == nil || pod.DeletionGracePeriodSeconds != nil && *pod.DeletionGracePeriodSeconds == 0 {
		return nil // gone but for its finalizers
	}
	if wait > 0 {
		r.queue.AddAfter(name, wait)
		return nil
	}
	if len(pod.Finalizers) > 0 || pod.Spec.RestartPolicy != core.RestartPolicyAlways {
		r.mu.Lock()
		m.stop(now)
		status := m.status(now, r.hostAddress)
		r.mu.Unlock()
		if err := r.write(ctx, m, pod, status); err != nil {
			return err
		}
	}
	grace := int64(0)
	err := r.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, meta.DeleteOptions{
		GracePeriodSeconds: &grace, Preconditions: &meta.Preconditions{UID: &pod.UID},
	})
	if err != nil {
		return fmt.Errorf("remove pod %s: %w", name, err)
	}
	return nil
}
