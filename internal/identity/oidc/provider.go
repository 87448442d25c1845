package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/belaycd/belay/internal/fault"
)

// CallbackPath is the path of the server that the provider sends browsers back to, as in Argo CD.
const CallbackPath = "/auth/callback"

// patience is how long a provider that could not be reached is left alone, so that its outage does not make every request wait.
const patience = 5 * time.Second

// discovery is how long the provider may take to say who it is.
const discovery = 10 * time.Second

// maxToken bounds what is parsed.
const maxToken = 64 << 10

// Options are what a Provider works with.
type Options struct {
	Config Config
	// URL is the address of the server as browsers see it: url of argocd-cm.
	URL string
	// Scopes are the claims that hold groups: scopes of argocd-rbac-cm.
	Scopes []string
	// Client speaks with the provider. Its transport is copied for rootCA.
	Client *http.Client
	Now    func() time.Time
	Random io.Reader
	// Key seals what a browser keeps while somebody signs in: server.secretkey, the same for all replicas.
	Key []byte
}

// Identity is somebody whom the provider vouches for.
type Identity struct {
	// Subject is the name for policies.
	Subject string
	// Groups are the values of the claims of Options.Scopes.
	Groups []string
	// Name and Email are for people; they prove nothing.
	Name, Email string
	// ID is one by which the token can be revoked.
	ID             string
	IssuedAt, Ends time.Time
	// Token is the ID token, which Verify takes again.
	Token string
	// ReturnTo is what Begin was given.
	ReturnTo string
}

// String tells nothing of the token.
func (i Identity) String() string { return "identity " + i.Subject }

// GoString tells nothing of the token.
func (i Identity) GoString() string { return i.String() }

// Provider signs people in with one OpenID Connect provider. It is safe for concurrent use.
type Provider struct {
	o      Options
	client *http.Client
	base   *url.URL

	mu     sync.Mutex
	found  *gooidc.Provider // nil until the provider was reached
	pkce   bool
	failed time.Time
	cause  error
}

// New returns a provider. It sends no request.
func New(o Options) (*Provider, error) {
	if err := o.Config.check(); err != nil {
		return nil, err
	}
	base, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fault.New(fault.Invalid, "url of ConfigMap argocd-cm must be the address of this server, such as https://belay.example.com: the provider sends browsers back to it")
	}
	if len(o.Key) < 16 {
		return nil, fault.New(fault.Internal, "there is no key to seal sign-ins with")
	}
	client, err := trusting(o.Client, o.Config.RootCA)
	if err != nil {
		return nil, err
	}
	return &Provider{o: o, client: client, base: base}, nil
}

// trusting returns a client that trusts rootCA as well.
func trusting(client *http.Client, rootCA string) (*http.Client, error) {
	if client == nil {
		return nil, fault.New(fault.Internal, "there is no client to speak with the provider")
	}
	if strings.TrimSpace(rootCA) == "" {
		return client, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool() // a system without certificates trusts rootCA alone
	}
	if !pool.AppendCertsFromPEM([]byte(rootCA)) {
		return nil, fault.New(fault.Invalid, "%s of ConfigMap argocd-cm: rootCA holds no certificate in PEM form", Key)
	}
	var transport *http.Transport
	switch t := client.Transport.(type) {
	case nil:
		transport = &http.Transport{Proxy: http.ProxyFromEnvironment}
	case *http.Transport:
		transport = t.Clone()
	default:
		return nil, fault.New(fault.Internal, "rootCA cannot be added to a transport of type %T", t)
	}
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.RootCAs = pool
	copied := *client
	copied.Transport = transport
	return &copied, nil
}

// discover returns what the provider says about itself, asked for once.
func (p *Provider) discover(ctx context.Context) (*gooidc.Provider, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, p.pkce, nil
	}
	if p.cause != nil && p.o.Now().Sub(p.failed) < patience {
		return nil, false, p.cause
	}
	asking, cancel := context.WithTimeout(gooidc.ClientContext(ctx, p.client), discovery)
	defer cancel()
	found, err := gooidc.NewProvider(asking, p.o.Config.Issuer)
	if err != nil {
		if ctx.Err() != nil { // the caller's haste says nothing about the provider
			return nil, false, fault.New(fault.Transient, "ask the provider %s about itself: %w", p.o.Config.Issuer, ctx.Err())
		}
		p.failed = p.o.Now()
		p.cause = fault.New(fault.Transient, "ask the provider %s about itself (/.well-known/openid-configuration): %w", p.o.Config.Issuer, err)
		return nil, false, p.cause
	}
	var metadata struct {
		Methods []string `json:"code_challenge_methods_supported"`
	}
	if err := found.Claims(&metadata); err != nil {
		return nil, false, fault.New(fault.Transient, "read what the provider %s says about itself: %w", p.o.Config.Issuer, err)
	}
	p.found, p.cause = found, nil
	p.pkce = p.o.Config.EnablePKCEAuthentication || slices.Contains(metadata.Methods, "S256")
	return p.found, p.pkce, nil
}

// oauth is the client as the library wants it.
func (p *Provider) oauth(found *gooidc.Provider) oauth2.Config {
	scopes := p.o.Config.RequestedScopes
	if !slices.Contains(scopes, gooidc.ScopeOpenID) {
		scopes = append([]string{gooidc.ScopeOpenID}, scopes...)
	}
	endpoint := found.Endpoint()
	if p.o.Config.ClientSecret.IsEmpty() {
		endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	return oauth2.Config{ClientID: p.o.Config.ClientID, ClientSecret: p.o.Config.ClientSecret.Reveal(), Endpoint: endpoint,
		RedirectURL: p.base.String() + CallbackPath, Scopes: scopes}
}

// algorithms are those that ID tokens may be signed with: public keys only, whatever the provider offers.
func algorithms() []string {
	return []string{gooidc.RS256, gooidc.RS384, gooidc.RS512, gooidc.ES256, gooidc.ES384, gooidc.ES512, gooidc.PS256, gooidc.PS384, gooidc.PS512, gooidc.EdDSA}
}

// Issuer is the claim iss of the provider's tokens.
func (p *Provider) Issuer() string { return p.o.Config.Issuer }

// Verify returns the identity of an ID token. What is wrong with a token is of kind Denied; any other error means that it could not
// be decided.
func (p *Provider) Verify(ctx context.Context, token string) (Identity, error) {
	identity, _, err := p.verify(ctx, token)
	return identity, err
}

func (p *Provider) verify(ctx context.Context, token string) (Identity, *gooidc.IDToken, error) {
	if len(token) > maxToken {
		return Identity{}, nil, fault.New(fault.Denied, "invalid token: it is too long")
	}
	found, _, err := p.discover(ctx)
	if err != nil {
		return Identity{}, nil, err
	}
	// Audiences are checked below: there may be several that are allowed.
	verifier := found.VerifierContext(gooidc.ClientContext(ctx, p.client), &gooidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: algorithms(), Now: p.o.Now})
	verified, err := verifier.Verify(ctx, token)
	var expired *gooidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return Identity{}, nil, fault.New(fault.Denied, "the session has expired: log in again")
	case err != nil && (ctx.Err() != nil || strings.Contains(err.Error(), "fetching keys")):
		return Identity{}, nil, fault.New(fault.Transient, "ask the provider %s for its keys: the token cannot be checked now", p.o.Config.Issuer)
	case err != nil:
		return Identity{}, nil, fault.New(fault.Denied, "invalid token: the provider %s did not sign it for now", p.o.Config.Issuer)
	}
	if !p.audience(verified.Audience) {
		return Identity{}, nil, fault.New(fault.Denied, "invalid token: it was issued for %q; allowedAudiences of %s has the names that count", verified.Audience, Key)
	}
	identity, err := p.identity(token, verified)
	return identity, verified, err
}

// audience reports whether a token was issued for this server.
func (p *Provider) audience(audiences []string) bool {
	if len(audiences) == 0 {
		return p.o.Config.SkipAudienceCheckWhenTokenHasNoAudience
	}
	allowed := p.o.Config.AllowedAudiences
	if len(allowed) == 0 {
		allowed = []string{p.o.Config.ClientID}
		if p.o.Config.CLIClientID != "" {
			allowed = append(allowed, p.o.Config.CLIClientID)
		}
	}
	return slices.ContainsFunc(audiences, func(a string) bool { return slices.Contains(allowed, a) })
}

// identity reads the claims of a verified token.
func (p *Provider) identity(token string, verified *gooidc.IDToken) (Identity, error) {
	var claims map[string]any
	if err := verified.Claims(&claims); err != nil {
		return Identity{}, fault.New(fault.Denied, "invalid token: its claims cannot be read")
	}
	text := func(name string) string { s, _ := claims[name].(string); return s }
	subject := verified.Subject
	// Dex puts its own identifier into sub, and the name that people know into a claim of its own.
	if federated, ok := claims["federated_claims"].(map[string]any); ok {
		if id, ok := federated["user_id"].(string); ok && id != "" {
			subject = id
		}
	}
	if subject == "" {
		return Identity{}, fault.New(fault.Denied, "invalid token: it names nobody")
	}
	// These names mean something of our own in policies, and the provider must not be able to say them.
	if subject == "admin" || strings.HasPrefix(subject, "role:") || strings.HasPrefix(subject, "proj:") {
		return Identity{}, fault.New(fault.Denied, "the provider calls somebody %q, a name that is not the provider's to give", subject)
	}
	identity := Identity{Subject: subject, Name: text("name"), Email: text("email"), ID: text("jti"), IssuedAt: verified.IssuedAt, Ends: verified.Expiry, Token: token}
	if identity.ID == "" {
		sum := sha256.Sum256([]byte(token))
		identity.ID = hex.EncodeToString(sum[:16])
	}
	if identity.Name == "" {
		identity.Name = text("preferred_username")
	}
	identity.Groups = groups(claims, p.o.Scopes)
	return identity, nil
}

// groups collects the values of some claims, each of them a text or a list of texts. An e-mail address that the provider has not
// verified is nobody's.
func groups(claims map[string]any, names []string) (out []string) {
	for _, name := range names {
		if verified, ok := claims["email_verified"].(bool); ok && !verified && name == "email" {
			continue
		}
		switch v := claims[name].(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, each := range v {
				if s, ok := each.(string); ok {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// LogoutURL is where a browser goes to sign out of the provider, "" if the configuration does not say. In it, {{token}} stands for the
// ID token and {{logoutRedirectURL}} for the address of this server.
func (p *Provider) LogoutURL(token string) string {
	return strings.NewReplacer("{{token}}", url.QueryEscape(token), "{{logoutRedirectURL}}", url.QueryEscape(p.base.String())).Replace(p.o.Config.LogoutURL)
}

func (p *Provider) readRandom(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(p.o.Random, b); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return b, nil
}
