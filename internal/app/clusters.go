package app

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/apply/ssa"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/live"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/reconcile"
)

// clusters are the destinations: the control plane's own cluster and those of cluster Secrets.
type clusters struct {
	cfg     Config
	env     *environment
	changed func(e live.Event, owner func(object.Ref) (string, bool), controlPlane string)

	mu    sync.Mutex
	local *destination
	ready chan struct{}
}

type destination struct {
	reconcile.Destination
	cluster *live.Cluster
	// names are the clients that act in other names.
	names *names
}

func newClusters(cfg Config, env *environment) *clusters {
	return &clusters{cfg: cfg, env: env, ready: make(chan struct{})}
}

// run keeps the view of the local cluster until ctx ends.
func (c *clusters) run(ctx context.Context) error {
	d, err := newDestination(c.cfg, c.env, c.cfg.REST, v1alpha1.InClusterServer, v1alpha1.InClusterName)
	if err != nil {
		return err
	}
	cancel := d.cluster.Subscribe(func(e live.Event) {
		if env := c.env.current.Load(); env.quiet.ignores(e, env.config.HealthScript) {
			return
		}
		c.changed(e, func(ref object.Ref) (string, bool) {
			l, ok := d.cluster.Get(ref)
			if !ok {
				return "", false
			}
			return c.env.Config().Tracking.OwnerOf(l.Object)
		}, c.cfg.Namespace)
	})
	defer cancel()
	c.mu.Lock()
	c.local = d
	c.mu.Unlock()
	close(c.ready)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.cluster.Run(ctx) })
	return group.Wait()
}

// Destination implements reconcile.Destinations.
func (c *clusters) Destination(ctx context.Context, d v1alpha1.ApplicationDestination) (*reconcile.Destination, error) {
	found, err := c.find(ctx, d)
	if err != nil {
		return nil, err
	}
	return &found.Destination, nil
}

func (c *clusters) find(ctx context.Context, d v1alpha1.ApplicationDestination) (*destination, error) {
	select {
	case <-c.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if d.Server == v1alpha1.InClusterServer || d.Name == v1alpha1.InClusterName {
		return c.local, nil
	}
	which := d.Server
	if which == "" {
		which = d.Name
	}
	for _, known := range c.env.current.Load().clusters {
		if known.Server != strings.TrimRight(d.Server, "/") && (d.Name == "" || known.Name != d.Name) {
			continue
		}
		if known.Server == v1alpha1.InClusterServer {
			return c.local, nil
		}
		// Not NotFound: what runs there is not gone, and a deletion must not pass it over.
		return nil, fault.New(fault.Invalid, "destination cluster %q is registered, but this version of Belay deploys to its own cluster only (%s or name %s)",
			which, v1alpha1.InClusterServer, v1alpha1.InClusterName)
	}
	return nil, fault.New(fault.NotFound, "destination cluster %q is not registered; this version of Belay deploys to its own cluster only (%s or name %s)",
		which, v1alpha1.InClusterServer, v1alpha1.InClusterName)
}

func newDestination(cfg Config, env *environment, rc *rest.Config, server, name string) (*destination, error) {
	cluster := live.New(live.Config{
		REST: rc, Exclude: env.excluded, Log: cfg.Log,
		Owner: func(meta *unstructured.Unstructured) (string, bool) { return env.Config().Tracking.OwnerOf(meta) },
	})
	client, err := dynamic.NewForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("connect to cluster %s: %w", server, err)
	}
	w := ssa.New(client, kinds{cluster}, cluster, cfg.InFlight)
	out := &destination{
		cluster:     cluster,
		Destination: reconcile.Destination{Server: server, Name: name, Cluster: cluster, Writer: w, Predictor: w},
	}
	if cfg.ReadOnly {
		return out, nil
	}
	if out.names, err = newNames(rc); err != nil {
		return nil, fmt.Errorf("connect to cluster %s: %w", server, err)
	}
	out.As = func(user string) (apply.Writer, diff.Predictor, error) {
		c, err := out.names.writer(user)
		if err != nil {
			return nil, nil, err
		}
		as := w.As(user, c)
		return as, as, nil
	}
	return out, nil
}

// kinds adapts the watch cache's catalogue for the writer.
type kinds struct{ *live.Cluster }

// Resource implements ssa.Kinds.
func (k kinds) Resource(gvk schema.GroupVersionKind) (schema.GroupVersionResource, bool, bool) {
	kind, ok := k.Kind(gvk.GroupKind(), gvk.Version)
	if !ok {
		return schema.GroupVersionResource{}, false, false
	}
	return kind.GVR(), kind.Namespaced, true
}
