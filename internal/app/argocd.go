package app

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/fault"
)

// refuseBesideArgoCD returns an error when an Argo CD application controller serves the same namespace: two controllers
// of one set of Applications undo each other's work.
func refuseBesideArgoCD(ctx context.Context, cfg Config, r client.Reader) error {
	kind, name, err := runs(ctx, r, cfg.Namespace, "argocd-application-controller")
	if err != nil || name == "" {
		return err
	}
	return fault.New(fault.Conflict, "an Argo CD controller runs in this namespace (%s/%s); stop it first: kubectl -n %s scale %s %s --replicas=0",
		cfg.Namespace, name, cfg.Namespace, kind, name)
}

// runs returns what a component of Argo CD runs as; an empty name when it has no replicas.
func runs(ctx context.Context, r client.Reader, namespace, component string) (kind, name string, err error) {
	selector := client.MatchingLabels{"app.kubernetes.io/name": component}
	var sets appsv1.StatefulSetList
	if err := r.List(ctx, &sets, client.InNamespace(namespace), selector); err != nil {
		return "", "", fmt.Errorf("look for %s in namespace %s: %w", component, namespace, err)
	}
	for _, s := range sets.Items {
		if s.Spec.Replicas == nil || *s.Spec.Replicas > 0 {
			return "statefulset", s.Name, nil
		}
	}
	var deployments appsv1.DeploymentList
	if err := r.List(ctx, &deployments, client.InNamespace(namespace), selector); err != nil {
		return "", "", fmt.Errorf("look for %s in namespace %s: %w", component, namespace, err)
	}
	for _, d := range deployments.Items {
		if d.Spec.Replicas == nil || *d.Spec.Replicas > 0 {
			return "deployment", d.Name, nil
		}
	}
	return "", "", nil
}

// argoCDPace is how often is looked whether Argo CD still sends notifications.
const argoCDPace = 20 * time.Second

// awaitNotifications waits until no Argo CD notifications controller serves the namespace, which would tell everything a second time.
func awaitNotifications(ctx context.Context, cfg Config, r client.Reader) error {
	for said := false; ; {
		kind, name, err := runs(ctx, r, cfg.Namespace, "argocd-notifications-controller")
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			cfg.Log.Warn("notifications wait", "error", err.Error())
		case name == "":
			return nil
		case !said:
			said = true
			cfg.Log.Warn("notifications are left to Argo CD, whose notifications controller runs in this namespace",
				"stop it", fmt.Sprintf("kubectl -n %s scale %s %s --replicas=0", cfg.Namespace, kind, name))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(argoCDPace):
		}
	}
}
