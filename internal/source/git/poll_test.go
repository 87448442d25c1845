package git

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

func requests(urls ...string) []source.Request {
	var out []source.Request
	for _, url := range urls {
		out = append(out, source.Request{RepoURL: url})
	}
	return out
}

// polling runs Poll until the test ends and returns what it tells.
func polling(t *testing.T, s *Source, urls ...string) <-chan Movement {
	t.Helper()
	told := make(chan Movement, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Poll(ctx, func() []source.Request { return requests(urls...) }, func(m Movement) { told <- m })
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Poll: %v", err)
		}
	})
	return told
}

func next(t *testing.T, told <-chan Movement) Movement {
	t.Helper()
	select {
	case m := <-told:
		return m
	case <-time.After(time.Minute):
		t.Fatal("Poll tells nothing")
		return Movement{}
	}
}

func TestPollTellsWhatMoved(t *testing.T) {
	dir, repo, _ := one(t)
	url := sourcetest.HTTP(t, gitserver.Config{Dir: dir}) + "/app.git"
	var n counts
	s := newSource(t, func(c *Config) { c.Interval, c.Observe = 50*time.Millisecond, n.observe })
	if _, err := s.Resolve(context.Background(), source.Request{RepoURL: url}, source.Cached); err != nil {
		t.Fatal(err)
	}
	dead := "http://" + closedPort(t) + "/app.git"
	told := polling(t, s, url, url, " "+url, dead, "not a URL", "")
	for began := n.of(KindLsRemote); n.of(KindLsRemote) < began+3; time.Sleep(5 * time.Millisecond) {
		if len(told) > 0 {
			t.Fatalf("Poll tells %v and nothing has moved", <-told)
		}
	}
	sha := repo.Commit("main", map[string]string{"a": "2"})
	got := []Movement{next(t, told), next(t, told)} // one for each spelling
	slices.SortFunc(got, func(a, b Movement) int { return strings.Compare(a.RepoURL, b.RepoURL) })
	refs := []string{"HEAD", "refs/heads/main"}
	if diff := cmp.Diff([]Movement{{" " + url, refs}, {url, refs}}, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if rev, err := s.Resolve(context.Background(), source.Request{RepoURL: url}, source.Cached); err != nil || string(rev) != sha {
		t.Errorf("Resolve after Poll told = %s, %v; want %s", rev, err, sha)
	}
	repo.Tag("v1", sha)
	repo.Branch("new", sha)
	m := next(t, told)
	if !slices.Contains(m.Refs, "refs/tags/v1") && !slices.Contains(m.Refs, "refs/heads/new") {
		t.Errorf("told %v", m)
	}
	if n.of(KindFetch) != 0 {
		t.Errorf("%d fetches though nobody wants a commit", n.of(KindFetch))
	}
}

func TestPollTellsOfWhatOthersSaw(t *testing.T) {
	dir, repo, sha := one(t)
	url := sourcetest.HTTP(t, gitserver.Config{Dir: dir}) + "/app.git"
	var n counts
	s := newSource(t, func(c *Config) { c.Observe = n.observe })
	ctx := context.Background()
	if _, err := s.Snapshot(ctx, source.Request{RepoURL: url}, source.Revision(sha)); err != nil {
		t.Fatal(err)
	}
	told := polling(t, s, url)
	two := repo.Commit("main", map[string]string{"a": "2"})
	if moved, err := s.Refresh(ctx, source.Request{RepoURL: url}); err != nil || !moved {
		t.Errorf("Refresh after a push = %v, %v", moved, err)
	}
	if m := next(t, told); m.RepoURL != url || !slices.Contains(m.Refs, "refs/heads/main") {
		t.Errorf("told %v", m)
	}
	before := n.total()
	if rev, err := s.Resolve(ctx, source.Request{RepoURL: url}, source.Cached); err != nil || string(rev) != two {
		t.Errorf("Resolve = %s, %v", rev, err)
	}
	if _, err := s.Snapshot(ctx, source.Request{RepoURL: url}, source.Revision(two)); err != nil {
		t.Error(err)
	}
	if n.total() != before {
		t.Errorf("%d requests after Refresh, want none", n.total()-before)
	}
	if moved, err := s.Refresh(ctx, source.Request{RepoURL: url}); err != nil || moved {
		t.Errorf("Refresh without a push = %v, %v", moved, err)
	}
	if len(told) != 0 {
		t.Errorf("told %v and nothing has moved", <-told)
	}
}

func TestRequestsAreShared(t *testing.T) {
	dir, repo, sha := one(t)
	url := sourcetest.HTTP(t, gitserver.Config{Dir: dir}) + "/app.git"
	now := newClock()
	calls := filepath.Join(t.TempDir(), "calls")
	var n counts
	s := newSource(t, func(c *Config) {
		c.Observe, c.Now = n.observe, now.Now
		c.Jitter = func() time.Duration { return 30 * time.Second }
		c.Git = script(t, fmt.Sprintf("echo \"$*\" >> %s\nexec git \"$@\"\n", calls))
	})
	req := source.Request{RepoURL: url, Target: "main"}
	all := func(fresh source.Freshness) {
		t.Helper()
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				rev, err := s.Resolve(context.Background(), req, fresh)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.Snapshot(context.Background(), req, rev); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	all(source.Cached)
	if n.of(KindLsRemote) != 1 || n.of(KindFetch) != 1 {
		t.Errorf("1,000 first resolves and snapshots: %d ls-remote and %d fetch, want one each", n.of(KindLsRemote), n.of(KindFetch))
	}
	data, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(data), "\n"); got > 5 { // ls-remote, init, fetch, show-ref, cat-file
		t.Errorf("%d processes, want 5:\n%s", got, data)
	}
	now.advance(2*time.Minute + 29*time.Second)
	all(source.Cached)
	if n.total() != 2 {
		t.Errorf("%d requests within one interval and its jitter, want 2", n.total())
	}
	now.advance(2 * time.Second)
	all(source.Cached)
	if n.of(KindLsRemote) != 2 || n.of(KindFetch) != 1 {
		t.Errorf("the next interval: %d ls-remote and %d fetch, want 2 and 1", n.of(KindLsRemote), n.of(KindFetch))
	}
	// Those who come while a request is under way need one that began after they came: two for any number of callers.
	before := n.total()
	all(source.Fresh)
	if got := n.total() - before; got > 3 {
		t.Errorf("1,000 fresh resolves at once: %d requests, want few", got)
	}
	repo.Tag("old", sha)
	repo.Commit("main", map[string]string{"a": "2"})
	before = n.of(KindFetch)
	now.advance(time.Hour)
	all(source.Cached)
	if got := n.of(KindFetch) - before; got != 1 {
		t.Errorf("1,000 snapshots of a new commit: %d fetches, want one", got)
	}
}

func TestOneCommitIsAskedForOnce(t *testing.T) {
	dir, repo, sha := one(t)
	url := sourcetest.HTTP(t, gitserver.Config{Dir: dir}) + "/app.git"
	var n counts
	s := newSource(t, func(c *Config) { c.Observe = n.observe })
	ctx := context.Background()
	req := source.Request{RepoURL: url}
	if _, err := s.Snapshot(ctx, req, source.Revision(sha)); err != nil {
		t.Fatal(err)
	}
	hidden := repo.Commit("hidden", map[string]string{"a": "hidden"})
	repo.DeleteBranch("hidden")
	for _, c := range []struct {
		rev  string
		ok   bool
		most int
	}{{hidden, true, 1}, {strings.Repeat("c", 40), false, 2}} {
		before := n.total()
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() {
				if _, err := s.Snapshot(ctx, req, source.Revision(c.rev)); (err == nil) != c.ok {
					t.Errorf("Snapshot: %v", err)
				}
			})
		}
		wg.Wait()
		if got := n.total() - before; got > c.most {
			t.Errorf("%d requests for %s, want at most %d", got, c.rev, c.most)
		}
	}
}

func TestShortSHACostsOneProcess(t *testing.T) {
	_, repo, sha := one(t)
	calls := filepath.Join(t.TempDir(), "calls")
	now := newClock()
	s := newSource(t, func(c *Config) {
		c.Now = now.Now
		c.Git = script(t, fmt.Sprintf("echo \"$*\" >> %s\nexec git \"$@\"\n", calls))
	})
	processes := func(target, want string) int {
		t.Helper()
		if err := os.WriteFile(calls, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				rev, err := s.Resolve(context.Background(), source.Request{RepoURL: repo.Dir, Target: target}, source.Cached)
				if string(rev) != want || (err == nil) != (want != "") {
					t.Errorf("Resolve(%s) = %s, %v; want %q", target, rev, err, want)
				}
			})
		}
		wg.Wait()
		data, err := os.ReadFile(calls)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "\n")
	}
	if n := processes(sha[:8], sha); n > 7 { // ls-remote, init, fetch, show-ref, rev-parse, cat-file
		t.Errorf("%d processes for a short SHA of a new repository", n)
	}
	if n := processes(sha[:8], sha); n != 0 {
		t.Errorf("%d processes for a short SHA that is known", n)
	}
	if n := processes("abcdef012", ""); n > 4 {
		t.Errorf("%d processes for a short SHA that does not exist", n)
	}
	if n := processes("abcdef012", ""); n != 0 {
		t.Errorf("%d processes for a short SHA that is known not to exist", n)
	}
	now.advance(absentFor)
	if n := processes("abcdef012", ""); n == 0 {
		t.Error("a short SHA that did not exist is never looked for again")
	}
}

func TestAbsentCommitIsNotAskedForAgain(t *testing.T) {
	_, repo, sha := one(t)
	now := newClock()
	var n counts
	s := newSource(t, func(c *Config) { c.Observe, c.Now = n.observe, now.Now })
	ctx := context.Background()
	if _, err := s.Snapshot(ctx, source.Request{RepoURL: repo.Dir}, source.Revision(sha)); err != nil {
		t.Fatal(err)
	}
	req := source.Request{RepoURL: repo.Dir, Target: strings.Repeat("b", 40)}
	for range 100 {
		if _, err := s.Resolve(ctx, req, source.Cached); err == nil {
			t.Fatal("Resolve of a SHA that does not exist succeeds")
		}
	}
	if got := n.total(); got > 3 {
		t.Errorf("%d requests for a commit that does not exist, want at most 3", got)
	}
	now.advance(absentFor)
	before := n.total()
	if _, err := s.Resolve(ctx, req, source.Cached); err == nil || n.total() == before {
		t.Errorf("Resolve later: %v after %d requests; want it to be asked for again", err, n.total()-before)
	}
}

func TestSweepRemovesUnusedMirrors(t *testing.T) {
	_, repo, sha := one(t)
	now := newClock()
	s := newSource(t, func(c *Config) { c.Now = now.Now })
	if _, err := s.Snapshot(context.Background(), source.Request{RepoURL: repo.Dir}, source.Revision(sha)); err != nil {
		t.Fatal(err)
	}
	dir := mirrorOf(t, s)
	now.advance(6 * 24 * time.Hour)
	s.sweep(now.Now())
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("a mirror that was used 6 days ago: %v", err)
	}
	now.advance(2 * 24 * time.Hour)
	s.sweep(now.Now())
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a mirror that was used 8 days ago: %v; want it to be gone", err)
	}
	if _, err := s.Snapshot(context.Background(), source.Request{RepoURL: repo.Dir}, source.Revision(sha)); err != nil {
		t.Errorf("Snapshot after the sweep: %v", err)
	}
}

func TestRepackKeepsEverything(t *testing.T) {
	dir, repo, sha := one(t)
	s := newSource(t, nil)
	ctx := context.Background()
	req := source.Request{RepoURL: repo.Dir, Target: "main"}
	old, err := s.Snapshot(ctx, req, source.Revision(sha))
	if err != nil {
		t.Fatal(err)
	}
	many := sourcetest.NewRepo(t, dir, "many")
	files := map[string]string{}
	for i := range 5000 {
		files[fmt.Sprint("f", i)] = fmt.Sprint("many ", i)
	}
	many.Commit("main", files)
	packs, err := filepath.Glob(filepath.Join(many.Dir, "objects/pack/*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("packs: %v, %v", packs, err)
	}
	pack, err := os.ReadFile(packs[0])
	if err != nil {
		t.Fatal(err)
	}
	mirror := mirrorOf(t, s)
	sourcetest.At(t, mirror).Pipe(string(pack), "unpack-objects", "-q")
	loose := filepath.Join(mirror, "objects/17")
	if entries, err := os.ReadDir(loose); err != nil || len(entries) < manyLoose {
		t.Fatalf("%d loose objects, %v", len(entries), err)
	}
	repo.ForcePush("main", map[string]string{"b": "2"})
	if _, err := s.Refresh(ctx, source.Request{RepoURL: repo.Dir}); err != nil {
		t.Fatal(err)
	}
	r, err := s.repo(repo.Dir, "")
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	ended := r.tending
	r.mu.Unlock()
	if ended != nil { // nil when it has ended already
		<-ended
	}
	if _, err := os.Stat(loose); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the mirror is not repacked: %v", err)
	}
	s.readers.drop(mirror)
	s.cache = newCache(s.cfg.CacheBytes)
	if data, err := old.FS().ReadFile("a"); err != nil || string(data) != "1" {
		t.Errorf("a of a commit that no branch names any more = %q, %v", data, err)
	}
}

// TestPollAfterAFailedLook: a look that failed is made again soon, though what was seen before still counts as current,
// and without turning in circles meanwhile.
func TestPollAfterAFailedLook(t *testing.T) {
	dir, repo, sha := one(t)
	url := sourcetest.HTTP(t, gitserver.Config{Dir: dir}) + "/app.git"
	s := newSource(t, nil)
	ctx := context.Background()
	if _, err := s.Snapshot(ctx, source.Request{RepoURL: url}, source.Revision(sha)); err != nil {
		t.Fatal(err)
	}
	away := filepath.Join(dir, "away")
	if err := os.Rename(filepath.Join(dir, "app.git"), away); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Refresh(ctx, source.Request{RepoURL: url}); err == nil {
		t.Fatal("Refresh of a repository that is away succeeds")
	}
	var rounds atomic.Int64
	told := make(chan Movement, 10)
	pollCtx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- s.Poll(pollCtx, func() []source.Request { rounds.Add(1); return requests(url) }, func(m Movement) { told <- m })
	}()
	defer func() { cancel(); <-done }()
	time.Sleep(firstBackoff * 5 / 4) // the next look is due, and fails too
	if err := os.Rename(away, filepath.Join(dir, "app.git")); err != nil {
		t.Fatal(err)
	}
	repo.Commit("main", map[string]string{"a": "2"})
	if m := next(t, told); !slices.Contains(m.Refs, "refs/heads/main") {
		t.Errorf("told %v", m)
	}
	if n := rounds.Load(); n > 20 {
		t.Errorf("Poll went round %d times for a remote that failed twice", n)
	}
}
