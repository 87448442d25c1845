package app

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/git"
	"github.com/belaycd/belay/internal/source/registry"
)

// repositories is the source of all that an application can be made of: a request goes to the implementation for its kind
// of repository.
type repositories struct {
	git      *git.Source
	registry *registry.Source
}

func newSource(cfg Config, env *environment) (*repositories, error) {
	return openSources(cfg, env, observeRepositories())
}

func openSources(cfg Config, env *environment, observe observers) (*repositories, error) {
	jitter := func() time.Duration { return rand.N(env.jitter() + 1) }
	g, err := git.New(git.Config{
		CacheDir: filepath.Join(cfg.CacheDir, "git"), Now: time.Now, Credentials: env, Env: cfg.Env, AllowFile: cfg.AllowFile,
		Interval: env.interval(), Jitter: jitter, Observe: observe.git, Log: cfg.Log,
		Submodules: func() bool { return !env.current.Load().settings.WithoutSubmodules },
	})
	if err != nil {
		return nil, err
	}
	r, err := registry.New(registry.Config{
		CacheDir: filepath.Join(cfg.CacheDir, "registry"), Now: time.Now, Access: env, Env: cfg.Env,
		MediaTypes: func() []string { return env.current.Load().settings.OCIMediaTypes },
		Interval:   env.interval(), Jitter: jitter, Observe: observe.registry, Log: cfg.Log,
	})
	if err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return &repositories{git: g, registry: r}, nil
}

func (r *repositories) of(req source.Request) source.Source {
	if registry.Serves(req) {
		return r.registry
	}
	return r.git
}

// Resolve implements source.Source.
func (r *repositories) Resolve(ctx context.Context, req source.Request, fresh source.Freshness) (source.Revision, error) {
	return r.of(req).Resolve(ctx, req, fresh)
}

// Snapshot implements source.Source.
func (r *repositories) Snapshot(ctx context.Context, req source.Request, rev source.Revision) (source.Snapshot, error) {
	return r.of(req).Snapshot(ctx, req, rev)
}

// Close ends what goes on.
func (r *repositories) Close() error { return errors.Join(r.git.Close(), r.registry.Close()) }

// poll looks at each repository that requests name once in an interval, and calls moved with a rule that finds the
// sources which a movement may concern.
func (r *repositories) poll(ctx context.Context, requests func() []source.Request, moved func(repo string, match func(v1alpha1.ApplicationSource) bool)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return r.git.Poll(ctx, func() []source.Request { return gitRequests(requests()) }, func(m git.Movement) {
			moved(m.RepoURL, fromGit(m.RepoURL))
		})
	})
	group.Go(func() error {
		inUse := func() []source.Request {
			return slices.DeleteFunc(slices.Clone(requests()), func(r source.Request) bool { return !registry.Serves(r) })
		}
		return r.registry.Poll(ctx, inUse, func(req source.Request) {
			moved(req.RepoURL, func(s v1alpha1.ApplicationSource) bool { return s.RepoURL == req.RepoURL && s.Chart == req.Chart })
		})
	})
	return group.Wait()
}

// gitRequests lists the Git repositories among requests, each with the projects that reach it. Each spelling counts: a mirror
// belongs to an address as it is written.
func gitRequests(requests []source.Request) []source.Request {
	var out []source.Request
	for _, req := range requests {
		if !registry.Serves(req) {
			out = append(out, source.Request{RepoURL: req.RepoURL, Project: req.Project})
		}
	}
	slices.SortFunc(out, func(a, b source.Request) int {
		return cmp.Or(strings.Compare(a.RepoURL, b.RepoURL), strings.Compare(a.Project, b.Project))
	})
	return slices.Compact(out)
}

// fromGit returns the rule that finds the sources in the Git repository at repoURL.
func fromGit(repoURL string) func(v1alpha1.ApplicationSource) bool {
	return func(s v1alpha1.ApplicationSource) bool {
		return !registry.Serves(source.Request{RepoURL: s.RepoURL, Chart: s.Chart}) && git.SameURL(s.RepoURL, repoURL)
	}
}
