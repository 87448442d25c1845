package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// Server is an API server: a control plane that accounts sign in to.
type Server interface {
	ControlPlane
	// SignIn returns a token for a name and a password.
	SignIn(ctx context.Context, username, password string) (token string, err error)
	// Provider names the identity provider of the server; without an issuer where it has none.
	Provider(ctx context.Context) (Provider, error)
	// SignOut ends the session of the token.
	SignOut(ctx context.Context) error
	// Account says whom the token belongs to; empty when the server does not know.
	Account(ctx context.Context) (string, error)
}

// ServerFunc opens an API server.
type ServerFunc func(ctx context.Context, o ServerOptions) (Server, error)

// ServerOptions say where an API server is and how it is reached. They hold secrets and are never printed.
type ServerOptions struct {
	// Address is host or host:port; RootPath is what proxies put in front of the paths of the API.
	Address, RootPath string
	// Token is sent with every request; empty sends none.
	Token string
	// Plaintext speaks HTTP; Insecure accepts any certificate.
	Plaintext, Insecure bool
	// CA, ClientCert and ClientKey are PEM.
	CA, ClientCert, ClientKey []byte
	// Namespace is that of the control plane; empty asks the server.
	Namespace string
	// Timeout bounds one request; 0 means no bound. Those that wait for a comparison take longer.
	Timeout   time.Duration
	UserAgent string
	// Env holds HTTPS_PROXY and the like.
	Env []string
}

// String keeps the token out of logs and errors, whatever verb prints it.
func (o ServerOptions) String() string { return o.Address }

// GoString is String for %#v.
func (o ServerOptions) GoString() string { return o.Address }

// serverTarget is the API server that a command line means, and what named it.
type serverTarget struct {
	Server string
	from   string
	opts   ServerOptions
}

// serverFlags are the global flags about an API server. All but the first few are argocd's for connections that this program
// does not make.
type serverFlags struct {
	server, authToken, config, context string
	plaintext, insecure                bool
	rootPath, ca, clientCert           string
	clientKey                          string
}

// target finds the API server to speak with; nil is the cluster of the kubeconfig. In this order: --core, --server,
// --kubeconfig and --kube-context, ARGOCD_SERVER, the saved context, the kubeconfig.
func (c *cli) target() (*serverTarget, error) {
	f := &c.server
	pinned := c.kube.kubeconfig != "" || c.kube.context != ""
	switch {
	case c.kube.core:
		return nil, nil
	case pinned && f.server != "":
		return nil, usageError("give --server, or --kubeconfig and --kube-context, not both")
	case pinned && f.context == "":
		return nil, nil
	}
	saved, err := c.savedConfig()
	if err != nil {
		return nil, err
	}
	t := &serverTarget{Server: f.server, from: "--server"}
	if t.Server == "" {
		t.Server, t.from = c.Getenv("ARGOCD_SERVER"), "ARGOCD_SERVER"
	}
	var in savedContext
	if t.Server == "" {
		in, err = saved.context(f.context)
		switch {
		case errors.Is(err, errNoContext) && f.authToken != "":
			return nil, usageError("--auth-token needs a server: name it with --server or ARGOCD_SERVER")
		case errors.Is(err, errNoContext):
			return nil, nil
		case err != nil:
			return nil, err
		case in.core:
			return nil, nil
		}
		t.Server, t.from = in.opts.Address, "the saved context '"+in.name+"'"
	} else if in, err = saved.contextOf(t.Server, f.context); err != nil {
		return nil, err
	}
	t.opts, err = c.serverOptions(t.Server, in.opts)
	return t, err
}

// serverOptions are those that are saved for a server with the flags laid over them.
func (c *cli) serverOptions(server string, saved ServerOptions) (ServerOptions, error) {
	f := &c.server
	o := saved
	if err := o.parseAddress(server); err != nil {
		return o, err
	}
	o.Plaintext, o.Insecure = o.Plaintext || f.plaintext, o.Insecure || f.insecure
	o.RootPath = firstOf(f.rootPath, o.RootPath)
	o.Token = firstOf(f.authToken, c.Getenv("ARGOCD_AUTH_TOKEN"), o.Token)
	for file, into := range map[string]*[]byte{f.ca: &o.CA, f.clientCert: &o.ClientCert, f.clientKey: &o.ClientKey} {
		if file == "" {
			continue
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return o, usageError("read certificate: %w", err)
		}
		*into = data
	}
	if c.kube.namespaceGiven() {
		o.Namespace = c.kube.namespace
	}
	o.Timeout, o.UserAgent = c.kube.requestTimeout.duration(), "belay/"+c.Build.Version
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if v := c.Getenv(name); v != "" {
			o.Env = append(o.Env, name+"="+v)
		}
	}
	return o, nil
}

// parseAddress reads host, host:port or a URL of them. The scheme http says that there is no TLS.
func (o *ServerOptions) parseAddress(server string) error {
	text := server
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return usageError("%q is no address of a server: it is of the form HOST or HOST:PORT", server)
	}
	o.Address = u.Host
	o.Plaintext = o.Plaintext || u.Scheme == "http"
	if path := strings.Trim(u.Path, "/"); path != "" {
		o.RootPath = path
	}
	return nil
}

// openServer opens an API server.
func (c *cli) openServer(ctx context.Context, t serverTarget) (Server, error) {
	if c.Env.Server == nil {
		return nil, &Failure{Exit: ExitAPI, Code: "NoClient", Err: errors.New("this program was built without the client of the API server")}
	}
	s, err := c.Env.Server(ctx, t.opts)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", t.Server, err)
	}
	return s, nil
}

// pemOf decodes the base64 of a saved certificate.
func pemOf(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	return base64.StdEncoding.DecodeString(text)
}
