// Package pods pretends to be the kubelets of a cluster as far as their pods go: in go pods bound to nodes, out comes the
// status that those pods would have if their containers ran.
package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// Runner simulates pods.
type Runner struct {
	client kubernetes.Interface
	log    *slog.Logger
}

// NewRunner makes a Runner; nothing happens before Run.
func NewRunner(client kubernetes.Interface, log *slog.Logger) *Runner {
	return &Runner{client: client, log: log}
}

// Run simulates until the context ends.
func (r *Runner) Run(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(r.client, 0, informers.WithTweakListOptions(func(o *meta.ListOptions) {
		o.FieldSelector = fields.OneTermNotEqualSelector("spec.nodeName", "").String()
	}))
	work := make(chan *core.Pod, 1000)
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { work <- o.(*core.Pod) },
		UpdateFunc: func(_, o any) { work <- o.(*core.Pod) },
	})
	if err != nil {
		return fmt.Errorf("watch pods: %w", err)
	}
	factory.Start(ctx.Done())
	for range 16 {
		go func() {
			for {
				select {
				case <-ctx.Done():
					return
				case pod := <-work:
					if err := r.sync(ctx, pod); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) {
						r.log.Warn("simulate pod", "pod", pod.Namespace+"/"+pod.Name, "error", err)
					}
				}
			}
		}()
	}
	<-ctx.Done()
	factory.Shutdown()
	return nil
}

func (r *Runner) sync(ctx context.Context, pod *core.Pod) error {
	pods := r.client.CoreV1().Pods(pod.Namespace)
	if pod.DeletionTimestamp != nil {
		zero := int64(0)
		return pods.Delete(ctx, pod.Name, meta.DeleteOptions{GracePeriodSeconds: &zero, Preconditions: &meta.Preconditions{UID: &pod.UID}})
	}
	if pod.Status.Phase != core.PodPending {
		return nil
	}
	now := meta.Now()
	status := core.PodStatus{Phase: core.PodRunning, HostIP: "127.0.0.1", PodIP: "10.64.0.1", StartTime: &now}
	for _, kind := range []core.PodConditionType{core.PodInitialized, core.ContainersReady, core.PodReady} {
		status.Conditions = append(status.Conditions, core.PodCondition{Type: kind, Status: core.ConditionTrue, LastTransitionTime: now})
	}
	started := true
	for _, c := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, core.ContainerStatus{
			Name: c.Name, Image: c.Image, Ready: true, Started: &started,
			State: core.ContainerState{Running: &core.ContainerStateRunning{StartedAt: now}},
		})
	}
	patch, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = pods.Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, meta.PatchOptions{}, "status")
	return err
}
