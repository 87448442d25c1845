package app

import (
	"context"
	"fmt"
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/identity"
)

// identities keeps accounts and tokens in the control plane's namespace. It implements identity.Store.
type identities struct {
	cached    client.Client
	direct    client.Reader
	namespace string

	mu    sync.Mutex
	stale map[string]bool // Secrets of which the cache is known to be behind
}

var _ identity.Store = (*identities)(nil)

func newIdentities(cached client.Client, direct client.Reader, namespace string) *identities {
	return &identities{cached: cached, direct: direct, namespace: namespace, stale: map[string]bool{}}
}

func (s *identities) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.namespace, Name: name}
}

// Config implements identity.Store.
func (s *identities) Config(ctx context.Context) (map[string]string, error) {
	var cm corev1.ConfigMap
	err := s.cached.Get(ctx, s.key(identity.ConfigMapName), &cm)
	if client.IgnoreNotFound(err) != nil {
		return nil, fault.As(readKind(err), err)
	}
	return cm.Data, nil
}

// Secret implements identity.Store.
func (s *identities) Secret(ctx context.Context, name string) (identity.Secret, error) {
	var reader client.Reader = s.cached
	s.mu.Lock()
	if s.stale[name] {
		reader = s.direct
		delete(s.stale, name)
	}
	s.mu.Unlock()
	var secret corev1.Secret
	if err := reader.Get(ctx, s.key(name), &secret); err != nil {
		return identity.Secret{}, fault.As(readKind(err), fmt.Errorf("get Secret %s/%s: %w", s.namespace, name, err))
	}
	return identity.Secret{Name: name, Version: secret.ResourceVersion, Labels: secret.Labels, Annotations: secret.Annotations, Data: secret.Data}, nil
}

// PutSecret implements identity.Store.
func (s *identities) PutSecret(ctx context.Context, want identity.Secret) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: want.Name, ResourceVersion: want.Version,
			Labels: maps.Clone(want.Labels), Annotations: maps.Clone(want.Annotations)},
		Data: want.Data,
	}
	var err error
	if want.Version == "" {
		err = s.cached.Create(ctx, secret)
	} else {
		err = s.put(ctx, secret)
	}
	// Whoever was faster, the cache does not have it yet; nor does it have what was just written.
	s.mu.Lock()
	s.stale[want.Name] = true
	s.mu.Unlock()
	return writeError(err, "Secret", want.Name)
}

// put replaces a Secret and keeps what identities know nothing of: its type, its owners, its finalizers.
func (s *identities) put(ctx context.Context, want *corev1.Secret) error {
	var now corev1.Secret
	if err := s.direct.Get(ctx, client.ObjectKeyFromObject(want), &now); err != nil {
		return err
	}
	now.ResourceVersion, now.Labels, now.Annotations, now.Data = want.ResourceVersion, want.Labels, want.Annotations, want.Data
	return s.cached.Update(ctx, &now)
}

func writeError(err error, kind, name string) error {
	switch {
	case err == nil:
		return nil
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		return fault.New(fault.Conflict, "write %s %s: %w", kind, name, err)
	}
	return fault.As(readKind(err), fmt.Errorf("write %s %s: %w", kind, name, err))
}

// Project implements identity.Store.
func (s *identities) Project(ctx context.Context, name string) (*v1alpha1.AppProject, error) {
	p := &v1alpha1.AppProject{}
	if err := s.cached.Get(ctx, s.key(name), p); err != nil {
		return nil, fault.As(readKind(err), fmt.Errorf("get AppProject %s/%s: %w", s.namespace, name, err))
	}
	return p, nil
}

// PutProject implements identity.Store.
func (s *identities) PutProject(ctx context.Context, p *v1alpha1.AppProject) error {
	return writeError(s.cached.Update(ctx, p.DeepCopy()), "AppProject", p.Name)
}
