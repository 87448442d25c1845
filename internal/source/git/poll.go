package git

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/flight"
	"github.com/belaycd/belay/internal/source"
)

const (
	// rescan is how soon Poll notices that a repository has come into use.
	rescan = 10 * time.Second
	// sweepEvery is how often mirrors that nobody uses are looked for.
	sweepEvery = time.Hour
)

// Movement says that refs of a repository are not what they were.
type Movement struct {
	// RepoURL is the repository as the list of those in use writes it.
	RepoURL string
	// Refs are the full names that moved, appeared or went away: refs/heads/main, refs/tags/v1, HEAD.
	Refs []string
}

// Poll looks at each repository that requests of inUse name once in an interval, and calls moved when refs of one have changed,
// whoever found that out: Poll itself, a Fresh resolve, or Refresh after a webhook. It returns when ctx ends. Calls of
// inUse and moved come from one goroutine and must return soon.
//
// A remote that does not answer is asked less and less often, up to once in an interval; those who resolve its
// revisions get the error.
func (s *Source) Poll(ctx context.Context, inUse func() []source.Request, moved func(Movement)) error {
	var swept time.Time
	return flight.Rounds(ctx, s.life, s.wake, func() time.Duration {
		now := s.cfg.Now()
		wait := rescan
		for r, urls := range s.used(inUse()) {
			if names := r.news(); len(names) > 0 {
				for _, url := range urls {
					moved(Movement{RepoURL: url, Refs: names})
				}
			}
			if due := r.nextLook(now); due > 0 {
				wait = min(wait, due)
			} else {
				s.lookAside(ctx, r)
			}
		}
		if now.Sub(swept) >= sweepEvery {
			swept = now
			s.sweep(now)
		}
		return wait
	})
}

// used groups URLs by repository. What is no repository URL is left out: its applications say so themselves.
func (s *Source) used(requests []source.Request) map[*repo][]string {
	type asked struct{ url, project string }
	seen := make(map[asked]bool, len(requests))
	repos := map[*repo][]string{}
	for _, req := range requests {
		at := asked{req.RepoURL, req.Project}
		if seen[at] {
			continue
		}
		seen[at] = true
		if r, err := s.repo(at.url, at.project); err == nil && !slices.Contains(repos[r], at.url) {
			repos[r] = append(repos[r], at.url)
		}
	}
	return repos
}

// news returns the refs that moved since it was asked last.
func (r *repo) news() []string {
	r.mu.Lock()
	before, after := r.told, r.refs
	r.told = after
	r.mu.Unlock()
	if before == after {
		return nil
	}
	return movement(before, after)
}

// nextLook returns how long to wait before the next look at the remote; 0 means that it is due.
func (r *repo) nextLook(now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.polled {
		return rescan // its end wakes Poll
	}
	at := r.due // zero before the first look
	if r.failed.err != nil {
		at = r.failed.at.Add(r.backoff(r.failed.times))
	}
	return max(0, at.Sub(now))
}

// lookAside looks at the remote of r without keeping Poll from the others.
func (s *Source) lookAside(ctx context.Context, r *repo) {
	r.mu.Lock()
	r.polled = true
	r.mu.Unlock()
	s.life.Go(func() {
		err := r.poll(ctx)
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Info("cannot poll repository", "repository", r.remote.shown(), "error", err)
		}
		r.mu.Lock()
		r.polled = false
		r.mu.Unlock()
		s.wakePoll()
	})
}

// poll looks at the remote, unless somebody else just did. After a failure the refs of before may still count as current;
// that must not keep anybody from finding out that the remote answers again.
func (r *repo) poll(ctx context.Context) error {
	r.mu.Lock()
	failed := r.failed.err != nil
	r.mu.Unlock()
	if failed {
		return r.looks.Do(ctx, r.src.life, true, r.list)
	}
	_, err := r.known(ctx, source.Cached, "")
	return err
}

func (s *Source) wakePoll() {
	select {
	case s.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// sweep removes mirrors that were not used for a long time. The modification time of a mirror's directory says when it
// was, also to other processes with this cache.
func (s *Source) sweep(now time.Time) {
	s.mu.Lock()
	for key, r := range s.repos {
		if now.Sub(r.lastUse()) >= s.cfg.KeepUnused {
			delete(s.repos, key)
		} else {
			_ = os.Chtimes(r.dir, now, r.lastUse()) // no mirror yet, then nothing to keep
		}
	}
	s.mu.Unlock()
	entries, err := os.ReadDir(s.cfg.CacheDir)
	if err != nil {
		s.cfg.Log.Warn("cannot read git cache", "dir", s.cfg.CacheDir, "error", err)
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasSuffix(e.Name(), ".git") || now.Sub(info.ModTime()) < s.cfg.KeepUnused {
			continue
		}
		dir := filepath.Join(s.cfg.CacheDir, e.Name())
		s.readers.drop(dir)
		s.cfg.Log.Info("removing git mirror that nobody uses", "dir", dir)
		if err := os.RemoveAll(dir); err != nil {
			s.cfg.Log.Warn("cannot remove git mirror", "dir", dir, "error", err)
		}
	}
}

func (r *repo) lastUse() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.usedAt
}
