package app

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/fault"
)

// refuseBesideArgoCD returns an error when an Argo CD application controller serves the same namespace: two controllers
// of one set of Applications undo each other's work.
func refuseBesideArgoCD(ctx context.Context, cfg Config, r client.Reader) error {
	selector := client.MatchingLabels{"app.kubernetes.io/name": "argocd-application-controller"}
	var sets appsv1.StatefulSetList
	if err := r.List(ctx, &sets, client.InNamespace(cfg.Namespace), selector); err != nil {
		return fmt.Errorf("look for an Argo CD controller in namespace %s: %w", cfg.Namespace, err)
	}
	for _, s := range sets.Items {
		if s.Spec.Replicas == nil || *s.Spec.Replicas > 0 {
			return besideArgoCD("statefulset", s.Namespace, s.Name)
		}
	}
	var deployments appsv1.DeploymentList
	if err := r.List(ctx, &deployments, client.InNamespace(cfg.Namespace), selector); err != nil {
		return fmt.Errorf("look for an Argo CD controller in namespace %s: %w", cfg.Namespace, err)
	}
	for _, d := range deployments.Items {
		if d.Spec.Replicas == nil || *d.Spec.Replicas > 0 {
			return besideArgoCD("deployment", d.Namespace, d.Name)
		}
	}
	return nil
}

func besideArgoCD(kind, namespace, name string) error {
	return fault.New(fault.Conflict, "an Argo CD controller runs in this namespace (%s/%s); stop it first: kubectl -n %s scale %s %s --replicas=0",
		namespace, name, namespace, kind, name)
}
