package git

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// byProject is a CredentialStore with credentials that are limited to projects.
type byProject struct {
	mu    sync.Mutex
	creds map[string]Credentials
}

func (b *byProject) Credentials(_, project string) (Credentials, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.creds[project], nil
}

func (b *byProject) remove(project string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.creds, project)
}

// TestCredentialsOfOneProject: what one project's credentials have fetched is read by no other project, and by that one no
// longer than the credentials are there.
func TestCredentialsOfOneProject(t *testing.T) {
	dir := t.TempDir()
	sha := sourcetest.NewRepo(t, dir, "app").Commit("main", map[string]string{"a": "1"})
	url := sourcetest.HTTP(t, gitserver.Config{Dir: dir, Username: "ann", Password: "canary"}) + "/app.git"
	store := &byProject{creds: map[string]Credentials{"blue": {Username: "ann", Password: "canary", Scope: "blue"}}}
	s := newSource(t, func(c *Config) { c.Credentials = store })
	ctx := context.Background()
	read := func(project string) error {
		req := source.Request{RepoURL: url, Target: "main", Project: project}
		if _, err := s.Resolve(ctx, req, source.Cached); err != nil {
			return err
		}
		snap, err := s.Snapshot(ctx, req, source.Revision(sha))
		if err != nil {
			return err
		}
		_, err = snap.FS().ReadFile("a")
		return err
	}
	if err := read("blue"); err != nil {
		t.Fatal(err)
	}
	for _, project := range []string{"red", ""} {
		if err := read(project); !fault.Is(err, fault.Denied) || strings.Contains(err.Error(), "canary") {
			t.Errorf("project %q: %v (%v)", project, err, fault.KindOf(err))
		}
		// Nor by the SHA, which the mirror of the other project holds.
		if _, err := s.Snapshot(ctx, source.Request{RepoURL: url, Project: project}, source.Revision(sha)); !fault.Is(err, fault.Denied) {
			t.Errorf("project %q by SHA: %v", project, err)
		}
	}
	if len(s.used([]source.Request{{RepoURL: url, Project: "blue"}, {RepoURL: url, Project: "red"}, {RepoURL: url}})) != 2 {
		t.Error("each mirror is to be polled")
	}
	r, err := s.repo(url, "blue")
	if err != nil {
		t.Fatal(err)
	}
	store.remove("blue")
	if err := read("blue"); !fault.Is(err, fault.Denied) {
		t.Errorf("without the Secret: %v", err)
	}
	if _, err := r.credentials(); !fault.Is(err, fault.Denied) {
		t.Errorf("a mirror of a project whose credentials are gone: %v", err)
	}
}
