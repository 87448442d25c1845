package reconcile

import (
	"context"

	"github.com/belaycd/belay/internal/source"
)

// Unconcerned reports whether the revision that the application's target means now wants of the cluster what the last
// reconciliation found there to be wanted. It takes no lock of the application, asks no remote and reads no file:
// a commit costs the applications that it does not touch some comparisons of content ids. False says nothing.
//
// rev is that revision.
func (r *Reconciler) Unconcerned(ctx context.Context, req Request) (rev source.Revision, unconcerned bool) {
	app := req.App
	sources := app.Spec.GetSources()
	if r.Kept == nil || len(sources) != 1 || app.Operation != nil || app.DeletionTimestamp != nil {
		return "", false
	}
	src := sources[0]
	want := source.RequestFor(src)
	rev, err := r.Source.Resolve(ctx, want, source.Cached)
	if err != nil {
		return "", false // the reconciliation tells
	}
	snapshot, err := r.Source.Snapshot(ctx, want, rev)
	if err != nil {
		return "", false
	}
	dest, err := r.Destinations.Destination(ctx, app.Spec.Destination)
	if err != nil {
		return "", false
	}
	kept, ok := r.Kept.Lookup(snapshot.FS(), req.renderSpec(dest.Cluster, src, rev))
	return rev, ok && kept.Err == nil && req.Memory.holds(targetsKey(kept.Manifests, app))
}
