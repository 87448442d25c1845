package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sort"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/settings"
)

// Project implements Projects.
func (c *Connection) Project(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	u := newProject()
	err := c.Client.Get(rctx, appKey{Namespace: c.Namespace, Name: name}, u)
	if apierrors.IsNotFound(err) && !isMissingKind(err) {
		err = ErrNoProject
	}
	if err != nil {
		return nil, fmt.Errorf("get project %s: %w", name, err)
	}
	return u, nil
}

func newProject() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.AppProjectKind))
	return u
}

// ListProjects implements Projects.
func (c *Connection) ListProjects(ctx context.Context) ([]v1alpha1.AppProject, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	list := &v1alpha1.AppProjectList{}
	if err := c.Client.List(rctx, list, client.InNamespace(c.Namespace)); err != nil {
		return nil, fmt.Errorf("list projects: %w", err)
	}
	sort.Slice(list.Items, func(i, j int) bool { return list.Items[i].Name < list.Items[j].Name })
	for i := range list.Items {
		list.Items[i].ManagedFields = nil
	}
	return list.Items, nil
}

// GlobalProjects implements Projects.
func (c *Connection) GlobalProjects(ctx context.Context, p *v1alpha1.AppProject) ([]*v1alpha1.AppProject, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	var cm corev1.ConfigMap
	err := c.Client.Get(rctx, appKey{Namespace: c.Namespace, Name: settings.ConfigMapName}, &cm)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("read from which projects %s takes over in ConfigMap %s/%s: %w", p.Name, c.Namespace, settings.ConfigMapName, err)
	}
	s, _ := settings.Parse(cm.Data, nil, nil) // problems are the controller's to tell
	var out []*v1alpha1.AppProject
	for _, name := range s.GlobalsOf(p) {
		g := &v1alpha1.AppProject{}
		err := c.Client.Get(rctx, appKey{Namespace: c.Namespace, Name: name}, g)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("get project %s, which %s takes over from: %w", name, p.Name, err)
		}
		out = append(out, g)
	}
	return out, nil
}

// CreateProject implements Projects.
func (c *Connection) CreateProject(ctx context.Context, p *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	created := p.DeepCopy()
	err := c.Client.Create(rctx, created)
	if apierrors.IsAlreadyExists(err) {
		return nil, ErrExists
	}
	return created, err
}

// DeleteProject implements Projects.
func (c *Connection) DeleteProject(ctx context.Context, name string) error {
	rctx, cancel := c.request(ctx)
	defer cancel()
	u := newProject()
	u.SetNamespace(c.Namespace)
	u.SetName(name)
	return c.Client.Delete(rctx, u)
}

// Replace implements Projects.
func (c *Connection) Replace(ctx context.Context, before, after *unstructured.Unstructured) (changed bool, err error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	if before.GetResourceVersion() == "" {
		return true, c.Client.Create(rctx, after)
	}
	from, err := toMap(before.Object)
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", before.GetName(), err)
	}
	patch := mergePatch(from, after.Object)
	maps.DeleteFunc(patch, func(field string, _ any) bool { return field == "status" || field == "operation" })
	if len(patch) == 0 {
		return false, nil
	}
	meta, _ := patch["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		patch["metadata"] = meta
	}
	meta["resourceVersion"] = before.GetResourceVersion()
	data, err := json.Marshal(patch)
	if err != nil {
		return false, fmt.Errorf("encode patch of %s: %w", before.GetName(), err)
	}
	return true, c.Client.Patch(rctx, before.DeepCopy(), client.RawPatch(types.MergePatchType, data))
}
