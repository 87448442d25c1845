package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

const (
	// healAgainAfter keeps a mirror whose damage comes back (a bad disk, a bad remote) from being cloned in a loop.
	healAgainAfter = 10 * time.Minute
	// manyPacks and manyLoose are when the mirror is repacked: reading slows down with the number of packs. Loose
	// objects are counted in one of their 256 directories.
	manyPacks, manyLoose = 40, 10
)

// errDamaged says that the mirror lacks or cannot read an object that it must have.
var errDamaged = errors.New("mirror is damaged")

// update brings the mirror and our knowledge of the refs up to date with one fetch. It runs in r.fetches only.
func (r *repo) update(ctx context.Context) error {
	r.mu.Lock()
	ready, damaged := r.ready, r.damaged
	r.mu.Unlock()
	if !ready {
		return r.clone(ctx)
	}
	if damaged {
		return r.heal(ctx, errDamaged)
	}
	err := r.fetchInto(ctx, r.dir)
	if err != nil && r.src.errors.isCorrupt(err) {
		return r.heal(ctx, err)
	}
	if err == nil {
		r.maintain()
	}
	return err
}

// fetchInto runs the fetch of all branches, tags, HEAD and wanted refs into the mirror at dir and reads what it holds then.
func (r *repo) fetchInto(ctx context.Context, dir string) error {
	s := r.src
	extra := r.extras()
	// A pattern, unlike a plain name, may match nothing: an empty repository has no HEAD.
	specs := []string{"+HEAD*:" + ownHead + "*", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"}
	for name := range extra {
		specs = append(specs, "+"+name+"*:"+extraPrefix+strings.TrimPrefix(name, "refs/")+"*")
	}
	began := s.cfg.Now()
	args := []string{"--git-dir=" + dir, "fetch", "--quiet", "--force", "--prune", "--no-tags", "--no-write-fetch-head",
		"--no-auto-maintenance", "--no-show-forced-updates", "--no-recurse-submodules", "--refmap=", "--", r.remote.url}
	if _, err := r.request(ctx, KindFetch, s.cfg.FetchTimeout, append(args, specs...)...); err != nil {
		return err
	}
	out, err := s.git.run(ctx, nil, "--git-dir="+dir, "show-ref", "--dereference")
	if err != nil && !isSilentExit(err) { // that of show-ref says that there are none
		return fmt.Errorf("read refs of %s: %w", r.remote.shown(), err)
	}
	refs, err := parseShowRef(out, extra)
	if err != nil {
		return &wrapped{"fetch " + r.remote.shown(), err}
	}
	r.saw(refs, began)
	return nil
}

// clone makes the mirror aside and moves it into place complete, so that a mirror is never half there.
func (r *repo) clone(ctx context.Context) error {
	s := r.src
	aside, err := os.MkdirTemp(s.git.tmp, "clone-")
	if err != nil {
		return fmt.Errorf("clone %s: %w", r.remote.shown(), err)
	}
	defer os.RemoveAll(aside) // what stays behind is cleared by New
	format := "sha1"
	if refs := r.lastSeen(); refs != nil && len(refs.refs) > 0 && len(refs.refs[0].oid) == 64 {
		format = "sha256"
	}
	fresh := filepath.Join(aside, "new")
	if _, err := s.git.run(ctx, nil, "init", "--quiet", "--bare", "--template=", "--object-format="+format, fresh); err != nil {
		return fmt.Errorf("clone %s: %w", r.remote.shown(), err)
	}
	if err := r.fetchInto(ctx, fresh); err != nil {
		return err
	}
	if refs := r.lastSeen(); refs != nil && len(refs.refs) > 100 {
		// Failure costs speed only: one file for each ref instead of one for all.
		_, _ = s.git.run(ctx, nil, "--git-dir="+fresh, "pack-refs", "--all")
	}
	if err := os.Rename(r.dir, filepath.Join(aside, "old")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("clone %s: %w", r.remote.shown(), err)
	}
	if err := os.Rename(fresh, r.dir); err != nil {
		return fmt.Errorf("clone %s: %w", r.remote.shown(), err)
	}
	s.readers.drop(r.dir)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ready, r.damaged = true, false
	return nil
}

// heal replaces a damaged mirror by a new clone. The old one stays in use until the new one is complete.
func (r *repo) heal(ctx context.Context, why error) error {
	now := r.src.cfg.Now()
	r.mu.Lock()
	again := !r.healedAt.IsZero() && now.Sub(r.healedAt) < healAgainAfter
	r.mu.Unlock()
	if again {
		return fault.New(fault.Internal, "mirror of %s is damaged again after it was cloned anew: %v", r.remote.shown(), why)
	}
	r.src.cfg.Log.Warn("git mirror is damaged, cloning it again", "repository", r.remote.shown(), "error", why)
	if err := r.clone(ctx); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.healedAt = now
	return nil
}

// repair asks for a new clone because an object that must be there is not, or cannot be read.
func (r *repo) repair(ctx context.Context) error {
	r.mu.Lock()
	r.damaged = true
	r.mu.Unlock()
	// Whichever run comes next sees the mark, so a run that began before does not count.
	return r.fetches.do(ctx, r.src.life, false, func(ctx context.Context) error {
		r.mu.Lock()
		mended := !r.damaged
		r.mu.Unlock()
		if mended {
			return nil
		}
		return r.update(ctx)
	})
}

// ensure returns the commit that id names, directly or through an annotated tag, and gets it when it is not in the mirror.
func (r *repo) ensure(ctx context.Context, id oid) (commit, error) {
	if r.isReady() {
		c, err := r.commit(ctx, id)
		if !errors.Is(err, errMissing) {
			return c, err
		}
	}
	for _, step := range r.ways(id) {
		if err := r.remembered(source.Cached); err != nil {
			return commit{}, err
		}
		if err := step(ctx); err != nil && !isAboutRevision(err) {
			return commit{}, err
		}
		c, err := r.commit(ctx, id)
		if !errors.Is(err, errMissing) {
			return c, err
		}
	}
	r.markAbsent(id)
	return commit{}, r.noSuchCommit(id)
}

// ways lists what may bring commit id into the mirror, the cheapest first.
func (r *repo) ways(id oid) []func(context.Context) error {
	fetch := func(join bool) func(context.Context) error {
		return func(ctx context.Context) error { return r.fetches.do(ctx, r.src.life, join, r.update) }
	}
	one := func(ctx context.Context) error { return r.fetchOne(ctx, id) }
	refs := r.lastSeen()
	now := r.src.cfg.Now()
	r.mu.Lock()
	ready := r.ready
	at, absent := r.absent[id]
	r.mu.Unlock()
	switch {
	case absent && now.Sub(at) < absentFor:
		return nil
	case refs != nil && len(refs.pointsTo(id)) > 0:
		// The fetch under way may have begun before the commit was pushed; and when not even the next one brings a
		// commit that a branch names, then git takes it for present, which is damage.
		return []func(context.Context) error{fetch(true), fetch(false), r.repair}
	case !ready:
		return []func(context.Context) error{fetch(true), one}
	default:
		return []func(context.Context) error{one, fetch(false)}
	}
}

// fetchOne asks for a single commit by its SHA, which servers grant if it is reachable, some of them even if not. A ref
// of our own keeps it.
func (r *repo) fetchOne(ctx context.Context, id oid) error {
	_, err := r.request(ctx, KindFetch, r.src.cfg.FetchTimeout, "--git-dir="+r.dir, "fetch", "--quiet", "--no-tags",
		"--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules", "--refmap=", "--",
		r.remote.url, "+"+string(id)+":"+keepPrefix+string(id))
	if err != nil && r.src.errors.isCorrupt(err) {
		return r.repair(ctx)
	}
	return err
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

func (r *repo) noSuchCommit(id oid) error {
	return fault.New(fault.NotFound, "%s has no commit %s; it may have been removed by a force push", r.remote.shown(), id)
}

// expand completes a short SHA from the mirror, after a fetch if need be.
func (r *repo) expand(ctx context.Context, short string, refs *refTable) (oid, error) {
	for attempt := range 2 {
		if attempt > 0 || !r.isReady() {
			if err := r.remembered(source.Cached); err != nil {
				return "", err
			}
			if err := r.fetches.do(ctx, r.src.life, attempt == 0, r.update); err != nil {
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

// maintain repacks in the background when the mirror has become slow to read. Nothing that is in it gets lost.
func (r *repo) maintain() {
	packs, err := os.ReadDir(filepath.Join(r.dir, "objects", "pack"))
	if err != nil {
		return // a mirror without it is damaged, and the next read finds that out
	}
	loose, _ := os.ReadDir(filepath.Join(r.dir, "objects", "17")) // absent when no loose object begins with 17
	if len(packs) < 2*manyPacks && len(loose) < manyLoose {
		return
	}
	r.mu.Lock()
	busy := r.tending
	r.tending = true
	r.mu.Unlock()
	if busy || r.src.life.ctx.Err() != nil {
		return
	}
	r.src.life.work.Go(func() {
		ctx, cancel := context.WithTimeout(r.src.life.ctx, r.src.cfg.FetchTimeout)
		defer cancel()
		for _, args := range [][]string{
			{"-c", "pack.threads=1", "-c", "pack.windowMemory=64m", "--git-dir=" + r.dir, "repack", "-d", "-q", "--geometric=2"},
			{"--git-dir=" + r.dir, "pack-refs", "--all"},
		} {
			if _, err := r.src.git.run(ctx, nil, args...); err != nil && ctx.Err() == nil {
				r.src.cfg.Log.Warn("cannot repack git mirror", "repository", r.remote.shown(), "error", err)
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.tending = false
	})
}
