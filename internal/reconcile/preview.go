package reconcile

import (
	"context"
	"errors"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// Preview is what a sync would do.
type Preview struct {
	// Revisions are those of the sources, in their order.
	Revisions []source.Revision
	Plan      *diff.Plan
	Targets   diff.Targets
	// Conditions are what the stages found on the way.
	Conditions []v1alpha1.ApplicationCondition
}

// Preview runs the story up to the comparison and stops before anything is decided or written. revisions replace the
// target revisions of the sources, one for each; an empty one keeps the source's own, and none at all keep all.
func (r *Reconciler) Preview(ctx context.Context, req Request, revisions []string) (Preview, error) {
	s := newRun(req, r.Now())
	if n := len(s.origin.sources); len(revisions) > 0 && len(revisions) != n {
		return Preview{}, fault.New(fault.Invalid, "%d revisions for %d sources", len(revisions), n)
	}
	for i, revision := range revisions {
		if revision != "" {
			s.origin.sources[i].TargetRevision = revision
		}
	}
	for _, st := range r.story() {
		if st.name == "gate" {
			break
		}
		if err := st.run(ctx, s); err != nil {
			return Preview{}, s.explain(err)
		}
	}
	return Preview{Revisions: s.origin.revisions, Plan: s.plan, Targets: s.desired.targets, Conditions: s.found}, nil
}

// explain replaces an error that only points at conditions by what they say.
func (s *run) explain(err error) error {
	if !errors.Is(err, errInvalidSpec) {
		return err
	}
	var texts []string
	for _, c := range s.found {
		if c.Type == v1alpha1.ConditionInvalidSpecError {
			texts = append(texts, c.Message)
		}
	}
	return fault.New(fault.Invalid, "%s", strings.Join(texts, "; "))
}
