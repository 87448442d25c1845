// Package registry reads charts and artifacts: the address of a Helm repository or of an OCI registry and a version wanted go
// in; the version found and its files come out. Packages are verified against the digest under which the remote
// lists them, kept as they came, and unpacked in memory only.
package registry

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/flight"
	"github.com/belaycd/belay/internal/remote"
	"github.com/belaycd/belay/internal/source"
)

// Access is what a registry is reached with. Never print it.
type Access struct {
	remote.Access
	// PlainHTTP speaks http to an OCI registry.
	PlainHTTP bool
	// Scope is empty for what every application may be reached with; otherwise what was fetched is shared only among
	// those of the same scope.
	Scope string
}

// AccessStore finds out what registries are reached with. Implementations are safe for concurrent use and answer from memory.
type AccessStore interface {
	// Access returns what applications of project reach repoURL with, and the zero value when nothing is configured.
	Access(repoURL, project string) (Access, error)
}

// Config says how to reach registries and how much to keep of them. Only CacheDir and Now are required.
type Config struct {
	// CacheDir holds packages. It can be removed whenever no process uses it.
	CacheDir string
	// Now tells the time.
	Now func() time.Time
	// Access finds what a registry is reached with; nil means that all are public.
	Access AccessStore
	// Interval is how long a look at a remote counts as current; 0 means 120 s (timeout.reconciliation).
	Interval time.Duration
	// Jitter returns what is added to one interval; nil adds nothing.
	Jitter func() time.Duration
	// Env holds HTTPS_PROXY, NO_PROXY and the like.
	Env []string
	// MediaTypes are the media types of layers that hold files (reposerver.oci.layer.media.types); nil means
	// DefaultMediaTypes.
	MediaTypes func() []string
	// ListTimeout bounds one look at a remote, an index included; 0 means 60 s.
	ListTimeout time.Duration
	// FetchTimeout bounds the transfer of one package; 0 means 5 min.
	FetchTimeout time.Duration
	// MaxIndex bounds the index of a Helm repository in bytes; 0 means 128 MiB.
	MaxIndex int64
	// MaxPackage bounds a package in bytes, MaxFiles and MaxUnpacked what is in it; 0 means 64 MiB, 20,000 and 128 MiB.
	MaxPackage, MaxUnpacked int64
	MaxFiles                int
	// CacheBytes bounds the memory for unpacked packages; 0 means 64 MiB.
	CacheBytes int64
	// KeepUnused is how long a package that nobody uses stays on disk; 0 means 7 days.
	KeepUnused time.Duration
	// Observe, if set, is told of each request to a remote: its address without credentials, the kind of request, how
	// long it took and how it ended.
	Observe func(repo, kind string, took time.Duration, err error)
	// Log, if set, is told what the source does on its own.
	Log *slog.Logger
}

// Kinds of work that an observer is told of.
const (
	KindList  = "list"
	KindFetch = "fetch"
)

// maxTransfers bounds the packages that are held in memory while they arrive.
const maxTransfers = 4

// DefaultMediaTypes are those that Argo CD allows.
func DefaultMediaTypes() []string {
	return []string{
		"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.cncf.helm.chart.content.v1.tar+gzip",
	}
}

func (c Config) withDefaults() Config {
	duration := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	size := func(n *int64, v int64) {
		if *n <= 0 {
			*n = v
		}
	}
	duration(&c.Interval, 2*time.Minute)
	duration(&c.ListTimeout, time.Minute)
	duration(&c.FetchTimeout, 5*time.Minute)
	duration(&c.KeepUnused, 7*24*time.Hour)
	size(&c.MaxIndex, 128<<20)
	size(&c.MaxPackage, 64<<20)
	size(&c.MaxUnpacked, 128<<20)
	size(&c.CacheBytes, 64<<20)
	if c.MaxFiles <= 0 {
		c.MaxFiles = 20_000
	}
	if c.Jitter == nil {
		c.Jitter = func() time.Duration { return 0 }
	}
	if c.MediaTypes == nil {
		c.MediaTypes = DefaultMediaTypes
	}
	if c.Observe == nil {
		c.Observe = func(string, string, time.Duration, error) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Source is a source.Source of charts and artifacts. It is safe for concurrent use.
type Source struct {
	cfg       Config
	life      *flight.Lifetime
	store     *store
	transfers *semaphore.Weighted
	wake      chan struct{} // has an element when there is news for Poll

	mu      sync.Mutex
	helm    map[string]*helmRepo // by key
	oci     map[string]*ociRepo  // by key
	files   map[string]*remoteFile
	fetches map[string]*flight.Flight
}

var _ source.Source = (*Source)(nil)

// New opens the cache directory, or makes it.
func New(cfg Config) (*Source, error) {
	if cfg.CacheDir == "" || cfg.Now == nil {
		return nil, fault.New(fault.Invalid, "registry source: CacheDir and Now are required")
	}
	cfg = cfg.withDefaults()
	dir, err := filepath.Abs(cfg.CacheDir)
	if err != nil {
		return nil, fault.New(fault.Internal, "open registry cache: %w", err)
	}
	cfg.CacheDir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.Internal, "open registry cache: %w", err)
	}
	return &Source{
		cfg: cfg, life: flight.NewLifetime(), store: newStore(cfg), transfers: semaphore.NewWeighted(maxTransfers),
		wake: make(chan struct{}, 1), helm: map[string]*helmRepo{}, oci: map[string]*ociRepo{},
		files: map[string]*remoteFile{}, fetches: map[string]*flight.Flight{},
	}, nil
}

// Close ends all requests and waits for them. Snapshots stay readable.
func (s *Source) Close() error {
	s.life.End()
	return nil
}

// repository is one place where versions are listed and fetched.
type repository interface {
	// resolve turns a wanted version into the one that is there.
	resolve(ctx context.Context, p place, target string, fresh source.Freshness) (source.Revision, error)
	// open returns the files of a revision that resolve gave.
	open(ctx context.Context, p place, rev source.Revision) (*source.Tree, error)
	// watched lists what is to be asked again and again so that target stays current.
	watched(p place, target string) []watched
}

// Resolve implements source.Source. The revision of a chart is its version, that of an artifact its digest.
func (s *Source) Resolve(ctx context.Context, req source.Request, fresh source.Freshness) (source.Revision, error) {
	p, r, err := s.at(req)
	if err != nil {
		return "", err
	}
	target, err := checkTarget(req.Target)
	if err != nil {
		return "", err
	}
	return r.resolve(ctx, p, target, fresh)
}

// Snapshot implements source.Source. The root of a chart's files is the chart itself.
func (s *Source) Snapshot(ctx context.Context, req source.Request, rev source.Revision) (source.Snapshot, error) {
	p, r, err := s.at(req)
	if err != nil {
		return nil, err
	}
	if _, err := checkTarget(string(rev)); err != nil || rev == "" {
		return nil, fault.New(fault.Invalid, "revision %q of %s is no version", rev, p)
	}
	tree, err := r.open(ctx, p, rev)
	if err != nil {
		return nil, err
	}
	return snapshot{rev, tree}, nil
}

type snapshot struct {
	rev  source.Revision
	tree *source.Tree
}

func (s snapshot) Revision() source.Revision { return s.rev }
func (s snapshot) FS() source.FS             { return s.tree }

// at returns the place that req names and the repository that serves it.
func (s *Source) at(req source.Request) (place, repository, error) {
	p, err := placeOf(req)
	if err != nil {
		return p, nil, err
	}
	access, err := s.access(p)
	if err != nil {
		return p, nil, err
	}
	key := access.Scope + "\x00" + p.key()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.kind == helmChart {
		r, ok := s.helm[key]
		if !ok {
			r = newHelmRepo(s, p, key)
			s.helm[key] = r
		}
		r.usedAt = s.cfg.Now()
		return p, r, nil
	}
	r, ok := s.oci[key]
	if !ok {
		r = newOCIRepo(s, p, key)
		s.oci[key] = r
	}
	r.usedAt = s.cfg.Now()
	return p, r, nil
}

func (s *Source) access(p place) (Access, error) {
	if s.cfg.Access == nil {
		return Access{}, nil
	}
	a, err := s.cfg.Access.Access(p.asked, p.project)
	if err != nil {
		return Access{}, fault.New(fault.KindOf(err), "find credentials of %s: %w", p, err)
	}
	a.PassCredentials = a.PassCredentials || p.pass
	return a, nil
}

// unpacked returns the files of a package, see store.tree. Those who want the same one share the transfer.
func (s *Source) unpacked(ctx context.Context, owner, digest string, root func(*source.Tree) (*source.Tree, error),
	fetch func(context.Context) ([]byte, error)) (*source.Tree, error) {
	if !s.store.has(owner, digest) {
		err := s.shared(ctx, owner+"\x00"+digest, func(ctx context.Context) error {
			if err := s.transfers.Acquire(ctx, 1); err != nil {
				return err
			}
			defer s.transfers.Release(1)
			_, err := s.store.tree(ctx, owner, digest, root, fetch)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return s.store.tree(ctx, owner, digest, root, fetch)
}

// shared runs run once for all who want the same thing at the moment.
func (s *Source) shared(ctx context.Context, what string, run func(context.Context) error) error {
	s.mu.Lock()
	f, ok := s.fetches[what]
	if !ok {
		if len(s.fetches) > 1000 {
			clear(s.fetches) // those under way go on; at worst one is repeated
		}
		f = &flight.Flight{}
		s.fetches[what] = f
	}
	s.mu.Unlock()
	return f.Do(ctx, s.life, true, run)
}
