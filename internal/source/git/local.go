package git

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// Local is the repository of a working tree on this machine. It is read and never written, and no remote is asked.
type Local struct {
	src  *Source
	repo *repo
	root string
}

// OpenLocal opens the repository that dir is in. The error is of kind NotFound when there is none.
func OpenLocal(ctx context.Context, cfg Config, dir string) (*Local, error) {
	cfg.Env = append(slices.Clone(cfg.Env), "GIT_NO_LAZY_FETCH=1") // a partial clone would ask its remote
	s, err := New(cfg)
	if err != nil {
		return nil, err
	}
	l := &Local{src: s}
	if err := l.open(ctx, dir); err != nil {
		_ = s.Close() // nothing was started that could fail to end
		return nil, err
	}
	return l, nil
}

func (l *Local) open(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return &wrapped{"open " + dir, err}
	}
	out, err := l.src.git.run(ctx, nil, "-C", dir, "rev-parse", "--show-toplevel", "--absolute-git-dir")
	if err != nil {
		return fault.New(fault.NotFound, "%s is in no git repository: %w", dir, err)
	}
	top, gitDir, ok := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !ok {
		return fault.New(fault.NotFound, "%s is in a git repository without a working tree", dir)
	}
	l.root = top
	l.repo = newRepo(l.src, remote{url: "file://" + top, scheme: "file", path: top}, place{url: "file://" + top, key: "local"})
	l.repo.dir, l.repo.ready, l.repo.readOnly = gitDir, true, true
	return nil
}

// Close ends the processes that read the repository.
func (l *Local) Close() error { return l.src.Close() }

// Root is the directory of the working tree.
func (l *Local) Root() string { return l.root }

// Resolve returns the commit that a revision names, as git itself reads it: a branch, a tag, HEAD~1, origin/main.
func (l *Local) Resolve(ctx context.Context, rev string) (source.Revision, error) {
	if rev == "" || strings.HasPrefix(rev, "-") {
		return "", fault.New(fault.Invalid, "%q is no revision", rev)
	}
	out, err := l.src.git.run(ctx, nil, "--git-dir="+l.repo.dir, "rev-parse", "--quiet", "--verify", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return "", fault.New(fault.NotFound, "%s has no revision %q; fetch it first: with actions/checkout that is fetch-depth: 0, elsewhere git fetch origin %s", l.root, rev, rev)
	}
	return source.Revision(strings.TrimSpace(string(out))), nil
}

// MergeBase returns the commit at which two revisions parted, rev itself when they have none in common.
func (l *Local) MergeBase(ctx context.Context, rev source.Revision, other string) source.Revision {
	out, err := l.src.git.run(ctx, nil, "--git-dir="+l.repo.dir, "merge-base", string(rev), other)
	if err != nil {
		return rev // histories that have nothing in common, or a clone that is too shallow to tell
	}
	return source.Revision(strings.TrimSpace(string(out)))
}

// Snapshot opens the tree of a commit. Submodules are empty directories in it, and files of Git LFS are their pointers.
func (l *Local) Snapshot(ctx context.Context, rev source.Revision) (source.Snapshot, error) {
	id, ok := fullSHA(string(rev))
	if !ok {
		return nil, fault.New(fault.Invalid, "revision %q is not a complete commit SHA", rev)
	}
	c, err := l.repo.commit(ctx, id)
	if err != nil {
		return nil, fault.New(fault.NotFound, "%s has no commit %s: %w", l.root, id, err)
	}
	return &snapshot{rev: rev, fs: &fsys{top: &module{repo: l.repo, root: c.tree}, time: c.date, flat: true}}, nil
}

// Files lists the files of the working tree that a commit would hold: those that are tracked and those that are new and not
// ignored, by paths from the root.
func (l *Local) Files(ctx context.Context) ([]string, error) {
	out, err := l.src.git.run(ctx, nil, "-C", l.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	if err != nil {
		return nil, fault.New(fault.Internal, "list %s: %w", l.root, err)
	}
	return split(string(out), "\x00"), nil
}

// URLs are the addresses of its remotes.
func (l *Local) URLs(ctx context.Context) []string {
	out, err := l.src.git.run(ctx, nil, "--git-dir="+l.repo.dir, "config", "--local", "--get-regexp", `^remote\..*\.url$`)
	if err != nil {
		return nil // no remote
	}
	var urls []string
	for _, line := range split(string(out), "\n") {
		if _, url, ok := strings.Cut(line, " "); ok {
			urls = append(urls, url)
		}
	}
	return urls
}

// Revisions are the names of its branches and tags, those of the remotes without the name of the remote. A clone that was
// made of one branch alone knows no others: then nothing is returned.
func (l *Local) Revisions(ctx context.Context) []string {
	out, err := l.src.git.run(ctx, nil, "--git-dir="+l.repo.dir, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/remotes", "refs/tags")
	if err != nil {
		return nil
	}
	var names []string
	remotes := 0
	for _, ref := range split(string(out), "\n") {
		switch {
		case strings.HasPrefix(ref, "refs/remotes/"):
			_, name, ok := strings.Cut(strings.TrimPrefix(ref, "refs/remotes/"), "/")
			if ok && name != "HEAD" {
				remotes++
				names = append(names, name)
			}
		default:
			_, name, _ := strings.Cut(strings.TrimPrefix(ref, "refs/"), "/")
			names = append(names, name)
		}
	}
	if remotes < 2 {
		return nil
	}
	return names
}

func split(text, sep string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(sep, r) })
}
