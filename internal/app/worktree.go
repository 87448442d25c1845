package app

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/discover"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/git"
	"github.com/belaycd/belay/internal/source/local"
)

// work is the working tree that is judged, and the repository that it belongs to, if any.
type work struct {
	root  string
	paths []string
	// below is the directory of the repository that stands for one of its own; empty for the repository itself.
	below string
	tree  *local.Source
	git   *git.Local // nil without a repository; noGit says why
	noGit error
	cache string
}

// openWork finds the repository that path is in: what is judged of it is what is below path.
func openWork(ctx context.Context, root string, paths []string) (*work, error) {
	at, err := filepath.Abs(root)
	if err != nil {
		return nil, fault.New(fault.Invalid, "open %s: %w", root, err)
	}
	info, err := os.Stat(at)
	if err != nil {
		return nil, fault.New(fault.NotFound, "open %s: %w", root, err)
	}
	if real, err := filepath.EvalSymlinks(at); err == nil {
		at = real // git names directories without links
	}
	dir := at
	if !info.IsDir() {
		dir = filepath.Dir(at)
	}
	w := &work{root: dir}
	if w.cache, err = os.MkdirTemp("", "belay-check-"); err != nil {
		return nil, fault.New(fault.Internal, "open %s: %w", root, err)
	}
	if err := w.open(ctx, dir); err != nil {
		w.close()
		return nil, err
	}
	if rel, err := filepath.Rel(w.root, at); err == nil && rel != "." {
		w.paths = []string{filepath.ToSlash(rel)}
	}
	for _, p := range paths {
		w.paths = append(w.paths, filepath.ToSlash(p))
	}
	return w, nil
}

func (w *work) open(ctx context.Context, dir string) error {
	repo, err := git.OpenLocal(ctx, git.Config{CacheDir: w.cache, Now: time.Now, AllowFile: true, CacheBytes: 128 << 20}, dir)
	if err == nil {
		w.git, w.root = repo, repo.Root()
	} else {
		w.noGit = err // a directory like any other, until a revision is asked for
	}
	w.tree, err = local.Open(w.root)
	return err
}

func (w *work) close() {
	if w.git != nil {
		_ = w.git.Close() // nothing was written
	}
	if w.tree != nil {
		_ = w.tree.Close()
	}
	_ = os.RemoveAll(w.cache)
}

// files is the working tree without what git ignores.
func (w *work) files(ctx context.Context) (source.FS, error) {
	if w.git == nil {
		names, err := w.tree.Files()
		if err != nil {
			return nil, err
		}
		return w.tree.Worktree(names)
	}
	names, err := w.git.Files(ctx)
	if err != nil {
		return nil, err
	}
	files, err := w.tree.Worktree(names)
	if err == nil && len(w.paths) == 1 && discover.IsRoot(files, w.paths[0]) {
		w.below, w.paths = w.paths[0], nil
		return source.Below(files, w.below), nil
	}
	return files, err
}

// load renders the working tree, and the base if there is one.
func (w *work) load(ctx context.Context, files source.FS, base *discover.Base, opts cli.CheckOptions, config check.Config) (*check.Repository, error) {
	load := discover.Options{Renderer: newRenderer(runtime.GOMAXPROCS(0), nil, nil), Revision: local.Revision, Paths: w.paths, Config: config}
	if len(opts.KubeVersions) > 0 {
		load.KubeVersion = strings.TrimPrefix(opts.KubeVersions[0], "v")
	}
	if w.git != nil && w.below == "" {
		load.URLs, load.Revisions = w.git.URLs(ctx), w.git.Revisions(ctx)
	}
	repo, err := discover.Load(ctx, files, base, load)
	if err != nil {
		return nil, err
	}
	if len(opts.KubeVersions) > 0 {
		repo.KubeVersions = opts.KubeVersions
	}
	return repo, nil
}

// base is the revision that the tree of files is to be merged into.
func (w *work) base(ctx context.Context, revision string, files source.FS) (*discover.Base, error) {
	if w.git == nil {
		return nil, fault.New(fault.Invalid, "--base %s: %w", revision, w.noGit)
	}
	rev, err := w.git.Resolve(ctx, revision)
	if err != nil {
		return nil, err
	}
	// A branch that moved on after this one left it has changes that are not ours.
	rev = w.git.MergeBase(ctx, rev, "HEAD")
	snapshot, err := w.git.Snapshot(ctx, rev)
	if err != nil {
		return nil, err
	}
	return &discover.Base{Files: source.Twin(source.Below(snapshot.FS(), w.below), files), Revision: rev}, nil
}

// place is the directory that the judged files are relative to, as it is seen from where the program runs.
func (w *work) place() string {
	at := filepath.Join(w.root, filepath.FromSlash(w.below))
	if cwd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(cwd, at); err == nil {
			return rel
		}
	}
	return at
}
