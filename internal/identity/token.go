package identity

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// Issuer is the claim iss of tokens that are issued here; Argo CD has the same.
const Issuer = "argocd"

// clockSkew is by how much the clocks of replicas may differ.
const clockSkew = 5 * time.Second

// renewal is how long before its end a session is worth a new token, as in Argo CD.
const renewal = 5 * time.Minute

// maxToken bounds what is parsed.
const maxToken = 16 << 10

// Session is somebody who has proved who they are.
type Session struct {
	// Subject is the name for policies: that of the account, or proj:<project>:<role>.
	Subject string
	// Capability says what the token of an account is for; "" for a project's role.
	Capability Capability
	// Project and Role are those of a token of a project's role.
	Project, Role string
	// ID is the token's, by which it is revoked or deleted.
	ID       string
	IssuedAt time.Time
	// Ends is the zero time for a token without an end.
	Ends time.Time
}

// claimsOf describes a token to issue.
type claimsOf struct {
	subject, id string
	notBefore   time.Time // of iat: the account's password was changed then
	lasts       time.Duration
}

// issue signs a token.
func (a *Authority) issue(s state, c claimsOf) (token string, ends time.Time, err error) {
	key, err := s.key()
	if err != nil {
		return "", time.Time{}, err
	}
	now := a.now().UTC().Truncate(time.Second)
	issued := now
	if c.notBefore.After(issued) {
		issued = c.notBefore
	}
	claims := jwt.RegisteredClaims{Issuer: Issuer, Subject: c.subject, ID: c.id, IssuedAt: jwt.NewNumericDate(issued), NotBefore: jwt.NewNumericDate(now)}
	if c.lasts > 0 {
		ends = now.Add(c.lasts)
		claims.ExpiresAt = jwt.NewNumericDate(ends)
	}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign a token: %w", err)
	}
	return signed, ends, nil
}

// IssuerOf returns the claim iss of a token without believing it, to choose who verifies; "" for what is no token.
func IssuerOf(token string) string {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.Issuer
}

// Verify returns the session of a token that was issued here. What is wrong with a token is of kind Denied; any other error
// means that it could not be decided.
func (a *Authority) Verify(ctx context.Context, token string) (Session, error) {
	s, err := a.state(ctx)
	if err != nil {
		return Session{}, err
	}
	key, err := s.key()
	if err != nil {
		return Session{}, err
	}
	session, err := a.parse(token, key)
	if err != nil {
		return Session{}, err
	}
	if session.Project != "" {
		err = a.verifyRole(ctx, session)
	} else {
		err = a.verifyAccount(ctx, s, session)
	}
	if err != nil {
		return Session{}, err
	}
	return session, nil
}

// parse checks signature, issuer and times.
func (a *Authority) parse(token string, key []byte) (Session, error) {
	if len(token) > maxToken {
		return Session{}, fault.New(fault.Denied, "invalid token: it is too long")
	}
	var claims jwt.RegisteredClaims
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return key, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithIssuer(Issuer), jwt.WithTimeFunc(a.now), jwt.WithLeeway(clockSkew))
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return Session{}, fault.New(fault.Denied, "the session has expired: log in again")
	case err != nil:
		// What the library says may quote the token.
		return Session{}, fault.New(fault.Denied, "invalid token: it was not issued here, or not for now")
	case claims.IssuedAt == nil:
		return Session{}, fault.New(fault.Denied, "invalid token: it does not say when it was issued")
	}
	session := Session{ID: claims.ID, IssuedAt: claims.IssuedAt.Time}
	if claims.ExpiresAt != nil {
		session.Ends = claims.ExpiresAt.Time
	}
	if err := session.name(claims.Subject); err != nil {
		return Session{}, err
	}
	return session, nil
}

// name takes a subject apart: <account>, <account>:login, <account>:apiKey or proj:<project>:<role>.
func (s *Session) name(subject string) error {
	parts := strings.Split(subject, ":")
	switch {
	case len(parts) == 3 && parts[0] == "proj" && parts[1] != "" && parts[2] != "":
		s.Subject, s.Project, s.Role = subject, parts[1], parts[2]
		return nil
	case len(parts) == 1 && subject != "":
		s.Subject, s.Capability = subject, APIKey
		return nil
	case len(parts) == 2 && parts[0] != "" && (parts[1] == string(Login) || parts[1] == string(APIKey)):
		s.Subject, s.Capability = parts[0], Capability(parts[1])
		return nil
	}
	return fault.New(fault.Denied, "invalid token: its subject is neither an account nor a project's role")
}

// verifyAccount checks that the account still lets the session in.
func (a *Authority) verifyAccount(ctx context.Context, s state, session Session) error {
	account, err := s.account(session.Subject)
	switch {
	case err != nil:
		return fault.New(fault.Denied, "account %s does not exist any more", session.Subject)
	case !account.Enabled:
		return fault.New(fault.Denied, "account %s is disabled", account.Name)
	case !account.Can(session.Capability):
		return fault.New(fault.Denied, "account %s has not the capability %s any more", account.Name, session.Capability)
	case session.ID == "":
		return fault.New(fault.Denied, "invalid token: it has no id, so that it could not be revoked")
	case session.IssuedAt.Before(account.PasswordChanged):
		return fault.New(fault.Denied, "the password of account %s was changed after the token was issued: log in again", account.Name)
	case session.Capability == APIKey && !slices.ContainsFunc(account.Tokens, func(t Token) bool { return t.ID == session.ID }):
		return fault.New(fault.Denied, "the token was deleted from account %s", account.Name)
	}
	revoked, err := a.Revoked(ctx, session.ID)
	if err != nil {
		return err
	}
	if revoked {
		return fault.New(fault.Denied, "the session was ended: log in again")
	}
	return nil
}

// verifyRole checks that the project still lists the token.
func (a *Authority) verifyRole(ctx context.Context, session Session) error {
	p, err := a.store.Project(ctx, session.Project)
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Denied, "project %s does not exist any more", session.Project)
	}
	if err != nil {
		return fmt.Errorf("read project %s: %w", session.Project, err)
	}
	at := roleOf(p, session.Role)
	if at < 0 {
		return fault.New(fault.Denied, "role %s of project %s does not exist any more", session.Role, session.Project)
	}
	listed := append(slices.Clone(p.Spec.Roles[at].JWTTokens), p.Status.JWTTokensByRole[session.Role].Items...)
	if !slices.ContainsFunc(listed, func(t v1alpha1.JWTToken) bool { return sameToken(t, session.ID, session.IssuedAt.Unix()) }) {
		return fault.New(fault.Denied, "the token was deleted from role %s of project %s", session.Role, session.Project)
	}
	if session.ID == "" {
		return nil
	}
	revoked, err := a.Revoked(ctx, session.ID)
	if err == nil && revoked {
		err = fault.New(fault.Denied, "the token was revoked")
	}
	return err
}

// sameToken matches by id where both have one: two tokens may have been issued in the same second.
func sameToken(listed v1alpha1.JWTToken, id string, issued int64) bool {
	if listed.ID != "" && id != "" {
		return listed.ID == id
	}
	return listed.IssuedAt == issued
}

func roleOf(p *v1alpha1.AppProject, role string) int {
	return slices.IndexFunc(p.Spec.Roles, func(r v1alpha1.ProjectRole) bool { return r.Name == role })
}

// Renew returns a new token for a session with a password that ends soon, and "" for any other. The old one stays as it is.
func (a *Authority) Renew(ctx context.Context, session Session) (token string, ends time.Time, err error) {
	if session.Capability != Login || session.Ends.IsZero() || session.Ends.Sub(a.now()) > renewal {
		return "", time.Time{}, nil
	}
	s, err := a.state(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	id, err := a.newID()
	if err != nil {
		return "", time.Time{}, err
	}
	return a.issue(s, claimsOf{subject: session.Subject + ":" + string(Login), id: id, lasts: session.Ends.Sub(session.IssuedAt)})
}

// newID returns a random id for a token.
func (a *Authority) newID() (string, error) {
	id, err := uuid.NewRandomFromReader(a.random)
	if err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return id.String(), nil
}
