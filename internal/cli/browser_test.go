package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/identity"
	"github.com/belaycd/belay/internal/identity/oidc/oidctest"
)

// person signs in at a provider in place of somebody with a browser.
type person struct {
	t        *testing.T
	provider *oidctest.Issuer
	said     chan string // what the command line printed
	pages    chan string // that it showed in the browser
	// back changes the address that the provider sends the browser to.
	back func(url.Values)
}

func newPerson(t *testing.T) *person {
	return &person{t: t, provider: oidctest.New(t, "http://localhost/unused"), said: make(chan string, 10), pages: make(chan string, 10)}
}

func (p *person) login(open func(string) error) browserLogin {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(p.provider.RootCA))
	return browserLogin{
		provider: Provider{Issuer: p.provider.URL, ClientID: oidctest.PublicClientID, Scopes: []string{"openid", "profile"}},
		client:   &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}},
		open:     open, say: func(format string, args ...any) { p.said <- fmt.Sprintf(format, args...) },
	}
}

// signsIn goes through the provider's pages, and back.
func (p *person) signsIn(address string) error {
	at, err := url.Parse(address)
	if err != nil {
		return err
	}
	home := strings.TrimSuffix(at.Query().Get("redirect_uri"), "/auth/callback")
	go func() {
		back := p.provider.Browser(p.t, address, home)
		p.visits(home + "/auth/callback?state=guessed&code=x")
		query := back.Query()
		if p.back != nil {
			p.back(query)
		}
		back.RawQuery = query.Encode()
		p.visits(back.String())
	}()
	return nil
}

func (p *person) visits(address string) {
	resp, err := http.Get(address)
	if err != nil {
		p.pages <- err.Error()
		return
	}
	defer resp.Body.Close()
	page, _ := io.ReadAll(resp.Body) // a part of it fails the test as well
	p.pages <- fmt.Sprintf("%d %s", resp.StatusCode, page)
}

func TestBrowserLogin(t *testing.T) {
	p := newPerson(t)
	token, err := p.login(p.signsIn).run(t.Context())
	if err != nil || identity.IssuerOf(token) != p.provider.URL {
		t.Fatalf("a token of %q: %v", identity.IssuerOf(token), err)
	}
	if page := <-p.pages; !strings.HasPrefix(page, "400 ") {
		t.Errorf("what another page sends is answered by %s", page)
	}
	if page := <-p.pages; !strings.HasPrefix(page, "200 ") || !strings.Contains(page, "You are signed in") || strings.Contains(page, token) {
		t.Errorf("the page is %s", page)
	}
	said := <-p.said
	for _, part := range []string{p.provider.URL, "code_challenge_method=S256", "state=", "nonce=", "If it was not"} {
		if !strings.Contains(said, part) {
			t.Errorf("%q is not in %s", part, said)
		}
	}
	if strings.Contains(said, token) {
		t.Error("the token was printed")
	}
}

// TestBrowserLoginWithoutBrowser prints the address, for another machine.
func TestBrowserLoginWithoutBrowser(t *testing.T) {
	p := newPerson(t)
	go func() {
		said := <-p.said
		p.said <- said
		_ = p.signsIn(strings.TrimSpace(said[strings.Index(said, "https://"):])) // else nobody signs in, and the test fails
	}()
	token, err := p.login(func(string) error { return errors.New("there is none") }).run(t.Context())
	if err != nil || token == "" {
		t.Fatal(err)
	}
	if said := <-p.said; !strings.HasPrefix(said, "Open this address") {
		t.Error(said)
	}
}

func TestBrowserLoginFails(t *testing.T) {
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, test := range []struct {
		name, want string
		change     func(*person, *browserLogin)
	}{
		{"refused by the provider", "refused", func(p *person, _ *browserLogin) {
			p.back = func(q url.Values) { q.Set("error", "access_denied"); q.Set("error_description", "<b>no</b>") }
		}},
		{"a wrong code", "no token for the code", func(p *person, _ *browserLogin) { p.back = func(q url.Values) { q.Set("code", "guessed-code") } }},
		{"no provider", "names no identity provider", func(_ *person, b *browserLogin) { b.provider = Provider{} }},
		{"in the clear", "does not speak TLS", func(_ *person, b *browserLogin) { b.provider.Issuer = "http://id.example.com" }},
		{"an unknown certificate", "certificate", func(_ *person, b *browserLogin) { b.client = &http.Client{Timeout: 30 * time.Second} }},
		{"a port that is taken", "wait for the browser", func(_ *person, b *browserLogin) { b.port = taken.Addr().(*net.TCPAddr).Port }},
	} {
		p := newPerson(t)
		b := p.login(p.signsIn)
		test.change(p, &b)
		token, err := b.run(t.Context())
		if token != "" || err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "guessed-code") {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		if p.back != nil {
			<-p.pages
			if page := <-p.pages; !strings.HasPrefix(page, "403 ") || strings.Contains(page, "<b>") {
				t.Errorf("%s: the page is %s", test.name, page)
			}
		}
	}
	p := newPerson(t)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := p.login(func(string) error { cancel(); return nil }).run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
