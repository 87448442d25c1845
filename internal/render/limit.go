package render

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// LimitOptions bound renders; zero values take the defaults.
type LimitOptions struct {
	// Concurrent is the number of renders at a time (GOMAXPROCS).
	Concurrent int
	// Timeout is the time for one render (60 s), not counting the wait for its turn.
	Timeout time.Duration
	// MaxObjects (50,000) and MaxBytes (256 MiB, estimated in memory) bound one result.
	MaxObjects int
	MaxBytes   int64
}

// errTimeLimit marks renders that did not finish in time.
var errTimeLimit = errors.New("time limit")

// Limit bounds how many renders run at a time, how long each may take and how much it may return.
//
// A render that ignores its context cannot be stopped: it is given up after Timeout and goes on without counting,
// but only as many as Concurrent; beyond that the given-up ones keep their turns, so that runaway templates slow
// rendering down instead of taking the machine.
func Limit(inner Renderer, opts LimitOptions) Renderer {
	if opts.Concurrent <= 0 {
		opts.Concurrent = runtime.GOMAXPROCS(0)
	}
	if opts.Timeout == 0 {
		opts.Timeout = time.Minute
	}
	if opts.MaxObjects == 0 {
		opts.MaxObjects = 50_000
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 256 << 20
	}
	return &limiter{inner: inner, opts: opts, turns: make(chan struct{}, opts.Concurrent)}
}

type limiter struct {
	inner Renderer
	opts  LimitOptions
	turns chan struct{}

	mu      sync.Mutex
	givenUp int
}

// Render implements Renderer.
func (l *limiter) Render(ctx context.Context, files source.FS, spec Spec) (Manifests, error) {
	select {
	case l.turns <- struct{}{}:
	case <-ctx.Done():
		return Manifests{}, fmt.Errorf("wait for a turn to render: %w", ctx.Err())
	}
	limited, cancel := context.WithTimeout(ctx, l.opts.Timeout)
	defer cancel()
	type outcome struct {
		manifests Manifests
		err       error
	}
	done := make(chan outcome, 1)
	run := &turn{limiter: l}
	go func() {
		defer run.end()
		var out outcome
		out.manifests, out.err = renderSafely(limited, l.inner, files, spec)
		done <- out
	}()
	select {
	case out := <-done:
		if out.err != nil {
			return Manifests{}, l.explain(ctx, limited, out.err)
		}
		return out.manifests, l.check(out.manifests)
	case <-limited.Done():
		run.giveUp()
		return Manifests{}, l.explain(ctx, limited, limited.Err())
	}
}

// explain tells our own time limit from the caller's.
func (l *limiter) explain(ctx, limited context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(limited.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Transient, "render did not finish within %s: %w", l.opts.Timeout, errTimeLimit)
	}
	return err
}

func (l *limiter) check(m Manifests) error {
	if len(m.Objects) > l.opts.MaxObjects {
		return fault.New(fault.Invalid, "render gives %d objects, more than %d", len(m.Objects), l.opts.MaxObjects)
	}
	var size int64
	for _, u := range m.Objects {
		if size += valueBytes(u.Object); size > l.opts.MaxBytes {
			return fault.New(fault.Invalid, "render gives more than %d bytes of objects", l.opts.MaxBytes)
		}
	}
	return nil
}

// turn is the right to render of one goroutine.
type turn struct {
	limiter  *limiter
	mu       sync.Mutex
	ended    bool
	released bool
}

// giveUp passes the turn on although the goroutine still runs, if not too many do so already.
func (t *turn) giveUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.ended || l.givenUp >= l.opts.Concurrent {
		return
	}
	l.givenUp++
	t.released = true
	<-l.turns
}

// end is called when the goroutine has ended.
func (t *turn) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if !t.released {
		<-t.limiter.turns
		return
	}
	t.limiter.mu.Lock()
	defer t.limiter.mu.Unlock()
	t.limiter.givenUp--
}

// renderSafely makes a panic of a rendering library an error of that one render.
func renderSafely(ctx context.Context, inner Renderer, files source.FS, spec Spec) (out Manifests, err error) {
	defer func() {
		if r := recover(); r != nil {
			slog.ErrorContext(ctx, "render panics", "app", spec.AppName, "panic", r, "stack", string(debug.Stack()))
			out, err = Manifests{}, fault.New(fault.Internal, "render panics: %v", r)
		}
	}()
	return inner.Render(ctx, files, spec)
}

// valueBytes estimates the memory of a decoded value.
func valueBytes(v any) int64 {
	switch x := v.(type) {
	case string:
		return int64(16 + len(x))
	case map[string]any:
		size := int64(48)
		for key, value := range x {
			size += int64(32+len(key)) + valueBytes(value)
		}
		return size
	case []any:
		size := int64(24)
		for _, value := range x {
			size += 16 + valueBytes(value)
		}
		return size
	}
	return 16
}
