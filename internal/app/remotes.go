package app

import (
	"context"
	"strings"
	"sync"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
)

// remotes opens for renders what lies outside an application's own repository, through the same sources, and only where
// the settings allow it.
type remotes struct {
	env   *environment
	repos *repositories

	mu      sync.Mutex
	current map[render.Remote]string
}

var _ render.Remotes = (*remotes)(nil)

func newRemotes(env *environment, repos *repositories) *remotes {
	return &remotes{env: env, repos: repos, current: map[render.Remote]string{}}
}

// maxRemotes bounds what is remembered; whatever is forgotten is only rendered once more.
const maxRemotes = 10_000

// Current implements render.Remotes.
func (r *remotes) Current(want render.Remote) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.current[want]
}

// Open implements render.Remotes.
func (r *remotes) Open(ctx context.Context, want render.Remote) (source.FS, string, error) {
	at := want
	if name, ok := alias(want.URL); ok && want.Kind == render.RemoteChart {
		if at.URL = r.env.current.Load().repos.Named(name, want.Project); at.URL == "" {
			return nil, "", fault.New(fault.NotFound, "there is no repository Secret with the name %q", name)
		}
	}
	if err := r.permit(at); err != nil {
		return nil, "", err
	}
	fresh := source.Cached
	if render.IsAnew(ctx) {
		fresh = source.Fresh
	}
	files, id, err := r.open(ctx, at, fresh)
	if err != nil {
		return nil, "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.current) >= maxRemotes {
		clear(r.current)
	}
	r.current[want] = id
	return files, id, nil
}

// alias returns the name that a dependency gives in the place of an address.
func alias(repository string) (string, bool) {
	if name, ok := strings.CutPrefix(repository, "@"); ok {
		return name, true
	}
	return strings.CutPrefix(repository, "alias:")
}

// permit refuses what no setting allows. A Helm repository for which there is a Secret is allowed by that, as in Argo CD.
func (r *remotes) permit(want render.Remote) error {
	state := r.env.current.Load()
	if state.belay.Remote.Allow(want.URL) {
		return nil
	}
	if want.Kind == render.RemoteChart {
		for _, url := range []string{want.URL, strings.TrimPrefix(want.URL, "oci://")} {
			c, err := state.repos.For(url, want.Project)
			if err != nil {
				return err
			}
			if c.SecretName != "" && (c.Type != "git" || c.EnableOCI) {
				return nil
			}
		}
	}
	return fault.New(fault.Denied, "%s %s lies outside the application's repository and is not allowed; a glob in key %s of ConfigMap %s would allow it",
		want.Kind, source.Redact(want.URL), settings.KeyRemoteAllow, settings.BelayName)
}

func (r *remotes) open(ctx context.Context, want render.Remote, fresh source.Freshness) (source.FS, string, error) {
	if want.Kind == render.RemoteFile {
		data, id, err := r.repos.registry.File(ctx, want.URL, want.Project, fresh)
		if err != nil {
			return nil, "", err
		}
		tree, err := source.OneFile(render.RemoteFileName, data)
		return tree, id, err
	}
	req := source.Request{RepoURL: want.URL, Chart: want.Chart, Target: want.Version, Project: want.Project}
	rev, err := r.repos.Resolve(ctx, req, fresh)
	if fault.Is(err, fault.NotFound) && fresh == source.Cached {
		rev, err = r.repos.Resolve(ctx, req, source.Fresh) // it may be younger than the last look
	}
	if err != nil {
		return nil, "", err
	}
	snapshot, err := r.repos.Snapshot(ctx, req, rev)
	if err != nil {
		return nil, "", err
	}
	files := snapshot.FS()
	id := string(rev)
	if want.Kind == render.RemoteChart { // a version can be published anew
		content, err := files.ContentID(".")
		if err != nil {
			return nil, "", err
		}
		id += " " + content
	}
	return files, id, nil
}
