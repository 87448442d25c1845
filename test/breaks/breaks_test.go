package breaks

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/internal/app"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/cli"
)

// TestBreaks applies each archive to a copy of the example and judges it as belay check does.
//
// A section named "edit FILE" holds lines to replace: those after "- " become those after "+ ". Other sections are files as they are. The
// comment may hold options: "base" judges against the example as it was, "profile: P", "title: T". Every line of want is
// FILE:LINE SEVERITY RULE, and all findings are wanted, no more and no less.
func TestBreaks(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 60 {
		t.Fatalf("%d archives, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			breakIt(t, archive)
		})
	}
}

// TestWhole: the example itself is clean, which gives every other finding its meaning.
func TestWhole(t *testing.T) {
	if found := judge(t, copyOf(t), cli.CheckOptions{}); len(found) > 0 {
		t.Errorf("the example is not clean:\n%s", strings.Join(found, "\n"))
	}
}

func breakIt(t *testing.T, archive *txtar.Archive) {
	dir := copyOf(t)
	var opts cli.CheckOptions
	for line := range strings.Lines(string(archive.Comment)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "base":
			commit(t, dir)
			opts.Base = "HEAD"
		case "profile":
			opts.Profile = check.Profile(value)
		case "title":
			opts.Title = &value
		}
	}
	var want []string
	for _, f := range archive.Files {
		switch name, isEdit := strings.CutPrefix(f.Name, "edit "); {
		case isEdit:
			edit(t, filepath.Join(dir, name), string(f.Data))
		case f.Name == "want":
			want = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		default:
			write(t, filepath.Join(dir, f.Name), f.Data)
		}
	}
	slices.Sort(want)
	if len(want) == 0 || want[0] == "" {
		t.Fatal("nothing is wanted")
	}
	got := judge(t, dir, opts)
	if !slices.Equal(got, want) {
		t.Errorf("found:\n%s\nwanted:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// judge returns what is found, ordered.
func judge(t *testing.T, dir string, opts cli.CheckOptions) (out []string) {
	t.Helper()
	opts.Root, opts.Now = dir, time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	report, err := app.Check(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range report.Results {
		r := &report.Results[i]
		place := r.Place.File
		if place == "" {
			place = r.Place.Commit
		}
		out = append(out, fmt.Sprintf("%s:%d %s %s", place, r.Place.Line, r.Severity, r.Rule.ID))
		t.Logf("%s: %s", out[len(out)-1], r.Message)
	}
	slices.Sort(out)
	return out
}

// copyOf returns a directory with the example in it.
func copyOf(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples/callcenter")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// edit replaces the first place in a file that has all lines of script after "- " by those after "+ ".
func edit(t *testing.T, name, script string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var old, new strings.Builder
	for line := range strings.Lines(script) {
		if text, ok := strings.CutPrefix(line, "- "); ok {
			old.WriteString(text)
		} else if text, ok := strings.CutPrefix(line, "+ "); ok {
			new.WriteString(text)
		} else {
			t.Fatalf("%s: %q is neither taken out nor put in", name, line)
		}
	}
	if !strings.Contains(string(data), old.String()) {
		t.Fatalf("%s has no\n%s", name, old.String())
	}
	write(t, name, []byte(strings.Replace(string(data), old.String(), new.String(), 1)))
}

// commit makes the directory a repository with one commit.
func commit(t *testing.T, dir string) {
	t.Helper()
	for _, args := range [][]string{{"init", "-q"}, {"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "feat: the example"}} {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
}
