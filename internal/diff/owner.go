package diff

import (
	"encoding/json"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// ours returns the field set that our applies own, empty when there is none.
func ours(managers []object.Manager) string {
	for _, m := range managers {
		if applies(m) {
			return string(m.FieldsV1)
		}
	}
	return ""
}

// applies reports whether a manager is our own server-side apply.
func applies(m object.Manager) bool {
	return m.Name == v1alpha1.FieldManager && m.Operation == "Apply" && m.Subresource == ""
}

// fieldSet decodes a field set; one that cannot be read holds nothing.
func fieldSet(fieldsV1 string) map[string]any {
	var set map[string]any
	if json.Unmarshal([]byte(fieldsV1), &set) != nil {
		return nil
	}
	return set
}

// explain adds to each change who last wrote the live value, as far as managedFields say so.
func explain(changes []object.Change, managers []object.Manager) []object.Change {
	if len(changes) == 0 {
		return nil
	}
	sets := make([]map[string]any, len(managers))
	for i, m := range managers {
		if json.Unmarshal(m.FieldsV1, &sets[i]) != nil {
			sets[i] = nil
		}
	}
	out := make([]object.Change, len(changes))
	for n, c := range changes {
		out[n] = c
		best := ""
		for i, m := range managers {
			if !ownsPath(sets[i], c.Path) {
				continue
			}
			// Of several owners the one that wrote last is the one to ask.
			if out[n].Manager == "" || m.Time > best {
				out[n].Manager, best = m.Name, m.Time
			}
		}
	}
	return out
}

// ownsPath reports whether a field set covers a path of the form that Fields gives.
func ownsPath(set map[string]any, path string) bool {
	for _, step := range splitPath(path) {
		if set == nil {
			return false
		}
		var next any
		var found bool
		switch {
		case step.key == "":
			next, found = set["f:"+step.name]
		default:
			next, found = keyedChild(set, step)
		}
		if !found {
			return false
		}
		children, _ := next.(map[string]any)
		if len(children) == 0 {
			return true // a leaf holds all below it
		}
		set = children
	}
	return true
}

type step struct{ name, key string }

func keyedChild(set map[string]any, s step) (any, bool) {
	for k, v := range set {
		if len(k) < 2 || k[:2] != "k:" {
			continue
		}
		var key map[string]any
		if json.Unmarshal([]byte(k[2:]), &key) == nil && elementKey(key, s.key) == s.name {
			return v, true
		}
	}
	return nil, false
}

// splitPath takes a path of Fields apart: a.b[name=x].c, with [odd.name] for fields whose names need it.
func splitPath(path string) []step {
	var out []step
	for i := 0; i < len(path); {
		switch path[i] {
		case '.':
			i++
		case '[':
			end := i + 1
			for end < len(path) && path[end] != ']' {
				end++
			}
			inner := path[i+1 : end]
			out = append(out, bracket(inner))
			i = end + 1
		default:
			end := i
			for end < len(path) && path[end] != '.' && path[end] != '[' {
				end++
			}
			out = append(out, step{name: path[i:end]})
			i = end
		}
	}
	return out
}

func bracket(inner string) step {
	for i := 0; i < len(inner); i++ {
		if inner[i] == '=' {
			return step{key: inner[:i], name: inner[i+1:]}
		}
		if inner[i] == '.' || inner[i] == '/' {
			break
		}
	}
	return step{name: inner}
}
