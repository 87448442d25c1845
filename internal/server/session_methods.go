package server

import (
	"context"

	"github.com/belaycd/belay/internal/fault"
)

// SessionDeleteRequest ends a session. Transports fill in the token that the caller came with.
type SessionDeleteRequest struct {
	Token string `json:"-"`
}

// SessionGetUserInfoRequest asks who the caller is.
type SessionGetUserInfoRequest struct{}

// Empty is an answer without content.
type Empty struct{}

// CreateSession signs in with a name and a password, or takes over a token that holds already.
func (s *Server) CreateSession(ctx context.Context, q *SessionCreateRequest) (Token, error) {
	if q.Token != "" {
		c, err := s.Sessions.Verify(ctx, q.Token)
		if err != nil {
			return Token{}, err
		}
		return Token{Value: q.Token, Expires: c.Expires}, nil
	}
	if q.Username == "" || q.Password == "" {
		return Token{}, fault.New(fault.Unauthenticated, "name and password are needed")
	}
	token, err := s.Sessions.Login(ctx, q.Username, q.Password, addressOf(ctx))
	if fault.Is(err, fault.Denied) {
		err = fault.As(fault.Unauthenticated, err) // a refusal of the password is none of a right
	}
	s.RecordLogin(ctx, q.Username, err)
	return token, err
}

// DeleteSession signs out. Who has no session is signed out already.
func (s *Server) DeleteSession(ctx context.Context, q *SessionDeleteRequest) error {
	if q.Token == "" {
		return nil
	}
	err := s.Sessions.Revoke(ctx, q.Token)
	if fault.Is(err, fault.Unauthenticated) {
		return nil
	}
	return err
}

// GetUserInfo says who the caller is; somebody unknown is not logged in.
func (s *Server) GetUserInfo(ctx context.Context, _ *SessionGetUserInfoRequest) (*GetUserInfoResponse, error) {
	c, ok := CallerOf(ctx)
	if !ok || c.Anonymous {
		return &GetUserInfoResponse{}, nil
	}
	return &GetUserInfoResponse{LoggedIn: true, Username: c.Name, Iss: c.Issuer, Groups: c.Groups}, nil
}
