// Package identity knows who somebody is: names with passwords and tokens go in; sessions, or the same refusal for whatever was
// wrong, come out.
//
// Accounts, passwords and tokens are those of Argo CD: argocd-cm, argocd-secret and the roles of AppProjects, with tokens that
// either of the two accepts. All state is in these objects and in one Secret of its own, so that any number of replicas agree.
package identity

import (
	"context"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// Names of objects.
const (
	ConfigMapName     = "argocd-cm"
	SecretName        = "argocd-secret"
	InitialSecretName = "argocd-initial-admin-secret"
	// RevokedSecretName holds the sessions that were ended before their time.
	RevokedSecretName = "belay-revoked-sessions"
)

// Admin is the account that is there without being configured.
const Admin = "admin"

// Secret is what is kept of a Secret. Version is that of the object that was read, "" for one that is not there yet.
type Secret struct {
	Name        string
	Version     string
	Labels      map[string]string
	Annotations map[string]string
	Data        map[string][]byte
}

// String tells nothing of the data.
func (s Secret) String() string { return "Secret/" + s.Name }

// GoString tells nothing of the data.
func (s Secret) GoString() string { return s.String() }

// MarshalText tells nothing of the data either: a structured log would encode it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Store reads and writes the objects, in the namespace of the control plane. Reads happen with every request and should come from a
// cache; after a write that failed with fault.Conflict the next read must return the state that forestalled it, or a later one.
// What is returned belongs to the caller.
type Store interface {
	// Config returns the data of argocd-cm, nil if there is none.
	Config(ctx context.Context) (map[string]string, error)
	// Secret returns a Secret; fault.NotFound if there is none.
	Secret(ctx context.Context, name string) (Secret, error)
	// PutSecret creates a Secret, or replaces the data, labels and annotations of that version; fault.Conflict if somebody else was faster.
	PutSecret(ctx context.Context, s Secret) error
	// Project returns a project; fault.NotFound if there is none.
	Project(ctx context.Context, name string) (*v1alpha1.AppProject, error)
	// PutProject updates a project at its resourceVersion; fault.Conflict if somebody else was faster.
	PutProject(ctx context.Context, p *v1alpha1.AppProject) error
}

// Options are what an Authority works with.
type Options struct {
	Store  Store
	Now    func() time.Time
	Random io.Reader
	// Cost is bcrypt's; 0 means its default, which Argo CD uses.
	Cost int
	// Limits are those of failed logins; zero values mean the defaults.
	Limits Limits
}

// Authority issues and verifies tokens. It is safe for concurrent use.
type Authority struct {
	store    Store
	now      func() time.Time
	random   io.Reader
	cost     int
	limiter  *limiter
	hashing  chan struct{} // bounds what passwords may cost
	stranger []byte        // the hash that passwords of unknown accounts are compared with
}

// maxHashing is how many passwords are hashed at once: each takes a core for some 50 ms.
const maxHashing = 4

// New returns an authority over the objects of a store.
func New(o Options) (*Authority, error) {
	if o.Cost == 0 {
		o.Cost = bcrypt.DefaultCost
	}
	stranger, err := bcrypt.GenerateFromPassword([]byte("nobody has this password"), o.Cost)
	if err != nil {
		return nil, fmt.Errorf("prepare password hashing: %w", err)
	}
	return &Authority{store: o.Store, now: o.Now, random: o.Random, cost: o.Cost, limiter: newLimiter(o.Limits),
		hashing: make(chan struct{}, maxHashing), stranger: stranger}, nil
}

// attempts is how often a change is tried that somebody else forestalled.
const attempts = 12

// again runs change until it is not forestalled.
func again(ctx context.Context, change func() error) error {
	var err error
	for range attempts {
		if err = ctx.Err(); err != nil {
			return err
		}
		if err = change(); !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	return err
}

// changeSecret reads a Secret, or an empty one, and writes what change makes of it, unless change says that there is nothing to do.
func (a *Authority) changeSecret(ctx context.Context, name string, change func(*Secret) (write bool, err error)) error {
	return again(ctx, func() error {
		s, err := a.secret(ctx, name)
		if err != nil {
			return err
		}
		write, err := change(&s)
		if err != nil || !write {
			return err
		}
		if err := a.store.PutSecret(ctx, s); err != nil {
			return fmt.Errorf("write Secret %s: %w", name, err)
		}
		return nil
	})
}

// secret reads a Secret; one that is not there is empty.
func (a *Authority) secret(ctx context.Context, name string) (Secret, error) {
	s, err := a.store.Secret(ctx, name)
	switch {
	case fault.Is(err, fault.NotFound):
		s = Secret{Name: name}
	case err != nil:
		return Secret{}, fmt.Errorf("read Secret %s: %w", name, err)
	}
	if s.Data == nil {
		s.Data = map[string][]byte{}
	}
	return s, nil
}

// state is what accounts are made of at one moment.
type state struct {
	config   map[string]string
	secret   Secret
	accounts map[string]Account
	problems []error
}

func (a *Authority) state(ctx context.Context) (state, error) {
	config, err := a.store.Config(ctx)
	if err != nil {
		return state{}, fmt.Errorf("read ConfigMap %s: %w", ConfigMapName, err)
	}
	secret, err := a.secret(ctx, SecretName)
	if err != nil {
		return state{}, err
	}
	s := state{config: config, secret: secret}
	s.accounts, s.problems = ReadAccounts(config, secret.Data)
	return s, nil
}

// key is what tokens are signed with.
func (s state) key() ([]byte, error) {
	key := s.secret.Data[keySignature]
	if len(key) < 16 {
		return nil, fault.New(fault.Internal, "Secret %s has no usable %s: start the server once more, or restore the key", SecretName, keySignature)
	}
	return key, nil
}
