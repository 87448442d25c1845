package source

import (
	"strings"
	"testing"
)

func TestNormalizeURL(t *testing.T) {
	for _, same := range [][]string{
		{"https://git.example.com/shop/web", "https://git.example.com/shop/web.git", "https://GIT.example.com/shop/web/", " https://git.example.com/Shop/Web.git "},
		{"git@git.example.com:shop/web.git", "ssh://git@git.example.com/shop/web", "ssh://git@git.example.com/shop/web.git/"},
		{"/srv/git/web", "/srv/git/web.git"},
	} {
		for _, url := range same {
			if got, want := NormalizeURL(url), NormalizeURL(same[0]); got != want || got == "" {
				t.Errorf("NormalizeURL(%q) = %q, want %q as of %q", url, got, want, same[0])
			}
		}
	}
	for _, pair := range [][2]string{
		{"https://git.example.com/shop/web", "http://git.example.com/shop/web"},
		{"https://git.example.com/shop/web", "https://git.example.com:8443/shop/web"},
		{"git@git.example.com:shop/web", "https://git.example.com/shop/web"},
	} {
		if a, b := NormalizeURL(pair[0]), NormalizeURL(pair[1]); a == b {
			t.Errorf("%q and %q are both %q", pair[0], pair[1], a)
		}
	}
	if got := NormalizeURL("https://%zz"); got != "" {
		t.Errorf("a URL that cannot be parsed gives %q", got)
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"https://bob:canary@git.example.com/a":       "https://***@git.example.com/a",
		"https://canary@git.example.com/a":           "https://***@git.example.com/a",
		"ssh://git@git.example.com/a":                "ssh://git@git.example.com/a",
		"ssh://git:canary@git.example.com/a":         "ssh://***@git.example.com/a",
		"https://a:canary@x/1 and http://b:canary@y": "https://***@x/1 and http://***@y",
		"git@git.example.com:a":                      "git@git.example.com:a",
	} {
		if got := Redact(in); got != want || strings.Contains(got, "canary") {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}
