package project

import (
	"regexp"
	"strings"

	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/source"
)

// pattern is one glob of a project. One that cannot be read matches nothing, and a denying one that cannot be read
// denies everything.
type pattern struct {
	text  string // as written
	deny  bool   // begins with "!": matches says that the value is not denied
	match func(string) bool
	err   error
	of    string // the global project that it is taken over from, "" for the project's own
}

// matches reports whether the pattern lets the value through.
func (p pattern) matches(value string) bool {
	if p.err != nil {
		return false
	}
	return p.match(value) != p.deny
}

// broken explains a rule that denies because it cannot be read.
func (p pattern) broken() string {
	if p.err == nil {
		return ""
	}
	return " because it cannot be read: " + source.Redact(p.err.Error())
}

// plain reads a glob without "!"; "*" alone matches everything, otherwise "*" stops at separators.
func plain(text string, separators ...rune) pattern {
	g, err := glob.Compile(text, separators...)
	return pattern{text: text, match: g.Match, err: err}
}

// negatable reads a glob that may begin with "!".
func negatable(text string) pattern {
	rest, deny := strings.CutPrefix(text, "!")
	p := plain(rest)
	p.text, p.deny = text, deny
	return p
}

// repoPattern reads a glob over repository URLs; both sides are normalised before they are compared.
func repoPattern(text string) pattern {
	rest, deny := strings.CutPrefix(text, "!")
	normal := source.NormalizeURL(rest)
	if normal == "" {
		normal = strings.TrimSuffix(strings.ToLower(rest), ".git") // globs are not always URLs
	}
	// The parser of URLs escapes what globs are made of.
	p := plain(strings.NewReplacer("%2A", "*", "%7B", "{", "%7D", "}", "%5B", "[", "%5D", "]").Replace(normal), '/')
	p.text, p.deny = text, deny
	return p
}

// globOrRegexp reads a glob, or a regular expression between slashes.
func globOrRegexp(text string) pattern {
	if len(text) < 3 || !strings.HasPrefix(text, "/") || !strings.HasSuffix(text, "/") {
		return plain(text)
	}
	p := pattern{text: text}
	re, err := regexp.Compile(text[1 : len(text)-1])
	if err != nil {
		p.err = err
		return p
	}
	p.match = re.MatchString
	return p
}

func textsOf(patterns []pattern) []string {
	out := make([]string, len(patterns))
	for i, p := range patterns {
		out[i] = source.Redact(p.text)
	}
	return out
}
