package registry

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/flight"
	"github.com/belaycd/belay/internal/source"
)

// firstBackoff is how long a failure is remembered; it doubles up to the interval.
const firstBackoff = time.Second

// question is something that a remote is asked again and again: its answer, how long that counts as current, and who
// waits for the next one.
type question[T any] struct {
	src *Source
	// ask asks the remote. It gets the answer of before, if there is one.
	ask func(ctx context.Context, before T, known bool) (T, error)
	// same reports whether two answers mean the same.
	same func(a, b T) bool
	// credentials names those that the remote is asked with, so that a remembered failure does not outlive its cause.
	credentials func() string

	asking flight.Flight

	mu     sync.Mutex
	known  bool
	answer T
	due    time.Time // the answer counts as current until then
	moved  bool      // since Poll told of it last
	polled bool      // Poll's look is under way
	failed failure
}

// failure is a remembered failure to reach the remote.
type failure struct {
	err         error
	at          time.Time
	times       int
	credentials string
}

// get returns the answer, as new as fresh demands.
func (q *question[T]) get(ctx context.Context, fresh source.Freshness) (T, error) {
	join := fresh == source.Cached
	if join {
		if answer, ok := q.current(); ok {
			return answer, nil
		}
	}
	var none T
	if err := q.remembered(fresh); err != nil {
		return none, err
	}
	err := q.asking.Do(ctx, q.src.life, join, func(ctx context.Context) error {
		if join {
			if _, ok := q.current(); ok {
				return nil
			}
			if err := q.remembered(fresh); err != nil {
				return err
			}
		}
		return q.put(ctx)
	})
	if err != nil {
		return none, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.answer, nil
}

// put puts the question to the remote and keeps the answer.
func (q *question[T]) put(ctx context.Context) error {
	cfg := q.src.cfg
	began := cfg.Now()
	q.mu.Lock()
	before, known := q.answer, q.known
	q.mu.Unlock()
	credentials := q.credentials()
	answer, err := q.ask(ctx, before, known)
	if errors.Is(err, context.Canceled) || q.src.life.Ended() {
		return err // nobody waits for it any more; that says nothing about the remote
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err != nil {
		q.failed = failure{err: err, at: cfg.Now(), times: q.failed.times + 1, credentials: credentials}
		return err
	}
	if known && !q.same(before, answer) {
		q.moved = true
		q.src.wakePoll()
	}
	q.answer, q.known, q.failed = answer, true, failure{}
	q.due = began.Add(cfg.Interval + cfg.Jitter())
	return nil
}

// current returns the answer while it counts as current.
func (q *question[T]) current() (T, bool) {
	now := q.src.cfg.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.answer, q.known && now.Before(q.due)
}

// last returns the answer, however old.
func (q *question[T]) last() (T, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.answer, q.known
}

// remembered returns the failure of the last request while it is too early for another. For someone who asks for news only
// the shortest time counts; new credentials end it at once.
func (q *question[T]) remembered(fresh source.Freshness) error {
	q.mu.Lock()
	failed := q.failed
	q.mu.Unlock()
	if failed.err == nil {
		return nil
	}
	wait := q.backoff(failed.times)
	if fresh == source.Fresh {
		wait = firstBackoff
	}
	if q.src.cfg.Now().Sub(failed.at) >= wait || q.credentials() != failed.credentials {
		return nil
	}
	return failed.err
}

func (q *question[T]) backoff(times int) time.Duration {
	return min(firstBackoff<<min(max(times, 1)-1, 20), max(q.src.cfg.Interval, firstBackoff))
}

// news reports whether the answer has changed since it was asked last.
func (q *question[T]) news() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	moved := q.moved
	q.moved = false
	return moved
}

// next returns how long to wait before the question is put again; 0 means that it is due.
func (q *question[T]) next(now time.Time) time.Duration {
	q.mu.Lock()
	polled := q.polled
	q.mu.Unlock()
	if polled {
		return rescan // its end wakes Poll
	}
	return max(0, q.dueAt().Sub(now))
}

// dueAt is when the question is to be put again: long ago, before it was put once.
func (q *question[T]) dueAt() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.failed.err != nil {
		return q.failed.at.Add(q.backoff(q.failed.times))
	}
	return q.due
}

// look puts the question aside, for Poll.
func (q *question[T]) look(ctx context.Context) {
	q.mu.Lock()
	q.polled = true
	q.mu.Unlock()
	q.src.life.Go(func() {
		err := q.asking.Do(ctx, q.src.life, true, func(ctx context.Context) error {
			if q.dueAt().After(q.src.cfg.Now()) {
				return nil // somebody else just did
			}
			return q.put(ctx)
		})
		if err != nil && ctx.Err() == nil {
			q.src.cfg.Log.Info("cannot poll registry", "error", err)
		}
		q.mu.Lock()
		q.polled = false
		q.mu.Unlock()
		q.src.wakePoll()
	})
}
