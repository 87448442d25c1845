package app

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// TestGitHubApp reads a repository in the name of a GitHub App: by what its Secret says, with the token that the API gives, and
// with the next one when that is refused.
func TestGitHubApp(t *testing.T) {
	dir := t.TempDir()
	repo := sourcetest.NewRepo(t, dir, "acme/shop")
	want := repo.Commit("main", map[string]string{"a.yaml": "a: 1\n"})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	var issued, good, asked atomic.Int64
	good.Store(1)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v3/app/installations/77/access_tokens" {
			w.WriteHeader(http.StatusCreated)
			fmt.Fprintf(w, `{"token": "canary-%d", "expires_at": %q}`, issued.Add(1), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
			return
		}
		asked.Add(1)
		gitserver.New(gitserver.Config{Dir: dir, Username: "x-access-token", Password: fmt.Sprintf("canary-%d", good.Load())}).ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	host := strings.TrimPrefix(srv.URL, "https://")
	secret := map[string]string{"url": srv.URL + "/acme/shop.git", "githubAppID": "4711", "githubAppInstallationID": "77", "githubAppEnterpriseBaseUrl": srv.URL + "/api/v3",
		"githubAppPrivateKey": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))}
	trust, problems := settings.NewTrust(nil, map[string]string{
		host[:strings.IndexByte(host, ':')]: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	req := source.Request{RepoURL: secret["url"], Target: "main"}
	_, s := withTrust(t, trust, "", secret)
	for range 2 {
		if got, err := s.Resolve(t.Context(), req, source.Fresh); err != nil || string(got) != want {
			t.Fatalf("%s, %v", got, err)
		}
	}
	if issued.Load() != 1 || asked.Load() == 0 {
		t.Errorf("%d tokens for two looks of %d requests", issued.Load(), asked.Load())
	}
	good.Store(2) // the token is revoked: the next one takes its place at once
	want = repo.Commit("main", map[string]string{"a.yaml": "a: 2\n"})
	if got, err := s.Resolve(t.Context(), req, source.Fresh); err != nil || string(got) != want || issued.Load() != 2 {
		t.Errorf("with a token that was revoked: %s, %v; %d issued", got, err, issued.Load())
	}
	good.Store(0) // the app may not read the repository: no token helps, and no number of them is asked for
	_, err = s.Resolve(t.Context(), req, source.Fresh)
	if !fault.Is(err, fault.Denied) || strings.Contains(fmt.Sprint(err), "canary") || issued.Load() > 3 {
		t.Errorf("an app that may not read: %v; %d issued", err, issued.Load())
	}
	// What the Secret lacks is told with its name and the key, and nobody is asked without a token.
	delete(secret, "githubAppID")
	before := asked.Load()
	_, s = withTrust(t, trust, "", secret)
	_, err = s.Resolve(t.Context(), req, source.Fresh)
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "Secret sa: githubAppID is missing") {
		t.Errorf("without githubAppID: %v", err)
	}
	if asked.Load() != before {
		t.Error("the repository was asked without a login")
	}
}
