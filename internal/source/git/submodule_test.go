package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

func gitmodules(pathsAndURLs ...string) sourcetest.Entry {
	var b strings.Builder
	for i := 0; i < len(pathsAndURLs); i += 2 {
		fmt.Fprintf(&b, "[submodule %q]\n\tpath = %s\n\turl = %s\n", pathsAndURLs[i], pathsAndURLs[i], pathsAndURLs[i+1])
	}
	return sourcetest.Entry{Path: gitmodulesName, Mode: sourcetest.Regular, Content: b.String()}
}

func regular(path, content string) sourcetest.Entry {
	return sourcetest.Entry{Path: path, Mode: sourcetest.Regular, Content: content}
}

func submoduleAt(path, sha string) sourcetest.Entry {
	return sourcetest.Entry{Path: path, Mode: sourcetest.Submodule, Content: sha}
}

func link(path, to string) sourcetest.Entry {
	return sourcetest.Entry{Path: path, Mode: sourcetest.Symlink, Content: to}
}

func openAt(t *testing.T, s *Source, req source.Request, sha string) source.FS {
	t.Helper()
	snap, err := s.Snapshot(context.Background(), req, source.Revision(sha))
	if err != nil {
		t.Fatal(err)
	}
	return snap.FS()
}

// submodules makes app, with the submodule lib of the repository lib, which has the submodule in/deep of another group.
func submodules(t *testing.T, dir string) (app *sourcetest.Repo, appSHA, libSHA string) {
	t.Helper()
	deep := sourcetest.NewRepo(t, dir, "other/deep").Commit("main", map[string]string{"d.yaml": "d: 1\n"})
	lib := sourcetest.NewRepo(t, dir, "team/lib")
	old := lib.CommitEntries("main", "Lib", []sourcetest.Entry{regular("l.yaml", "l: 1\n"), gitmodules("in/deep", "../../other/deep.git"), submoduleAt("in/deep", deep),
		link("up", "../own.yaml"), link("same", "in/deep/d.yaml")})
	lib.Commit("main", map[string]string{"l.yaml": "l: 2\n"})
	app = sourcetest.NewRepo(t, dir, "team/app")
	sha := app.CommitEntries("main", "App", []sourcetest.Entry{regular("own.yaml", "o: 1\n"), gitmodules("vendor/lib", "../lib.git"), submoduleAt("vendor/lib", old),
		link("via.yaml", "vendor/lib/l.yaml")})
	return app, sha, old
}

// TestSubmodules: files of submodules, nested ones too, are read at the commits that the trees name, over every transport.
func TestSubmodules(t *testing.T) {
	for name, serve := range map[string]func(*testing.T, string) (string, Credentials){
		"file": func(_ *testing.T, dir string) (string, Credentials) { return "file://" + dir, Credentials{} },
		"http": func(t *testing.T, dir string) (string, Credentials) {
			return sourcetest.HTTP(t, gitserver.Config{Dir: dir, Username: "ann", Password: "pw: 1"}), Credentials{Username: "ann", Password: "pw: 1"}
		},
		"ssh": func(t *testing.T, dir string) (string, Credentials) {
			s := sourcetest.SSH(t, dir)
			return s.URL, Credentials{SSHPrivateKey: s.PrivateKey, KnownHosts: s.KnownHosts}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, sha, libSHA := submodules(t, dir)
			url, creds := serve(t, dir)
			s := newSource(t, func(c *Config) { c.Credentials = fixed(creds) })
			req := source.Request{RepoURL: url + "/team/app.git"}
			files := openAt(t, s, req, sha)
			if id, err := files.ContentID("vendor/lib"); err != nil || id != libSHA || len(files.(*fsys).modules) != 0 {
				t.Errorf("ContentID of a submodule = %q, %v, want its commit without a look at it", id, err)
			}
			for p, want := range map[string]string{"vendor/lib/l.yaml": "l: 1\n", "vendor/lib/in/deep/d.yaml": "d: 1\n", "via.yaml": "l: 1\n", "vendor/lib/same": "d: 1\n"} {
				if data, err := files.ReadFile(p); err != nil || string(data) != want {
					t.Errorf("%s = %q, %v; want %q", p, data, err, want)
				}
				if id, err := files.ContentID(p); err != nil || id == "" {
					t.Errorf("ContentID(%s) = %q, %v", p, id, err)
				}
			}
			if list, err := files.ReadDir("vendor/lib"); err != nil || len(list) != 5 {
				t.Errorf("ReadDir = %v, %v", list, err)
			}
			if _, err := files.ReadFile("vendor/lib/up"); !fault.Is(err, fault.Denied) {
				t.Errorf("a link out of a submodule: %v", err)
			}
			if id, err := files.ContentID("vendor/lib/none"); err != nil || id != "" {
				t.Errorf("ContentID of what is not there = %q, %v", id, err)
			}
		})
	}
}

func TestSubmodulesAreAFileSystem(t *testing.T) {
	dir := t.TempDir()
	app, _, libSHA := submodules(t, dir)
	lib := sourcetest.At(t, filepath.Join(dir, "team/lib.git"))
	lib.Branch("main", libSHA)
	clean := lib.CommitEntries("main", "Remove", []sourcetest.Entry{{Path: "up", Delete: true}})
	sha := app.CommitEntries("main", "App", []sourcetest.Entry{submoduleAt("vendor/lib", clean)})
	files := openAt(t, newSource(t, nil), source.Request{RepoURL: app.Dir}, sha)
	if err := fstest.TestFS(files, "own.yaml", "vendor/lib/l.yaml", "vendor/lib/in/deep/d.yaml", "via.yaml"); err != nil {
		t.Error(err)
	}
}

// TestSubmodulesSwitchedOff: they are empty directories, as in a checkout without them.
func TestSubmodulesSwitchedOff(t *testing.T) {
	app, sha, _ := submodules(t, t.TempDir())
	on := openAt(t, newSource(t, nil), source.Request{RepoURL: app.Dir}, sha)
	off := openAt(t, newSource(t, func(c *Config) { c.Submodules = func() bool { return false } }), source.Request{RepoURL: app.Dir}, sha)
	if list, err := off.ReadDir("vendor/lib"); err != nil || len(list) != 0 {
		t.Errorf("ReadDir = %v, %v", list, err)
	}
	if err := fstest.TestFS(off, "vendor/lib", "own.yaml"); err == nil {
		t.Error("via.yaml leads nowhere, which TestFS must find")
	}
	for _, p := range []string{".", "vendor", "vendor/lib"} {
		with, err := on.ContentID(p)
		without, err2 := off.ContentID(p)
		if err != nil || err2 != nil || with == without {
			t.Errorf("ContentID(%s) with and without submodules: %q, %q, %v, %v", p, with, without, err, err2)
		}
	}
}

// TestSubmodulesRefused: what is wrong with a submodule is an error for who reads below it, and for nobody else.
func TestSubmodulesRefused(t *testing.T) {
	dir := t.TempDir()
	some := strings.Repeat("a", 40)
	lib := sourcetest.NewRepo(t, dir, "lib").Commit("main", map[string]string{"l": "1"})
	app := sourcetest.NewRepo(t, dir, "app")
	server := sourcetest.HTTP(t, gitserver.Config{Dir: dir})
	sha := app.CommitEntries("main", "App", []sourcetest.Entry{
		regular("own.yaml", "o"),
		gitmodules("local", "file://"+filepath.Join(dir, "lib.git"), "path", filepath.Join(dir, "lib.git"), "away", server+"/none.git", "lost", "../lib.git",
			"out", "../../../../x", "ext", "ext::sh -c id", "dash", "-oProxyCommand=id", "secret", "http://ann:canary@127.0.0.1:1/x"),
		submoduleAt("local", lib), submoduleAt("path", lib), submoduleAt("away", lib), submoduleAt("lost", some), submoduleAt("out", lib), submoduleAt("ext", lib),
		submoduleAt("dash", lib), submoduleAt("secret", lib), submoduleAt("unnamed", lib),
	})
	files := openAt(t, newSource(t, nil), source.Request{RepoURL: server + "/app.git"}, sha)
	if data, err := files.ReadFile("own.yaml"); err != nil || string(data) != "o" {
		t.Errorf("own.yaml = %q, %v", data, err)
	}
	if list, err := files.ReadDir("."); err != nil || len(list) != 11 {
		t.Errorf("ReadDir = %v, %v", list, err)
	}
	for name, want := range map[string]struct {
		kind fault.Kind
		text string
	}{
		"local": {fault.Denied, "local machine"}, "path": {fault.Denied, "local machine"}, "away": {fault.Invalid, "none.git"}, "lost": {fault.Invalid, some},
		"out": {fault.Invalid, "leads out"}, "ext": {fault.Invalid, "URL"}, "dash": {fault.Invalid, "dash"}, "secret": {fault.Transient, "127.0.0.1:1"},
		"unnamed": {fault.Invalid, gitmodulesName},
	} {
		_, err := files.ReadFile(name + "/l")
		if !fault.Is(err, want.kind) || !strings.Contains(err.Error(), want.text) || !strings.Contains(err.Error(), "submodule "+name) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v (%v); want %v with %q", name, err, fault.KindOf(err), want.kind, want.text)
		}
		if _, err := files.ReadDir(name); err == nil {
			t.Errorf("%s is an empty directory", name)
		}
		if _, err := files.Stat(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSubmodulesNestedTooDeep(t *testing.T) {
	dir := t.TempDir()
	sha, at := sourcetest.NewRepo(t, dir, "r0").Commit("main", map[string]string{"f": "0"}), "f"
	for i := 1; i <= maxNesting+1; i++ {
		sha = sourcetest.NewRepo(t, dir, fmt.Sprint("r", i)).CommitEntries("main", "More", []sourcetest.Entry{gitmodules("s", fmt.Sprintf("../r%d.git", i-1)), submoduleAt("s", sha)})
		at = "s/" + at
		files := openAt(t, newSource(t, nil), source.Request{RepoURL: filepath.Join(dir, fmt.Sprint("r", i)+".git")}, sha)
		if i < maxNesting {
			continue
		}
		if _, err := files.ReadFile(at); (err == nil) != (i == maxNesting) || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%d deep: %v", i, err)
		}
	}
}

// byURL is a CredentialStore by repository.
type byURL map[string]Credentials

func (b byURL) Credentials(url, project string) (Credentials, error) {
	c := b[url]
	if c.Scope != "" && c.Scope != project {
		return Credentials{}, nil
	}
	return c, nil
}

// TestSubmoduleCredentials: who commits to a repository gets nothing through a submodule that others' credentials open.
func TestSubmoduleCredentials(t *testing.T) {
	dir, hidden := t.TempDir(), t.TempDir()
	lib := sourcetest.NewRepo(t, hidden, "lib").Commit("main", map[string]string{"l": "1"})
	open, closed := sourcetest.HTTP(t, gitserver.Config{Dir: dir}), sourcetest.HTTP(t, gitserver.Config{Dir: hidden, Username: "ann", Password: "canary"})
	sha := sourcetest.NewRepo(t, dir, "app").CommitEntries("main", "App", []sourcetest.Entry{gitmodules("lib", closed+"/lib.git"), submoduleAt("lib", lib)})
	login := Credentials{Username: "ann", Password: "canary"}
	scoped := login
	scoped.Scope = "blue"
	for name, c := range map[string]struct {
		store byURL
		ok    bool
	}{
		"none":          {byURL{}, false},
		"others'":       {byURL{closed + "/lib.git": login}, false},
		"the same":      {byURL{closed + "/lib.git": login, open + "/app.git": login}, true},
		"the project's": {byURL{closed + "/lib.git": scoped}, true},
	} {
		s := newSource(t, func(cfg *Config) { cfg.Credentials = c.store })
		files := openAt(t, s, source.Request{RepoURL: open + "/app.git", Project: "blue"}, sha)
		_, err := files.ReadFile("lib/l")
		if c.ok != (err == nil) || err != nil && (!fault.Is(err, fault.Denied) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "the project's" {
			files := openAt(t, s, source.Request{RepoURL: open + "/app.git", Project: "red"}, sha)
			if _, err := files.ReadFile("lib/l"); !fault.Is(err, fault.Denied) {
				t.Errorf("another project: %v", err)
			}
		}
	}
}

func TestParseGitmodules(t *testing.T) {
	got, err := parseGitmodules([]byte("\ufeff# ours\r\n[submodule \"a b\"] path = \"x y\" ; why\r\n\turl = https://example.com/a\\\n.git # end\n" +
		"[core]\n\turl = no\n[Submodule \"q\\\"\"]\nPath=q/\nURL=../q\nbranch\n[submodule \"half\"]\npath=half\n[submodule \"a b\"]\nupdate = !sh\n[submodule.old]\npath = old\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"x y": "https://example.com/a.git", "q": "../q"}, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"[submodule \"a\n", "[submodule \"a\" x\n", "[x\n", "[submodule \"a\"]\npath = \"x\n", "[submodule \"a\"]\nurl = \\q\n",
		"[submodule \"a\"]\npath=x\nurl=1\n[submodule \"b\"]\npath=x\nurl=2\n"} {
		if got, err := parseGitmodules([]byte(bad)); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), gitmodulesName) {
			t.Errorf("%q: %v, %v", bad, got, err)
		}
	}
}

func TestRelativeTo(t *testing.T) {
	for _, c := range [][3]string{
		{"https://example.com/team/app.git", "../lib.git", "https://example.com/team/lib.git"},
		{"https://example.com/team/app.git", "./lib", "https://example.com/team/app.git/lib"},
		{"https://example.com/team/app.git", "../../../lib", ""},
		{"git@example.com:team/app.git", "../lib", "git@example.com:team/lib"},
		{"git@example.com:team/app.git", "../../lib", "git@example.com:lib"},
		{"ssh://git@example.com:22/team/app", "../../o/lib", "ssh://git@example.com:22/o/lib"},
		{"file:///srv/git/app.git", "../lib.git", "file:///srv/git/lib.git"},
		{"https://example.com/a", "https://example.com/b", "https://example.com/b"},
	} {
		if got, err := relativeTo(c[0], c[1]); got != c[2] || (err != nil) != (c[2] == "") {
			t.Errorf("%s from %s = %q, %v; want %q", c[1], c[0], got, err, c[2])
		}
	}
}

// FuzzParseGitmodules compares with git itself what it reads without complaint.
func FuzzParseGitmodules(f *testing.F) {
	f.Add([]byte("[submodule \"a\"]\n\tpath = a\n\turl = ../a\n"))
	f.Add([]byte("[submodule \"a\\\\\"] # c\npath=\"a;b\" ; x\nurl = x \\\n  y\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := parseGitmodules(data)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%v", err)
			}
			return
		}
		for p, url := range got {
			if p == "" || url == "" || strings.HasPrefix(p, "/") {
				t.Errorf("%q = %q", p, url)
			}
		}
	})
}

// TestGitReadsTheSame: git's own reader gives the same addresses.
func TestGitReadsTheSame(t *testing.T) {
	repo := sourcetest.NewRepo(t, t.TempDir(), "x")
	for _, text := range []string{
		"[submodule \"a\"]\n\tpath = a\n\turl = ../a\n", "[submodule \"a\\\\b\"] # c\npath=\"a;b\" ; x\nurl = x \\\n  y\n",
		"[submodule \"a\"] path = \" p \"q  \n\turl = \"a\"b\\tc\\\\ # \n", "[SUBMODULE   \"a\"]\nPATH = p\nUrl=u;v\n",
	} {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := parseGitmodules([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		var p, url string
		for kv := range strings.SplitSeq(repo.Git("config", "-z", "--file", file, "--list"), "\x00") {
			key, value, _ := strings.Cut(kv, "\n")
			switch {
			case strings.HasSuffix(key, ".path"):
				p = strings.Trim(value, "/")
			case strings.HasSuffix(key, ".url"):
				url = value
			}
		}
		if diff := cmp.Diff(map[string]string{p: url}, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
