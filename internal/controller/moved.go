package controller

import (
	"context"
	"hash/fnv"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	belay "github.com/belaycd/belay/internal/reconcile"
)

// A commit to a monorepo concerns few of its applications. Those are reconciled at once. The others want what they
// wanted before: all that is left to do for them is to name the new commit in status.sync.revision. That waits a while,
// spread over time, so that a commit costs what it changes and not what there is, and so that a series of commits is
// written once. A refresh that somebody asks for, and any other write to the status, names the commit at once.
const (
	// putOffLeast is when the first of these revisions are written.
	putOffLeast = 5 * time.Second
	// putOffPace is the distance of two writes on average, while putOffSpread allows it.
	putOffPace = 50 * time.Millisecond
	// putOffSpread bounds the time over which they are spread: with putOffLeast less than a minute.
	putOffSpread = 50 * time.Second
)

// Moved tells that refs of a repository have moved. Of the applications that match, those that the movement concerns
// are worked on at once.
func (c *Controller) Moved(ctx context.Context, match func(*v1alpha1.Application) bool) error {
	var list v1alpha1.ApplicationList
	if err := c.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range list.Items {
		app := &list.Items[i]
		if !match(app) {
			continue
		}
		group.Go(func() error {
			c.moved(ctx, app)
			return nil
		})
	}
	return group.Wait()
}

func (c *Controller) moved(ctx context.Context, app *v1alpha1.Application) {
	key := types.NamespacedName{Namespace: app.Namespace, Name: app.Name}
	c.mu.Lock()
	e := c.entries[key]
	c.mu.Unlock()
	if e == nil || e.busy() || e.remembered() == nil {
		c.queue.add(key)
		return
	}
	unconcerned, named := c.Reconciler.Unconcerned(ctx, belay.Request{App: app, Config: c.Environment.Config(), Memory: e.remembered()})
	switch {
	case !unconcerned:
		c.queue.add(key)
	case !named:
		c.queue.addAfter(key, e.putOff(c.Now(), c.spread(key)))
	}
}

// putOff returns how long the write of the result waits; zero when it does not wait.
func (c *Controller) putOff(e *entry, key types.NamespacedName, before *v1alpha1.Application, res belay.Result, refresh string) time.Duration {
	if res.Rendered || refresh != "" || res.Err != nil || !onlyRevision(before, res.App) {
		e.written()
		return 0
	}
	wait := e.putOff(c.Now(), c.spread(key))
	if wait == 0 {
		e.written()
	}
	return wait
}

// spread gives every application a time of its own.
func (c *Controller) spread(key types.NamespacedName) time.Duration {
	c.mu.Lock()
	n := len(c.entries)
	c.mu.Unlock()
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(key.String())) // a hash takes everything
	share := float64(sum.Sum32()) / (1 << 32)
	return putOffLeast + time.Duration(share*float64(min(putOffSpread, time.Duration(n)*putOffPace)))
}

// putOff returns how long is left until the revision is written. The first call sets the time; more commits do not
// push it back.
func (e *entry) putOff(now time.Time, wait time.Duration) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.due.IsZero() {
		e.due = now.Add(wait)
	}
	return max(0, e.due.Sub(now))
}

// written says that no revision waits any more.
func (e *entry) written() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.due = time.Time{}
}

func (e *entry) work(on bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.working = on
}

func (e *entry) busy() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.working
}

// onlyRevision reports whether the revisions that were compared with are all that changed.
func onlyRevision(before, after *v1alpha1.Application) bool {
	had, has := before.Status.Sync, after.Status.Sync
	if had.Revision == "" && len(had.Revisions) == 0 || had.Revision == has.Revision && slices.Equal(had.Revisions, has.Revisions) {
		return false
	}
	same := *after
	same.Status.Sync.Revision, same.Status.Sync.Revisions = had.Revision, had.Revisions
	return unchanged(before, &same)
}

// sooner returns the shorter of two waits, of which zero means never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
