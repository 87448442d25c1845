package git

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// TestLocksOfKilledProcesses leaves locks in the mirror as a git does that is killed while it writes refs: they hold nothing up for
// longer than a process that is alive could, and a lock of a process that is alive is left alone.
func TestLocksOfKilledProcesses(t *testing.T) {
	for name, c := range map[string]struct {
		lock string
		push func(*sourcetest.Repo) // a change that needs the lock
		held time.Duration          // how long one that is alive may hold it
	}{
		"of a branch":         {"refs/heads/main.lock", func(*sourcetest.Repo) {}, time.Minute},
		"of packed refs":      {"packed-refs.lock", func(r *sourcetest.Repo) { r.Git("branch", "-D", "old") }, time.Minute},
		"of another ref":      {"refs/heads/new.lock", func(r *sourcetest.Repo) { r.Git("branch", "new") }, time.Minute},
		"of what we keep":     {ownHead + ".lock", func(*sourcetest.Repo) {}, time.Minute},
		"of a shallow mirror": {"shallow.lock", func(*sourcetest.Repo) {}, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, repo, _ := one(t)
			repo.Git("branch", "old")
			clock := newClock()
			clock.advance(time.Since(clock.Now())) // files have the time of the machine
			s := newSource(t, func(cfg *Config) {
				cfg.Now = clock.Now
				if strings.HasPrefix(c.lock, "shallow") {
					cfg.Credentials = fixed(Credentials{Depth: 1})
				}
			})
			req := source.Request{RepoURL: sourcetest.HTTP(t, gitserver.Config{Dir: dir}) + "/app.git", Target: "main"}
			look := func() (source.Revision, error) {
				rev, err := s.Resolve(t.Context(), req, source.Fresh)
				if err == nil {
					_, err = s.Snapshot(t.Context(), req, rev)
				}
				return rev, err
			}
			if _, err := look(); err != nil {
				t.Fatal(err)
			}
			lock := filepath.Join(mirrorOf(t, s), filepath.FromSlash(c.lock))
			if err := os.MkdirAll(filepath.Dir(lock), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(lock, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			want := repo.Commit("main", map[string]string{"a": "2"})
			c.push(repo)
			if _, err := look(); err != nil && (!fault.Is(err, fault.Transient) || !strings.Contains(err.Error(), "another git process holds a lock") || strings.Contains(err.Error(), lock)) {
				t.Errorf("beside a lock that is young: %v", err)
			}
			if _, err := os.Stat(lock); err != nil {
				t.Errorf("the lock of a process that may be alive: %v", err)
			}
			clock.advance(c.held + time.Minute)
			if got, err := look(); err != nil || string(got) != want {
				t.Errorf("later than it can be held: %s, %v; want %s", got, err, want)
			}
			if refs, err := s.git.run(t.Context(), nil, "--git-dir="+mirrorOf(t, s), "for-each-ref", "--format=%(refname:short)", "refs/heads"); err != nil || strings.Contains(string(refs), "old") == (c.lock == "packed-refs.lock") {
				t.Errorf("branches of the mirror: %q, %v", refs, err)
			}
		})
	}
}

// TestPacksOfKilledFetches: what a killed fetch had received so far goes when no fetch can be writing it any more.
func TestPacksOfKilledFetches(t *testing.T) {
	dir, repo, _ := one(t)
	clock := newClock()
	clock.advance(time.Since(clock.Now()))
	s := newSource(t, func(cfg *Config) { cfg.Now = clock.Now })
	req := source.Request{RepoURL: sourcetest.HTTP(t, gitserver.Config{Dir: dir}) + "/app.git", Target: "main"}
	fetch := func() {
		t.Helper()
		want := repo.Commit("main", map[string]string{"a": clock.Now().String()})
		rev, err := s.Resolve(t.Context(), req, source.Fresh)
		if err != nil || string(rev) != want {
			t.Fatalf("%s, %v", rev, err)
		}
		if _, err := s.Snapshot(t.Context(), req, rev); err != nil {
			t.Fatal(err)
		}
	}
	fetch()
	packs := filepath.Join(mirrorOf(t, s), "objects", "pack")
	names := []string{"tmp_pack_A1b2C3", "tmp_idx_A1b2C3", "pack-0000.keep"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(packs, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		after time.Duration
		left  int
	}{{time.Minute, 3}, {time.Hour, 1}} {
		clock.advance(c.after)
		fetch()
		left := 0
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(packs, name)); err == nil {
				left++
			}
		}
		if left != c.left {
			t.Errorf("%s later %d of %v are left; want %d", c.after, left, names, c.left)
		}
	}
}
