package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/sandbox"
	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/server/rest"
	"github.com/belaycd/belay/internal/server/servertest"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard()) // or controller-runtime complains after 30 seconds
	os.Exit(sandbox.Main(m))
}

const patience = servertest.Patience

// bench is a namespace of a real cluster, the service layer over it, and an HTTP server in front.
type bench struct {
	*servertest.Cluster
	t        *testing.T
	server   *server.Server
	sessions *sessions
	engine   *engine
	handler  *rest.Handler
	url      string
	log      *lockedBuffer
}

func newBench(t *testing.T, change ...func(*bench, *rest.Options)) *bench {
	t.Helper()
	b := &bench{Cluster: servertest.New(t), t: t, log: &lockedBuffer{}}
	b.engine = &engine{client: b.Client, kube: b.Kube}
	b.sessions = &sessions{tokens: map[string]string{}}
	log := logger(b.log)
	b.server = server.New(server.Options{
		Client: b.Client, Reader: b.Client, Namespace: b.Namespace, Engine: b.engine, Access: roles{}, Sessions: b.sessions, Passwords: b.sessions, Now: time.Now, Log: log,
		Build: server.VersionMessage{Version: "test"},
	})
	o := rest.Options{Server: b.server, Log: log, Beat: 50 * time.Millisecond}
	for _, f := range change {
		f(b, &o)
	}
	var err error
	if b.handler, err = rest.New(o); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = rest.NewServer(b.handler)
	srv.Start()
	t.Cleanup(func() { b.handler.Drain(); srv.Close() })
	b.url = srv.URL
	return b
}

func logger(to io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// reply is an answer over HTTP.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// as sends a request with the token of a user; body is sent as JSON.
func (b *bench) as(user, method, path string, body any) reply {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	r := b.request(ctx, user, method, path, body)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatalf("%s %s: %v", method, path, err)
	}
	return reply{resp.StatusCode, resp.Header, data}
}

func (b *bench) request(ctx context.Context, user, method, path string, body any) *http.Request {
	b.t.Helper()
	var in io.Reader
	switch v := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(v)
	default:
		data, err := json.Marshal(v)
		if err != nil {
			b.t.Fatal(err)
		}
		in = bytes.NewReader(data)
	}
	r, err := http.NewRequestWithContext(ctx, method, b.url+path, in)
	if err != nil {
		b.t.Fatal(err)
	}
	if user != "" {
		r.Header.Set("Authorization", "Bearer "+b.sessions.token(user))
	}
	return r
}

func (r reply) is(t *testing.T, status int) reply {
	t.Helper()
	if r.status != status {
		t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	return r
}

func (r reply) into(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
}

// roles are callers by name: admin may do all, reader may get all, dev may get and sync what is in project dev.
type roles struct{}

func (roles) Allows(c server.Caller, resource, action, object string) bool {
	switch c.Name {
	case "admin":
		return true
	case "reader":
		return action == "get"
	case "proj:dev:deployer":
		inProject := object == "dev" || strings.HasPrefix(object, "dev/")
		return inProject && (action == "get" || action == "sync")
	}
	return false
}

// sessions are tokens in memory.
type sessions struct {
	mu        sync.Mutex
	tokens    map[string]string
	anonymous bool
}

func (s *sessions) token(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := "token-of-" + user
	s.tokens[token] = user
	return token
}

func (s *sessions) Login(_ context.Context, name, password, _ string) (server.Token, error) {
	if name != "admin" || password != "correct horse" {
		return server.Token{}, fault.New(fault.Unauthenticated, "invalid username or password")
	}
	return server.Token{Value: s.token(name), Expires: time.Now().Add(time.Hour)}, nil
}

func (s *sessions) CheckPassword(_ context.Context, _, password, _ string) error {
	if password != "correct horse" {
		return fault.New(fault.Denied, "invalid username or password")
	}
	return nil
}

func (s *sessions) ChangePassword(_ context.Context, name, password string) error {
	if name == "" || password == "" {
		return fault.New(fault.Invalid, "no name or password")
	}
	return nil
}

func (s *sessions) Verify(_ context.Context, token string) (server.Caller, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, ok := s.tokens[token]
	if !ok {
		return server.Caller{}, fault.New(fault.Unauthenticated, "invalid session")
	}
	return server.Caller{Name: user, Issuer: "argocd"}, nil
}

func (s *sessions) Revoke(_ context.Context, token string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, token)
	return nil
}

func (s *sessions) Anonymous() (server.Caller, bool) { return server.Caller{}, s.anonymous }

// lockedBuffer is a log that a test reads while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
