package gitserver_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// client runs git in dir and returns what it printed.
func client(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env = dir, sourcetest.Env()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustClient(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := client(t, dir, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func TestCloneAndPush(t *testing.T) {
	for _, version := range []string{"0", "1", "2"} {
		t.Run("protocol "+version, func(t *testing.T) {
			dir, work := t.TempDir(), t.TempDir()
			repo := sourcetest.NewRepo(t, dir, "team/app")
			repo.Commit("main", map[string]string{"a": "1"})
			pushed := make(chan string, 10)
			url := sourcetest.HTTP(t, gitserver.Config{Dir: dir, Username: "ann", Password: "pass",
				PostReceive: func(name string) { pushed <- name }})
			auth := strings.Replace(url, "//", "//ann:pass@", 1)
			protocol := "protocol.version=" + version
			mustClient(t, work, "-c", protocol, "clone", "--quiet", auth+"/team/app", "clone")
			clone := filepath.Join(work, "clone")
			if err := os.WriteFile(filepath.Join(clone, "b"), []byte(strings.Repeat("large ", 1<<19)), 0o644); err != nil {
				t.Fatal(err)
			}
			mustClient(t, clone, "add", "b")
			mustClient(t, clone, "commit", "--quiet", "--message=b")
			// A small buffer makes git send chunks after a probe, as it does for large pushes.
			mustClient(t, clone, "-c", protocol, "-c", "http.postBuffer=65536", "push", "--quiet", auth+"/team/app.git", "HEAD:main")
			select {
			case name := <-pushed:
				if name != "team/app" {
					t.Errorf("pushed to %q", name)
				}
			case <-time.After(time.Minute):
				t.Fatal("the push is not reported")
			}
			if len(pushed) > 0 {
				t.Error("one push is reported more than once")
			}
			if got, want := repo.Git("rev-parse", "main"), mustClient(t, clone, "rev-parse", "HEAD"); got != strings.TrimSpace(want) {
				t.Errorf("main is %s, want %s", got, want)
			}
			if out, err := client(t, clone, "push", url+"/team/app.git", "HEAD:main"); err == nil {
				t.Errorf("push without a password succeeds:\n%s", out)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	inside := filepath.Join(dir, "served")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	sourcetest.NewRepo(t, dir, "outside").Commit("main", map[string]string{"a": "1"})
	sourcetest.NewRepo(t, inside, "app").Commit("main", map[string]string{"a": "1"})
	h := gitserver.New(gitserver.Config{Dir: inside})
	const refs = "/info/refs?service=git-upload-pack"
	for _, c := range []struct {
		method, path, contentType string
		want                      int
	}{
		{"GET", "/app.git" + refs, "", 200},
		{"GET", "/app" + refs, "", 200},
		{"GET", "/none" + refs, "", 404},
		{"GET", "/../outside.git" + refs, "", 404},
		{"GET", "/x/../../outside.git" + refs, "", 404},
		{"GET", "/" + refs, "", 404},
		{"GET", "/app.git/HEAD", "", 404},
		{"GET", "/app.git/info/refs", "", 403}, // the dumb protocol
		{"GET", "/app.git/info/refs?service=git-shell", "", 403},
		{"GET", "/app.git/git-upload-pack", "", 404},
		{"POST", "/app.git/git-upload-pack", "text/plain", 415},
	} {
		r := httptest.NewRequest(c.method, "http://example.com/", strings.NewReader("0000"))
		var query string
		r.URL.Path, query, _ = strings.Cut(c.path, "?")
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", c.contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.want)
		}
	}
	locked := gitserver.New(gitserver.Config{Dir: inside, Username: "ann", Password: "pass"})
	for _, auth := range [][2]string{{"", ""}, {"ann", ""}, {"ann", "other"}, {"bob", "pass"}} {
		r := httptest.NewRequest(http.MethodGet, "http://example.com/app.git"+refs, nil)
		r.SetBasicAuth(auth[0], auth[1])
		w := httptest.NewRecorder()
		locked.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized {
			t.Errorf("credentials %v: %d, want 401", auth, w.Code)
		}
	}
}
