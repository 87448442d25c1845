package git

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

func TestNormalizeURL(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"https://GitHub.com/Org/Repo.git", "https://github.com/org/repo"},
		{" https://github.com/org/repo/ ", "https://github.com/org/repo"},
		{"https://github.com/org/repo.git/", "https://github.com/org/repo"},
		{"git@github.com:org/repo.git", "git@github.com/org/repo"},
		{"ssh://git@github.com/org/repo", "git@github.com/org/repo"},
		{"ssh://git@github.com:22/org/repo", "git@github.com:22/org/repo"},
		{"https://user@github.com/org/repo", "https://user@github.com/org/repo"},
		{"", ""},
		{"https://%zz/x", ""},
	} {
		if got := NormalizeURL(c.in); got != c.want {
			t.Errorf("NormalizeURL(%q) = %q, want %q", c.in, got, c.want)
		}
	}
	if SameURL("", "") || !SameURL("git@github.com:o/r.git", "ssh://git@github.com/O/R") || SameURL("https://a/b", "http://a/b") {
		t.Error("SameURL is wrong")
	}
}

func TestParseURL(t *testing.T) {
	for _, c := range []struct {
		in   string
		want remote
	}{
		{"HTTPS://User:Pass@Example.com/Org/Repo.git", remote{url: "https://example.com/Org/Repo.git", scheme: "https",
			host: "example.com", path: "/Org/Repo.git", user: "User", password: "Pass"}},
		{"git@example.com:org/repo", remote{url: "git@example.com:org/repo", scheme: "ssh", host: "example.com", path: "org/repo", user: "git"}},
		{"ssh://git:pw@example.com:2222/org/repo", remote{url: "ssh://git@example.com:2222/org/repo", scheme: "ssh",
			host: "example.com:2222", path: "/org/repo", user: "git", password: "pw"}},
		{"/srv/a%41", remote{url: "file:///srv/a%2541", scheme: "file", path: "/srv/a%41"}},
		{"/srv/git/x.git", remote{url: "file:///srv/git/x.git", scheme: "file", path: "/srv/git/x.git"}},
	} {
		got, err := parseURL(c.in)
		if err != nil {
			t.Errorf("parseURL(%q): %v", c.in, err)
			continue
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(remote{})); diff != "" {
			t.Errorf("parseURL(%q) (-want +got):\n%s", c.in, diff)
		}
	}
	for _, in := range []string{"relative/path", "host:", ":path", "http:///x", "https://example.com/x?y=z", "https://example.com/x#y",
		"a b", "x\ny", "\x00", "https://u:p@", "ssh://-x/y", "ssh://-u@h/y", "file://relative", "file://host/x", strings.Repeat("x", 3000)} {
		if _, err := parseURL(in); !fault.Is(err, fault.Invalid) {
			t.Errorf("parseURL(%.40q): %v; want Invalid", in, err)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"unable to access 'https://ann:s3cret@example.com/x/': no": "unable to access 'https://***@example.com/x/': no",
		"https://token@example.com":                                "https://***@example.com",
		"https://a:b@c@example.com/x https://d:e@f/g":              "https://***@example.com/x https://***@f/g",
		"ssh://git@example.com/x":                                  "ssh://git@example.com/x",
		"ssh://git:pw@example.com/x":                               "ssh://***@example.com/x",
		"https://example.com/a@b":                                  "https://example.com/a@b",
		"nothing://":                                               "nothing://",
		"":                                                         "",
	} {
		if got := Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"https://u:p@example.com/x", "git@example.com:x", "ssh://git@h:22/x", "/x", "ext::sh", "-x", "file:///x", "a:b@c:d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseURL(s)
		NormalizeURL(s)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("parseURL(%q): %v", s, err)
			}
			return
		}
		if strings.HasPrefix(r.url, "-") || strings.HasPrefix(r.host, "-") || strings.ContainsAny(r.url, " \n\x00") || strings.Contains(r.url, "::") && r.scheme != "ssh" && !strings.Contains(r.path, "::") && !strings.Contains(r.host, "::") {
			t.Errorf("parseURL(%q) lets %+v through", s, r)
		}
		if strings.ContainsAny(r.key(""), "/\\. ") {
			t.Errorf("key %q is no file name", r.key(""))
		}
		// What was accepted and cleaned is accepted and clean.
		if again, err := parseURL(r.url); err != nil || again.url != r.url {
			t.Errorf("parseURL(%q) = %q, then %q, %v", s, r.url, again.url, err)
		}
	})
}

func treeData(entries ...string) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		mode, name, _ := strings.Cut(e, " ")
		fmt.Fprintf(&b, "%s %s\x00%s", mode, name, bytes.Repeat([]byte{0xab}, 20))
	}
	return b.Bytes()
}

func TestParseTree(t *testing.T) {
	got, err := parseTree(treeData("100644 a.b", "40000 a", "100755 x y", "120000 link", "160000 module", "100664 old"), 20)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range got.entries {
		names = append(names, fmt.Sprintf("%o %s", e.mode, e.name))
	}
	want := []string{"40000 a", "100644 a.b", "120000 link", "160000 module", "100664 old", "100755 x y"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if _, ok := got.find("a.b"); !ok {
		t.Error("a.b is not found")
	}
	whole := treeData("100644 a")
	for name, data := range map[string][]byte{
		"dot": treeData("40000 ."), "dot dot": treeData("40000 .."), "slash": treeData("100644 a/b"), "empty name": treeData("100644 "),
		"twice": treeData("100644 a", "40000 a"), "no mode": treeData(" a"), "bad mode": treeData("10x644 a"), "long mode": treeData("1000000644 a"),
		"device": treeData("60000 a"), "cut off": whole[:len(whole)-1], "no name": []byte("100644"), "no end": []byte("100644 a"),
	} {
		if got, err := parseTree(data, 20); err == nil {
			t.Errorf("%s: accepted as %v", name, got.entries)
		}
	}
}

func FuzzParseTree(f *testing.F) {
	f.Add(treeData("100644 a", "40000 b"))
	f.Add([]byte("100644 a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tr, err := parseTree(data, 20)
		if err != nil {
			return
		}
		for _, e := range tr.entries {
			if !validPath(e.name) || e.name == "." || !isObjectID(string(e.id)) {
				t.Errorf("entry %+v", e)
			}
			if found, ok := tr.find(e.name); !ok || found != e {
				t.Errorf("find(%q) = %+v, %v", e.name, found, ok)
			}
		}
	})
}

func FuzzParseRefs(f *testing.F) {
	id := strings.Repeat("1", 40)
	f.Add([]byte(id + "\tHEAD\n" + id + "\trefs/tags/v1\n" + id + "\trefs/tags/v1^{}\nref: refs/heads/main\tHEAD\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseLsRemote(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := parseShowRef(data, map[string]bool{"refs/x": true})
		if err != nil {
			t.Fatal(err)
		}
		movement(a, b)
		for _, r := range a.refs {
			if !isObjectID(string(r.commit())) {
				t.Errorf("ref %+v", r)
			}
			if _, _, err := a.lookup(r.name, ""); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzParseCommit(f *testing.F) {
	f.Add([]byte("tree " + strings.Repeat("1", 40) + "\nauthor A <a@example.com> 1 +0000\n\nmessage\n"))
	f.Add([]byte("author > -5 x\nauthor <\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, ok := parseCommit("x", data)
		if ok && !isObjectID(string(c.tree)) {
			t.Errorf("tree %q", c.tree)
		}
		if _, err := time.Parse(time.RFC3339, c.date.Format(time.RFC3339)); err != nil {
			t.Error(err)
		}
	})
}

func TestMovement(t *testing.T) {
	table := func(names ...string) *refTable {
		var refs []ref
		for _, n := range names {
			name, id, _ := strings.Cut(n, "=")
			refs = append(refs, ref{name: name, oid: oid(id)})
		}
		return newRefTable(refs)
	}
	for _, c := range []struct {
		before, after *refTable
		want          []string
	}{
		{table(), table(), nil},
		{table("a=1", "b=1"), table("b=1", "a=1"), nil},
		{table("a=1", "b=1"), table("a=2", "b=1"), []string{"a"}},
		{table("a=1", "c=1"), table("b=1", "c=1", "d=1"), []string{"a", "b", "d"}},
		{table("z=1"), table(), []string{"z"}},
	} {
		if diff := cmp.Diff(c.want, movement(c.before, c.after), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("movement(%v, %v) (-want +got):\n%s", c.before.refs, c.after.refs, diff)
		}
	}
}

func TestCommitInfo(t *testing.T) {
	_, repo, _ := one(t)
	sha := repo.CommitEntries("main", "Raise the limit\n\nBecause it was low.\n", []sourcetest.Entry{{Path: "a", Mode: sourcetest.Regular, Content: "2"}})
	repo.Tag("v1.0.0", sha)
	repo.AnnotatedTag("v1.0.1", sha)
	s := newSource(t, nil)
	ctx := context.Background()
	req := source.Request{RepoURL: repo.Dir, Target: "main"}
	rev, err := s.Resolve(ctx, req, source.Cached)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Commit(ctx, req, rev)
	if err != nil {
		t.Fatal(err)
	}
	want := source.CommitInfo{Author: "Ann Author <ann@example.com>", Date: "2023-11-14T22:13:22Z",
		Message: "Raise the limit\n\nBecause it was low.\n", Tags: []string{"v1.0.0", "v1.0.1"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Commit (-want +got):\n%s", diff)
	}
	if _, err := s.Commit(ctx, req, "main"); !fault.Is(err, fault.Invalid) {
		t.Errorf("Commit of a branch name: %v; want Invalid", err)
	}
	blob := source.Revision(repo.Git("rev-parse", "main:a"))
	if _, err := s.Snapshot(ctx, req, blob); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "is a blob") {
		t.Errorf("Snapshot of a blob: %v; want NotFound that says so", err)
	}
}

// hashTree writes a tree object as it is, whatever git thinks of it.
func hashTree(repo *sourcetest.Repo, entries ...string) string {
	var b strings.Builder
	for _, e := range entries { // mode SP name SP oid
		mode, rest, _ := strings.Cut(e, " ")
		at := strings.LastIndex(rest, " ")
		raw, err := hex.DecodeString(rest[at+1:])
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "%s %s\x00%s", mode, rest[:at], raw)
	}
	return repo.Pipe(b.String(), "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
}

// open resolves and opens what target names, however far that gets.
func open(t *testing.T, s *Source, url, target string) (source.FS, error) {
	t.Helper()
	req := source.Request{RepoURL: url, Target: target}
	rev, err := s.Resolve(context.Background(), req, source.Cached)
	if err != nil {
		return nil, err
	}
	snap, err := s.Snapshot(context.Background(), req, rev)
	if err != nil {
		return nil, err
	}
	return snap.FS(), nil
}

func TestHostileTrees(t *testing.T) {
	for name, entries := range map[string]func(repo *sourcetest.Repo, blob string) string{
		"dot dot": func(repo *sourcetest.Repo, blob string) string { return hashTree(repo, "100644 .. "+blob) },
		"twice": func(repo *sourcetest.Repo, blob string) string {
			return hashTree(repo, "100644 a "+blob, "100755 a "+blob)
		},
		"slash":      func(repo *sourcetest.Repo, blob string) string { return hashTree(repo, "100644 a/../../b "+blob) },
		"wrong kind": func(repo *sourcetest.Repo, blob string) string { return hashTree(repo, "40000 a "+blob) },
		"bad mode":   func(repo *sourcetest.Repo, blob string) string { return hashTree(repo, "60000 a "+blob) },
	} {
		t.Run(name, func(t *testing.T) {
			_, repo, _ := one(t)
			root := hashTree(repo, "40000 bad "+entries(repo, repo.Git("rev-parse", "main:a")))
			repo.Branch("hostile", repo.Git("commit-tree", "-m", "hostile", root))
			files, err := open(t, newSource(t, nil), repo.Dir, "hostile")
			if err != nil {
				return // git itself refused to send or take it
			}
			_, err = files.ReadDir("bad")
			if name == "wrong kind" {
				_, err = files.ReadDir("bad/a")
			}
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("ReadDir: %v; want Invalid", err)
			}
		})
	}
}

func TestTreesThatExplode(t *testing.T) {
	_, repo, _ := one(t)
	blob := repo.Git("rev-parse", "main:a")
	wide := hashTree(repo, "100644 f "+blob)
	for range 30 { // 10^30 files in 30 objects
		var entries []string
		for j := range 10 {
			entries = append(entries, fmt.Sprintf("40000 %d %s", j, wide))
		}
		wide = hashTree(repo, entries...)
	}
	repo.Branch("wide", repo.Git("commit-tree", "-m", "wide", wide))
	repo.CommitEntries("deep", "deep", []sourcetest.Entry{
		{Path: strings.Repeat("d/", maxDepth+10) + "f", Mode: sourcetest.Regular, Content: "1"}})
	s := newSource(t, nil)
	files, err := open(t, s, repo.Dir, "wide")
	if err != nil {
		t.Fatal(err)
	}
	if id, err := files.ContentID("."); err != nil || id != wide {
		t.Errorf("ContentID of 10^30 files = %s, %v; want %s", id, err, wide)
	}
	if _, err := files.Stat(strings.Repeat("7/", 30) + "f"); err != nil {
		t.Error(err)
	}
	if files, err = open(t, s, repo.Dir, "deep"); err != nil {
		t.Fatal(err)
	}
	if _, err := files.ContentID("."); !fault.Is(err, fault.Invalid) {
		t.Errorf("ContentID of a deep tree: %v; want Invalid", err)
	}
}

func TestHostileRefs(t *testing.T) {
	_, repo, sha := one(t)
	for _, name := range []string{"refs/heads/--upload-pack=id", "refs/heads/-n", "refs/heads/$(id)", "refs/heads/a'b\"c", "refs/tags/--exec=id",
		"refs/heads/" + strings.Repeat("long", 50), "refs/heads/HEAD", "refs/heads/refs/heads/main", "refs/heads/ünï"} {
		// update-ref refuses some of them; a server may not.
		p := filepath.Join(repo.Dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(sha+"\n"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	s := newSource(t, nil)
	ctx := context.Background()
	for _, target := range []string{"main", "-n", "--upload-pack=id", "$(id)", "a'b\"c", "--exec=id", "HEAD", "ünï", "refs/heads/main"} {
		rev, err := s.Resolve(ctx, source.Request{RepoURL: repo.Dir, Target: target}, source.Cached)
		if err != nil || string(rev) != sha {
			t.Errorf("Resolve(%q) = %s, %v", target, rev, err)
		}
	}
	if _, err := s.Snapshot(ctx, source.Request{RepoURL: repo.Dir}, source.Revision(sha)); err != nil {
		t.Errorf("Snapshot: %v", err)
	}
	two := repo.Commit("main", map[string]string{"a": "2"})
	if rev, err := s.Resolve(ctx, source.Request{RepoURL: repo.Dir, Target: "main"}, source.Fresh); err != nil || string(rev) != two {
		t.Errorf("Fresh Resolve = %s, %v; want %s", rev, err, two)
	}
}
