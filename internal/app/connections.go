package app

import (
	"context"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
)

// connections tells the API how the controller gets on with clusters and repositories.
type connections struct {
	clusters *clusters
	repos    *repositories
}

var _ server.Connections = connections{}

// Cluster implements server.Connections. Only the local cluster is watched.
func (c connections) Cluster(address string) (version string, known bool, err error) {
	c.clusters.mu.Lock()
	local := c.clusters.local
	c.clusters.mu.Unlock()
	if address != v1alpha1.InClusterServer || local == nil {
		return "", false, nil
	}
	return local.cluster.Version(), true, local.cluster.Healthy()
}

// Repository implements server.Connections. Those of Git alone are asked.
func (c connections) Repository(ctx context.Context, repo settings.Listed) (known bool, err error) {
	if repo.Type != "git" || repo.Secret == nil {
		return false, nil
	}
	_, err = c.repos.git.Resolve(ctx, source.Request{RepoURL: string(repo.Secret.Data["url"]), Project: repo.Project}, source.Cached)
	return true, err
}
