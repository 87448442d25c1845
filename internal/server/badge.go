package server

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
)

// BadgeQuery names an application, or projects of which all applications are counted together.
type BadgeQuery struct {
	Name             string   `query:"name" json:"name,omitempty"`
	Namespace        string   `query:"namespace" json:"namespace,omitempty"`
	Project          []string `query:"project" json:"project,omitempty"`
	Revision         bool     `query:"revision" json:"revision,omitempty"`
	KeepFullRevision bool     `query:"keepFullRevision" json:"keepFullRevision,omitempty"`
	ShowAppName      bool     `query:"showAppName" json:"showAppName,omitempty"`
}

// Badge is what a badge says. Empty texts are left out of it.
type Badge struct {
	Health   v1alpha1.HealthStatusCode
	Sync     v1alpha1.SyncStatusCode
	Revision string
	AppName  string
	// Off says that statusbadge.enabled of argocd-cm does not permit badges.
	Off bool
}

// Badge tells of an application or of projects. It is for pages that nobody signs in for, and so it tells only where
// argocd-cm permits it, and of what does not exist as of what is not known.
func (s *Server) Badge(ctx context.Context, q *BadgeQuery) (*Badge, error) {
	conf, config, err := s.settings(ctx)
	if err != nil {
		return nil, err
	}
	if config["statusbadge.enabled"] != "true" {
		return &Badge{Off: true}, nil
	}
	unknown := &Badge{Health: v1alpha1.HealthUnknown, Sync: v1alpha1.SyncStatusUnknown}
	if q.Name == "" {
		return s.projectsBadge(ctx, q.Project)
	}
	namespace := firstText(q.Namespace, s.Namespace)
	if !s.watches(&conf, namespace) {
		return unknown, nil
	}
	app := &v1alpha1.Application{}
	err = s.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: q.Name}, app)
	if apierrors.IsNotFound(err) {
		return unknown, nil
	}
	if err != nil {
		return nil, kubeFault(err, "get application %s", q.Name)
	}
	out := badgeOf(app)
	if q.ShowAppName {
		out.AppName = app.Name
	}
	if q.Revision && app.Status.OperationState != nil && app.Status.OperationState.SyncResult != nil {
		out.Revision = app.Status.OperationState.SyncResult.Revision
		if len(out.Revision) > 7 && !q.KeepFullRevision {
			out.Revision = out.Revision[:7]
		}
	}
	return out, nil
}

func badgeOf(app *v1alpha1.Application) *Badge {
	out := &Badge{Health: app.Status.Health.Status, Sync: app.Status.Sync.Status}
	if out.Health == "" {
		out.Health = v1alpha1.HealthUnknown
	}
	if out.Sync == "" {
		out.Sync = v1alpha1.SyncStatusUnknown
	}
	return out
}

// projectsBadge is that of the worst application of each: one that is not healthy makes the badge say so.
func (s *Server) projectsBadge(ctx context.Context, projects []string) (*Badge, error) {
	out := &Badge{Health: v1alpha1.HealthUnknown, Sync: v1alpha1.SyncStatusUnknown}
	list, err := s.applications(ctx, "")
	if err != nil {
		return nil, err
	}
	wanted := map[string]bool{}
	for _, p := range projects {
		wanted[p] = true
	}
	found := false
	for i := range list.Items {
		if !wanted[list.Items[i].Spec.ProjectName()] {
			continue
		}
		b := badgeOf(&list.Items[i])
		if !found {
			out, found = b, true
			continue
		}
		if b.Health != v1alpha1.HealthHealthy {
			out.Health = b.Health
		}
		if b.Sync != v1alpha1.SyncStatusSynced {
			out.Sync = b.Sync
		}
	}
	return out, nil
}
