package harness

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/internal/gitserver"
)

// Files maps paths to contents. A content that begins with LinkTo is a symbolic link.
type Files map[string]string

// LinkTo begins the content of a symbolic link: LinkTo + "../elsewhere".
const LinkTo = "\x00link:"

// Txtar reads the files of a txtar archive; each $KEY in it is replaced, given KEY and value in turn.
func Txtar(archive string, replace ...string) Files {
	var pairs []string
	for i := 0; i+1 < len(replace); i += 2 {
		pairs = append(pairs, "$"+replace[i], replace[i+1])
	}
	files := Files{}
	for _, f := range txtar.Parse([]byte(strings.NewReplacer(pairs...).Replace(archive))).Files {
		files[f.Name] = string(f.Data)
	}
	return files
}

// Tree reads the files below a directory.
func Tree(t testing.TB, dir string) Files {
	t.Helper()
	files := Files{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// With returns the files with others added or, where content is "", taken away.
func (f Files) With(nameContent ...string) Files {
	out := maps.Clone(f)
	for i := 0; i+1 < len(nameContent); i += 2 {
		if nameContent[i+1] == "" {
			delete(out, nameContent[i])
			continue
		}
		out[nameContent[i]] = nameContent[i+1]
	}
	return out
}

// Repo is a bare repository that is served over HTTP.
type Repo struct {
	URL string
	Dir string
	// Server answers for the repository.
	Server *httptest.Server
}

// RepoOptions say how a repository is served.
type RepoOptions struct{ Username, Password string }

// NewRepo serves a repository whose branch main holds the files, until the test ends.
func NewRepo(t testing.TB, files Files) *Repo {
	t.Helper()
	r := NewEmptyRepo(t, RepoOptions{})
	r.Commit(t, "main", files)
	return r
}

// NewEmptyRepo serves a repository without commits, until the test ends.
func NewEmptyRepo(t testing.TB, o RepoOptions) *Repo {
	t.Helper()
	dir := t.TempDir()
	r := &Repo{Dir: filepath.Join(dir, "repo.git")}
	r.git(t, "", "init", "-q", "--bare", "-b", "main", r.Dir)
	r.Server = Serve(t, gitserver.New(gitserver.Config{Dir: dir, Username: o.Username, Password: o.Password}))
	r.URL = r.Server.URL + "/repo.git"
	return r
}

// Beside serves a further repository without commits, at the same server.
func (r *Repo) Beside(t testing.TB, name string) *Repo {
	t.Helper()
	dir := filepath.Join(filepath.Dir(r.Dir), name+".git")
	r.git(t, "", "init", "-q", "--bare", "-b", "main", dir)
	return &Repo{Dir: dir, Server: r.Server, URL: r.Server.URL + "/" + name + ".git"}
}

// Commit makes the files, and no others, the content of a branch, on top of what it had; it returns the commit.
func (r *Repo) Commit(t testing.TB, branch string, files Files) string {
	t.Helper()
	return r.CommitAs(t, branch, "change", files)
}

// CommitAs is Commit with a message.
func (r *Repo) CommitAs(t testing.TB, branch, message string, files Files) string {
	t.Helper()
	parent := ""
	if r.has(branch) {
		parent = "from refs/heads/" + branch + "^0\n"
	}
	return r.commit(t, commit{branch, message, parent}, files)
}

// ForcePush makes a commit without history the branch.
func (r *Repo) ForcePush(t testing.TB, branch string, files Files) string {
	t.Helper()
	if r.has(branch) {
		r.Git(t, "update-ref", "-d", "refs/heads/"+branch)
	}
	return r.commit(t, commit{branch: branch, message: "change"}, files)
}

// commit says where a commit goes; parent is a line of fast-import or nothing.
type commit struct{ branch, message, parent string }

func (r *Repo) commit(t testing.TB, c commit, files Files) string {
	t.Helper()
	var in strings.Builder
	fmt.Fprintf(&in, "commit refs/heads/%s\ncommitter Test <test@example.com> 1700000000 +0000\ndata %d\n%s\n%sdeleteall\n",
		c.branch, len(c.message), c.message, c.parent)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		mode, content := "100644", files[name]
		if target, ok := strings.CutPrefix(content, LinkTo); ok {
			mode, content = "120000", target
		}
		fmt.Fprintf(&in, "M %s inline %s\ndata %d\n%s\n", mode, name, len(content), content)
	}
	r.git(t, in.String(), "-C", r.Dir, "fast-import", "--quiet", "--force")
	return r.Git(t, "rev-parse", "refs/heads/"+c.branch)
}

func (r *Repo) has(branch string) bool {
	return exec.Command("git", "-C", r.Dir, "rev-parse", "-q", "--verify", "refs/heads/"+branch).Run() == nil
}

// Git runs git in the repository and returns its output.
func (r *Repo) Git(t testing.TB, args ...string) string {
	t.Helper()
	return r.git(t, "", append([]string{"-C", r.Dir}, args...)...)
}

func (r *Repo) git(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(Context(t), "git", args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// Lose takes the object that rev names out of the repository, as a failing disk would.
func (r *Repo) Lose(t testing.TB, rev string) {
	t.Helper()
	id := r.Git(t, "rev-parse", rev)
	// Objects are loose as long as a commit brings few of them.
	if err := os.Remove(filepath.Join(r.Dir, "objects", id[:2], id[2:])); err != nil {
		t.Fatal(err)
	}
}

// Away takes the repository off the server, or puts it back.
func (r *Repo) Away(t testing.TB, away bool) {
	t.Helper()
	from, to := r.Dir, r.Dir+".away"
	if !away {
		from, to = to, from
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
