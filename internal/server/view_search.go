package server

import (
	"context"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
)

// SearchQuery looks for applications, objects, images and commits.
type SearchQuery struct {
	Text  string `query:"q,text" json:"text,omitempty"`
	Limit int    `query:"limit" json:"limit,omitempty"`
}

// SearchHit is something that was found, and the application that it belongs to.
type SearchHit struct {
	// Kind is application, resource, image or commit.
	Kind        string       `json:"kind"`
	Application string       `json:"application"`
	Namespace   string       `json:"namespace"`
	Text        string       `json:"text"`
	Object      *ResourceRef `json:"object,omitempty"`
}

// SearchList are hits, applications first.
type SearchList struct {
	Items []SearchHit `json:"items"`
	// More says that there are more than were asked for.
	More bool `json:"more,omitempty"`
}

const (
	defaultHits = 20
	mostHits    = 200
	// shortestSearch keeps a single letter from going through everything.
	shortestSearch = 2
)

// Search finds applications by name, the objects that belong to them (pods too, by way of their owners), images and commits,
// of what the caller may see.
func (s *Server) Search(ctx context.Context, q *SearchQuery) (*SearchList, error) {
	if _, ok := CallerOf(ctx); !ok {
		return nil, fault.New(fault.Unauthenticated, "sign in first")
	}
	text := strings.ToLower(strings.TrimSpace(q.Text))
	if len(text) < shortestSearch {
		return &SearchList{Items: []SearchHit{}}, nil
	}
	apps, err := s.ListApplications(ctx, &ApplicationQuery{})
	if err != nil {
		return nil, err
	}
	limit := q.Limit
	if limit <= 0 {
		limit = defaultHits
	}
	limit = min(limit, mostHits)
	hits := insight.Search(apps.Items, text)
	if len(hits) <= limit {
		hits = append(hits, s.owned(ctx, apps.Items, text, limit-len(hits)+1)...)
	}
	out := &SearchList{Items: []SearchHit{}, More: len(hits) > limit}
	for _, h := range hits[:min(len(hits), limit)] {
		hit := SearchHit{Kind: h.Kind, Application: h.App.Name, Namespace: h.App.Namespace, Text: h.Text, Object: h.Object}
		out.Items = append(out.Items, hit)
	}
	return out, nil
}

// owned finds objects that the objects of applications own. A name of theirs begins with that of an owner most of the time, so
// that applications with such an object are looked into first, and only so many at all.
func (s *Server) owned(ctx context.Context, apps []v1alpha1.Application, text string, most int) []insight.Hit {
	const mostTrees = 50
	order := insight.LikelyOwners(apps, text)
	var out []insight.Hit
	for n, at := range order {
		if n == mostTrees || len(out) >= most || ctx.Err() != nil {
			break
		}
		app := &apps[at]
		nodes, err := s.Engine.Tree(ctx, app)
		if err != nil {
			continue // a cluster that does not answer hides its own objects only
		}
		for _, node := range nodes {
			if len(node.Parents) == 0 || node.Orphaned || !strings.Contains(strings.ToLower(node.Ref.Name), text) {
				continue
			}
			out = append(out, insight.Hit{Kind: insight.HitResource, App: app, Text: node.Ref.String(), Object: &ResourceRef{
				Group: node.Ref.Group, Version: node.Version, Kind: node.Ref.Kind, Namespace: node.Ref.Namespace, Name: node.Ref.Name, UID: node.UID}})
		}
	}
	return out
}
