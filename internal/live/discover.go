package live

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"

	"github.com/belaycd/belay/internal/fault"
)

const (
	discoveryTimeout = 30 * time.Second
	// failedPeriod is how often discovery is repeated while a part of it fails.
	failedPeriod = 30 * time.Second
	// staleAfter is the age of a catalog above which an unknown kind is worth another look.
	staleAfter = 2 * time.Second
)

// finder is the state of discovery.
type finder struct {
	wake chan struct{}
	turn chan struct{} // holds one token: the right to run discovery

	mu      sync.Mutex
	started uint64 // number of runs begun
	last    time.Time
	err     error // of the last run
	// seen holds the generation of each CustomResourceDefinition and APIService; waiting those of them that
	// discovery does not reflect yet, true when they are to appear, false when they are to vanish.
	seen    map[declaration]int64
	waiting map[declaration]bool
}

// declaration is an object that adds kinds to the cluster: the name of a CustomResourceDefinition ("plural.group") or
// of an APIService ("version.group").
type declaration struct {
	service bool
	name    string
}

func newFinder() *finder {
	f := &finder{
		wake:    make(chan struct{}, 1),
		turn:    make(chan struct{}, 1),
		seen:    map[declaration]int64{},
		waiting: map[declaration]bool{},
	}
	f.turn <- struct{}{}
	return f
}

// look asks for discovery to run soon.
func (f *finder) look() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

func (f *finder) lastError(doing string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return fault.New(fault.KindOf(f.err), "%s: %w", doing, f.err)
	}
	return fault.New(fault.Transient, "%s", doing)
}

// declares reports whether objects of a kind add kinds to the cluster. Such kinds are followed whatever the
// exclusions say.
func declares(gk schema.GroupKind) (service, ok bool) {
	switch gk {
	case schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}:
		return false, true
	case schema.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"}:
		return true, true
	}
	return false, false
}

// noteItem looks at a change that the watch reports for one that adds or removes kinds.
func (c *Cluster) noteItem(it *item, deleted bool) {
	if service, ok := declares(it.ref.GroupKind()); ok {
		c.note(declaration{service, it.ref.Name}, it.live().Object.GetGeneration(), deleted)
	}
}

// note starts discovery when a declaration is news.
func (c *Cluster) note(d declaration, generation int64, deleted bool) {
	cat := c.catalog.Load()
	f := c.finder

	f.mu.Lock()
	before, known := f.seen[d]
	if deleted {
		delete(f.seen, d)
	} else {
		f.seen[d] = generation
	}
	reflected := cat != nil && cat.reflects(d) == !deleted
	// Of a declaration that discovery reflects already, only a new generation is news, not its status.
	cause := deleted || !reflected || known && before != generation
	if cause {
		f.waiting[d] = !deleted
	}
	f.mu.Unlock()
	if cause {
		f.look()
	}
}

func (c *catalog) reflects(d declaration) bool {
	if d.service {
		return c.hasVersion(d.name)
	}
	return c.hasResource(d.name)
}

// settleWaiting forgets the declarations that cat reflects and returns how many are left.
func (f *finder) settleWaiting(cat *catalog) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.waiting, func(d declaration, appear bool) bool { return cat.reflects(d) == appear })
	return len(f.waiting)
}

// giveUp stops waiting: what was announced may never be served.
func (f *finder) giveUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.waiting)
}

// expects reports whether a kind of this group is about to appear.
func (f *finder) expects(group string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for d, appear := range f.waiting {
		if _, g, _ := cutName(d.name); appear && g == group {
			return true
		}
	}
	return false
}

// discoverForever looks up the kinds: at first until it works once, then whenever something announces a change, and
// from time to time without any cause.
func (c *Cluster) discoverForever(ctx context.Context) {
	pause := wait.Backoff{Duration: 200 * time.Millisecond, Factor: 2, Steps: 30, Cap: c.cfg.MaxBackoff, Jitter: 0.2}
	for ctx.Err() == nil {
		err := c.RefreshDiscovery(ctx)
		if err == nil {
			break
		}
		c.log.Warn("discovery failed", "error", err)
		c.pause(ctx, pause.Step())
	}
	for ctx.Err() == nil {
		period := c.cfg.DiscoveryPeriod
		if cat := c.catalog.Load(); len(cat.failed) > 0 {
			period = min(period, failedPeriod)
		}
		timer := c.cfg.Clock.NewTimer(wait.Jitter(period, 0.1))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
			c.refreshAndLog(ctx)
		case <-c.finder.wake:
			timer.Stop()
			c.chase(ctx)
		}
	}
}

// chase repeats discovery until it reflects what was announced: the server publishes a new kind a moment after it
// says so. The pauses grow; a definition that never gets established is left to the periodic look.
func (c *Cluster) chase(ctx context.Context) {
	pauses := []time.Duration{20, 60, 100, 200, 400, 800, 1600, 3200, 6400}
	for i := 0; i < len(pauses) && ctx.Err() == nil; i++ {
		c.pause(ctx, pauses[i]*time.Millisecond)
		more := false
		select {
		case <-c.finder.wake:
			more = true
		default:
		}
		c.refreshAndLog(ctx)
		left := c.finder.settleWaiting(c.catalog.Load())
		if more {
			i = 0
		}
		// Two looks at least: a new version of a known kind does not show in its name.
		if left == 0 && i >= 1 {
			return
		}
	}
	c.finder.giveUp()
}

func (c *Cluster) pause(ctx context.Context, d time.Duration) {
	timer := c.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}

func (c *Cluster) refreshAndLog(ctx context.Context) {
	if err := c.RefreshDiscovery(ctx); err != nil && ctx.Err() == nil {
		c.log.Warn("discovery failed, the kinds known so far stay", "error", err)
	}
}

// Invalidate says that a kind may have changed; discovery runs soon, in the background.
func (c *Cluster) Invalidate(schema.GroupKind) { c.finder.look() }

// RefreshDiscovery looks up the kinds now and starts to follow new ones. It returns when a look that began after the
// call is done; callers at the same time share one. Kinds that were forbidden are tried again.
func (c *Cluster) RefreshDiscovery(ctx context.Context) error {
	if c.initErr != nil {
		return c.initErr
	}
	f := c.finder
	f.mu.Lock()
	began := f.started
	f.mu.Unlock()
	select {
	case <-f.turn:
	case <-ctx.Done():
		return fault.As(fault.Transient, ctx.Err())
	}
	defer func() { f.turn <- struct{}{} }()

	f.mu.Lock()
	if f.started > began {
		defer f.mu.Unlock()
		return f.err
	}
	f.started++
	f.last = c.cfg.Clock.Now()
	f.mu.Unlock()

	err := c.discover(ctx)
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
	c.changed.notify()
	return err
}

// discover runs discovery once and follows what it says.
func (c *Cluster) discover(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	groups, lists, err := c.disc.ServerGroupsAndResourcesWithContext(ctx)
	failed := map[schema.GroupVersion]error{}
	var partial *discovery.ErrGroupDiscoveryFailed
	switch {
	case errors.As(err, &partial):
		failed = partial.Groups
	case err != nil:
		return fault.New(fault.KindOf(classify(err)), "discover kinds: %w", err)
	}
	fresh := newCatalog(groups, lists, failed)
	old := c.catalog.Load()
	fresh.keep(old)
	if len(fresh.kinds) == 0 {
		return fault.New(fault.Transient, "discover kinds: the server describes none")
	}
	version, err := c.disc.ServerVersionWithContext(ctx)
	if err != nil {
		return fault.New(fault.KindOf(classify(err)), "read server version: %w", err)
	}
	fresh.server = version.GitVersion
	c.keepServed(ctx, fresh, old)

	c.catalog.Store(fresh)
	if c.follow() {
		c.ready.Store(true)
	}
	return nil
}

// keepServed puts back the kinds that are watched but that discovery left out, unless the server itself says that it
// does not serve them: right after a start, or while its parts come and go, a discovery answer may be short.
func (c *Cluster) keepServed(ctx context.Context, fresh, old *catalog) {
	if old == nil {
		return
	}
	for _, t := range c.x.activeTables() {
		gvk := t.spec.gvk
		if _, ok := fresh.lookup(gvk.GroupKind(), gvk.Version); ok {
			continue
		}
		was, ok := old.lookup(gvk.GroupKind(), gvk.Version)
		if !ok {
			continue
		}
		_, err := c.meta.Resource(t.spec.gvr()).List(ctx, metav1.ListOptions{Limit: 1})
		if apierrors.IsNotFound(err) {
			continue
		}
		fresh.failed[gvk.GroupVersion()] = "left out by discovery although served"
		fresh.restore(was, old)
	}
}
