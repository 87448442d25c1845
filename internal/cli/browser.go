package cli

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Provider is the identity provider that a server names for command lines. It is no secret.
type Provider struct {
	Issuer, ClientID string
	Scopes           []string
}

// signInTime is how long a person has to sign in.
const signInTime = 4 * time.Minute

// browserLogin signs a person in at an identity provider: by the authorisation code flow with PKCE and an address of this machine
// that the browser is sent back to (RFC 8252).
type browserLogin struct {
	provider Provider
	port     int
	client   *http.Client
	// open shows an address in a browser, or fails.
	open func(address string) error
	// say tells the person something.
	say func(format string, args ...any)
}

// answer is what the browser came back with.
type answer struct {
	token string
	err   error
}

// run returns the ID token of the person who signs in.
func (b browserLogin) run(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, signInTime)
	defer cancel()
	if err := b.check(); err != nil {
		return "", err
	}
	ctx = gooidc.ClientContext(ctx, b.client)
	provider, err := gooidc.NewProvider(ctx, b.provider.Issuer)
	if err != nil {
		return "", fmt.Errorf("ask the identity provider %s how to sign in: %w", b.provider.Issuer, err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("localhost", strconv.Itoa(b.port)))
	if err != nil {
		return "", &Failure{Exit: ExitAPI, Code: "PortTaken", Err: fmt.Errorf("wait for the browser: %w", err),
			Hint: "end what listens there, or choose another port with --sso-port; the provider must know the address"}
	}
	flow := &signInFlow{
		oauth: oauth2.Config{ClientID: b.provider.ClientID, Endpoint: provider.Endpoint(), Scopes: b.provider.scopes(),
			RedirectURL: fmt.Sprintf("http://localhost:%d/auth/callback", listener.Addr().(*net.TCPAddr).Port)},
		verifier: provider.Verifier(&gooidc.Config{ClientID: b.provider.ClientID}),
		state:    unguessable(), nonce: unguessable(), secret: oauth2.GenerateVerifier(), done: make(chan answer, 1),
	}
	srv := &http.Server{Handler: flow.handler(ctx), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = srv.Serve(listener) }() // it ends below
	defer func() {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = srv.Shutdown(late) // the browser has its page by then
	}()
	address := flow.oauth.AuthCodeURL(flow.state, gooidc.Nonce(flow.nonce), oauth2.S256ChallengeOption(flow.secret))
	if err := b.open(address); err != nil {
		b.say("Open this address in a browser:\n%s\n", address)
	} else {
		b.say("A browser was opened to sign in. If it was not, open this address:\n%s\n", address)
	}
	select {
	case a := <-flow.done:
		return a.token, a.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return "", fmt.Errorf("nobody signed in within %s", signInTime)
		}
		return "", ctx.Err()
	}
}

// check refuses a provider that would be asked in the clear.
func (b browserLogin) check() error {
	at, err := url.Parse(b.provider.Issuer)
	if err != nil || at.Host == "" || b.provider.ClientID == "" {
		return &Failure{Exit: ExitAPI, Code: "NoSSO", Err: errors.New("the server names no identity provider to sign in at"),
			Hint: "sign in with --username, or with --auth-token and a token of an account or of a role of a project"}
	}
	if ip := net.ParseIP(at.Hostname()); at.Scheme != "https" && at.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return &Failure{Exit: ExitAPI, Code: "NoSSO", Err: fmt.Errorf("the identity provider %s does not speak TLS", at.Host),
			Hint: "sign in with --auth-token"}
	}
	return nil
}

func (p Provider) scopes() []string {
	if len(p.Scopes) > 0 {
		return p.Scopes
	}
	return []string{gooidc.ScopeOpenID, "profile", "email", "groups"}
}

// signInFlow is one sign-in.
type signInFlow struct {
	oauth                oauth2.Config
	verifier             *gooidc.IDTokenVerifier
	state, nonce, secret string
	done                 chan answer
}

// handler takes the browser back. What does not belong to this sign-in does not end it: any page could send something here.
func (f *signInFlow) handler(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /auth/callback", func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(f.state)) != 1 {
			http.Error(w, "this is no answer to the sign-in of the command line", http.StatusBadRequest)
			return
		}
		a := answer{}
		a.token, a.err = f.finish(ctx, query)
		text := "You are signed in. This page can be closed."
		if a.err != nil {
			text = "Signing in failed: " + a.err.Error()
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		if a.err != nil {
			w.WriteHeader(http.StatusForbidden)
		}
		fmt.Fprintf(w, "<!doctype html><title>Belay</title><p>%s</p>", html.EscapeString(text))
		select {
		case f.done <- a:
		default: // it has ended
		}
	})
	return mux
}

// finish gives the code for a token and looks whether that is of this sign-in.
func (f *signInFlow) finish(ctx context.Context, query url.Values) (string, error) {
	if code := query.Get("error"); code != "" {
		return "", fmt.Errorf("the identity provider refused: %q %q", code, query.Get("error_description"))
	}
	tokens, err := f.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(f.secret))
	if err != nil {
		return "", errors.New("the identity provider gave no token for the code") // its answer may quote what was sent
	}
	raw, _ := tokens.Extra("id_token").(string)
	verified, err := f.verifier.Verify(ctx, raw)
	if err != nil {
		return "", errors.New("the identity provider gave no ID token that holds")
	}
	if subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(f.nonce)) != 1 {
		return "", errors.New("the identity provider gave the token of another sign-in")
	}
	return raw, nil
}

func unguessable() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// openBrowser shows an address in the browser of the desktop.
func openBrowser(address string) error {
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	cmd := exec.Command(name, args...)
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // what becomes of it shows in the browser
	return nil
}
