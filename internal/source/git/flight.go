package git

import (
	"context"
	"errors"
	"sync"
)

// flight lets callers who want the same thing share one run of it. At most one run is under way and one is waiting: a
// caller who must not get an answer older than its question takes part in the one that has not begun yet.
//
//	A asks ──► run 1 ───────────► A
//	     B, C ask ──► (wait) run 2 ───────────► B, C
type flight struct {
	mu      sync.Mutex
	running *call
	next    *call
}

// lifetime is how long a source lives, and what goes on in it.
type lifetime struct {
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

func newLifetime() *lifetime {
	l := &lifetime{}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// end cancels all work and waits for it.
func (l *lifetime) end() {
	l.cancel()
	l.work.Wait()
}

var errClosed = errors.New("the git source is closed")

type call struct {
	run     func(context.Context) error
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // set before done is closed
	waiters int   // guarded by flight.mu
}

// do runs run, or takes part in a run of another caller: in the one under way when join is set, else in the next.
// The run ends when every caller has left; the end of life ends it in any case.
func (f *flight) do(ctx context.Context, life *lifetime, join bool, run func(context.Context) error) error {
	if life.ctx.Err() != nil {
		return errClosed
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

func (f *flight) start(c *call, life *lifetime) {
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

func (f *flight) leave(c *call) {
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
