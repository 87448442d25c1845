// Package commit judges messages of commits: texts go in; findings on those that are not written as Conventional Commits 1.0.0 come
// out.
package commit

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Message is a message by its parts (https://www.conventionalcommits.org/en/v1.0.0/).
type Message struct {
	Type, Scope, Description, Body string
	// Breaking says that the header has a ! or a footer tells of a breaking change.
	Breaking bool
	Footers  []Footer
}

// Footer is a line such as "Refs: #1" or "BREAKING CHANGE: ...", with the lines that continue it.
type Footer struct{ Token, Value string }

// Parse reads a message. The error says what is wrong with it in one clause.
func Parse(text string) (Message, error) {
	if !utf8.ValidString(text) {
		return Message{}, errors.New("it is not UTF-8")
	}
	text = strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), " \t\n")
	header, rest, more := strings.Cut(text, "\n")
	m, err := parseHeader(header)
	if err != nil {
		return Message{}, err
	}
	if !more {
		return m, nil
	}
	blank, body, _ := strings.Cut(rest, "\n")
	if strings.TrimSpace(blank) != "" {
		return Message{}, errors.New("no empty line follows the first one")
	}
	m.body(body)
	return m, nil
}

func parseHeader(header string) (m Message, err error) {
	before, description, ok := strings.Cut(header, ":")
	if !ok {
		return m, errors.New(`it has no type: it begins with neither "type: " nor "type(scope): "`)
	}
	before, m.Breaking = strings.CutSuffix(before, "!")
	m.Type = before
	if i := strings.IndexByte(before, '('); i >= 0 {
		if !strings.HasSuffix(before, ")") {
			return Message{}, errors.New("the parenthesis around the scope is not closed before the colon")
		}
		m.Type, m.Scope = before[:i], before[i+1:len(before)-1]
		if strings.TrimSpace(m.Scope) == "" || strings.ContainsAny(m.Scope, "()\t") {
			return Message{}, fmt.Errorf("the scope %q is no name", m.Scope)
		}
	}
	if !noun(m.Type) {
		return Message{}, fmt.Errorf("%q before the colon is no type", m.Type)
	}
	if !strings.HasPrefix(description, " ") {
		return Message{}, errors.New("no space follows the colon")
	}
	if m.Description = strings.TrimSpace(description); m.Description == "" {
		return Message{}, errors.New("no description follows the colon")
	}
	return m, nil
}

// noun reports whether a word can be a type.
func noun(word string) bool {
	for _, r := range word {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
			return false
		}
	}
	return word != ""
}

// body splits what follows the header: footers are the last paragraph, if it begins with one.
func (m *Message) body(text string) {
	text = strings.Trim(text, "\n")
	last := text
	if i := strings.LastIndex(text, "\n\n"); i >= 0 {
		m.Body, last = text[:i], text[i+2:]
	}
	first, _, _ := strings.Cut(last, "\n")
	if _, ok := footer(first); !ok {
		m.Body = text
		return
	}
	for line := range strings.SplitSeq(last, "\n") {
		f, ok := footer(line)
		if !ok {
			at := &m.Footers[len(m.Footers)-1]
			at.Value += "\n" + line
			continue
		}
		m.Footers = append(m.Footers, f)
		m.Breaking = m.Breaking || f.Token == "BREAKING CHANGE" || f.Token == "BREAKING-CHANGE"
	}
}

// footer reads "token: value" and "token #value"; tokens have dashes in place of spaces, but for BREAKING CHANGE.
func footer(line string) (Footer, bool) {
	token, value, ok := strings.Cut(line, ": ")
	if hash, hashed, found := strings.Cut(line, " #"); found && (!ok || len(hash) < len(token)) {
		token, value, ok = hash, "#"+hashed, true
	}
	if !ok || token != "BREAKING CHANGE" && !noun(token) || value == "" {
		return Footer{}, false
	}
	return Footer{token, value}, true
}
