package jsonnet

import (
	"strings"

	"github.com/belaycd/belay/internal/fault"
)

const (
	// maxNesting bounds brackets within brackets. The parser takes about 60 kB of stack for each.
	maxNesting = 500
	// maxChain bounds what else makes an expression deep: operators, calls and fields one after another, and keywords,
	// which count keywordWeight, within all brackets that are open at a place.
	maxChain      = 20_000
	keywordWeight = 4
)

// checkNesting refuses a text of which the parser, which is recursive and checks nothing, would take all of the stack
// that Go grants: that ends the process. It counts by characters and errs on the side of too many.
func checkNesting(name, text string) error {
	n := nesting{text: text, open: []scope{{}}}
	for n.at < len(n.text) {
		n.next()
		if len(n.open)-1 > maxNesting || n.chain > maxChain {
			return fault.New(fault.Invalid, "%s:%d: the expression is nested too deeply", name, 1+strings.Count(text[:min(n.at, len(text))], "\n"))
		}
	}
	return nil
}

// scope is an open bracket, or the file.
type scope struct {
	chain int
	binds bool // between local and its semicolon, where commas end no expression
}

type nesting struct {
	text  string
	at    int
	open  []scope
	chain int // the sum over open
}

func (n *nesting) top() *scope { return &n.open[len(n.open)-1] }

func (n *nesting) add(weight int) {
	n.top().chain += weight
	n.chain += weight
}

// next consumes one token, or one character of one.
func (n *nesting) next() {
	rest := n.text[n.at:]
	c := rest[0]
	n.at++
	switch {
	case c == '#' || strings.HasPrefix(rest, "//"):
		n.skipTo("\n")
	case strings.HasPrefix(rest, "/*"):
		n.at++
		n.skipTo("*/")
	case strings.HasPrefix(rest, "|||"):
		n.block()
	case c == '"' || c == '\'':
		n.quoted(c)
	case c == '@' && len(rest) > 1 && (rest[1] == '"' || rest[1] == '\''):
		n.at++
		n.skipTo(rest[1:2]) // a doubled quote is the end of one string and the beginning of the next: as deep
	case c == '[' || c == '(' || c == '{':
		n.open = append(n.open, scope{})
	case c == ']' || c == ')' || c == '}':
		if len(n.open) > 1 {
			n.chain -= n.top().chain
			n.open = n.open[:len(n.open)-1]
		}
		n.add(1)
	case c == ',':
		if !n.top().binds && len(n.open) > 1 {
			n.chain -= n.top().chain
			n.top().chain = 0
		}
	case c == ';':
		n.top().binds = false
	case c == '.' || strings.IndexByte("!$~+-&|^=<>*/%", c) >= 0:
		n.add(1)
	case isLetter(c):
		n.word()
	}
}

func (n *nesting) word() {
	start := n.at - 1
	for n.at < len(n.text) && (isLetter(n.text[n.at]) || n.text[n.at] >= '0' && n.text[n.at] <= '9') {
		n.at++
	}
	switch n.text[start:n.at] {
	case "local":
		n.top().binds = true
		n.add(keywordWeight)
	case "if", "then", "else", "function", "assert", "error", "import", "importstr", "importbin", "in", "for":
		n.add(keywordWeight)
	}
}

func (n *nesting) skipTo(end string) {
	if at := strings.Index(n.text[n.at:], end); at >= 0 {
		n.at += at + len(end)
		return
	}
	n.at = len(n.text)
}

func (n *nesting) quoted(quote byte) {
	for n.at < len(n.text) {
		switch n.text[n.at] {
		case '\\':
			n.at++
		case quote:
			n.at++
			return
		}
		n.at++
	}
}

// block skips a text block: its lines begin with the white space of the first one, and the line that ends it does not.
func (n *nesting) block() {
	n.skipTo("\n")
	for n.at < len(n.text) && n.text[n.at] == '\n' {
		n.at++
	}
	indent := leading(n.text[n.at:])
	if indent == "" {
		return // an error of syntax
	}
	for n.at < len(n.text) {
		rest := n.text[n.at:]
		if rest[0] != '\n' && !strings.HasPrefix(rest, indent) {
			n.at += len(leading(rest))
			if strings.HasPrefix(n.text[n.at:], "|||") {
				n.at += len("|||")
			}
			return
		}
		n.skipTo("\n")
	}
}

func leading(text string) string {
	return text[:len(text)-len(strings.TrimLeft(text, " \t"))]
}

func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
