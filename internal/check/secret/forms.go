package secret

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// maxDecode is how often a text is decoded: base64 in base64 is the most that is of use.
const maxDecode = 2

// privateKeys finds keys in PEM. A header without a key is documentation.
func privateKeys(text string, take func(match)) {
	const mark = "PRIVATE KEY-----"
	for at := 0; ; {
		i := strings.Index(text[at:], mark)
		if i < 0 {
			return
		}
		header := at + i
		at = header + len(mark)
		start := strings.LastIndex(text[max(0, header-40):header], "-----BEGIN ")
		if start < 0 {
			continue
		}
		start += max(0, header-40)
		end := len(text)
		if j := strings.Index(text[at:], "-----END "); j >= 0 {
			end = at + j
		}
		end = min(end, at+16<<10)
		body, n := text[at:end], 0
		for k := range len(body) {
			if alnumByte(body[k]) || body[k] == '+' || body[k] == '/' {
				n++
			}
		}
		if n < 60 || exempt(body) {
			continue
		}
		take(match{pattern: "private-key", name: "a private key", shown: "-----BEGIN ", secret: strings.TrimSpace(body), start: start, end: end})
		at = end
	}
}

// tokens finds JSON Web Tokens: three parts, the first two of which are JSON.
func tokens(text string, take func(match)) {
	set := alphabet("09azAZ", "_-")
	part := func(from int) int {
		for from < len(text) && set[text[from]] {
			from++
		}
		return from
	}
	for at := 0; ; {
		i := strings.Index(text[at:], "eyJ")
		if i < 0 {
			return
		}
		start := at + i
		one := part(start)
		at = max(one, start+3)
		if start > 0 && alnumByte(text[start-1]) || one == len(text) || text[one] != '.' || !strings.HasPrefix(text[one+1:], "eyJ") {
			continue
		}
		two := part(one + 1)
		if two == len(text) || text[two] != '.' {
			continue
		}
		three := part(two + 1)
		if one-start < 15 || two-one < 15 || three-two < 20 {
			continue
		}
		take(match{pattern: "jwt", name: "a JSON Web Token", shown: "eyJ", secret: text[start:three], start: start, end: three})
		at = three
	}
}

// urls finds passwords in URLs.
func urls(text string, take func(match)) {
	for at := 0; ; {
		i := strings.Index(text[at:], "://")
		if i < 0 {
			return
		}
		user := at + i + 3
		at = user
		end := user
		for end < len(text) && end-user < 512 && !strings.ContainsRune(" \t\r\n/?#\"'`<>|\\,;", rune(text[end])) {
			end++
		}
		host := strings.LastIndexByte(text[user:end], '@')
		colon := strings.IndexByte(text[user:end], ':')
		if host < 0 || colon < 0 || colon > host {
			continue
		}
		secret := text[user+colon+1 : user+host]
		if name := text[user : user+colon]; len(secret) < 3 || strings.EqualFold(name, secret) || exempt(secret) || sample(secret) || documented(secret) || strings.ContainsAny(secret, "${}()[]%*") && !strings.Contains(secret, "%") {
			continue
		}
		take(match{pattern: "url-password", name: "a URL with a password", shown: "://", secret: secret, start: user + colon + 1, end: user + host})
	}
}

// documented reports whether a password is one of those that stand for any.
func documented(secret string) bool {
	switch strings.ToLower(secret) {
	case "pass", "password", "passwd", "pw", "pwd", "secret", "token", "mypassword", "user_password", "port", "***", "xxx":
		return true
	}
	return strings.Trim(secret, "*xX.") == ""
}

// assignments finds random values that are assigned to telling names: key = value, key: value, "key": "value".
func (s *scanner) assignments(text string, take func(match)) {
	name := alphabet("09azAZ", "_-.")
	for at := 0; at < len(text); at++ {
		i := strings.IndexAny(text[at:], ":=")
		if i < 0 {
			return
		}
		sep := at + i
		at = sep
		end := sep
		for end > 0 && sep-end < 3 && (text[end-1] == ' ' || text[end-1] == '"' || text[end-1] == '\'') {
			end--
		}
		start := end
		for start > 0 && end-start < 64 && name[text[start-1]] {
			start--
		}
		if start == end || !worth(text[start:end]) || telling(text[start:end]) == no {
			continue
		}
		from := sep + 1
		for from < len(text) && from-sep < 4 && (text[from] == ' ' || text[from] == '"' || text[from] == '\'' || text[from] == '=') {
			from++
		}
		to := from
		for to < len(text) && to-from <= 200 && s.bare[text[to]] {
			to++
		}
		value := text[from:to]
		if len(value) > 200 || to < len(text) && strings.IndexByte("({[$:", text[to]) >= 0 || !random(value, 16, 3.5) || exempt(value) || sample(value) || structured(value) {
			continue
		}
		take(match{pattern: "assigned", name: "a random value", key: text[start:end], secret: value, start: from, end: to})
	}
}

// worth is a quick look before names are split: the last letters of a telling name.
func worth(name string) bool {
	if len(name) < 3 {
		return false
	}
	switch name[len(name)-1] | 0x20 {
	case 'd', 'n', 't', 'y', 's', 'e', 'l', 'w':
		return true
	}
	return false
}

// structured reports whether a value is made of words, a path, a reference or a version, which have entropy too.
func structured(value string) bool {
	if strings.Contains(value, "/") && !strings.ContainsAny(value, "+=") || strings.HasPrefix(value, "sha256") || strings.HasPrefix(value, "$") || strings.HasPrefix(value, "*") {
		return true
	}
	if len(value) == 36 && strings.Count(value, "-") == 4 {
		return true
	}
	// Words joined by dots, dashes and underscores: some part of a random value has letters and digits.
	for _, part := range strings.FieldsFunc(value, func(r rune) bool { return r == '.' || r == '-' || r == '_' }) {
		if random(part, 10, 2.5) {
			return false
		}
	}
	return true
}

// decoded searches what base64 in the text stands for. Places are those of the encoded text.
func (s *scanner) decoded(text string, depth int) (out []match) {
	for at := 0; at < len(text); {
		if !s.base64[text[at]] {
			at++
			continue
		}
		end := at
		for end < len(text) && s.base64[text[end]] {
			end++
		}
		run := text[at:end]
		start := at
		at = end
		if len(run) < 24 {
			continue
		}
		plain, ok := decode(run)
		if !ok {
			continue
		}
		found := s.plain(plain)
		if depth < maxDecode {
			found = append(found, s.decoded(plain, depth+1)...)
		}
		for _, m := range found {
			m.start, m.end, m.name = start, end, strings.TrimSuffix(m.name, " in base64")+" in base64"
			out = append(out, m)
			break // one for a place
		}
	}
	return out
}

// decode returns the text that base64 stands for; most runs of its letters stand for none, which their beginning tells.
func decode(run string) (string, bool) {
	enc := base64.RawStdEncoding
	if strings.ContainsAny(run, "-_") {
		enc = base64.RawURLEncoding
	}
	head, err := enc.DecodeString(run[:24])
	if err != nil || !printable(head) {
		return "", false
	}
	data, err := enc.DecodeString(run[:len(run)-b2i(len(run)%4 == 1)])
	if err != nil || !utf8.Valid(data) {
		return "", false
	}
	return string(data), true
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

func printable(data []byte) bool {
	for _, c := range data {
		if c < 0x20 && c != '\n' && c != '\t' && c != '\r' || c == 0x7f {
			return false
		}
	}
	return true
}
