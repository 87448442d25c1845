package rest

import (
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/server"
)

// cookieName is Argo CD's, so that sessions outlive a change from one to the other where the key of tokens is the same.
const cookieName = "argocd.token"

// tokenOf returns the token that a request carries.
func tokenOf(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	if c, err := r.Cookie(cookieName); err == nil {
		return c.Value
	}
	return ""
}

// authenticate finds out who asks. On a public route an unknown caller is no error.
func (h *Handler) authenticate(r *http.Request, public bool) (*http.Request, error) {
	state := requestOf(r.Context())
	var caller server.Caller
	var err error
	known := false
	if token := tokenOf(r); token != "" {
		caller, err = h.Server.Sessions.Verify(r.Context(), token)
		known = err == nil
	}
	if !known {
		// A token that has run out must not be worth less than none.
		if anonymous, ok := h.Server.Sessions.Anonymous(); ok {
			anonymous.Anonymous = true
			caller, known = anonymous, true
		}
	}
	if !known && !public {
		if err != nil && !fault.Is(err, fault.Unauthenticated) && !fault.Is(err, fault.Internal) {
			return r, err // the reason is not the token: let the caller try again
		}
		return r, fault.New(fault.Unauthenticated, "no session information: sign in first")
	}
	if !known {
		return r, nil
	}
	caller.Address = state.address
	state.caller = caller.Name
	return r.WithContext(server.WithCaller(r.Context(), caller)), nil
}

// addressOf is where a request comes from.
func (h *Handler) addressOf(r *http.Request) string {
	if h.TrustForwarded {
		// The last entry is the one that the proxy in front wrote; the others are what the caller says.
		list := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if last := strings.TrimSpace(list[len(list)-1]); net.ParseIP(last) != nil {
			return last
		}
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// SignIn hands a browser the token of a session that began elsewhere, such as at an identity provider.
func (h *Handler) SignIn(w http.ResponseWriter, r *http.Request, token string, expires time.Time) {
	h.setCookie(w, r, token, expires)
}

// setCookie hands a browser its token; an empty one takes it away.
func (h *Handler) setCookie(w http.ResponseWriter, r *http.Request, token string, expires time.Time) {
	c := &http.Cookie{
		Name: cookieName, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: h.Secure || r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"),
	}
	if token == "" {
		c.MaxAge = -1
	} else if !expires.IsZero() {
		c.Expires = expires
	}
	http.SetCookie(w, c)
}
