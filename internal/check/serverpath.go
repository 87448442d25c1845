package check

import (
	"strconv"
	"strings"
)

// ServerSteps takes a path as the API server writes it apart: spec.containers[0].resources.limits[cpu] is spec, containers, 0,
// resources, limits, cpu. What stands in brackets is one step.
func ServerSteps(path string) (out []string) {
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

// ServerPath turns steps of the API server into a path of an object, with the names of list elements, and returns what is
// there; nil if nothing is.
func ServerPath(object map[string]any, steps []string) (path string, at any) {
	at = object
	for _, step := range steps {
		list, isList := at.([]any)
		index, err := strconv.Atoi(step)
		if !isList || err != nil || index < 0 || index >= len(list) {
			if _, isMap := at.(map[string]any); !isMap && err == nil {
				step = "[" + step + "]"
			}
			path, at = Join(path, step), below(at, step)
			continue
		}
		path, at = Join(path, ElementOf(list, index)), list[index]
	}
	return path, at
}

// Lookup returns what is at steps of the API server, nil if nothing is.
func Lookup(object map[string]any, steps []string) any {
	at := any(object)
	for _, step := range steps {
		at = below(at, step)
	}
	return at
}

func below(v any, step string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[step]
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// ElementOf returns the step to an element of a list: by its name where it has one of its own, else by its index.
func ElementOf(list []any, index int) string {
	name := nameOf(list[index])
	for i, other := range list {
		if i != index && nameOf(other) == name {
			name = ""
		}
	}
	return Element(index, "name", name)
}

func nameOf(v any) string {
	fields, _ := v.(map[string]any)
	name, _ := fields["name"].(string)
	return name
}
