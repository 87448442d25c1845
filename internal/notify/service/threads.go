package service

import (
	"container/list"
	"context"
	"sync"
)

// maxThreads is how many groups of messages a service remembers. A group that was forgotten begins a new thread.
const maxThreads = 4096

// threads remembers the first message of each group, the most recently used ones.
type threads struct {
	mu     sync.Mutex
	limit  int
	recent *list.List // of *thread, the latest in front
	of     map[threadKey]*list.Element
}

type threadKey struct{ channel, group string }

// thread is one group of messages. Who has taken it may read and write ts and channel.
type thread struct {
	key         threadKey
	turn        chan struct{}
	ts, channel string
}

func newThreads(limit int) *threads {
	return &threads{limit: limit, recent: list.New(), of: map[threadKey]*list.Element{}}
}

// take waits until nobody else sends to the group: of two first messages, one must become the other's reply.
func (s *threads) take(ctx context.Context, channel, group string) (*thread, func(), error) {
	t := s.thread(threadKey{channel, group})
	select {
	case t.turn <- struct{}{}:
		return t, func() { <-t.turn }, nil
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func (s *threads) thread(key threadKey) *thread {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.of[key]; ok {
		s.recent.MoveToFront(e)
		return e.Value.(*thread)
	}
	t := &thread{key: key, turn: make(chan struct{}, 1)}
	s.of[key] = s.recent.PushFront(t)
	if s.recent.Len() > s.limit {
		oldest := s.recent.Back()
		s.recent.Remove(oldest)
		delete(s.of, oldest.Value.(*thread).key)
	}
	return t
}
