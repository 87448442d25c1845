package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/itchyny/gojq"
	"k8s.io/client-go/util/jsonpath"

	"github.com/belaycd/belay/api/v1alpha1"
)

// expression is what --for waits for.
type expression struct {
	text string
	of   func(object map[string]any) (bool, error)
}

// exprTimeout bounds one look of an expression at an object.
const exprTimeout = time.Second

// parseExpression reads a jq expression, or jsonpath={PATH}[=VALUE] as kubectl has it.
func parseExpression(text string) (expression, error) {
	if path, ok := strings.CutPrefix(text, "jsonpath="); ok {
		return parseJSONPath(text, path)
	}
	query, err := gojq.Parse(text)
	if err != nil {
		return expression{}, usageError("%q is no jq expression: %w", text, err)
	}
	code, err := gojq.Compile(query)
	if err != nil {
		return expression{}, usageError("%q is no jq expression: %w", text, err)
	}
	return expression{text, func(object map[string]any) (bool, error) {
		ctx, cancel := context.WithTimeout(context.Background(), exprTimeout)
		defer cancel()
		v, ok := code.RunWithContext(ctx, object).Next()
		if ctx.Err() != nil {
			return false, usageError("%q did not end within %s", text, exprTimeout)
		}
		if _, failed := v.(error); failed {
			return false, nil // of a field that is not there yet
		}
		return ok && v != nil && v != false, nil
	}}, nil
}

func parseJSONPath(text, path string) (expression, error) {
	path, want, compare := cutPath(path)
	if !strings.HasPrefix(path, "{") {
		path = "{" + path + "}"
	}
	parsed := jsonpath.New("for").AllowMissingKeys(true)
	if err := parsed.Parse(path); err != nil {
		return expression{}, usageError("%q is no JSONPath: %w", path, err)
	}
	return expression{text, func(object map[string]any) (bool, error) {
		found, err := parsed.FindResults(object)
		if err != nil {
			return false, nil //nolint:nilerr // of a field that is not there yet
		}
		for _, values := range found {
			for _, v := range values {
				if !compare && v.IsValid() || compare && v.CanInterface() && fmt.Sprint(v.Interface()) == want {
					return true, nil
				}
			}
		}
		return false, nil
	}}, nil
}

// cutPath parts {PATH}=VALUE; a path itself may hold =.
func cutPath(text string) (path, value string, compare bool) {
	if end := strings.LastIndex(text, "}"); end >= 0 {
		value, compare = strings.CutPrefix(text[end+1:], "=")
		return text[:end+1], value, compare
	}
	return strings.Cut(text, "=")
}

// holds reports whether all expressions are true of an application.
func holds(all []expression, app *v1alpha1.Application) (bool, error) {
	if len(all) == 0 {
		return true, nil
	}
	object, err := toMap(app)
	if err != nil {
		return false, fmt.Errorf("encode application: %w", err)
	}
	for _, e := range all {
		if ok, err := e.of(object); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
