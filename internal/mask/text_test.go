package mask

import (
	"strings"
	"testing"
	"unicode"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"nothing to hide":                                     "nothing to hide",
		"fetch https://u:hunter2@h/x: denied":                 "fetch https://u:xxxxx@h/x: denied",
		"https://ghp_token@h/x":                               "https://xxxxx@h/x",
		"ssh://git@h/x":                                       "ssh://git@h/x",
		"https://h:8443/a@b":                                  "https://h:8443/a@b",
		"https://[::1]:80/a@b":                                "https://[::1]:80/a@b",
		"two lines: https://a/\nhttps://u:hunter2@h":          "two lines: https://a/\nhttps://u:xxxxx@h",
		"a list: https://a,https://u:hunter2@h,https://v:x@i": "a list: https://a,https://u:xxxxx@h,https://v:xxxxx@i",
		"an at in it: https://u:hun@ter2@h":                   "an at in it: https://u:xxxxx@h",
		"a slash in it: https://u:hun/ter2@h":                 "a slash in it: https://u:xxxxx@h",
		`a quote in it: https://u:hun"ter2@h`:                 `a quote in it: https://u:xxxxx@h`,
		`"https://u:hunter2@h" and mail@example.com`:          `"https://u:xxxxx@h" and mail@example.com`,
		"://": "://",
		"":    "",
	} {
		if got := Text(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("fetch https://", "user", "secret", "@host/path")
	f.Add("https://a,", "user", "sec/ret", "")
	f.Fuzz(func(t *testing.T, before, user, secret, after string) {
		if len(secret) < 4 || strings.ContainsFunc(user+secret, unicode.IsSpace) || strings.ContainsAny(user, "/@:?#\"'[") ||
			strings.Trim(secret, "0123456789") == "" || strings.Trim(secret[:1], "abcdefghijklmnopqrstuvwxyz") != "" || strings.Contains(secret, "://") ||
			strings.Contains(before+user+after+"xxxxx@host", secret) {
			return
		}
		text := before + " https://" + user + ":" + secret + "@host/" + after
		if got := Text(text); strings.Contains(got, secret) {
			t.Errorf("Text(%q) = %q", text, got)
		}
	})
}
