package pipeline

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const example = "../../examples/callcenter"

// program returns the path of belay: that of $BELAY_BIN, else one that is built from this checkout.
func program(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("BELAY_BIN"); path != "" {
		return path
	}
	path, err := filepath.Abs("../../bin/e2e/belay")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", path, "github.com/belaycd/belay/cmd/belay").CombinedOutput(); err != nil {
		t.Fatalf("build belay: %v\n%s", err, out)
	}
	return path
}

// clone makes the example a repository with a branch main and a change that is checked out, as a host leaves it to a pipeline.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	upstream, work := filepath.Join(dir, "upstream"), filepath.Join(dir, "work")
	if err := os.CopyFS(upstream, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	git := func(dir string, args ...string) {
		t.Helper()
		args = append([]string{"-C", dir, "-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"}, args...)
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	git(upstream, "init", "--quiet")
	git(upstream, "add", ".")
	git(upstream, "commit", "--quiet", "-m", "feat: the platform")
	git(dir, "clone", "--quiet", upstream, work)
	git(work, "checkout", "--quiet", "-b", "topic")
	replace(t, filepath.Join(work, "infrastructure/k8s/overlays/dev/kustomization.yaml"), "newTag: v1.1.0", "newTag: latest")
	replace(t, filepath.Join(work, "infrastructure/k8s/overlays/dev/kustomization.yaml"), "count: 1", "count: 0")
	git(work, "commit", "--quiet", "-a", "-m", "feat: whatever is new")
	return work
}

// replace replaces the first occurrence of a text in a file.
func replace(t *testing.T, file, from, to string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(data, []byte(from)) {
		t.Fatalf("%s has no %q: %v", file, from, err)
	}
	if err := os.WriteFile(file, bytes.Replace(data, []byte(from), []byte(to), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// shell runs a script with nothing in its environment but env.
func shell(t *testing.T, dir, script string, env map[string]string) (out string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-e", "-c", script)
	cmd.Dir = dir
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	data, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(data), cmd.ProcessState.ExitCode()
}

// host is the API of a Git host, as far as the pipelines use it.
type host struct {
	*httptest.Server
	mu       sync.Mutex
	comments []map[string]any
	uploads  []map[string]any
	requests []string
}

const token = "token-of-the-test"

// serve starts a host that has the program too. authorised reports whether a request carries the token as the host wants it.
func serve(t *testing.T, authorised func(http.Header) bool) *host {
	t.Helper()
	h := &host{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /belay", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, program(t)) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.requests = append(h.requests, r.Method+" "+r.URL.Path)
		if !authorised(r.Header) {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		h.answer(w, r)
	})
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

func (h *host) answer(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	switch path := r.URL.Path; {
	case r.Method == http.MethodGet && (strings.HasSuffix(path, "/issues/7/comments") || strings.HasSuffix(path, "/merge_requests/7/notes")):
		_ = json.NewEncoder(w).Encode(h.comments)
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/code-scanning/sarifs"):
		h.uploads = append(h.uploads, body)
		w.WriteHeader(http.StatusAccepted)
	case r.Method == http.MethodPost && (strings.HasSuffix(path, "/issues/7/comments") || strings.HasSuffix(path, "/merge_requests/7/notes")):
		h.comment("Bot", fmt.Sprint(body["body"]))
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodPatch || r.Method == http.MethodPut:
		for _, c := range h.comments {
			if strings.HasSuffix(path, fmt.Sprint("/", c["id"])) {
				c["body"] = body["body"]
				return
			}
		}
		http.NotFound(w, r)
	default:
		http.NotFound(w, r)
	}
}

// comment adds a comment. It is called with the lock held, or before anybody asks.
func (h *host) comment(by, body string) {
	id := len(h.comments) + 1
	url := ""
	if h.Server != nil {
		url = fmt.Sprintf("%s/api/repos/acme/callcenter/issues/comments/%d", h.URL, id)
	}
	h.comments = append(h.comments, map[string]any{"id": id, "url": url, "user": map[string]any{"type": by}, "body": body})
}

// told holds the comments against what they must have: one by the pipeline, which has the preview, and the others as they were.
func (h *host) told(t *testing.T, others int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.comments) != others+1 {
		t.Fatalf("%d comments, want %d: %v", len(h.comments), others+1, h.requests)
	}
	body := fmt.Sprint(h.comments[others]["body"])
	for _, want := range []string{"<!-- belay-preview -->\n", "callcenter-ai-dev", "agent-service would be scaled from 1 replicas to none", "agent-service:latest", "### GitOps preview"} {
		if !strings.Contains(body, want) {
			t.Errorf("the comment does not have %q:\n%s", want, body)
		}
	}
}

// sarif unpacks an upload.
func sarif(t *testing.T, text string) map[string]any {
	t.Helper()
	zipped, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(zipped))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func sum(t *testing.T, file string) string {
	t.Helper()
	out, err := exec.Command("sha256sum", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))[0]
}
