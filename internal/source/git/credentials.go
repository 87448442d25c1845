package git

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/belaycd/belay/internal/fault"
)

// Credentials is what a repository is reached with. The zero value reaches a public one. Never print it.
type Credentials struct {
	// Username and Password are for http and https; a token goes into Password.
	Username, Password string
	// BearerToken is sent as "Authorization: Bearer", as some Bitbucket servers want it.
	BearerToken string
	// Login, if set, obtains Username and Password or BearerToken when they are needed; for http and https alone.
	Login Login `json:"-"`
	// ForceBasicAuth sends Username and Password even when one of them is empty.
	ForceBasicAuth bool
	// SSHPrivateKey is a PEM or OpenSSH private key without a passphrase.
	SSHPrivateKey []byte
	// KnownHosts are lines of OpenSSH's known_hosts; a host that is not among them is refused.
	KnownHosts []byte
	// InsecureIgnoreHostKey accepts any SSH host key.
	InsecureIgnoreHostKey bool
	// TLSClientCert and TLSClientKey are PEM, for servers that ask for a client certificate.
	TLSClientCert, TLSClientKey []byte
	// CA is PEM and replaces the system's certificate authorities.
	CA []byte
	// Insecure accepts any server certificate.
	Insecure bool
	// Proxy is a proxy URL, NoProxy a comma list of hosts reached without it.
	Proxy, NoProxy string
	// Scope is the project that the credentials are limited to, empty for all. What is fetched with them is for that
	// project alone.
	Scope string
	// Depth is how many commits of each branch and tag are fetched; 0 means all. Older commits are got one by one by their SHA.
	Depth int64
	// LFS reads files of Git LFS in the place of the pointers to them.
	LFS bool
}

// Login obtains what an HTTP server wants to see, for a short time. It is safe for concurrent use.
type Login interface {
	// ID changes with what the login is made of.
	ID() string
	// Obtain returns a user name and a password, or a bearer token; it may ask a server for them. Errors hold no secret.
	Obtain(ctx context.Context) (username, password, bearer string, err error)
	// Forget drops what was refused, and reports whether another login may be accepted at once.
	Forget() bool
}

// CredentialStore finds credentials. Implementations are safe for concurrent use and answer from memory.
type CredentialStore interface {
	// Credentials returns what applications of project reach repoURL with, and the zero value when nothing is configured
	// for it. An empty project gets what is for all.
	Credentials(repoURL, project string) (Credentials, error)
}

// String keeps credentials out of logs and errors, whatever verb prints them.
func (Credentials) String() string { return "***" }

// GoString is String for %#v.
func (Credentials) GoString() string { return "***" }

// fingerprint changes when the credentials do, so that a remembered failure does not outlive its cause.
func (c Credentials) fingerprint() string {
	type plain Credentials // without the methods that hide the content
	data, err := json.Marshal(struct {
		plain
		Login string
	}{plain(c), c.loginID()})
	if err != nil {
		return "" // strings and bytes always marshal
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (c Credentials) loginID() string {
	if c.Login == nil {
		return ""
	}
	return c.Login.ID()
}

// loggedIn returns the credentials for rem with what their login obtains.
func (c Credentials) loggedIn(ctx context.Context, rem remote) (Credentials, error) {
	if c.Login == nil || rem.scheme != "https" && rem.scheme != "http" {
		return c, nil
	}
	var err error
	if c.Username, c.Password, c.BearerToken, err = c.Login.Obtain(ctx); err != nil {
		return Credentials{}, &wrapped{"log in", err}
	}
	return c, nil
}

// secrets lists the values that no message may contain.
func (c Credentials) secrets() []string {
	var out []string
	for _, s := range []string{c.Password, c.BearerToken} {
		if s != "" {
			out = append(out, s, url.QueryEscape(s))
		}
	}
	if c.Username != "" && c.Password == "" {
		out = append(out, c.Username) // a token in the place of the user name
	}
	if u, err := url.Parse(c.Proxy); err == nil && u.User != nil {
		if p, ok := u.User.Password(); ok && p != "" {
			out = append(out, p)
		}
	}
	return out
}

// access is everything that one git process needs to reach its remote: configuration and environment, by value, and
// files that live as long as the process.
type access struct {
	config  []string // key, value, key, value ...
	env     []string
	dir     string // holds files; removed by close; empty when there are none
	secrets []string
	// authenticated says that the HTTP server gets a password or a token.
	authenticated bool
}

func (a *access) close() {
	if a.dir != "" {
		_ = os.RemoveAll(a.dir) // what cannot be removed now is removed when the cache is opened next
	}
}

func (a *access) set(key, value string) { a.config = append(a.config, key, value) }

// file stores data in a file that only this user can read and returns its path.
func (a *access) file(base, name string, data []byte) (string, error) {
	if a.dir == "" {
		dir, err := os.MkdirTemp(base, "auth-")
		if err != nil {
			return "", fmt.Errorf("store credentials: %w", err)
		}
		a.dir = dir
	}
	p := filepath.Join(a.dir, name)
	if len(data) > 0 && data[len(data)-1] != '\n' {
		data = append(append([]byte{}, data...), '\n') // OpenSSH refuses a key whose last line is not ended
	}
	if err := os.WriteFile(p, data, 0o600); err != nil {
		return "", fmt.Errorf("store credentials: %w", err)
	}
	return p, nil
}

// authMode says how a password reaches an HTTP server.
type authMode int

const (
	// authHeader sends the password with the first request: no round trip for the refusal, no helper process.
	// Redirects are not followed, because git would send the header to wherever they lead.
	authHeader authMode = iota
	// authHelper lets git follow redirects and ask for the password, which is given for the repository's host alone.
	authHelper
)

// newAccess turns credentials into what git understands. Nothing of it appears on a command line.
func newAccess(base string, rem remote, c Credentials, mode authMode) (*access, error) {
	if c.Username == "" && c.Password == "" && rem.scheme != "ssh" {
		c.Username, c.Password = rem.user, rem.password
	}
	a := &access{secrets: append(c.secrets(), Credentials{Password: rem.password}.secrets()...)}
	for _, s := range []string{c.Username, c.Password, c.BearerToken, c.Proxy, c.NoProxy} {
		if strings.ContainsAny(s, "\r\n\x00") {
			return nil, fault.New(fault.Invalid, "credentials of %s contain a line break", rem.url)
		}
	}
	var err error
	switch rem.scheme {
	case "https", "http":
		a.password(rem, c, mode)
		err = a.tls(base, c)
	case "ssh":
		err = a.ssh(base, c)
	}
	if err != nil {
		a.close()
		return nil, err
	}
	if c.Proxy != "" {
		a.set("http.proxy", c.Proxy)
	}
	if c.NoProxy != "" {
		a.env = append(a.env, "NO_PROXY="+c.NoProxy, "no_proxy="+c.NoProxy)
	}
	return a, nil
}

func (a *access) password(rem remote, c Credentials, mode authMode) {
	a.set("credential.helper", "")
	a.authenticated = c.BearerToken != "" || c.Username != "" || c.Password != ""
	switch {
	case c.BearerToken != "":
		a.set("http.extraHeader", "Authorization: Bearer "+c.BearerToken)
		a.set("http.followRedirects", "false")
	case c.Username == "" && c.Password == "" && !c.ForceBasicAuth:
		a.set("http.followRedirects", "initial")
	case mode == authHeader || c.ForceBasicAuth:
		basic := base64.StdEncoding.EncodeToString([]byte(c.Username + ":" + c.Password))
		a.secrets = append(a.secrets, basic)
		a.set("http.extraHeader", "Authorization: Basic "+basic)
		a.set("http.followRedirects", "false")
	default:
		a.set("http.followRedirects", "initial")
		a.set("credential."+rem.scheme+"://"+rem.host+".helper",
			`!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$BELAY_USERNAME" "$BELAY_PASSWORD"; }; f`)
		a.env = append(a.env, "BELAY_USERNAME="+c.Username, "BELAY_PASSWORD="+c.Password)
	}
}

func (a *access) tls(base string, c Credentials) error {
	for _, f := range []struct {
		key, name string
		data      []byte
	}{
		{"http.sslCAInfo", "ca.pem", c.CA},
		{"http.sslCert", "client.pem", c.TLSClientCert},
		{"http.sslKey", "client.key", c.TLSClientKey},
	} {
		if len(f.data) == 0 {
			continue
		}
		p, err := a.file(base, f.name, f.data)
		if err != nil {
			return err
		}
		a.set(f.key, p)
	}
	if c.Insecure {
		a.set("http.sslVerify", "false")
	}
	return nil
}

func (a *access) ssh(base string, c Credentials) error {
	args := []string{"ssh", "-F", "/dev/null",
		"-o", "BatchMode=yes", "-o", "ConnectTimeout=15",
		"-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=2",
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
		"-o", "ForwardAgent=no", "-o", "ClearAllForwardings=yes", "-o", "PermitLocalCommand=no",
		"-o", "GlobalKnownHostsFile=/dev/null", "-o", "UpdateHostKeys=no", "-o", "LogLevel=ERROR"}
	if c.InsecureIgnoreHostKey || c.Insecure {
		args = append(args, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
	} else {
		hosts, err := a.file(base, "known_hosts", c.KnownHosts)
		if err != nil {
			return err
		}
		args = append(args, "-o", "StrictHostKeyChecking=yes", "-o", "UserKnownHostsFile="+hosts)
	}
	if len(c.SSHPrivateKey) > 0 {
		key, err := a.file(base, "key", c.SSHPrivateKey)
		if err != nil {
			return err
		}
		args = append(args, "-i", key)
	} else {
		args = append(args, "-o", "IdentityFile=none")
	}
	for i, arg := range args {
		args[i] = shellQuote(arg)
	}
	a.env = append(a.env, "GIT_SSH_COMMAND="+strings.Join(args, " "), "GIT_SSH_VARIANT=ssh")
	return nil
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
