package server

import (
	"cmp"
	"context"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// ApplicationManifestQuery is of Application.GetManifests.
type ApplicationManifestQuery struct {
	Named           `json:",inline"`
	Revision        string   `query:"revision" json:"revision,omitempty"`
	SourcePositions []string `query:"sourcePositions" json:"sourcePositions,omitempty"`
	Revisions       []string `query:"revisions" json:"revisions,omitempty"`
	NoCache         bool     `query:"noCache" json:"noCache,omitempty"`
}

// ManifestResponse are the rendered manifests: JSON without secret values.
type ManifestResponse struct {
	Manifests  []string `json:"manifests"`
	Namespace  string   `json:"namespace,omitempty"`
	Server     string   `json:"server,omitempty"`
	Revision   string   `json:"revision,omitempty"`
	Revisions  []string `json:"revisions,omitempty"`
	SourceType string   `json:"sourceType,omitempty"`
}

// GetManifests renders the application, at another revision if one is named.
func (s *Server) GetManifests(ctx context.Context, q *ApplicationManifestQuery) (*ManifestResponse, error) {
	app, err := s.namedApplication(ctx, q.Named, "get")
	if err != nil {
		return nil, err
	}
	revisions, err := q.revisions(app)
	if err != nil {
		return nil, err
	}
	preview, err := s.Engine.Preview(ctx, app, revisions, q.NoCache)
	if err != nil {
		return nil, err
	}
	out := &ManifestResponse{
		Manifests: []string{}, Namespace: app.Spec.Destination.Namespace, Server: cmp.Or(app.Spec.Destination.Server, app.Spec.Destination.Name),
		Revisions: preview.Revisions, SourceType: string(app.Status.SourceType),
	}
	if len(preview.Revisions) > 0 {
		out.Revision = preview.Revisions[0]
	}
	for _, t := range preview.Targets.Objects {
		text, err := s.manifest(t.Object)
		if err != nil {
			return nil, err
		}
		out.Manifests = append(out.Manifests, text)
	}
	for _, hook := range preview.Targets.Hooks {
		text, err := s.manifest(hook)
		if err != nil {
			return nil, err
		}
		out.Manifests = append(out.Manifests, text)
	}
	return out, nil
}

// revisions are those that the query names, one for each source; an empty one keeps the source's own.
func (q *ApplicationManifestQuery) revisions(app *v1alpha1.Application) ([]string, error) {
	n := len(app.Spec.GetSources())
	switch {
	case len(q.Revisions) == 0 && q.Revision == "":
		return nil, nil
	case len(q.Revisions) == 0 && n == 1:
		return []string{q.Revision}, nil
	case len(q.Revisions) == 0:
		return nil, fault.New(fault.Invalid, "application %s has %d sources: name them with revisions and sourcePositions", app.Name, n)
	case len(q.SourcePositions) != len(q.Revisions):
		return nil, fault.New(fault.Invalid, "%d revisions for %d source positions", len(q.Revisions), len(q.SourcePositions))
	}
	out := make([]string, n)
	for i, text := range q.SourcePositions {
		at, err := position(text, n)
		if err != nil {
			return nil, err
		}
		out[at] = q.Revisions[i]
	}
	return out, nil
}
