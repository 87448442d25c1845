package helm

import (
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// guardTpl is the function through which the text of tpl passes.
const guardTpl = "belayGuard"

// instrument makes every template of c and its dependencies call the guard. Line numbers stay as they are.
func instrument(c *chart.Chart) {
	for i, t := range c.Templates {
		if t != nil {
			c.Templates[i] = &common.File{Name: t.Name, ModTime: t.ModTime, Data: []byte(instrumentText(string(t.Data)))}
		}
	}
	for _, sub := range c.Dependencies() {
		instrument(sub)
	}
}

// instrumentText puts a step at the start of the text and after every range, define and block, and leads the text
// argument of tpl through the guard. Text that is not well-formed comes back as far as it could be read, for the
// template parser to complain about.
func instrumentText(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 256)
	for first := true; ; first = false {
		open := strings.Index(text, "{{")
		if open < 0 {
			b.WriteString(text)
			return b.String()
		}
		end := actionEnd(text, open)
		if end < 0 {
			b.WriteString(text)
			return b.String()
		}
		if first {
			b.WriteString("{{" + stepName + "}}")
		}
		b.WriteString(text[:open])
		action := text[open:end]
		b.WriteString(guardTplArguments(action))
		switch keyword(action) {
		case "range", "define", "block":
			b.WriteString("{{" + stepName)
			if strings.HasSuffix(action, " -}}") || strings.HasSuffix(action, "\n-}}") || strings.HasSuffix(action, "\t-}}") {
				b.WriteString(" -") // the action trims what follows it, and so must what stands between
			}
			b.WriteString("}}")
		}
		text = text[end:]
	}
}

// actionEnd returns the index after the }} of the action that opens at open, or -1.
func actionEnd(text string, open int) int {
	i := open + 2
	if body := strings.TrimLeft(strings.TrimPrefix(text[i:], "-"), " \t\r\n"); strings.HasPrefix(body, "/*") {
		closing := strings.Index(text[i:], "*/")
		if closing < 0 {
			return -1
		}
		end := strings.Index(text[i+closing:], "}}")
		if end < 0 {
			return -1
		}
		return i + closing + end + 2
	}
	for i < len(text) {
		switch text[i] {
		case '"', '\'', '`':
			next := quoteEnd(text, i)
			if next < 0 {
				return -1
			}
			i = next
		case '}':
			if strings.HasPrefix(text[i:], "}}") {
				return i + 2
			}
			i++
		default:
			i++
		}
	}
	return -1
}

// quoteEnd returns the index after the literal that begins at i, or -1.
func quoteEnd(text string, i int) int {
	quote := text[i]
	for i++; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quote != '`':
			i++
		case text[i] == quote:
			return i + 1
		}
	}
	return -1
}

// keyword returns the first word of an action.
func keyword(action string) string {
	body := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(action, "{{"), "-"), " \t\r\n")
	end := 0
	for end < len(body) && isWord(body[end]) {
		end++
	}
	return body[:end]
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

// guardTplArguments turns tpl X into tpl (belayGuard X).
func guardTplArguments(action string) string {
	if !strings.Contains(action, "tpl") || strings.Contains(action, "/*") {
		return action
	}
	var b strings.Builder
	for i := 0; i < len(action); {
		c := action[i]
		if c == '"' || c == '\'' || c == '`' {
			end := quoteEnd(action, i)
			b.WriteString(action[i:end]) // well-formed: actionEnd has passed it
			i = end
			continue
		}
		if !strings.HasPrefix(action[i:], "tpl") || i > 0 && (isWord(action[i-1]) || action[i-1] == '.' || action[i-1] == '$') {
			b.WriteByte(c)
			i++
			continue
		}
		start := i + len("tpl")
		operand := start + len(action[start:]) - len(strings.TrimLeft(action[start:], " \t\r\n"))
		end := operandEnd(action, operand)
		if operand == start || end == operand {
			b.WriteString("tpl")
			i = start
			continue
		}
		b.WriteString("tpl" + action[start:operand] + "(" + guardTpl + " " + guardTplArguments(action[operand:end]) + ")")
		i = end
	}
	return b.String()
}

// operandEnd returns the index after the operand that begins at i: a literal, a name with fields, or a
// parenthesised pipeline with fields. Without one it is i.
func operandEnd(action string, i int) int {
	start, depth := i, 0
	for i < len(action) {
		switch c := action[i]; {
		case c == '"' || c == '\'' || c == '`':
			if i = quoteEnd(action, i); i < 0 {
				return start
			}
			continue
		case c == '(':
			depth++
		case c == ')':
			if depth == 0 {
				return i
			}
			depth--
		case depth == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '|' || c == '}' || c == ','):
			return i
		}
		i++
	}
	return start
}

// uninstrumented takes the guard's traces out of a message and the middle out of a very long one: a template that
// includes itself is reported once per level.
func uninstrumented(message string) string {
	message = strings.ReplaceAll(message, "{{"+stepName+" -}}", "")
	message = strings.ReplaceAll(message, "{{"+stepName+"}}", "")
	message = strings.ReplaceAll(message, guardTpl+" ", "")
	const head, tail = 1000, 500
	if len(message) > head+tail {
		message = strings.ToValidUTF8(message[:head], "") + " [...] " + strings.ToValidUTF8(message[len(message)-tail:], "")
	}
	return message
}
