package app

import (
	"context"
	"crypto/rand"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/access"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/identity"
	"github.com/belaycd/belay/internal/identity/oidc"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/settings"
)

// singleSignOn is the identity provider of oidc.config, if there is one. It is made anew when its settings change.
type singleSignOn struct {
	store *identities
	// policy tells which claims hold groups.
	policy func() *access.Policy
	client *http.Client
	page   *template.Template
	log    *slog.Logger

	mu       sync.Mutex
	version  string
	provider *oidc.Provider
	err      error
}

// providerTimeout bounds one request to the identity provider.
const providerTimeout = 15 * time.Second

func newSingleSignOn(store *identities, policy func() *access.Policy, log *slog.Logger) *singleSignOn {
	return &singleSignOn{store: store, policy: policy, client: &http.Client{Timeout: providerTimeout}, log: log,
		page: template.Must(template.New("refused").Parse(refusedPage))}
}

// current returns the provider of the settings as they are now; NotFound when they name none.
func (s *singleSignOn) current(ctx context.Context) (*oidc.Provider, error) {
	config, err := s.store.Config(ctx)
	if err != nil {
		return nil, err
	}
	text := config[oidc.Key]
	if strings.TrimSpace(text) == "" {
		return nil, fault.New(fault.NotFound, "no identity provider is set: %s of ConfigMap %s is empty", oidc.Key, settings.ConfigMapName)
	}
	secret, err := s.store.Secret(ctx, settingsSecret)
	if err != nil {
		return nil, err
	}
	lookup, versions := s.lookup(ctx)
	parsed, ignored, err := oidc.Parse(text, lookup)
	if err != nil {
		return nil, err
	}
	key := secret.Data["server.secretkey"]
	scopes := s.policy().Scopes()
	version := object.Hash([]any{text, config["url"], scopes, *versions, secret.Version})
	s.mu.Lock()
	defer s.mu.Unlock()
	if version == s.version {
		return s.provider, s.err
	}
	s.version = version
	s.provider, s.err = oidc.New(oidc.Options{
		Config: parsed, URL: config["url"], Scopes: scopes, Client: s.client, Now: time.Now, Random: rand.Reader, Key: key,
	})
	if len(ignored) > 0 {
		s.log.Warn("setting not used", "problem", oidc.Key+" of ConfigMap "+settings.ConfigMapName+": "+strings.Join(ignored, ", "))
	}
	return s.provider, s.err
}

// lookup reads references to Secrets and notes the versions of those that it read.
func (s *singleSignOn) lookup(ctx context.Context) (oidc.Lookup, *[]string) {
	versions := &[]string{}
	return func(name, key string) (string, error) {
		if name == "" {
			name = settingsSecret
		}
		secret, err := s.store.Secret(ctx, name)
		if err != nil {
			return "", err
		}
		*versions = append(*versions, name+" "+secret.Version)
		value, ok := secret.Data[key]
		if !ok {
			return "", fault.New(fault.NotFound, "Secret %s has no key %s", name, key)
		}
		return strings.TrimSpace(string(value)), nil
	}, versions
}

// verify recognises a token of the identity provider.
func (s *singleSignOn) verify(ctx context.Context, token string) (oidc.Identity, error) {
	p, err := s.current(ctx)
	if err != nil {
		return oidc.Identity{}, err
	}
	return p.Verify(ctx, token)
}

// foreign reports whether a token was issued by somebody else than this server.
func foreign(token string) bool {
	issuer := identity.IssuerOf(token)
	return issuer != "" && issuer != identity.Issuer
}

// The cookie that binds a sign-in to the browser that began it.
const (
	signInCookie = "belay.signin"
	signInTime   = 10 * time.Minute
)

// begin sends the browser to the identity provider.
func (s *singleSignOn) begin(w http.ResponseWriter, r *http.Request) {
	p, err := s.current(r.Context())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	redirect, cookie, err := p.Begin(r.Context(), r.URL.Query().Get("return_url"))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: signInCookie, Value: cookie, Path: "/auth", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"), MaxAge: int(signInTime.Seconds())})
	http.Redirect(w, r, redirect, http.StatusSeeOther)
}

// finish takes the browser back from the identity provider. ended gets who has signed in, or why nobody has.
func (s *singleSignOn) finish(ended func(http.ResponseWriter, *http.Request, oidc.Identity, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := s.signedIn(w, r)
		if fault.Is(err, fault.NotFound) {
			s.refuse(w, r, err) // where there is no provider, nobody tries to sign in at it
			return
		}
		ended(w, r, who, err)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		to := who.ReturnTo
		if to == "" {
			to = "/"
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	}
}

// signedIn says whom the provider vouches for.
func (s *singleSignOn) signedIn(w http.ResponseWriter, r *http.Request) (oidc.Identity, error) {
	p, err := s.current(r.Context())
	if err != nil {
		return oidc.Identity{}, err
	}
	cookie, err := r.Cookie(signInCookie)
	if err != nil {
		return oidc.Identity{}, fault.New(fault.Denied, "this browser has begun no sign-in, or it took longer than %s: start again", signInTime)
	}
	http.SetCookie(w, &http.Cookie{Name: signInCookie, Path: "/auth", MaxAge: -1, HttpOnly: true})
	return p.Finish(r.Context(), cookie.Value, r.URL.Query())
}

const refusedPage = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign-in refused: Belay</title></head>
<body><h1>Sign-in refused</h1><p>{{.}}</p><p><a href="/login">Sign in</a></p></body>
</html>
`

// refuse tells the browser's user why, and where to begin again.
func (s *singleSignOn) refuse(w http.ResponseWriter, _ *http.Request, err error) {
	s.log.Warn("sign-in refused", "error", mask.Text(err.Error()))
	status := http.StatusBadGateway
	switch fault.KindOf(err) {
	case fault.Denied:
		status = http.StatusForbidden
	case fault.NotFound:
		status = http.StatusNotFound
	case fault.Invalid, fault.Internal:
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = s.page.Execute(w, err.Error()) // the caller is gone
}
