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
	Revision source.Revision
	Plan     *diff.Plan
	Targets  diff.Targets
	// Conditions are what the stages found on the way.
	Conditions []v1alpha1.ApplicationCondition
}

// Preview runs the story up to the comparison and stops before anything is decided or written. A revision replaces the
// application's own; empty keeps it.
func (r *Reconciler) Preview(ctx context.Context, req Request, revision string) (Preview, error) {
	s := newRun(req, r.Now())
	if revision != "" {
		src := s.app.Spec.GetSources()
		if len(src) == 1 {
			src[0].TargetRevision = revision
			s.app.Spec.Source, s.app.Spec.Sources = &src[0], nil
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
	return Preview{Revision: s.revision, Plan: s.plan, Targets: s.desired.targets, Conditions: s.found}, nil
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
