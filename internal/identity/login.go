package identity

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/belaycd/belay/internal/fault"
)

// maxName is the longest name that is looked up, as in Argo CD.
const maxName = 32

// maxPassword is the longest password that bcrypt tells from others.
const maxPassword = 72

// invalid is the one text for whatever was wrong with a name or a password.
func invalid() error { return fault.New(fault.Denied, "invalid username or password") }

// LogIn checks a password and returns the token of a new session with the moment of its end. The address is that of the client,
// "" if it is not known. Errors are of kind Denied and do not tell whether there is such an account.
func (a *Authority) LogIn(ctx context.Context, name, password, address string) (token string, ends time.Time, err error) {
	account, err := a.check(ctx, name, password, address)
	if err != nil {
		return "", time.Time{}, err
	}
	s, err := a.state(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	id, err := a.newID()
	if err != nil {
		return "", time.Time{}, err
	}
	return a.issue(s, claimsOf{subject: name + ":" + string(Login), id: id, notBefore: account.PasswordChanged, lasts: sessionDuration(s.config)})
}

// CheckPassword checks the password of an account that may sign in, with the same limits as LogIn.
func (a *Authority) CheckPassword(ctx context.Context, name, password, address string) error {
	_, err := a.check(ctx, name, password, address)
	return err
}

func (a *Authority) check(ctx context.Context, name, password, address string) (Account, error) {
	s, err := a.state(ctx)
	if err != nil {
		return Account{}, err
	}
	account, known := s.accounts[name]
	counted := name
	if len(counted) > maxName {
		counted, known = counted[:maxName]+"...", false
	}
	try, wait := a.limiter.begin(counted, address, known, a.now())
	if wait > 0 {
		return Account{}, fault.New(fault.Denied, "too many failed logins: try again in %s", wait.Round(time.Second))
	}
	// Whoever has no password, or is nobody, costs the same as somebody with a wrong one.
	hash := account.hash
	if !known || !account.HasPassword() {
		hash, known = a.stranger, false
	}
	same, err := a.compare(ctx, hash, password)
	if err != nil {
		return Account{}, err
	}
	if !same || !known || password == "" {
		return Account{}, invalid()
	}
	a.limiter.succeed(try)
	// From here on the caller has proved to be the account, and may learn more about it.
	if !account.Enabled {
		return Account{}, fault.New(fault.Denied, "account %s is disabled", name)
	}
	if !account.Can(Login) {
		return Account{}, fault.New(fault.Denied, "account %s may not log in: it has not the capability login", name)
	}
	return account, nil
}

// compare compares a password with a hash, of which a few at once are enough to keep a core busy.
func (a *Authority) compare(ctx context.Context, hash []byte, password string) (bool, error) {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil, nil
}

// HashPassword returns what argocd-secret keeps of a password.
func (a *Authority) HashPassword(ctx context.Context, password string) ([]byte, error) {
	select {
	case a.hashing <- struct{}{}:
		defer func() { <-a.hashing }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return Hash(password, a.cost)
}

// Hash returns the bcrypt hash of a password; cost 0 means the default.
func Hash(password string, cost int) ([]byte, error) {
	if password == "" {
		return nil, fault.New(fault.Invalid, "the password is empty")
	}
	if len(password) > maxPassword {
		return nil, fault.New(fault.Invalid, "the password has %d bytes: bcrypt tells apart %d only", len(password), maxPassword)
	}
	if cost == 0 {
		cost = bcrypt.DefaultCost
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	if err != nil {
		return nil, fmt.Errorf("hash a password: %w", err)
	}
	return hash, nil
}

// ChangePassword sets the password of an account. Its sessions and tokens from before are not accepted any more.
func (a *Authority) ChangePassword(ctx context.Context, name, password string) error {
	s, err := a.state(ctx)
	if err != nil {
		return err
	}
	account, err := s.account(name)
	if err != nil {
		return err
	}
	if !account.Can(Login) {
		return fault.New(fault.Invalid, "account %s has not the capability login, and so no password", name)
	}
	if err := permitted(s.config["passwordPattern"], password); err != nil {
		return err
	}
	hash, err := a.HashPassword(ctx, password)
	if err != nil {
		return err
	}
	return a.changeSecret(ctx, SecretName, func(secret *Secret) (bool, error) {
		secret.Data[prefixOf(name)+"password"] = hash
		secret.Data[prefixOf(name)+"passwordMtime"] = a.nextSecond()
		return true, nil
	})
}

// nextSecond is the moment from which on tokens count. Tokens and passwordMtime have whole seconds, and a token that was issued in
// this very second must not outlast a change.
func (a *Authority) nextSecond() []byte {
	return []byte(a.now().UTC().Truncate(time.Second).Add(time.Second).Format(time.RFC3339))
}

// permitted checks a password against passwordPattern of argocd-cm.
func permitted(pattern, password string) error {
	if strings.TrimSpace(pattern) == "" {
		pattern = `^.{8,32}$`
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return fault.New(fault.Invalid, "passwordPattern of ConfigMap %s is no regular expression", ConfigMapName)
	}
	if !re.MatchString(password) {
		return fault.New(fault.Invalid, "the new password does not match the expression %s", pattern)
	}
	return nil
}

// sessionDuration is users.session.duration of argocd-cm.
func sessionDuration(config map[string]string) time.Duration {
	const usual = 24 * time.Hour
	d, err := time.ParseDuration(strings.TrimSpace(config["users.session.duration"]))
	if err != nil || d <= 0 {
		return usual
	}
	return d
}
