package server

import (
	"cmp"
	"context"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/settings"
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

// Named names an application in a request.
type Named struct {
	Name         string `path:"name" json:"name,omitempty"`
	AppNamespace string `query:"appNamespace" json:"appNamespace,omitempty"`
	// Project, when it is given, must be the application's.
	Project string `query:"project" json:"project,omitempty"`
}

// ListApplications returns the applications that the query selects and the caller may see, by name.
func (s *Server) ListApplications(ctx context.Context, q *ApplicationQuery) (*v1alpha1.ApplicationList, error) {
	if _, err := signedIn(ctx); err != nil {
		return nil, err
	}
	list, err := s.applications(ctx, q.AppNamespace)
	if err != nil {
		return nil, err
	}
	selects, err := q.selects()
	if err != nil {
		return nil, err
	}
	list.Items = slices.DeleteFunc(list.Items, func(app v1alpha1.Application) bool {
		return !selects(&app) || !s.Allowed(ctx, "applications", "get", s.rbacObject(&app))
	})
	for i := range list.Items {
		list.Items[i] = *s.shown(&list.Items[i])
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.Application) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Namespace, b.Namespace))
	})
	return list, nil
}

// applications lists those of one namespace, or of all namespaces that have any.
func (s *Server) applications(ctx context.Context, namespace string) (*v1alpha1.ApplicationList, error) {
	conf, _, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	in := []client.ListOption{client.InNamespace(s.Namespace)}
	switch {
	case namespace != "" && !s.watches(&conf, namespace):
		return nil, fault.New(fault.Denied, "namespace %q is not permitted for applications: add it to application.namespaces", namespace)
	case namespace != "":
		in = []client.ListOption{client.InNamespace(namespace)}
	case len(conf.ApplicationNamespaces) > 0:
		in = nil
	}
	list := &v1alpha1.ApplicationList{}
	if err := s.Client.List(ctx, list, in...); err != nil {
		return nil, kubeFault(err, "list applications")
	}
	list.Items = slices.DeleteFunc(list.Items, func(app v1alpha1.Application) bool { return !s.watches(&conf, app.Namespace) })
	return list, nil
}

func (s *Server) watches(conf *settings.Settings, namespace string) bool {
	return namespace == s.Namespace || conf.WatchesNamespace(namespace)
}

// selects returns what tells whether the query means an application.
func (q *ApplicationQuery) selects() (func(*v1alpha1.Application) bool, error) {
	selector, err := labels.Parse(q.Selector)
	if err != nil {
		return nil, fault.New(fault.Invalid, "selector %q: %w", q.Selector, err)
	}
	projects := append(slices.Clone(q.Projects), q.Project...)
	return func(app *v1alpha1.Application) bool {
		return (q.Name == "" || app.Name == q.Name) &&
			(q.AppNamespace == "" || app.Namespace == q.AppNamespace) &&
			(len(projects) == 0 || slices.Contains(projects, app.Spec.ProjectName())) &&
			(q.Repo == "" || slices.ContainsFunc(app.Spec.GetSources(), func(src v1alpha1.ApplicationSource) bool { return src.RepoURL == q.Repo })) &&
			selector.Matches(labels.Set(app.Labels))
	}, nil
}

// shown is an application as callers see it: without the bookkeeping of fields, and without what is secret in manifests that
// an operation was given.
func (s *Server) shown(app *v1alpha1.Application) *v1alpha1.Application {
	app = app.DeepCopy()
	app.ManagedFields = nil
	if app.Operation != nil && app.Operation.Sync != nil {
		app.Operation.Sync.Manifests = s.maskTexts(app.Operation.Sync.Manifests)
	}
	if st := app.Status.OperationState; st != nil && st.Operation.Sync != nil {
		st.Operation.Sync.Manifests = s.maskTexts(st.Operation.Sync.Manifests)
	}
	return app
}

// GetApplication returns one application. With refresh it asks for a comparison and waits for it.
func (s *Server) GetApplication(ctx context.Context, q *ApplicationQuery) (*v1alpha1.Application, error) {
	a := Named{Name: q.Name, AppNamespace: q.AppNamespace}
	if len(q.Project) == 1 {
		a.Project = q.Project[0]
	}
	app, err := s.namedApplication(ctx, a, "get")
	if err != nil {
		return nil, err
	}
	if q.Refresh != "" {
		if app, err = s.refresh(ctx, a, q.Refresh); err != nil {
			return nil, err
		}
	}
	return s.shown(app), nil
}

// application reads an application for an action that the caller must be permitted.
func (s *Server) application(ctx context.Context, namespace, name, action string) (*v1alpha1.Application, error) {
	return s.namedApplication(ctx, Named{Name: name, AppNamespace: namespace}, action)
}

func (s *Server) namedApplication(ctx context.Context, a Named, action string) (*v1alpha1.Application, error) {
	return s.applicationFrom(ctx, s.Client, a, action)
}

// applicationFrom reads an application for an action that the caller must be permitted. Whether one exists that the caller may
// not see is not told.
func (s *Server) applicationFrom(ctx context.Context, from client.Reader, a Named, action string) (*v1alpha1.Application, error) {
	if _, err := signedIn(ctx); err != nil {
		return nil, err
	}
	denied := fault.New(fault.Denied, "permission denied: application %s", a.Name)
	namespace := cmp.Or(a.AppNamespace, s.Namespace)
	// Who may see every application learns that this one does not exist. Some line may still hide one from such a caller: that
	// one does not exist either.
	// It is asked when the answer is known: a right that is lost meanwhile is lost for both questions.
	hidden := func() error {
		if s.Allowed(ctx, "applications", "get", "*/*") {
			return fault.New(fault.NotFound, "application %s/%s does not exist", namespace, a.Name)
		}
		return denied
	}
	if namespace != s.Namespace {
		conf, _, err := s.settings(ctx)
		if err != nil {
			return nil, err
		}
		if !s.watches(&conf, namespace) {
			return nil, denied
		}
	}
	app := &v1alpha1.Application{}
	err := from.Get(ctx, client.ObjectKey{Namespace: namespace, Name: a.Name}, app)
	switch {
	case apierrors.IsNotFound(err):
		return nil, hidden()
	case err != nil:
		return nil, kubeFault(err, "get application %s/%s", namespace, a.Name)
	}
	if !s.Allowed(ctx, "applications", "get", s.rbacObject(app)) {
		return nil, hidden()
	}
	if a.Project != "" && a.Project != app.Spec.ProjectName() {
		return nil, denied
	}
	if action == "get" {
		return app, nil
	}
	return app, s.require(ctx, "applications", action, s.rbacObject(app))
}
