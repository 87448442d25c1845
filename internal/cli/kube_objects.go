package cli

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/settings"
)

// LiveObject implements Objects.
func (c *Connection) LiveObject(ctx context.Context, app *v1alpha1.Application, ref object.Ref, version string) (*unstructured.Unstructured, error) {
	if err := refuseRemote(app); err != nil {
		return nil, err
	}
	rctx, cancel := c.request(ctx)
	defer cancel()
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: ref.Group, Version: version, Kind: ref.Kind})
	err := c.Client.Get(rctx, appKey{Namespace: ref.Namespace, Name: ref.Name}, u)
	if apierrors.IsNotFound(err) {
		return nil, fault.New(fault.NotFound, "get %s: %w", ref, err)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", ref, err)
	}
	return u, nil
}

// PatchObject implements Objects.
func (c *Connection) PatchObject(
	ctx context.Context, _ *v1alpha1.Application, live *unstructured.Unstructured, kind types.PatchType, patch []byte,
) error {
	rctx, cancel := c.request(ctx)
	defer cancel()
	return c.Client.Patch(rctx, live, client.RawPatch(kind, patch), client.FieldOwner("belay"))
}

// DeleteObject implements Objects.
func (c *Connection) DeleteObject(ctx context.Context, _ *v1alpha1.Application, live *unstructured.Unstructured, force, orphan bool) error {
	rctx, cancel := c.request(ctx)
	defer cancel()
	uid := live.GetUID()
	opts := []client.DeleteOption{client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationForeground)}
	if force {
		opts = append(opts, client.GracePeriodSeconds(0))
	}
	if orphan {
		opts = append(opts, client.PropagationPolicy(metav1.DeletePropagationOrphan))
	}
	return client.IgnoreNotFound(c.Client.Delete(rctx, live, opts...))
}

// MaskedAnnotations implements Objects, by argocd-cm (resource.sensitive.mask.annotations).
func (c *Connection) MaskedAnnotations(ctx context.Context) ([]string, error) {
	ctx, cancel := c.request(ctx)
	defer cancel()
	var cm corev1.ConfigMap
	err := c.Client.Get(ctx, appKey{Namespace: c.Namespace, Name: settings.ConfigMapName}, &cm)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read which annotations are secret from ConfigMap %s/%s: %w", c.Namespace, settings.ConfigMapName, err)
	}
	s, _ := settings.Parse(cm.Data, nil, nil) // problems are the controller's to tell
	return s.MaskedAnnotations, nil
}

// refuseRemote refuses to look for the objects of an application in the wrong cluster.
func refuseRemote(app *v1alpha1.Application) error {
	d := app.Spec.Destination
	if d.Server == v1alpha1.InClusterServer || d.Name == v1alpha1.InClusterName {
		return nil
	}
	return &Failure{Exit: ExitAPI, Code: "RemoteCluster",
		Err:  fmt.Errorf("application %s lives in the cluster %q, and this command reads the cluster of the kubeconfig alone", qualified(app), serverOf(app)),
		Hint: "use kubectl with a context of that cluster"}
}
