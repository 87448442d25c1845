package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/identity"
)

// identityStore is what accounts and tokens consist of, in a cluster. It reads anew each time, so that a read after a lost race shows
// what won.
type identityStore struct{ *Connection }

// NewIdentityStore returns the store of the control plane's namespace.
func NewIdentityStore(c *Connection) identity.Store { return &identityStore{c} }

// kindOf gives errors of the API server the kinds that stores promise.
func kindOf(err error) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsNotFound(err):
		return fault.As(fault.NotFound, err)
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fault.As(fault.Conflict, err)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault.As(fault.Denied, err)
	case apierrors.IsTimeout(err), apierrors.IsServerTimeout(err), apierrors.IsTooManyRequests(err), apierrors.IsServiceUnavailable(err):
		return fault.As(fault.Transient, err)
	}
	return err
}

// written is kindOf for writes: an object that is gone was changed by somebody else.
func written(err error) error {
	if apierrors.IsNotFound(err) {
		return fault.As(fault.Conflict, err)
	}
	return kindOf(err)
}

func (s *identityStore) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: s.Namespace, Name: name}
}

func (s *identityStore) Config(ctx context.Context) (map[string]string, error) {
	ctx, cancel := s.request(ctx)
	defer cancel()
	var cm corev1.ConfigMap
	err := s.Client.Get(ctx, s.key(identity.ConfigMapName), &cm)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return cm.Data, kindOf(err)
}

func (s *identityStore) Secret(ctx context.Context, name string) (identity.Secret, error) {
	ctx, cancel := s.request(ctx)
	defer cancel()
	var o corev1.Secret
	if err := s.Client.Get(ctx, s.key(name), &o); err != nil {
		return identity.Secret{}, kindOf(err)
	}
	return identity.Secret{Name: name, Version: o.ResourceVersion, Labels: o.Labels, Annotations: o.Annotations, Data: o.Data}, nil
}

func (s *identityStore) PutSecret(ctx context.Context, secret identity.Secret) error {
	ctx, cancel := s.request(ctx)
	defer cancel()
	if secret.Version == "" {
		return kindOf(s.Client.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: secret.Name, Labels: secret.Labels, Annotations: secret.Annotations}, Data: secret.Data}))
	}
	// What the authority does not know of the object (owners, finalizers, its type) stays.
	var o corev1.Secret
	if err := s.Client.Get(ctx, s.key(secret.Name), &o); err != nil {
		return written(err)
	}
	if o.ResourceVersion != secret.Version {
		return fault.New(fault.Conflict, "Secret %s was changed by somebody else", secret.Name)
	}
	o.Labels, o.Annotations, o.Data = secret.Labels, secret.Annotations, secret.Data
	return written(s.Client.Update(ctx, &o))
}

func (s *identityStore) Project(ctx context.Context, name string) (*v1alpha1.AppProject, error) {
	ctx, cancel := s.request(ctx)
	defer cancel()
	var p v1alpha1.AppProject
	if err := s.Client.Get(ctx, s.key(name), &p); err != nil {
		return nil, kindOf(err)
	}
	return &p, nil
}

func (s *identityStore) PutProject(ctx context.Context, p *v1alpha1.AppProject) error {
	ctx, cancel := s.request(ctx)
	defer cancel()
	raw := &unstructured.Unstructured{}
	raw.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(v1alpha1.AppProjectKind))
	if err := s.Client.Get(ctx, s.key(p.Name), raw); err != nil {
		return written(err)
	}
	if raw.GetResourceVersion() != p.ResourceVersion {
		return fault.New(fault.Conflict, "project %s was changed by somebody else", p.Name)
	}
	var before v1alpha1.AppProject
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw.Object, &before); err != nil {
		return fmt.Errorf("read project %s: %w", p.Name, err)
	}
	patch, err := projectPatch(raw, &before, p)
	if err != nil {
		return fmt.Errorf("encode project %s: %w", p.Name, err)
	}
	return written(s.Client.Patch(ctx, raw, client.RawPatch(types.MergePatchType, patch)))
}

// projectPatch changes roles and the record of their tokens, which Argo CD keeps in spec and in status; fields that this program does
// not know stay.
func projectPatch(raw *unstructured.Unstructured, before, after *v1alpha1.AppProject) ([]byte, error) {
	var maps [3]map[string]any
	for i, v := range []any{raw.Object, before, after} {
		m, err := toMap(v)
		if err != nil {
			return nil, err
		}
		maps[i] = map[string]any{"spec": m["spec"], "status": m["status"]}
	}
	wanted, ok := keepUnknown(maps[0], maps[1], maps[2]).(map[string]any)
	if !ok {
		return nil, fault.New(fault.Internal, "the project is no object any more")
	}
	patch := mergePatch(maps[0], wanted)
	patch["metadata"] = map[string]any{"resourceVersion": before.ResourceVersion}
	return json.Marshal(patch)
}

// authority issues tokens and changes passwords in the cluster of the kubeconfig: whoever may write its Secrets may do so.
func (c *cli) authority() (*identity.Authority, error) {
	conn, err := c.connectCluster()
	if err != nil {
		return nil, err
	}
	return identity.New(identity.Options{Store: NewIdentityStore(conn), Now: c.Now, Random: rand.Reader})
}
