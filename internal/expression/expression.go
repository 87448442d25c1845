// Package expression evaluates what users write into settings: a condition of expr-lang or a text/template, and the values that it
// is about, go in; a truth, a value or a text comes out, bounded in what is made on the way.
package expression

import (
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
)

// Condition is a compiled expression. It is safe for concurrent use.
type Condition struct{ program *vm.Program }

// ParseCondition compiles an expression. Names that are not known are nil when it is evaluated.
func ParseCondition(text string) (*Condition, error) {
	program, err := expr.Compile(text, expr.AllowUndefinedVariables())
	if err != nil {
		return nil, fmt.Errorf("it is no expression: %s", firstLine(err))
	}
	return &Condition{program}, nil
}

// Value evaluates the expression.
func (c *Condition) Value(data map[string]any) (value any, err error) {
	defer func() {
		if why := recover(); why != nil {
			value, err = nil, errors.New("it broke its interpreter")
		}
	}()
	if value, err = expr.Run(c.program, data); err != nil {
		return nil, errors.New(firstLine(err))
	}
	return value, nil
}

func firstLine(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// Template is a compiled text/template. It is safe for concurrent use.
type Template struct{ template *template.Template }

// ParseTemplate compiles a template with some functions of sprig and further ones.
func ParseTemplate(text string, further template.FuncMap) (*Template, error) {
	t, err := template.New("template").Funcs(functions()).Funcs(further).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("it is no template: %w", err)
	}
	return &Template{t}, nil
}

// Fill returns the text that the template makes of data, most bytes of it at most. What an object has not is empty, as in charts.
func (t *Template) Fill(data any, most int) (text string, err error) {
	defer func() {
		if why := recover(); why != nil {
			text, err = "", errors.New("it broke its interpreter")
		}
	}()
	out := &bounded{most: most}
	if err := t.template.Execute(out, data); err != nil {
		return "", err
	}
	return strings.ReplaceAll(out.text.String(), "<no value>", ""), nil
}

// bounded is a text that is being written.
type bounded struct {
	text strings.Builder
	most int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > b.most {
		return 0, fmt.Errorf("it is longer than %d bytes", b.most)
	}
	return b.text.Write(p)
}

// functions are those of sprig that make no more than they are given, from nothing but that.
func functions() template.FuncMap {
	all, out := sprig.GenericFuncMap(), template.FuncMap{}
	for _, name := range []string{
		"abbrev", "add", "add1", "all", "any", "atoi", "b64dec", "b64enc", "base", "camelcase", "cat", "coalesce", "compact", "concat", "contains", "default",
		"dict", "dig", "dir", "div", "empty", "ext", "first", "fromJson", "get", "has", "hasKey", "hasPrefix", "hasSuffix", "initial", "int", "int64", "join",
		"kebabcase", "keys", "kindIs", "kindOf", "last", "list", "lower", "max", "min", "mod", "mul", "omit", "pick", "pluck", "quote", "regexFind", "regexMatch",
		"replace", "rest", "reverse", "sha1sum", "sha256sum", "slice", "snakecase", "sortAlpha", "split", "splitList", "splitn", "squote", "sub", "substr",
		"ternary", "title", "toJson", "toString", "toStrings", "trim", "trimAll", "trimPrefix", "trimSuffix", "trunc", "uniq", "upper", "urlParse", "values",
		"without",
	} {
		out[name] = all[name]
	}
	out["printf"] = printf
	return out
}

// printf is fmt.Sprintf without widths, which are a short way to write much.
func printf(format string, args ...any) (string, error) {
	for i, r := range format {
		if r != '%' || i+1 >= len(format) {
			continue
		}
		if strings.ContainsAny(format[i+1:i+2], "0123456789*.+-# [") {
			return "", errors.New("printf: widths and flags are not served here")
		}
	}
	return fmt.Sprintf(format, args...), nil
}
