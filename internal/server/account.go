package server

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/identity"
	"github.com/belaycd/belay/internal/settings"
)

// accountsSecret holds passwords and tokens of accounts, among others.
const accountsSecret = "argocd-secret"

// ListAccountRequest is of Account.ListAccounts.
type ListAccountRequest struct{}

// GetAccountRequest is of Account.GetAccount.
type GetAccountRequest struct {
	Name string `path:"name" json:"name,omitempty"`
}

// AccountsList are accounts.
type AccountsList struct {
	Items []*Account `json:"items"`
}

// Account is a local account, without its password.
type Account struct {
	Name         string         `json:"name"`
	Enabled      bool           `json:"enabled"`
	Capabilities []string       `json:"capabilities,omitempty"`
	Tokens       []AccountToken `json:"tokens,omitempty"`
}

// AccountToken says that an account has a token, and not which.
type AccountToken struct {
	ID        string `json:"id"`
	IssuedAt  int64  `json:"issuedAt"`
	ExpiresAt int64  `json:"expiresAt,omitempty"`
}

// Passwords are those of local accounts. Refusals are of kind Denied and do not tell which accounts exist.
type Passwords interface {
	CheckPassword(ctx context.Context, name, password, address string) error
	// ChangePassword also ends the sessions of the account.
	ChangePassword(ctx context.Context, name, password string) error
}

// UpdatePasswordRequest is of Account.UpdatePassword. CurrentPassword is the caller's, whosever password is changed.
type UpdatePasswordRequest struct {
	Name            string `json:"name,omitempty"`
	CurrentPassword string `json:"currentPassword,omitempty"`
	NewPassword     string `json:"newPassword,omitempty"`
}

// UpdatePasswordResponse is empty.
type UpdatePasswordResponse struct{}

// CanIRequest asks whether the caller may do something. Subresource is the object.
type CanIRequest struct {
	Resource    string `path:"resource" json:"resource,omitempty"`
	Action      string `path:"action" json:"action,omitempty"`
	Subresource string `path:"subresource" json:"subresource,omitempty"`
}

// CanIResponse is yes or no.
type CanIResponse struct {
	Value string `json:"value"`
}

// ListAccounts returns the local accounts that the caller may see: at least the caller's own.
func (s *Server) ListAccounts(ctx context.Context, _ *ListAccountRequest) (*AccountsList, error) {
	c, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	config, err := s.configMap(ctx, settings.ConfigMapName)
	if err != nil {
		return nil, err
	}
	var secret corev1.Secret
	err = s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: accountsSecret}, &secret)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, kubeFault(err, "read Secret %s", accountsSecret)
	}
	found, _ := identity.ReadAccounts(config, secret.Data) // what cannot be read in them is told where people sign in
	out := &AccountsList{Items: []*Account{}}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if name == c.Name && c.Issuer == "argocd" || s.Allowed(ctx, "accounts", "get", name) {
			out.Items = append(out.Items, account(found[name]))
		}
	}
	return out, nil
}

func account(a identity.Account) *Account {
	out := &Account{Name: a.Name, Enabled: a.Enabled}
	for _, c := range a.Capabilities {
		out.Capabilities = append(out.Capabilities, string(c))
	}
	for _, t := range a.Tokens {
		out.Tokens = append(out.Tokens, AccountToken(t))
	}
	return out
}

// GetAccount returns one account.
func (s *Server) GetAccount(ctx context.Context, q *GetAccountRequest) (*Account, error) {
	list, err := s.ListAccounts(ctx, &ListAccountRequest{})
	if err != nil {
		return nil, err
	}
	for _, a := range list.Items {
		if a.Name == q.Name {
			return a, nil
		}
	}
	if err := s.require(ctx, "accounts", "get", q.Name); err != nil {
		return nil, err
	}
	return nil, fault.New(fault.NotFound, "account %q does not exist", q.Name)
}

// UpdatePassword changes the password of the caller, or with the right to update accounts that of another one.
func (s *Server) UpdatePassword(ctx context.Context, q *UpdatePasswordRequest) (*UpdatePasswordResponse, error) {
	c, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	local, name := c.own(c.Name), firstText(q.Name, c.Name)
	if err := s.permitAccount(ctx, name); err != nil {
		return nil, err
	}
	if s.Passwords == nil {
		return nil, fault.New(fault.Invalid, "passwords cannot be changed here")
	}
	if q.NewPassword == "" {
		return nil, fault.New(fault.Invalid, "the new password is missing")
	}
	if local {
		// A session that somebody left open is not enough.
		if err := s.Passwords.CheckPassword(ctx, c.Name, q.CurrentPassword, c.Address); err != nil {
			if fault.Is(err, fault.Denied) {
				err = fault.New(fault.Invalid, "the current password is not right")
			}
			return nil, err
		}
	}
	err = s.Passwords.ChangePassword(ctx, name, q.NewPassword)
	s.Record(ctx, nil, err, Activity{Kind: audit.KindSettings, Text: "changed the password of account " + name})
	if err != nil {
		return nil, err
	}
	return &UpdatePasswordResponse{}, nil
}

// CanI says whether the caller may do something.
func (s *Server) CanI(ctx context.Context, q *CanIRequest) (*CanIResponse, error) {
	if _, err := signedIn(ctx); err != nil {
		return nil, err
	}
	if s.Allowed(ctx, q.Resource, q.Action, q.Subresource) {
		return &CanIResponse{Value: "yes"}, nil
	}
	return &CanIResponse{Value: "no"}, nil
}
