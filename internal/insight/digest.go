package insight

import (
	"cmp"
	"slices"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// digest stands for all that a reviewer saw of a plan and that does not change by itself: the time decides whether a window is
// open, and the sync asks it again.
//
// The digest is shown, and so must not be made of secrets, which could be guessed from it. What is in a Secret follows from the
// revisions, the source's settings and the version of the live object, and these are in it.
type digest struct{ parts []any }

func newDigest(in PlanInput) *digest {
	sources := v1alpha1.ApplicationSources(nil)
	if in.App != nil {
		sources = in.App.Spec.GetSources()
	}
	return &digest{parts: []any{in.App.Namespace, in.App.Name, in.App.UID, in.App.Spec.Destination, in.Revisions, sources}}
}

func (d *digest) add(i *diff.Item, o *PlannedObject) {
	part := []any{i.Ref.Group, i.Ref.Kind, i.Ref.Namespace, i.Ref.Name, string(i.Action), o.Reason, o.Refused, o.Restarts, o.Wave, o.UID}
	for _, c := range o.Changes { // masked
		part = append(part, c.Path, c.HasLive, c.Live, c.HasDesired, c.Desired)
	}
	switch {
	case i.Action == diff.Create:
		part = append(part, o.Desired) // masked
	case i.Ref.Group == "" && i.Ref.Kind == "Secret" && i.Live != nil:
		part = append(part, i.Live.Object.GetResourceVersion())
	}
	d.parts = append(d.parts, part)
}

func (d *digest) sum(p *Plan) string {
	d.parts = append(d.parts, p.Hooks, p.Warnings, p.Unchanged)
	return object.Hash(d.parts)
}

func byWave(hooks []PlannedHook) {
	slices.SortStableFunc(hooks, func(a, b PlannedHook) int {
		return cmp.Or(cmp.Compare(a.Wave, b.Wave), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}
