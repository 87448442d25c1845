package server

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/deeplink"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/settings"
)

// ListAppLinksRequest is of Application.ListLinks.
type ListAppLinksRequest struct {
	Named `json:",inline"`
	// Namespace is AppNamespace as this procedure of Argo CD calls it.
	Namespace string `query:"namespace" json:"namespace,omitempty"`
}

// LinksResponse are links to other pages.
type LinksResponse struct {
	Items []LinkInfo `json:"items"`
}

// LinkInfo is a link.
type LinkInfo struct {
	Title       string `json:"title"`
	URL         string `json:"url"`
	Description string `json:"description,omitempty"`
	IconClass   string `json:"iconClass,omitempty"`
}

// ListLinks returns the links of application.links in argocd-cm, and the pages that an application's Ingresses and Services are
// reached at.
func (s *Server) ListLinks(ctx context.Context, q *ListAppLinksRequest) (*LinksResponse, error) {
	q.AppNamespace = firstText(q.AppNamespace, q.Namespace)
	app, err := s.namedApplication(ctx, q.Named, "get")
	if err != nil {
		return nil, err
	}
	data, err := s.linkData(ctx, app)
	if err != nil {
		return nil, err
	}
	out, err := s.links(ctx, deeplink.Application, data)
	if err != nil {
		return nil, err
	}
	for _, address := range app.Status.Summary.ExternalURLs {
		if safe := webLink(address); safe != "" {
			out.Items = append(out.Items, LinkInfo{Title: safe, URL: safe})
		}
	}
	return out, nil
}

// ListResourceLinks returns the links of resource.links in argocd-cm. Templates see an object without secret values.
func (s *Server) ListResourceLinks(ctx context.Context, q *ApplicationResourceRequest) (*LinksResponse, error) {
	app, u, err := s.resource(ctx, q, "get")
	if err != nil {
		return nil, err
	}
	data, err := s.linkData(ctx, app)
	if err != nil {
		return nil, err
	}
	text, err := s.manifest(u)
	if err != nil {
		return nil, err
	}
	shown := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(text), &shown.Object); err != nil {
		return nil, fmt.Errorf("decode %s: %w", q.ref(), err)
	}
	data["resource"] = shown.Object
	return s.links(ctx, deeplink.Resource, data)
}

// ListProjectLinks returns the links of project.links in argocd-cm.
func (s *Server) ListProjectLinks(ctx context.Context, q *ProjectQuery) (*LinksResponse, error) {
	p, err := s.GetProject(ctx, q)
	if err != nil {
		return nil, err
	}
	object, err := plain(p)
	if err != nil {
		return nil, err
	}
	return s.links(ctx, deeplink.Project, map[string]any{"project": object})
}

// linkData are what templates of an application see: itself, its project, and its cluster without what lets somebody in.
func (s *Server) linkData(ctx context.Context, app *v1alpha1.Application) (map[string]any, error) {
	shown, err := plain(s.shown(app))
	if err != nil {
		return nil, err
	}
	data := map[string]any{"application": shown, "app": shown}
	if p, err := s.projectOf(ctx, app); err == nil { // of one that is missing nothing is known
		p = p.DeepCopy()
		p.ManagedFields = nil
		if data["project"], err = plain(p); err != nil {
			return nil, err
		}
	}
	secrets, err := s.secrets(ctx)
	if err != nil {
		return nil, err
	}
	known, _ := settings.NewClusters(secrets) // problems of Secrets are shown with the clusters
	to := destinationOf(app.Spec.Destination, known)
	cluster := map[string]any{"server": to.Server, "name": to.Name}
	for _, c := range known {
		if c.Server != to.Server {
			continue
		}
		annotations := maps.Clone(c.Annotations)
		delete(annotations, mask.LastApplied) // it repeats the Secret
		if cluster, err = plain(map[string]any{"server": c.Server, "name": c.Name, "namespaces": c.Namespaces, "shard": c.Shard, "project": c.Project,
			"labels": c.Labels, "annotations": annotations}); err != nil {
			return nil, err
		}
	}
	data["cluster"] = cluster
	return data, nil
}

// plain is a value as JSON has it.
func plain(value any) (map[string]any, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	var out map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return out, nil
}

// links fills the templates of a setting in.
func (s *Server) links(ctx context.Context, key string, data map[string]any) (*LinksResponse, error) {
	config, err := s.configMap(ctx, settings.ConfigMapName)
	if err != nil {
		return nil, err
	}
	set, problems := s.templates.of(key, config[key])
	for _, problem := range problems {
		s.Log.Warn("link not used", "setting", key, "problem", problem.Error())
	}
	found, problems := set.Links(data)
	for _, problem := range problems {
		s.Log.Debug("link not shown", "setting", key, "problem", mask.Text(problem.Error()))
	}
	out := &LinksResponse{Items: []LinkInfo{}}
	for _, l := range found {
		out.Items = append(out.Items, LinkInfo{Title: l.Title, URL: l.URL, Description: l.Description, IconClass: l.IconClass})
	}
	return out, nil
}

// templateMemory keeps the compiled templates of the settings as they are now.
type templateMemory struct {
	mu   sync.Mutex
	held map[string]compiledLinks // by key
}

type compiledLinks struct {
	text string
	set  *deeplink.Set
}

// of returns the templates of a setting, with the problems of a text that is new.
func (m *templateMemory) of(key, text string) (*deeplink.Set, []error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.held[key]; ok && c.text == text {
		return c.set, nil
	}
	set, problems := deeplink.Parse(text)
	if m.held == nil {
		m.held = map[string]compiledLinks{}
	}
	m.held[key] = compiledLinks{text, set}
	return set, problems
}
