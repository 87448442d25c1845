package server

import "context"

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

// ListLinks returns the pages that an application's Ingresses and Services are reached at. The templates of
// application.links in argocd-cm are not acted on yet.
func (s *Server) ListLinks(ctx context.Context, q *ListAppLinksRequest) (*LinksResponse, error) {
	q.AppNamespace = firstText(q.AppNamespace, q.Namespace)
	app, err := s.namedApplication(ctx, q.Named, "get")
	if err != nil {
		return nil, err
	}
	out := &LinksResponse{Items: []LinkInfo{}}
	for _, address := range app.Status.Summary.ExternalURLs {
		if safe := webLink(address); safe != "" {
			out.Items = append(out.Items, LinkInfo{Title: safe, URL: safe})
		}
	}
	return out, nil
}

// ListResourceLinks returns links of an object: none, because resource.links in argocd-cm is not acted on yet.
func (s *Server) ListResourceLinks(ctx context.Context, q *ApplicationResourceRequest) (*LinksResponse, error) {
	if _, _, err := s.resource(ctx, q, "get"); err != nil {
		return nil, err
	}
	return &LinksResponse{Items: []LinkInfo{}}, nil
}

// ListProjectLinks returns links of a project: none, because project.links in argocd-cm is not acted on yet.
func (s *Server) ListProjectLinks(ctx context.Context, q *ProjectQuery) (*LinksResponse, error) {
	if _, err := s.GetProject(ctx, q); err != nil {
		return nil, err
	}
	return &LinksResponse{Items: []LinkInfo{}}, nil
}
