// Package remote is the control plane over its API server: what the command line asks for goes in as calls of Argo CD's REST
// API; what the server answers comes out, or an error that says what to do.
package remote

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	httpremote "github.com/belaycd/belay/internal/remote"
)

// slowest bounds the wait for the beginning of an answer that takes a comparison or a render first.
const slowest = 10 * time.Minute

// Server implements cli.Server.
type Server struct {
	base    *url.URL
	client  *http.Client
	opts    cli.ServerOptions
	home    string
	address string // of the user interface

	mu   sync.Mutex
	seen map[cli.AppKey]uint64 // the newest version that an answer had
}

// Open returns the API server of o. It asks it which namespace it serves, unless o says so.
func Open(ctx context.Context, o cli.ServerOptions) (cli.Server, error) {
	base := &url.URL{Scheme: "https", Host: o.Address, Path: "/" + strings.Trim(o.RootPath, "/")}
	if o.Plaintext {
		base.Scheme = "http"
	}
	client, err := httpremote.NewClient(base, httpremote.Access{
		BearerToken: o.Token, CA: o.CA, Insecure: o.Insecure, TLSClientCert: o.ClientCert, TLSClientKey: o.ClientKey, ResponseTimeout: slowest,
	}, o.Env)
	if err != nil {
		return nil, fault.As(fault.Invalid, err)
	}
	s := &Server{base: base, client: client, opts: o, home: o.Namespace, seen: map[cli.AppKey]uint64{}}
	var settings struct {
		URL                 string `json:"url"`
		ControllerNamespace string `json:"controllerNamespace"`
	}
	switch err := s.get(ctx, "/api/v1/settings", nil, &settings); {
	case err == nil:
		s.address = settings.URL
		if s.home == "" {
			s.home = settings.ControllerNamespace
		}
	case fault.Is(err, fault.NotFound), fault.Is(err, fault.Denied), fault.Is(err, fault.Unauthenticated):
		// The next request tells what matters.
	default:
		return nil, err
	}
	if s.home == "" {
		s.home = defaultNamespace
	}
	return s, nil
}

// defaultNamespace is where Argo CD is by its own installation.
const defaultNamespace = "argocd"

// Home implements cli.ControlPlane.
func (s *Server) Home() string { return s.home }

// URL implements cli.ControlPlane.
func (s *Server) URL(context.Context) string { return s.address }

// SignIn implements cli.Server.
func (s *Server) SignIn(ctx context.Context, username, password string) (string, error) {
	var answer struct {
		Token string `json:"token"`
	}
	err := s.send(ctx, http.MethodPost, "/api/v1/session", nil, map[string]string{"username": username, "password": password}, &answer)
	if fault.Is(err, fault.Unauthenticated) {
		return "", &cli.Failure{Exit: cli.ExitAPI, Code: "Unauthorized", Err: err, Hint: "check the name and the password"}
	}
	if err == nil && answer.Token == "" {
		err = fault.New(fault.Internal, "the server answered without a token")
	}
	return answer.Token, err
}

// Provider implements cli.Server.
func (s *Server) Provider(ctx context.Context) (cli.Provider, error) {
	var settings struct {
		OIDC struct {
			Issuer      string   `json:"issuer"`
			ClientID    string   `json:"clientID"`
			CLIClientID string   `json:"cliClientID"`
			Scopes      []string `json:"scopes"`
		} `json:"oidcConfig"`
	}
	if err := s.get(ctx, "/api/v1/settings", nil, &settings); err != nil {
		return cli.Provider{}, err
	}
	client := settings.OIDC.CLIClientID
	if client == "" {
		client = settings.OIDC.ClientID
	}
	return cli.Provider{Issuer: settings.OIDC.Issuer, ClientID: client, Scopes: settings.OIDC.Scopes}, nil
}

// SignOut implements cli.Server.
func (s *Server) SignOut(ctx context.Context) error {
	return s.send(ctx, http.MethodDelete, "/api/v1/session", nil, nil, nil)
}

// Account implements cli.Server.
func (s *Server) Account(ctx context.Context) (string, error) {
	var info struct {
		LoggedIn bool   `json:"loggedIn"`
		Username string `json:"username"`
	}
	if err := s.get(ctx, "/api/v1/session/userinfo", nil, &info); err != nil || !info.LoggedIn {
		return "", err
	}
	return info.Username, nil
}

// appPath is the path of an application, and the query that says in which namespace it is.
func appPath(key cli.AppKey, below string) (string, url.Values) {
	q := url.Values{}
	if key.Namespace != "" {
		q.Set("appNamespace", key.Namespace)
	}
	return "/api/v1/applications/" + url.PathEscape(key.Name) + below, q
}

// remember keeps the version of an application that the server has answered with. The server may read from a cache that lags
// behind its own writes; what is older than this has to be asked for again.
func (s *Server) remember(key cli.AppKey, version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[key] = max(s.seen[key], number(version))
}

// stale reports whether a newer version of the application was seen before.
func (s *Server) stale(key cli.AppKey, version string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return number(version) < s.seen[key]
}

func (s *Server) known(key cli.AppKey) bool { return s.stale(key, "0") }

func (s *Server) forget(key cli.AppKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, key)
}

// number reads a resource version, which Kubernetes promises to be a number that grows; 0 is none.
func number(version string) uint64 {
	n, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
