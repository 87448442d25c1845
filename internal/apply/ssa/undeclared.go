package ssa

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// undeclaredField is how the API server names a field that a kind does not have. Server-side apply refuses such an object
// whatever fieldValidation says, other than an update or a client-side apply.
var undeclaredField = regexp.MustCompile(`(?:^|\s)(\.\S.*?): field not declared in schema`)

// withoutUndeclared returns the object without the fields that a refusal calls undeclared; ok is false when it names none
// that the object has.
func withoutUndeclared(u *unstructured.Unstructured, refusal error) (_ *unstructured.Unstructured, ok bool) {
	out := u.DeepCopy()
	for _, m := range undeclaredField.FindAllStringSubmatch(refusal.Error(), -1) {
		if steps, valid := pathSteps(m[1]); valid && remove(out.Object, steps) {
			ok = true
		}
	}
	return out, ok
}

// pathStep is a field, an index or the keys of an element of a list.
type pathStep struct {
	field string
	index int
	keys  map[string]any
}

// pathSteps takes a path apart as structured-merge-diff writes it: .spec.containers[name="web"].ports[0].
func pathSteps(path string) (out []pathStep, ok bool) {
	for path != "" {
		switch path[0] {
		case '.':
			end := strings.IndexAny(path[1:], ".[") + 1
			if end == 0 {
				end = len(path)
			}
			if end == 1 {
				return nil, false
			}
			out, path = append(out, pathStep{field: path[1:end]}), path[end:]
		case '[':
			step, rest, ok := element(path[1:])
			if !ok {
				return nil, false
			}
			out, path = append(out, step), rest
		default:
			return nil, false
		}
	}
	return out, len(out) > 0
}

// element reads what stands between brackets: an index, or key=value with JSON values, separated by commas.
func element(text string) (_ pathStep, rest string, ok bool) {
	if end := strings.IndexByte(text, ']'); end > 0 {
		if n, err := strconv.Atoi(text[:end]); err == nil && n >= 0 {
			return pathStep{index: n}, text[end+1:], true
		}
	}
	step := pathStep{keys: map[string]any{}}
	for {
		name, after, found := strings.Cut(text, "=")
		if !found || name == "" {
			return pathStep{}, "", false
		}
		dec := json.NewDecoder(strings.NewReader(after))
		var value any
		if dec.Decode(&value) != nil {
			return pathStep{}, "", false
		}
		step.keys[name] = value
		text = after[dec.InputOffset():]
		switch {
		case strings.HasPrefix(text, ","):
			text = text[1:]
		case strings.HasPrefix(text, "]"):
			return step, text[1:], true
		default:
			return pathStep{}, "", false
		}
	}
}

// remove takes the field at the end of the path away and reports whether there was one.
func remove(in any, path []pathStep) bool {
	step := path[0]
	switch v := in.(type) {
	case map[string]any:
		child, there := v[step.field]
		if !there || step.field == "" {
			return false
		}
		if len(path) == 1 {
			delete(v, step.field)
			return true
		}
		return remove(child, path[1:])
	case []any:
		if step.field != "" || len(path) == 1 {
			return false
		}
		if step.keys == nil {
			return step.index < len(v) && remove(v[step.index], path[1:])
		}
		for _, one := range v {
			if selected(one, step.keys) {
				return remove(one, path[1:])
			}
		}
	}
	return false
}

func selected(element any, keys map[string]any) bool {
	m, ok := element.(map[string]any)
	if !ok {
		return false
	}
	for k, want := range keys {
		have := m[k]
		if n, whole := have.(int64); whole {
			have = float64(n)
		}
		if !reflect.DeepEqual(have, want) {
			return false
		}
	}
	return true
}
