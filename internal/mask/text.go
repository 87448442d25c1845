package mask

import (
	"net/url"
	"strings"
	"unicode"
)

// Text takes passwords out of the URLs in a message.
func Text(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "://")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("://")
		n, shown := userinfo(rest)
		b.WriteString(shown)
		s = rest[n:]
	}
}

// userinfo returns how much of what follows a scheme is a user with a password or a token, and what is shown in its place.
func userinfo(rest string) (length int, shown string) {
	if end := strings.IndexFunc(rest, unicode.IsSpace); end >= 0 {
		rest = rest[:end]
	}
	host := rest
	if end := strings.IndexAny(rest, "/?#\"'"); end >= 0 {
		host = rest[:end]
	}
	at := strings.LastIndex(host, "@")
	if at < 0 && !portOrNone(host) {
		// No port has letters: it is a password with a character that should have been escaped.
		at = strings.LastIndex(rest, "@")
	}
	if at < 0 {
		return 0, ""
	}
	name, _, password := strings.Cut(rest[:at], ":")
	user := url.User(name).String()
	switch {
	case password:
		return at, user + ":xxxxx"
	case user == "git":
		return at, user // the well-known name of SSH
	}
	return at, "xxxxx" // a lone user name may be a token
}

// portOrNone reports whether what follows the first colon of an authority can be a port.
func portOrNone(host string) bool {
	_, port, colon := strings.Cut(host, ":")
	return !colon || strings.HasPrefix(host, "[") || strings.Trim(port, "0123456789") == ""
}
