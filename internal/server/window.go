package server

import (
	"context"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/project"
)

// ApplicationSyncWindowsQuery is of Application.GetApplicationSyncWindows.
type ApplicationSyncWindowsQuery struct {
	Named `json:",inline"`
}

// ApplicationSyncWindowsResponse says which windows concern the application, and whether a sync by hand is permitted now.
type ApplicationSyncWindowsResponse struct {
	ActiveWindows   []*ApplicationSyncWindow `json:"activeWindows,omitempty"`
	AssignedWindows []*ApplicationSyncWindow `json:"assignedWindows,omitempty"`
	CanSync         bool                     `json:"canSync"`
}

// ApplicationSyncWindow is a window as Argo CD's API has it.
type ApplicationSyncWindow struct {
	Kind       string `json:"kind"`
	Schedule   string `json:"schedule"`
	Duration   string `json:"duration"`
	ManualSync bool   `json:"manualSync"`
}

// GetApplicationSyncWindows says which sync windows concern the application.
func (s *Server) GetApplicationSyncWindows(ctx context.Context, q *ApplicationSyncWindowsQuery) (*ApplicationSyncWindowsResponse, error) {
	app, err := s.namedApplication(ctx, q.Named, "get")
	if err != nil {
		return nil, err
	}
	p, err := s.projectOf(ctx, app)
	if err != nil {
		return nil, err
	}
	globals, err := s.globalsOf(ctx, p)
	if err != nil {
		return nil, err
	}
	p = project.Merge(p, globals...)
	out := &ApplicationSyncWindowsResponse{}
	for _, w := range p.Spec.SyncWindows {
		if w == nil {
			continue
		}
		// A project with this window alone tells whether the window is assigned to the application.
		alone := &v1alpha1.AppProject{ObjectMeta: p.ObjectMeta, Spec: v1alpha1.AppProjectSpec{SyncWindows: v1alpha1.SyncWindows{w}}}
		if len(project.New(alone).Windows(app).Assigned()) == 0 {
			continue
		}
		shown := &ApplicationSyncWindow{Kind: w.Kind, Schedule: w.Schedule, Duration: w.Duration, ManualSync: w.ManualSync}
		out.AssignedWindows = append(out.AssignedWindows, shown)
		if open, err := project.WindowOpen(w, s.Now()); err == nil && open {
			out.ActiveWindows = append(out.ActiveWindows, shown)
		}
	}
	out.CanSync = project.New(p).Windows(app).Judge(project.Sync{Manual: true}, s.Now()).Allowed
	return out, nil
}

// RevisionMetadataQuery is of Application.RevisionMetadata.
type RevisionMetadataQuery struct {
	Named    `json:",inline"`
	Revision string `path:"revision" json:"revision,omitempty"`
	// SourceIndex is the source, counted from 0, and VersionID the deployment of the history that it is looked up in.
	SourceIndex *int32 `query:"sourceIndex" json:"sourceIndex,omitempty"`
	VersionID   *int32 `query:"versionId" json:"versionId,omitempty"`
}

// RevisionMetadata says what a commit of a source of the application is.
func (s *Server) RevisionMetadata(ctx context.Context, q *RevisionMetadataQuery) (*RevisionMetadata, error) {
	app, err := s.namedApplication(ctx, q.Named, "get")
	if err != nil {
		return nil, err
	}
	sources := app.Spec.GetSources()
	if q.VersionID != nil {
		for _, h := range app.Status.History {
			if h.ID != int64(*q.VersionID) {
				continue
			}
			if sources = h.Sources; len(sources) == 0 {
				sources = v1alpha1.ApplicationSources{h.Source}
			}
		}
	}
	at := 0
	if q.SourceIndex != nil {
		at = int(*q.SourceIndex)
	}
	if at < 0 || at >= len(sources) {
		return nil, fault.New(fault.Invalid, "source index %d: the application has %d sources, counted from 0", at, len(sources))
	}
	meta, err := s.Engine.Commit(ctx, sources[at], app.Spec.ProjectName(), q.Revision)
	if err != nil {
		return nil, err
	}
	return &meta, nil
}
