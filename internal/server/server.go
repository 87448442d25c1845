// Package server is the service layer: a caller and a request go in; what the caller may see, or did, comes out. Each method
// is one remote procedure of Argo CD's API, or one of Belay's own; transports such as server/rest only map onto them.
package server

import (
	"context"
	"log/slog"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

// Access decides what a caller may do. Resources, actions and objects are those of argocd-rbac-cm.
type Access interface {
	Allows(c Caller, resource, action, object string) bool
}

// Options are what the service layer stands on.
type Options struct {
	// Client reads Applications, projects, ConfigMaps and Secrets of the control plane, from a cache, and writes them.
	Client client.WithWatch
	// Reader reads the same past the cache, for what must not be stale.
	Reader    client.Reader
	Namespace string
	Engine    Engine
	Access    Access
	Sessions  Sessions
	// Passwords are those of local accounts; nil where they cannot be changed.
	Passwords Passwords
	// Recorder keeps what callers did, and Audit is the record; nil where there is none.
	Recorder audit.Recorder
	Audit    audit.Log
	// Tokens are those of local accounts and of roles of projects; nil where none can be made.
	Tokens Tokens
	// Recheck is how often it is looked at whether the receiver of a stream may still have it; 0 means 5 seconds.
	Recheck time.Duration
	// Connections tells of clusters and repositories; nil when nothing is known of them here.
	Connections Connections
	// Notifications are what is told to whom; nil where nothing is.
	Notifications func() *notify.Config
	Build         VersionMessage
	Now           func() time.Time
	Log           *slog.Logger
}

// Server holds the services.
type Server struct {
	Options
	commits commitCache
	plans   planMemory
	changes feed
	// templates are those of links.
	templates templateMemory
	// actions are those of the settings.
	actions actionMemory
}

// New returns the service layer.
func New(o Options) *Server {
	s := &Server{Options: o}
	s.changes = feed{client: o.Client, reader: o.Reader, scope: s.scope}
	return s
}

// Close ends what runs for streams. They end with it.
func (s *Server) Close() { s.changes.end() }

// Caller is who asks.
type Caller struct {
	// Name is the account, the subject of a token (proj:<project>:<role>) or the name that the identity provider gave.
	Name   string
	Groups []string
	// Issuer is argocd for local accounts and tokens, otherwise the address of the identity provider.
	Issuer string
	// Address is where the request came from.
	Address string
	// Anonymous says that nobody signed in and that users.anonymous.enabled permits that.
	Anonymous bool
	// Session identifies the token, for signing out; empty for callers without one.
	Session string
	Expires time.Time
}

type callerKey struct{}

// WithCaller returns a context for a request of c.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns who asks; false when nobody has signed in.
func CallerOf(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(Caller)
	return c, ok
}

// Allowed reports whether the caller may do it.
func (s *Server) Allowed(ctx context.Context, resource, action, object string) bool {
	c, ok := CallerOf(ctx)
	return ok && s.Access.Allows(c, resource, action, object)
}

// require returns an error unless the caller may do it.
func (s *Server) require(ctx context.Context, resource, action, object string) error {
	if _, ok := CallerOf(ctx); !ok {
		return fault.New(fault.Unauthenticated, "sign in first")
	}
	if !s.Allowed(ctx, resource, action, object) {
		s.recordDenied(ctx, resource, action, object)
		return fault.New(fault.Denied, "permission denied: %s, %s, %s", resource, action, object)
	}
	return nil
}
