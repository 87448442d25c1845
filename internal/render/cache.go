package render

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// CacheOptions bound a Cache; zero values take the defaults.
type CacheOptions struct {
	// Version names the renderers: a result of another version is not reused.
	Version string
	// Now is the clock for errors; without it errors are not kept.
	Now func() time.Time
	// ErrorTTL is how long an error is kept (3 minutes). What it was caused by is compared like everything else.
	ErrorTTL time.Duration
	// MaxEntries (10,000) and MaxBytes (256 MiB, estimated) bound what is kept.
	MaxEntries int
	MaxBytes   int64
}

// variantsPerSpec bounds the results kept for one spec: a few branches or revisions that alternate.
const variantsPerSpec = 8

// Cache is a Renderer that reuses a result for every tree that shows the render the same as the tree it came from,
// whatever else differs between the two. Equal renders at the same time are done once. It is safe for concurrent use.
type Cache struct {
	inner Renderer
	opts  CacheOptions

	mu      sync.Mutex
	recent  *list.List // of *entry, the latest used first
	bySpec  map[specKey][]*entry
	bytes   int64
	flights map[flightKey]*flight
	stats   CacheStats
}

// CacheStats count what a Cache did.
type CacheStats struct {
	Hits, Misses, Shared, Evicted int64
	Entries                       int
	Bytes                         int64
}

// Cached is a kept result: manifests or an error.
type Cached struct {
	Manifests Manifests
	Err       error
}

type specKey [sha256.Size]byte

// entry is immutable but for root and element, which Cache.mu guards.
type entry struct {
	spec             specKey
	trace            Trace
	revision, target string // compared when the trace says that the render looked at them
	result           Cached
	expires          time.Time // of errors
	size             int64

	// root is the name of the last whole tree that matched: the same tree again matches at once.
	root    string
	element *list.Element
}

type flightKey struct {
	spec                   specKey
	revision, target, root string
}

// flight is one render that several callers wait for. It ends early when all of them have left.
type flight struct {
	done    chan struct{}
	result  Cached
	waiters int
	cancel  context.CancelFunc
}

// NewCache returns a Cache in front of inner.
func NewCache(inner Renderer, opts CacheOptions) *Cache {
	if opts.ErrorTTL == 0 {
		opts.ErrorTTL = 3 * time.Minute
	}
	if opts.MaxEntries == 0 {
		opts.MaxEntries = 10_000
	}
	if opts.MaxBytes == 0 {
		opts.MaxBytes = 256 << 20
	}
	return &Cache{
		inner: inner, opts: opts, recent: list.New(),
		bySpec: map[specKey][]*entry{}, flights: map[flightKey]*flight{},
	}
}

// Lookup returns the kept result of spec over files, if there is one: "would this render change?" costs a few
// comparisons of content ids and reads no file.
func (c *Cache) Lookup(files source.FS, spec Spec) (Cached, bool) {
	key, err := c.key(spec)
	if err != nil {
		return Cached{}, false
	}
	root, err := wholeTree(files, spec)
	if err != nil {
		return Cached{}, false
	}
	return c.lookup(files, spec, key, root)
}

// Render implements Renderer.
func (c *Cache) Render(ctx context.Context, files source.FS, spec Spec) (Manifests, error) {
	if err := ctx.Err(); err != nil {
		return Manifests{}, err
	}
	key, err := c.key(spec)
	if err != nil {
		return Manifests{}, err
	}
	root, err := wholeTree(files, spec)
	if err != nil {
		return Manifests{}, err
	}
	if IsAnew(ctx) {
		c.forget(key)
	} else if kept, ok := c.lookup(files, spec, key, root); ok {
		return kept.Manifests, kept.Err
	}
	f := c.join(ctx, files, spec, flightKey{key, string(spec.Revision), spec.Source.TargetRevision, root})
	select {
	case <-f.done:
		return f.result.Manifests, f.result.Err
	case <-ctx.Done():
		c.leave(f)
		return Manifests{}, ctx.Err()
	}
}

// forget drops what is kept for a spec.
func (c *Cache) forget(key specKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range slices.Clone(c.bySpec[key]) {
		c.remove(e)
	}
}

// wholeTree names all content at once, that of refs too.
func wholeTree(files source.FS, spec Spec) (string, error) {
	root, err := wholeRevision(files, spec.Revision, spec.Source.Chart)
	if err != nil {
		return "", err
	}
	refs, err := spec.Refs.whole()
	return root + refs, err
}

// wholeRevision names the content of one tree. A revision does so for nothing; the id of the root may cost a walk. The
// version of a chart names no content: it can be published anew.
func wholeRevision(files source.FS, revision source.Revision, chart string) (string, error) {
	if revision != "" && chart == "" {
		return "revision " + string(revision), nil
	}
	id, err := files.ContentID(".")
	return "tree " + id, Classify("identify the repository", err)
}

// Stats returns the counters.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.stats
	out.Entries, out.Bytes = c.recent.Len(), c.bytes
	return out
}

// key hashes all of spec but the names of the revision. Of refs the names count: which of them a render reads, and what,
// is in its trace.
func (c *Cache) key(spec Spec) (specKey, error) {
	versions, refs := spec.APIVersions, spec.Refs.Names()
	spec.APIVersions, spec.Refs, spec.Revision, spec.Source.TargetRevision = nil, nil, "", ""
	sum := sha256.New()
	if err := json.NewEncoder(sum).Encode([]any{c.opts.Version, spec, refs}); err != nil {
		return specKey{}, fault.New(fault.Invalid, "read the source: %w", err)
	}
	for _, v := range versions { // often more than a thousand: plain bytes instead of JSON
		if _, err := io.WriteString(sum, v+"\n"); err != nil {
			return specKey{}, err
		}
	}
	return specKey(sum.Sum(nil)), nil
}

func (c *Cache) lookup(files source.FS, spec Spec, key specKey, root string) (Cached, bool) {
	c.mu.Lock()
	candidates := append([]*entry(nil), c.bySpec[key]...)
	roots := make([]string, len(candidates))
	for i, e := range candidates {
		roots[i] = e.root
	}
	c.mu.Unlock()
	for i, e := range candidates {
		if e.trace.revision && (e.revision != string(spec.Revision) || e.target != spec.Source.TargetRevision) {
			continue
		}
		if e.result.Err != nil && !c.opts.Now().Before(e.expires) {
			continue
		}
		if roots[i] != root && !e.trace.Matches(files, spec.Refs) {
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		e.root = root
		if e.element != nil {
			c.recent.MoveToFront(e.element)
		}
		c.stats.Hits++
		return e.result, true
	}
	return Cached{}, false
}

// join returns the flight of key and starts it when there is none.
func (c *Cache) join(ctx context.Context, files source.FS, spec Spec, key flightKey) *flight {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.flights[key]; ok {
		f.waiters++
		c.stats.Shared++
		return f
	}
	c.stats.Misses++
	// The render must outlive the caller that began it as long as others wait.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &flight{done: make(chan struct{}), waiters: 1, cancel: cancel}
	c.flights[key] = f
	go c.fly(ctx, f, files, spec, key)
	return f
}

func (c *Cache) leave(f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.cancel()
	}
}

func (c *Cache) fly(ctx context.Context, f *flight, files source.FS, spec Spec, key flightKey) {
	defer f.cancel()
	traced := newTracer(files)
	var refs map[string]*tracer
	spec.Refs, refs = spec.Refs.traced()
	f.result.Manifests, f.result.Err = renderSafely(ctx, c.inner, traced, spec)
	trace := traced.finish().join(refs)

	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, key)
	if !trace.volatile && c.keeps(f.result.Err) {
		c.add(&entry{
			spec: key.spec, trace: trace, revision: key.revision, target: key.target,
			result: f.result, root: key.root, size: entryBytes(f.result, trace),
		})
	}
	close(f.done)
}

// keeps reports whether an outcome belongs to the content rather than to the moment.
func (c *Cache) keeps(err error) bool {
	if err == nil {
		return true
	}
	if c.opts.Now == nil || errors.Is(err, context.Canceled) {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Denied, fault.NotFound:
		return true
	case fault.Internal, fault.Conflict, fault.Transient:
		return errors.Is(err, errTimeLimit) // what ran into the limit would do so again, at full cost
	}
	return false
}

func (c *Cache) add(e *entry) {
	if e.result.Err != nil {
		e.expires = c.opts.Now().Add(c.opts.ErrorTTL)
	}
	if e.size > c.opts.MaxBytes {
		return
	}
	for _, old := range c.bySpec[e.spec] {
		if old.result.Err != nil && !c.opts.Now().Before(old.expires) {
			c.remove(old)
		}
	}
	e.element = c.recent.PushFront(e)
	c.bySpec[e.spec] = append([]*entry{e}, c.bySpec[e.spec]...)
	c.bytes += e.size
	if variants := c.bySpec[e.spec]; len(variants) > variantsPerSpec {
		c.remove(variants[len(variants)-1])
	}
	for c.recent.Len() > c.opts.MaxEntries || c.bytes > c.opts.MaxBytes {
		c.remove(c.recent.Back().Value.(*entry))
	}
}

func (c *Cache) remove(e *entry) {
	c.recent.Remove(e.element)
	e.element = nil
	c.bytes -= e.size
	c.stats.Evicted++
	kept := make([]*entry, 0, variantsPerSpec)
	for _, other := range c.bySpec[e.spec] {
		if other != e {
			kept = append(kept, other)
		}
	}
	if len(kept) == 0 {
		delete(c.bySpec, e.spec)
		return
	}
	c.bySpec[e.spec] = kept
}

func entryBytes(result Cached, trace Trace) int64 {
	size := 512 + trace.bytes()
	if result.Err != nil {
		size += int64(len(result.Err.Error()))
	}
	for _, u := range result.Manifests.Objects {
		size += valueBytes(u.Object)
	}
	return size
}
