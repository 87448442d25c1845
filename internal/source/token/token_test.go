package token

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/remote"
)

// host speaks what GitHub, Google and Entra ID speak where tokens are issued, and checks what it is told.
type host struct {
	*httptest.Server
	key     *rsa.PrivateKey
	pem     string
	issued  atomic.Int64
	lasts   time.Duration
	refuse  int    // status to answer with
	says    string // the answer then
	trusted Reach
	now     func() time.Time
}

func newHost(t *testing.T) *host {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{key: key, lasts: time.Hour, now: time.Now, pem: string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v3/repos/acme/shop/installation", func(w http.ResponseWriter, r *http.Request) {
		if h.app(w, r) {
			fmt.Fprint(w, `{"id": 77}`)
		}
	})
	mux.HandleFunc("POST /api/v3/app/installations/77/access_tokens", func(w http.ResponseWriter, r *http.Request) {
		if h.app(w, r) {
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"token": "ghs_%d", "expires_at": %q}`, h.issued.Add(1), h.now().Add(h.lasts).UTC().Format(time.RFC3339))
		}
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		var claims struct {
			jwt.RegisteredClaims
			Scope string `json:"scope"`
		}
		_, err := jwt.ParseWithClaims(r.FormValue("assertion"), &claims, func(*jwt.Token) (any, error) { return &h.key.PublicKey, nil }, jwt.WithAudience(h.URL+"/token"))
		if err != nil || claims.Issuer != "reader@acme.example.com" || claims.Scope != "https://www.googleapis.com/auth/cloud-platform" {
			h.answer(w, http.StatusBadRequest, `{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}`)
			return
		}
		h.oauth(w, "google")
	})
	mux.HandleFunc("POST /tenant/oauth2/v2.0/token", func(w http.ResponseWriter, r *http.Request) {
		who := r.FormValue("client_id") + " " + r.FormValue("client_secret") + " " + r.FormValue("client_assertion")
		known := who == "client canary " || who == "client  canary-assertion" && r.FormValue("client_assertion_type") == azureAssertion
		if !known || r.FormValue("scope") != azureDevOps || r.FormValue("grant_type") != "client_credentials" {
			h.answer(w, http.StatusUnauthorized, `{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}`)
			return
		}
		h.oauth(w, "azure")
	})
	h.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.refuse != 0 {
			h.answer(w, h.refuse, h.says)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(h.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})
	h.trusted = func(string) remote.Access { return remote.Access{CA: ca} }
	return h
}

// app checks the token by which an app of GitHub shows who it is, as GitHub does.
func (h *host) app(w http.ResponseWriter, r *http.Request) bool {
	claims := jwt.RegisteredClaims{}
	_, err := jwt.ParseWithClaims(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), &claims, func(*jwt.Token) (any, error) { return &h.key.PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(h.now), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
	if err != nil || claims.Issuer != "4711" || claims.ExpiresAt.Sub(claims.IssuedAt.Time) > 10*time.Minute {
		h.answer(w, http.StatusUnauthorized, `{"message": "A JSON web token could not be decoded"}`)
		return false
	}
	return true
}

func (h *host) answer(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprint(w, text)
}

func (h *host) oauth(w http.ResponseWriter, prefix string) {
	h.answer(w, http.StatusOK, fmt.Sprintf(`{"access_token": "%s_%d", "token_type": "Bearer", "expires_in": %d}`, prefix, h.issued.Add(1), int(h.lasts.Seconds())))
}

func (h *host) gitHub(a GitHubApp) GitHubApp {
	if a.ID == 0 {
		a.ID = 4711
	}
	if a.PrivateKey == "" {
		a.PrivateKey = h.pem
	}
	if a.BaseURL == "" {
		a.BaseURL = h.URL + "/api/v3/"
	}
	return a
}

func (h *host) google(t *testing.T, key string) Google {
	t.Helper()
	data, err := json.Marshal(map[string]string{"type": "service_account", "client_email": "reader@acme.example.com", "private_key_id": "k", "private_key": key, "token_uri": h.URL + "/token"})
	if err != nil {
		t.Fatal(err)
	}
	return Google{Key: string(data)}
}

func TestLogin(t *testing.T) {
	h := newHost(t)
	assertion := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(assertion, []byte("canary-assertion\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pod := []string{"AZURE_FEDERATED_TOKEN_FILE=" + assertion, "AZURE_CLIENT_ID=client", "AZURE_TENANT_ID=tenant", "AZURE_AUTHORITY_HOST=" + h.URL + "/"}
	for name, c := range map[string]struct {
		open func(*Store) *Login
		want string
	}{
		"github": {func(s *Store) *Login { return s.GitHubApp(h.gitHub(GitHubApp{InstallationID: 77}), h.trusted) }, "x-access-token ghs_1 "},
		"github, the installation of a repository": {func(s *Store) *Login {
			return s.GitHubApp(h.gitHub(GitHubApp{Repository: "https://ghe.example.com/acme/shop.git"}), h.trusted)
		}, "x-access-token ghs_1 "},
		"google": {func(s *Store) *Login { return s.Google(h.google(t, h.pem), h.trusted) }, "reader@acme.example.com google_1 "},
		"azure": {func(s *Store) *Login {
			return s.Azure(Azure{ClientID: "client", TenantID: "tenant", ClientSecret: "canary", Endpoint: h.URL}, h.trusted)
		}, "  azure_1"},
		"azure, the identity of the pod": {func(s *Store) *Login { return s.Azure(Azure{WorkloadIdentity: true}, h.trusted) }, "  azure_1"},
	} {
		t.Run(name, func(t *testing.T) {
			h.issued.Store(0)
			now := time.Now()
			h.now = func() time.Time { return now }
			defer func() { h.now = time.Now }()
			s := NewStore(h.now, pod)
			get := func() string {
				t.Helper()
				user, password, bearer, err := c.open(s).Obtain(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return user + " " + password + " " + bearer
			}
			if got := get(); got != c.want {
				t.Errorf("login %q, want %q", got, c.want)
			}
			var side sync.WaitGroup
			for range 8 {
				side.Go(func() { _ = get() })
			}
			side.Wait()
			now = now.Add(50 * time.Minute)
			if got := get(); got != c.want || h.issued.Load() != 1 {
				t.Errorf("50 minutes later: %q, %d tokens issued; want the same one", got, h.issued.Load())
			}
			now = now.Add(6 * time.Minute) // four are left
			if get() == c.want || h.issued.Load() != 2 {
				t.Errorf("a token that ends soon is used on: %d issued", h.issued.Load())
			}
			now = time.Now()
			if c.open(s).Forget() {
				t.Error("another token may help, when a new one was refused")
			}
			if get(); h.issued.Load() != 3 {
				t.Error("a token that was refused is used on")
			}
			if get(); !c.open(s).Forget() {
				t.Error("no other token may help, when one was refused that had served before")
			}
		})
	}
}

// TestSharedTurn asks from many sides at once while nothing is known yet: the server is asked once.
func TestSharedTurn(t *testing.T) {
	h := newHost(t)
	s := NewStore(time.Now, nil)
	var side sync.WaitGroup
	for range 16 {
		side.Go(func() {
			l := s.GitHubApp(h.gitHub(GitHubApp{InstallationID: 77, Repository: "https://ghe.example.com/acme/shop"}), h.trusted)
			if _, _, _, err := l.Obtain(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	side.Wait()
	if n := h.issued.Load(); n != 1 {
		t.Errorf("%d tokens issued for 16 who asked at once", n)
	}
}

func TestRefusals(t *testing.T) {
	h := newHost(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	wrong := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(other)}))
	nobody := func(string) remote.Access { return remote.Access{} }
	app := GitHubApp{InstallationID: 77}
	for name, c := range map[string]struct {
		open   func(*Store) *Login
		refuse int
		says   string
		kind   fault.Kind
		text   string
	}{
		"another key": {func(s *Store) *Login {
			return s.GitHubApp(h.gitHub(GitHubApp{InstallationID: 77, PrivateKey: wrong}), h.trusted)
		}, 0, "", fault.Denied, "401 Unauthorized: A JSON web token could not be decoded"},
		"another app": {func(s *Store) *Login {
			return s.GitHubApp(h.gitHub(GitHubApp{ID: 4712, InstallationID: 77}), h.trusted)
		}, 0, "", fault.Denied, "GitHub App 4712"},
		"no key": {func(s *Store) *Login {
			return s.GitHubApp(h.gitHub(GitHubApp{InstallationID: 77, PrivateKey: "canary"}), h.trusted)
		}, 0, "", fault.Invalid, "githubAppPrivateKey is no RSA key in PEM"},
		"no app": {func(s *Store) *Login {
			return s.GitHubApp(GitHubApp{PrivateKey: h.pem, BaseURL: h.URL}, h.trusted)
		}, 0, "", fault.Invalid, "githubAppID is missing"},
		"another installation": {func(s *Store) *Login { return s.GitHubApp(h.gitHub(GitHubApp{InstallationID: 78}), h.trusted) }, 0, "", fault.Denied, "installation 78 of GitHub App 4711"},
		"no installation": {func(s *Store) *Login {
			return s.GitHubApp(h.gitHub(GitHubApp{Repository: "https://ghe.example.com/acme"}), h.trusted)
		}, 0, "", fault.Invalid, "githubAppInstallationID is missing"},
		"in the clear": {func(s *Store) *Login {
			return s.GitHubApp(h.gitHub(GitHubApp{InstallationID: 77, BaseURL: "http://ghe.example.com/api/v3"}), h.trusted)
		}, 0, "", fault.Invalid, "githubAppEnterpriseBaseUrl is no https address"},
		"not trusted":         {func(s *Store) *Login { return s.GitHubApp(h.gitHub(app), nobody) }, 0, "", fault.Transient, "certificate"},
		"suspended":           {func(s *Store) *Login { return s.GitHubApp(h.gitHub(app), h.trusted) }, 403, `{"message": "This installation has been suspended"}`, fault.Denied, "has been suspended"},
		"overloaded":          {func(s *Store) *Login { return s.GitHubApp(h.gitHub(app), h.trusted) }, 503, "<html>", fault.Transient, "503"},
		"a page":              {func(s *Store) *Login { return s.GitHubApp(h.gitHub(app), h.trusted) }, 200, "<html>", fault.Transient, "not of GitHub's API"},
		"no token":            {func(s *Store) *Login { return s.GitHubApp(h.gitHub(app), h.trusted) }, 201, "{}", fault.Transient, "without a token"},
		"a long refusal":      {func(s *Store) *Login { return s.GitHubApp(h.gitHub(app), h.trusted) }, 403, `{"message": "` + strings.Repeat("x\\n", 5000) + `"}`, fault.Denied, "..."},
		"google: another key": {func(s *Store) *Login { return s.Google(h.google(t, wrong), h.trusted) }, 0, "", fault.Denied, "invalid_grant Invalid JWT Signature."},
		"google: no key":      {func(s *Store) *Login { return s.Google(Google{Key: "canary"}, h.trusted) }, 0, "", fault.Invalid, "gcpServiceAccountKey"},
		"google: broken key":  {func(s *Store) *Login { return s.Google(h.google(t, "canary"), h.trusted) }, 0, "", fault.Invalid, "key cannot be used"},
		"azure: another secret": {func(s *Store) *Login {
			return s.Azure(Azure{ClientID: "client", TenantID: "tenant", ClientSecret: "canary-2", Endpoint: h.URL}, h.trusted)
		}, 0, "", fault.Denied, "AADSTS7000215"},
		"azure: no tenant": {func(s *Store) *Login {
			return s.Azure(Azure{ClientID: "client", ClientSecret: "canary"}, h.trusted)
		}, 0, "", fault.Invalid, "tenant id"},
		"azure: not a workload of it": {func(s *Store) *Login { return s.Azure(Azure{WorkloadIdentity: true}, h.trusted) }, 0, "", fault.Invalid, "AZURE_FEDERATED_TOKEN_FILE"},
		"azure: no end": {func(s *Store) *Login {
			return s.Azure(Azure{ClientID: "client", TenantID: "tenant", ClientSecret: "canary", Endpoint: h.URL}, h.trusted)
		}, 200, `{"access_token": "canary", "token_type": "Bearer"}`, fault.Transient, "when it ends"},
		"azure: a page": {func(s *Store) *Login {
			return s.Azure(Azure{ClientID: "client", TenantID: "tenant", ClientSecret: "canary", Endpoint: h.URL}, h.trusted)
		}, 200, "canary", fault.Invalid, "not of OAuth 2.0"},
	} {
		t.Run(name, func(t *testing.T) {
			h.refuse, h.says = c.refuse, c.says
			defer func() { h.refuse, h.says = 0, "" }()
			_, _, _, err := c.open(NewStore(time.Now, nil)).Obtain(t.Context())
			if !fault.Is(err, c.kind) || !strings.Contains(fmt.Sprint(err), c.text) {
				t.Errorf("%v (%v); want %v with %q", err, fault.KindOf(err), c.kind, c.text)
			}
			if said := fmt.Sprint(err); strings.Contains(said, "canary") || strings.Contains(said, "PRIVATE") || strings.ContainsAny(said, "\n\x1b") || len(said) > 500 {
				t.Errorf("the error tells a secret, or too much: %q", said)
			}
		})
	}
}

// TestRedirect sends what asks for a token elsewhere: it does not go there.
func TestRedirect(t *testing.T) {
	told := make(chan string, 10)
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- r.Header.Get("Authorization") + string(body)
	}))
	t.Cleanup(elsewhere.Close)
	front := httptest.NewTLSServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(front.Close)
	h := newHost(t)
	reach := func(string) remote.Access { return remote.Access{Insecure: true} }
	s := NewStore(time.Now, nil)
	for _, open := range []func() *Login{
		func() *Login {
			return s.GitHubApp(h.gitHub(GitHubApp{InstallationID: 77, BaseURL: front.URL}), reach)
		},
		func() *Login {
			return s.Azure(Azure{ClientID: "client", TenantID: "tenant", ClientSecret: "canary", Endpoint: front.URL}, reach)
		},
	} {
		if _, _, _, err := open().Obtain(t.Context()); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), "307") {
			t.Errorf("login: %v", err)
		}
	}
	if len(told) > 0 {
		t.Errorf("the login went on to another host: %d requests", len(told))
	}
}

// TestID: two repositories of one app are reached by one identity, though by a token each where the installation is not told.
func TestID(t *testing.T) {
	h := newHost(t)
	s := NewStore(time.Now, nil)
	open := func(a GitHubApp) *Login {
		t.Helper()
		return s.GitHubApp(h.gitHub(a), h.trusted)
	}
	a, b := open(GitHubApp{Repository: "https://ghe.example.com/acme/shop"}), open(GitHubApp{Repository: "https://ghe.example.com/other/shop"})
	if a == b || a.ID() != b.ID() {
		t.Errorf("two repositories share a login: %t; their ids: %s, %s", a == b, a.ID(), b.ID())
	}
	if c := open(GitHubApp{ID: 4712, Repository: "https://ghe.example.com/acme/shop"}); c.ID() == a.ID() {
		t.Error("two apps have one id")
	}
	if c, d := open(GitHubApp{InstallationID: 77, Repository: "https://ghe.example.com/acme/a"}), open(GitHubApp{InstallationID: 77, Repository: "https://ghe.example.com/acme/b"}); c != d {
		t.Error("two repositories of one installation have a login each")
	}
}

// TestSlowIssuer: a server that takes requests and never answers is given up, with the limit that ended it.
func TestSlowIssuer(t *testing.T) {
	done := make(chan struct{})
	slow := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(done) })
	h := newHost(t)
	s := NewStore(time.Now, nil)
	s.timeout = 100 * time.Millisecond
	reach := func(string) remote.Access { return remote.Access{Insecure: true} }
	for name, l := range map[string]*Login{
		"github": s.GitHubApp(h.gitHub(GitHubApp{InstallationID: 77, BaseURL: slow.URL}), reach),
		"azure":  s.Azure(Azure{ClientID: "client", TenantID: "tenant", ClientSecret: "canary", Endpoint: slow.URL}, reach),
	} {
		_, _, _, err := l.Obtain(t.Context())
		if !fault.Is(err, fault.Transient) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(fmt.Sprint(err), "no token within 100ms") || strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnusedLogins: what a Secret held before it changed does not stay in memory.
func TestUnusedLogins(t *testing.T) {
	now := time.Now()
	s := NewStore(func() time.Time { return now }, nil)
	reach := func(string) remote.Access { return remote.Access{} }
	for i := range 3 {
		s.Google(Google{Key: fmt.Sprint(i)}, reach)
	}
	now = now.Add(50 * time.Minute)
	s.Google(Google{Key: "0"}, reach)
	now = now.Add(20 * time.Minute)
	s.Google(Google{Key: "3"}, reach)
	if len(s.logins) != 2 {
		t.Errorf("%d logins are kept; want the two that were asked for in the last hour", len(s.logins))
	}
}
