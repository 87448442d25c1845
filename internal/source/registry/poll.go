package registry

import (
	"context"
	"time"

	"github.com/belaycd/belay/internal/flight"
	"github.com/belaycd/belay/internal/source"
)

const (
	// rescan is how soon Poll notices that a repository has come into use.
	rescan = 10 * time.Second
	// sweepEvery is how often packages that nobody uses are looked for.
	sweepEvery = time.Hour
)

// watched is a question as Poll sees it.
type watched interface {
	// next returns how long to wait before it is put again; 0 means that it is due.
	next(now time.Time) time.Duration
	// look puts it, without waiting for the answer.
	look(ctx context.Context)
	// news reports whether the answer has changed since news was called last.
	news() bool
}

// Poll asks, once in an interval, what the requests that inUse lists depend on, each remote once, and calls moved with the
// requests whose answers have changed, whoever found that out. Calls of inUse and moved come from one
// goroutine and must return soon. It returns when ctx ends.
func (s *Source) Poll(ctx context.Context, inUse func() []source.Request, moved func(source.Request)) error {
	var swept time.Time
	return flight.Rounds(ctx, s.life, s.wake, func() time.Duration {
		now := s.cfg.Now()
		wait := rescan
		for w, requests := range s.asked(inUse()) {
			if w.news() {
				for _, req := range requests {
					moved(req)
				}
			}
			if due := w.next(now); due > 0 {
				wait = min(wait, due)
			} else {
				w.look(ctx)
			}
		}
		if now.Sub(swept) >= sweepEvery {
			swept = now
			s.sweep(now)
		}
		return wait
	})
}

// asked groups requests by what they depend on. One that cannot be served is left out: its applications say so themselves.
func (s *Source) asked(requests []source.Request) map[watched][]source.Request {
	seen := make(map[source.Request]bool, len(requests))
	out := map[watched][]source.Request{}
	for _, req := range requests {
		if seen[req] {
			continue
		}
		seen[req] = true
		target, err := checkTarget(req.Target)
		if err != nil {
			continue
		}
		p, r, err := s.at(req)
		if err != nil {
			continue
		}
		for _, w := range r.watched(p, target) {
			out[w] = append(out[w], req)
		}
	}
	return out
}

func (s *Source) wakePoll() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// sweep forgets repositories and packages that were not used for a long time.
func (s *Source) sweep(now time.Time) {
	s.mu.Lock()
	for key, r := range s.helm {
		if now.Sub(r.usedAt) >= s.cfg.KeepUnused {
			delete(s.helm, key)
		}
	}
	for key, r := range s.oci {
		if now.Sub(r.usedAt) >= s.cfg.KeepUnused {
			delete(s.oci, key)
		}
	}
	s.mu.Unlock()
	s.store.sweep(now)
}
