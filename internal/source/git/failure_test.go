package git

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// counts is an observer that counts requests by kind.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) observe(_, kind string, _ time.Duration, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[kind]++
}

func (c *counts) of(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[kind]
}

func (c *counts) total() int { return c.of(KindFetch) + c.of(KindLsRemote) }

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// one makes a repository with one commit and returns the directory above it.
func one(t testing.TB) (dir string, repo *sourcetest.Repo, sha string) {
	t.Helper()
	dir = t.TempDir()
	repo = sourcetest.NewRepo(t, dir, "app")
	return dir, repo, repo.Commit("main", map[string]string{"a": "1"})
}

func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestRefusals(t *testing.T) {
	dir, _, _ := one(t)
	open := sourcetest.HTTP(t, gitserver.Config{Dir: dir})
	locked := sourcetest.HTTP(t, gitserver.Config{Dir: dir, Username: "ann", Password: "right-password"})
	tls, _ := sourcetest.HTTPS(t, gitserver.Config{Dir: dir})
	ssh := sourcetest.SSH(t, dir)
	status := func(code int) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) }))
		t.Cleanup(srv.Close)
		return srv.URL
	}
	nonsense := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html>hello \x1b[31m</html>")
	}))
	t.Cleanup(nonsense.Close)
	port := closedPort(t)
	for name, c := range map[string]struct {
		url   string
		creds Credentials
		kind  fault.Kind
		text  string
	}{
		"no password":       {locked + "/app.git", Credentials{}, fault.Denied, "none are configured"},
		"wrong password":    {locked + "/app.git", Credentials{Username: "ann", Password: "wrong-secret"}, fault.Denied, "refused the credentials"},
		"in the URL":        {strings.Replace(locked, "//", "//ann:url-secret@", 1) + "/app.git", Credentials{}, fault.Denied, "refused the credentials"},
		"wrong token":       {locked + "/app.git", Credentials{BearerToken: "token-secret"}, fault.Denied, ""},
		"line break":        {locked + "/app.git", Credentials{Password: "multi\nline-secret"}, fault.Invalid, "line break"},
		"unknown authority": {tls + "/app.git", Credentials{}, fault.Denied, "argocd-tls-certs-cm"},
		"no SSH key":        {ssh.URL + "/app.git", Credentials{KnownHosts: ssh.KnownHosts}, fault.Denied, "SSH key"},
		"wrong SSH key":     {ssh.URL + "/app.git", Credentials{KnownHosts: ssh.KnownHosts, SSHPrivateKey: sourcetest.NewKey(t)}, fault.Denied, "SSH key"},
		"malformed SSH key": {ssh.URL + "/app.git", Credentials{KnownHosts: ssh.KnownHosts, SSHPrivateKey: []byte("key-secret")}, fault.Denied, "SSH key"},
		"unknown SSH host":  {ssh.URL + "/app.git", Credentials{SSHPrivateKey: ssh.PrivateKey}, fault.Denied, "argocd-ssh-known-hosts-cm"},
		"closed port":       {"http://" + port + "/app.git", Credentials{}, fault.Transient, "refuses connections"},
		"closed SSH port":   {"ssh://git@" + port + "/app.git", Credentials{KnownHosts: ssh.KnownHosts}, fault.Transient, "refuses connections"},
		"unknown host":      {"http://host.invalid/app.git", Credentials{}, fault.Transient, "does not resolve"},
		"forbidden":         {status(403) + "/app.git", Credentials{}, fault.Denied, "403"},
		"overloaded":        {status(503) + "/app.git", Credentials{}, fault.Transient, "503"},
		"rate limit":        {status(429) + "/app.git", Credentials{}, fault.Transient, "429"},
		"not git":           {nonsense.URL + "/app.git", Credentials{}, fault.NotFound, ""},
		"wrong proxy":       {open + "/app.git", Credentials{Proxy: "http://user:proxy-secret@" + port}, fault.Transient, "refuses connections"},
		"unknown scheme":    {"ext::sh -c id", Credentials{}, fault.Invalid, "space"},
		"ext":               {"ext::sh", Credentials{}, fault.Invalid, "user@host:path"},
		"ftp":               {"ftp://example.com/x", Credentials{}, fault.Invalid, "unsupported scheme"},
		"option":            {"--upload-pack=id", Credentials{}, fault.Invalid, "dash"},
		"option as host":    {"ssh://-oProxyCommand=id/x", Credentials{}, fault.Invalid, "dash"},
		"option as scp":     {"-oProxyCommand=id:x", Credentials{}, fault.Invalid, "dash"},
		"empty":             {"", Credentials{}, fault.Invalid, "empty"},
		"no path":           {"https://example.com", Credentials{}, fault.Invalid, "path"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			s := newSource(t, func(cfg *Config) {
				cfg.Credentials, cfg.Log = fixed(c.creds), slog.New(slog.NewTextHandler(&log, nil))
			})
			_, err := s.Resolve(context.Background(), source.Request{RepoURL: c.url}, source.Cached)
			if !fault.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("Resolve: %v (%v); want %v with %q", err, fault.KindOf(err), c.kind, c.text)
			}
			if said := fmt.Sprintf("%v %+v %s", err, err, log.String()); strings.Contains(said, "secret") || strings.ContainsAny(fmt.Sprint(err), "\n\x1b") {
				t.Errorf("a secret or a control character is told: %q", said)
			}
			left, readErr := os.ReadDir(filepath.Join(s.cfg.CacheDir, "tmp"))
			if readErr != nil || len(left) > 0 {
				t.Errorf("files with credentials stay behind: %v, %v", left, readErr)
			}
		})
	}
}

func TestLocalRepositoriesAreOptIn(t *testing.T) {
	_, repo, _ := one(t)
	s := newSource(t, func(c *Config) { c.AllowFile = false })
	for _, url := range []string{repo.Dir, "file://" + repo.Dir} {
		if _, err := s.Resolve(context.Background(), source.Request{RepoURL: url}, source.Cached); !fault.Is(err, fault.Denied) {
			t.Errorf("Resolve(%s): %v; want Denied", url, err)
		}
	}
	s = newSource(t, nil)
	if _, err := s.Resolve(context.Background(), source.Request{RepoURL: s.cfg.CacheDir + "/x/../y.git"}, source.Cached); !fault.Is(err, fault.Denied) {
		t.Errorf("Resolve in the cache: %v; want Denied", err)
	}
}

// hanging is a server that takes requests and never answers.
func hanging(t *testing.T) (url string, asked <-chan struct{}) {
	t.Helper()
	requests := make(chan struct{}, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requests <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/app.git", requests
}

func TestSlowServerEndsByTimeout(t *testing.T) {
	url, _ := hanging(t)
	s := newSource(t, func(c *Config) { c.ListTimeout = 200 * time.Millisecond })
	_, err := s.Resolve(context.Background(), source.Request{RepoURL: url}, source.Cached)
	if !fault.Is(err, fault.Transient) || !strings.Contains(err.Error(), "no answer within 200ms") {
		t.Errorf("Resolve: %v; want Transient after the timeout", err)
	}
}

func TestCancelEndsTheProcesses(t *testing.T) {
	url, asked := hanging(t)
	pids := filepath.Join(t.TempDir(), "pids")
	s := newSource(t, func(c *Config) {
		c.Git = script(t, fmt.Sprintf("echo $$ >> %s\nexec git \"$@\"\n", pids))
	})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2 { // the process goes when the last one who waits for it goes
		wg.Go(func() {
			_, err := s.Resolve(ctx, source.Request{RepoURL: url}, source.Cached)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Resolve: %v; want the context's error", err)
			}
		})
	}
	<-asked
	cancel()
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for pid := range strings.FieldsSeq(string(data)) {
		group, err := filepath.Glob("/proc/" + pid + "/task")
		if err != nil || len(group) > 0 {
			t.Errorf("process %s is still there", pid)
		}
	}
	// A cancelled attempt says nothing about the remote, so it is not remembered.
	if r, err := s.repo(url, ""); err != nil || r.failed.err != nil {
		t.Errorf("remembered %v, %v", r.failed.err, err)
	}
}

// script writes a shell script that stands in for the git program.
func script(t testing.TB, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "git")
	if err := os.WriteFile(p, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDeadRemoteCostsFewProcesses(t *testing.T) {
	var n counts
	now := newClock()
	s := newSource(t, func(c *Config) { c.Observe, c.Now = n.observe, now.Now })
	req := source.Request{RepoURL: "http://" + closedPort(t) + "/app.git"}
	ask := func(fresh source.Freshness) {
		t.Helper()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := s.Resolve(context.Background(), req, fresh); !fault.Is(err, fault.Transient) {
					t.Errorf("Resolve: %v", err)
				}
			})
		}
		wg.Wait()
		if _, err := s.Snapshot(context.Background(), req, source.Revision(strings.Repeat("a", 40))); !fault.Is(err, fault.Transient) {
			t.Errorf("Snapshot: %v", err)
		}
	}
	for step, want := range []int{1, 2, 2, 3, 3, 3, 3, 4} { // asked after 0, 1, 3 and 7 s
		ask(source.Cached)
		if got := n.total(); got != want {
			t.Fatalf("after %d s: %d requests, want %d", step, got, want)
		}
		now.advance(time.Second)
	}
	ask(source.Fresh) // who asks for news gets a new answer, but not one each
	if got := n.total(); got > 6 {
		t.Errorf("%d requests after Fresh ones, want at most 2 more", got)
	}
}

func TestNewCredentialsEndTheBackoff(t *testing.T) {
	dir, _, sha := one(t)
	store := &changing{creds: Credentials{Username: "ann", Password: "old"}}
	s := newSource(t, func(c *Config) { c.Credentials, c.Now = store, newClock().Now })
	req := source.Request{RepoURL: sourcetest.HTTP(t, gitserver.Config{Dir: dir, Username: "ann", Password: "new"}) + "/app.git"}
	if _, err := s.Resolve(context.Background(), req, source.Cached); !fault.Is(err, fault.Denied) {
		t.Fatalf("Resolve: %v", err)
	}
	store.set(Credentials{Username: "ann", Password: "new"})
	if got, err := s.Resolve(context.Background(), req, source.Cached); err != nil || string(got) != sha {
		t.Errorf("Resolve with new credentials at the same moment = %s, %v", got, err)
	}
}

type changing struct {
	mu    sync.Mutex
	creds Credentials
}

func (c *changing) Credentials(string, string) (Credentials, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.creds, nil
}

func (c *changing) set(creds Credentials) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.creds = creds
}

func TestRedirect(t *testing.T) {
	dir, _, sha := one(t)
	handler := gitserver.New(gitserver.Config{Dir: dir, Username: "ann", Password: "pass"})
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("/old/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.TrimPrefix(r.URL.RequestURI(), "/old"), http.StatusMovedPermanently)
	})
	var leaked []string
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); a != "" {
			leaked = append(leaked, a)
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(thief.Close)
	mux.HandleFunc("/elsewhere/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL+r.URL.RequestURI(), http.StatusFound)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	s := newSource(t, func(c *Config) { c.Credentials = fixed(Credentials{Username: "ann", Password: "pass"}) })
	ctx := context.Background()
	req := source.Request{RepoURL: srv.URL + "/old/app.git"}
	if got, err := s.Resolve(ctx, req, source.Cached); err != nil || string(got) != sha {
		t.Errorf("Resolve behind a redirect = %s, %v", got, err)
	}
	if _, err := s.Snapshot(ctx, req, source.Revision(sha)); err != nil {
		t.Error(err)
	}
	if _, err := s.Resolve(ctx, source.Request{RepoURL: srv.URL + "/elsewhere/app.git"}, source.Cached); !fault.Is(err, fault.Denied) {
		t.Errorf("Resolve behind a redirect to another host: %v; want Denied", err)
	}
	if len(leaked) > 0 {
		t.Errorf("the password was sent to another host: %v", leaked)
	}
}

func TestNothingSecretOnTheCommandLine(t *testing.T) {
	dir, _, sha := one(t)
	seen := filepath.Join(t.TempDir(), "argv")
	s := newSource(t, func(c *Config) {
		c.Git = script(t, fmt.Sprintf("echo \"$@\" >> %s\nexec git \"$@\"\n", seen))
		c.Credentials = fixed(Credentials{Username: "ann", Password: "p4ssw0rd"})
	})
	url := sourcetest.HTTP(t, gitserver.Config{Dir: dir, Username: "ann", Password: "p4ssw0rd"})
	req := source.Request{RepoURL: strings.Replace(url, "//", "//other:0ther@", 1) + "/app.git"}
	if _, err := s.Snapshot(context.Background(), req, source.Revision(sha)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), "fetch") || strings.Contains(string(data), "p4ss") || strings.Contains(string(data), "0ther") {
		t.Errorf("command lines:\n%s", data)
	}
	config, err := filepath.Glob(filepath.Join(s.cfg.CacheDir, "*.git", "config"))
	if err != nil || len(config) != 1 {
		t.Fatalf("config files: %v, %v", config, err)
	}
	if data, err := os.ReadFile(config[0]); err != nil || strings.Contains(string(data), "p4ss") || strings.Contains(string(data), "0ther") {
		t.Errorf("configuration of the mirror: %s, %v", data, err)
	}
	if said := fmt.Sprintf("%v %+v %#v %s", &Credentials{Password: "p4ss"}, Credentials{Password: "p4ss"}, Credentials{Password: "p4ss"}, Credentials{Password: "p4ss"}); strings.Contains(said, "p4ss") {
		t.Errorf("printed credentials: %s", said)
	}
}
