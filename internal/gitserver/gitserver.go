// Package gitserver serves bare repositories: a directory of them goes in; an http.Handler that git can clone, fetch and
// push through comes out. The demo and the tests use it; it is no forge.
package gitserver

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxBody bounds what a client may send in one request.
const maxBody = 1 << 30

// Config says what is served and to whom.
type Config struct {
	// Dir holds bare repositories, at any depth. A URL path with or without ".git" finds them.
	Dir string
	// Username and Password, if either is set, are asked for by HTTP basic authentication.
	Username, Password string
	// PostReceive, if set, is called after a push that reached repo, the path below Dir without ".git". The client is
	// answered first.
	PostReceive func(repo string)
	// Git is the git program; empty means the one on PATH.
	Git string
	// Env is added to git's environment, for example PATH.
	Env []string
	// Log, if set, is told of requests that failed on the server's side.
	Log *slog.Logger
}

// Handler speaks git's smart HTTP protocol, versions 0 to 2.
type Handler struct{ cfg Config }

// New returns the handler.
func New(cfg Config) *Handler {
	if cfg.Git == "" {
		cfg.Git = "git"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Handler{cfg: cfg}
}

// ServeHTTP implements http.Handler for the three requests that git makes.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.allowed(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "credentials are required", http.StatusUnauthorized)
		return
	}
	path, action := splitPath(r.URL.Path)
	name, dir, ok := h.find(path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
	switch {
	case action == "info/refs" && r.Method == http.MethodGet:
		h.advertise(w, r, dir)
	case (action == "git-upload-pack" || action == "git-receive-pack") && r.Method == http.MethodPost:
		h.serve(w, r, call{service: action, repo: name, dir: dir})
	default:
		http.NotFound(w, r)
	}
}

func (h *Handler) allowed(r *http.Request) bool {
	if h.cfg.Username == "" && h.cfg.Password == "" {
		return true
	}
	user, password, ok := r.BasicAuth()
	// Digests have one length, so the comparison tells nothing about that of the secret either.
	u, p := sha256.Sum256([]byte(user)), sha256.Sum256([]byte(password))
	wantU, wantP := sha256.Sum256([]byte(h.cfg.Username)), sha256.Sum256([]byte(h.cfg.Password))
	return subtle.ConstantTimeCompare(u[:], wantU[:])&subtle.ConstantTimeCompare(p[:], wantP[:]) == 1 && ok
}

// splitPath takes the repository and the request of git apart.
func splitPath(p string) (repo, action string) {
	for _, a := range []string{"info/refs", "git-upload-pack", "git-receive-pack"} {
		if repo, ok := strings.CutSuffix(p, "/"+a); ok {
			return repo, a
		}
	}
	return p, ""
}

// find returns the repository at a URL path. Paths that could lead out of the directory are not found.
func (h *Handler) find(p string) (name, dir string, ok bool) {
	name = strings.TrimSuffix(strings.Trim(p, "/"), ".git")
	if !filepath.IsLocal(name) || strings.Contains(name, `\`) {
		return "", "", false
	}
	for _, candidate := range []string{name + ".git", name} {
		dir := filepath.Join(h.cfg.Dir, candidate)
		if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
			return name, dir, true
		}
	}
	return "", "", false
}

// call is one run of git for a client.
type call struct {
	service   string
	repo, dir string
}

// advertise answers which refs there are, or in version 2 of the protocol what the server can do.
func (h *Handler) advertise(w http.ResponseWriter, r *http.Request, dir string) {
	service := r.URL.Query().Get("service")
	if service != "git-upload-pack" && service != "git-receive-pack" {
		http.Error(w, "only the smart protocol is served", http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/x-"+service+"-advertisement")
	if service == "git-receive-pack" || !strings.Contains(r.Header.Get("Git-Protocol"), "version=2") {
		line := "# service=" + service + "\n"
		fmt.Fprintf(w, "%04x%s0000", len(line)+4, line)
	}
	cmd, stderr := h.command(r, service, "--stateless-rpc", "--advertise-refs", dir)
	cmd.Stdout = w
	if err := cmd.Run(); err != nil {
		h.cfg.Log.Warn("git server", "service", service, "dir", dir, "error", err, "stderr", stderr.String())
		panic(http.ErrAbortHandler) // the answer has begun, so only breaking it off tells the client
	}
}

// serve passes one request through git and reports a push.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, c call) {
	if got, want := r.Header.Get("Content-Type"), "application/x-"+c.service+"-request"; got != want {
		http.Error(w, "content type must be "+want, http.StatusUnsupportedMediaType)
		return
	}
	body := io.Reader(http.MaxBytesReader(w, r.Body, maxBody))
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, "body is not gzip", http.StatusBadRequest)
			return
		}
		body = io.LimitReader(unzipped, maxBody)
	}
	counted := &counter{r: body}
	w.Header().Set("Content-Type", "application/x-"+c.service+"-result")
	cmd, stderr := h.command(r, c.service, "--stateless-rpc", c.dir)
	cmd.Stdin, cmd.Stdout = counted, flusher{w}
	err := cmd.Run()
	if err != nil && r.Context().Err() == nil {
		h.cfg.Log.Warn("git server", "service", c.service, "repo", c.repo, "error", err, "stderr", stderr.String())
	}
	// Before a large push git asks with an empty one whether it may; that is no push.
	if err == nil && c.service == "git-receive-pack" && counted.n > 4 && h.cfg.PostReceive != nil {
		_ = http.NewResponseController(w).Flush() // not every writer can; then the client waits for the callback
		h.cfg.PostReceive(c.repo)
	}
}

// command prepares git with an environment that only says what is needed, ended with its children when the client goes.
func (h *Handler) command(r *http.Request, service string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	ctx := r.Context()
	if service == "git-receive-pack" {
		// A push that has begun is carried out; a download that nobody waits for is not.
		ctx = context.WithoutCancel(ctx)
	}
	//nolint:gosec // service is one of two constants, and the last argument a directory that exists below Dir
	cmd := exec.CommandContext(ctx, h.cfg.Git, append([]string{strings.TrimPrefix(service, "git-")}, args...)...)
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, h.cfg.Env...)
	cmd.Env = append(cmd.Env, "HOME=/nonexistent", "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_CONFIG_COUNT=4", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		"GIT_CONFIG_KEY_1=core.hooksPath", "GIT_CONFIG_VALUE_1=/dev/null",
		"GIT_CONFIG_KEY_2=gc.auto", "GIT_CONFIG_VALUE_2=0",
		"GIT_CONFIG_KEY_3=uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_3=true")
	if p := r.Header.Get("Git-Protocol"); p != "" && len(p) < 100 {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+p)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	stderr := &bytes.Buffer{}
	cmd.Stderr = stderr
	return cmd, stderr
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// flusher sends what git has written at once: it is waiting for an answer to it.
type flusher struct{ w http.ResponseWriter }

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	_ = http.NewResponseController(f.w).Flush() // not every writer can; then it is sent at the end
	return n, err
}
