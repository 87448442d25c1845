package app

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/identity"
	"github.com/belaycd/belay/internal/server"
)

// keyAnonymous permits callers who have not signed in, in argocd-cm.
const keyAnonymous = "users.anonymous.enabled"

// sessions signs people in with the authority over accounts and tokens. It implements server.Sessions.
type sessions struct {
	authority *identity.Authority
	provider  *singleSignOn
	// config returns the data of argocd-cm.
	config func(context.Context) (map[string]string, error)
}

var _ server.Sessions = sessions{}

func newAuthority(store identity.Store) (*identity.Authority, error) {
	return identity.New(identity.Options{Store: store, Now: time.Now, Random: rand.Reader})
}

// unknown makes a refusal one that signing in may mend.
func unknown(err error) error {
	if fault.Is(err, fault.Denied) {
		return fault.As(fault.Unauthenticated, err)
	}
	return err
}

// Login implements server.Sessions.
func (s sessions) Login(ctx context.Context, username, password, address string) (server.Token, error) {
	value, ends, err := s.authority.LogIn(ctx, username, password, address)
	return server.Token{Value: value, Expires: ends}, unknown(err)
}

// Verify implements server.Sessions.
func (s sessions) Verify(ctx context.Context, token string) (server.Caller, error) {
	if foreign(token) {
		return s.verifyForeign(ctx, token)
	}
	session, err := s.authority.Verify(ctx, token)
	if err != nil {
		return server.Caller{}, unknown(err)
	}
	return server.Caller{Name: session.Subject, Issuer: identity.Issuer, Session: session.ID, Expires: session.Ends}, nil
}

// verifyForeign recognises a token of the identity provider, unless its session was ended here.
func (s sessions) verifyForeign(ctx context.Context, token string) (server.Caller, error) {
	who, err := s.provider.verify(ctx, token)
	if fault.Is(err, fault.NotFound) {
		return server.Caller{}, fault.New(fault.Unauthenticated, "invalid token: no identity provider is set")
	}
	if err != nil {
		return server.Caller{}, unknown(err)
	}
	ended, err := s.authority.Revoked(ctx, who.ID)
	if err != nil {
		return server.Caller{}, err
	}
	if ended {
		return server.Caller{}, fault.New(fault.Unauthenticated, "invalid token: the session was ended")
	}
	return server.Caller{Name: who.Subject, Groups: who.Groups, Issuer: identity.IssuerOf(token), Session: who.ID, Expires: who.Ends}, nil
}

// Revoke implements server.Sessions.
func (s sessions) Revoke(ctx context.Context, token string) error {
	if foreign(token) {
		who, err := s.provider.verify(ctx, token)
		if err != nil {
			return unknown(err)
		}
		return s.authority.Revoke(ctx, who.ID, who.Ends)
	}
	session, err := s.authority.Verify(ctx, token)
	if err != nil {
		return unknown(err)
	}
	return s.authority.Revoke(ctx, session.ID, session.Ends)
}

// Anonymous implements server.Sessions.
func (s sessions) Anonymous() (server.Caller, bool) {
	config, err := s.config(context.Background()) // from a cache
	return server.Caller{Anonymous: true}, err == nil && config[keyAnonymous] == "true"
}
