// Package oidctest is a real OpenID Connect provider for tests: the address that it sends browsers back to goes in; a provider with
// people, clients and pages to sign in on comes out.
package oidctest

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The clients of the provider: ClientID with ClientSecret, and PublicClientID without one.
const (
	ClientID       = "belay"
	ClientSecret   = "a secret of the client"
	PublicClientID = "public"
)

// Issuer is a provider.
type Issuer struct {
	*storage.Storage
	URL string
	// RootCA is the certificate of its server, in PEM.
	RootCA string
	// Down makes it answer nothing but errors.
	Down   atomic.Bool
	server *httptest.Server

	mu    sync.Mutex
	extra map[string]any
}

// New starts a provider that sends browsers back to an address, until the test ends. Its person is in the groups shop-team and ops.
func New(t *testing.T, callback string) *Issuer {
	t.Helper()
	i := &Issuer{extra: map[string]any{"groups": []string{"shop-team", "ops"}}}
	var handler atomic.Value
	i.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.Down.Load() {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		handler.Load().(http.Handler).ServeHTTP(w, r)
	}))
	i.server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that trust nobody hang up, which is no news
	i.server.StartTLS()
	t.Cleanup(i.server.Close)
	i.URL = i.server.URL
	i.RootCA = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.server.Certificate().Raw}))
	i.Storage = storage.NewStorageWithClients(storage.NewUserStore(i.URL), map[string]*storage.Client{
		ClientID:       storage.WebClient(ClientID, ClientSecret, callback),
		PublicClientID: storage.NativeClient(PublicClientID, callback, "http://localhost/auth/callback"),
	})
	handler.Store(http.Handler(exampleop.SetupServer(i.URL, i, slog.New(slog.DiscardHandler), false)))
	return i
}

// SetUserinfoFromRequest puts further claims into ID tokens.
func (i *Issuer) SetUserinfoFromRequest(ctx context.Context, info *zoidc.UserInfo, request op.IDTokenRequest, scopes []string) error {
	if err := i.Storage.SetUserinfoFromRequest(ctx, info, request, scopes); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for name, value := range i.extra {
		info.AppendClaims(name, value)
	}
	return nil
}

// Sign makes a token with the provider's own key.
func (i *Issuer) Sign(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	key, err := i.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = key.ID()
	signed, err := token.SignedString(key.Key())
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// Browser signs in at the provider, beginning at an address, and returns the address below home that it is sent back to.
func (i *Issuer) Browser(t *testing.T, begin, home string) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := i.server.Client()
	client.Jar = jar
	var back *url.URL
	client.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), home) {
			back = req.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	page, err := client.Get(begin)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	if back != nil {
		return back
	}
	id := page.Request.URL.Query().Get("authRequestID")
	if id == "" {
		body, _ := io.ReadAll(page.Body)
		t.Fatalf("there is no page to sign in on: %s %s", page.Request.URL, body)
	}
	answer, err := client.PostForm(i.URL+"/login/username", url.Values{"id": {id}, "username": {"test-user@127.0.0.1"}, "password": {"verysecure"}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if back == nil {
		body, _ := io.ReadAll(answer.Body)
		t.Fatalf("the browser was not sent back: %s", body)
	}
	return back
}
