// Package app wires: a Config goes in; a running Belay comes out. It is the only importer of implementations.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit/configmap"
	"github.com/belaycd/belay/internal/controller"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/reconcile"
)

// Config is everything that `belay run` is told.
type Config struct {
	// REST reaches the cluster that holds the Applications, which is also the in-cluster destination.
	REST *rest.Config
	// Namespace is the control plane's own: Applications, projects, ConfigMaps and Secrets live in it.
	Namespace string
	// CacheDir holds mirrors of repositories; it may be lost at any time.
	CacheDir string
	// MetricsAddr, HealthAddr and Address (of the user interface, the API and webhooks) are host:port to listen on; empty or "0"
	// switches one off.
	MetricsAddr, HealthAddr, Address string
	// TLSCert and TLSKey are files with a certificate and its key for Address; without them it is served in the clear, for a proxy.
	TLSCert, TLSKey string
	// TrustForwarded takes the address of a caller from X-Forwarded-For, which a proxy in front of Address has to set.
	TrustForwarded bool
	LeaderElection bool
	// Components are the parts of Belay that run here; none are all.
	Components []Component
	// PprofAddr is a loopback host:port for Go's profiler; empty switches it off.
	PprofAddr string
	// Workers is how many applications are worked on at once; 0 means 64.
	Workers int
	// InFlight bounds the write requests under way to one cluster; 0 means 32.
	InFlight int
	// ReadOnly says that clusters are read, and asked for dry-runs, in the name of whoever runs this, whatever impersonation says.
	ReadOnly bool
	// AllowFile permits file:// repositories, for demonstrations and tests.
	AllowFile bool
	// PluginsDir holds definitions of config management plugins; empty switches plugins off.
	PluginsDir string
	// Env is the environment that the git program gets.
	Env []string
	// Version is this program's.
	Version string
	Log     *slog.Logger
}

func (c *Config) applyDefaults() {
	if c.Namespace == "" {
		c.Namespace = "argocd"
	}
	if c.Workers == 0 {
		c.Workers = 64
	}
	if c.InFlight == 0 {
		c.InFlight = 32
	}
	if !c.runs(ServerComponent) {
		c.Address = ""
	}
	// Servers keep nothing: any number of them work at a time.
	c.LeaderElection = c.LeaderElection && c.runs(ControllerComponent)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
}

// Run runs the components until ctx ends. It returns an error when it cannot start or loses what it stands on.
func Run(ctx context.Context, cfg Config) error {
	cfg.applyDefaults()
	cfg.REST = rest.CopyConfig(cfg.REST)
	cfg.REST.QPS = -1 // bounded by requests in flight instead: a token bucket only adds waiting
	cfg.REST.UserAgent = "belay"
	ctrl.SetLogger(logr.FromSlogHandler(cfg.Log.Handler()))
	mgr, err := newManager(cfg)
	if err != nil {
		return err
	}
	elected := mgr.Elected()
	if !cfg.runs(ControllerComponent) {
		elected = nil // never
	} else if err := refuseBesideArgoCD(ctx, cfg, mgr.GetAPIReader()); err != nil {
		return err
	}
	env := newEnvironment(mgr.GetClient(), cfg)
	if err := env.load(ctx, mgr.GetAPIReader()); err != nil {
		return err
	}
	repos, err := newSource(cfg, env)
	if err != nil {
		return err
	}
	defer func() {
		if err := repos.Close(); err != nil {
			cfg.Log.Warn("close repositories", "error", err.Error())
		}
	}()
	clusters := newClusters(cfg, env)
	plugins, err := openPlugins(cfg)
	if err != nil {
		return err
	}
	renderer := newRenderer(runtime.GOMAXPROCS(0), newRemotes(env, repos), plugins)
	story := &reconcile.Reconciler{
		Source: repos, Renderer: renderer, Kept: renderer, Destinations: clusters, Now: time.Now, Log: cfg.Log,
	}
	ctl := controller.New(controller.Options{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Environment: env, Observer: newMetrics(mgr.GetClient(), elected),
		Events: mgr.GetEventRecorder("belay"), Log: cfg.Log, Now: time.Now, Workers: cfg.Workers,
		Reconciler: story,
	})
	if cfg.runs(ControllerComponent) {
		if err := ctl.Setup(mgr); err != nil {
			return fmt.Errorf("set up the controller: %w", err)
		}
	}
	clusters.changed = ctl.Changed
	record := configmap.New(configmap.Options{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Namespace: cfg.Namespace, Writer: rand.Text(), Now: time.Now, Log: cfg.Log,
	})
	p := parts{mgr: mgr, elected: elected, env: env, repos: repos, clusters: clusters, ctl: ctl, story: story, audit: record, telling: &atomic.Bool{}}
	p.notify = newNotifications(p, mgr.GetEventRecorder("belay"))
	env.renotify = p.notify.Settings
	return runAll(ctx, cfg, p)
}

// parts are what runs side by side.
type parts struct {
	mgr ctrl.Manager
	// elected is closed once this process is the one that works on applications.
	elected  <-chan struct{}
	env      *environment
	repos    *repositories
	clusters *clusters
	ctl      *controller.Controller
	story    *reconcile.Reconciler
	audit    *configmap.Store
	notify   *notify.Engine
	// telling is set once this process sends notifications.
	telling *atomic.Bool
}

func runAll(ctx context.Context, cfg Config, p parts) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return p.clusters.run(ctx) })
	group.Go(func() error { return servePprof(ctx, cfg) })
	group.Go(func() error { return trimming(ctx) })
	group.Go(func() error { return p.audit.Run(ctx) })
	group.Go(func() error {
		if err := p.mgr.Start(ctx); err != nil {
			return fmt.Errorf("run the controller: %w", err)
		}
		return context.Canceled // the manager ended because ctx did; take the others along
	})
	group.Go(func() error {
		// Nothing is polled or answered before the settings and Applications are in view.
		if !p.mgr.GetCache().WaitForCacheSync(ctx) {
			return ctx.Err()
		}
		if err := p.env.watch(ctx, p.mgr.GetCache(), p.ctl); err != nil {
			return err
		}
		if err := watchActivities(ctx, p.mgr.GetCache(), p); err != nil {
			return err
		}
		inner, ctx := errgroup.WithContext(ctx)
		inner.Go(func() error { return poll(ctx, p) })
		inner.Go(func() error { return notifyOf(ctx, p) })
		if cfg.runs(ServerComponent) {
			handler, err := newHandler(ctx, cfg, p)
			if err != nil {
				return err
			}
			inner.Go(func() error { return serve(ctx, cfg, handler) })
		}
		return inner.Wait()
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Scheme returns the types that clients of the control plane know.
func Scheme() (*apiruntime.Scheme, error) {
	s := apiruntime.NewScheme()
	if err := clientgoscheme.AddToScheme(s); err != nil {
		return nil, fmt.Errorf("register Kubernetes types: %w", err)
	}
	if err := v1alpha1.AddToScheme(s); err != nil {
		return nil, fmt.Errorf("register argoproj.io types: %w", err)
	}
	return s, nil
}

func newManager(cfg Config) (ctrl.Manager, error) {
	scheme, err := Scheme()
	if err != nil {
		return nil, err
	}
	unrecorded, err := labels.Parse("!" + configmap.Label)
	if err != nil {
		return nil, fmt.Errorf("select ConfigMaps: %w", err)
	}
	mgr, err := ctrl.NewManager(cfg.REST, ctrl.Options{
		Scheme: scheme,
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{cfg.Namespace: {}},
			DefaultTransform:  cache.TransformStripManagedFields(),
			// The record of what happened is read past the cache: here it would be memory and a reload of the settings each time.
			ByObject: map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {Label: unrecorded}},
		},
		Client:                 client.Options{FieldOwner: "belay"},
		Metrics:                metricsserver.Options{BindAddress: orOff(cfg.MetricsAddr)},
		HealthProbeBindAddress: orOff(cfg.HealthAddr),
		LeaderElection:         cfg.LeaderElection, LeaderElectionID: "belay-controller",
		LeaderElectionNamespace: cfg.Namespace, LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster at %s: %w", cfg.REST.Host, err)
	}
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("register health check: %w", err)
	}
	if err := mgr.AddReadyzCheck("cache", func(r *http.Request) error {
		if !mgr.GetCache().WaitForCacheSync(r.Context()) {
			return errors.New("applications are not in view yet")
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("register readiness check: %w", err)
	}
	return mgr, nil
}

func orOff(addr string) string {
	if addr == "" {
		return "0"
	}
	return addr
}
