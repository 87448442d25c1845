package server

import (
	"context"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// ApplicationQuery is of Application.List, Get and Watch.
type ApplicationQuery struct {
	Name         string   `path:"name" query:"name" json:"name,omitempty"`
	AppNamespace string   `query:"appNamespace" json:"appNamespace,omitempty"`
	Projects     []string `query:"projects" json:"projects,omitempty"`
	Project      []string `query:"project" json:"project,omitempty"`
	Selector     string   `query:"selector" json:"selector,omitempty"`
	Repo         string   `query:"repo" json:"repo,omitempty"`
	// Refresh is normal or hard: the answer comes after the comparison.
	Refresh string `query:"refresh" json:"refresh,omitempty"`
}

// rbacObject is what argocd-rbac-cm calls the application.
func (s *Server) rbacObject(app *v1alpha1.Application) string {
	if app.Namespace != s.Namespace {
		return app.Spec.ProjectName() + "/" + app.Namespace + "/" + app.Name
	}
	return app.Spec.ProjectName() + "/" + app.Name
}

// ListApplications returns the applications that the query selects and the caller may see, by name.
func (s *Server) ListApplications(ctx context.Context, q *ApplicationQuery) (*v1alpha1.ApplicationList, error) {
	selector, err := labels.Parse(q.Selector)
	if err != nil {
		return nil, fault.New(fault.Invalid, "selector %q: %w", q.Selector, err)
	}
	namespace := q.AppNamespace
	if namespace == "" {
		namespace = s.Namespace
	}
	var list v1alpha1.ApplicationList
	if err := s.Client.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, fault.New(fault.Transient, "list applications: %w", err)
	}
	projects := append(slices.Clone(q.Projects), q.Project...)
	list.Items = slices.DeleteFunc(list.Items, func(app v1alpha1.Application) bool {
		return q.Name != "" && app.Name != q.Name ||
			len(projects) > 0 && !slices.Contains(projects, app.Spec.ProjectName()) ||
			q.Repo != "" && !slices.ContainsFunc(app.Spec.GetSources(), func(src v1alpha1.ApplicationSource) bool { return src.RepoURL == q.Repo }) ||
			!s.Allowed(ctx, "applications", "get", s.rbacObject(&app))
	})
	slices.SortFunc(list.Items, func(a, b v1alpha1.Application) int { return strings.Compare(a.Name, b.Name) })
	return &list, nil
}

// GetApplication returns one application.
func (s *Server) GetApplication(ctx context.Context, q *ApplicationQuery) (*v1alpha1.Application, error) {
	return s.application(ctx, q.AppNamespace, q.Name, "get")
}

// application reads an application for an action that the caller must be permitted. Whether one exists that the caller may not
// see is not told.
func (s *Server) application(ctx context.Context, namespace, name, action string) (*v1alpha1.Application, error) {
	if namespace == "" {
		namespace = s.Namespace
	}
	app := &v1alpha1.Application{}
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, app)
	switch {
	case apierrors.IsNotFound(err):
		// Only who may see every application learns that this one does not exist.
		if denied := s.require(ctx, "applications", "get", "*/*"); denied != nil {
			if fault.Is(denied, fault.Unauthenticated) {
				return nil, denied
			}
			return nil, fault.New(fault.Denied, "permission denied: application %s", name)
		}
		return nil, fault.New(fault.NotFound, "application %s/%s does not exist", namespace, name)
	case err != nil:
		return nil, fault.New(fault.Transient, "get application %s/%s: %w", namespace, name, err)
	}
	if err := s.require(ctx, "applications", "get", s.rbacObject(app)); err != nil {
		if fault.Is(err, fault.Denied) {
			return nil, fault.New(fault.Denied, "permission denied: application %s", name)
		}
		return nil, err
	}
	if action == "get" {
		return app, nil
	}
	return app, s.require(ctx, "applications", action, s.rbacObject(app))
}
