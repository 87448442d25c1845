// Package sourcetest gives tests real repositories: files and commits in Go values go in; bare Git repositories, servers
// for them in this process (HTTP, HTTPS, SSH), and a conformance suite for source.Source come out.
package sourcetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Modes of entries, as git writes them.
const (
	Regular    = "100644"
	Executable = "100755"
	Symlink    = "120000"
	Submodule  = "160000"
)

// Entry is one path of a commit. Content is a file's text, a link's target or a submodule's commit.
type Entry struct {
	Path, Mode, Content string
	Delete              bool
}

// Repo is a bare repository in a directory of its own. Its methods fail the test.
type Repo struct {
	Dir  string
	t    testing.TB
	time int
}

// NewRepo makes an empty repository at dir/name.git whose HEAD is the branch main.
func NewRepo(t testing.TB, dir, name string) *Repo {
	t.Helper()
	r := &Repo{Dir: filepath.Join(dir, name+".git"), t: t, time: 1_700_000_000}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.Git("init", "--quiet", "--bare", "--template=", "--initial-branch=main", ".")
	return r
}

// At is the bare repository that exists at dir.
func At(t testing.TB, dir string) *Repo { return &Repo{Dir: dir, t: t, time: 1_700_000_000} }

// Git runs git in the repository and returns what it printed, without the last line break.
func (r *Repo) Git(args ...string) string {
	r.t.Helper()
	return r.Pipe("", args...)
}

// Pipe is Git with an input.
func (r *Repo) Pipe(stdin string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.Dir
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = Env()
	out, err := cmd.Output()
	if err != nil {
		text := ""
		if e, ok := err.(*exec.ExitError); ok {
			text = string(e.Stderr)
		}
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, text)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// Env is an environment in which git knows nothing of the machine's or the user's configuration.
func Env() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/nonexistent", "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Ann Author", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_NAME=Cora Committer", "GIT_COMMITTER_EMAIL=cora@example.com", "GIT_COMMITTER_DATE=1700000000 +0000",
	}
}

// Commit adds a commit with changed files to branch and returns its SHA.
func (r *Repo) Commit(branch string, files map[string]string) string {
	r.t.Helper()
	var entries []Entry
	for path, content := range files {
		entries = append(entries, Entry{Path: path, Mode: Regular, Content: content})
	}
	return r.CommitEntries(branch, "Change files", entries)
}

// CommitEntries adds a commit with message and any kinds of entries to branch.
func (r *Repo) CommitEntries(branch, message string, entries []Entry) string {
	r.t.Helper()
	return r.commit(branch, message, entries, r.Has("refs/heads/"+branch))
}

// ForcePush gives branch a commit without a parent, holding only files.
func (r *Repo) ForcePush(branch string, files map[string]string) string {
	r.t.Helper()
	var entries []Entry
	for path, content := range files {
		entries = append(entries, Entry{Path: path, Mode: Regular, Content: content})
	}
	return r.commit(branch, "Begin anew", entries, false)
}

// Has reports whether the repository has ref.
func (r *Repo) Has(ref string) bool {
	r.t.Helper()
	return r.Git("for-each-ref", ref) != ""
}

func (r *Repo) commit(branch, message string, entries []Entry, onTop bool) string {
	r.t.Helper()
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	r.time++
	var b strings.Builder
	fmt.Fprintf(&b, "commit refs/heads/%s\n", branch)
	fmt.Fprintf(&b, "author Ann Author <ann@example.com> %d +0100\n", r.time)
	fmt.Fprintf(&b, "committer Cora Committer <cora@example.com> %d +0000\n", r.time)
	fmt.Fprintf(&b, "data %d\n%s\n", len(message), message)
	if onTop {
		fmt.Fprintf(&b, "from refs/heads/%s^0\n", branch)
	} else {
		b.WriteString("deleteall\n")
	}
	for _, e := range entries {
		switch {
		case e.Delete:
			fmt.Fprintf(&b, "D %s\n", quote(e.Path))
		case e.Mode == Submodule:
			fmt.Fprintf(&b, "M 160000 %s %s\n", e.Content, quote(e.Path))
		default:
			fmt.Fprintf(&b, "M %s inline %s\ndata %d\n%s\n", e.Mode, quote(e.Path), len(e.Content), e.Content)
		}
	}
	r.Pipe(b.String(), "fast-import", "--quiet", "--force")
	return r.Git("rev-parse", "refs/heads/"+branch)
}

// quote writes a path as fast-import reads any bytes.
func quote(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(path) {
		switch c := path[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Tag makes a lightweight tag of rev.
func (r *Repo) Tag(name, rev string) {
	r.t.Helper()
	r.Git("update-ref", "refs/tags/"+name, rev)
}

// AnnotatedTag makes a tag object of rev and returns its SHA.
func (r *Repo) AnnotatedTag(name, rev string) string {
	r.t.Helper()
	r.Git("tag", "--annotate", "--message=Release "+name, name, rev)
	return r.Git("rev-parse", "refs/tags/"+name)
}

// Branch lets branch point to rev.
func (r *Repo) Branch(branch, rev string) {
	r.t.Helper()
	r.Git("update-ref", "refs/heads/"+branch, rev)
}

// DeleteBranch removes branch.
func (r *Repo) DeleteBranch(branch string) {
	r.t.Helper()
	r.Git("update-ref", "-d", "refs/heads/"+branch)
}
