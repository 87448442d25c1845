package mask

import (
	"net/url"
	"strings"
)

// Text takes passwords out of the URLs in a message.
func Text(s string) string {
	if !strings.Contains(s, "://") {
		return s
	}
	words := strings.Split(s, " ")
	for i, w := range words {
		words[i] = redactWord(w)
	}
	return strings.Join(words, " ")
}

func redactWord(w string) string {
	scheme := strings.Index(w, "://")
	if scheme < 0 {
		return w
	}
	rest := w[scheme+3:]
	end := strings.IndexAny(rest, "/?#\"'")
	if end < 0 {
		end = len(rest)
	}
	at := strings.LastIndex(rest[:end], "@")
	if at < 0 {
		return w
	}
	user := url.User(strings.SplitN(rest[:at], ":", 2)[0]).String()
	if !strings.Contains(rest[:at], ":") {
		// A lone user name may be a token, save the well-known one of SSH.
		if user != "git" {
			user = "xxxxx"
		}
		return w[:scheme+3] + user + rest[at:]
	}
	return w[:scheme+3] + user + ":xxxxx" + rest[at:]
}
