package source

import (
	"net/url"
	"strings"
)

// NormalizeURL returns the form of a repository URL under which two spellings of one repository are equal, by the rules
// of Argo CD (NormalizeGitURL): letter case, a trailing ".git" and the two ways to write an SSH address do not count.
// A trailing slash does not count either. It is for comparison only; an empty result equals nothing.
func NormalizeURL(repoURL string) string {
	s := strings.ToLower(strings.TrimSpace(repoURL))
	s = strings.TrimRight(s, "/")
	// As in git, a colon before the first slash makes user@host:path.
	if host, path, ok := strings.Cut(s, ":"); ok && host != "" && path != "" && !strings.HasPrefix(path, "//") && !strings.Contains(host, "/") {
		s = "ssh://" + host + "/" + path
	}
	u, err := url.Parse(strings.TrimSuffix(s, ".git"))
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(u.String(), "ssh://")
}

// Redact returns s with the password of every URL in it replaced, and with a user name that may be a token removed.
func Redact(s string) string {
	var out strings.Builder
	for {
		i := strings.Index(s, "://")
		if i < 0 {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(s[:i+3])
		rest := s[i+3:]
		end := strings.IndexAny(rest, "/ \t\n\"'")
		if end < 0 {
			end = len(rest)
		}
		if at := strings.LastIndex(rest[:end], "@"); at >= 0 {
			if strings.HasSuffix(s[:i], "ssh") && !strings.Contains(rest[:at], ":") {
				out.WriteString(rest[:at]) // an SSH user name is part of the address
			} else {
				out.WriteString("***")
			}
			rest, end = rest[at:], end-at
		}
		out.WriteString(rest[:end])
		s = rest[end:]
	}
}
