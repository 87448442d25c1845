package git

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/flight"
	"github.com/belaycd/belay/internal/source"
)

// ensure returns the commit that id names, directly or through an annotated tag, and gets it when it is not in the mirror.
// Those who want the same one at the same time share the search, and what it found out is remembered before it ends: who
// comes later asks the remote for nothing.
func (r *repo) ensure(ctx context.Context, id oid) (commit, error) {
	for range 3 { // a push during a search makes its absence void
		if r.isReady() {
			c, err := r.commit(ctx, id)
			if !errors.Is(err, errMissing) {
				return c, err
			}
		}
		if r.isAbsent(id) {
			return commit{}, r.noSuchCommit(id)
		}
		if err := r.single(ctx, string(id), func(ctx context.Context) error { return r.obtain(ctx, id) }); err != nil {
			return commit{}, err
		}
	}
	return commit{}, r.noSuchCommit(id)
}

// obtain gets commit id into the mirror, or remembers that the remote does not have it.
func (r *repo) obtain(ctx context.Context, id oid) error {
	if r.has(ctx, id) || r.isAbsent(id) {
		return nil
	}
	named := r.lastSeen().names(id)
	for _, step := range r.ways(id, named) {
		if err := r.remembered(source.Cached); err != nil {
			return err
		}
		if err := step(ctx); err != nil && !isAboutRevision(err) {
			return err
		}
		if r.isReady() {
			if _, err := r.commit(ctx, id); !errors.Is(err, errMissing) {
				return err
			}
		}
	}
	if named || !r.lastSeen().names(id) { // else it was pushed meanwhile, and the next search will find it
		r.markAbsent(id)
	}
	return nil
}

// ways lists what may bring commit id into the mirror, the cheapest first.
// named says that a branch or tag was seen to point to it.
func (r *repo) ways(id oid, named bool) []func(context.Context) error {
	fetch := func(join bool) func(context.Context) error {
		return func(ctx context.Context) error {
			return r.fetches.Do(ctx, r.src.life, join, func(ctx context.Context) error {
				if join && r.has(ctx, id) {
					return nil // the fetch that was under way when we missed it has brought it
				}
				return r.update(ctx)
			})
		}
	}
	one := func(ctx context.Context) error { return r.fetchOne(ctx, id) }
	switch {
	case named:
		// The fetch under way may have begun before the commit was pushed; and when not even the next one brings a
		// commit that a branch names, then git takes it for present, which is damage.
		mend := func(ctx context.Context) error { return r.repair(ctx, r.cloned()) }
		return []func(context.Context) error{fetch(true), fetch(false), mend}
	case !r.isReady():
		return []func(context.Context) error{fetch(true), one}
	default:
		return []func(context.Context) error{one, fetch(false)}
	}
}

// has reports whether the mirror has commit id.
func (r *repo) has(ctx context.Context, id oid) bool {
	if !r.isReady() {
		return false
	}
	_, err := r.commit(ctx, id)
	return err == nil
}

// fetchOne asks for a single commit by its SHA, which servers grant if it is reachable, some of them even if not. A ref
// of our own keeps it.
func (r *repo) fetchOne(ctx context.Context, id oid) error {
	clone := r.cloned()
	err := r.fetch(ctx, r.dir, nil, "+"+string(id)+":"+keepPrefix+string(id))
	if err != nil && r.src.errors.isCorrupt(err) {
		return r.repair(ctx, clone)
	}
	return err
}

// single runs run once for all who want the same thing at the moment.
func (r *repo) single(ctx context.Context, what string, run func(context.Context) error) error {
	r.mu.Lock()
	s, ok := r.singles[what]
	if !ok {
		s = &single{}
		r.singles[what] = s
	}
	s.users++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if s.users--; s.users == 0 { // not before: who comes while others wait must find their run
			delete(r.singles, what)
		}
	}()
	return s.Do(ctx, r.src.life, true, run)
}

// single is work on one SHA and how many wait for it.
type single struct {
	flight.Flight
	users int // guarded by repo.mu
}

// isAboutRevision reports whether err says that a revision is missing and not the repository.
func isAboutRevision(err error) bool {
	return fault.Is(err, fault.NotFound) && strings.HasSuffix(err.Error(), noSuchRevision)
}

func (r *repo) markAbsent(id oid) {
	now := r.src.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.absent) >= maxAbsent {
		clear(r.absent)
	}
	if _, ok := r.absent[id]; !ok || now.Sub(r.absent[id]) >= absentFor {
		r.absent[id] = now
	}
}

// isAbsent reports whether the remote was found not to have commit id a short time ago.
func (r *repo) isAbsent(id oid) bool {
	now := r.src.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.absent[id]
	return ok && now.Sub(at) < absentFor
}

func (r *repo) noSuchCommit(id oid) error {
	return fault.New(fault.NotFound, "%s has no commit %s; it may have been removed by a force push", r.remote.shown(), id)
}

// expansion is what a short SHA was found to begin.
type expansion struct {
	id  oid
	err error
	at  time.Time
}

// expand completes a short SHA from the mirror, after a fetch if need be. The answer is kept until the remote moves, a
// negative one for a short time.
func (r *repo) expand(ctx context.Context, short string, refs *refTable) (oid, error) {
	known := func() (expansion, bool) {
		now := r.src.cfg.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		e, ok := r.short[short]
		return e, ok && (e.err == nil || now.Sub(e.at) < absentFor)
	}
	for range 3 { // a push between the search and our look at its result makes it void
		if e, ok := known(); ok {
			return e.id, e.err
		}
		err := r.single(ctx, short, func(ctx context.Context) error {
			if _, ok := known(); ok {
				return nil
			}
			id, err := r.search(ctx, short, refs)
			if err == nil || fault.Is(err, fault.NotFound) {
				r.keepExpansion(short, expansion{id: id, err: err, at: r.src.cfg.Now()})
				return nil
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return "", fault.New(fault.Transient, "resolve %q in %s: the repository moves all the time", short, r.remote.shown())
}

func (r *repo) keepExpansion(short string, e expansion) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.short) >= maxAbsent {
		clear(r.short)
	}
	r.short[short] = e
}

// search looks for the commits that begin with short, in the mirror and then in the mirror after a fetch.
func (r *repo) search(ctx context.Context, short string, refs *refTable) (oid, error) {
	for attempt := range 2 {
		if attempt > 0 || !r.isReady() {
			if err := r.remembered(source.Cached); err != nil {
				return "", err
			}
			if err := r.fetches.Do(ctx, r.src.life, attempt == 0, r.update); err != nil {
				return "", err
			}
		}
		out, err := r.src.git.run(ctx, nil, "--git-dir="+r.dir, "rev-parse", "--disambiguate="+short)
		if err != nil {
			return "", fmt.Errorf("resolve %s in %s: %w", short, r.remote.shown(), err)
		}
		found, err := r.commitsAmong(ctx, strings.Fields(string(out)))
		if err != nil {
			return "", err
		}
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			return "", fault.New(fault.NotFound, "resolve %q in %s: short SHA is ambiguous, it begins %d commits; give more digits",
				short, r.remote.shown(), len(found))
		}
	}
	return "", refs.unknownRevision(r.remote, short)
}

func (r *repo) commitsAmong(ctx context.Context, names []string) ([]oid, error) {
	var found []oid
	for _, name := range names {
		obj, err := r.load(ctx, oid(name))
		if err != nil && !errors.Is(err, errTooLarge) {
			return nil, err
		}
		if obj.kind == commitKind {
			found = append(found, oid(name))
		}
	}
	return found, nil
}
