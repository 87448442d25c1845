package git

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// newSource returns a source with an empty cache; change may set more of its configuration.
func newSource(t testing.TB, change func(*Config)) *Source {
	t.Helper()
	cfg := Config{CacheDir: filepath.Join(t.TempDir(), "cache"), Now: time.Now, AllowFile: true}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestFirstSlice(t *testing.T) {
	dir := t.TempDir()
	repo := sourcetest.NewRepo(t, dir, "team/app")
	sha := repo.Commit("main", map[string]string{"a/b.yaml": "x: 1\n", "c.txt": "hello"})
	srv := httptest.NewServer(gitserver.New(gitserver.Config{Dir: dir}))
	t.Cleanup(srv.Close)
	for _, url := range []string{srv.URL + "/team/app.git", "file://" + repo.Dir} {
		s := newSource(t, nil)
		ctx := context.Background()
		req := source.Request{RepoURL: url, Target: "main"}
		rev, err := s.Resolve(ctx, req, source.Cached)
		if err != nil || string(rev) != sha {
			t.Fatalf("Resolve = %s, %v; want %s", rev, err, sha)
		}
		snap, err := s.Snapshot(ctx, req, rev)
		if err != nil {
			t.Fatal(err)
		}
		if err := fstest.TestFS(snap.FS(), "a/b.yaml", "c.txt"); err != nil {
			t.Error(err)
		}
	}
}
