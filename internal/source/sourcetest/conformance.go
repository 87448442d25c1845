package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// Fixture is a source under test and an empty repository that it can reach.
type Fixture struct {
	Source source.Source
	Repo   *Repo
	// URL reaches Repo, MissingURL the same server where it has no repository.
	URL, MissingURL string
}

// Run checks that a source of Git repositories keeps the contract of package source. open is called once per case.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	RunTransport(t, open)
	run(t, open, map[string]func(*testing.T, Fixture){
		"Range": testRange, "Unknown": testUnknown, "Files": testFiles, "Links": testLinks, "ContentID": testContentID,
	})
}

// RunTransport is the part of Run that depends on how the repository is reached.
func RunTransport(t *testing.T, open func(t *testing.T) Fixture) {
	run(t, open, map[string]func(*testing.T, Fixture){
		"Resolve": testResolve, "MissingRepository": testMissingRepository, "EmptyRepository": testEmptyRepository,
		"Push": testPush, "ForcePush": testForcePush, "Concurrent": testConcurrent, "UnreferencedCommit": testUnreferenced,
	})
}

func run(t *testing.T, open func(t *testing.T) Fixture, cases map[string]func(*testing.T, Fixture)) {
	for name, test := range cases {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func (f Fixture) resolve(target string, fresh source.Freshness) (string, error) {
	rev, err := f.Source.Resolve(context.Background(), source.Request{RepoURL: f.URL, Target: target}, fresh)
	return string(rev), err
}

// snapshot opens the files of rev and fails the test when it cannot.
func (f Fixture) snapshot(t *testing.T, rev string) source.FS {
	t.Helper()
	snap, err := f.Source.Snapshot(context.Background(), source.Request{RepoURL: f.URL}, source.Revision(rev))
	if err != nil {
		t.Fatal(err)
	}
	if string(snap.Revision()) != rev {
		t.Errorf("Snapshot of %s has revision %s", rev, snap.Revision())
	}
	return snap.FS()
}

func (f Fixture) read(t *testing.T, rev, path string) string {
	t.Helper()
	data, err := f.snapshot(t, rev).ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func testResolve(t *testing.T, f Fixture) {
	one := f.Repo.Commit("main", map[string]string{"a": "1"})
	f.Repo.Tag("light", one)
	f.Repo.AnnotatedTag("heavy", one)
	f.Repo.Git("tag", "--annotate", "--message=tag of a tag", "heavier", "heavy")
	tagObject := f.Repo.Git("rev-parse", "refs/tags/heavy")
	two := f.Repo.Commit("main", map[string]string{"a": "2"})
	f.Repo.Branch("both", one)
	f.Repo.Tag("both", two)
	f.Repo.Branch("feature/x", one)
	f.Repo.Branch("deadbeef", one) // could be a short SHA
	f.Repo.Branch("1.0", one)      // could be a version
	f.Repo.Git("update-ref", "refs/pull/7/head", one)
	for target, want := range map[string]string{
		"": two, "HEAD": two, "main": two, " main ": two, "refs/heads/main": two, "light": one, "refs/tags/light": one,
		"heavy": one, "heavier": one, "feature/x": one, "deadbeef": one, "1.0": one, "both": one, "tags/both": two,
		one: one, strings.ToUpper(one): one, one[:7]: one, one[:12]: one, two[:8]: two, tagObject: one,
		"refs/pull/7/head": one,
	} {
		if got, err := f.resolve(target, source.Cached); err != nil || got != want {
			t.Errorf("Resolve(%q) = %q, %v; want %s", target, got, err, want)
		}
	}
}

func testRange(t *testing.T, f Fixture) {
	sha := map[string]string{}
	for i, tag := range []string{"v1.0.0", "v1.9.0", "v1.10.0", "2.0.0", "v2.1.0-rc.1", "chart-3.0.0", "chart-3.1.0", "nightly", "3.x"} {
		sha[tag] = f.Repo.Commit("main", map[string]string{"n": fmt.Sprint(i)})
		f.Repo.Tag(tag, sha[tag])
	}
	for _, c := range []struct{ target, prefix, want string }{
		{"1.*", "", "v1.10.0"}, {"^1.0.0", "", "v1.10.0"}, {"~1.9", "", "v1.9.0"}, {">=1.0.0 <1.10.0", "", "v1.9.0"},
		{"*", "", "2.0.0"}, {">=2.1.0-0", "", "v2.1.0-rc.1"}, {"v1.0.0", "", "v1.0.0"}, {"3.x", "", "3.x"},
		{"*", "chart-", "chart-3.1.0"}, {"~3.0", "chart-", "chart-3.0.0"}, {"3.0.0", "chart-", "chart-3.0.0"},
		{"v1.x || v2.x", "", "2.0.0"},
	} {
		rev, err := f.Source.Resolve(context.Background(),
			source.Request{RepoURL: f.URL, Target: c.target, TagPrefix: c.prefix}, source.Cached)
		if err != nil || string(rev) != sha[c.want] {
			t.Errorf("Resolve(%q, prefix %q) = %q, %v; want %s (%s)", c.target, c.prefix, rev, err, sha[c.want], c.want)
		}
	}
	if _, err := f.resolve("^7.0.0", source.Cached); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "^7.0.0") {
		t.Errorf("Resolve of a range that nothing satisfies: %v; want NotFound that names the range", err)
	}
}

func testUnknown(t *testing.T, f Fixture) {
	f.Repo.Commit("main", map[string]string{"a": "1"})
	f.Repo.Branch("release-1.2", "main")
	for _, c := range []struct {
		target string
		kind   fault.Kind
		text   string
	}{
		{"relaese-1.2", fault.NotFound, "did you mean release-1.2"},
		{"Main", fault.NotFound, "did you mean main"},
		{"1.2.3", fault.NotFound, "no such"},
		{"abcdef0", fault.NotFound, "no such"},
		{strings.Repeat("1", 40), fault.NotFound, "no commit"},
		{"-n", fault.NotFound, "no such"},
		{"--upload-pack=touch x", fault.NotFound, "no such"},
		{"refs/heads/none", fault.NotFound, "no such"},
		{"refs/notes/none", fault.NotFound, "no such"},
		{"main^{tree}", fault.NotFound, "no such"},
		{"main:a", fault.NotFound, "no such"},
		{"refs/belay/../heads/main", fault.Invalid, "not the name of a ref"},
		{"a\nb", fault.Invalid, "control character"},
		{strings.Repeat("x", 5000), fault.Invalid, "longer than"},
	} {
		got, err := f.resolve(c.target, source.Cached)
		if !fault.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.text) {
			t.Errorf("Resolve(%.50q) = %q, %v; want %v with %q", c.target, got, err, c.kind, c.text)
		}
	}
}

func testMissingRepository(t *testing.T, f Fixture) {
	_, err := f.Source.Resolve(context.Background(), source.Request{RepoURL: f.MissingURL}, source.Cached)
	if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), f.MissingURL) {
		t.Errorf("Resolve in a repository that does not exist: %v (%v); want NotFound that names it", err, fault.KindOf(err))
	}
}

func testEmptyRepository(t *testing.T, f Fixture) {
	_, err := f.resolve("", source.Cached)
	if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "empty") {
		t.Errorf("Resolve in an empty repository: %v; want NotFound that says so", err)
	}
	sha := f.Repo.Commit("main", map[string]string{"a": "1"})
	if got, err := f.resolve("main", source.Fresh); err != nil || got != sha {
		t.Errorf("Resolve after the first push = %q, %v; want %s", got, err, sha)
	}
	if got := f.read(t, sha, "a"); got != "1" {
		t.Errorf("a = %q", got)
	}
}

func testFiles(t *testing.T, f Fixture) {
	rev := f.Repo.CommitEntries("main", "Files of all kinds", []Entry{
		{Path: "apps/web/deployment.yaml", Mode: Regular, Content: "kind: Deployment\n"},
		{Path: "apps/web.yaml", Mode: Regular, Content: "sorts between apps/web and its content"},
		{Path: "apps/web-2/x", Mode: Regular, Content: ""},
		{Path: "run.sh", Mode: Executable, Content: "#!/bin/sh\n"},
		{Path: "link.yaml", Mode: Symlink, Content: "apps/web/deployment.yaml"},
		{Path: "with space/ünï→ \"q\" 'x'/tab\there", Mode: Regular, Content: "odd"},
		{Path: "-dash", Mode: Regular, Content: "d"},
		{Path: "line\nbreak", Mode: Regular, Content: "l"},
	})
	files := f.snapshot(t, rev)
	if err := fstest.TestFS(files, "apps/web/deployment.yaml", "apps/web.yaml", "apps/web-2/x", "run.sh", "link.yaml",
		"with space/ünï→ \"q\" 'x'/tab\there", "-dash", "line\nbreak"); err != nil {
		t.Error(err)
	}
	testOddNames(t, f)
	if info, err := files.Stat("run.sh"); err != nil || info.Mode()&0o111 == 0 || info.Size() != 10 {
		t.Errorf("Stat(run.sh) = %v, %v; want an executable of 10 bytes", info, err)
	}
	data, err := files.ReadFile("apps/web/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data[0] = 'X' // ours to change
	if again, err := files.ReadFile("apps/web/deployment.yaml"); err != nil || string(again) != "kind: Deployment\n" {
		t.Errorf("ReadFile after a caller changed its copy = %q, %v", again, err)
	}
	for _, path := range []string{"none", "apps/none", "apps/web.yaml/x", "vendored/x"} {
		if _, err := files.ReadFile(path); !errors.Is(err, fs.ErrNotExist) || !fault.Is(err, fault.NotFound) {
			t.Errorf("ReadFile(%q): %v; want fs.ErrNotExist of kind NotFound", path, err)
		}
	}
	for _, path := range []string{"", "/apps", "apps/", "../x", "apps/../run.sh", "./run.sh", "apps//web"} {
		if _, err := files.ReadFile(path); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("ReadFile(%q): %v; want fs.ErrInvalid", path, err)
		}
	}
}

// testOddNames reads names that git allows and fstest.TestFS does not.
func testOddNames(t *testing.T, f Fixture) {
	odd := []string{"back\\slash", "latin\xe9", "bell\x07"}
	var entries []Entry
	for _, name := range odd {
		entries = append(entries, Entry{Path: name, Mode: Regular, Content: name})
	}
	files := f.snapshot(t, f.Repo.CommitEntries("odd", "Odd names", entries))
	for _, name := range odd {
		if data, err := files.ReadFile(name); err != nil || string(data) != name {
			t.Errorf("ReadFile(%q) = %q, %v", name, data, err)
		}
	}
}

func testLinks(t *testing.T, f Fixture) {
	link := func(path, target string) Entry { return Entry{Path: path, Mode: Symlink, Content: target} }
	rev := f.Repo.CommitEntries("main", "Links", []Entry{
		{Path: "real/file", Mode: Regular, Content: "found"},
		link("a/file", "../real/file"), link("a/dir", "../real"), link("a/dir2", "dir"), link("a/slashes", ".././/real//file"),
		link("a/self", "."), link("up", "../outside"), link("a/up", "../../outside"), link("a/roundabout", "../../x/real/file"),
		link("absolute", "/etc/passwd"), link("loop", "loop"), link("ping", "pong"), link("pong", "ping"), link("dangling", "none"),
		link("through", "a/dir/../file"),
	})
	files := f.snapshot(t, rev)
	for _, path := range []string{"a/file", "a/dir/file", "a/dir2/file", "a/slashes", "a/self/self/dir2/file"} {
		if data, err := files.ReadFile(path); err != nil || string(data) != "found" {
			t.Errorf("ReadFile(%q) = %q, %v", path, data, err)
		}
	}
	// a/dir is real, so a/dir/.. is the root and not a: there is no /file.
	for _, path := range []string{"dangling", "through"} {
		if _, err := files.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("ReadFile(%q): %v; want fs.ErrNotExist", path, err)
		}
	}
	for _, path := range []string{"up", "a/up", "a/up/x", "absolute", "a/roundabout"} {
		if _, err := files.ReadFile(path); !fault.Is(err, fault.Denied) {
			t.Errorf("ReadFile(%q): %v; want Denied", path, err)
		}
		if _, err := files.ContentID(path); !fault.Is(err, fault.Denied) {
			t.Errorf("ContentID(%q): %v; want Denied", path, err)
		}
	}
	for _, path := range []string{"loop", "ping", "pong/x"} {
		if _, err := files.Stat(path); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "symbolic links") {
			t.Errorf("Stat(%q): %v; want Invalid", path, err)
		}
	}
	list, err := files.ReadDir("a/dir")
	if err != nil || len(list) != 1 || list[0].Name() != "file" {
		t.Errorf("ReadDir through a link = %v, %v", list, err)
	}
}

func testContentID(t *testing.T, f Fixture) {
	entries := []Entry{
		{Path: "app/a.yaml", Mode: Regular, Content: "1"}, {Path: "app/sub/b.yaml", Mode: Regular, Content: "2"},
		{Path: "base/c.yaml", Mode: Regular, Content: "3"}, {Path: "other/d.yaml", Mode: Regular, Content: "1"},
		{Path: "linked/c.yaml", Mode: Symlink, Content: "../base/c.yaml"}, {Path: "linked/base", Mode: Symlink, Content: "../base"},
		{Path: "waiting/x", Mode: Symlink, Content: "../later"}, {Path: "round/r", Mode: Symlink, Content: "../round"},
	}
	ids := func(rev string) map[string]string {
		files := f.snapshot(t, rev)
		got := map[string]string{}
		for _, p := range []string{"app", "app/a.yaml", "app/sub", "base", "other", "other/d.yaml", "linked", "linked/c.yaml",
			"linked/base", "waiting", "round", "none", "app/none"} {
			id, err := files.ContentID(p)
			if err != nil {
				t.Fatalf("ContentID(%q): %v", p, err)
			}
			got[p] = id
		}
		return got
	}
	before := ids(f.Repo.CommitEntries("main", "Before", entries))
	for p, id := range before {
		if gone := strings.HasSuffix(p, "none"); gone != (id == "") {
			t.Errorf("ContentID(%q) = %q", p, id)
		}
	}
	if before["app/a.yaml"] != before["other/d.yaml"] {
		t.Error("equal files have different ids")
	}
	// Each change may change the ids of these paths and of no others.
	for _, c := range []struct {
		name  string
		entry Entry
		moved []string
	}{
		{"elsewhere", Entry{Path: "elsewhere", Mode: Regular, Content: "x"}, nil},
		{"base", Entry{Path: "base/c.yaml", Mode: Regular, Content: "4"}, []string{"base", "linked", "linked/base", "linked/c.yaml"}},
		{"sub", Entry{Path: "app/sub/b.yaml", Mode: Executable, Content: "2"}, []string{"app", "app/sub"}},
		{"target appears", Entry{Path: "later", Mode: Regular, Content: "x"}, []string{"waiting"}},
	} {
		after := ids(f.Repo.CommitEntries("main", c.name, []Entry{c.entry}))
		moved := map[string]bool{}
		for p := range before {
			if before[p] != after[p] {
				moved[p] = true
			}
		}
		want := map[string]bool{}
		for _, p := range c.moved {
			want[p] = true
		}
		if diff := cmp.Diff(want, moved); diff != "" {
			t.Errorf("%s: paths whose id changed (-want +got):\n%s", c.name, diff)
		}
		before = after
	}
}

func testPush(t *testing.T, f Fixture) {
	one := f.Repo.Commit("main", map[string]string{"a": "1"})
	if got := f.read(t, one, "a"); got != "1" {
		t.Errorf("a = %q", got)
	}
	if _, err := f.resolve("main", source.Cached); err != nil {
		t.Fatal(err)
	}
	two := f.Repo.Commit("main", map[string]string{"a": "2"})
	if got, err := f.resolve("main", source.Cached); err != nil || got != one {
		t.Errorf("Cached Resolve right after a push = %q, %v; want what was seen before, %s", got, err, one)
	}
	if got, err := f.resolve("main", source.Fresh); err != nil || got != two {
		t.Errorf("Fresh Resolve after a push = %q, %v; want %s", got, err, two)
	}
	if got, err := f.resolve("main", source.Cached); err != nil || got != two {
		t.Errorf("Cached Resolve after a Fresh one = %q, %v; want %s", got, err, two)
	}
	if got := f.read(t, two, "a"); got != "2" {
		t.Errorf("a = %q", got)
	}
	// Names that need the directories of other names.
	f.Repo.Branch("dir", one)
	if got, err := f.resolve("dir", source.Fresh); err != nil || got != one {
		t.Errorf("Resolve(dir) = %q, %v", got, err)
	}
	f.Repo.DeleteBranch("dir")
	f.Repo.Branch("dir/below", two)
	if got, err := f.resolve("dir/below", source.Fresh); err != nil || got != two {
		t.Errorf("Resolve(dir/below) = %q, %v", got, err)
	}
	if got, err := f.resolve("dir", source.Fresh); !fault.Is(err, fault.NotFound) {
		t.Errorf("Resolve of a deleted branch = %q, %v; want NotFound", got, err)
	}
}

func testForcePush(t *testing.T, f Fixture) {
	one := f.Repo.Commit("main", map[string]string{"a": "1"})
	old := f.snapshot(t, one)
	two := f.Repo.ForcePush("main", map[string]string{"b": "2"})
	if got, err := f.resolve("main", source.Fresh); err != nil || got != two {
		t.Fatalf("Resolve after a force push = %q, %v; want %s", got, err, two)
	}
	if got := f.read(t, two, "b"); got != "2" {
		t.Errorf("b = %q", got)
	}
	if data, err := old.ReadFile("a"); err != nil || string(data) != "1" {
		t.Errorf("a snapshot taken before = %q, %v", data, err)
	}
	if _, err := f.snapshot(t, two).ReadFile("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a after the force push: %v", err)
	}
}

func testConcurrent(t *testing.T, f Fixture) {
	var revs []string
	for i := range 5 {
		revs = append(revs, f.Repo.Commit("main", map[string]string{"n": fmt.Sprint(i), fmt.Sprintf("dir%d/f", i): "x"}))
	}
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			n := i % len(revs)
			fresh := source.Cached
			if i%8 == 0 {
				fresh = source.Fresh
			}
			if got, err := f.resolve("main", fresh); err != nil || got != revs[len(revs)-1] {
				t.Errorf("Resolve = %q, %v", got, err)
			}
			snap, err := f.Source.Snapshot(context.Background(), source.Request{RepoURL: f.URL}, source.Revision(revs[n]))
			if err != nil {
				t.Error(err)
				return
			}
			if data, err := snap.FS().ReadFile("n"); err != nil || string(data) != fmt.Sprint(n) {
				t.Errorf("n at %d = %q, %v", n, data, err)
			}
		})
	}
	wg.Wait()
}

func testUnreferenced(t *testing.T, f Fixture) {
	one := f.Repo.Commit("main", map[string]string{"a": "1"})
	if _, err := f.resolve("main", source.Cached); err != nil {
		t.Fatal(err)
	}
	f.read(t, one, "a") // the mirror is there
	hidden := f.Repo.Commit("hidden", map[string]string{"a": "hidden"})
	f.Repo.DeleteBranch("hidden")
	if got, err := f.resolve(hidden, source.Cached); err != nil || got != hidden {
		t.Fatalf("Resolve of a SHA that no ref names = %q, %v", got, err)
	}
	if got := f.read(t, hidden, "a"); got != "hidden" {
		t.Errorf("a = %q", got)
	}
}
