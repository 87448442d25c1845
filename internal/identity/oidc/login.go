package oidc

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/belaycd/belay/internal/fault"
)

// SignInLifetime is how long somebody may take at the provider, and the greatest age of the cookie of Begin.
const SignInLifetime = 10 * time.Minute

// maxCookie bounds what is opened.
const maxCookie = 8 << 10

// pending is what a browser keeps, sealed, while somebody is at the provider: nobody else's answer fits it.
type pending struct {
	State    string `json:"s"`
	Nonce    string `json:"n"`
	Verifier string `json:"v,omitempty"`
	ReturnTo string `json:"r,omitempty"`
	Ends     int64  `json:"e"`
}

// Begin returns where to send a browser to sign in, and what it must keep in a cookie (HTTP only, SameSite=Lax) until it comes
// back. ReturnTo is a path of this server, or an address below its own.
func (p *Provider) Begin(ctx context.Context, returnTo string) (redirect, cookie string, err error) {
	if !p.ours(returnTo) {
		return "", "", fault.New(fault.Invalid, "%q is not an address of this server to return to", returnTo)
	}
	found, pkce, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	secrets := make([]string, 3)
	for i := range secrets {
		b, err := p.readRandom(32)
		if err != nil {
			return "", "", err
		}
		secrets[i] = base64.RawURLEncoding.EncodeToString(b)
	}
	wait := pending{State: secrets[0], Nonce: secrets[1], ReturnTo: returnTo, Ends: p.o.Now().Add(SignInLifetime).Unix()}
	options := []oauth2.AuthCodeOption{gooidc.Nonce(wait.Nonce)}
	if pkce {
		wait.Verifier = secrets[2]
		options = append(options, oauth2.S256ChallengeOption(wait.Verifier))
	}
	if len(p.o.Config.RequestedIDTokenClaims) > 0 {
		claims, err := json.Marshal(map[string]any{"id_token": p.o.Config.RequestedIDTokenClaims})
		if err != nil {
			return "", "", fmt.Errorf("encode requestedIDTokenClaims: %w", err)
		}
		options = append(options, oauth2.SetAuthURLParam("claims", string(claims)))
	}
	if cookie, err = p.seal(wait); err != nil {
		return "", "", err
	}
	oauth := p.oauth(found)
	return oauth.AuthCodeURL(wait.State, options...), cookie, nil
}

// ours reports whether an address is a path of this server or below its own address.
func (p *Provider) ours(address string) bool {
	if address == "" {
		return true
	}
	// Browsers take a backslash for a slash and leave control characters out.
	if len(address) > 2048 || strings.ContainsFunc(address, func(r rune) bool { return r == '\\' || r < ' ' || r == 0x7f }) {
		return false
	}
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Opaque != "" {
		return false
	}
	if u.Scheme == "" && u.Host == "" {
		return strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
	}
	return u.Scheme == p.base.Scheme && u.Host == p.base.Host
}

// Finish takes the cookie of Begin and the query that the browser came back with. What is wrong with them is of kind Denied.
func (p *Provider) Finish(ctx context.Context, cookie string, query url.Values) (Identity, error) {
	wait, err := p.open(cookie)
	if err != nil {
		return Identity{}, err
	}
	if subtle.ConstantTimeCompare([]byte(wait.State), []byte(query.Get("state"))) != 1 {
		return Identity{}, fault.New(fault.Denied, "the answer of the provider does not belong to this browser's sign-in: start again")
	}
	if issuer := query.Get("iss"); issuer != "" && issuer != p.o.Config.Issuer {
		return Identity{}, fault.New(fault.Denied, "the answer is from another provider")
	}
	if code := query.Get("error"); code != "" {
		return Identity{}, fault.New(fault.Denied, "the provider refused: %q %q", clip(code), clip(query.Get("error_description")))
	}
	token, err := p.exchange(ctx, query.Get("code"), wait.Verifier)
	if err != nil {
		return Identity{}, err
	}
	identity, verified, err := p.verify(ctx, token)
	if err != nil {
		return Identity{}, err
	}
	if subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(wait.Nonce)) != 1 {
		return Identity{}, fault.New(fault.Denied, "invalid token: it was issued for another sign-in")
	}
	identity.ReturnTo = wait.ReturnTo
	return identity, nil
}

// exchange gives a code for an ID token.
func (p *Provider) exchange(ctx context.Context, code, verifier string) (string, error) {
	if code == "" {
		return "", fault.New(fault.Denied, "the answer of the provider holds no code")
	}
	found, _, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	var options []oauth2.AuthCodeOption
	if verifier != "" {
		options = append(options, oauth2.VerifierOption(verifier))
	}
	oauth := p.oauth(found)
	tokens, err := oauth.Exchange(gooidc.ClientContext(ctx, p.client), code, options...)
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused):
		// The answer may quote what was sent.
		return "", fault.New(fault.Denied, "the provider gave no token for the code: %q (status %d)", clip(refused.ErrorCode), refused.Response.StatusCode)
	case err != nil:
		return "", fault.New(fault.Transient, "ask the provider %s for a token: it could not be reached", p.o.Config.Issuer)
	}
	token, ok := tokens.Extra("id_token").(string)
	if !ok || token == "" {
		return "", fault.New(fault.Denied, "the provider gave no ID token: the scope openid may be missing")
	}
	return token, nil
}

func clip(text string) string {
	const limit = 200
	if len(text) > limit {
		return text[:limit] + "..."
	}
	return text
}

func (p *Provider) sealer() (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, p.o.Key, nil, "belay sign-in", 32)
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("prepare a cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

func (p *Provider) seal(wait pending) (string, error) {
	aead, err := p.sealer()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(wait)
	if err != nil {
		return "", fmt.Errorf("encode a sign-in: %w", err)
	}
	nonce, err := p.readRandom(aead.NonceSize())
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, text, nil)), nil
}

func (p *Provider) open(cookie string) (pending, error) {
	refused := fault.New(fault.Denied, "this browser has not started to sign in here, or long ago: start again")
	aead, err := p.sealer()
	if err != nil {
		return pending{}, err
	}
	if len(cookie) > maxCookie {
		return pending{}, refused
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie)
	if err != nil || len(sealed) < aead.NonceSize() {
		return pending{}, refused
	}
	text, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
	var wait pending
	if err != nil || json.Unmarshal(text, &wait) != nil || wait.State == "" || p.o.Now().Unix() > wait.Ends {
		return pending{}, refused
	}
	return wait, nil
}
