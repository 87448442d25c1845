package app

import (
	"context"
	"time"

	"github.com/belaycd/belay/internal/identity"
	"github.com/belaycd/belay/internal/server"
)

// sessions signs people in with the authority over accounts and tokens. It implements server.Sessions.
type sessions struct {
	authority *identity.Authority
	anonymous func() bool
}

var _ server.Sessions = sessions{}

// Login implements server.Sessions.
func (s sessions) Login(ctx context.Context, username, password, address string) (server.Token, error) {
	value, ends, err := s.authority.LogIn(ctx, username, password, address)
	return server.Token{Value: value, Expires: ends}, err
}

// Verify implements server.Sessions.
func (s sessions) Verify(ctx context.Context, token string) (server.Caller, error) {
	session, err := s.authority.Verify(ctx, token)
	if err != nil {
		return server.Caller{}, err
	}
	return callerOf(session), nil
}

// Revoke implements server.Sessions.
func (s sessions) Revoke(ctx context.Context, token string) error {
	session, err := s.authority.Verify(ctx, token)
	if err != nil {
		return err
	}
	return s.authority.Revoke(ctx, session.ID, session.Expires)
}

// Anonymous implements server.Sessions.
func (s sessions) Anonymous() (server.Caller, bool) {
	return server.Caller{Anonymous: true}, s.anonymous()
}

var _ = time.Now
