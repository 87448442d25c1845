// Package live is the watch cache over one cluster: a REST config goes in; live objects, the kinds that the cluster
// serves and change events come out.
//
// Every kind that can be listed and watched is followed: by metadata alone, or, from the moment that Manage asks for
// it, by its full objects. Reads never wait and never reach the network. One invariant rules the package: an object
// is only reported missing when the cluster said so. A failed list, a failed discovery, a broken connection or a
// restarted server leave the last known state in place, and Synced and Healthy say what it is worth.
package live

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// Config is what a Cluster needs. The zero value of every field but REST works.
type Config struct {
	// REST reaches the cluster. A QPS below zero is right: watches are few and each is one request.
	REST *rest.Config
	// Exclude keeps kinds out of the cache: resource.exclusions and resource.inclusions decide. It must be pure.
	Exclude func(group, kind string) bool
	// Namespaces limits namespaced kinds to these; empty means all.
	Namespaces []string
	// ClusterResources says, when Namespaces is set, whether cluster-scoped kinds are followed as well.
	ClusterResources bool
	// Owner says which application owns an object.
	Owner OwnerFunc
	Log   *slog.Logger
	// Clock is the source of time; nil means the system's.
	Clock clock.WithDelayedExecution
	// ParallelLists bounds how many kinds are listed at the same time, and so the memory of a start; 0 means 16.
	ParallelLists int
	// PageSize is the page of a list on servers that cannot stream one; 0 leaves the choice to the server's cache.
	PageSize int64
	// DiscoveryPeriod is how often the kinds are looked up without any cause; 0 means 3 minutes.
	DiscoveryPeriod time.Duration
	// DeniedRetry is how often a forbidden kind is tried again; 0 means 5 minutes.
	DeniedRetry time.Duration
	// MaxBackoff bounds the pause between two attempts to reach a server that fails; 0 means 10 seconds.
	MaxBackoff time.Duration
}

func (c Config) withDefaults() Config {
	if c.Exclude == nil {
		c.Exclude = func(string, string) bool { return false }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.ParallelLists <= 0 {
		c.ParallelLists = 16
	}
	if c.DiscoveryPeriod <= 0 {
		c.DiscoveryPeriod = 3 * time.Minute
	}
	if c.DeniedRetry <= 0 {
		c.DeniedRetry = 5 * time.Minute
	}
	if c.MaxBackoff <= 0 {
		c.MaxBackoff = 10 * time.Second
	}
	return c
}

// Cluster is the cache. All its methods may be called from any goroutine, also before Run.
type Cluster struct {
	cfg     Config
	log     *slog.Logger
	initErr error // the REST config cannot work

	disc *discovery.DiscoveryClient
	dyn  dynamic.Interface
	meta metadata.Interface

	x       *index
	catalog atomic.Pointer[catalog]
	ready   atomic.Bool // the first discovery is done and followed
	down    atomic.Bool // the last request of some watch got no answer
	managed sync.Map    // schema.GroupVersionKind -> struct{}: full objects of it are in the cache
	changed *signal     // something that a waiter may wait for has changed
	lists   chan struct{}
	finder  *finder

	ctl    sync.Mutex // serialises decisions about what to watch
	asked  map[schema.GroupKind]map[string]bool
	runCtx context.Context // nil before Run
	feeds  sync.WaitGroup
}

// New returns a cache that is empty until Run.
func New(cfg Config) *Cluster {
	cfg = cfg.withDefaults()
	c := &Cluster{
		cfg:     cfg,
		log:     cfg.Log,
		x:       newIndex(cfg.Owner),
		changed: newSignal(),
		lists:   make(chan struct{}, cfg.ParallelLists),
		asked:   map[schema.GroupKind]map[string]bool{},
	}
	c.finder = newFinder()
	c.x.swapped = func(old *table) {
		old.stop()
		c.changed.notify()
	}
	c.initErr = c.connect()
	return c
}

func (c *Cluster) connect() error {
	if c.cfg.REST == nil {
		return fault.New(fault.Invalid, "connect to cluster: no REST config")
	}
	conf := rest.CopyConfig(c.cfg.REST)
	conf.Timeout = 0                        // would cut every watch
	conf.WarningHandler = rest.NoWarnings{} // that some kind is deprecated is for those who write it
	conf.Wrap(func(next http.RoundTripper) http.RoundTripper { return patience{next} })
	client, err := rest.HTTPClientFor(conf)
	if err != nil {
		return fault.New(fault.Invalid, "connect to cluster: %w", err)
	}
	if c.disc, err = discovery.NewDiscoveryClientForConfigAndClient(conf, client); err != nil {
		return fault.New(fault.Invalid, "connect to cluster: %w", err)
	}
	if c.dyn, err = dynamic.NewForConfigAndClient(conf, client); err != nil {
		return fault.New(fault.Invalid, "connect to cluster: %w", err)
	}
	if c.meta, err = metadata.NewForConfigAndClient(conf, client); err != nil {
		return fault.New(fault.Invalid, "connect to cluster: %w", err)
	}
	return nil
}

// Run fills the cache and keeps it current until ctx ends; it reconnects for ever. It returns an error at once when
// the REST config cannot work, and nil at the end of ctx. It may be called once.
func (c *Cluster) Run(ctx context.Context) error {
	if c.initErr != nil {
		return c.initErr
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.ctl.Lock()
	if c.runCtx != nil {
		c.ctl.Unlock()
		return fault.New(fault.Internal, "run watch cache: started twice")
	}
	c.runCtx = ctx
	c.ctl.Unlock()

	var own sync.WaitGroup
	own.Go(func() { c.x.events.run(ctx.Done()) })
	c.discoverForever(ctx)
	own.Wait()
	c.ctl.Lock()
	//lint:ignore SA2001 whoever decides about feeds next sees that ctx has ended
	c.ctl.Unlock()
	c.feeds.Wait()
	return nil
}

// Ready waits until discovery and the first list of every kind are done. A kind that may not be read, or that fails
// again and again while others answer, does not hold it up; Synced tells. When ctx ends first, the error says what
// was missing.
func (c *Cluster) Ready(ctx context.Context) error {
	if c.initErr != nil {
		return c.initErr
	}
	return c.await(ctx, func() (bool, error) {
		if !c.ready.Load() {
			return false, c.finder.lastError("wait for cluster: discovery is not done")
		}
		for _, f := range c.currentFeeds() {
			if ok, err := f.settled(); !ok {
				return false, fault.New(fault.Transient, "wait for cluster: list %s: %w", f.t.spec.gvr().GroupResource(), err)
			}
		}
		return true, nil
	})
}

// await calls check after every change until it reports true; when ctx ends first, check's last error is returned.
func (c *Cluster) await(ctx context.Context, check func() (bool, error)) error {
	for {
		wait := c.changed.wait()
		ok, err := check()
		if ok {
			return err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			if err == nil {
				err = errors.New("wait for cluster")
			}
			return fault.As(fault.Transient, errors.Join(err, ctx.Err()))
		}
	}
}

// Kind returns what the cluster serves under a kind at a version, at the preferred one when version is "".
func (c *Cluster) Kind(gk schema.GroupKind, version string) (Kind, bool) {
	cat := c.catalog.Load()
	if cat == nil {
		return Kind{}, false
	}
	return cat.lookup(gk, version)
}

// Get returns an object as last seen. False means that the cluster has none of that name if, and only if, Synced
// returns nil for its kind. The object is in the version that its kind is watched at.
func (c *Cluster) Get(ref object.Ref) (*object.Live, bool) { return c.x.get(ref) }

// Owned returns the objects that belong to an application, in the order of their references.
func (c *Cluster) Owned(app string) []*object.Live { return items(c.x, c.x.owned, app) }

// Children returns the objects that name uid in their ownerReferences, in the order of their references.
func (c *Cluster) Children(uid types.UID) []*object.Live { return items(c.x, c.x.children, uid) }

// Namespace returns all objects in a namespace, in the order of their references.
func (c *Cluster) Namespace(name string) []*object.Live { return items(c.x, c.x.spaces, name) }

// Subscribe has fn called for every change from now on: one call at a time, for one object in the order of its
// changes, without any lock held. A slow fn delays all subscribers, but neither reads nor watches. After cancel, at
// most one call that had begun still ends.
func (c *Cluster) Subscribe(fn func(Event)) (cancel func()) { return c.x.events.subscribe(fn) }

// Observe takes the object that the API server returned for a write, so that the next Get sees it before the watch
// does. It is ignored when the watch is past it already, or when its kind is watched at another version. The content
// must not be changed afterwards. Of a CustomResourceDefinition or APIService it also announces the kinds: a Manage
// that follows waits for them.
func (c *Cluster) Observe(u *unstructured.Unstructured) {
	if err := c.x.wrote(u); err != nil {
		c.log.Warn("own write not cached, the watch will bring it", "error", err)
	}
	if service, ok := declares(u.GroupVersionKind().GroupKind()); ok {
		c.note(declaration{service, u.GetName()}, u.GetGeneration(), false)
	}
}

// ObserveDeleted takes the API server's word that the object ref with that uid no longer exists: a delete that
// answered with no object left, a get that found none or another uid. Of an object that a finalizer still holds, pass
// the answer to Observe. Late watch events do not bring the object back.
func (c *Cluster) ObserveDeleted(ref object.Ref, uid types.UID) {
	if uid == "" {
		return // the name alone may meanwhile be another object's
	}
	c.x.gone(ref, uid)
	c.cfg.Clock.AfterFunc(tombLife, func() {
		if c.x.expire(ref.GroupKind(), uid) {
			c.log.Warn("object taken for deleted is still there", "object", ref.String(), "uid", string(uid))
		}
	})
}

// Version returns the server's version, such as v1.37.2, "" before discovery.
func (c *Cluster) Version() string {
	if cat := c.catalog.Load(); cat != nil {
		return cat.server
	}
	return ""
}

// APIVersions returns what Helm calls Capabilities.APIVersions, sorted: "v1", "apps/v1", "apps/v1/Deployment"...
// The list is shared and must not be changed.
func (c *Cluster) APIVersions() []string {
	if cat := c.catalog.Load(); cat != nil {
		return cat.apiVersions()
	}
	return nil
}

// signal lets any number of goroutines wait for the next change.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

func newSignal() *signal { return &signal{ch: make(chan struct{})} }

func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

func (s *signal) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ch)
	s.ch = make(chan struct{})
}

// patience hides Retry-After from client-go, which would sleep for it inside the request: a second at least, five for
// a resource that a starting server is about to serve. The feeds' own pauses start shorter and grow longer.
type patience struct{ next http.RoundTripper }

func (p patience) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := p.next.RoundTrip(r)
	if err == nil && r.Method == http.MethodGet {
		resp.Header.Del("Retry-After")
	}
	return resp, err
}

// WrappedRoundTripper lets client-go look through.
func (p patience) WrappedRoundTripper() http.RoundTripper { return p.next }
