package server

import (
	"context"
	"time"
)

// Sessions sign people in and recognise them again. Errors are of kind Unauthenticated and tell nothing about which accounts
// exist.
type Sessions interface {
	Login(ctx context.Context, username, password, address string) (Token, error)
	// Verify returns who a token belongs to.
	Verify(ctx context.Context, token string) (Caller, error)
	// Revoke ends the session of a token.
	Revoke(ctx context.Context, token string) error
	// Anonymous returns the caller that nobody is, if such callers are permitted.
	Anonymous() (Caller, bool)
}

// Token is a session's.
type Token struct {
	Value   string
	Expires time.Time
}

// SessionCreateRequest is of Session.Create. Token signs in with the token of an identity provider.
type SessionCreateRequest struct {
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	Token    string `json:"token,omitempty"`
}

// SessionResponse holds the token to send from now on.
type SessionResponse struct {
	Token string `json:"token"`
}

// GetUserInfoResponse is of Session.GetUserInfo.
type GetUserInfoResponse struct {
	LoggedIn bool     `json:"loggedIn"`
	Username string   `json:"username,omitempty"`
	Iss      string   `json:"iss,omitempty"`
	Groups   []string `json:"groups,omitempty"`
}

// VersionMessage is of Version.Version.
type VersionMessage struct {
	Version   string `json:"Version"`
	GoVersion string `json:"GoVersion,omitempty"`
	Platform  string `json:"Platform,omitempty"`
}
