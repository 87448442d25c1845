package live

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/internal/fault"
)

// Manage has full objects of the given kinds, written as in Git, kept from now on, and returns when they are in the
// cache. Kinds that are there already cost one map read each. The errors of all kinds come joined: NotFound for a
// kind or version that the cluster does not serve, Invalid for one that is excluded or cannot be watched, Denied
// for one that may not be read, Transient when ctx ended first.
//
// A kind is watched at one version. When Git holds several versions of it, that is the one of them that the server
// prefers, whatever the order of the calls; asking for a further version may therefore move the watch once.
func (c *Cluster) Manage(ctx context.Context, kinds ...schema.GroupVersionKind) error {
	var missing []schema.GroupVersionKind
	for _, gvk := range kinds {
		if _, ok := c.managed.Load(gvk); !ok && !slices.Contains(missing, gvk) {
			missing = append(missing, gvk)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if c.initErr != nil {
		return c.initErr
	}
	c.ask(missing)
	var errs []error
	for _, gvk := range missing {
		if err := c.awaitFull(ctx, gvk); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ask remembers the versions that Git holds, also of kinds that the cluster does not serve yet.
func (c *Cluster) ask(kinds []schema.GroupVersionKind) {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	cat := c.catalog.Load()
	for _, gvk := range kinds {
		gk := gvk.GroupKind()
		if c.asked[gk] == nil {
			c.asked[gk] = map[string]bool{}
		}
		c.asked[gk][gvk.Version] = true
		if cat != nil {
			c.settle(cat, gk)
		}
	}
}

func (c *Cluster) awaitFull(ctx context.Context, gvk schema.GroupVersionKind) error {
	looked := false
	return c.await(ctx, func() (bool, error) {
		cat := c.catalog.Load()
		if cat == nil {
			return false, c.finder.lastError("read " + kindText(gvk) + ": discovery is not done")
		}
		if _, ok := cat.lookup(gvk.GroupKind(), gvk.Version); !ok {
			err := unservedError(cat, gvk)
			if c.finder.expects(gvk.Group) {
				return false, err // it was announced and is about to be served
			}
			if !looked && c.catalogAge() > staleAfter {
				looked = true
				c.refreshAndLog(ctx)
				return false, err
			}
			return true, err
		}
		return c.isFull(cat, gvk)
	})
}

// isFull reports whether full objects are in the cache, or, with an error, that waiting for them is of no use.
func (c *Cluster) isFull(cat *catalog, gvk schema.GroupVersionKind) (bool, error) {
	gk := gvk.GroupKind()
	if c.cfg.Exclude(gk.Group, gk.Kind) {
		return true, fault.New(fault.Invalid, "read %s: the kind is excluded by resource.exclusions or resource.inclusions", kindText(gvk))
	}
	want, ok := c.wants(cat, gk)
	if !ok {
		return true, fault.New(fault.Invalid, "read %s: the kind cannot be listed and watched", kindText(gvk))
	}
	active, pending := c.x.tables(gk)
	current := active
	if active == nil || active.spec != want {
		current = pending
	}
	if current == nil || current.spec != want {
		return false, fault.New(fault.Transient, "read %s: the watch has not started", kindText(gvk))
	}
	for _, f := range current.feeds {
		if _, _, err := f.state(); fault.Is(err, fault.Denied) {
			return true, fault.New(fault.Denied, "read %s: %w", kindText(gvk), err)
		} else if err != nil {
			return false, fault.New(fault.Transient, "read %s: %w", kindText(gvk), err)
		}
	}
	if current != active || !c.x.isSynced(active) {
		return false, fault.New(fault.Transient, "read %s: the first list is not done", kindText(gvk))
	}
	return c.remember(cat, gvk), nil
}

// remember notes that full objects of a kind are there, unless what that was concluded from has been replaced.
func (c *Cluster) remember(cat *catalog, gvk schema.GroupVersionKind) bool {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if c.catalog.Load() != cat {
		return false
	}
	c.managed.Store(gvk, struct{}{})
	return true
}

func (c *Cluster) catalogAge() time.Duration {
	c.finder.mu.Lock()
	defer c.finder.mu.Unlock()
	return c.cfg.Clock.Since(c.finder.last)
}

// forget makes the next Manage of a kind look again.
func (c *Cluster) forget(gk schema.GroupKind) {
	c.managed.Range(func(key, _ any) bool {
		if gvk, ok := key.(schema.GroupVersionKind); ok && gvk.GroupKind() == gk {
			c.managed.Delete(key)
		}
		return true
	})
}

// wants is want for callers that do not hold ctl.
func (c *Cluster) wants(cat *catalog, gk schema.GroupKind) (spec, bool) {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	return c.want(cat, gk)
}

// want decides how a kind is watched: false means not at all. The caller holds ctl.
func (c *Cluster) want(cat *catalog, gk schema.GroupKind) (spec, bool) {
	asked := c.asked[gk]
	k, ok := cat.choose(gk, asked)
	if !ok {
		return spec{}, false
	}
	_, declares := declares(gk)
	if c.cfg.Exclude(gk.Group, gk.Kind) {
		if !declares {
			return spec{}, false
		}
		asked = nil
	}
	if !k.Namespaced && len(c.cfg.Namespaces) > 0 && !c.cfg.ClusterResources && !declares {
		return spec{}, false
	}
	return spec{gvk: k.GroupVersionKind, resource: k.Resource, namespaced: k.Namespaced, full: len(asked) > 0}, true
}

// follow starts and stops watches so that they match the catalog; before Run it does nothing and reports false.
func (c *Cluster) follow() bool {
	c.ctl.Lock()
	defer c.ctl.Unlock()
	if c.runCtx == nil {
		return false
	}
	cat := c.catalog.Load()
	for gk := range cat.kinds {
		c.settle(cat, gk)
	}
	for _, t := range c.x.activeTables() {
		c.settle(cat, t.spec.gvk.GroupKind())
	}
	for _, f := range c.currentFeeds() {
		if _, _, err := f.state(); fault.Is(err, fault.Denied) {
			select {
			case f.kick <- struct{}{}:
			default:
			}
		}
	}
	return true
}

// settle starts, changes or stops the watch of one kind. The caller holds ctl.
func (c *Cluster) settle(cat *catalog, gk schema.GroupKind) {
	if c.runCtx == nil || c.runCtx.Err() != nil {
		return
	}
	want, ok := c.want(cat, gk)
	active, pending := c.x.tables(gk)
	if !ok {
		if active != nil {
			c.log.Info("kind no longer served", "kind", gk.String())
			c.forget(gk) // first: who sees that the kind is gone must not be told that it is managed
			c.x.drop(gk)
			active.stop()
			if pending != nil {
				pending.stop()
			}
			c.changed.notify()
		}
		return
	}
	if pending != nil {
		if pending.spec == want {
			return
		}
		c.x.abandon(gk)
		pending.stop()
	}
	if active != nil && active.spec == want && !active.stopped {
		return
	}
	next := newTable(want, c.cfg.Namespaces)
	c.start(c.runCtx, next)
	if active != nil && !c.x.isSynced(active) {
		active.stop() // it has nothing to lose; its list would be for nothing
		active.stopped = true
	}
}

func kindText(gvk schema.GroupVersionKind) string {
	return gvk.GroupVersion().String() + "/" + gvk.Kind
}

func unservedError(cat *catalog, gvk schema.GroupVersionKind) error {
	if k, ok := cat.lookup(gvk.GroupKind(), ""); ok {
		return fault.New(fault.NotFound, "the cluster does not serve %s; it serves the kind at %s",
			kindText(gvk), strings.Join(k.Versions, ", "))
	}
	if reason, ok := cat.failed[gvk.GroupVersion()]; ok {
		return fault.New(fault.Transient, "the cluster could not describe %s: %s", kindText(gvk), reason)
	}
	return fault.New(fault.NotFound, "the cluster does not serve %s", kindText(gvk))
}

// cutName splits the name of a CustomResourceDefinition or APIService at its first dot.
func cutName(name string) (first, group string, ok bool) { return strings.Cut(name, ".") }

// currentFeeds returns the feeds of all tables that are in use.
func (c *Cluster) currentFeeds() []*feed {
	c.x.mu.RLock()
	defer c.x.mu.RUnlock()
	var out []*feed
	for _, k := range c.x.kinds {
		k.each(func(t *table) { out = append(out, t.feeds...) })
	}
	return out
}
