package webhook

import (
	"net/url"
	"strings"
)

// Matches reports whether an Application's repoURL is the repository of the event. As in Argo CD the scheme, the user,
// the port, letter case, a trailing ".git" or slash, and a host's name for SSH (ssh.github.com, altssh.bitbucket.org)
// do not count, because hosts announce one address and people use another.
func (e Event) Matches(repoURL string) bool {
	want := place(repoURL)
	if want == "" {
		return false
	}
	for _, u := range e.RepoURLs {
		if place(u) == want {
			return true
		}
	}
	return false
}

// place reduces a repository address to host/path; it is empty for what is no such address.
func place(repoURL string) string {
	s := strings.ToLower(strings.TrimSpace(repoURL))
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	} else if host, path, ok := strings.Cut(s, ":"); ok && !strings.Contains(host, "/") {
		s = host + "/" + strings.TrimPrefix(path, "/") // user@host:path
	}
	host, path, ok := strings.Cut(s, "/")
	if at := strings.LastIndex(host, "@"); at >= 0 {
		host = host[at+1:]
	}
	if colon := strings.LastIndex(host, ":"); colon >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:colon]
	}
	for _, prefix := range []string{"altssh.", "ssh."} {
		host = strings.TrimPrefix(host, prefix)
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	if !ok || host == "" || path == "" {
		return ""
	}
	if host == "dev.azure.com" {
		path = azurePath(path)
	}
	return host + "/" + path
}

// azurePath brings org/project/_git/repo (HTTPS) and v3/org/project/repo (SSH) to one form.
func azurePath(path string) string {
	path = strings.TrimPrefix(path, "v3/")
	return strings.Replace(path, "/_git/", "/", 1)
}
