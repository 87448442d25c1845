package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/source/git"
	"github.com/belaycd/belay/internal/source/local"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// worktree makes a repository with a working tree of the files, all of them committed.
func worktree(t *testing.T, files map[string]string) (dir string, run func(args ...string) string) {
	t.Helper()
	dir = t.TempDir()
	repo := sourcetest.At(t, dir)
	repo.Git("init", "--quiet", "--template=", "--initial-branch=main", ".")
	write(t, dir, files)
	repo.Git("add", "--all")
	repo.Git("commit", "--quiet", "--message", "Begin")
	return dir, repo.Git
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func pod(name, image string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\nspec:\n  containers:\n  - name: app\n    image: " + image + "\n"
}

// told lists the findings of one rule as file:line.
func told(t *testing.T, opts cli.CheckOptions) []string {
	t.Helper()
	report, err := Check(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range report.Results {
		if r := &report.Results[i]; r.Rule.ID == "image-tag" || r.Rule.ID == "yaml-syntax" || r.Rule.ID == "render-failed" {
			out = append(out, check.Place{File: r.Place.File, Line: r.Place.Line}.String())
		}
	}
	slices.Sort(out)
	return out
}

func expect(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func TestCheckOfARepository(t *testing.T) {
	dir, run := worktree(t, map[string]string{
		"a/pod.yaml": pod("a", "old:latest"), "b/pod.yaml": pod("b", "b:1"), ".gitignore": "out/\n*.tmp.yaml\n",
		"c/kustomization.yaml": "resources: [pod.yaml]\n", "c/pod.yaml": pod("c", "c:1"),
	})
	run("checkout", "--quiet", "-b", "change")
	write(t, dir, map[string]string{
		"b/pod.yaml": pod("b", "b:latest"), "new/pod.yaml": pod("new", "new"), // changed, and not yet added
		"out/pod.yaml": pod("out", "out"), "a/more.tmp.yaml": pod("tmp", "tmp"), // ignored
	})
	before := contentOf(t, filepath.Join(dir, ".git"))
	expect(t, "all", told(t, cli.CheckOptions{Root: dir}), "a/pod.yaml:8", "b/pod.yaml:8", "new/pod.yaml:8")
	expect(t, "a directory", told(t, cli.CheckOptions{Root: filepath.Join(dir, "b")}), "b/pod.yaml:8")
	expect(t, "a file", told(t, cli.CheckOptions{Root: filepath.Join(dir, "a", "pod.yaml")}), "a/pod.yaml:8")
	expect(t, "what is new", told(t, cli.CheckOptions{Root: dir, Base: "main"}), "b/pod.yaml:8", "new/pod.yaml:8")
	expect(t, "what is new in a directory", told(t, cli.CheckOptions{Root: filepath.Join(dir, "new"), Base: "HEAD"}), "new/pod.yaml:8")
	if after := contentOf(t, filepath.Join(dir, ".git")); after != before {
		t.Errorf("the repository was written to:\n%s\nthen\n%s", before, after)
	}

	// Commits that main gets later are not ours.
	run("stash", "--quiet", "--include-untracked")
	run("checkout", "--quiet", "main")
	write(t, dir, map[string]string{"a/pod.yaml": pod("a", "mended:1")})
	run("commit", "--quiet", "--all", "--message", "Mend")
	run("checkout", "--quiet", "change")
	run("stash", "pop", "--quiet")
	expect(t, "after main has moved", told(t, cli.CheckOptions{Root: dir, Base: "main"}), "b/pod.yaml:8", "new/pod.yaml:8")

	if _, err := Check(t.Context(), cli.CheckOptions{Root: dir, Base: "none"}); err == nil || !strings.Contains(err.Error(), `no revision "none"`) {
		t.Errorf("an unknown base: %v", err)
	}
}

// TestCheckOfADamagedRepository: what is missing is said; nothing is fetched, and nothing in the repository is touched.
func TestCheckOfADamagedRepository(t *testing.T) {
	dir, run := worktree(t, map[string]string{"a/pod.yaml": pod("a", "a:1"), "b/pod.yaml": pod("b", "b:1")})
	id := run("rev-parse", "HEAD:b")
	if err := os.Remove(filepath.Join(dir, ".git", "objects", id[:2], id[2:])); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"a/pod.yaml": pod("a", "a:latest")})
	before := contentOf(t, filepath.Join(dir, ".git"))
	_, err := Check(t.Context(), cli.CheckOptions{Root: dir, Base: "HEAD"})
	if err == nil || !strings.Contains(err.Error(), "lacks an object") {
		t.Errorf("%v", err)
	}
	if after := contentOf(t, filepath.Join(dir, ".git")); after != before {
		t.Errorf("the repository was written to:\n%s\nthen\n%s", before, after)
	}
}

func TestCheckOfADirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a/pod.yaml": pod("a", "a")})
	expect(t, "all", told(t, cli.CheckOptions{Root: dir}), "a/pod.yaml:8")
	if _, err := Check(t.Context(), cli.CheckOptions{Root: dir, Base: "main"}); err == nil || !strings.Contains(err.Error(), "in no git repository") {
		t.Errorf("a base without a repository: %v", err)
	}
}

// contentOf is all files below a directory with their times of change.
func contentOf(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			out.WriteString(name + " " + info.ModTime().Format(time.RFC3339Nano) + "\n")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestWorktreeIDs: a working tree has the names that git gives to the commit of it, for files, directories, links and programs.
func TestWorktreeIDs(t *testing.T) {
	dir, run := worktree(t, map[string]string{"a/x.yaml": "one", "a/b/y.yaml": "two", "a.b/z": "", "a0": "order", "run.sh": "#!"})
	if err := os.Chmod(filepath.Join(dir, "run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("b/y.yaml", filepath.Join(dir, "a", "link.yaml")); err != nil {
		t.Fatal(err)
	}
	run("add", "--all")
	run("commit", "--quiet", "--message", "More")
	write(t, dir, map[string]string{"a/ignored": "x"})
	repo, err := git.OpenLocal(t.Context(), git.Config{CacheDir: t.TempDir(), Now: time.Now, AllowFile: true}, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	rev, err := repo.Resolve(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	snapshot, err := repo.Snapshot(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	names := strings.Split(run("ls-files"), "\n")
	files, err := tree.Worktree(names)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, ".", "a", "a/b", "a.b", "none", "a/ignored", "a/link.yaml/x") {
		want, wantErr := snapshot.FS().ContentID(name)
		got, gotErr := files.ContentID(name)
		if got != want || (gotErr == nil) != (wantErr == nil) {
			t.Errorf("%s: %q, %v; git says %q, %v", name, got, gotErr, want, wantErr)
		}
	}
	if id, err := files.ContentID("a/x.yaml"); err != nil || id != run("rev-parse", "HEAD:a/x.yaml") {
		t.Errorf("a/x.yaml: %q, %v", id, err)
	}
}
