// Package token logs in to Git hosts as a service: a GitHub App, a Google service account or an identity of Azure goes in; a
// password or a bearer token that ends soon comes out, the same one until then.
package token

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/remote"
)

const (
	// issueTimeout bounds the conversation with the server that issues a token.
	issueTimeout = 30 * time.Second
	// margin is how long before its end a token is not used any more: a clone may take that long.
	margin = 5 * time.Minute
	// keepUnused is how long a login stays that nobody asks for, such as that of a Secret which has changed since.
	keepUnused = time.Hour
	// maxAnswer bounds the answer of a server that issues tokens, in bytes.
	maxAnswer = 1 << 20
)

// Reach tells how a host is reached: which authorities are trusted and which proxy is asked. Logins are not part of it.
type Reach func(host string) remote.Access

// Store keeps tokens, in memory alone, until shortly before they end. It is safe for concurrent use.
type Store struct {
	now     func() time.Time
	env     []string
	timeout time.Duration

	mu     sync.Mutex
	logins map[string]*Login
}

// NewStore returns an empty store. now tells the time; env is the environment of the process, which holds HTTPS_PROXY and
// the like, and what a cloud tells its pods.
func NewStore(now func() time.Time, env []string) *Store {
	return &Store{now: now, env: env, timeout: issueTimeout, logins: map[string]*Login{}}
}

func (s *Store) getenv(key string) string {
	for _, kv := range s.env {
		if name, value, _ := strings.Cut(kv, "="); name == key {
			return value
		}
	}
	return ""
}

// issuer obtains a token from one kind of server.
type issuer interface {
	// issue asks for a token. Errors hold no secret.
	issue(ctx context.Context, s *Store, reach Reach) (grant, error)
}

// grant is a token; it is never printed.
type grant struct {
	username, password, bearer string
	issued, ends               time.Time
}

// String keeps it out of logs.
func (grant) String() string { return "***" }

// GoString is String for %#v.
func (grant) GoString() string { return "***" }

func (g grant) usable(now time.Time) bool {
	return now.Before(g.ends.Add(-min(margin, g.ends.Sub(g.issued)/2)))
}

// Login is one identity at one host. It is safe for concurrent use.
type Login struct {
	store  *Store
	id     string
	issuer issuer
	turn   chan struct{} // held by who asks for a token, so that many who need one ask once

	asked time.Time // guarded by the store's mutex

	mu     sync.Mutex
	reach  Reach
	grant  grant
	served bool // the grant was good for somebody who came after it was issued
}

// login returns the login of an issuer of a kind for a repository, the same one for the same content; an empty repository means that
// one token is for all of them.
func (s *Store) login(kind string, i issuer, repository string, reach Reach) *Login {
	id := object.Hash([]any{kind, i})
	key := id + " " + repository
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.logins[key]
	if !ok {
		for old, other := range s.logins {
			if now.Sub(other.asked) > keepUnused {
				delete(s.logins, old)
			}
		}
		l = &Login{store: s, id: id, issuer: i, turn: make(chan struct{}, 1)}
		s.logins[key] = l
	}
	l.asked = now
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reach = reach // what is trusted may have changed since
	return l
}

// ID changes with who logs in and with the secret behind it; it tells neither. It is the same for all repositories.
func (l *Login) ID() string { return l.id }

// Obtain returns a user name and a password, or a bearer token, which are good for some minutes at least. An error is of kind
// Denied when the server refuses the identity, Invalid when what is configured cannot be used, and names the server.
func (l *Login) Obtain(ctx context.Context) (username, password, bearer string, err error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return "", "", "", ctx.Err()
	}
	l.mu.Lock()
	g, reach := l.grant, l.reach
	usable := g.usable(l.store.now())
	l.served = usable
	l.mu.Unlock()
	if !usable {
		if g, err = l.issue(ctx, reach); err != nil {
			return "", "", "", err
		}
		l.mu.Lock()
		l.grant = g
		l.mu.Unlock()
	}
	return g.username, g.password, g.bearer, nil
}

// issue asks for a token that is good for some time.
func (l *Login) issue(ctx context.Context, reach Reach) (grant, error) {
	limited, cancel := context.WithTimeout(ctx, l.store.timeout)
	defer cancel()
	g, err := l.issuer.issue(limited, l.store, reach)
	switch {
	case err != nil && ctx.Err() == nil && limited.Err() != nil:
		return grant{}, fault.New(fault.Transient, "no token within %s: %v", l.store.timeout, err) // not the caller's deadline
	case err == nil && !g.usable(l.store.now()):
		return grant{}, fault.New(fault.Transient, "the server issued a token that has ended already; is the clock of this machine right?")
	}
	return g, err
}

// Forget drops a token that was refused, and reports whether it had been accepted before, as far as is known: then another one may
// help at once, as when it was revoked.
func (l *Login) Forget() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grant = grant{}
	return l.served
}

// client returns a client for the server at address, which must be https: what it is sent is worth a password.
func (s *Store) client(key, address string, reach Reach) (*http.Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return nil, fault.New(fault.Invalid, "%s is no https address", key)
	}
	c, err := remote.NewClient(u, reach(u.Hostname()), s.env)
	if err != nil {
		return nil, fault.New(fault.Invalid, "reach %s: %w", u.Host, err)
	}
	// What is sent is for this address alone.
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}
