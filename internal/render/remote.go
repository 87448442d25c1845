package render

import (
	"context"
	"errors"
	"maps"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// RemoteKind says what a Remote is.
type RemoteKind string

// Kinds of remotes.
const (
	// RemoteChart is a chart of a Helm repository or of an OCI registry.
	RemoteChart RemoteKind = "chart"
	// RemoteGit is a Git repository.
	RemoteGit RemoteKind = "git"
	// RemoteFile is one file; its tree holds it under the name RemoteFileName.
	RemoteFile RemoteKind = "file"
)

// RemoteFileName is the name of the file in the tree of a RemoteFile.
const RemoteFileName = "content"

// Remote names something outside the application's own repository that a render needs.
type Remote struct {
	Kind RemoteKind
	// URL is the address of the repository or of the file.
	URL string
	// Chart is the name of a chart.
	Chart string
	// Version is a version or a range of a chart, or a branch, tag or SHA of Git; empty is the latest, or HEAD.
	Version string
	// Project is the AppProject of the application that is rendered: credentials may be limited to it.
	Project string
}

// Remotes opens what renders need from outside, where the settings allow it. Implementations are safe for concurrent use.
// Errors carry a fault kind; Denied says what would have to be allowed.
type Remotes interface {
	// Open returns the files that r means now and what names exactly them: a commit or a digest. In a context that comes
	// from Anew it asks the remote again.
	Open(ctx context.Context, r Remote) (files source.FS, id string, err error)
	// Current returns the name that Open gave last, without asking anybody; "" when there is none.
	Current(r Remote) string
}

// WithRemotes lets renders have remotes. A render itself reaches no network: it ends with what it needs, that is opened
// here, where it keeps no other render from its turn, and the render begins anew.
func WithRemotes(inner Renderer, remotes Remotes) Renderer {
	return &fetcher{inner: inner, remotes: remotes}
}

type fetcher struct {
	inner   Renderer
	remotes Remotes
}

// maxRemotes bounds what one render can have opened.
const maxRemotes = 100

type remotesKey struct{}

// opened is a remote that is at hand, or why it is not.
type opened struct {
	files source.FS
	id    string
	err   error
}

// needed says which remotes are to be opened before a render can go on.
type needed struct{ remotes []Remote }

func (n *needed) Error() string {
	return "needs " + string(n.remotes[0].Kind) + " " + source.Redact(n.remotes[0].URL)
}

// Render implements Renderer.
func (f *fetcher) Render(ctx context.Context, files source.FS, spec Spec) (Manifests, error) {
	atHand := map[Remote]opened{}
	for {
		// The map of a round is never changed: a render that was given up may still read it.
		out, err := f.inner.Render(context.WithValue(ctx, remotesKey{}, maps.Clone(atHand)), files, spec)
		var need *needed
		if !errors.As(err, &need) {
			return out, err
		}
		if len(atHand)+len(need.remotes) > maxRemotes {
			return Manifests{}, fault.New(fault.Invalid, "the render needs more than %d remotes", maxRemotes)
		}
		for _, r := range need.remotes {
			var o opened
			if o.files, o.id, o.err = f.remotes.Open(ctx, r); ctx.Err() != nil {
				return Manifests{}, ctx.Err()
			}
			atHand[r] = o
		}
	}
}

// remoteUser is implemented by file trees that want to know what a render opens besides them.
type remoteUser interface {
	sawRemote(r Remote, id string)
	spoil()
}

// HasRemotes reports whether renders in ctx can have remotes.
func HasRemotes(ctx context.Context) bool { return ctx.Value(remotesKey{}) != nil }

// OpenRemote returns the files of r for a render of files. What was found is part of the render's trace, so that it is reused
// only as long as r means the same; a failure is not kept. A Renderer must pass the error on, wrapped with %w: it may
// say what is to be opened before the render can be done.
func OpenRemote(ctx context.Context, files source.FS, r Remote) (source.FS, error) {
	atHand, ok := ctx.Value(remotesKey{}).(map[Remote]opened)
	if !ok {
		return nil, fault.New(fault.Denied, "%s %s: %w", r.Kind, source.Redact(r.URL), ErrOffline)
	}
	o, ok := atHand[r]
	if !ok {
		return nil, &needed{[]Remote{r}}
	}
	if traced, ok := files.(remoteUser); ok {
		if o.err != nil {
			traced.spoil()
		} else {
			traced.sawRemote(r, o.id)
		}
	}
	return o.files, o.err
}

// remoteSight is one look at a remote.
type remoteSight struct {
	remote Remote
	id     string
}

func (t *tracer) sawRemote(r Remote, id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.finished {
		t.trace.remotes = append(t.trace.remotes, remoteSight{r, id})
	}
}

// remotesMatch reports whether everything that a render opened elsewhere still means what it meant.
func (t Trace) remotesMatch(remotes Remotes) bool {
	for _, s := range t.remotes {
		if remotes == nil || remotes.Current(s.remote) != s.id {
			return false
		}
	}
	return true
}
