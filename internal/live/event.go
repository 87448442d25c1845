package live

import (
	"slices"
	"sync"

	"github.com/belaycd/belay/internal/object"
)

// EventKind says what happened to an object.
type EventKind int

// What can happen to an object.
const (
	Added EventKind = iota
	Updated
	Deleted
)

// String returns the name of the kind of event.
func (k EventKind) String() string {
	switch k {
	case Added:
		return "Added"
	case Updated:
		return "Updated"
	case Deleted:
		return "Deleted"
	}
	return "Unknown"
}

// Event is one change of one object. An object that passes from one application to another gives two: one for the
// application that lost it, then one for the one that has it.
type Event struct {
	Kind EventKind
	App  string // the application that owns the object, "" when none does
	Ref  object.Ref
	Old  *object.Live // nil when added
	New  *object.Live // nil when deleted
}

// queue carries changes from the writers of the index to the subscribers, in the order of the writes, without
// making a writer wait. It grows as needed: a change must not get lost, and each costs a few words.
type queue struct {
	mu      sync.Mutex
	pending []queued
	wake    chan struct{}

	subs  []*subscriber // replaced, never changed, so that run may read it without the lock
	total uint64
}

type subscriber struct{ fn func(Event) }

type queued struct {
	before, after *item
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1)}
}

func (q *queue) push(before, after *item) {
	q.mu.Lock()
	q.total++
	if len(q.subs) > 0 {
		q.pending = append(q.pending, queued{before, after})
	}
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) subscribe(fn func(Event)) (cancel func()) {
	sub := &subscriber{fn}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.subs = append(slices.Clip(q.subs), sub)
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.subs = slices.DeleteFunc(slices.Clone(q.subs), func(s *subscriber) bool { return s == sub })
	}
}

func (q *queue) count() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.total
}

// run calls the subscribers until done closes.
func (q *queue) run(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-q.wake:
		}
		q.mu.Lock()
		batch := q.pending
		q.pending = nil
		q.mu.Unlock()
		for _, c := range batch {
			for _, e := range c.events() {
				for _, sub := range q.current() {
					sub.fn(e)
				}
			}
		}
	}
}

func (q *queue) current() []*subscriber {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.subs
}

func (c queued) events() []Event {
	switch {
	case c.before == nil:
		return []Event{{Kind: Added, App: c.after.app, Ref: c.after.ref, New: c.after.live()}}
	case c.after == nil:
		return []Event{{Kind: Deleted, App: c.before.app, Ref: c.before.ref, Old: c.before.live()}}
	}
	e := Event{Kind: Updated, App: c.after.app, Ref: c.after.ref, Old: c.before.live(), New: c.after.live()}
	if c.before.app == "" || c.before.app == c.after.app {
		return []Event{e}
	}
	lost := e
	lost.App = c.before.app
	return []Event{lost, e}
}
