package mask

import (
	"regexp"
	"strings"
)

// Hidden stands for a value in an excerpt of a file.
const Hidden = "***"

var (
	// assignment is a credential in running text: password=x, api_key: "x".
	assignment = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[a-z0-9_.-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&"']+)`)
	// issued are credentials that are known by their form: of clouds and Git hosts, signed tokens, private keys.
	issued = regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[0-9A-Za-z]{30,}|\bglpat-[0-9A-Za-z_-]{20,}|\bxox[abprs]-[0-9A-Za-z-]{10,}|\beyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]*|(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`)
	words  = regexp.MustCompile(`password|passwd|pwd|secret|token|apikey|accesskey|privatekey|credential`)
)

// Credential reports whether a name is that of a credential, and not of something that refers to one.
func Credential(name string) bool {
	plain := strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(name))
	if !words.MatchString(plain) {
		return false
	}
	for _, suffix := range []string{"name", "names", "ref", "refs", "keyref", "path", "file", "dir", "url", "uri", "seconds", "ttl", "issuer", "audience", "audiences", "class", "store", "kind", "version", "enabled", "policy", "secrets", "accountid", "type"} {
		if strings.HasSuffix(plain, suffix) {
			return false
		}
	}
	return !strings.HasPrefix(plain, "automount")
}

// Values takes credentials out of running text: those that are assigned to a name of one, those that are known by their form, and
// those in URLs.
func Values(s string) string { return replaceValues(s, func(string) string { return Hidden }) }

func replaceValues(s string, word func(string) string) string {
	s = issued.ReplaceAllStringFunc(s, word)
	s = assignment.ReplaceAllStringFunc(s, func(m string) string {
		parts := assignment.FindStringSubmatch(m)
		name := strings.Trim(parts[1], "\"' \t=:")
		if !Credential(name) || strings.HasPrefix(parts[2], Hidden) || strings.HasPrefix(parts[2], "$") {
			return m
		}
		return parts[1] + word(strings.Trim(parts[2], `"'`))
	})
	return Text(s)
}

// Excerpt returns line i of a manifest as it may be shown: values of Secrets, of generators of them and of what is named like a
// credential are left out.
func Excerpt(lines []string, i int) string {
	line := strings.TrimRight(lines[i], "\r\n")
	e := excerpt{lines: lines, at: i}
	from, to := e.document()
	top := e.section(from)
	secret := false
	for _, l := range lines[from:to] {
		if k, v := entryOf(l); k == "kind" && strings.Trim(v, `"',`) == "Secret" || strings.Contains(l, `"Secret"`) {
			secret = true
		}
	}
	key, value := entryOf(line)
	switch {
	case strings.Trim(line, "{}[],- ") == "":
	case secret && (key != top || key == "") && top != "metadata" && !plainKey(key), // in JSON and in lists nothing tells the data from the rest
		secret && (top == "data" || top == "stringData") && key != top,
		top == "secretGenerator" && !plainGeneratorKey(key),
		value != "" && strings.Contains(key, "last-applied"),
		e.named(from):
		return hide(line, key)
	}
	return Values(line)
}

type excerpt struct {
	lines []string
	at    int
}

// document returns the lines of the YAML document that the line is in.
func (e excerpt) document() (from, to int) {
	for from = e.at; from > 0 && !strings.HasPrefix(e.lines[from], "---"); from-- {
	}
	for to = e.at + 1; to < len(e.lines) && !strings.HasPrefix(e.lines[to], "---"); to++ {
	}
	return from, to
}

// section is the key without indentation that the line is below, or is.
func (e excerpt) section(from int) string {
	for i := e.at; i >= from; i-- {
		l := e.lines[i]
		if l != "" && !strings.ContainsRune(" \t#-\r\n", rune(l[0])) {
			key, _ := entryOf(l)
			return key
		}
	}
	return ""
}

// named reports whether the line holds the value of something with the name of a credential: a key, an environment variable, or
// a text of several lines.
func (e excerpt) named(from int) bool {
	key, value := entryOf(e.lines[e.at])
	if value != "" && Credential(key) {
		return true
	}
	depth := indent(e.lines[e.at])
	if key == "value" {
		for _, next := range []int{e.at - 1, e.at + 1} {
			if next >= from && next < len(e.lines) {
				if k, v := entryOf(e.lines[next]); k == "name" && Credential(strings.Trim(v, `"'`)) {
					return true
				}
			}
		}
	}
	for i := e.at - 1; i >= from; i-- {
		if strings.TrimSpace(e.lines[i]) == "" || indent(e.lines[i]) >= depth {
			continue
		}
		depth = indent(e.lines[i])
		k, v := entryOf(e.lines[i])
		if block := strings.HasPrefix(v, "|") || strings.HasPrefix(v, ">"); block && (Credential(k) || strings.Contains(v, "PRIVATE KEY")) {
			return true
		}
	}
	return false
}

func indent(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// entryOf splits a line of a mapping, which may open an element of a list.
func entryOf(line string) (key, value string) {
	text := strings.TrimSpace(line)
	for strings.HasPrefix(text, "- ") {
		text = strings.TrimSpace(text[2:])
	}
	key, value, found := strings.Cut(text, ":")
	if !found || strings.ContainsAny(key, " {[=") || strings.HasPrefix(text, "#") {
		return "", ""
	}
	return strings.Trim(key, `"'`), strings.TrimSpace(value)
}

func plainKey(key string) bool {
	switch key {
	case "apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "data", "stringData", "immutable", "type", "items":
		return true
	}
	return false
}

func plainGeneratorKey(key string) bool {
	switch key {
	case "secretGenerator", "name", "namespace", "type", "literals", "envs", "files", "options", "behavior", "disableNameSuffixHash", "labels", "annotations":
		return true
	}
	return false
}

// hide keeps the indentation and the key of a line.
func hide(line, key string) string {
	text := strings.TrimLeft(line, " ")
	lead := line[:len(line)-len(text)]
	for strings.HasPrefix(text, "- ") {
		lead, text = lead+"- ", text[2:]
	}
	if name, _, found := strings.Cut(text, "="); found && key == "" && !strings.ContainsAny(name, " ") {
		return lead + name + "=" + Hidden
	}
	if key == "" {
		return lead + Hidden
	}
	return lead + key + ": " + Hidden
}
