// Package glob matches names: a glob goes in; a Pattern, which says in linear time whether a name matches, comes out.
//
// The language is that of Argo CD's projects and settings: * and ? stop at separators, ** does not, [a-z] and [!a-z]
// are classes, {a,b} are alternatives, \ takes the next character as it stands. Patterns come from people who may not
// be trusted with the time of the controller, so they are translated to regular expressions, whose matching
// is linear, and not tried by backtracking.
package glob

import (
	"fmt"
	"regexp"
	"strings"
)

// maxPattern bounds patterns, and with them the memory of a compiled one.
const maxPattern = 1024

// Pattern is a compiled glob, safe for concurrent use. The zero value matches nothing.
type Pattern struct {
	all bool
	re  *regexp.Regexp
}

// Compile reads a glob. Separators are the characters at which * and ? stop. "*" alone matches everything,
// with separators too.
func Compile(text string, separators ...rune) (Pattern, error) {
	if text == "*" {
		return Pattern{all: true}, nil
	}
	if len(text) > maxPattern {
		return Pattern{}, fmt.Errorf("a glob of %d bytes is longer than %d", len(text), maxPattern)
	}
	t := translator{in: []rune(text), one: "."}
	if len(separators) > 0 {
		t.one = "[^" + regexp.QuoteMeta(string(separators)) + "]"
	}
	if err := t.run(); err != nil {
		return Pattern{}, fmt.Errorf("glob %q: %w", text, err)
	}
	re, err := regexp.Compile(`(?s)\A(?:` + t.out.String() + `)\z`)
	if err != nil {
		return Pattern{}, fmt.Errorf("glob %q cannot be used", text)
	}
	return Pattern{re: re}, nil
}

// Match reports whether name matches as a whole.
func (p Pattern) Match(name string) bool {
	return p.all || p.re != nil && p.re.MatchString(name)
}

type translator struct {
	in    []rune
	at    int
	depth int    // of open braces
	one   string // any character but a separator
	out   strings.Builder
}

func (t *translator) run() error {
	for t.at < len(t.in) {
		c := t.in[t.at]
		t.at++
		switch {
		case c == '*' && t.next() == '*':
			t.at++
			t.out.WriteString(".*")
		case c == '*':
			t.out.WriteString(t.one + "*")
		case c == '?':
			t.out.WriteString(t.one)
		case c == '[':
			if err := t.class(); err != nil {
				return err
			}
		case c == '{':
			t.depth++
			t.out.WriteString("(?:")
		case c == '}' && t.depth > 0:
			t.depth--
			t.out.WriteString(")")
		case c == ',' && t.depth > 0:
			t.out.WriteString("|")
		case c == '\\':
			if t.at == len(t.in) {
				return fmt.Errorf("nothing follows the last \\")
			}
			t.literal(t.in[t.at])
			t.at++
		default:
			t.literal(c)
		}
	}
	if t.depth > 0 {
		return fmt.Errorf("a { is not closed")
	}
	return nil
}

func (t *translator) next() rune {
	if t.at < len(t.in) {
		return t.in[t.at]
	}
	return -1
}

func (t *translator) literal(c rune) { t.out.WriteString(regexp.QuoteMeta(string(c))) }

// class translates what follows a [ up to its ]. A ] that comes first stands for itself.
func (t *translator) class() error {
	var set strings.Builder
	set.WriteString("[")
	if t.next() == '!' || t.next() == '^' {
		t.at++
		set.WriteString("^")
	}
	for first := true; ; first = false {
		if t.at == len(t.in) {
			return fmt.Errorf("a [ is not closed")
		}
		c := t.in[t.at]
		t.at++
		if c == ']' && !first {
			break
		}
		if c == '\\' && t.at < len(t.in) {
			c = t.in[t.at]
			t.at++
		}
		if t.next() == '-' && t.at+1 < len(t.in) && t.in[t.at+1] != ']' {
			to := t.in[t.at+1]
			t.at += 2
			if to < c {
				return fmt.Errorf("the range %c-%c is empty", c, to)
			}
			fmt.Fprintf(&set, `\x{%x}-\x{%x}`, c, to)
			continue
		}
		fmt.Fprintf(&set, `\x{%x}`, c)
	}
	t.out.WriteString(set.String() + "]")
	return nil
}
