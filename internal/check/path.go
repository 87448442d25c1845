package check

import (
	"strconv"
	"strings"
)

// Step is one step of a field path: the key of a mapping, or an element of a list, by index or by the value of a key.
type Step struct {
	Key       string
	Index     int
	By, Value string
}

// Steps parses a path of the form spec.template.spec.containers[name=app].ports[0]. Keys that hold a dot or a bracket are
// written as metadata.annotations["a.b/c"].
func Steps(path string) []Step {
	var out []Step
	for path != "" {
		switch path[0] {
		case '.':
			path = path[1:]
		case '[':
			end := closing(path)
			out = append(out, bracket(path[1:end]))
			path = path[min(end+1, len(path)):]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			out = append(out, Step{Key: path[:end]})
			path = path[end:]
		}
	}
	return out
}

// closing returns the index of the bracket that ends the one that path begins with; len(path) if there is none.
func closing(path string) int {
	quoted := false
	for i := 1; i < len(path); i++ {
		switch {
		case path[i] == '\\' && quoted:
			i++
		case path[i] == '"':
			quoted = !quoted
		case path[i] == ']' && !quoted:
			return i
		}
	}
	return len(path)
}

func bracket(text string) Step {
	if key, err := strconv.Unquote(text); err == nil {
		return Step{Key: key}
	}
	if i, err := strconv.Atoi(text); err == nil && i >= 0 {
		return Step{Index: i}
	}
	by, value, _ := strings.Cut(text, "=")
	if unquoted, err := strconv.Unquote(value); err == nil {
		value = unquoted
	}
	return Step{By: by, Value: value}
}

// Join returns the path of steps below path: keys as Steps reads them.
func Join(path string, keys ...string) string {
	for _, key := range keys {
		switch {
		case strings.HasPrefix(key, "["):
			path += key
		case key == "" || strings.ContainsAny(key, `.[]"\`):
			path += "[" + strconv.Quote(key) + "]"
		case path == "":
			path = key
		default:
			path += "." + key
		}
	}
	return path
}

// Element returns the step to an element of a list, for Join: by the value of a key where there is one, else by index.
func Element(index int, by, value string) string {
	switch {
	case value == "":
		return "[" + strconv.Itoa(index) + "]"
	case strings.ContainsAny(value, `[]"\`):
		return "[" + by + "=" + strconv.Quote(value) + "]"
	}
	return "[" + by + "=" + value + "]"
}
