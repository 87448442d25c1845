// Package git reads Git repositories: a repository URL and a branch, tag, SHA or version range go in; a commit, its
// files and its description come out, read straight from the objects of a bare mirror, never from a checkout.
package git

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/flight"
	"github.com/belaycd/belay/internal/source"
)

// Kinds of work that an observer is told of.
const (
	KindLsRemote = "ls-remote"
	KindFetch    = "fetch"
)

// Config says how to reach repositories and how much to keep of them. Only CacheDir and Now are required.
type Config struct {
	// CacheDir holds the mirrors. They can be removed whenever no process uses them.
	CacheDir string
	// Now tells the time.
	Now func() time.Time
	// Credentials finds what a repository is reached with; nil means that all are public.
	Credentials CredentialStore
	// Interval is how long a look at a remote counts as current; 0 means 120 s (timeout.reconciliation).
	Interval time.Duration
	// Jitter returns what is added to one interval, so that not all remotes are asked at once; nil adds nothing.
	Jitter func() time.Duration
	// Git is the git program; empty means the one on PATH. 2.33 or newer is needed.
	Git string
	// Env is added to git's environment, for example PATH, HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE.
	Env []string
	// AllowFile permits file:// URLs and absolute paths. Whoever may write an Application could then read any
	// repository on this machine that the process can read, so it is meant for local commands and tests.
	AllowFile bool
	// ListTimeout bounds one look at a remote; 0 means 20 s.
	ListTimeout time.Duration
	// FetchTimeout bounds one fetch, the first one of a large repository included; 0 means 10 min. A transfer that
	// stands still for a minute is ended before that.
	FetchTimeout time.Duration
	// Submodules says whether submodules are read, or else are empty directories; nil means that they are.
	Submodules func() bool
	// MaxProcesses bounds the git processes that wait for a network at the same time; 0 means 20. They take little
	// CPU; the bound must leave room for good remotes beside those that do not answer.
	MaxProcesses int
	// MaxReaders bounds the long-lived processes that read objects, one for a repository in use; 0 means 16.
	MaxReaders int
	// ReaderIdle ends such a process when nobody asked it for that long; 0 means 1 min.
	ReaderIdle time.Duration
	// CacheBytes bounds the memory for trees and small blobs; 0 means 32 MiB.
	CacheBytes int64
	// MaxBlob is the size above which a file is not read; 0 means 64 MiB.
	MaxBlob int64
	// KeepUnused is how long the mirror of a repository that nobody uses stays on disk; 0 means 7 days.
	KeepUnused time.Duration
	// Observe, if set, is told of each request to a remote: its repository URL without credentials, its kind, how
	// long it took and how it ended.
	Observe func(repo, kind string, took time.Duration, err error)
	// Log, if set, is told what the source does on its own: repairs, clean-ups, remotes that cannot be polled.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.Interval, 2*time.Minute)
	set(&c.ListTimeout, 20*time.Second)
	set(&c.FetchTimeout, 10*time.Minute)
	set(&c.ReaderIdle, time.Minute)
	set(&c.KeepUnused, 7*24*time.Hour)
	if c.Jitter == nil {
		c.Jitter = func() time.Duration { return 0 }
	}
	if c.Submodules == nil {
		c.Submodules = func() bool { return true }
	}
	if c.Git == "" {
		c.Git = "git"
	}
	if c.MaxProcesses <= 0 {
		c.MaxProcesses = 20
	}
	if c.MaxReaders <= 0 {
		c.MaxReaders = 16
	}
	if c.CacheBytes <= 0 {
		c.CacheBytes = 32 << 20
	}
	if c.MaxBlob <= 0 {
		c.MaxBlob = 64 << 20
	}
	if c.Observe == nil {
		c.Observe = func(string, string, time.Duration, error) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Source is a source.Source of Git repositories. It is safe for concurrent use.
type Source struct {
	cfg     Config
	git     *program
	errors  *classifier
	readers *readers
	cache   *cache
	life    *flight.Lifetime
	wake    chan struct{} // has an element when there is news for Poll

	mu    sync.Mutex
	repos map[string]*repo // by remote.key
}

var _ source.Source = (*Source)(nil)

// New opens the cache directory, or makes it, and removes what an earlier process left half done.
func New(cfg Config) (*Source, error) {
	if cfg.CacheDir == "" || cfg.Now == nil {
		return nil, fault.New(fault.Invalid, "git source: CacheDir and Now are required")
	}
	cfg = cfg.withDefaults()
	dir, err := filepath.Abs(cfg.CacheDir)
	if err != nil {
		return nil, &wrapped{"open git cache " + cfg.CacheDir, err}
	}
	cfg.CacheDir = dir
	home, tmp := filepath.Join(dir, "home"), filepath.Join(dir, "tmp")
	for _, d := range []string{dir, home, tmp} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, &wrapped{"open git cache", err}
		}
	}
	s := &Source{
		cfg: cfg, git: newProgram(cfg, home, tmp), errors: newClassifier(),
		readers: &readers{max: cfg.MaxReaders}, cache: newCache(cfg.CacheBytes),
		life: flight.NewLifetime(), wake: make(chan struct{}, 1), repos: map[string]*repo{},
	}
	s.removeLeftovers(tmp)
	return s, nil
}

// removeLeftovers clears away clones and credentials of processes that were killed. Young ones may belong to a process
// that is alive.
func (s *Source) removeLeftovers(tmp string) {
	entries, err := os.ReadDir(tmp)
	if err != nil {
		s.cfg.Log.Warn("cannot read git cache", "dir", tmp, "error", err)
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || s.cfg.Now().Sub(info.ModTime()) < 2*s.cfg.FetchTimeout {
			continue
		}
		if err := os.RemoveAll(filepath.Join(tmp, e.Name())); err != nil {
			s.cfg.Log.Warn("cannot clear git cache", "name", e.Name(), "error", err)
		}
	}
}

// Close ends all processes and waits for background work. Snapshots cannot be read afterwards.
func (s *Source) Close() error {
	s.life.End()
	return nil
}

// repo returns the state of the repository at repoURL for applications of project. Those that reach it with credentials of
// their own have a mirror of their own.
func (s *Source) repo(repoURL, project string) (*repo, error) {
	rem, err := parseURL(repoURL)
	if err != nil {
		return nil, err
	}
	if rem.scheme == "file" {
		if !s.cfg.AllowFile {
			return nil, fault.New(fault.Denied, "repository URL %q: local repositories are not allowed", rem.shown())
		}
		if p := filepath.Clean(rem.path); p == s.cfg.CacheDir || strings.HasPrefix(p, s.cfg.CacheDir+"/") {
			return nil, fault.New(fault.Denied, "repository URL %q points into the cache", rem.shown())
		}
	}
	creds, err := s.credentials(rem, repoURL, project)
	if err != nil {
		return nil, err
	}
	key := rem.key(creds.Scope)
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.repos[key]
	if !ok {
		r = newRepo(s, rem, place{url: repoURL, project: creds.Scope, key: key})
		s.repos[key] = r
	}
	r.touch()
	return r, nil
}

// Resolve implements source.Source.
func (s *Source) Resolve(ctx context.Context, req source.Request, fresh source.Freshness) (source.Revision, error) {
	target, err := checkTarget(req.Target)
	if err != nil {
		return "", err
	}
	r, err := s.repo(req.RepoURL, req.Project)
	if err != nil {
		return "", err
	}
	if id, ok := fullSHA(target); ok {
		c, err := r.ensure(ctx, id)
		return source.Revision(c.id), err
	}
	refs, err := r.known(ctx, fresh, target)
	if err != nil {
		return "", err
	}
	found, ok, err := refs.lookup(target, req.TagPrefix)
	if err != nil {
		return "", &wrapped{"resolve " + target + " in " + r.remote.shown(), err}
	}
	if ok {
		return source.Revision(found.commit()), nil
	}
	if short, ok := shortSHA(target); ok {
		id, err := r.expand(ctx, short, refs)
		return source.Revision(id), err
	}
	return "", refs.unknownRevision(r.remote, target)
}

// Snapshot implements source.Source.
func (s *Source) Snapshot(ctx context.Context, req source.Request, rev source.Revision) (source.Snapshot, error) {
	r, err := s.repo(req.RepoURL, req.Project)
	if err != nil {
		return nil, err
	}
	id, ok := fullSHA(string(rev))
	if !ok {
		return nil, fault.New(fault.Invalid, "revision %q is not a complete commit SHA", rev)
	}
	c, err := r.ensure(ctx, id)
	if err != nil {
		return nil, err
	}
	creds, err := r.credentials()
	if err != nil {
		return nil, err
	}
	files := &fsys{top: &module{repo: r, root: c.tree, lfs: creds.LFS}, time: c.date, project: req.Project, flat: !s.cfg.Submodules()}
	return &snapshot{rev: source.Revision(c.id), fs: files}, nil
}
