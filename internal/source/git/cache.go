package git

import (
	"container/list"
	"sync"
)

// cacheKey names an object of one repository. Repositories do not share entries: a tree that somebody else's
// repository can be made to name must not be readable from there.
type cacheKey struct {
	repo *repo
	id   oid
}

// cache keeps the most recently used trees and small blobs, parsed, within a number of bytes.
type cache struct {
	mu    sync.Mutex
	max   int64
	used  int64
	order *list.List // of *cacheEntry, most recently used first
	items map[cacheKey]*list.Element
}

type cacheEntry struct {
	key   cacheKey
	value any
	size  int64
}

func newCache(maxBytes int64) *cache {
	return &cache{max: maxBytes, order: list.New(), items: map[cacheKey]*list.Element{}}
}

func (c *cache) get(k cacheKey) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.items[k]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cacheEntry).value, true
}

// add keeps value, which takes about size bytes. One that would push out most of the others is not kept.
func (c *cache) add(k cacheKey, value any, size int64) {
	const overhead = 200 // map, list element and entry
	size += overhead
	if size > c.max/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[k]; ok {
		return // content never changes under its name
	}
	c.items[k] = c.order.PushFront(&cacheEntry{key: k, value: value, size: size})
	c.used += size
	for c.used > c.max {
		last := c.order.Back()
		entry := last.Value.(*cacheEntry)
		c.order.Remove(last)
		delete(c.items, entry.key)
		c.used -= entry.size
	}
}
