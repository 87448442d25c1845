// Package flight lets callers who want the same thing share one run of it: a function and a context go in; the outcome of
// a run that was young enough comes out.
package flight

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Flight lets callers who want the same thing share one run of it. At most one run is under way and one is waiting: a
// caller who must not get an answer older than its question takes part in the one that has not begun yet.
//
//	A asks ──► run 1 ───────────► A
//	     B, C ask ──► (wait) run 2 ───────────► B, C
type Flight struct {
	mu      sync.Mutex
	running *call
	next    *call
}

// Lifetime is how long the owner of flights lives, and what goes on in it.
type Lifetime struct {
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// NewLifetime begins a life that End ends.
func NewLifetime() *Lifetime {
	l := &Lifetime{}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Done is closed when the life has ended.
func (l *Lifetime) Done() <-chan struct{} { return l.ctx.Done() }

// Ended reports whether the life has ended.
func (l *Lifetime) Ended() bool { return l.ctx.Err() != nil }

// Context ends with the life.
func (l *Lifetime) Context() context.Context { return l.ctx }

// Go runs work that End waits for.
func (l *Lifetime) Go(work func()) { l.work.Go(work) }

// End cancels all work and waits for it.
func (l *Lifetime) End() {
	l.cancel()
	l.work.Wait()
}

// ErrClosed says that the life has ended.
var ErrClosed = errors.New("the source is closed")

type call struct {
	run     func(context.Context) error
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // set before done is closed
	waiters int   // guarded by Flight.mu
}

// Do runs run, or takes part in a run of another caller: in the one under way when join is set, else in the next.
// The run ends when every caller has left; the end of life ends it in any case.
func (f *Flight) Do(ctx context.Context, life *Lifetime, join bool, run func(context.Context) error) error {
	if life.ctx.Err() != nil {
		return ErrClosed
	}
	f.mu.Lock()
	c := f.running
	switch {
	case c == nil:
		c = newCall(life.ctx, run)
		f.running = c
		life.work.Go(func() { f.start(c, life) })
	case join && c.waiters > 0: // one that everybody left is being cancelled
	default:
		if f.next == nil {
			f.next = newCall(life.ctx, run)
		}
		c = f.next
	}
	c.waiters++
	f.mu.Unlock()

	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		f.leave(c)
		return ctx.Err()
	}
}

func newCall(base context.Context, run func(context.Context) error) *call {
	ctx, cancel := context.WithCancel(base)
	return &call{run: run, ctx: ctx, cancel: cancel, done: make(chan struct{})}
}

func (f *Flight) start(c *call, life *Lifetime) {
	c.err = c.run(c.ctx)
	c.cancel()
	f.mu.Lock()
	f.running, f.next = f.next, nil
	if next := f.running; next != nil {
		life.work.Go(func() { f.start(next, life) })
	}
	f.mu.Unlock()
	close(c.done)
}

func (f *Flight) leave(c *call) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.waiters--
	if c.waiters > 0 {
		return
	}
	c.cancel()
	if f.next == c {
		f.next = nil
	}
}

// Rounds calls round at once, again when the time that it returned is over, and whenever wake is signalled, until ctx or life
// ends. Calls come from one goroutine.
func Rounds(ctx context.Context, life *Lifetime, wake <-chan struct{}, round func() time.Duration) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-life.Done():
			return ErrClosed
		case <-timer.C:
		case <-wake:
		}
		timer.Reset(round())
	}
}
