package live

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// spec says how a kind is watched.
type spec struct {
	gvk        schema.GroupVersionKind
	resource   string
	namespaced bool
	full       bool
}

func (s spec) gvr() schema.GroupVersionResource {
	return s.gvk.GroupVersion().WithResource(s.resource)
}

type name struct{ namespace, name string }

// slot is the place of one object in a table; its item is replaced as the object changes, so that the indexes that
// point to slots change only when an owner does.
type slot struct {
	*item
	// observed: from our own write, not yet seen by the watch.
	observed bool
}

// cursor is how far one watch has come. A watch delivers the changes of its kind in the order of resourceVersion, so
// everything up to high is known to be in the table.
type cursor struct {
	namespace string // "" = all
	synced    bool
	high      uint64 // of the last list, event or bookmark
	event     uint64 // of the last list or event
}

func (c *cursor) advance(rv uint64, event bool) {
	if rv > c.high {
		c.high = rv
	}
	if event && rv > c.event {
		c.event = rv
	}
}

// table is the content of one kind watched in one way, by one cursor or one for each namespace.
type table struct {
	spec    spec
	slots   map[name]*slot
	tombs   map[types.UID]*tomb
	floors  map[name]uint64 // by tombs
	cursors []*cursor
	feeds   []*feed // the goroutines that fill it; nil in tests of the rules
	stopped bool    // they were told to end; guarded by Cluster.ctl
}

func newTable(s spec, namespaces []string) *table {
	t := &table{spec: s, slots: map[name]*slot{}, tombs: map[types.UID]*tomb{}, floors: map[name]uint64{}}
	if !s.namespaced || len(namespaces) == 0 {
		namespaces = []string{""}
	}
	for _, ns := range namespaces {
		t.cursors = append(t.cursors, &cursor{namespace: ns})
	}
	return t
}

func (t *table) synced() bool {
	for _, c := range t.cursors {
		if !c.synced {
			return false
		}
	}
	return true
}

// cursorOf returns the cursor that covers a namespace, nil when that namespace is not watched.
func (t *table) cursorOf(namespace string) *cursor {
	for _, c := range t.cursors {
		if c.namespace == "" || c.namespace == namespace {
			return c
		}
	}
	return nil
}

// caughtUp reports whether t knows at least all that old has been told by events, so that putting t in the place of
// old never goes back in time. Bookmarks do not count: they reach each watch when they like and say nothing new.
func (t *table) caughtUp(old *table) bool {
	for _, c := range t.cursors {
		if !c.synced {
			return false
		}
		if o := old.cursorOf(c.namespace); o != nil && o.synced && c.high < o.event {
			return false
		}
	}
	for _, s := range old.slots {
		if c := t.cursorOf(s.ref.Namespace); s.observed && c != nil && c.high < s.rv {
			return false
		}
	}
	return true
}

// tomb is the memory of an object that the cluster confirmed as deleted before the watch said so. Events of it that
// are still under way are held back, not lost: should the deletion never show in the watch, the last of them counts.
type tomb struct {
	name  name
	floor uint64 // events of the name up to this resourceVersion, of earlier objects too, are history
	held  *item
}

// change is what a rule decided for one slot: nil before means new, nil after means gone.
type change struct {
	key           name
	before, after *item
	observed      bool
}

// onEvent decides about an added or modified object from the watch.
func (t *table) onEvent(c *cursor, it *item) (change, bool) {
	c.advance(it.rv, true)
	if ts := t.tombs[it.uid]; ts != nil {
		ts.held = it
		return change{}, false
	}
	key := name{it.ref.Namespace, it.ref.Name}
	s := t.slots[key]
	if s == nil {
		return change{key: key, after: it}, it.rv == 0 || it.rv > t.floors[key]
	}
	if it.rv != 0 && s.rv != 0 {
		if it.rv < s.rv {
			return change{}, false // our own later write is already here
		}
		if it.rv == s.rv && it.uid == s.uid {
			s.observed = false
			return change{}, false
		}
	}
	return change{key: key, before: s.item, after: it}, true
}

// onDelete decides about a deletion from the watch.
func (t *table) onDelete(c *cursor, it *item) (change, bool) {
	c.advance(it.rv, true)
	t.bury(it.uid)
	key := name{it.ref.Namespace, it.ref.Name}
	s := t.slots[key]
	if s == nil || s.uid != it.uid {
		return change{}, false // an earlier object of that name; the present one is newer
	}
	return change{key: key, before: s.item}, true
}

// onWrite decides about the answer to a write of ours.
func (t *table) onWrite(it *item) (change, bool) {
	c := t.cursorOf(it.ref.Namespace)
	if c == nil || it.rv == 0 || t.tombs[it.uid] != nil {
		return change{}, false
	}
	if it.rv <= c.high {
		return change{}, false // the watch has passed that point: what it said since, a deletion too, is newer
	}
	key := name{it.ref.Namespace, it.ref.Name}
	s := t.slots[key]
	if s == nil {
		return change{key: key, after: it, observed: true}, true
	}
	if s.rv >= it.rv {
		return change{}, false
	}
	return change{key: key, before: s.item, after: it, observed: true}, true
}

// onList decides about a complete list as of resourceVersion rv.
func (t *table) onList(c *cursor, items []*item, rv uint64) []change {
	// A list never is older than what its watch has seen, unless the server itself went back: etcd restored
	// from a backup. Then nothing of ours that is newer counts.
	restored := c.synced && rv != 0 && rv < c.high
	c.synced, c.high, c.event = true, rv, rv
	newer := func(s *slot) bool { return s.observed && s.rv > rv && !restored }

	if restored {
		clear(t.floors)
	}

	var out []change
	entombed := map[types.UID]bool{}
	listed := make(map[name]struct{}, len(items))
	for _, it := range items {
		if ts := t.tombs[it.uid]; ts != nil {
			ts.held = it
			entombed[it.uid] = true
			continue
		}
		key := name{it.ref.Namespace, it.ref.Name}
		listed[key] = struct{}{}
		s := t.slots[key]
		switch {
		case s == nil:
			if it.rv == 0 || it.rv > t.floors[key] {
				out = append(out, change{key: key, after: it})
			}
		case newer(s):
		case it.rv != 0 && s.rv == it.rv && s.uid == it.uid:
			s.observed = false
		default:
			out = append(out, change{key: key, before: s.item, after: it})
		}
	}
	for uid, ts := range t.tombs {
		covered := c.namespace == "" || c.namespace == ts.name.namespace
		if !entombed[uid] && ts.held != nil && ts.held.rv <= rv && covered {
			t.bury(uid) // seen before, not listed now: the deletion is confirmed
		}
	}
	for key, s := range t.slots {
		if _, ok := listed[key]; ok || newer(s) || c.namespace != "" && c.namespace != key.namespace {
			continue
		}
		out = append(out, change{key: key, before: s.item})
	}
	return out
}

// onGone decides about an object that the cluster confirmed as deleted.
func (t *table) onGone(n name, uid types.UID) (change, bool) {
	ts := &tomb{name: n}
	t.tombs[uid] = ts
	s := t.slots[n]
	if s == nil || s.uid != uid {
		return change{}, false
	}
	if s.rv > t.floors[n] {
		ts.floor, t.floors[n] = s.rv, s.rv
	}
	return change{key: n, before: s.item}, true
}

// bury removes a tomb and returns what it held back.
func (t *table) bury(uid types.UID) *item {
	ts := t.tombs[uid]
	if ts == nil {
		return nil
	}
	delete(t.tombs, uid)
	if t.floors[ts.name] == ts.floor {
		delete(t.floors, ts.name)
	}
	return ts.held
}

// onExpire decides about a tomb for which no deletion came: what was held back counts.
func (t *table) onExpire(uid types.UID) (change, bool) {
	held := t.bury(uid)
	if held == nil {
		return change{}, false
	}
	key := name{held.ref.Namespace, held.ref.Name}
	if t.slots[key] != nil {
		return change{}, false
	}
	return change{key: key, after: held}, true
}
