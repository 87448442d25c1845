package git

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"path"
	"strings"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// maxURL is far above what any host hands out; longer input is not a URL that somebody meant.
const maxURL = 2048

// remote is a repository address, taken apart. Its url never holds a password.
type remote struct {
	url      string // what the git program is given
	scheme   string // https, http, ssh, git or file
	host     string // with the port, lower case; empty for file
	path     string
	user     string // from the URL; for ssh it is part of url as well
	password string // from the URL
}

// NormalizeURL is source.NormalizeURL.
func NormalizeURL(repoURL string) string { return source.NormalizeURL(repoURL) }

// SameURL reports whether two URLs name one repository.
func SameURL(a, b string) bool {
	n := NormalizeURL(a)
	return n != "" && n == NormalizeURL(b)
}

// splitSCP takes user@host:path apart. As in git, a slash before the first colon makes it a local path.
func splitSCP(s string) (host, repoPath string, ok bool) {
	if strings.Contains(s, "://") {
		return "", "", false
	}
	host, repoPath, ok = strings.Cut(s, ":")
	if !ok || host == "" || repoPath == "" || strings.Contains(host, "/") {
		return "", "", false
	}
	return host, repoPath, true
}

// parseURL checks a repository URL before any of it reaches a command line.
func parseURL(repoURL string) (remote, error) {
	s := strings.TrimSpace(repoURL)
	switch {
	case s == "":
		return remote{}, fault.New(fault.Invalid, "repository URL is empty")
	case len(s) > maxURL:
		return remote{}, fault.New(fault.Invalid, "repository URL is longer than %d bytes", maxURL)
	case strings.HasPrefix(s, "-"):
		return remote{}, fault.New(fault.Invalid, "repository URL %q begins with a dash", Redact(s))
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return remote{}, fault.New(fault.Invalid, "repository URL contains a space or a control character")
	}
	if strings.HasPrefix(s, "/") {
		return fromURL(&url.URL{Scheme: "file", Path: s}) // git decodes percent signs in file URLs, so they are encoded
	}
	if host, repoPath, ok := splitSCP(s); ok {
		return parseSCP(s, host, repoPath)
	}
	u, err := url.Parse(s)
	if err != nil {
		// The parser's message repeats its input, and with it a password.
		return remote{}, fault.New(fault.Invalid, "repository URL %q cannot be parsed", Redact(s))
	}
	return fromURL(u)
}

func parseSCP(s, host, repoPath string) (remote, error) {
	user, name, found := strings.Cut(host, "@")
	if !found {
		user, name = "", host
	}
	if name == "" || strings.HasPrefix(name, "-") || strings.HasPrefix(user, "-") || strings.HasPrefix(repoPath, ":") {
		return remote{}, fault.New(fault.Invalid, "repository URL %q is not of the form user@host:path", Redact(s))
	}
	return remote{url: s, scheme: "ssh", host: strings.ToLower(name), path: repoPath, user: user}, nil
}

func fromURL(u *url.URL) (remote, error) {
	r := remote{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Host), path: u.Path}
	bad := func(why string) (remote, error) {
		return remote{}, fault.New(fault.Invalid, "repository URL %q %s", Redact(u.String()), why)
	}
	switch r.scheme {
	case "https", "http", "ssh", "git":
		if u.Hostname() == "" {
			return bad("names no host")
		}
		if strings.HasPrefix(u.Host, "-") {
			return bad("has a host name that begins with a dash")
		}
		if strings.Trim(u.Path, "/") == "" {
			return bad("names no repository path")
		}
	case "file":
		if !strings.HasPrefix(u.Path, "/") || (u.Host != "" && u.Host != "localhost") {
			return bad("must be file:// and an absolute path")
		}
	default:
		return bad("has an unsupported scheme; use https, http, ssh or git")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return bad("has a query or a fragment")
	}
	if u.User != nil {
		r.user = u.User.Username()
		r.password, _ = u.User.Password()
		if strings.HasPrefix(r.user, "-") {
			return bad("has a user name that begins with a dash")
		}
	}
	clean := *u
	clean.Scheme, clean.Host, clean.User = r.scheme, r.host, nil
	if r.scheme == "ssh" && r.user != "" {
		clean.User = url.User(r.user)
	}
	r.url = clean.String()
	return r, nil
}

// key names the mirror directory of the repository: two remotes share one only when git would send the same request, and
// when whoever may read the one may read the other: scope is the project that the credentials are limited to.
func (r remote) key(scope string) string {
	text := r.url + "\x00" + r.user + "\x00" + r.password
	if scope != "" {
		text += "\x00" + scope
	}
	sum := sha256.Sum256([]byte(text))
	slug := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			return c
		}
		return '-'
	}, strings.TrimSuffix(path.Base(r.path), ".git"))
	if len(slug) > 40 {
		slug = slug[:40]
	}
	return strings.Trim(slug, "-") + "-" + hex.EncodeToString(sum[:10])
}

// Redact is source.Redact.
func Redact(s string) string { return source.Redact(s) }
