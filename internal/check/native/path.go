package native

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// steps takes a path of the API server apart: spec.containers[0].resources.limits[cpu] is spec, containers, 0, resources, limits,
// cpu. What stands in brackets is one step.
func steps(path string) (out []string) {
	for path != "" {
		switch path[0] {
		case '.':
			path = path[1:]
		case '[':
			end := strings.IndexByte(path, ']')
			if end < 0 {
				return append(out, path[1:])
			}
			out = append(out, path[1:end])
			path = path[end+1:]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			out = append(out, path[:end])
			path = path[end:]
		}
	}
	return out
}

// path turns a path of the API server into one of the check, and returns what is there; nil if nothing is.
func (t teller) path(text string) (string, any) {
	if text == "<nil>" {
		return "", t.o.Object
	}
	out, at := "", any(t.o.Object)
	for _, step := range steps(text) {
		list, isList := at.([]any)
		index, err := strconv.Atoi(step)
		if !isList || err != nil || index < 0 || index >= len(list) {
			out = check.Join(out, step)
			at = child(at, step)
			continue
		}
		at = list[index]
		out = check.Join(out, element(list, index))
	}
	return out, at
}

// element names an element of a list by its name where it has one of its own, else by its index.
func element(list []any, index int) string {
	name := nameOf(list[index])
	for i, other := range list {
		if i != index && nameOf(other) == name {
			return check.Element(index, "name", "")
		}
	}
	return check.Element(index, "name", name)
}

func nameOf(v any) string {
	fields, _ := v.(map[string]any)
	name, _ := fields["name"].(string)
	return name
}

func child(v any, key string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[key]
	case []any:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// lookup returns what is at a path of the API server, nil if nothing is.
func lookup(object map[string]any, path string) any {
	at := any(object)
	for _, step := range steps(path) {
		at = child(at, step)
	}
	return at
}

// narrow follows the one field that has changed below path, as long as there is only one. Fields that the detail names in quotes
// are those that may change.
func narrow(path string, now, was any, detail string) string {
	for {
		a, isMap := now.(map[string]any)
		b, wasMap := was.(map[string]any)
		if !isMap || !wasMap {
			return path
		}
		changed := differing(a, b, detail)
		if len(changed) != 1 {
			return path
		}
		path = check.Join(path, changed[0])
		now, was = a[changed[0]], b[changed[0]]
	}
}

func differing(a, b map[string]any, allowed string) (out []string) {
	for key, v := range a {
		if !reflect.DeepEqual(v, b[key]) && !strings.Contains(allowed, "'"+key+"'") {
			out = append(out, key)
		}
	}
	for key := range b {
		if _, ok := a[key]; !ok && !strings.Contains(allowed, "'"+key+"'") {
			out = append(out, key)
		}
	}
	return out
}
