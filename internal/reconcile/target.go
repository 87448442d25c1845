package reconcile

import (
	"context"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// asked returns the sources that the operation under way is about. They are its own in a rollback; otherwise they are
// the application's.
func (s *run) asked() (o origin, own bool) {
	switch op := s.state.Operation.Sync; {
	case op == nil:
	case len(op.Sources) > 0: // first, because a rollback of Argo CD sets an empty source beside them
		return origin{sources: op.Sources, listed: true}, true
	case op.Source != nil:
		return origin{sources: v1alpha1.ApplicationSources{*op.Source}}, true
	}
	return originOf(&s.app.Spec), false
}

// targets returns the revision that the operation wants of each source, "" where that is the source's own target.
func (o origin) targets(op *v1alpha1.SyncOperation) ([]string, error) {
	out := make([]string, len(o.sources))
	switch {
	case op == nil || len(o.sources) == 0:
	case !o.listed && op.Revision != "":
		out[0] = op.Revision
	case !o.listed && len(op.Revisions) == 1: // as some clients ask, whatever the application has
		out[0] = op.Revisions[0]
	case !o.listed:
	case len(op.Revisions) == len(o.sources):
		copy(out, op.Revisions)
	case len(op.Revisions) > 0:
		return nil, fault.New(fault.Invalid, "operation.sync.revisions has %d entries for %d sources; it must name one for each, in their order",
			len(op.Revisions), len(o.sources))
	case op.Revision != "" && len(o.sources) == 1:
		out[0] = op.Revision
	case op.Revision != "":
		return nil, fault.New(fault.Invalid, "operation.sync.revision names one revision for %d sources; name one for each in operation.sync.revisions", len(o.sources))
	}
	for i, src := range o.sources {
		if out[i] == src.TargetRevision {
			out[i] = ""
		}
	}
	return out, nil
}

// elsewhere reports whether the operation asks for something else than the application's own target.
func (s *run) elsewhere() bool {
	return s.dest != nil && s.state.Operation.Sync != nil && !s.asksForOwn()
}

// asksForOwn reports whether the operation wants the sources of the application at what they are at.
func (s *run) asksForOwn() bool {
	o, own := s.asked()
	targets, err := o.targets(s.state.Operation.Sync)
	if own || err != nil {
		return false
	}
	for i, target := range targets {
		if target != "" && (!s.origin.known() || target != string(s.origin.revisions[i])) {
			return false
		}
	}
	return true
}

// pin records what the operation is about, as far as that is known before anything is looked up: an automatic sync that
// fails early has been attempted all the same.
func (s *run) pin() {
	if s.state.SyncResult == nil {
		s.state.SyncResult = &v1alpha1.SyncOperationResult{}
	}
	o, _ := s.asked()
	res := s.state.SyncResult
	frozen := o.frozen(res)
	if frozen == nil && s.asksForOwn() {
		frozen = s.origin.revisions
	}
	res.Source, res.Sources = o.inSources()
	res.Revision, res.Revisions = o.at(frozen).inRevisions()
}

// frozen returns the revisions that an earlier step settled on, so that the next one and a retry mean the same; nil if
// there are none, or if they belong to other repositories than those of now.
func (o origin) frozen(res *v1alpha1.SyncOperationResult) []source.Revision {
	if !o.listed {
		if res.Revision == "" {
			return nil
		}
		return []source.Revision{source.Revision(res.Revision)}
	}
	if len(res.Revisions) != len(o.sources) || len(res.Sources) != len(o.sources) {
		return nil
	}
	out := make([]source.Revision, len(o.sources))
	for i, src := range o.sources {
		if then := res.Sources[i]; res.Revisions[i] == "" || then.RepoURL != src.RepoURL || then.Chart != src.Chart {
			return nil
		}
		out[i] = source.Revision(res.Revisions[i])
	}
	return out
}

// operationOrigin returns the sources of the operation at its revisions, which are frozen at the first step.
func (r *Reconciler) operationOrigin(ctx context.Context, s *run) (origin, error) {
	op := s.state.Operation
	o, own := s.asked()
	if frozen := o.frozen(s.state.SyncResult); frozen != nil {
		return o.at(frozen), nil
	}
	targets, err := o.targets(op.Sync)
	if err != nil {
		return o, err
	}
	o.revisions = make([]source.Revision, len(o.sources))
	for i := range o.sources {
		req := o.request(i)
		switch {
		case targets[i] != "" && (!op.Retry.Refresh || s.state.RetryCount == 0):
			req.Target = targets[i]
		case !own && s.origin.known():
			o.revisions[i] = s.origin.revisions[i]
			continue
		}
		if o.revisions[i], err = r.revisionOf(ctx, req, source.Cached); err != nil {
			return o, o.of(i, err)
		}
	}
	return o, nil
}
