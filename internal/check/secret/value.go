package secret

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// placeholder is what stands for a value that is filled in later: ${X}, $(X), {{ x }}, <path:a#b>, ref+vault://a, $key, ENC[...].
var placeholder = regexp.MustCompile(`\$\{[^}]*\}|\$\([A-Za-z_][^)]*\)|\{\{.*\}\}|<[A-Za-z][^<>\n]*>|^(?:ref\+|vault:|secretref\+)|ENC\[|^\$[A-Za-z_][A-Za-z0-9_:.-]*$|%[A-Z_]+%|\$__[a-z]+\{`)

// exempt reports whether there is nothing in a value, or a placeholder.
func exempt(value string) bool {
	value = strings.TrimSpace(value)
	return value == "" || value == "{}" || value == "null" || placeholder.MatchString(value)
}

// words splits a name into its lower-case words: DB_PASSWORD, db-password and dbPassword are db and password.
func words(name string) (out []string) {
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
			word = nil
		}
	}
	lower := false
	for _, r := range name {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			flush()
			lower = false
			continue
		case unicode.IsUpper(r) && lower:
			flush()
		}
		lower = !unicode.IsUpper(r)
		word = append(word, r)
	}
	flush()
	return out
}

// certainty says how much the name of a value tells.
type certainty int

const (
	no certainty = iota
	// perhaps: the value must look random too, for many a token and many a secret is only the name of one.
	perhaps
	sure
)

// telling says whether a name is that of a credential. The last word counts: passwordFile and TOKEN_URL are none.
func telling(name string) certainty {
	w := words(name)
	if len(w) == 0 {
		return no
	}
	last, before := w[len(w)-1], ""
	if len(w) > 1 {
		before = w[len(w)-2]
	}
	switch last {
	case "password", "passwd", "pwd", "passphrase", "rootpw", "adminpassword":
		return sure
	case "token", "secret", "apikey", "accesskey", "secretkey", "privatekey", "credential", "credentials", "authtoken", "accesstoken":
		return perhaps
	case "key":
		if slices.Contains([]string{"api", "access", "private", "secret", "encryption", "signing", "master", "shared", "account", "auth", "client", "app", "deploy"}, before) {
			return perhaps
		}
	case "pass":
		if slices.Contains([]string{"db", "user", "root", "admin", "smtp", "redis", "mysql", "postgres", "mongo", "auth"}, before) {
			return sure
		}
	}
	return no
}

// harmlessKey reports whether a key of a Secret says where and as whom, not what proves it.
func harmlessKey(key, value string) bool {
	if strings.Contains(value, "://") && strings.Contains(value, "@") || strings.Contains(value, "PRIVATE KEY") {
		return false
	}
	if key == "tls.crt" || key == "ca.crt" || key == "ca.pem" || strings.HasSuffix(key, ".crt") {
		return strings.Contains(value, "BEGIN CERTIFICATE") || value == ""
	}
	w := words(key)
	if len(w) == 0 || len(value) > 253 || strings.Contains(value, "\n") {
		return false
	}
	return slices.Contains([]string{"user", "username", "login", "email", "host", "hostname", "port", "database", "dbname", "db", "region", "endpoint", "type",
		"name", "namespace", "project", "url", "server", "address", "registry", "bucket", "enabled", "insecure", "sslmode", "schema", "scheme", "protocol"}, w[len(w)-1])
}

// plausible reports whether a value can be a credential: no switch, number, path, address or text.
func plausible(value string) bool {
	value = strings.TrimSpace(value)
	if len(value) < 3 || strings.ContainsAny(value, " \t\n") || strings.Contains(value, "://") || strings.HasPrefix(value, "/") || strings.HasPrefix(value, "./") {
		return false
	}
	if _, err := strconv.ParseFloat(value, 64); err == nil && len(value) < 6 {
		return false
	}
	return !slices.Contains([]string{"true", "false", "yes", "none", "null", "nil", "undefined", "optional", "required", "prompt", "disabled", "enabled"}, strings.ToLower(value)) &&
		strings.Trim(value, "*xX.+-_") != ""
}

// random reports whether a value has the length, the digits and the entropy (bits a character) of something that a program made up.
func random(value string, least int, bits float64) bool {
	if len(value) < least {
		return false
	}
	digits, letters := 0, 0
	for i := range len(value) {
		switch c := value[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			letters++
		}
	}
	return digits > 0 && letters > 0 && entropy(value) >= bits
}

// entropy is that of the characters of a value, in bits a character.
func entropy(value string) float64 {
	var counts [256]int
	for i := range len(value) {
		counts[value[i]]++
	}
	sum := 0.0
	for _, n := range counts {
		if n > 0 {
			p := float64(n) / float64(len(value))
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// sample reports whether a value is one of those that documentation shows.
func sample(value string) bool {
	lower := strings.ToLower(value)
	for _, word := range []string{"example", "changeme", "change-me", "change_me", "placeholder", "redacted", "your-", "your_", "xxxx", "0000000", "1234567890", "abcdefgh"} {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// mask shows a text without what may be a credential in it.
func mask(text string) string {
	if len(text) > 40 || strings.ContainsAny(text, ":@ ") || random(text, 16, 3.2) {
		return "***"
	}
	return text
}
