package server

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/mask"
)

const (
	// commitsKept bounds the memory of commits. What a commit says never changes.
	commitsKept = 5000
	// commitPatience is how long a list waits for what its commits say. A commit that is not known then is shown by its
	// revision, and is asked for again with the next list.
	commitPatience = 2 * time.Second
	commitReads    = 8
)

// commitCache keeps what commits say.
type commitCache struct {
	mu    sync.Mutex
	known map[commitKey]Commit
}

type commitKey struct{ project, repo, revision string }

func (c *commitCache) get(k commitKey) (Commit, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	commit, ok := c.known[k]
	return commit, ok
}

func (c *commitCache) put(k commitKey, commit Commit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= commitsKept {
		c.known = map[commitKey]Commit{}
	}
	c.known[k] = commit
}

// commit says what a revision is. One of which that cannot be told (a chart, a commit that is gone) is named alone.
func (s *Server) commit(ctx context.Context, source v1alpha1.ApplicationSource, project, revision string) Commit {
	out := insight.Commits(v1alpha1.ApplicationSources{source}, []string{revision})[0]
	if source.Chart != "" || source.IsOCI() || revision == "" {
		return out
	}
	key := commitKey{project, source.RepoURL, revision}
	if known, ok := s.commits.get(key); ok {
		return known
	}
	m, err := s.Engine.Commit(ctx, source, project, revision)
	if err != nil {
		if ctx.Err() == nil {
			s.Log.Debug("commit is not known", "repository", mask.Text(source.RepoURL), "revision", revision, "error", err)
		}
		return out
	}
	out.Subject, _, _ = strings.Cut(m.Message, "\n")
	out.Subject, out.Author = mask.Text(strings.TrimSpace(out.Subject)), m.Author
	if !m.Date.IsZero() {
		date := m.Date
		out.Date = &date
	}
	s.commits.put(key, out)
	return out
}

// wanted is a commit to fill in.
type wanted struct {
	source  v1alpha1.ApplicationSource
	project string
	into    *Commit
}

// fillCommits fills in what commits say, each of them once, within commitPatience.
func (s *Server) fillCommits(ctx context.Context, commits []wanted) {
	ctx, cancel := context.WithTimeout(ctx, commitPatience)
	defer cancel()
	places := map[commitKey][]*Commit{}
	sources := map[commitKey]v1alpha1.ApplicationSource{}
	for _, w := range commits {
		k := commitKey{w.project, w.source.RepoURL, w.into.Revision}
		places[k], sources[k] = append(places[k], w.into), w.source
	}
	var g errgroup.Group
	g.SetLimit(commitReads)
	for k, into := range places {
		g.Go(func() error {
			commit := s.commit(ctx, sources[k], k.project, k.revision)
			for _, p := range into {
				*p = commit
			}
			return nil
		})
	}
	_ = g.Wait() // a commit that is not known is no error
}

// commitsOf are the revisions of an application's sources and what they say.
func (s *Server) commitsOf(ctx context.Context, app *v1alpha1.Application, commits []Commit) {
	sources := app.Spec.GetSources()
	var list []wanted
	for i := range commits {
		if i < len(sources) {
			list = append(list, wanted{sources[i], app.Spec.ProjectName(), &commits[i]})
		}
	}
	s.fillCommits(ctx, list)
}
