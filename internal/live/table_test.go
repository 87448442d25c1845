package live

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/internal/object"
)

var configMaps = spec{gvk: configMapGVK, resource: "configmaps", namespaced: true, full: true}

// state is one object at one resourceVersion of a server that exists in the test only.
type state struct {
	name, uid, app, owner string
	rv                    uint64
	deleted               bool
}

func (s state) unstructured() *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	u.SetName(s.name)
	u.SetNamespace("n")
	u.SetUID(types.UID(s.uid))
	u.SetResourceVersion(strconv.FormatUint(s.rv, 10))
	if s.app != "" {
		u.SetLabels(map[string]string{"app": s.app})
	}
	if s.owner != "" {
		_ = unstructured.SetNestedSlice(u.Object, []any{map[string]any{"uid": s.owner}}, "metadata", "ownerReferences")
	}
	return u
}

// server is the truth: a log of states in the order of resourceVersion.
type server struct {
	rv   uint64
	uids int
	now  map[string]state
	log  []state
}

func (s *server) write(name, app, owner string) state {
	s.rv++
	next := state{name: name, app: app, owner: owner, rv: s.rv}
	if old, ok := s.now[name]; ok {
		next.uid = old.uid
	} else {
		s.uids++
		next.uid = "uid" + strconv.Itoa(s.uids)
	}
	s.now[name] = next
	s.log = append(s.log, next)
	return next
}

func (s *server) delete(name string) (state, bool) {
	old, ok := s.now[name]
	if !ok {
		return state{}, false
	}
	s.rv++
	delete(s.now, name)
	old.rv, old.deleted = s.rv, true
	s.log = append(s.log, old)
	return old, true
}

func (s *server) list() []state {
	out := make([]state, 0, len(s.now))
	for _, o := range s.now {
		out = append(out, o)
	}
	return out
}

// lagging is one watch of the client.
type lagging struct {
	table *table
	next  int // index in the log of the next event to arrive
}

// client is the cache with one or two watches that lag behind the server, and writes whose answers come late.
type client struct {
	t       *testing.T
	srv     *server
	x       *index
	watches []*lagging
	writes  []func()
	gone    map[types.UID]bool // deletions that a watch has delivered to readers, or that were confirmed
	newest  map[types.UID]uint64
}

func (c *client) active() *table {
	active, _ := c.x.tables(configMaps.gvk.GroupKind())
	return active
}

func (c *client) decode(s state) *item {
	it, err := c.x.decoder(c.active()).decode(s.unstructured())
	if err != nil {
		c.t.Fatal(err)
	}
	return it
}

func (c *client) deliver(w *lagging) {
	if w.next >= len(c.srv.log) {
		return
	}
	e := c.srv.log[w.next]
	w.next++
	if e.deleted && w.table == c.active() {
		c.gone[types.UID(e.uid)] = true
	}
	c.x.watched(w.table, w.table.cursors[0], c.decode(e), e.deleted)
}

func (c *client) relist(w *lagging) { c.listAt(w, len(c.srv.log)) }

// listAt answers a list with what the server held after the first n changes.
func (c *client) listAt(w *lagging, n int) {
	past := map[string]state{}
	var rv uint64
	for _, e := range c.srv.log[:n] {
		rv = e.rv
		delete(past, e.name)
		if !e.deleted {
			past[e.name] = e
		} else if w.table == c.active() {
			c.gone[types.UID(e.uid)] = true
		}
	}
	var all []*item
	for _, s := range past {
		all = append(all, c.decode(s))
	}
	w.next = n
	c.x.listed(w.table, w.table.cursors[0], all, rv)
}

// replaceWatch starts a second watch, whose list may be older than what the first has told.
func (c *client) replaceWatch(lag int) {
	if active, pending := c.x.tables(configMaps.gvk.GroupKind()); pending != nil {
		return
	} else {
		c.watches = []*lagging{c.watchOf(active)}
	}
	w := &lagging{table: newTable(configMaps, nil)}
	c.x.install(w.table)
	c.watches = append(c.watches, w)
	c.listAt(w, max(0, len(c.srv.log)-lag))
}

func (c *client) watchOf(t *table) *lagging {
	for _, w := range c.watches {
		if w.table == t {
			return w
		}
	}
	c.t.Fatal("the active table has no watch")
	return nil
}

// check verifies what must hold at every moment.
func (c *client) check() {
	c.t.Helper()
	for _, s := range c.active().slots {
		if c.gone[s.uid] {
			c.t.Fatalf("%s with uid %s is back from the dead", s.ref, s.uid)
		}
		if s.rv < c.newest[s.uid] {
			c.t.Fatalf("%s went back from %d to %d", s.ref, c.newest[s.uid], s.rv)
		}
		c.newest[s.uid] = s.rv
	}
	checkIndexes(c.t, c.x)
}

// checkIndexes compares each index with one computed anew from the active tables.
func checkIndexes(t *testing.T, x *index) {
	t.Helper()
	want := newIndex(x.owner)
	for _, k := range x.kinds {
		for _, s := range k.active.slots {
			want.link(s)
		}
	}
	for _, pair := range []struct {
		name      string
		got, want any
	}{{"owned", x.owned, want.owned}, {"children", x.children, want.children}, {"namespaces", x.spaces, want.spaces}} {
		if fmt.Sprint(pair.got) != fmt.Sprint(pair.want) {
			t.Fatalf("index %s is %v, want %v", pair.name, pair.got, pair.want)
		}
	}
}

func newClient(t *testing.T) *client {
	x := newIndex(byLabel)
	x.events.subscribe(func(Event) {}) // so that the queue keeps them
	table := newTable(configMaps, nil)
	x.install(table)
	return &client{t: t, srv: &server{now: map[string]state{}}, x: x, watches: []*lagging{{table: table}},
		gone: map[types.UID]bool{}, newest: map[types.UID]uint64{}}
}

// step does one random thing. Answers to writes and events of the watch arrive in any order relative to each other.
func (c *client) step(r *rand.Rand) {
	name := "o" + strconv.Itoa(r.IntN(4))
	app := []string{"", "a", "b"}[r.IntN(3)]
	switch r.IntN(12) {
	case 0, 1: // somebody else writes
		c.srv.write(name, app, []string{"", "p", "q"}[r.IntN(3)])
	case 2: // somebody else deletes
		c.srv.delete(name)
	case 3, 4: // we write; the answer comes now or later
		u := c.srv.write(name, app, "").unstructured()
		c.writes = append(c.writes, func() {
			if err := c.x.wrote(u); err != nil {
				c.t.Fatal(err)
			}
		})
	case 5: // we delete and hear at once that it is gone
		if old, ok := c.srv.delete(name); ok {
			c.gone[types.UID(old.uid)] = true
			c.x.gone(object.Ref{Kind: "ConfigMap", Namespace: "n", Name: name}, types.UID(old.uid))
		}
	case 6, 7: // an answer arrives
		if n := len(c.writes); n > 0 {
			i := r.IntN(n)
			c.writes[i]()
			c.writes = append(c.writes[:i], c.writes[i+1:]...)
		}
	case 8, 9, 10:
		c.deliver(c.watches[r.IntN(len(c.watches))])
	case 11:
		switch r.IntN(4) {
		case 0:
			w := c.watches[r.IntN(len(c.watches))] // a list is no older than what its watch has told
			c.listAt(w, w.next+r.IntN(len(c.srv.log)-w.next+1))
		case 1:
			c.replaceWatch(r.IntN(6))
		case 2: // a bookmark says how far the watch is
			if w := c.watches[r.IntN(len(c.watches))]; w.next == len(c.srv.log) {
				c.x.bookmark(w.table, w.table.cursors[0], c.srv.rv)
			}
		}
	}
	c.check()
}

func TestAnyInterleavingEndsWithTheServersState(t *testing.T) {
	runs := 3000
	if testing.Short() {
		runs = 300
	}
	for seed := range runs {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		c := newClient(t)
		c.relist(c.watches[0])
		for range 60 {
			c.step(r)
		}
		for _, w := range c.watches {
			for w.next < len(c.srv.log) {
				c.deliver(w)
				c.check()
			}
		}
		for _, late := range c.writes {
			late()
			c.check()
		}
		// A list that no longer had the object leaves its tomb to time; that must change nothing.
		for uid := range c.active().tombs {
			c.x.expire(configMaps.gvk.GroupKind(), uid)
			c.check()
		}
		var got, want []string
		for _, s := range c.active().slots {
			got = append(got, fmt.Sprint(s.ref.Name, s.uid, s.rv, s.app))
		}
		for _, s := range c.srv.list() {
			want = append(want, fmt.Sprint(s.name, s.uid, s.rv, s.app))
		}
		sort.Strings(got)
		sort.Strings(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d (-server +cache):\n%s", seed, diff)
		}
		checkReplay(t, c)
	}
}

// checkReplay verifies that the events alone lead to the same state, each from the state before it.
func checkReplay(t *testing.T, c *client) {
	t.Helper()
	same := func(a, b *item) bool { return a != nil && a.uid == b.uid && a.rv == b.rv }
	at := map[object.Ref]*item{}
	for _, e := range c.x.events.pending {
		if e.before != nil && !same(at[e.before.ref], e.before) {
			t.Fatalf("event of %s starts from a state that was not the last", e.before.ref)
		}
		if e.before == nil && at[e.after.ref] != nil {
			t.Fatalf("%s was added twice", e.after.ref)
		}
		if e.after == nil {
			delete(at, e.before.ref)
		} else {
			at[e.after.ref] = e.after
		}
	}
	if len(at) != len(c.active().slots) {
		t.Fatalf("events lead to %d objects, the cache has %d", len(at), len(c.active().slots))
	}
}

func TestTombs(t *testing.T) {
	c := newClient(t)
	c.srv.write("o", "a", "")
	c.relist(c.watches[0])
	ref := object.Ref{Kind: "ConfigMap", Namespace: "n", Name: "o"}
	late := c.srv.write("o", "b", "")
	c.x.gone(ref, "uid1")
	c.x.watched(c.active(), c.active().cursors[0], c.decode(late), false)
	if _, ok := c.x.get(ref); ok {
		t.Fatal("a late event brought the object back")
	}
	// Nothing ever confirms the deletion: what the cluster says counts in the end.
	c.x.expire(ref.GroupKind(), "uid1")
	if l, ok := c.x.get(ref); !ok || l.Object.GetResourceVersion() != "2" {
		t.Fatalf("after expiry: %v", l)
	}
	c.x.gone(ref, "uid1")
	c.srv.delete("o")
	again := c.srv.write("o", "a", "")
	c.x.watched(c.active(), c.active().cursors[0], c.decode(again), false)
	if l, ok := c.x.get(ref); !ok || l.Object.GetUID() != "uid2" {
		t.Fatalf("a new object of that name: %v", l)
	}
	c.x.expire(ref.GroupKind(), "uid1")
	if l, _ := c.x.get(ref); l.Object.GetUID() != "uid2" {
		t.Fatalf("expiry replaced the new object: %v", l)
	}
}

func TestServerRestoredFromBackup(t *testing.T) {
	c := newClient(t)
	c.srv.write("kept", "a", "")
	before := c.srv.list()[0]
	c.srv.write("kept", "b", "")
	c.srv.write("lost", "a", "")
	c.relist(c.watches[0])
	if err := c.x.wrote(state{name: "ours", uid: "uid9", rv: 50}.unstructured()); err != nil {
		t.Fatal(err)
	}
	c.x.listed(c.active(), c.active().cursors[0], []*item{c.decode(before)}, 1)
	if len(c.active().slots) != 1 || c.active().slots[name{"n", "kept"}].rv != 1 {
		t.Fatalf("slots after the restore: %v", c.active().slots)
	}
}

func TestOwnWriteThatTheWatchHasPassed(t *testing.T) {
	c := newClient(t)
	ours := c.srv.write("o", "a", "").unstructured()
	c.srv.delete("o")
	c.deliver(c.watches[0])
	c.deliver(c.watches[0])
	if err := c.x.wrote(ours); err != nil {
		t.Fatal(err)
	}
	if len(c.active().slots) != 0 {
		t.Fatal("the answer to a write brought back what was deleted since")
	}
}

func TestEchoOfOwnWriteIsSilent(t *testing.T) {
	c := newClient(t)
	c.relist(c.watches[0])
	s := c.srv.write("o", "a", "")
	if err := c.x.wrote(s.unstructured()); err != nil {
		t.Fatal(err)
	}
	c.deliver(c.watches[0])
	if n := len(c.x.events.pending); n != 1 {
		t.Fatalf("%d events, want the one of the write", n)
	}
}

func TestUncomparableVersionsFollowTheWatch(t *testing.T) {
	c := newClient(t)
	cur := c.active().cursors[0]
	at := func(rv string) *item {
		u := state{name: "o", uid: "u"}.unstructured()
		u.SetResourceVersion(rv)
		it, err := c.x.decoder(c.active()).decode(u)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	c.x.listed(c.active(), cur, []*item{at("b")}, 0)
	c.x.watched(c.active(), cur, at("a"), false)
	if l, _ := c.x.get(object.Ref{Kind: "ConfigMap", Namespace: "n", Name: "o"}); l.Object.GetResourceVersion() != "a" {
		t.Errorf("resourceVersion %s", l.Object.GetResourceVersion())
	}
	c.x.watched(c.active(), cur, at("c"), true)
	if len(c.active().slots) != 0 {
		t.Error("not deleted")
	}
}

func TestNamespacesHaveTheirOwnCursors(t *testing.T) {
	x := newIndex(byLabel)
	table := newTable(configMaps, []string{"n", "m"})
	x.install(table)
	dec := x.decoder(table)
	in := func(ns, name string, rv uint64) *item {
		u := state{name: name, uid: ns + name, rv: rv}.unstructured()
		u.SetNamespace(ns)
		it, err := dec.decode(u)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	x.listed(table, table.cursors[0], []*item{in("n", "o", 1)}, 5)
	if table.synced() {
		t.Error("synced after one of two lists")
	}
	x.listed(table, table.cursors[1], []*item{in("m", "o", 2)}, 3)
	if !table.synced() || len(table.slots) != 2 {
		t.Errorf("synced %v, %d objects", table.synced(), len(table.slots))
	}
	x.listed(table, table.cursors[1], nil, 9)
	if len(table.slots) != 1 || table.slots[name{"n", "o"}] == nil {
		t.Errorf("a list of one namespace touched the other: %v", table.slots)
	}
	other := state{name: "o", uid: "x", rv: 99}.unstructured()
	other.SetNamespace("elsewhere")
	if err := x.wrote(other); err != nil || len(table.slots) != 1 {
		t.Errorf("a namespace that is not watched: %v, %v", err, table.slots)
	}
}
