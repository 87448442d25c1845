package diff

import (
	"context"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"github.com/belaycd/belay/internal/fault"
)

// jqTimeout bounds one jq expression over one object, as Argo CD's default does.
const jqTimeout = time.Second

// expression is a jq path expression that takes fields out of objects.
type expression struct {
	where, text string
	code        *gojq.Code
	timeout     time.Duration
}

func newExpression(where, text string, timeout time.Duration) (expression, error) {
	e := expression{where: where, text: text, timeout: timeout}
	// By itself first, so that what closes the parenthesis below is no expression.
	_, err := gojq.Parse(text)
	if err != nil {
		return e, fault.New(fault.Invalid, "%s: jq expression %q: %w", where, text, err)
	}
	query, err := gojq.Parse("delpaths([path(" + text + "\n)])")
	if err != nil {
		return e, fault.New(fault.Invalid, "%s: jq expression %q: %w", where, text, err)
	}
	if e.code, err = gojq.Compile(query); err != nil {
		return e, fault.New(fault.Invalid, "%s: jq expression %q: %w", where, text, err)
	}
	return e, nil
}

// delete returns in without the fields that the expression names. An expression that does not fit the object (a path through
// something that is no map) ignores nothing. One that runs too long is an error of kind Invalid that names it.
func (e expression) delete(in map[string]any) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), e.timeout)
	defer cancel()
	v, ok := e.code.RunWithContext(ctx, plain(in)).Next()
	if !ok {
		return in, nil
	}
	if _, failed := v.(error); failed {
		if ctx.Err() != nil {
			return nil, fault.New(fault.Invalid, "%s: jq expression %q ran longer than %s (controller.ignore.normalizer.jq.timeout) and was stopped",
				e.where, shorten(e.text), e.timeout)
		}
		return in, nil
	}
	if m, ok := integers(v).(map[string]any); ok {
		return m, nil
	}
	return in, nil
}

// shorten bounds an expression that a message repeats.
func shorten(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// plain returns a copy of an object's content in the types that gojq knows: int in place of int64.
func plain(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = plain(e)
		}
		return out
	case int64:
		return int(t)
	}
	return v
}

// integers turns what gojq returned back into the types of unstructured content, in place.
func integers(v any) any {
	switch t := v.(type) {
	case map[string]any:
		for k, e := range t {
			t[k] = integers(e)
		}
	case []any:
		for i, e := range t {
			t[i] = integers(e)
		}
	case int:
		return int64(t)
	}
	return v
}
