package server

import (
	"context"
	"slices"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
)

// CompareQuery compares what two applications render.
type CompareQuery struct {
	From          string `query:"from" json:"from,omitempty"`
	FromNamespace string `query:"fromNamespace" json:"fromNamespace,omitempty"`
	To            string `query:"to" json:"to,omitempty"`
	ToNamespace   string `query:"toNamespace" json:"toNamespace,omitempty"`
}

// Compare says what differs between what two applications render, both of which the caller must be permitted to see.
func (s *Server) Compare(ctx context.Context, q *CompareQuery) (*Comparison, error) {
	naming, err := s.naming(ctx)
	if err != nil {
		return nil, err
	}
	sides := make([]insight.Rendered, 2)
	var commits []Commit
	for i, name := range [][2]string{{q.FromNamespace, q.From}, {q.ToNamespace, q.To}} {
		app, err := s.application(ctx, name[0], name[1], "get")
		if err != nil {
			return nil, err
		}
		preview, err := s.Engine.Preview(ctx, app, nil, false)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "render application %s/%s: %w", app.Namespace, app.Name, err)
		}
		sides[i] = insight.Rendered{Name: app.Name, Environment: insight.EnvironmentOf(app, naming), Targets: preview.Targets}
		list := insight.Commits(app.Spec.GetSources(), preview.Revisions)
		s.commitsOf(ctx, app, list)
		commits = append(commits, list...)
	}
	out, err := insight.Compare(sides[0], sides[1], s.Engine.MaskedAnnotations())
	if err != nil {
		return nil, err
	}
	for _, c := range commits {
		if !slices.ContainsFunc(out.Commits, func(have Commit) bool { return have.Revision == c.Revision }) {
			out.Commits = append(out.Commits, c)
		}
	}
	return out, nil
}
