package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// maxLifetime keeps ends of tokens in what a JSON number can hold.
const maxLifetime = 100 * 365 * 24 * time.Hour

// CreateToken gives an account a token. Without an id it gets a random one; lasting 0 it has no end. The token is not kept.
func (a *Authority) CreateToken(ctx context.Context, name, id string, lasts time.Duration) (token, usedID string, err error) {
	if id, err = a.tokenID(id, lasts); err != nil {
		return "", "", err
	}
	err = again(ctx, func() error {
		s, err := a.state(ctx)
		if err != nil {
			return err
		}
		account, err := s.account(name)
		if err != nil {
			return err
		}
		if !account.Enabled || !account.Can(APIKey) {
			return fault.New(fault.Invalid, "account %s has no tokens: it is disabled, or has not the capability apiKey", name)
		}
		if slices.ContainsFunc(account.Tokens, func(t Token) bool { return t.ID == id }) {
			return fault.New(fault.Invalid, "account %s has a token with the id %s already", name, id)
		}
		signed, ends, err := a.issue(s, claimsOf{subject: name + ":" + string(APIKey), id: id, notBefore: account.PasswordChanged, lasts: lasts})
		if err != nil {
			return err
		}
		entry := Token{ID: id, IssuedAt: max(a.now().Unix(), account.PasswordChanged.Unix())}
		if !ends.IsZero() {
			entry.ExpiresAt = ends.Unix()
		}
		token = signed
		return a.putTokens(ctx, s.secret, account, append(a.lasting(account.Tokens), entry))
	})
	if err != nil {
		return "", "", err
	}
	return token, id, nil
}

// lasting leaves tokens out that have ended.
func (a *Authority) lasting(tokens []Token) []Token {
	now := a.now().Add(-clockSkew).Unix()
	return slices.DeleteFunc(slices.Clone(tokens), func(t Token) bool { return t.ExpiresAt != 0 && t.ExpiresAt < now })
}

// DeleteToken takes a token from an account; fault.NotFound if it has none with the id.
func (a *Authority) DeleteToken(ctx context.Context, name, id string) error {
	return again(ctx, func() error {
		s, err := a.state(ctx)
		if err != nil {
			return err
		}
		account, err := s.account(name)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(account.Tokens, func(t Token) bool { return t.ID == id })
		if at < 0 {
			return fault.New(fault.NotFound, "account %s has no token with the id %s", name, id)
		}
		return a.putTokens(ctx, s.secret, account, slices.Delete(slices.Clone(account.Tokens), at, at+1))
	})
}

// putTokens writes the list of an account's tokens at the version that was read.
func (a *Authority) putTokens(ctx context.Context, secret Secret, account Account, tokens []Token) error {
	key := prefixOf(account.Name) + "tokens"
	delete(secret.Data, key)
	if len(tokens) > 0 {
		text, err := json.Marshal(tokens)
		if err != nil {
			return fmt.Errorf("encode the tokens of account %s: %w", account.Name, err)
		}
		secret.Data[key] = text
	}
	if err := a.store.PutSecret(ctx, secret); err != nil {
		return fmt.Errorf("write Secret %s: %w", SecretName, err)
	}
	return nil
}

func (a *Authority) tokenID(id string, lasts time.Duration) (string, error) {
	if lasts < 0 || lasts > maxLifetime {
		return "", fault.New(fault.Invalid, "a token cannot last %s", lasts)
	}
	if len(id) > 128 {
		return "", fault.New(fault.Invalid, "the id of a token has at most 128 bytes")
	}
	if id != "" {
		return id, nil
	}
	return a.newID()
}

// CreateRoleToken gives a role of a project a token, as CreateToken does for an account.
func (a *Authority) CreateRoleToken(ctx context.Context, project, role, id string, lasts time.Duration) (token, usedID string, err error) {
	if id, err = a.tokenID(id, lasts); err != nil {
		return "", "", err
	}
	err = a.changeRole(ctx, project, role, func(p *v1alpha1.AppProject, at int) error {
		listed := roleTokens(p, at)
		if slices.ContainsFunc(listed, func(t v1alpha1.JWTToken) bool { return t.ID == id }) {
			return fault.New(fault.Invalid, "role %s of project %s has a token with the id %s already", role, project, id)
		}
		s, err := a.state(ctx)
		if err != nil {
			return err
		}
		signed, ends, err := a.issue(s, claimsOf{subject: "proj:" + project + ":" + role, id: id, lasts: lasts})
		if err != nil {
			return err
		}
		entry := v1alpha1.JWTToken{ID: id, IssuedAt: a.now().Unix()}
		if !ends.IsZero() {
			entry.ExpiresAt = ends.Unix()
		}
		token = signed
		setRoleTokens(p, at, append(listed, entry))
		return nil
	})
	if err != nil {
		return "", "", err
	}
	return token, id, nil
}

// DeleteRoleToken takes a token from a role of a project: by its id, or where that is "" by the second that it was issued in.
func (a *Authority) DeleteRoleToken(ctx context.Context, project, role, id string, issuedAt int64) error {
	return a.changeRole(ctx, project, role, func(p *v1alpha1.AppProject, at int) error {
		listed := roleTokens(p, at)
		kept := slices.DeleteFunc(slices.Clone(listed), func(t v1alpha1.JWTToken) bool {
			if id != "" {
				return t.ID == id
			}
			return t.IssuedAt == issuedAt
		})
		if len(kept) == len(listed) {
			return fault.New(fault.NotFound, "role %s of project %s has no such token", role, project)
		}
		setRoleTokens(p, at, kept)
		return nil
	})
}

// changeRole reads a project and writes what change makes of it.
func (a *Authority) changeRole(ctx context.Context, project, role string, change func(p *v1alpha1.AppProject, at int) error) error {
	return again(ctx, func() error {
		p, err := a.store.Project(ctx, project)
		if err != nil {
			return fmt.Errorf("read project %s: %w", project, err)
		}
		at := roleOf(p, role)
		if at < 0 {
			return fault.New(fault.NotFound, "project %s has no role %s", project, role)
		}
		if err := change(p, at); err != nil {
			return err
		}
		if err := a.store.PutProject(ctx, p); err != nil {
			return fmt.Errorf("write project %s: %w", project, err)
		}
		return nil
	})
}

// roleTokens are those that spec or status list. Argo CD keeps them in both.
func roleTokens(p *v1alpha1.AppProject, at int) []v1alpha1.JWTToken {
	role := p.Spec.Roles[at]
	all := slices.Clone(role.JWTTokens)
	for _, t := range p.Status.JWTTokensByRole[role.Name].Items {
		if !slices.ContainsFunc(all, func(known v1alpha1.JWTToken) bool { return known == t || known.ID != "" && known.ID == t.ID }) {
			all = append(all, t)
		}
	}
	return all
}

func setRoleTokens(p *v1alpha1.AppProject, at int, tokens []v1alpha1.JWTToken) {
	role := &p.Spec.Roles[at]
	role.JWTTokens = tokens
	if p.Status.JWTTokensByRole == nil {
		p.Status.JWTTokensByRole = map[string]v1alpha1.JWTTokens{}
	}
	p.Status.JWTTokensByRole[role.Name] = v1alpha1.JWTTokens{Items: slices.Clone(tokens)}
}
