package git

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// TestDepth: a mirror of limited depth holds the ends of branches alone; what lies before them is got when it is asked for, by many
// at once too, and the depth may change.
func TestDepth(t *testing.T) {
	dir, repo, _ := one(t)
	var shas []string
	for i := range 20 {
		shas = append(shas, repo.Commit("main", map[string]string{"a": fmt.Sprint(i)}))
	}
	store := &changing{creds: Credentials{Depth: 2}}
	s := newSource(t, func(cfg *Config) { cfg.Credentials = store })
	req := source.Request{RepoURL: sourcetest.HTTP(t, gitserver.Config{Dir: dir}) + "/app.git"}
	read := func(target, want string) {
		req := req
		req.Target = target
		rev, err := s.Resolve(t.Context(), req, source.Fresh)
		if err != nil {
			t.Errorf("resolve %s: %v", target, err)
			return
		}
		snap, err := s.Snapshot(t.Context(), req, rev)
		if err != nil {
			t.Errorf("read %s: %v", target, err)
			return
		}
		if data, err := snap.FS().ReadFile("a"); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v; want %q", target, data, err, want)
		}
	}
	commits := func() int {
		t.Helper()
		out, err := s.git.run(t.Context(), nil, "--git-dir="+mirrorOf(t, s), "rev-list", "--branches")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(out), "\n")
	}
	read("main", "19")
	if n := commits(); n != 2 {
		t.Errorf("%d commits of the branch in the mirror; want 2", n)
	}
	var side sync.WaitGroup
	for i, sha := range shas[:8] {
		side.Go(func() { read(sha, fmt.Sprint(i)) })
	}
	side.Wait()
	repo.Commit("main", map[string]string{"a": "pushed"})
	read("main", "pushed")
	store.set(Credentials{})
	repo.Commit("main", map[string]string{"a": "without"})
	read("main", "without")
	read(shas[10], "10")
	store.set(Credentials{Depth: 1})
	repo.Commit("main", map[string]string{"a": "again"})
	read("main", "again")
	read(shas[12], "12")
	if n := commits(); n > 3 {
		t.Errorf("%d commits of the branch in the mirror after the depth became 1", n)
	}
}
