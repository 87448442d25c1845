package server

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/settings"
)

// DeploymentQuery selects deployments, as ApplicationQuery does applications.
type DeploymentQuery struct {
	AppNamespace string   `query:"appNamespace" json:"appNamespace,omitempty"`
	Projects     []string `query:"projects" json:"projects,omitempty"`
	Selector     string   `query:"selector" json:"selector,omitempty"`
	Repo         string   `query:"repo" json:"repo,omitempty"`
	Name         string   `query:"name" json:"name,omitempty"`
}

// Deployments returns the applications that the query selects and the caller may see, as rows of services and environments.
func (s *Server) Deployments(ctx context.Context, q *DeploymentQuery) (*DeploymentList, error) {
	if _, ok := CallerOf(ctx); !ok {
		return nil, fault.New(fault.Unauthenticated, "sign in first")
	}
	apps, err := s.ListApplications(ctx, &ApplicationQuery{
		Name: q.Name, AppNamespace: q.AppNamespace, Projects: q.Projects, Selector: q.Selector, Repo: q.Repo,
	})
	if err != nil {
		return nil, err
	}
	out, err := s.deployments(ctx, apps.Items)
	if err != nil {
		return nil, err
	}
	out.Cursor = cursorOf(apps.Items)
	return out, nil
}

// deployments are the rows of applications that the caller may see.
func (s *Server) deployments(ctx context.Context, apps []v1alpha1.Application) (*DeploymentList, error) {
	naming, err := s.naming(ctx)
	if err != nil {
		return nil, err
	}
	windows, err := s.windowsOf(ctx)
	if err != nil {
		return nil, err
	}
	out := &DeploymentList{}
	out.Items, out.Environments = insight.Deployments(apps, naming, s.Now())
	byKey := make(map[client.ObjectKey]*v1alpha1.Application, len(apps))
	for i := range apps {
		byKey[client.ObjectKeyFromObject(&apps[i])] = &apps[i]
	}
	rollback, err := s.rollbackAction(ctx)
	if err != nil {
		return nil, err
	}
	var commits []wanted
	for i := range out.Items {
		d := &out.Items[i]
		app := byKey[client.ObjectKey{Namespace: d.Namespace, Name: d.Name}]
		d.Can, d.Window = s.can(ctx, app, rollback), windows(app)
		for _, c := range []*Commit{d.Deployed, d.Wanted} {
			if c != nil {
				commits = append(commits, wanted{insight.MainSource(app), d.Project, c})
			}
		}
	}
	s.fillCommits(ctx, commits)
	return out, nil
}

// can names what the caller may do with an application. rollback is the right that going back needs.
func (s *Server) can(ctx context.Context, app *v1alpha1.Application, rollback string) []string {
	out := []string{}
	for _, a := range [][3]string{
		{"sync", "applications", "sync"}, {"rollback", "applications", rollback}, {"override", "applications", "override"},
		{"update", "applications", "update"}, {"delete", "applications", "delete"}, {"logs", "logs", "get"},
	} {
		if s.Allowed(ctx, a[1], a[2], s.rbacObject(app)) {
			out = append(out, a[0])
		}
	}
	return out
}

// naming is what belay-cm says of services and environments.
func (s *Server) naming(ctx context.Context) (insight.Naming, error) {
	var cm corev1.ConfigMap
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: settings.BelayName}, &cm)
	if client.IgnoreNotFound(err) != nil {
		return insight.Naming{}, fault.New(fault.Transient, "read ConfigMap %s/%s: %w", s.Namespace, settings.BelayName, err)
	}
	belay, _ := settings.ParseBelay(cm.Data) // problems of settings are told where they are acted on
	return insight.Naming{ServiceLabel: belay.ServiceLabel, EnvironmentLabel: belay.EnvironmentLabel, Environments: belay.Environments}, nil
}

// windowsOf returns what the sync windows say of applications now.
func (s *Server) windowsOf(ctx context.Context) (func(*v1alpha1.Application) string, error) {
	var list v1alpha1.AppProjectList
	if err := s.Client.List(ctx, &list, client.InNamespace(s.Namespace)); err != nil {
		return nil, fault.New(fault.Transient, "list projects: %w", err)
	}
	conf, _, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	byName := make(map[string]*v1alpha1.AppProject, len(list.Items))
	for i := range list.Items {
		byName[list.Items[i].Name] = &list.Items[i]
	}
	projects := make(map[string]*project.Project, len(list.Items))
	for name, p := range byName {
		projects[name] = project.New(p)
		for _, global := range conf.GlobalsOf(p) {
			if g := byName[global]; g != nil {
				projects[name] = projects[name].Inherit(g)
			}
		}
	}
	now := s.Now()
	return func(app *v1alpha1.Application) string {
		p := projects[app.Spec.ProjectName()]
		if p == nil {
			return ""
		}
		return windowText(p.Window(app, project.Sync{Manual: true}, now))
	}, nil
}

// window says why nobody may sync the application now; empty when somebody may.
func (s *Server) window(ctx context.Context, app *v1alpha1.Application) (string, error) {
	var p v1alpha1.AppProject
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: app.Spec.ProjectName()}, &p)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil // the sync itself tells of a project that is missing
	case err != nil:
		return "", fault.New(fault.Transient, "read project %s: %w", app.Spec.ProjectName(), err)
	}
	permitted, err := s.permissions(ctx, &p)
	if err != nil {
		return "", err
	}
	return windowText(permitted.Window(app, project.Sync{Manual: true}, s.Now())), nil
}

func windowText(v project.Verdict) string {
	switch {
	case v.Allowed:
		return ""
	case v.Again.IsZero():
		return v.Why
	}
	return fmt.Sprintf("%s; again at %s", v.Why, v.Again.UTC().Format("2006-01-02 15:04 UTC"))
}
