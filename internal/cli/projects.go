package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/util/retry"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/operation"
	"github.com/belaycd/belay/internal/project"
)

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

// readProject reads a project; near names are the hint when there is none.
func readProject(ctx context.Context, cp ControlPlane, name string) (*v1alpha1.AppProject, error) {
	raw, err := cp.Project(ctx, name)
	if err == nil {
		return typedProject(raw)
	}
	if !errors.Is(err, ErrNoProject) {
		return nil, err
	}
	f := &Failure{Exit: ExitAPI, Code: "ProjectNotFound", Err: fmt.Errorf("project %s does not exist in namespace %s", name, cp.Home()),
		Hint: "see belay proj list"}
	// Without the list the general hint stays.
	if all, err := cp.ListProjects(ctx); err == nil {
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
		}
		if near := nearest(name, names); len(near) > 0 {
			f.Hint = "did you mean " + strings.Join(near, " or ") + "?"
		}
	}
	return nil, f
}

func typedProject(raw *unstructured.Unstructured) (*v1alpha1.AppProject, error) {
	p := &v1alpha1.AppProject{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw.Object, p); err != nil {
		return nil, fmt.Errorf("read project %s: %w", raw.GetName(), err)
	}
	return p, nil
}

// rawProject reads a project with every field that there is. The project "default" that is not there counts as one
// that allows everything, as for the controller; it has no resourceVersion.
func rawProject(ctx context.Context, cp ControlPlane, name string) (*unstructured.Unstructured, error) {
	u, err := cp.Project(ctx, name)
	switch {
	case err == nil:
		return u, nil
	case errors.Is(err, ErrNoProject) && name == v1alpha1.DefaultProjectName:
		object, err := toMap(project.Default(cp.Home()))
		delete(object, "status")
		return &unstructured.Unstructured{Object: object}, err
	}
	_, err = readProject(ctx, cp, name) // for its hint
	return nil, err
}

// conflicting reports whether somebody else was faster.
func conflicting(err error) bool {
	return apierrors.IsConflict(err) || fault.Is(err, fault.Conflict)
}

// changeProject reads a project, has it changed, and writes the spec, labels and annotations that differ; it begins again
// when somebody else was faster. Fields that this program does not know stay. It reports whether there was a change.
func changeProject(ctx context.Context, cp ControlPlane, name string, change func(*v1alpha1.AppProject) error) (changed bool, err error) {
	err = retry.OnError(operation.Again(), conflicting, func() error {
		raw, err := rawProject(ctx, cp, name)
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
		changed, err = cp.Replace(ctx, raw, after)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("change project %s: %w", name, err)
	}
	return changed, nil
}
