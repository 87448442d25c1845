package server

import (
	"context"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
)

// HistoryQuery asks for the deployments of an application.
type HistoryQuery struct {
	Name         string `path:"name" json:"name,omitempty"`
	AppNamespace string `query:"appNamespace" json:"appNamespace,omitempty"`
}

// History returns the deployments of an application with what their commits say, the latest first.
func (s *Server) History(ctx context.Context, q *HistoryQuery) (*HistoryList, error) {
	app, err := s.application(ctx, q.AppNamespace, q.Name, "get")
	if err != nil {
		return nil, err
	}
	out := &HistoryList{Items: insight.History(app, s.reasons(ctx, app))}
	sources := map[int64]v1alpha1.ApplicationSources{}
	for _, h := range app.Status.History {
		if sources[h.ID] = h.Sources; len(h.Sources) == 0 {
			sources[h.ID] = v1alpha1.ApplicationSources{h.Source}
		}
	}
	var commits []wanted
	for i := range out.Items {
		e := &out.Items[i]
		for n := range e.Commits {
			if n < len(sources[e.ID]) {
				commits = append(commits, wanted{sources[e.ID][n], app.Spec.ProjectName(), &e.Commits[n]})
			}
		}
	}
	s.fillCommits(ctx, commits)
	return out, nil
}

// reasons are why deployments were asked for, by the time at which they started, from the record: the Application keeps that
// of the last operation alone. Without a record there are none.
func (s *Server) reasons(ctx context.Context, app *v1alpha1.Application) map[int64]string {
	out := map[int64]string{}
	if s.Audit == nil || len(app.Status.History) == 0 {
		return out
	}
	page, err := s.Audit.Activities(ctx, audit.Query{Application: app.Name, Namespace: app.Namespace, Kind: audit.KindSync, Limit: 200},
		func(a *Activity) bool { return a.Reason != "" })
	if err != nil {
		s.Log.Warn("history without reasons", "application", app.Namespace+"/"+app.Name, "error", err.Error())
		return out
	}
	for _, a := range page.Items {
		out[a.Time.Unix()] = a.Reason
	}
	return out
}

// Activities returns what happened, the latest first, as far as the caller may see the applications that it happened to. What
// concerns no application (who signed in, who was refused) is for who may change accounts.
func (s *Server) Activities(ctx context.Context, q *ActivityQuery) (*ActivityList, error) {
	if _, ok := CallerOf(ctx); !ok {
		return nil, fault.New(fault.Unauthenticated, "sign in first")
	}
	if s.Audit == nil {
		return &ActivityList{Items: []Activity{}}, nil
	}
	seen := map[string]bool{}
	may := func(resource, action, object string) bool {
		key := resource + "\n" + object
		allowed, known := seen[key]
		if !known {
			allowed = s.Allowed(ctx, resource, action, object)
			seen[key] = allowed
		}
		return allowed
	}
	return s.Audit.Activities(ctx, *q, func(a *Activity) bool {
		switch {
		case a.Application != "":
			app := &v1alpha1.Application{}
			app.Name, app.Namespace, app.Spec.Project = a.Application, a.Namespace, a.Project
			return may("applications", "get", s.rbacObject(app))
		case a.Project != "":
			return may("projects", "get", a.Project)
		}
		return may("accounts", "update", "*")
	})
}
