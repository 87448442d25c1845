package server

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/settings"
)

// ClusterQuery selects clusters. In a path the server stands for itself, or with id.type=name the name does.
type ClusterQuery struct {
	Server string `query:"server" json:"server,omitempty"`
	Name   string `query:"name" json:"name,omitempty"`
	ID     string `path:"id" json:"id,omitempty"`
	IDType string `query:"id.type" json:"idType,omitempty"`
}

// ClusterList are clusters.
type ClusterList struct {
	Items []Cluster `json:"items"`
}

// Cluster is a destination: what it is called, and nothing of what lets somebody in.
type Cluster struct {
	Server           string            `json:"server"`
	Name             string            `json:"name"`
	Config           ClusterConfig     `json:"config"`
	ConnectionState  ConnectionState   `json:"connectionState"`
	ServerVersion    string            `json:"serverVersion,omitempty"`
	Namespaces       []string          `json:"namespaces,omitempty"`
	ClusterResources bool              `json:"clusterResources,omitempty"`
	Info             ClusterInfo       `json:"info"`
	Shard            *int64            `json:"shard,omitempty"`
	Project          string            `json:"project,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"`
	Annotations      map[string]string `json:"annotations,omitempty"`
}

// ClusterConfig is what of the way to a cluster is no secret.
type ClusterConfig struct {
	TLSClientConfig ClusterTLSConfig `json:"tlsClientConfig"`
}

// ClusterTLSConfig says how the cluster is known.
type ClusterTLSConfig struct {
	Insecure   bool   `json:"insecure"`
	ServerName string `json:"serverName,omitempty"`
}

// ConnectionState says whether somebody was reached: Successful, Failed or Unknown.
type ConnectionState struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// ClusterInfo is what is known of a cluster.
type ClusterInfo struct {
	ConnectionState   ConnectionState `json:"connectionState"`
	ServerVersion     string          `json:"serverVersion,omitempty"`
	ApplicationsCount int64           `json:"applicationsCount"`
}

// Connections says how the controller gets on with clusters and repositories. Errors never hold a secret.
type Connections interface {
	// Cluster returns the version of a cluster that is watched, or why it is not; known is false when nobody has tried.
	Cluster(server string) (version string, known bool, err error)
	// Repository asks a repository, unless it was asked a short while ago; known is false for those that cannot be asked.
	Repository(ctx context.Context, repo settings.Listed) (known bool, err error)
}

func connectionState(known bool, err error) ConnectionState {
	switch {
	case !known:
		return ConnectionState{Status: "Unknown"}
	case err != nil:
		return ConnectionState{Status: "Failed", Message: mask.Text(err.Error())}
	}
	return ConnectionState{Status: "Successful"}
}

// ListClusters returns the clusters that the caller may see: that of the control plane, and those of cluster Secrets.
func (s *Server) ListClusters(ctx context.Context, q *ClusterQuery) (*ClusterList, error) {
	if _, err := signedIn(ctx); err != nil {
		return nil, err
	}
	secrets, err := s.secrets(ctx)
	if err != nil {
		return nil, err
	}
	apps, err := s.applications(ctx, "")
	if err != nil {
		return nil, err
	}
	found, problems := settings.NewClusters(secrets)
	if !slices.ContainsFunc(found, func(c settings.Cluster) bool { return c.Server == v1alpha1.InClusterServer }) {
		found = append([]settings.Cluster{{Server: v1alpha1.InClusterServer, Name: v1alpha1.InClusterName}}, found...)
	}
	out := &ClusterList{Items: []Cluster{}}
	for _, c := range found {
		if q.Server != "" && q.Server != c.Server || q.Name != "" && q.Name != c.Name || !s.Allowed(ctx, "clusters", "get", scoped(c.Project, c.Server)) {
			continue
		}
		out.Items = append(out.Items, s.cluster(c, apps.Items))
	}
	if q.Server == "" && q.Name == "" && s.Allowed(ctx, "clusters", "get", "*") {
		for _, p := range problems {
			state := ConnectionState{Status: "Failed", Message: p.Error()}
			out.Items = append(out.Items, Cluster{Name: strings.TrimPrefix(p.Object, "Secret/"), ConnectionState: state, Info: ClusterInfo{ConnectionState: state}})
		}
	}
	return out, nil
}

// scoped is what argocd-rbac-cm calls something that is registered for a project.
func scoped(project, name string) string {
	if project == "" {
		return name
	}
	return project + "/" + name
}

func (s *Server) cluster(c settings.Cluster, apps []v1alpha1.Application) Cluster {
	out := Cluster{
		Server: c.Server, Name: c.Name, Namespaces: c.Namespaces, ClusterResources: c.ClusterResources, Shard: c.Shard, Project: c.Project,
		Config: ClusterConfig{ClusterTLSConfig{Insecure: c.Access.TLS.Insecure, ServerName: c.Access.TLS.ServerName}}, Labels: c.Labels,
	}
	for key, value := range c.Annotations {
		if key == mask.LastApplied {
			continue // it repeats the Secret
		}
		if out.Annotations == nil {
			out.Annotations = map[string]string{}
		}
		out.Annotations[key] = value
	}
	known := false
	var err error
	if s.Connections != nil {
		out.ServerVersion, known, err = s.Connections.Cluster(c.Server)
	}
	out.ConnectionState = connectionState(known, err)
	out.Info = ClusterInfo{ConnectionState: out.ConnectionState, ServerVersion: out.ServerVersion}
	for i := range apps {
		d := apps[i].Spec.Destination
		if d.Server != "" && strings.TrimRight(d.Server, "/") == c.Server || d.Server == "" && d.Name != "" && d.Name == c.Name {
			out.Info.ApplicationsCount++
		}
	}
	return out
}

// GetCluster returns one cluster.
func (s *Server) GetCluster(ctx context.Context, q *ClusterQuery) (*Cluster, error) {
	ask := ClusterQuery{Server: q.ID}
	if plain, err := url.QueryUnescape(q.ID); err == nil {
		ask.Server = strings.TrimRight(plain, "/") // clients escape it twice
	}
	if strings.HasPrefix(q.IDType, "name") {
		ask = ClusterQuery{Name: ask.Server}
	}
	list, err := s.ListClusters(ctx, &ask)
	if err != nil {
		return nil, err
	}
	if len(list.Items) == 0 {
		if !s.Allowed(ctx, "clusters", "get", "*") {
			return nil, fault.New(fault.Denied, "permission denied: cluster %s", mask.Text(q.ID))
		}
		return nil, fault.New(fault.NotFound, "cluster %s is not known", mask.Text(q.ID))
	}
	return &list.Items[0], nil
}
