package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
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
	if r.readOnly {
		return fault.New(fault.Internal, "fetch %s: it is not a mirror", r.remote.path)
	}
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
	if err := r.fetch(ctx, dir, []string{"--force", "--prune", "--no-show-forced-updates"}, specs...); err != nil {
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

// fetch gets refs, and as much of their history as is wanted, into the mirror at dir; only what is asked for is written.
func (r *repo) fetch(ctx context.Context, dir string, flags []string, specs ...string) error {
	creds, err := r.credentials()
	if err != nil {
		return err
	}
	args := append([]string{"--git-dir=" + dir, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance",
		"--no-recurse-submodules", "--refmap="}, flags...)
	if creds.Depth > 0 {
		args = append(args, "--depth="+strconv.FormatInt(creds.Depth, 10))
		select {
		case r.cutting <- struct{}{}:
			defer func() { <-r.cutting }()
		case <-ctx.Done():
			return &wrapped{"fetch " + r.remote.shown(), ctx.Err()}
		}
	}
	_, err = r.request(ctx, KindFetch, r.src.cfg.FetchTimeout, append(append(args, "--", r.remote.url), specs...)...)
	return err
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
	r.clones++
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

// cloned returns the number of the present clone; a reader asks before it reads.
func (r *repo) cloned() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clones
}

// repair asks for a new clone because an object that must be there is not, or cannot be read, in the clone of that
// number. Who finds the damage after others have had it mended only has to read again.
func (r *repo) repair(ctx context.Context, clone int) error {
	if r.readOnly {
		return fault.New(fault.NotFound, "%s lacks an object that a commit names, or cannot read it; fetch it, or run git fsck there", r.remote.path)
	}
	r.mu.Lock()
	if r.clones != clone {
		r.mu.Unlock()
		return nil
	}
	r.damaged = true
	r.mu.Unlock()
	// Whichever run comes next sees the mark, so a run that began before does not count.
	return r.fetches.Do(ctx, r.src.life, false, func(ctx context.Context) error {
		r.mu.Lock()
		mended := !r.damaged
		r.mu.Unlock()
		if mended {
			return nil
		}
		return r.update(ctx)
	})
}

// maintain repacks in the background when the mirror has become slow to read. Nothing that is in it gets lost.
func (r *repo) maintain() {
	packs, err := os.ReadDir(filepath.Join(r.dir, "objects", "pack"))
	if err != nil {
		return // a mirror without it is damaged, and the next read finds that out
	}
	r.clearPacks(packs)
	loose, _ := os.ReadDir(filepath.Join(r.dir, "objects", "17")) // absent when no loose object begins with 17
	if len(packs) < 2*manyPacks && len(loose) < manyLoose {
		return
	}
	if r.src.life.Ended() {
		return
	}
	r.mu.Lock()
	if r.tending != nil {
		r.mu.Unlock()
		return
	}
	ended := make(chan struct{})
	r.tending = ended
	r.mu.Unlock()
	r.src.life.Go(func() {
		ctx, cancel := context.WithTimeout(r.src.life.Context(), r.src.cfg.FetchTimeout)
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
		r.tending = nil
		close(ended)
	})
}
