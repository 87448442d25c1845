package reconcile

import (
	"context"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// Unconcerned reports whether the revisions that the application's targets mean now want of the cluster what the last
// reconciliation found there to be wanted. It takes no lock of the application, asks no remote and reads no file:
// a commit costs the applications that it does not touch some comparisons of content ids. False says nothing.
//
// named says that the status names these revisions already.
func (r *Reconciler) Unconcerned(ctx context.Context, req Request) (unconcerned, named bool) {
	app := req.App
	o := originOf(&app.Spec)
	if r.Kept == nil || len(o.sources) == 0 || app.Operation != nil || app.DeletionTimestamp != nil {
		return false, false
	}
	key, o, err := r.keyOf(ctx, req, o)
	if err != nil {
		return false, false // the reconciliation tells
	}
	return req.Memory.holds(key), o.isAt(app.Status.Sync.Revision, app.Status.Sync.Revisions)
}

// errNotKept says that a render is not remembered.
var errNotKept = fault.New(fault.NotFound, "no render is kept")

// keyOf names what an origin wants now, without rendering it.
func (r *Reconciler) keyOf(ctx context.Context, req Request, o origin) (string, origin, error) {
	revisions, err := r.seen(ctx, o)
	if err != nil {
		return "", o, err
	}
	o = o.at(revisions)
	trees, err := r.trees(ctx, o)
	if err != nil {
		return "", o, err
	}
	dest, err := r.Destinations.Destination(ctx, req.App.Spec.Destination)
	if err != nil {
		return "", o, err
	}
	refs := o.refs(trees)
	m, err := o.combine(func(i int) (render.Manifests, error) {
		kept, ok := r.Kept.Lookup(trees[i], req.renderSpec(dest.Cluster, o.sources[i], o.revisions[i], refs))
		if !ok {
			return render.Manifests{}, errNotKept
		}
		return kept.Manifests, kept.Err
	})
	return targetsKey(m.Manifests, req.App), o, err
}

// seen returns the revisions as the last looks at the remotes have them.
func (r *Reconciler) seen(ctx context.Context, o origin) ([]source.Revision, error) {
	out := make([]source.Revision, len(o.sources))
	for i := range o.sources {
		rev, err := r.Source.Resolve(ctx, o.request(i), source.Cached)
		if err != nil {
			return nil, err
		}
		out[i] = rev
	}
	return out, nil
}
