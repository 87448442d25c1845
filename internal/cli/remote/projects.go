package remote

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
)

const projectsPath = "/api/v1/projects"

func projectPath(name string) string { return projectsPath + "/" + url.PathEscape(name) }

// Project implements cli.Projects.
func (s *Server) Project(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	err := s.get(ctx, projectPath(name), nil, &u.Object)
	if fault.Is(err, fault.NotFound) {
		err = cli.ErrNoProject
	}
	if err != nil {
		return nil, fmt.Errorf("get project %s: %w", name, err)
	}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.AppProjectKind))
	return u, nil
}

// ListProjects implements cli.Projects.
func (s *Server) ListProjects(ctx context.Context) ([]v1alpha1.AppProject, error) {
	list := &v1alpha1.AppProjectList{}
	if err := s.get(ctx, projectsPath, nil, list); err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.AppProject) int { return strings.Compare(a.Name, b.Name) })
	return list.Items, nil
}

// GlobalProjects implements cli.Projects.
func (s *Server) GlobalProjects(ctx context.Context, p *v1alpha1.AppProject) ([]*v1alpha1.AppProject, error) {
	var answer struct {
		Items []*v1alpha1.AppProject `json:"items"`
	}
	if err := s.get(ctx, projectPath(p.Name)+"/globalprojects", nil, &answer); err != nil {
		return nil, fmt.Errorf("get the projects that %s takes over from: %w", p.Name, err)
	}
	return answer.Items, nil
}

// CreateProject implements cli.Projects.
func (s *Server) CreateProject(ctx context.Context, p *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if err := s.get(ctx, projectPath(p.GetName()), nil, nil); err == nil {
		return nil, cli.ErrExists
	} else if !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Denied) {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	if err := s.send(ctx, http.MethodPost, projectsPath, nil, map[string]any{"project": p.Object, "upsert": false}, &u.Object); err != nil {
		return nil, err
	}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.AppProjectKind))
	return u, nil
}

// DeleteProject implements cli.Projects.
func (s *Server) DeleteProject(ctx context.Context, name string) error {
	return s.send(ctx, http.MethodDelete, projectPath(name), nil, nil, nil)
}

// Replace implements cli.Projects.
func (s *Server) Replace(ctx context.Context, before, after *unstructured.Unstructured) (changed bool, err error) {
	if before.GetResourceVersion() == "" {
		_, err := s.CreateProject(ctx, after)
		return true, err
	}
	// Status and operation have calls of their own.
	a, b := maps.Clone(before.Object), maps.Clone(after.Object)
	for _, object := range []map[string]any{a, b} {
		delete(object, "status")
		delete(object, "operation")
	}
	if a, err = normalised(a); err != nil {
		return false, err
	}
	if b, err = normalised(b); err != nil {
		return false, err
	}
	if reflect.DeepEqual(a, b) {
		return false, nil
	}
	if before.GetKind() == v1alpha1.AppProjectKind {
		return true, s.send(ctx, http.MethodPut, projectPath(before.GetName()), nil, map[string]any{"project": b}, nil)
	}
	key := cli.AppKey{Namespace: before.GetNamespace(), Name: before.GetName()}
	_, err = s.patch(ctx, key, before, mergeOf(a, b))
	if err != nil && s.overtaken(ctx, key, before, err) {
		err = fault.As(fault.Conflict, err)
	}
	return true, err
}

// mergeOf is the merge patch that makes of one object another.
func mergeOf(a, b map[string]any) map[string]any {
	patch := map[string]any{}
	for field := range a {
		if _, ok := b[field]; !ok {
			patch[field] = nil
		}
	}
	for field, value := range b {
		old, inA := a[field].(map[string]any)
		now, inB := value.(map[string]any)
		switch {
		case inA && inB:
			if below := mergeOf(old, now); len(below) > 0 {
				patch[field] = below
			}
		case !reflect.DeepEqual(a[field], value):
			patch[field] = value
		}
	}
	return patch
}
