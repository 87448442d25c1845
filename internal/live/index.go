package live

import (
	"sort"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/internal/object"
)

// tombLife is how long a confirmed deletion may take to show in the watch before what the watch says counts again.
const tombLife = 30 * time.Second

// kindTables holds what is known of one kind: the table that readers see and, while the way of watching changes, the
// one that will take its place.
type kindTables struct {
	active, pending *table
}

func (k *kindTables) each(fn func(*table)) {
	if k.active != nil {
		fn(k.active)
	}
	if k.pending != nil {
		fn(k.pending)
	}
}

type slots map[*slot]struct{}

// index holds all objects and the ways to find them. Nothing is decoded and nobody is called under its lock.
type index struct {
	mu       sync.RWMutex
	kinds    map[schema.GroupKind]*kindTables
	owned    map[string]slots
	children map[types.UID]slots
	spaces   map[string]slots

	owner  OwnerFunc
	events *queue
	// swapped is called, under the lock, with a table that another one replaced.
	swapped func(old *table)
}

func newIndex(owner OwnerFunc) *index {
	return &index{
		kinds:    map[schema.GroupKind]*kindTables{},
		owned:    map[string]slots{},
		children: map[types.UID]slots{},
		spaces:   map[string]slots{},
		owner:    owner,
		events:   newQueue(),
		swapped:  func(*table) {},
	}
}

func (x *index) decoder(t *table) decoder {
	return decoder{gvk: t.spec.gvk, full: t.spec.full, owner: x.owner}
}

// install puts a new table in place: at once when the kind has none, otherwise beside the present one.
func (x *index) install(t *table) {
	x.mu.Lock()
	defer x.mu.Unlock()
	gk := t.spec.gvk.GroupKind()
	k := x.kinds[gk]
	if k == nil {
		x.kinds[gk] = &kindTables{active: t}
		return
	}
	k.pending = t
	for uid, ts := range k.active.tombs {
		t.tombs[uid] = &tomb{name: ts.name, floor: ts.floor}
	}
	for n, floor := range k.active.floors {
		t.floors[n] = floor
	}
}

// abandon forgets the table that waits to replace the present one.
func (x *index) abandon(gk schema.GroupKind) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if k := x.kinds[gk]; k != nil {
		k.pending = nil
	}
}

// drop forgets a kind that the cluster no longer has, and with it its objects.
func (x *index) drop(gk schema.GroupKind) {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.kinds[gk]
	if k == nil {
		return
	}
	for key, s := range k.active.slots {
		x.apply(k.active, change{key: key, before: s.item})
	}
	delete(x.kinds, gk)
}

// holds reports whether t is still in use. A feed that was stopped may have one call under way.
func (x *index) holds(t *table) (isActive, ok bool) {
	k := x.kinds[t.spec.gvk.GroupKind()]
	if k == nil {
		return false, false
	}
	return k.active == t, k.active == t || k.pending == t
}

func (x *index) watched(t *table, c *cursor, it *item, deleted bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, ok := x.holds(t); !ok {
		return
	}
	decide := t.onEvent
	if deleted {
		decide = t.onDelete
	}
	if ch, ok := decide(c, it); ok {
		x.apply(t, ch)
	}
	x.promote(t)
}

func (x *index) listed(t *table, c *cursor, items []*item, rv uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, ok := x.holds(t); !ok {
		return
	}
	for _, ch := range t.onList(c, items, rv) {
		x.apply(t, ch)
	}
	x.promote(t)
}

func (x *index) bookmark(t *table, c *cursor, rv uint64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, ok := x.holds(t); !ok {
		return
	}
	c.advance(rv, false)
	x.promote(t)
}

// wrote takes the answer to a write of ours.
func (x *index) wrote(u *unstructured.Unstructured) error {
	gvk := u.GroupVersionKind()
	x.mu.RLock()
	var tables []*table
	if k := x.kinds[gvk.GroupKind()]; k != nil {
		k.each(func(t *table) {
			if !t.spec.full || t.spec.gvk == gvk {
				tables = append(tables, t)
			}
		})
	}
	x.mu.RUnlock()
	for _, t := range tables {
		it, err := x.decoder(t).decode(shallow(u))
		if err != nil {
			return err
		}
		x.mu.Lock()
		if _, ok := x.holds(t); ok {
			if ch, ok := t.onWrite(it); ok {
				x.apply(t, ch)
			}
		}
		x.mu.Unlock()
	}
	return nil
}

func (x *index) gone(ref object.Ref, uid types.UID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.kinds[ref.GroupKind()]
	if k == nil {
		return
	}
	k.each(func(t *table) {
		if ch, ok := t.onGone(name{ref.Namespace, ref.Name}, uid); ok {
			x.apply(t, ch)
		}
	})
}

// expire ends the memory of a confirmed deletion and reports whether the object was there all the same.
func (x *index) expire(gk schema.GroupKind, uid types.UID) (back bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	k := x.kinds[gk]
	if k == nil {
		return false
	}
	k.each(func(t *table) {
		if ch, ok := t.onExpire(uid); ok {
			x.apply(t, ch)
			back = true
		}
	})
	return back
}

// apply carries out a change. Only the active table is seen by the indexes and the subscribers.
func (x *index) apply(t *table, ch change) {
	active, _ := x.holds(t)
	s := t.slots[ch.key]
	switch {
	case ch.after == nil:
		delete(t.slots, ch.key)
		if active {
			x.unlink(s)
		}
	case s == nil:
		s = &slot{item: ch.after, observed: ch.observed}
		t.slots[ch.key] = s
		if active {
			x.link(s)
		}
	default:
		relink := active && (s.app != ch.after.app || !sameUIDs(s.owners, ch.after.owners))
		if relink {
			x.unlink(s)
		}
		s.item, s.observed = ch.after, ch.observed
		if relink {
			x.link(s)
		}
	}
	if active {
		x.events.push(ch.before, ch.after)
	}
}

// promote puts the pending table of t's kind in the place of the active one as soon as that goes back nowhere.
func (x *index) promote(t *table) {
	k := x.kinds[t.spec.gvk.GroupKind()]
	if k.pending == nil || !k.pending.caughtUp(k.active) {
		return
	}
	old := k.active
	k.active, k.pending = k.pending, nil
	for key, was := range old.slots {
		x.unlink(was)
		if k.active.slots[key] == nil {
			x.events.push(was.item, nil)
		}
	}
	for key, s := range k.active.slots {
		x.link(s)
		was := old.slots[key]
		switch {
		case was == nil:
			x.events.push(nil, s.item)
		case was.uid != s.uid || was.rv != s.rv || s.rv == 0:
			x.events.push(was.item, s.item)
		}
	}
	x.swapped(old)
}

func (x *index) link(s *slot) {
	if s.app != "" {
		add(x.owned, s.app, s)
	}
	for _, uid := range s.owners {
		add(x.children, uid, s)
	}
	if s.ref.Namespace != "" {
		add(x.spaces, s.ref.Namespace, s)
	}
}

func (x *index) unlink(s *slot) {
	if s.app != "" {
		remove(x.owned, s.app, s)
	}
	for _, uid := range s.owners {
		remove(x.children, uid, s)
	}
	if s.ref.Namespace != "" {
		remove(x.spaces, s.ref.Namespace, s)
	}
}

func add[K comparable](m map[K]slots, key K, s *slot) {
	if m[key] == nil {
		m[key] = slots{}
	}
	m[key][s] = struct{}{}
}

func remove[K comparable](m map[K]slots, key K, s *slot) {
	delete(m[key], s)
	if len(m[key]) == 0 {
		delete(m, key)
	}
}

func sameUIDs(a, b []types.UID) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (x *index) get(ref object.Ref) (*object.Live, bool) {
	x.mu.RLock()
	var it *item
	if k := x.kinds[ref.GroupKind()]; k != nil {
		if s := k.active.slots[name{ref.Namespace, ref.Name}]; s != nil {
			it = s.item
		}
	}
	x.mu.RUnlock()
	return it.live(), it != nil
}

// items returns copies of the pointers in one set, so that content is decoded outside the lock.
func items[K comparable](x *index, m map[K]slots, key K) []*object.Live {
	x.mu.RLock()
	found := make([]*item, 0, len(m[key]))
	for s := range m[key] {
		found = append(found, s.item)
	}
	x.mu.RUnlock()
	sort.Slice(found, func(i, j int) bool { return found[i].ref.Less(found[j].ref) })
	out := make([]*object.Live, len(found))
	for i, it := range found {
		out[i] = it.live()
	}
	return out
}

// tables returns the tables of a kind, nil where there is none.
func (x *index) tables(gk schema.GroupKind) (active, pending *table) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if k := x.kinds[gk]; k != nil {
		return k.active, k.pending
	}
	return nil, nil
}

func (x *index) activeTables() []*table {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := make([]*table, 0, len(x.kinds))
	for _, k := range x.kinds {
		out = append(out, k.active)
	}
	return out
}

func (x *index) isSynced(t *table) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return t.synced()
}

func (x *index) count() Stats {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := Stats{Kinds: len(x.kinds), Events: x.events.count()}
	for _, k := range x.kinds {
		s.Objects += len(k.active.slots)
		if k.active.spec.full {
			s.Full += len(k.active.slots)
		}
	}
	return s
}
