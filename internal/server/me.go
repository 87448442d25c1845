package server

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
)

// MeQuery asks who the caller is.
type MeQuery struct{}

// Me says who the caller is and what the user interface may offer. CanCreate says that there is a project in which the caller
// may make some application.
func (s *Server) Me(ctx context.Context, _ *MeQuery) (*Me, error) {
	c, ok := CallerOf(ctx)
	if !ok {
		return &Me{}, nil
	}
	out := &Me{LoggedIn: !c.Anonymous, Username: c.Name, Groups: c.Groups, Issuer: c.Issuer}
	if out.CanCreate = s.Allowed(ctx, "applications", "create", "*/*"); out.CanCreate {
		return out, nil
	}
	var projects v1alpha1.AppProjectList
	if err := s.Client.List(ctx, &projects, client.InNamespace(s.Namespace)); err != nil {
		return nil, kubeFault(err, "list projects")
	}
	for _, p := range projects.Items {
		if out.CanCreate = s.Allowed(ctx, "applications", "create", p.Name+"/*"); out.CanCreate {
			break
		}
	}
	return out, nil
}
