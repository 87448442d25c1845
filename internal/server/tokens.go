package server

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/identity"
)

// Tokens are made for local accounts and for roles of projects. They are not kept: an account or a role lists their ids alone.
type Tokens interface {
	CreateToken(ctx context.Context, account, id string, lasts time.Duration) (token, usedID string, err error)
	DeleteToken(ctx context.Context, account, id string) error
	CreateRoleToken(ctx context.Context, project, role, id string, lasts time.Duration) (token, usedID string, err error)
	// DeleteRoleToken takes a token away by its id, or where that is "" by the second that it was issued in.
	DeleteRoleToken(ctx context.Context, project, role, id string, issuedAt int64) error
}

// Seconds is a number in JSON, which may be written as a text as well: clients in languages without long numbers do.
type Seconds int64

// UnmarshalJSON implements json.Unmarshaler.
func (s *Seconds) UnmarshalJSON(data []byte) error {
	n, err := strconv.ParseInt(strings.Trim(string(data), `"`), 10, 64)
	if err != nil {
		return &json.UnmarshalTypeError{Value: "text", Type: reflect.TypeFor[int64](), Field: "expiresIn"}
	}
	*s = Seconds(n)
	return nil
}

// lasts is how long a token is accepted; 0 is without end.
func (s Seconds) lasts() (time.Duration, error) {
	const most = 100 * 365 * 24 * 3600
	if s < 0 || s > most {
		return 0, fault.New(fault.Invalid, "expiresIn: %d seconds: a number from 0 (without end) to %d is needed", s, most)
	}
	return time.Duration(s) * time.Second, nil
}

// CreateTokenRequest is of Account.CreateToken.
type CreateTokenRequest struct {
	Name string `path:"name" json:"name,omitempty"`
	// ExpiresIn is how long the token is accepted, in seconds; 0 is without end.
	ExpiresIn Seconds `json:"expiresIn,omitempty"`
	// ID names the token; a random one is made where it is empty.
	ID string `json:"id,omitempty"`
}

// CreateTokenResponse holds the token, which nobody can read again.
type CreateTokenResponse struct {
	Token string `json:"token"`
}

// DeleteTokenRequest is of Account.DeleteToken.
type DeleteTokenRequest struct {
	Name string `path:"name" json:"name,omitempty"`
	ID   string `path:"id" json:"id,omitempty"`
}

// ProjectTokenCreateRequest is of Project.CreateToken.
type ProjectTokenCreateRequest struct {
	Project string `path:"project" json:"project,omitempty"`
	Role    string `path:"role" json:"role,omitempty"`
	// Description has no effect, as in Argo CD.
	Description string `json:"description,omitempty"`
	// ExpiresIn is how long the token is accepted, in seconds; 0 is without end.
	ExpiresIn Seconds `json:"expiresIn,omitempty"`
	ID        string  `json:"id,omitempty"`
}

// ProjectTokenDeleteRequest is of Project.DeleteToken. ID names the token, or where it is empty the second that it was issued in.
type ProjectTokenDeleteRequest struct {
	Project string `path:"project" json:"project,omitempty"`
	Role    string `path:"role" json:"role,omitempty"`
	IAT     int64  `path:"iat" json:"iat,omitempty"`
	ID      string `query:"id" json:"id,omitempty"`
}

// own reports whether the caller is that local account.
func (c Caller) own(account string) bool {
	return c.Name == account && c.Issuer == identity.Issuer && !c.Anonymous && !strings.HasPrefix(c.Name, "proj:")
}

// permitAccount lets callers change their own account, and with the right to update accounts any.
func (s *Server) permitAccount(ctx context.Context, account string) error {
	c, err := signedIn(ctx)
	if err != nil || c.own(account) {
		return err
	}
	return s.require(ctx, "accounts", "update", account)
}

// tokens returns what makes tokens.
func (s *Server) tokens() (Tokens, error) {
	if s.Tokens == nil {
		return nil, fault.New(fault.Invalid, "tokens cannot be changed here")
	}
	return s.Tokens, nil
}

// CreateToken gives an account a token.
func (s *Server) CreateToken(ctx context.Context, q *CreateTokenRequest) (*CreateTokenResponse, error) {
	if err := s.permitAccount(ctx, q.Name); err != nil {
		return nil, err
	}
	tokens, err := s.tokens()
	if err != nil {
		return nil, err
	}
	lasts, err := q.ExpiresIn.lasts()
	if err != nil {
		return nil, err
	}
	token, id, err := tokens.CreateToken(ctx, q.Name, q.ID, lasts)
	s.Record(ctx, nil, err, Activity{Kind: audit.KindCreate, Text: "made token " + firstText(id, q.ID) + " of account " + q.Name})
	if err != nil {
		return nil, err
	}
	return &CreateTokenResponse{Token: token}, nil
}

// DeleteToken takes a token from an account.
func (s *Server) DeleteToken(ctx context.Context, q *DeleteTokenRequest) (*EmptyResponse, error) {
	if err := s.permitAccount(ctx, q.Name); err != nil {
		return nil, err
	}
	tokens, err := s.tokens()
	if err != nil {
		return nil, err
	}
	err = tokens.DeleteToken(ctx, q.Name, q.ID)
	s.Record(ctx, nil, err, Activity{Kind: audit.KindDelete, Text: "deleted token " + q.ID + " of account " + q.Name})
	if err != nil {
		return nil, err
	}
	return &EmptyResponse{}, nil
}

// permitRole lets those change the tokens of a role who may update its project, and as in Argo CD those who are in a group of the
// role. Whoever may not learns nothing of the project.
func (s *Server) permitRole(ctx context.Context, name, role string) error {
	c, err := signedIn(ctx)
	if err != nil {
		return err
	}
	if !s.Allowed(ctx, "projects", "update", name) && len(c.Groups) > 0 && s.Allowed(ctx, "projects", "get", name) {
		p, err := s.project(ctx, s.Client, name, "get")
		if err != nil {
			return err
		}
		if slices.ContainsFunc(p.Spec.Roles, func(r v1alpha1.ProjectRole) bool {
			return r.Name == role && slices.ContainsFunc(r.Groups, func(g string) bool { return slices.Contains(c.Groups, g) })
		}) {
			return nil
		}
	}
	return s.require(ctx, "projects", "update", name)
}

// CreateProjectToken gives a role of a project a token.
func (s *Server) CreateProjectToken(ctx context.Context, q *ProjectTokenCreateRequest) (*CreateTokenResponse, error) {
	if err := s.permitRole(ctx, q.Project, q.Role); err != nil {
		return nil, err
	}
	tokens, err := s.tokens()
	if err != nil {
		return nil, err
	}
	lasts, err := q.ExpiresIn.lasts()
	if err != nil {
		return nil, err
	}
	token, id, err := tokens.CreateRoleToken(ctx, q.Project, q.Role, q.ID, lasts)
	s.Record(ctx, nil, err, Activity{Kind: audit.KindCreate, Project: q.Project, Text: "made token " + firstText(id, q.ID) + " of role " + q.Role})
	if err != nil {
		return nil, err
	}
	return &CreateTokenResponse{Token: token}, nil
}

// DeleteProjectToken takes a token from a role of a project.
func (s *Server) DeleteProjectToken(ctx context.Context, q *ProjectTokenDeleteRequest) (*EmptyResponse, error) {
	if err := s.permitRole(ctx, q.Project, q.Role); err != nil {
		return nil, err
	}
	tokens, err := s.tokens()
	if err != nil {
		return nil, err
	}
	err = tokens.DeleteRoleToken(ctx, q.Project, q.Role, q.ID, q.IAT)
	s.Record(ctx, nil, err, Activity{Kind: audit.KindDelete, Project: q.Project, Text: "deleted token " +
		firstText(q.ID, "of "+time.Unix(q.IAT, 0).UTC().Format(time.RFC3339)) + " of role " + q.Role})
	if err != nil {
		return nil, err
	}
	return &EmptyResponse{}, nil
}
