package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	registration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/typed/apiregistration/v1"
	"k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

const (
	// label marks what the sandbox made.
	label = "belay.dev/sandbox"
	// serviceName is not that of a known metrics server, which somebody may want to install.
	serviceName = "belay-sandbox-metrics"
	// namespaceTimeout bounds the wait for kube-system, which a new API server makes when it is ready already.
	namespaceTimeout = 30 * time.Second
	// availableTimeout bounds the wait for the aggregator, which usually takes some tens of milliseconds.
	availableTimeout = 5 * time.Second
	interval         = 20 * time.Millisecond
)

// Registrar makes the API part of the cluster's.
type Registrar struct {
	services  typedcore.ServicesGetter
	apis      aggregator.APIServiceInterface
	discovery *discovery.DiscoveryClient
	log       *slog.Logger
}

// NewRegistrar makes a Registrar; nothing happens before Register.
func NewRegistrar(config *rest.Config, services typedcore.ServicesGetter, log *slog.Logger) (*Registrar, error) {
	apis, err := clientset.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client of the aggregator: %w", err)
	}
	return &Registrar{
		services: services, apis: apis.ApiregistrationV1().APIServices(), discovery: apis.DiscoveryClient, log: log,
	}, nil
}

// Register tells the API server to pass requests for metrics on to the port of this machine, which must be listened on
// already: discovery fails in part for all clients as long as a registered API does not answer. An API that somebody else
// registered, or took over, is left alone.
func (r *Registrar) Register(ctx context.Context, port int) error {
	if err := r.ensureService(ctx); err != nil {
		return fmt.Errorf("register metrics API: %w", err)
	}
	wanted, leading := newAPIService(port), false
	err := retry.RetryOnConflict(retry.DefaultRetry, func() (err error) {
		leading, err = r.ensureAPIService(ctx, wanted)
		return err
	})
	if err != nil {
		return fmt.Errorf("register metrics API: %w", err)
	}
	if !leading {
		return nil
	}
	err = wait.PollUntilContextTimeout(ctx, interval, availableTimeout, true, func(ctx context.Context) (bool, error) {
		return r.discovered(ctx), nil
	})
	if err != nil && ctx.Err() == nil {
		r.log.Warn("the metrics API is not available yet", "error", err)
	}
	return nil
}

// discovered says whether clients find the API in both ways that they have: by asking the aggregator for all APIs, which
// answers from memory, and by asking this one through it.
func (r *Registrar) discovered(ctx context.Context) bool {
	version := v1beta1.SchemeGroupVersion
	if _, err := r.discovery.ServerResourcesForGroupVersionWithContext(ctx, version.String()); err != nil {
		return false
	}
	_, lists, err := r.discovery.ServerGroupsAndResourcesWithContext(ctx)
	if failed, partly := discovery.GroupDiscoveryFailedErrorGroups(err); err != nil && (!partly || failed[version] != nil) {
		return false // the failure of another group is not ours to wait for
	}
	return slices.ContainsFunc(lists, func(l *meta.APIResourceList) bool { return l.GroupVersion == version.String() })
}

// ensureAPIService says whether the registration leads to the sandbox.
func (r *Registrar) ensureAPIService(ctx context.Context, wanted *registration.APIService) (leading bool, err error) {
	present, err := r.apis.Get(ctx, wanted.Name, meta.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = r.apis.Create(ctx, wanted, meta.CreateOptions{})
		return true, err
	case err != nil || !ours(present):
		return false, err
	}
	present.Spec = wanted.Spec
	_, err = r.apis.Update(ctx, present, meta.UpdateOptions{})
	return true, err
}

// ours tells the sandbox's registration from one that was applied over it, which keeps the label but leads elsewhere.
func ours(s *registration.APIService) bool {
	return s.Labels[label] != "" && s.Spec.Service != nil &&
		s.Spec.Service.Namespace == meta.NamespaceSystem && s.Spec.Service.Name == serviceName
}

func newAPIService(port int) *registration.APIService {
	number := int32(port)
	version := v1beta1.SchemeGroupVersion
	return &registration.APIService{
		ObjectMeta: meta.ObjectMeta{Name: version.Version + "." + version.Group, Labels: map[string]string{label: "true"}},
		Spec: registration.APIServiceSpec{
			Group: version.Group, Version: version.Version,
			// The priorities are those of metrics-server.
			GroupPriorityMinimum: 100, VersionPriority: 100,
			Service: &registration.ServiceReference{Namespace: meta.NamespaceSystem, Name: serviceName, Port: &number},
			// With a CA bundle here, no manifest with insecureSkipTLSVerify could be applied over this object, and those
			// of metrics-server and kube-prometheus have it. The server is on this machine, and demands a certificate.
			InsecureSkipTLSVerify: true,
		},
	}
}

// ensureService makes the Service that an APIService needs. Endpoints may not be loopback addresses; an external name may.
func (r *Registrar) ensureService(ctx context.Context) error {
	wanted := core.ServiceSpec{Type: core.ServiceTypeExternalName, ExternalName: "127.0.0.1"}
	services := r.services.Services(meta.NamespaceSystem)
	return wait.PollUntilContextTimeout(ctx, interval, namespaceTimeout, true, func(ctx context.Context) (bool, error) {
		_, err := services.Create(ctx, &core.Service{
			ObjectMeta: meta.ObjectMeta{Name: serviceName, Labels: map[string]string{label: "true"}}, Spec: wanted,
		}, meta.CreateOptions{})
		switch {
		case apierrors.IsNotFound(err): // the namespace
			return false, nil
		case apierrors.IsAlreadyExists(err): // of an earlier run; it never changes
			return true, nil
		default:
			return err == nil, err
		}
	})
}
