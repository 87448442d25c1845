package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/operation"
)

// Home implements ControlPlane.
func (c *Connection) Home() string { return c.Namespace }

// URL implements ControlPlane, by argocd-cm.
func (c *Connection) URL(ctx context.Context) string {
	rctx, cancel := c.request(ctx)
	defer cancel()
	var cm corev1.ConfigMap
	// The address is a courtesy: somebody who may read the application but no ConfigMap sees the rest all the same.
	if err := c.Client.Get(rctx, appKey{Namespace: c.Namespace, Name: "argocd-cm"}, &cm); err != nil {
		return ""
	}
	return cm.Data["url"]
}

// Application implements Applications.
func (c *Connection) Application(ctx context.Context, key appKey) (*unstructured.Unstructured, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	u := newApplication()
	if err := c.Client.Get(rctx, key, u); err != nil {
		return nil, appError(err, "get", key)
	}
	return u, nil
}

func newApplication() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind))
	return u
}

// appError says what was done with which application, and tells one that does not exist from all other errors.
func appError(err error, verb string, key appKey) error {
	if apierrors.IsNotFound(err) && !isMissingKind(err) {
		return fmt.Errorf("%s application %s: %w", verb, key, ErrNoApplication)
	}
	return fmt.Errorf("%s application %s: %w", verb, key, err)
}

// ListApplications implements Applications. It reads all pages.
func (c *Connection) ListApplications(ctx context.Context, namespace string, selector labels.Selector) ([]unstructured.Unstructured, error) {
	opts := []client.ListOption{client.MatchingLabelsSelector{Selector: selector}, client.Limit(listPage), client.InNamespace(namespace)}
	var items []unstructured.Unstructured
	next := ""
	for {
		page := &unstructured.UnstructuredList{}
		page.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind + "List"))
		rctx, cancel := c.request(ctx)
		err := c.Client.List(rctx, page, append(opts, client.Continue(next))...)
		cancel()
		if err != nil {
			return nil, fmt.Errorf("list applications: %w", err)
		}
		items = append(items, page.Items...)
		if next = page.GetContinue(); next == "" {
			return items, nil
		}
	}
}

// maxNames bounds how many names are read for a hint or a completion.
const maxNames = 2000

// ApplicationNames implements Applications.
func (c *Connection) ApplicationNames(ctx context.Context, namespace string) ([]AppKey, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.ApplicationKind + "List"))
	if err := c.Client.List(rctx, list, client.InNamespace(namespace), client.Limit(maxNames)); err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	names := make([]AppKey, len(list.Items))
	for i := range list.Items {
		names[i] = client.ObjectKeyFromObject(&list.Items[i])
	}
	return names, nil
}

// CreateApplication implements Applications. The controller validates, and reports in conditions.
func (c *Connection) CreateApplication(ctx context.Context, app *unstructured.Unstructured, _ CreateOptions) (*unstructured.Unstructured, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	created := app.DeepCopy()
	err := c.Client.Create(rctx, created)
	if apierrors.IsAlreadyExists(err) {
		return nil, ErrExists
	}
	return created, err
}

// patchApp applies a merge patch to an Application. With a resourceVersion in the patch a lost race is a conflict.
func (c *Connection) patchApp(ctx context.Context, key appKey, patch map[string]any) (*v1alpha1.Application, error) {
	data, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("encode patch of application %s: %w", key, err)
	}
	ctx, release := outlasting(ctx)
	defer release()
	rctx, cancel := c.request(ctx)
	defer cancel()
	app := &v1alpha1.Application{}
	app.Name, app.Namespace = key.Name, key.Namespace
	if err := c.Client.Patch(rctx, app, client.RawPatch(types.MergePatchType, data)); err != nil {
		return nil, appError(err, "change", key)
	}
	return app, nil
}

// ChangeApplication implements Applications. Patches keep fields that this program does not know; an update would drop them.
func (c *Connection) ChangeApplication(
	ctx context.Context, key appKey, decide func(*v1alpha1.Application) (map[string]any, error),
) (*v1alpha1.Application, error) {
	var result *v1alpha1.Application
	err := retry.RetryOnConflict(operation.Again(), func() error {
		app, err := c.typedApp(ctx, key)
		if err != nil {
			return err
		}
		patch, err := decide(app)
		if err != nil || patch == nil {
			result = app
			return err
		}
		result, err = c.patchApp(ctx, key, operation.For(app, patch))
		return err
	})
	return result, err
}

func (c *Connection) typedApp(ctx context.Context, key appKey) (*v1alpha1.Application, error) {
	raw, err := c.Application(ctx, key)
	if err != nil {
		return nil, err
	}
	return typed(raw)
}

// PatchApplication implements Applications.
func (c *Connection) PatchApplication(ctx context.Context, key appKey, kind types.PatchType, patch []byte) (*unstructured.Unstructured, error) {
	rctx, cancel := c.request(ctx)
	defer cancel()
	u := newApplication()
	u.SetNamespace(key.Namespace)
	u.SetName(key.Name)
	if err := c.Client.Patch(rctx, u, client.RawPatch(kind, patch)); err != nil {
		return nil, appError(err, "patch", key)
	}
	return u, nil
}

// DeleteApplication implements Applications: it sets the finalizer that says what becomes of the objects, then deletes.
func (c *Connection) DeleteApplication(ctx context.Context, key appKey, cascade bool, propagation string) error {
	app, err := c.ChangeApplication(ctx, key, func(app *v1alpha1.Application) (map[string]any, error) {
		want := operation.Finalizers(app.Finalizers, cascade, propagation)
		if slices.Equal(want, app.Finalizers) || app.DeletionTimestamp != nil && cascade {
			return nil, nil // finalizers cannot be added to what is being deleted
		}
		return map[string]any{"metadata": map[string]any{"finalizers": want}}, nil
	})
	if err != nil {
		return err
	}
	rctx, cancel := c.request(ctx)
	defer cancel()
	// The object whose finalizers were settled, and no other of that name.
	return client.IgnoreNotFound(c.Client.Delete(rctx, app, client.Preconditions{UID: &app.UID}))
}

// Refresh implements Applications, by the annotation, which the controller takes away.
func (c *Connection) Refresh(ctx context.Context, key appKey, hard bool) error {
	level := v1alpha1.RefreshNormal
	if hard {
		level = v1alpha1.RefreshHard
	}
	annotations := map[string]any{v1alpha1.AnnotationRefresh: level}
	if _, err := c.patchApp(ctx, key, map[string]any{"metadata": map[string]any{"annotations": annotations}}); err != nil {
		return err
	}
	return c.WatchApplication(ctx, key, func(app *v1alpha1.Application) (bool, error) {
		if app == nil {
			return true, gone(key)
		}
		_, pending := app.Annotations[v1alpha1.AnnotationRefresh]
		return !pending, nil
	})
}

// Start implements Applications by the operation protocol: refuse when one is there, otherwise set it and clear the record of
// the last one, and begin again when somebody else wrote in between. decide decides on the state that is then written to, so
// what it checks still holds.
func (c *Connection) Start(
	ctx context.Context, key appKey, decide func(*v1alpha1.Application) (Start, error), now time.Time,
) (*v1alpha1.Application, error) {
	user := c.whoami(ctx)
	return c.ChangeApplication(ctx, key, func(app *v1alpha1.Application) (map[string]any, error) {
		// Busy comes first: what decide refuses may be the work of the operation that runs.
		if err := operation.Busy(app, now); err != nil {
			return nil, err
		}
		s, err := decide(app)
		if err != nil {
			return nil, err
		}
		s.Operation.InitiatedBy.Username = user
		return operation.Start(app, s.Operation, now)
	})
}

// Terminate implements Applications.
func (c *Connection) Terminate(ctx context.Context, key appKey) error {
	_, err := c.ChangeApplication(ctx, key, operation.Terminate)
	return err
}
