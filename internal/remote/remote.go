// Package remote reaches one remote over HTTP: an address and what it is reached with go in; a client comes out that gives
// the credentials to that remote alone.
package remote

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Access is what a remote is reached with. The zero value reaches a public one. Never print it.
type Access struct {
	Username, Password string
	// BearerToken is sent in place of Username and Password.
	BearerToken string
	// PassCredentials also sends them to other hosts that the remote refers to.
	PassCredentials bool
	// TLSClientCert and TLSClientKey are PEM, for servers that ask for a client certificate.
	TLSClientCert, TLSClientKey []byte
	// CA is PEM and replaces the system's certificate authorities.
	CA []byte
	// Insecure accepts any server certificate.
	Insecure bool
	// Proxy is a proxy URL, NoProxy a comma list of hosts reached without it.
	Proxy, NoProxy string
	// ResponseTimeout bounds the wait for the beginning of an answer; 0 means half a minute.
	ResponseTimeout time.Duration
}

// String keeps credentials out of logs and errors, whatever verb prints them.
func (Access) String() string { return "***" }

// GoString is String for %#v.
func (Access) GoString() string { return "***" }

// Authenticates reports whether there is a name, a password or a token.
func (a Access) Authenticates() bool {
	return a.Username != "" || a.Password != "" || a.BearerToken != ""
}

// maxRedirects is how many redirects are followed.
const maxRedirects = 10

// Errors of a client. They say nothing about credentials.
var (
	errRedirects = errors.New("too many redirects")
	errDowngrade = errors.New("redirect from https to http refused")
)

// NewClient returns a client for what lies at base. env holds HTTPS_PROXY and the like, for remotes without a proxy of their
// own. An error says which part of access cannot be used.
func NewClient(base *url.URL, access Access, env []string) (*http.Client, error) {
	own, err := transport(access, env, true)
	if err != nil {
		return nil, err
	}
	others, err := transport(access, env, access.PassCredentials)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &guarded{base: base, access: access, own: own, others: others},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= maxRedirects {
				return errRedirects
			}
			if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
				return errDowngrade
			}
			return nil
		},
	}, nil
}

// guarded decides by its address what a request carries, a redirected one too.
type guarded struct {
	base        *url.URL
	access      Access
	own, others http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g *guarded) RoundTrip(req *http.Request) (*http.Response, error) {
	if !SameOrigin(req.URL, g.base) {
		// What the protocol itself sends elsewhere, such as to the token server of a registry, must not go in the clear.
		if req.Header.Get("Authorization") != "" && g.base.Scheme == "https" && req.URL.Scheme != "https" {
			return nil, fmt.Errorf("credentials of %s are not sent in the clear to %s", g.base.Host, req.URL.Host)
		}
		if !g.access.PassCredentials {
			return g.others.RoundTrip(req)
		}
	}
	if req.Header.Get("Authorization") == "" && (req.URL.Scheme == "https" || g.base.Scheme != "https") {
		req = req.Clone(req.Context())
		switch {
		case g.access.BearerToken != "":
			req.Header.Set("Authorization", "Bearer "+g.access.BearerToken)
		case g.access.Username != "" || g.access.Password != "":
			req.SetBasicAuth(g.access.Username, g.access.Password)
		}
	}
	return g.own.RoundTrip(req)
}

// CloseIdleConnections lets http.Client close them.
func (g *guarded) CloseIdleConnections() {
	for _, t := range []http.RoundTripper{g.own, g.others} {
		if c, ok := t.(*http.Transport); ok {
			c.CloseIdleConnections()
		}
	}
}

// SameOrigin reports whether two URLs have the same scheme, host and port.
func SameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

func transport(a Access, env []string, certificate bool) (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.Insecure} //nolint:gosec // the user's choice
	if len(a.CA) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(a.CA) {
			return nil, errors.New("the configured certificate authorities hold no PEM certificate")
		}
	}
	if certificate && len(a.TLSClientCert) > 0 {
		pair, err := tls.X509KeyPair(a.TLSClientCert, a.TLSClientKey)
		if err != nil {
			return nil, errors.New("tlsClientCertData and tlsClientCertKey are no pair of certificate and key in PEM")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	proxy, err := proxyOf(a, env)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy: proxy, TLSClientConfig: config, ForceAttemptHTTP2: true,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: cmp.Or(a.ResponseTimeout, 30*time.Second), IdleConnTimeout: time.Minute,
		MaxIdleConnsPerHost: 4, MaxResponseHeaderBytes: 256 << 10,
	}, nil
}

func proxyOf(a Access, env []string) (func(*http.Request) (*url.URL, error), error) {
	config := &httpproxy.Config{}
	if a.Proxy != "" {
		if u, err := url.Parse(a.Proxy); err != nil || u.Host == "" {
			return nil, errors.New("the configured proxy is no URL")
		}
		config.HTTPProxy, config.HTTPSProxy, config.NoProxy = a.Proxy, a.Proxy, a.NoProxy
	} else {
		for _, kv := range env {
			key, value, _ := strings.Cut(kv, "=")
			switch strings.ToUpper(key) {
			case "HTTP_PROXY":
				config.HTTPProxy = value
			case "HTTPS_PROXY":
				config.HTTPSProxy = value
			case "NO_PROXY":
				config.NoProxy = value
			}
		}
	}
	find := config.ProxyFunc()
	return func(req *http.Request) (*url.URL, error) { return find(req.URL) }, nil
}
