package identity

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
)

// Keys of argocd-secret.
const keySignature = "server.secretkey"

// Capability is what an account may be used for.
type Capability string

// Capabilities of accounts.
const (
	// Login is signing in with a password.
	Login Capability = "login"
	// APIKey is having tokens.
	APIKey Capability = "apiKey"
)

// Token is what is kept of a token of an account; the token itself is not.
type Token struct {
	ID        string `json:"id"`
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp,omitempty"`
}

// Account is a local account.
type Account struct {
	Name         string
	Enabled      bool
	Capabilities []Capability
	Tokens       []Token
	// PasswordChanged is when the password was set, in whole seconds; tokens from before are not accepted.
	PasswordChanged time.Time
	hash            []byte
}

// Can reports whether the account has a capability.
func (a Account) Can(c Capability) bool { return slices.Contains(a.Capabilities, c) }

// HasPassword reports whether a password is set.
func (a Account) HasPassword() bool { return len(a.hash) > 0 }

// String tells nothing of the password.
func (a Account) String() string { return "account " + a.Name }

// GoString tells nothing of the password.
func (a Account) GoString() string { return a.String() }

// prefixOf begins the keys of an account in argocd-secret.
func prefixOf(name string) string {
	if name == Admin {
		return "admin."
	}
	return "accounts." + name + "."
}

// ReadAccounts reads the accounts of argocd-cm and argocd-secret. An account of which something cannot be read is disabled, and
// the problem says why.
func ReadAccounts(config map[string]string, secret map[string][]byte) (map[string]Account, []error) {
	r := accountReader{accounts: map[string]Account{Admin: {Name: Admin, Enabled: true, Capabilities: []Capability{Login}}}}
	for _, key := range slices.Sorted(maps.Keys(config)) {
		r.config(key, config[key])
	}
	for _, name := range slices.Sorted(maps.Keys(r.accounts)) {
		account := r.accounts[name]
		if err := account.read(secret); err != nil {
			account.Enabled = false
			r.problem("Secret/"+SecretName+" "+err.Error(), name)
		}
		if account.Name == Admin || r.declared[name] {
			r.accounts[name] = account
			continue
		}
		delete(r.accounts, name) // accounts.x.enabled alone makes no account
	}
	return r.accounts, r.problems
}

type accountReader struct {
	accounts map[string]Account
	declared map[string]bool
	problems []error
}

func (r *accountReader) problem(text, name string) {
	r.problems = append(r.problems, fault.New(fault.Invalid, "%s; until it is mended the account %s is disabled", text, name))
}

// config reads one key of argocd-cm.
func (r *accountReader) config(key, value string) {
	parts := strings.Split(key, ".")
	name, enabled := "", false
	switch {
	case key == "admin.enabled":
		name, enabled = Admin, true
	case len(parts) == 2 && parts[0] == "accounts" && parts[1] != "":
		name = parts[1]
	case len(parts) == 3 && parts[0] == "accounts" && parts[1] != "" && parts[2] == "enabled":
		name, enabled = parts[1], true
	default:
		return
	}
	account, ok := r.accounts[name]
	if !ok {
		account = Account{Name: name, Enabled: true}
	}
	if enabled {
		on, err := strconv.ParseBool(strings.TrimSpace(value))
		if err != nil {
			r.problem(fmt.Sprintf("ConfigMap/%s key %s: %q is neither true nor false", ConfigMapName, key, value), name)
		}
		account.Enabled = on && account.Enabled
		r.accounts[name] = account
		return
	}
	if r.declared == nil {
		r.declared = map[string]bool{}
	}
	r.declared[name] = true
	for word := range strings.SplitSeq(value, ",") {
		switch c := Capability(strings.TrimSpace(word)); c {
		case Login, APIKey:
			if !account.Can(c) {
				account.Capabilities = append(account.Capabilities, c)
			}
		case "":
		default:
			// It gives nothing, so that the others may stay.
			r.problems = append(r.problems, fault.New(fault.Invalid, "ConfigMap/%s key %s: %q is no capability: there are login and apiKey", ConfigMapName, key, string(c)))
		}
	}
	r.accounts[name] = account
}

// read takes what argocd-secret says about an account.
func (a *Account) read(secret map[string][]byte) error {
	prefix := prefixOf(a.Name)
	a.hash = secret[prefix+"password"]
	if text := strings.TrimSpace(string(secret[prefix+"passwordMtime"])); text != "" {
		changed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return fmt.Errorf("key %spasswordMtime is no time such as 2006-01-02T15:04:05Z", prefix)
		}
		a.PasswordChanged = changed
	}
	if text := secret[prefix+"tokens"]; len(text) > 0 {
		if err := json.Unmarshal(text, &a.Tokens); err != nil {
			a.Tokens = nil
			return fmt.Errorf("key %stokens is no list of tokens", prefix)
		}
	}
	return nil
}

// Accounts lists the local accounts by name, and what is wrong with them.
func (a *Authority) Accounts(ctx context.Context) ([]Account, []error, error) {
	s, err := a.state(ctx)
	if err != nil {
		return nil, nil, err
	}
	all := slices.SortedFunc(maps.Values(s.accounts), func(x, y Account) int { return cmp.Compare(x.Name, y.Name) })
	return all, s.problems, nil
}

// Account returns a local account; fault.NotFound if there is none.
func (a *Authority) Account(ctx context.Context, name string) (Account, error) {
	s, err := a.state(ctx)
	if err != nil {
		return Account{}, err
	}
	return s.account(name)
}

func (s state) account(name string) (Account, error) {
	account, ok := s.accounts[name]
	if !ok {
		return Account{}, fault.New(fault.NotFound, "account %q does not exist: it would be declared by accounts.%s in ConfigMap %s", name, name, ConfigMapName)
	}
	return account, nil
}
