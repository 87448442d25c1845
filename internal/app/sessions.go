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
	session, err := s.authority.Verify(ctx, token)
	if err != nil {
		return server.Caller{}, unknown(err)
	}
	return server.Caller{Name: session.Subject, Issuer: identity.Issuer, Session: session.ID, Expires: session.Ends}, nil
}

// Revoke implements server.Sessions.
func (s sessions) Revoke(ctx context.Context, token string) error {
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
