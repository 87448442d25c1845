package server

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	watchtools "k8s.io/client-go/tools/watch"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
)

const (
	// feedKept is how many changes are remembered for subscribers who come back after a break.
	feedKept = 1024
	// feedBuffer is how many changes a subscriber may be behind before it is dropped.
	feedBuffer = 256
	// feedLinger is how long the watch goes on without a subscriber: a page that is loaded anew comes back within it.
	feedLinger = time.Minute
	// feedPause is the time between two attempts to begin.
	feedPause = time.Second
)

// change is a change of an application. One without an application says that changes may have been missed.
type change struct {
	kind watch.EventType
	app  *v1alpha1.Application
	// version is the resource version after the change. Kubernetes promises that they can be compared.
	version uint64
}

func (c change) id() string { return strconv.FormatUint(c.version, 10) }

// versionOf reads a resource version; 0 is none.
func versionOf(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// feed is one watch over all applications for any number of subscribers. It runs while there are any, and a while longer.
type feed struct {
	client client.WithWatch
	reader client.Reader
	// scope says which namespaces have applications.
	scope func(context.Context) []client.ListOption

	mu     sync.Mutex
	stop   context.CancelFunc // nil when the watch does not run
	linger *time.Timer
	// recent are the changes after since, all of them.
	recent  []change
	since   uint64
	members map[*subscription]struct{}
}

// subscription gets changes until it is closed, or until it is too slow; then its channel is closed.
type subscription struct {
	feed    *feed
	changes chan change
}

// subscribe returns a subscription. After is the version that the subscriber has seen all changes up to: with resumed, the
// subscription begins with what followed; without, the subscriber has to read everything anew.
func (f *feed) subscribe(after uint64) (s *subscription, resumed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.linger != nil {
		f.linger.Stop()
		f.linger = nil
	}
	if f.stop == nil {
		// What the watch has to say of a server that is away is no news: it begins again.
		ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
		f.stop, f.recent, f.since = cancel, nil, after
		go f.run(ctx, after)
	}
	var missed []change
	if resumed = after != 0 && f.since != 0 && after >= f.since; resumed {
		at, _ := slices.BinarySearchFunc(f.recent, after, func(c change, v uint64) int {
			if c.version <= v {
				return -1
			}
			return 1
		})
		missed = f.recent[at:]
	}
	s = &subscription{feed: f, changes: make(chan change, feedBuffer+len(missed))}
	for _, c := range missed {
		s.changes <- c
	}
	if f.members == nil {
		f.members = map[*subscription]struct{}{}
	}
	f.members[s] = struct{}{}
	return s, resumed
}

func (s *subscription) close() {
	f := s.feed
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.members, s)
	if len(f.members) > 0 || f.stop == nil || f.linger != nil {
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(feedLinger, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.linger == timer && len(f.members) == 0 && f.stop != nil {
			f.stop()
			f.stop, f.linger, f.recent = nil, nil, nil
		}
	})
	f.linger = timer
}

// end stops the watch, whoever still listens.
func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stop != nil {
		f.stop()
		f.stop, f.recent = nil, nil
	}
	for s := range f.members {
		delete(f.members, s)
		close(s.changes)
	}
}

// publish passes a change on, and keeps it for those who come back.
func (f *feed) publish(c change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent = append(f.recent, c)
	if len(f.recent) > 2*feedKept {
		f.since = f.recent[feedKept-1].version
		f.recent = slices.Clone(f.recent[feedKept:])
	}
	f.tell(c)
}

// begin says that from version on all changes will be passed on, and nothing is known of what came before.
func (f *feed) begin(version uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent, f.since = nil, version
	f.tell(change{})
}

// tell gives a change to every subscriber, and drops those who are too far behind. mu is held.
func (f *feed) tell(c change) {
	for s := range f.members {
		select {
		case s.changes <- c:
		default:
			delete(f.members, s)
			close(s.changes)
		}
	}
}

// run watches from a version on, and begins again when the server cannot go on from where the watch stopped.
func (f *feed) run(ctx context.Context, from uint64) {
	for ctx.Err() == nil {
		f.follow(ctx, from)
		from = 0
		select {
		case <-ctx.Done():
		case <-time.After(feedPause):
		}
	}
}

// follow passes changes on until the watch ends.
func (f *feed) follow(ctx context.Context, from uint64) {
	options := f.scope(ctx)
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind + "List"))
	if err := f.reader.List(ctx, list, append(slices.Clone(options), client.Limit(1))...); err != nil {
		return
	}
	// A subscriber said where to begin; a version that does not exist yet would never be reached.
	if now := versionOf(list.ResourceVersion); from == 0 || from > now {
		from = now
		f.begin(now)
	}
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, strconv.FormatUint(from, 10),
		watcherFunc(func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return f.client.Watch(ctx, &v1alpha1.ApplicationList{}, append(slices.Clone(options), &client.ListOptions{Raw: &o})...)
		}))
	if err != nil {
		return
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		app, ok := event.Object.(*v1alpha1.Application)
		if !ok {
			return // the version is too old
		}
		f.publish(change{event.Type, app, versionOf(app.ResourceVersion)})
	}
}

type watcherFunc func(context.Context, metav1.ListOptions) (watch.Interface, error)

// WatchWithContext implements cache.WatcherWithContext.
func (f watcherFunc) WatchWithContext(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
	return f(ctx, o)
}
