package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/operation"
	"github.com/belaycd/belay/internal/project"
)

// ProjectQuery is of the procedures that read a project.
type ProjectQuery struct {
	Name string `path:"name" query:"name" json:"name,omitempty"`
}

// ProjectCreateRequest is of Project.Create.
type ProjectCreateRequest struct {
	Project *v1alpha1.AppProject `json:"project"`
	Upsert  bool                 `json:"upsert,omitempty"`
}

// ProjectUpdateRequest is of Project.Update.
type ProjectUpdateRequest struct {
	Name    string               `path:"name" json:"-"`
	Project *v1alpha1.AppProject `json:"project"`
}

// EmptyResponse is empty.
type EmptyResponse struct{}

// DetailedProjectsResponse is a project with what belongs to it.
type DetailedProjectsResponse struct {
	GlobalProjects []*v1alpha1.AppProject `json:"globalProjects,omitempty"`
	Project        *v1alpha1.AppProject   `json:"project,omitempty"`
	Repositories   []*Repository          `json:"repositories,omitempty"`
	Clusters       []*Cluster             `json:"clusters,omitempty"`
}

// GlobalProjectsResponse are the projects that a project takes over from.
type GlobalProjectsResponse struct {
	Items []*v1alpha1.AppProject `json:"items,omitempty"`
}

// SyncWindowsResponse are the windows of a project that are open now.
type SyncWindowsResponse struct {
	Windows []*v1alpha1.SyncWindow `json:"windows,omitempty"`
}

// ListProjects returns the projects that the caller may see, by name.
func (s *Server) ListProjects(ctx context.Context, q *ProjectQuery) (*v1alpha1.AppProjectList, error) {
	if _, err := signedIn(ctx); err != nil {
		return nil, err
	}
	list := &v1alpha1.AppProjectList{}
	if err := s.Client.List(ctx, list, client.InNamespace(s.Namespace)); err != nil {
		return nil, kubeFault(err, "list projects")
	}
	list.Items = slices.DeleteFunc(list.Items, func(p v1alpha1.AppProject) bool {
		return q.Name != "" && p.Name != q.Name || !s.Allowed(ctx, "projects", "get", p.Name)
	})
	for i := range list.Items {
		list.Items[i].ManagedFields = nil
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.AppProject) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// GetProject returns one project.
func (s *Server) GetProject(ctx context.Context, q *ProjectQuery) (*v1alpha1.AppProject, error) {
	return s.project(ctx, s.Client, q.Name, "get")
}

// project reads a project for an action that the caller must be permitted. Without the right nobody learns whether it exists.
func (s *Server) project(ctx context.Context, from client.Reader, name, action string) (*v1alpha1.AppProject, error) {
	if err := s.require(ctx, "projects", action, name); err != nil {
		return nil, err
	}
	p := &v1alpha1.AppProject{}
	if err := from.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, p); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fault.New(fault.NotFound, "project %s does not exist", name)
		}
		return nil, kubeFault(err, "get project %s", name)
	}
	p.ManagedFields = nil
	return p, nil
}

// GetDetailedProject returns a project with what it takes over from global projects, and with the repositories and clusters that
// are registered for it.
func (s *Server) GetDetailedProject(ctx context.Context, q *ProjectQuery) (*DetailedProjectsResponse, error) {
	p, err := s.GetProject(ctx, q)
	if err != nil {
		return nil, err
	}
	repos, err := s.ListRepositories(ctx, &RepoQuery{})
	if err != nil {
		return nil, err
	}
	clusters, err := s.ListClusters(ctx, &ClusterQuery{})
	if err != nil {
		return nil, err
	}
	globals, err := s.globalsOf(ctx, p)
	if err != nil {
		return nil, err
	}
	out := &DetailedProjectsResponse{Project: project.Merge(p, globals...), GlobalProjects: globals}
	for i := range repos.Items {
		if repos.Items[i].Project == p.Name {
			out.Repositories = append(out.Repositories, &repos.Items[i])
		}
	}
	for i := range clusters.Items {
		if clusters.Items[i].Project == p.Name {
			out.Clusters = append(out.Clusters, &clusters.Items[i])
		}
	}
	return out, nil
}

// GetGlobalProjects returns the projects that a project takes over from, in the order in which they count.
func (s *Server) GetGlobalProjects(ctx context.Context, q *ProjectQuery) (*GlobalProjectsResponse, error) {
	p, err := s.GetProject(ctx, q)
	if err != nil {
		return nil, err
	}
	globals, err := s.globalsOf(ctx, p)
	return &GlobalProjectsResponse{Items: globals}, err
}

// globalsOf reads the projects that p takes over from. One that does not exist is left out: the controller, which syncs nothing
// then, tells of it.
func (s *Server) globalsOf(ctx context.Context, p *v1alpha1.AppProject) ([]*v1alpha1.AppProject, error) {
	conf, _, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	var out []*v1alpha1.AppProject
	for _, name := range conf.GlobalsOf(p) {
		g := &v1alpha1.AppProject{}
		err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: name}, g)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, kubeFault(err, "read project %s, which %s takes over from", name, p.Name)
		}
		g.ManagedFields = nil
		out = append(out, g)
	}
	return out, nil
}

// permissions are what a project permits, by itself and by what it takes over. The clusters are those of its own.
func (s *Server) permissions(ctx context.Context, p *v1alpha1.AppProject, clusters ...project.Cluster) (*project.Project, error) {
	globals, err := s.globalsOf(ctx, p)
	if err != nil {
		return nil, err
	}
	return project.New(p, clusters...).Inherit(globals...), nil
}

// GetSyncWindowsState returns the windows of a project that are open now.
func (s *Server) GetSyncWindowsState(ctx context.Context, q *ProjectQuery) (*SyncWindowsResponse, error) {
	p, err := s.GetProject(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &SyncWindowsResponse{}
	for _, w := range p.Spec.SyncWindows {
		if w == nil {
			continue
		}
		if open, err := project.WindowOpen(w, s.Now()); err == nil && open {
			out.Windows = append(out.Windows, w)
		}
	}
	return out, nil
}

// ListProjectEvents returns the events of a project.
func (s *Server) ListProjectEvents(ctx context.Context, q *ProjectQuery) (*corev1.EventList, error) {
	p, err := s.GetProject(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.eventsOf(ctx, s.Reader, s.Namespace, client.MatchingFields{"involvedObject.name": p.Name, "involvedObject.uid": string(p.UID)})
}

// CreateProject makes a project, or changes the one that exists when the request says so.
func (s *Server) CreateProject(ctx context.Context, q *ProjectCreateRequest) (out *v1alpha1.AppProject, err error) {
	if q.Project == nil || q.Project.Name == "" {
		return nil, fault.New(fault.Invalid, "the request holds no project with a name")
	}
	if err := s.require(ctx, "projects", "create", q.Project.Name); err != nil {
		return nil, err
	}
	if err := checkProject(q.Project); err != nil {
		return nil, err
	}
	defer func() {
		s.Record(ctx, nil, err, Activity{Kind: audit.KindCreate, Project: q.Project.Name, Text: "created project " + q.Project.Name})
	}()
	p := &v1alpha1.AppProject{Spec: q.Project.Spec, ObjectMeta: metav1.ObjectMeta{Name: q.Project.Name, Namespace: s.Namespace,
		Labels: q.Project.Labels, Annotations: q.Project.Annotations, Finalizers: q.Project.Finalizers}}
	err = s.Client.Create(ctx, p)
	if !apierrors.IsAlreadyExists(err) {
		p.ManagedFields = nil
		return p, kubeFault(err, "create project %s", p.Name)
	}
	have, err := s.project(ctx, s.Reader, p.Name, "get")
	switch {
	case err != nil:
		return nil, err
	case apiequality.Semantic.DeepEqual(have.Spec, p.Spec):
		return have, nil
	case !q.Upsert:
		return nil, fault.New(fault.Invalid, "existing project spec is different; use upsert flag to force update: project %s", p.Name)
	}
	return s.changeProject(ctx, q.Project)
}

// UpdateProject changes a project. Rights of roles, and what a project permits, are part of it.
func (s *Server) UpdateProject(ctx context.Context, q *ProjectUpdateRequest) (out *v1alpha1.AppProject, err error) {
	if q.Project == nil {
		return nil, fault.New(fault.Invalid, "the request holds no project")
	}
	q.Project.Name = cmp.Or(q.Project.Name, q.Name)
	if q.Name != "" && q.Project.Name != q.Name {
		return nil, fault.New(fault.Invalid, "the request is for project %q and holds project %q", q.Name, q.Project.Name)
	}
	if err := s.require(ctx, "projects", "update", q.Project.Name); err != nil {
		return nil, err
	}
	if err := checkProject(q.Project); err != nil {
		return nil, err
	}
	defer func() {
		s.Record(ctx, nil, err, Activity{Kind: audit.KindSettings, Project: q.Project.Name, Text: "changed project " + q.Project.Name})
	}()
	return s.changeProject(ctx, q.Project)
}

// changeProject writes what a project is to be, and begins again when somebody else was faster; with a resource version in
// what is wanted, a change in between is a conflict instead.
func (s *Server) changeProject(ctx context.Context, want *v1alpha1.AppProject) (*v1alpha1.AppProject, error) {
	var out *v1alpha1.AppProject
	err := retry.RetryOnConflict(operation.Again(), func() error {
		have, err := s.project(ctx, s.Reader, want.Name, "update")
		if err != nil {
			return err
		}
		if want.ResourceVersion != "" && want.ResourceVersion != have.ResourceVersion {
			return fault.New(fault.Conflict, "project %s has changed since it was read: read it again", want.Name)
		}
		if err := s.permitProjectChange(ctx, have, want); err != nil {
			return err
		}
		out = have.DeepCopy()
		out.Spec, out.Labels, out.Annotations, out.Finalizers = want.Spec, want.Labels, want.Annotations, want.Finalizers
		return s.Client.Patch(ctx, out, client.MergeFromWithOptions(have, client.MergeFromWithOptimisticLock{}))
	})
	if err != nil {
		if apierrors.ReasonForError(err) != "" && fault.Is(err, fault.Internal) {
			err = kubeFault(err, "change project %s", want.Name)
		}
		return nil, err
	}
	out.ManagedFields = nil
	return out, nil
}

// permitProjectChange asks for the rights that Argo CD asks for besides that to update the project: who opens it to further
// clusters, repositories or kinds of a cluster must be permitted to change those.
func (s *Server) permitProjectChange(ctx context.Context, have, want *v1alpha1.AppProject) error {
	for _, d := range want.Spec.Destinations {
		if !slices.Contains(have.Spec.Destinations, d) {
			if err := s.require(ctx, "clusters", "update", cmp.Or(d.Server, d.Name)); err != nil {
				return err
			}
		}
	}
	for _, repo := range want.Spec.SourceRepos {
		if !slices.Contains(have.Spec.SourceRepos, repo) {
			if err := s.require(ctx, "repositories", "update", repo); err != nil {
				return err
			}
		}
	}
	if apiequality.Semantic.DeepEqual(have.Spec.ClusterResourceWhitelist, want.Spec.ClusterResourceWhitelist) &&
		apiequality.Semantic.DeepEqual(have.Spec.ClusterResourceBlacklist, want.Spec.ClusterResourceBlacklist) {
		return nil
	}
	for _, d := range want.Spec.Destinations {
		if err := s.require(ctx, "clusters", "update", cmp.Or(d.Server, d.Name)); err != nil {
			return err
		}
	}
	return nil
}

// DeleteProject deletes a project that no application is in.
func (s *Server) DeleteProject(ctx context.Context, q *ProjectQuery) (out *EmptyResponse, err error) {
	p, err := s.project(ctx, s.Reader, q.Name, "delete")
	if err != nil {
		return nil, err
	}
	if p.Name == v1alpha1.DefaultProjectName {
		return nil, fault.New(fault.Invalid, "project %s is always there and cannot be deleted", p.Name)
	}
	list, err := s.applications(ctx, "")
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range list.Items {
		if list.Items[i].Spec.ProjectName() == p.Name {
			n++
		}
	}
	if n > 0 {
		return nil, fault.New(fault.Invalid, "project %s is referenced by %d applications: move or delete them first", p.Name, n)
	}
	defer func() {
		s.Record(ctx, nil, err, Activity{Kind: audit.KindDelete, Project: p.Name, Text: "deleted project " + p.Name})
	}()
	if err := s.Client.Delete(ctx, p, client.Preconditions{UID: &p.UID}); err != nil && !apierrors.IsNotFound(err) {
		return nil, kubeFault(err, "delete project %s", p.Name)
	}
	return &EmptyResponse{}, nil
}

// checkProject refuses what the roles, windows and service accounts of a project must not be: policies for others than its own
// roles and applications, and what cannot be read.
func checkProject(p *v1alpha1.AppProject) error {
	roles := map[string]bool{}
	for _, role := range p.Spec.Roles {
		if role.Name == "" || roles[role.Name] {
			return fault.New(fault.Invalid, "project %s: role %q has no name or is there twice", p.Name, role.Name)
		}
		roles[role.Name] = true
		for _, line := range role.Policies {
			if err := checkPolicy(p.Name, role.Name, line); err != nil {
				return err
			}
		}
	}
	for _, w := range p.Spec.SyncWindows {
		if w == nil {
			continue
		}
		if err := project.CheckWindow(w); err != nil {
			return fault.New(fault.Invalid, "project %s: window %s: %w", p.Name, project.Describe(w), err)
		}
	}
	if err := project.CheckServiceAccounts(p.Spec.DestinationServiceAccounts); err != nil {
		return fault.New(fault.Invalid, "project %s: %w", p.Name, err)
	}
	return nil
}

func checkPolicy(projectName, role, line string) error {
	wrong := func(why string) error {
		return fault.New(fault.Invalid, "project %s, role %s: policy %q: %s", projectName, role, line, why)
	}
	fields := strings.Split(line, ",")
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if len(fields) != 6 || fields[0] != "p" {
		return wrong("it must be of the form: p, sub, res, act, obj, eft")
	}
	if want := fmt.Sprintf("proj:%s:%s", projectName, role); fields[1] != want {
		return wrong("its subject must be " + want)
	}
	if object := fields[4]; object != projectName && !strings.HasPrefix(object, projectName+"/") {
		return wrong("its object must be in the project: " + projectName + "/...")
	}
	if fields[5] != "allow" && fields[5] != "deny" {
		return wrong("its effect must be allow or deny")
	}
	return nil
}
