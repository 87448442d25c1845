package server

import (
	"context"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/settings"
)

// RepoQuery selects repositories.
type RepoQuery struct {
	Repo string `path:"repo" query:"repo" json:"repo,omitempty"`
	// AppProject is the project that the repository is registered for, when several are for one address.
	AppProject string `query:"appProject" json:"appProject,omitempty"`
}

// RepositoryList are repositories.
type RepositoryList struct {
	Items []Repository `json:"items"`
}

// Repository is a repository: where it is, and nothing of what lets somebody in.
type Repository struct {
	Repo                  string          `json:"repo"`
	Type                  string          `json:"type,omitempty"`
	Name                  string          `json:"name,omitempty"`
	Project               string          `json:"project,omitempty"`
	Insecure              bool            `json:"insecure,omitempty"`
	InsecureIgnoreHostKey bool            `json:"insecureIgnoreHostKey,omitempty"`
	EnableLFS             bool            `json:"enableLfs,omitempty"`
	EnableOCI             bool            `json:"enableOCI,omitempty"`
	InheritedCreds        bool            `json:"inheritedCreds,omitempty"`
	HasCredentials        bool            `json:"hasCredentials,omitempty"`
	ConnectionState       ConnectionState `json:"connectionState"`
}

// RepoCredsQuery is of RepoCreds.List.
type RepoCredsQuery struct {
	URL string `query:"url" json:"url,omitempty"`
}

// RepoCredsList are credentials for all repositories below an address.
type RepoCredsList struct {
	Items []RepoCreds `json:"items"`
}

// RepoCreds says for which addresses there are credentials, and nothing of them.
type RepoCreds struct {
	URL       string `json:"url"`
	Type      string `json:"type,omitempty"`
	EnableOCI bool   `json:"enableOCI,omitempty"`
}

// ListRepositories returns the repositories that the caller may see.
func (s *Server) ListRepositories(ctx context.Context, q *RepoQuery) (*RepositoryList, error) {
	if _, err := signedIn(ctx); err != nil {
		return nil, err
	}
	secrets, err := s.secrets(ctx)
	if err != nil {
		return nil, err
	}
	var found []settings.Listed
	for _, l := range settings.ListRepositories(secrets, false) {
		if q.Repo != "" && !l.Is(q.Repo) && l.URL() != q.Repo || // with a password it is listed without
			q.AppProject != "" && q.AppProject != l.Project ||
			!s.Allowed(ctx, "repositories", "get", scoped(l.Project, l.URL())) {
			continue
		}
		found = append(found, l)
	}
	out := &RepositoryList{Items: make([]Repository, len(found))}
	var group errgroup.Group
	group.SetLimit(repositoryProbes)
	for i, l := range found {
		group.Go(func() error {
			out.Items[i] = s.repository(ctx, l)
			return nil
		})
	}
	return out, group.Wait()
}

// How many repositories are asked at once, and how long one is waited for.
const (
	repositoryProbes   = 8
	repositoryPatience = 5 * time.Second
)

func (s *Server) repository(ctx context.Context, l settings.Listed) Repository {
	r := Repository{
		Repo: l.URL(), Type: firstText(l.Type, "git"), Name: l.Name, Project: l.Project, Insecure: l.Insecure,
		InsecureIgnoreHostKey: l.InsecureIgnoreHostKey, EnableLFS: l.EnableLFS, EnableOCI: l.EnableOCI, HasCredentials: l.Authenticates,
	}
	known, err := l.Err != nil, l.Err
	if !known && s.Connections != nil {
		ctx, cancel := context.WithTimeout(ctx, repositoryPatience)
		defer cancel()
		known, err = s.Connections.Repository(ctx, l)
	}
	r.ConnectionState = connectionState(known, err)
	return r
}

// GetRepository returns one repository.
func (s *Server) GetRepository(ctx context.Context, q *RepoQuery) (*Repository, error) {
	ask := *q
	if plain, err := url.QueryUnescape(q.Repo); err == nil {
		ask.Repo = plain // clients escape it twice
	}
	list, err := s.ListRepositories(ctx, &ask)
	if err != nil {
		return nil, err
	}
	switch {
	case len(list.Items) == 0 && !s.Allowed(ctx, "repositories", "get", "*"):
		return nil, fault.New(fault.Denied, "permission denied: repository %s", mask.Text(ask.Repo))
	case len(list.Items) == 0:
		return nil, fault.New(fault.NotFound, "repository %s is not known", mask.Text(ask.Repo))
	case len(list.Items) > 1:
		return nil, fault.New(fault.Invalid, "repository %s is registered for several projects: name one with appProject", mask.Text(ask.Repo))
	}
	return &list.Items[0], nil
}

// ListRepoCreds returns the addresses for which there are credentials and which the caller may see.
func (s *Server) ListRepoCreds(ctx context.Context, q *RepoCredsQuery) (*RepoCredsList, error) {
	if _, err := signedIn(ctx); err != nil {
		return nil, err
	}
	secrets, err := s.secrets(ctx)
	if err != nil {
		return nil, err
	}
	out := &RepoCredsList{Items: []RepoCreds{}}
	for _, l := range settings.ListRepositories(secrets, true) {
		if q.URL != "" && !l.Is(q.URL) || !s.Allowed(ctx, "repositories", "get", scoped(l.Project, l.URL())) {
			continue
		}
		out.Items = append(out.Items, RepoCreds{URL: l.URL(), Type: firstText(l.Type, "git"), EnableOCI: l.EnableOCI})
	}
	return out, nil
}
