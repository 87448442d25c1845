// Package cloud pretends to be what a cloud provider adds to a cluster: in go Services of type LoadBalancer, Ingresses and
// claims for storage, out come addresses and volumes, none of which lead anywhere.
package cloud

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"sync"
	"time"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

// Annotation with the value Pending keeps a Service, an Ingress or a claim waiting for ever.
const (
	Annotation = "belay.dev/sandbox"
	Pending    = "pending"
)

const workers = 2

// Provider serves one cluster.
type Provider struct {
	client    kubernetes.Interface
	log       *slog.Logger
	informers informers.SharedInformerFactory
}

// NewProvider makes a Provider; nothing happens before Ensure.
func NewProvider(client kubernetes.Interface, log *slog.Logger) *Provider {
	return &Provider{client: client, log: log, informers: informers.NewSharedInformerFactory(client, 0)}
}

// Run serves until the context ends.
func (p *Provider) Run(ctx context.Context) error {
	queue := workqueue.NewTypedRateLimitingQueue(
		workqueue.NewTypedItemExponentialFailureRateLimiter[item](20*time.Millisecond, 5*time.Second))
	watches := []struct {
		kind     kind
		informer cache.SharedIndexInformer
	}{
		{service, p.informers.Core().V1().Services().Informer()},
		{ingress, p.informers.Networking().V1().Ingresses().Informer()},
		{claim, p.informers.Core().V1().PersistentVolumeClaims().Informer()},
		{volume, p.informers.Core().V1().PersistentVolumes().Informer()},
		{class, p.informers.Storage().V1().StorageClasses().Informer()},
	}
	for _, w := range watches {
		enqueue := func(o any) {
			if name, err := cache.ObjectToName(o); err == nil {
				queue.Add(item{w.kind, name})
			}
		}
		if _, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: enqueue, UpdateFunc: func(_, o any) { enqueue(o) },
		}); err != nil {
			return fmt.Errorf("watch %ss: %w", w.kind, err)
		}
	}
	p.informers.Start(ctx.Done())
	defer p.informers.Shutdown()
	p.informers.WaitForCacheSync(ctx.Done())
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for p.work(ctx, queue) {
			}
		})
	}
	<-ctx.Done()
	queue.ShutDown()
	wait.Wait()
	return nil
}

type kind string

const (
	service kind = "Service"
	ingress kind = "Ingress"
	claim   kind = "PersistentVolumeClaim"
	volume  kind = "PersistentVolume"
	class   kind = "StorageClass"
)

// item is an object to look at.
type item struct {
	kind kind
	name cache.ObjectName
}

func (p *Provider) work(ctx context.Context, queue workqueue.TypedRateLimitingInterface[item]) bool {
	i, quit := queue.Get()
	if quit {
		return false
	}
	defer queue.Done(i)
	err := p.sync(ctx, i)
	if err == nil || apierrors.IsNotFound(err) {
		queue.Forget(i)
		return true
	}
	if ctx.Err() == nil && !apierrors.IsConflict(err) {
		p.log.Warn("serve", "kind", i.kind, "object", i.name.String(), "error", err)
	}
	queue.AddRateLimited(i)
	return true
}

func (p *Provider) sync(ctx context.Context, i item) error {
	switch i.kind {
	case service:
		return p.syncService(ctx, i.name)
	case ingress:
		return p.syncIngress(ctx, i.name)
	case claim:
		return p.syncClaim(ctx, i.name)
	case volume:
		return p.syncVolume(ctx, i.name)
	default:
		return nil // storage classes are only read
	}
}

func (p *Provider) syncService(ctx context.Context, name cache.ObjectName) error {
	s, err := p.informers.Core().V1().Services().Lister().Services(name.Namespace).Get(name.Name)
	if err != nil {
		return err
	}
	wanted := core.LoadBalancerStatus{}
	if s.Spec.Type == core.ServiceTypeLoadBalancer && s.Annotations[Annotation] != Pending && s.DeletionTimestamp == nil {
		mode := core.LoadBalancerIPModeVIP
		wanted.Ingress = []core.LoadBalancerIngress{{IP: documentationAddress(name), IPMode: &mode}}
		if present := s.Status.LoadBalancer.Ingress; len(present) > 0 {
			return nil
		}
	} else if len(s.Status.LoadBalancer.Ingress) == 0 || s.Spec.Type == core.ServiceTypeLoadBalancer {
		return nil
	}
	s = s.DeepCopy()
	s.Status.LoadBalancer = wanted
	if _, err := p.client.CoreV1().Services(s.Namespace).UpdateStatus(ctx, s, meta.UpdateOptions{}); err != nil {
		return fmt.Errorf("write status of Service %s: %w", name, err)
	}
	return nil
}

func (p *Provider) syncIngress(ctx context.Context, name cache.ObjectName) error {
	i, err := p.informers.Networking().V1().Ingresses().Lister().Ingresses(name.Namespace).Get(name.Name)
	if err != nil {
		return err
	}
	if len(i.Status.LoadBalancer.Ingress) > 0 || i.Annotations[Annotation] == Pending {
		return nil
	}
	i = i.DeepCopy()
	i.Status.LoadBalancer.Ingress = []networking.IngressLoadBalancerIngress{{IP: documentationAddress(name)}}
	if _, err := p.client.NetworkingV1().Ingresses(i.Namespace).UpdateStatus(ctx, i, meta.UpdateOptions{}); err != nil {
		return fmt.Errorf("write status of Ingress %s: %w", name, err)
	}
	return nil
}

// documentationAddress is one of 192.0.2.0/24, which leads nowhere on any network (RFC 5737); the same for the same object.
func documentationAddress(name cache.ObjectName) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name.String())) // a hash takes everything
	return fmt.Sprintf("192.0.2.%d", 1+h.Sum32()%254)
}
