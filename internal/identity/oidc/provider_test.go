package oidc

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/identity/oidc/oidctest"
	"github.com/belaycd/belay/internal/settings"
)

// issuer is a real provider and what is set here for it.
type issuer struct{ *oidctest.Issuer }

const (
	serverURL = "https://belay.example.com"
	clientID  = oidctest.ClientID
)

func newIssuer(t *testing.T) issuer {
	t.Helper()
	return issuer{oidctest.New(t, serverURL+CallbackPath)}
}

func (i issuer) config() Config {
	return Config{Issuer: i.URL, ClientID: clientID, ClientSecret: settings.NewSecret(oidctest.ClientSecret), RootCA: i.RootCA,
		RequestedScopes: []string{"openid", "profile", "email"}}
}

func (i issuer) provider(t *testing.T, change func(*Options)) *Provider {
	t.Helper()
	o := Options{Config: i.config(), URL: serverURL, Scopes: []string{"groups"}, Client: &http.Client{}, Now: time.Now, Random: rand.Reader, Key: []byte("a key of the server, for sealing")}
	if change != nil {
		change(&o)
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// browser signs in at the provider and returns the query that it is sent back with.
func (i issuer) browser(t *testing.T, redirect string) url.Values {
	t.Helper()
	return i.Browser(t, redirect, serverURL).Query()
}

func (i issuer) signIn(t *testing.T, p *Provider) (Identity, error) {
	t.Helper()
	redirect, cookie, err := p.Begin(t.Context(), "/applications/shop?view=tree")
	if err != nil {
		t.Fatal(err)
	}
	return p.Finish(t.Context(), cookie, i.browser(t, redirect))
}

func TestSignIn(t *testing.T) {
	i := newIssuer(t)
	for name, change := range map[string]func(*Options){
		"with a secret": nil,
		"public, by PKCE": func(o *Options) {
			o.Config.ClientID, o.Config.ClientSecret, o.Config.EnablePKCEAuthentication = "public", settings.Secret{}, true
		},
		"requested claims": func(o *Options) { o.Config.RequestedIDTokenClaims = map[string]Claim{"groups": {Essential: true}} },
	} {
		t.Run(name, func(t *testing.T) {
			p := i.provider(t, change)
			got, err := i.signIn(t, p)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{"shop-team", "ops"}, got.Groups); d != "" || got.Subject != "id1" || got.ReturnTo != "/applications/shop?view=tree" || got.ID == "" || !got.Ends.After(got.IssuedAt) {
				t.Errorf("%+v %s", got, d)
			}
			again, err := p.Verify(t.Context(), got.Token)
			if err != nil || again.Subject != "id1" || again.ID != got.ID || len(again.Groups) != 2 {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}

func TestBeginAsksForWhatIsConfigured(t *testing.T) {
	i := newIssuer(t)
	p := i.provider(t, func(o *Options) { o.Config.RequestedIDTokenClaims = map[string]Claim{"groups": {Essential: true}} })
	redirect, _, err := p.Begin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for name, want := range map[string]string{"client_id": clientID, "redirect_uri": serverURL + "/auth/callback", "response_type": "code", "scope": "openid profile email",
		"code_challenge_method": "S256", "claims": `{"id_token":{"groups":{"essential":true}}}`} {
		if q.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) != 43 {
			t.Errorf("%s is %q", name, q.Get(name))
		}
	}
	if strings.Contains(redirect, url.QueryEscape(oidctest.ClientSecret)) {
		t.Error("the secret is in the address")
	}
}

// TestBoundToTheBrowser: an answer fits the browser that asked, once, and for a while.
func TestBoundToTheBrowser(t *testing.T) {
	i := newIssuer(t)
	now := time.Now()
	p := i.provider(t, func(o *Options) { o.Now = func() time.Time { return now } })
	ctx := t.Context()
	redirect, cookie, err := p.Begin(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := p.Begin(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	query := i.browser(t, redirect)
	denied := func(name string, err error) {
		t.Helper()
		if !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	with := func(name, value string) url.Values {
		q := url.Values{}
		for k, v := range query {
			q[k] = v
		}
		q.Set(name, value)
		return q
	}
	_, err = p.Finish(ctx, other, query)
	denied("the cookie of another sign-in", err)
	_, err = p.Finish(ctx, "", query)
	denied("no cookie", err)
	_, err = p.Finish(ctx, cookie[:len(cookie)-2]+"xx", query)
	denied("a changed cookie", err)
	_, err = p.Finish(ctx, cookie, with("state", ""))
	denied("no state", err)
	_, err = p.Finish(ctx, cookie, with("iss", "https://evil.example.com"))
	denied("another issuer", err)
	_, err = p.Finish(ctx, cookie, with("code", ""))
	denied("no code", err)
	_, err = p.Finish(ctx, cookie, with("code", "made up"))
	denied("a code that was made up", err)
	_, err = p.Finish(ctx, cookie, with("error", "access_denied"))
	denied("an error", err)
	stranger := i.provider(t, func(o *Options) { o.Key = []byte("the key of some other server") })
	_, err = stranger.Finish(ctx, cookie, query)
	denied("the cookie of another server", err)
	now = now.Add(SignInLifetime + time.Minute)
	_, err = p.Finish(ctx, cookie, query)
	denied("too late", err)
	now = now.Add(-SignInLifetime)
	if _, err = p.Finish(ctx, cookie, query); err != nil {
		t.Fatal(err)
	}
	_, err = p.Finish(ctx, cookie, query)
	denied("a second time", err)
}

// TestCodeOfSomebodyElse: a code that was issued for another browser's challenge gives no token.
func TestCodeOfSomebodyElse(t *testing.T) {
	i := newIssuer(t)
	p := i.provider(t, nil)
	redirect, _, err := p.Begin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	stolen := i.browser(t, redirect)
	mine, cookie, err := p.Begin(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	query := i.browser(t, mine)
	query.Set("code", stolen.Get("code"))
	if _, err := p.Finish(t.Context(), cookie, query); !fault.Is(err, fault.Denied) {
		t.Errorf("the code of another browser: %v", err)
	}
}

func TestVerify(t *testing.T) {
	i := newIssuer(t)
	now := time.Now().Unix()
	base := func(change map[string]any) jwt.MapClaims {
		c := jwt.MapClaims{"iss": i.URL, "sub": "u1", "aud": clientID, "iat": now, "exp": now + 600, "email": "dev@example.com", "groups": []string{"a"}}
		for k, v := range change {
			if c[k] = v; v == nil {
				delete(c, k)
			}
		}
		return c
	}
	for _, tc := range []struct {
		name   string
		claims map[string]any
		change func(*Options)
		want   string // subject and groups, "" for refused
	}{
		{name: "as it should be", want: "u1 [a]"},
		{name: "expired", claims: map[string]any{"exp": now - 60}},
		{name: "another issuer", claims: map[string]any{"iss": "https://evil.example.com"}},
		{name: "another audience", claims: map[string]any{"aud": "other"}},
		{name: "several audiences", claims: map[string]any{"aud": []string{"other", clientID}}, want: "u1 [a]"},
		{name: "the audience of the command line", claims: map[string]any{"aud": "cli"}, change: func(o *Options) { o.Config.CLIClientID = "cli" }, want: "u1 [a]"},
		{name: "an allowed audience", claims: map[string]any{"aud": "api"}, change: func(o *Options) { o.Config.AllowedAudiences = []string{"api"} }, want: "u1 [a]"},
		{name: "allowed audiences replace the client", change: func(o *Options) { o.Config.AllowedAudiences = []string{"api"} }},
		{name: "no audience", claims: map[string]any{"aud": nil}},
		{name: "no audience, permitted", claims: map[string]any{"aud": nil}, change: func(o *Options) { o.Config.SkipAudienceCheckWhenTokenHasNoAudience = true }, want: "u1 [a]"},
		{name: "no subject", claims: map[string]any{"sub": nil}},
		{name: "the account admin", claims: map[string]any{"sub": "admin"}},
		{name: "a role", claims: map[string]any{"sub": "role:admin"}},
		{name: "a role of a project", claims: map[string]any{"sub": "proj:shop:deployer"}},
		{name: "the name that Dex was told", claims: map[string]any{"federated_claims": map[string]any{"user_id": "dev"}}, want: "dev [a]"},
		{name: "the account admin by Dex", claims: map[string]any{"federated_claims": map[string]any{"user_id": "admin"}}},
		{name: "further scopes", change: func(o *Options) { o.Scopes = []string{"email", "groups", "none"} }, want: "u1 [dev@example.com a]"},
		{name: "an address that is not verified", claims: map[string]any{"email_verified": false}, change: func(o *Options) { o.Scopes = []string{"email", "groups"} }, want: "u1 [a]"},
		{name: "groups of no use", claims: map[string]any{"groups": map[string]any{"a": 1}}, want: "u1 []"},
		{name: "groups of mixed types", claims: map[string]any{"groups": []any{"x", 1, nil, "y"}}, want: "u1 [x y]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := i.provider(t, tc.change).Verify(t.Context(), i.Sign(t, base(tc.claims)))
			text := ""
			if err == nil {
				text = got.Subject + " [" + strings.Join(got.Groups, " ") + "]"
			} else if !fault.Is(err, fault.Denied) {
				t.Fatal(err)
			}
			if text != tc.want {
				t.Errorf("got %q, %v; want %q", text, err, tc.want)
			}
		})
	}
	p := i.provider(t, nil)
	for name, token := range map[string]string{
		"no token": "x", "too long": strings.Repeat("x", maxToken+1),
		"symmetric": mustSign(t, jwt.SigningMethodHS256, []byte(oidctest.ClientSecret), base(nil)),
		"unsigned":  mustSign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, base(nil)),
	} {
		if _, err := p.Verify(t.Context(), token); !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func mustSign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// TestOutage: a provider that is away is a passing trouble, is not asked with every request, and is found again.
func TestOutage(t *testing.T) {
	i := newIssuer(t)
	now := time.Now()
	p := i.provider(t, func(o *Options) { o.Now = func() time.Time { return now } })
	i.Down.Store(true)
	if _, _, err := p.Begin(t.Context(), ""); !fault.Is(err, fault.Transient) {
		t.Fatal(err)
	}
	i.Down.Store(false)
	if _, err := p.Verify(t.Context(), "x.y.z"); !fault.Is(err, fault.Transient) {
		t.Errorf("it is asked again at once: %v", err)
	}
	now = now.Add(patience)
	if _, _, err := p.Begin(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	// Keys that cannot be fetched say nothing about the token.
	i.Down.Store(true)
	token := i.Sign(t, jwt.MapClaims{"iss": i.URL, "sub": "u1", "aud": clientID, "iat": now.Unix(), "exp": now.Unix() + 600})
	if _, err := p.Verify(t.Context(), token); !fault.Is(err, fault.Transient) {
		t.Errorf("keys cannot be fetched: %v", err)
	}
}

func TestUntrustedProvider(t *testing.T) {
	i := newIssuer(t)
	p := i.provider(t, func(o *Options) { o.Config.RootCA = "" })
	if _, _, err := p.Begin(t.Context(), ""); err == nil {
		t.Error("a certificate that nobody vouches for is accepted")
	}
}

func TestReturnTo(t *testing.T) {
	i := newIssuer(t)
	p := i.provider(t, nil)
	for address, want := range map[string]bool{
		"": true, "/": true, "/applications?x=1#y": true, serverURL + "/applications": true,
		"//evil.example.com": false, `/\evil.example.com`: false, "https://evil.example.com": false, "http://belay.example.com/": false, "javascript:alert(1)": false,
		"applications": false, serverURL + ".evil.example.com": false, "https://x@belay.example.com/": false, "/\t/evil.example.com": false, "\n//evil": false,
	} {
		if _, _, err := p.Begin(t.Context(), address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestLogoutURL(t *testing.T) {
	i := newIssuer(t)
	p := i.provider(t, func(o *Options) {
		o.Config.LogoutURL = "https://idp.example.com/end?id_token_hint={{token}}&back={{logoutRedirectURL}}"
	})
	if got := p.LogoutURL("a.b&c"); got != "https://idp.example.com/end?id_token_hint=a.b%26c&back=https%3A%2F%2Fbelay.example.com" {
		t.Error(got)
	}
	if got := i.provider(t, nil).LogoutURL("x"); got != "" {
		t.Error(got)
	}
}
