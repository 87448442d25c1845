package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/access"
	"github.com/belaycd/belay/internal/server"
)

// permissions are what callers may do by now: argocd-rbac-cm and the roles of projects. It implements server.Access.
type permissions struct {
	reader    client.Reader
	namespace string
	log       *slog.Logger
	policy    atomic.Pointer[access.Policy]
	problems  []string // that were logged last
}

// watchPermissions reads the policy and follows it until ctx ends.
func watchPermissions(ctx context.Context, c cache.Cache, namespace string, log *slog.Logger) (*permissions, error) {
	p := &permissions{reader: c, namespace: namespace, log: log}
	if err := p.load(ctx); err != nil {
		return nil, err
	}
	wake := make(chan struct{}, 1)
	changed := func(any) {
		select {
		case wake <- struct{}{}:
		default: // one is due already
		}
	}
	err := handle(ctx, c, &corev1.ConfigMap{}, func(obj any) {
		if cm, ok := obj.(*corev1.ConfigMap); ok && cm.Name == access.ConfigMapName {
			changed(nil)
		}
	})
	if err != nil {
		return nil, err
	}
	if err := handle(ctx, c, &v1alpha1.AppProject{}, changed); err != nil {
		return nil, err
	}
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-wake:
			}
			if err := p.load(ctx); err != nil {
				log.Warn("read permissions; those of before stay", "error", err.Error())
			}
		}
	}()
	return p, nil
}

func (p *permissions) load(ctx context.Context) error {
	var cm corev1.ConfigMap
	err := p.reader.Get(ctx, client.ObjectKey{Namespace: p.namespace, Name: access.ConfigMapName}, &cm)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read ConfigMap %s/%s: %w", p.namespace, access.ConfigMapName, err)
	}
	var list v1alpha1.AppProjectList
	if err := p.reader.List(ctx, &list, client.InNamespace(p.namespace)); err != nil {
		return fmt.Errorf("list AppProjects of namespace %s: %w", p.namespace, err)
	}
	projects := make([]*v1alpha1.AppProject, len(list.Items))
	for i := range list.Items {
		projects[i] = &list.Items[i]
	}
	policy, found := access.New(access.Config{Data: cm.Data}, projects)
	p.policy.Store(policy)
	var problems []string
	for _, err := range found {
		problems = append(problems, err.Error())
	}
	if !slices.Equal(problems, p.problems) {
		p.problems = problems
		for _, problem := range problems {
			p.log.Warn("permission not used", "problem", problem)
		}
	}
	return nil
}

// Allows implements server.Access.
func (p *permissions) Allows(c server.Caller, resource, action, object string) bool {
	return p.policy.Load().Allows(access.Subject{Name: c.Name, Groups: c.Groups}, resource, action, object)
}
