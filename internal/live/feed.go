package live

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/belaycd/belay/internal/fault"
)

// triesUntilSettled is how many attempts to list a kind may fail before Ready no longer waits for it.
const triesUntilSettled = 3

// feed fills one table from one watch: a kind, cluster-wide or in one namespace. client-go's reflector lists and
// watches; the feed is the store that it writes into.
type feed struct {
	c    *Cluster
	t    *table
	cur  *cursor
	dec  decoder
	kick chan struct{} // cuts a pause short

	ctx    context.Context
	cancel context.CancelFunc
	// Only the feed's goroutine uses these.
	release func() // gives back the place among the parallel lists
	expired int    // how often in a row the server said that it no longer knows the past

	mu     sync.Mutex
	synced bool
	err    error // why the last attempt failed; nil while connected
	since  time.Time
	fails  int
}

var (
	_ cache.TransformingStore      = (*feed)(nil)
	_ cache.ReflectorBookmarkStore = (*feed)(nil)
)

// start begins to fill t. The caller has not yet installed t in the index.
func (c *Cluster) start(ctx context.Context, t *table) {
	for _, cur := range t.cursors {
		feedCtx, cancel := context.WithCancel(ctx)
		f := &feed{c: c, t: t, cur: cur, dec: c.x.decoder(t), kick: make(chan struct{}, 1), ctx: feedCtx, cancel: cancel}
		t.feeds = append(t.feeds, f)
	}
	c.x.install(t) // from here on a reader or another feed may find, and stop, them
	for _, f := range t.feeds {
		c.feeds.Go(func() { f.run(f.ctx) })
	}
}

// stop ends the feeds of a table that is no longer used.
func (t *table) stop() {
	for _, f := range t.feeds {
		f.cancel()
	}
}

func (f *feed) run(ctx context.Context) {
	log := logr.FromSlogHandler(quiet{f.c.log.Handler()})
	ctx = klog.NewContext(ctx, log)
	backoff := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Steps: 30, Cap: f.c.cfg.MaxBackoff, Jitter: 0.5}
	r := cache.NewReflectorWithOptions(f.listWatch(), nil, f, cache.ReflectorOptions{
		Logger:          &log,
		Name:            "live",
		TypeDescription: f.t.spec.gvk.String(),
		Backoff:         &backoff,
	})
	r.WatchListPageSize = f.c.cfg.PageSize

	pause := backoff
	for ctx.Err() == nil {
		if !f.enter(ctx) {
			return
		}
		err := r.ListAndWatchWithContext(ctx)
		f.leave()
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			pause = backoff // the watch ended after a while: list again, not all kinds in the same instant
		} else {
			f.failed(err)
		}
		f.sleep(ctx, f.pauseAfter(err, &pause))
	}
}

// enter takes a place among the parallel lists; Replace or leave gives it back.
func (f *feed) enter(ctx context.Context) bool {
	select {
	case f.c.lists <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	f.release = func() { <-f.c.lists }
	return true
}

func (f *feed) leave() {
	if f.release != nil {
		f.release()
		f.release = nil
	}
}

func (f *feed) pauseAfter(err error, pause *wait.Backoff) time.Duration {
	if fault.Is(classify(err), fault.Denied) {
		return wait.Jitter(f.c.cfg.DeniedRetry, 0.2)
	}
	return pause.Step()
}

func (f *feed) sleep(ctx context.Context, d time.Duration) {
	timer := f.c.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-f.kick:
	case <-ctx.Done():
	}
}

// listWatch asks for metadata in protobuf, for full objects in JSON, and notes how the requests went.
func (f *feed) listWatch() *cache.ListWatch {
	gvr, ns := f.t.spec.gvr(), f.cur.namespace
	list := func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return f.c.meta.Resource(gvr).Namespace(ns).List(ctx, o)
	}
	open := func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		return f.c.meta.Resource(gvr).Namespace(ns).Watch(ctx, o)
	}
	if f.t.spec.full {
		list = func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return f.c.dyn.Resource(gvr).Namespace(ns).List(ctx, o)
		}
		open = func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return f.c.dyn.Resource(gvr).Namespace(ns).Watch(ctx, o)
		}
	}
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			page, err := list(ctx, o)
			if err != nil {
				return nil, err
			}
			return f.compact(page)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := open(ctx, o)
			if err != nil {
				f.refused(ctx, err, o.SendInitialEvents != nil)
				return nil, err
			}
			f.connected()
			return w, nil
		},
	}
}

// refused notes that a watch could not be opened. A server that cannot stream lists refuses that and is asked for a
// plain list next, which is no failure.
func (f *feed) refused(ctx context.Context, err error, streaming bool) {
	if !apierrors.IsResourceExpired(err) && !apierrors.IsGone(err) {
		f.expired = 0
		if !streaming || unreachable(err) {
			f.failed(err)
		}
		return
	}
	// The reflector asks again at once, without the resourceVersion that expired. Only a broken server says the
	// same to that, and would be asked as fast as it can answer.
	if f.expired++; f.expired > 1 {
		f.failed(err)
		f.sleep(ctx, min(f.c.cfg.MaxBackoff, time.Duration(f.expired)*100*time.Millisecond))
	}
}

// compact turns a page into items at once, so that a long list is never held in its decoded form.
func (f *feed) compact(page runtime.Object) (runtime.Object, error) {
	listMeta, err := meta.ListAccessor(page)
	if err != nil {
		return nil, err
	}
	out := &internalversion.List{}
	out.ResourceVersion = listMeta.GetResourceVersion()
	out.Continue = listMeta.GetContinue()
	out.RemainingItemCount = listMeta.GetRemainingItemCount()
	err = meta.EachListItemWithAlloc(page, func(o runtime.Object) error {
		it, err := f.dec.decode(o)
		if err == nil {
			out.Items = append(out.Items, it)
		}
		return err
	})
	return out, err
}

func (f *feed) connected() {
	f.mu.Lock()
	recovered := f.err != nil
	f.err, f.fails = nil, 0
	f.mu.Unlock()
	f.expired = 0
	if f.c.down.CompareAndSwap(true, false) {
		f.c.log.Info("cluster answers again")
	}
	if recovered {
		f.log("watch recovered", slog.LevelInfo)
		f.c.changed.notify()
	}
}

func (f *feed) failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	err = classify(err)
	f.mu.Lock()
	first := f.err == nil
	if first {
		f.since = f.c.cfg.Clock.Now()
	}
	f.err = err
	f.fails++
	f.mu.Unlock()
	switch {
	case unreachable(err): // one line for the cluster, not one for each kind
		if f.c.down.CompareAndSwap(false, true) {
			f.c.log.Warn("cluster does not answer", "error", err)
		}
	case first:
		f.log("watch failed", slog.LevelWarn, "error", err)
	}
	switch fault.KindOf(err) {
	case fault.Denied, fault.NotFound:
		f.c.forget(f.t.spec.gvk.GroupKind()) // what Manage promised no longer holds
	}
	if fault.Is(err, fault.NotFound) {
		f.c.finder.look()
	}
	f.c.changed.notify()
}

// log reports on kinds that nobody manages only to those who look for it: Stats has the same.
func (f *feed) log(msg string, level slog.Level, args ...any) {
	if !f.t.spec.full {
		level = slog.LevelDebug
	}
	args = append([]any{"kind", f.t.spec.gvk.GroupKind().String(), "namespace", f.cur.namespace}, args...)
	f.c.log.Log(f.ctx, level, msg, args...)
}

// state returns whether the table is filled and what is wrong now.
func (f *feed) state() (synced bool, since time.Time, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.synced, f.since, f.err
}

// settled reports whether waiting for the first list makes no sense any more, and if not, why it is not there.
func (f *feed) settled() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.synced || fault.Is(f.err, fault.Denied) || f.fails >= triesUntilSettled && !unreachable(f.err) {
		return true, nil
	}
	if f.err != nil {
		return false, f.err
	}
	return false, errors.New("not done")
}

// Add, Update, Delete, Replace, Resync, Bookmark and Transformer are what the reflector calls.

// Add takes an object that the watch reports as new.
func (f *feed) Add(obj any) error { return f.event(obj, false) }

// Update takes an object that the watch reports as changed.
func (f *feed) Update(obj any) error { return f.event(obj, false) }

// Delete takes an object that the watch reports as deleted.
func (f *feed) Delete(obj any) error { return f.event(obj, true) }

func (f *feed) event(obj any, deleted bool) error {
	it, err := f.dec.decode(obj)
	if err != nil {
		return err
	}
	f.c.x.watched(f.t, f.cur, it, deleted)
	f.c.noteItem(it, deleted)
	return nil
}

// Replace takes a complete list as of a resourceVersion.
func (f *feed) Replace(list []any, resourceVersion string) error {
	all := make([]*item, 0, len(list))
	for _, obj := range list {
		it, err := f.dec.decode(obj)
		if err != nil {
			return err
		}
		all = append(all, it)
	}
	f.c.x.listed(f.t, f.cur, all, comparable64(resourceVersion))
	f.leave()
	f.connected()
	f.mu.Lock()
	f.synced = true
	f.mu.Unlock()
	for _, it := range all {
		f.c.noteItem(it, false)
	}
	f.c.changed.notify()
	return nil
}

// Resync does nothing: subscribers are never told what they know.
func (f *feed) Resync() error { return nil }

// Bookmark notes that the watch is current up to a resourceVersion.
func (f *feed) Bookmark(resourceVersion string) error {
	f.c.x.bookmark(f.t, f.cur, comparable64(resourceVersion))
	return nil
}

// Transformer compacts the objects of a streamed list one by one as they arrive.
func (f *feed) Transformer() cache.TransformFunc {
	return func(obj any) (any, error) { return f.dec.decode(obj) }
}

// classify gives an API error the kind that callers branch on.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault.As(fault.Denied, err)
	case apierrors.IsNotFound(err), apierrors.IsMethodNotSupported(err):
		return fault.As(fault.NotFound, err)
	}
	return fault.As(fault.Transient, err)
}

// unreachable reports whether no API server answered at all.
func unreachable(err error) bool {
	var request *url.Error
	return errors.As(err, &request)
}
