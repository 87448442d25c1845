package live

import (
	"errors"
	"sort"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/internal/fault"
)

// Stats is what the cache holds and how it fares.
type Stats struct {
	Objects  int    // all objects
	Full     int    // those of them that are held in full
	Kinds    int    // kinds that are followed
	Watches  int    // watches; more than kinds when limited to several namespaces
	Events   uint64 // changes since the start
	Warnings []Warning
}

// Warning is a part of the view that is missing or out of date.
type Warning struct {
	Kind   schema.GroupKind // zero kind: the group version below, or discovery as a whole
	Group  schema.GroupVersion
	Since  time.Time // zero when not known
	Reason string
}

// Stats returns the present figures; warnings come sorted by group and kind.
func (c *Cluster) Stats() Stats {
	s := c.x.count()
	if cat := c.catalog.Load(); cat != nil {
		for gv, reason := range cat.failed {
			s.Warnings = append(s.Warnings, Warning{Group: gv, Reason: reason})
		}
	}
	for _, f := range c.currentFeeds() {
		s.Watches++
		if _, since, err := f.state(); err != nil {
			s.Warnings = append(s.Warnings, Warning{Kind: f.t.spec.gvk.GroupKind(), Since: since, Reason: err.Error()})
		}
	}
	sort.Slice(s.Warnings, func(i, j int) bool {
		a, b := s.Warnings[i], s.Warnings[j]
		if a.Kind != b.Kind {
			return a.Kind.String() < b.Kind.String()
		}
		return a.Group.String() < b.Group.String()
	})
	return s
}

// Synced returns nil when the cache holds all objects of a kind, so that an object that Get does not find does not
// exist. Otherwise the error says why nothing may be concluded: NotFound when the cluster does not serve the kind
// (then it has no such object either), Invalid when the kind is not followed, Denied when it may not be read,
// Transient when the first list is not done.
func (c *Cluster) Synced(gk schema.GroupKind) error {
	cat := c.catalog.Load()
	if cat == nil {
		return c.finder.lastError("read " + gk.String() + ": discovery is not done")
	}
	active, _ := c.x.tables(gk)
	if active == nil {
		return c.notFollowed(cat, gk)
	}
	for _, f := range active.feeds {
		if _, _, err := f.state(); fault.Is(err, fault.Denied) {
			return fault.New(fault.Denied, "read %s: %w", gk, err)
		}
	}
	if !c.x.isSynced(active) {
		return fault.New(fault.Transient, "read %s: the first list is not done", gk)
	}
	return nil
}

func (c *Cluster) notFollowed(cat *catalog, gk schema.GroupKind) error {
	if _, ok := cat.lookup(gk, ""); ok {
		if _, ok := c.wants(cat, gk); ok {
			return fault.New(fault.Transient, "read %s: the watch has not started", gk)
		}
		return fault.New(fault.Invalid, "read %s: the kind is excluded or cannot be listed and watched", gk)
	}
	for gv, reason := range cat.failed {
		if gv.Group == gk.Group {
			return fault.New(fault.Transient, "read %s: %s cannot be described: %s", gk, gv, reason)
		}
	}
	return fault.New(fault.NotFound, "the cluster does not serve %s", gk)
}

// Healthy returns nil when the view is current, otherwise why it is not: the server does not answer, or a kind that
// an application manages cannot be read. Warnings about other kinds are in Stats alone.
func (c *Cluster) Healthy() error {
	if c.initErr != nil {
		return c.initErr
	}
	if c.catalog.Load() == nil {
		return c.finder.lastError("discovery is not done")
	}
	var errs []error
	down := 0
	feeds := c.currentFeeds()
	for _, f := range feeds {
		synced, since, err := f.state()
		switch {
		case err == nil:
		case unreachable(err):
			if down++; down == 1 {
				errs = append(errs, fault.New(fault.Transient, "the cluster has not answered since %s: %w",
					since.UTC().Format(time.RFC3339), err))
			}
		case f.t.spec.full:
			errs = append(errs, fault.New(fault.KindOf(err), "watch %s: %w", f.t.spec.gvk.GroupKind(), err))
		case !synced && fault.Is(err, fault.Transient):
			// an unmanaged kind that never came: a warning
		}
	}
	return errors.Join(errs...)
}
