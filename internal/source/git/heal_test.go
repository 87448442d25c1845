package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// mirrorOf returns the directory of the only mirror of s.
func mirrorOf(t *testing.T, s *Source) string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(s.cfg.CacheDir, "*.git"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("mirrors: %v, %v; want one", dirs, err)
	}
	return dirs[0]
}

// eachObject calls do with every file below the mirror's objects.
func eachObject(t *testing.T, mirror string, do func(path string)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(mirror, "objects"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		do(p)
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d object files, %v", n, err)
	}
}

func TestDamagedMirrorIsClonedAgain(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, mirror, blob string){
		"a lost blob": func(t *testing.T, mirror, blob string) {
			if err := os.Remove(filepath.Join(mirror, "objects", blob[:2], blob[2:])); err != nil {
				t.Fatal(err)
			}
		},
		"all objects lost": func(t *testing.T, mirror, _ string) {
			eachObject(t, mirror, func(p string) {
				if err := os.Remove(p); err != nil {
					t.Fatal(err)
				}
			})
		},
		"objects overwritten": func(t *testing.T, mirror, _ string) {
			eachObject(t, mirror, func(p string) {
				if err := errors.Join(os.Chmod(p, 0o644), os.WriteFile(p, []byte("not an object"), 0o644)); err != nil {
					t.Fatal(err)
				}
			})
		},
		"objects empty": func(t *testing.T, mirror, _ string) {
			eachObject(t, mirror, func(p string) {
				if err := errors.Join(os.Chmod(p, 0o644), os.Truncate(p, 0)); err != nil {
					t.Fatal(err)
				}
			})
		},
		"no mirror": func(t *testing.T, mirror, _ string) {
			if err := os.RemoveAll(mirror); err != nil {
				t.Fatal(err)
			}
		},
		"no HEAD": func(t *testing.T, mirror, _ string) {
			if err := os.Remove(filepath.Join(mirror, "HEAD")); err != nil {
				t.Fatal(err)
			}
		},
		"a garbled ref": func(t *testing.T, mirror, _ string) {
			if err := os.WriteFile(filepath.Join(mirror, "refs/heads/main"), []byte("garbage\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, repo, sha := one(t)
			cache := filepath.Join(t.TempDir(), "cache")
			req := source.Request{RepoURL: repo.Dir, Target: "main"}
			ctx := context.Background()
			first := newSource(t, func(c *Config) { c.CacheDir = cache })
			if _, err := first.Snapshot(ctx, req, source.Revision(sha)); err != nil {
				t.Fatal(err)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			harm(t, mirrorOf(t, first), repo.Git("rev-parse", "main:a"))

			s := newSource(t, func(c *Config) { c.CacheDir = cache })
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					snap, err := s.Snapshot(ctx, req, source.Revision(sha))
					if err != nil {
						t.Error(err)
						return
					}
					if data, err := snap.FS().ReadFile("a"); err != nil || string(data) != "1" {
						t.Errorf("a = %q, %v", data, err)
					}
				})
			}
			wg.Wait()
			next := repo.Commit("main", map[string]string{"a": "2"})
			if got, err := s.Resolve(ctx, req, source.Fresh); err != nil || string(got) != next {
				t.Errorf("Resolve after the repair = %s, %v; want %s", got, err, next)
			}
			if got, err := s.Resolve(ctx, req, source.Fresh); err != nil || string(got) != next {
				t.Errorf("Resolve again = %s, %v", got, err)
			}
		})
	}
}

func TestDamageWhileOpen(t *testing.T) {
	_, repo, sha := one(t)
	var n counts
	s := newSource(t, func(c *Config) { c.Observe = n.observe })
	snap, err := s.Snapshot(context.Background(), source.Request{RepoURL: repo.Dir}, source.Revision(sha))
	if err != nil {
		t.Fatal(err)
	}
	harm := func() {
		eachObject(t, mirrorOf(t, s), func(p string) {
			if err := os.Remove(p); err != nil {
				t.Fatal(err)
			}
		})
	}
	harm()
	if data, err := snap.FS().ReadFile("a"); err != nil || string(data) != "1" {
		t.Fatalf("a = %q, %v; want it to be read from a new clone", data, err)
	}
	before := n.total()
	harm()
	s.cache = newCache(s.cfg.CacheBytes)
	if _, err := snap.FS().ReadFile("a"); err == nil || !strings.Contains(err.Error(), "damaged again") {
		t.Errorf("ReadFile after damage right after a repair: %v; want no second clone", err)
	}
	if n.total() != before {
		t.Errorf("%d requests for the second repair, want none", n.total()-before)
	}
}

func TestUnreachableRemoteKeepsTheDamagedMirror(t *testing.T) {
	_, repo, sha := one(t)
	two := repo.Commit("main", map[string]string{"b": "2"})
	s := newSource(t, nil)
	snap, err := s.Snapshot(context.Background(), source.Request{RepoURL: repo.Dir}, source.Revision(two))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(repo.Dir, repo.Dir+".away"); err != nil {
		t.Fatal(err)
	}
	blob := func() string {
		r := *repo
		r.Dir += ".away"
		return r.Git("rev-parse", "main:b")
	}()
	if err := os.Remove(filepath.Join(mirrorOf(t, s), "objects", blob[:2], blob[2:])); err != nil {
		t.Fatal(err)
	}
	if _, err := snap.FS().ReadFile("b"); !fault.Is(err, fault.NotFound) {
		t.Errorf("ReadFile(b): %v; want the reason why the repair failed", err)
	}
	if data, err := snap.FS().ReadFile("a"); err != nil || string(data) != "1" {
		t.Errorf("a = %q, %v; want what is still there", data, err)
	}
	if _, err := s.Snapshot(context.Background(), source.Request{RepoURL: repo.Dir}, source.Revision(sha)); err != nil {
		t.Errorf("Snapshot of a commit in the mirror: %v", err)
	}
}

func TestKilledReaderIsReplaced(t *testing.T) {
	_, repo, sha := one(t)
	pids := filepath.Join(t.TempDir(), "pids")
	s := newSource(t, func(c *Config) {
		c.Git = script(t, fmt.Sprintf("case \"$*\" in *cat-file*) echo $$ >> %s;; esac\nexec git \"$@\"\n", pids))
	})
	snap, err := s.Snapshot(context.Background(), source.Request{RepoURL: repo.Dir}, source.Revision(sha))
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(data), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if data, err := snap.FS().ReadFile("a"); err != nil || string(data) != "1" {
		t.Errorf("a = %q, %v", data, err)
	}
}

func TestReadersAreBoundedAndEnd(t *testing.T) {
	dir := t.TempDir()
	s := newSource(t, func(c *Config) { c.MaxReaders, c.ReaderIdle = 3, 50*time.Millisecond })
	var snaps []source.Snapshot
	for i := range 6 {
		repo := sourcetest.NewRepo(t, dir, fmt.Sprint("r", i))
		sha := repo.Commit("main", map[string]string{"n": fmt.Sprint(i)})
		snap, err := s.Snapshot(context.Background(), source.Request{RepoURL: repo.Dir}, source.Revision(sha))
		if err != nil {
			t.Fatal(err)
		}
		snaps = append(snaps, snap)
	}
	var wg sync.WaitGroup
	for range 5 {
		for i, snap := range snaps {
			wg.Go(func() {
				if data, err := snap.FS().ReadFile("n"); err != nil || string(data) != fmt.Sprint(i) {
					t.Errorf("n of %d = %q, %v", i, data, err)
				}
			})
		}
	}
	wg.Wait()
	open := func() []*mirrorReader {
		s.readers.mu.Lock()
		defer s.readers.mu.Unlock()
		return s.readers.open
	}
	if n := len(open()); n > 3 {
		t.Errorf("%d readers, want at most 3", n)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		running := 0
		for _, m := range open() {
			if !m.reader.ended() {
				running++
			}
		}
		if running == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d readers still run without work", running)
		}
	}
}

func TestHugeFile(t *testing.T) {
	_, repo, _ := one(t)
	sha := repo.Commit("main", map[string]string{"huge": strings.Repeat("x", 3<<20), "fits": strings.Repeat("y", 1<<20)})
	s := newSource(t, func(c *Config) { c.MaxBlob = 1 << 20 })
	snap, err := s.Snapshot(context.Background(), source.Request{RepoURL: repo.Dir}, source.Revision(sha))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := snap.FS().ReadFile("huge"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "huge: file has 3.0 MiB") {
			t.Errorf("ReadFile(huge): %v; want Invalid that names file and size", err)
		}
		if _, err := snap.FS().Open("huge"); !fault.Is(err, fault.Invalid) {
			t.Errorf("Open(huge): %v", err)
		}
		if info, err := snap.FS().Stat("huge"); err != nil || info.Size() != 3<<20 {
			t.Errorf("Stat(huge) = %v, %v", info, err)
		}
		if id, err := snap.FS().ContentID("huge"); err != nil || id == "" {
			t.Errorf("ContentID(huge) = %q, %v", id, err)
		}
		if data, err := snap.FS().ReadFile("fits"); err != nil || len(data) != 1<<20 {
			t.Errorf("ReadFile(fits) = %d bytes, %v", len(data), err)
		}
		s.cache = newCache(s.cfg.CacheBytes)
	}
}

func TestRestartReusesTheMirror(t *testing.T) {
	_, repo, sha := one(t)
	cache := filepath.Join(t.TempDir(), "cache")
	req := source.Request{RepoURL: repo.Dir, Target: sha}
	first := newSource(t, func(c *Config) { c.CacheDir = cache })
	if _, err := first.Snapshot(context.Background(), req, source.Revision(sha)); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Resolve(context.Background(), source.Request{RepoURL: repo.Dir}, source.Fresh); err == nil {
		t.Error("Resolve of a closed source succeeds")
	}
	// What a killed process left is cleared when it is old.
	old, young := filepath.Join(cache, "tmp", "auth-old"), filepath.Join(cache, "tmp", "clone-young")
	for _, d := range []string{old, young} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	var n counts
	s := newSource(t, func(c *Config) { c.CacheDir, c.Observe = cache, n.observe })
	if got, err := s.Resolve(context.Background(), req, source.Fresh); err != nil || string(got) != sha {
		t.Errorf("Resolve = %s, %v", got, err)
	}
	if _, err := s.Snapshot(context.Background(), req, source.Revision(sha)); err != nil {
		t.Error(err)
	}
	if n.total() != 0 {
		t.Errorf("%d requests for a commit that is in the mirror, want none", n.total())
	}
	left, err := os.ReadDir(filepath.Join(cache, "tmp"))
	if err != nil || len(left) != 1 || left[0].Name() != "clone-young" {
		t.Errorf("leftovers: %v, %v; want only the young one", left, err)
	}
}
