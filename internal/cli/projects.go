package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/project"
)

// rawProject reads a project with every field that the server has. The project "default" that is not there counts as one
// that allows everything, as for the controller; it has no resourceVersion.
func (c *Connection) rawProject(ctx context.Context, name string) (*unstructured.Unstructured, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.AppProjectKind))
	err := c.Client.Get(rctx, appKey{Namespace: c.Namespace, Name: name}, u)
	switch {
	case err == nil:
		return u, nil
	case apierrors.IsNotFound(err) && !isMissingKind(err) && name == v1alpha1.DefaultProjectName:
		object, err := toMap(project.Default(c.Namespace))
		delete(object, "status")
		return &unstructured.Unstructured{Object: object}, err
	}
	_, err = c.project(ctx, name) // for its hint
	return nil, err
}

// changeProject reads a project, has it changed, and writes the spec, labels and annotations that differ; it begins again
// when somebody else was faster. Fields that this program does not know stay. It reports whether there was a change.
func (c *Connection) changeProject(ctx context.Context, name string, change func(*v1alpha1.AppProject) error) (changed bool, err error) {
	err = retry.RetryOnConflict(conflictBackoff(), func() error {
		raw, err := c.rawProject(ctx, name)
		if err != nil {
			return err
		}
		var p v1alpha1.AppProject
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw.Object, &p); err != nil {
			return fmt.Errorf("read project %s: %w", name, err)
		}
		want := p.DeepCopy()
		if err := change(want); err != nil {
			return err
		}
		after, err := withChange(raw, &p, want)
		if err != nil {
			return err
		}
		changed, err = c.replace(ctx, raw, after)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("change project %s: %w", name, err)
	}
	return changed, nil
}

// withChange is the raw object with the spec, labels and annotations changed as from one object to the other.
func withChange(raw *unstructured.Unstructured, before, after any) (*unstructured.Unstructured, error) {
	b, err := toMap(before)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", raw.GetName(), err)
	}
	a, err := toMap(after)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", raw.GetName(), err)
	}
	rawMap, err := toMap(raw.Object) // the same kinds of numbers on all sides
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", raw.GetName(), err)
	}
	for _, m := range []map[string]any{a, b} {
		delete(m, "status")
		delete(m, "operation")
	}
	out := keepUnknown(rawMap, b, a).(map[string]any)
	return &unstructured.Unstructured{Object: out}, nil
}

// replace writes what differs between two states of an object, or creates it when there is none yet.
func (c *Connection) replace(ctx context.Context, before, after *unstructured.Unstructured) (changed bool, err error) {
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
