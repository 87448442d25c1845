package reconcile

import (
	"context"
	"fmt"

	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render"
)

// localPlan compares the cluster with manifests that came with the operation itself (argocd app sync --local) in place of
// those of a repository. They count for this operation only: the comparison afterwards is with Git again.
func (s *run) localPlan(ctx context.Context, texts []string) (desired, *diff.Plan, error) {
	m := rendered{Manifests: render.Manifests{Key: "local " + object.Hash(texts)}}
	for i, text := range texts {
		objects, err := render.Decode(fmt.Sprintf("operation.sync.manifests[%d]", i), []byte(text))
		if err != nil {
			return desired{}, nil, err
		}
		m.Objects = append(m.Objects, objects...)
	}
	want, err := s.desiredOf(m)
	if err != nil {
		return desired{}, nil, err
	}
	if err := s.view(ctx, want.targets); err != nil {
		return desired{}, nil, err
	}
	plan, err := s.comparePlan(ctx, want)
	return want, plan, err
}
