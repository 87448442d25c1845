package diff

import (
	"encoding/json"
	"sort"
	"strconv"
	"strings"

	"github.com/belaycd/belay/internal/object"
)

// ignoreSet is what the rules say of one object.
type ignoreSet struct {
	pointers [][]string
	jq       []expression
	managers []string
	known    []knownField
}

func (s *ignoreSet) empty() bool {
	return len(s.pointers)+len(s.jq)+len(s.managers)+len(s.known) == 0
}

// strip returns a copy of obj without the fields that the set ignores, and with the fields of known types in one form. managers
// are live's field managers. Where the set says nothing, it returns obj itself.
func (s *ignoreSet) strip(obj map[string]any, managers []object.Manager) (map[string]any, error) {
	if s.empty() {
		return obj, nil
	}
	out, _ := deepCopy(obj).(map[string]any)
	for _, p := range s.pointers {
		removePointer(out, p)
	}
	for _, name := range s.managers {
		for _, m := range managers {
			if m.Name == name {
				removeOwned(out, m.FieldsV1)
			}
		}
	}
	for _, e := range s.jq {
		next, err := e.delete(out)
		if err != nil {
			return nil, err
		}
		out = next
	}
	for _, f := range s.known {
		f.apply(out)
	}
	return out, nil
}

func removePointer(obj any, parts []string) {
	if len(parts) == 0 {
		return
	}
	switch o := obj.(type) {
	case map[string]any:
		if len(parts) == 1 {
			delete(o, parts[0])
			return
		}
		if len(parts) == 2 {
			if list, ok := o[parts[0]].([]any); ok {
				if i, err := strconv.Atoi(parts[1]); err == nil && i >= 0 && i < len(list) {
					o[parts[0]] = append(append([]any{}, list[:i]...), list[i+1:]...)
				}
				return
			}
		}
		removePointer(o[parts[0]], parts[1:])
	case []any:
		if i, err := strconv.Atoi(parts[0]); err == nil && i >= 0 && i < len(o) {
			removePointer(o[i], parts[1:])
		}
	}
}

// removeOwned removes the leaves of a field set from obj.
func removeOwned(obj map[string]any, fieldsV1 []byte) {
	var set map[string]any
	if json.Unmarshal(fieldsV1, &set) != nil {
		return
	}
	removeFields(obj, set)
}

func removeFields(in any, set map[string]any) any {
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, key := range keys {
		if key == "." {
			continue
		}
		children, _ := set[key].(map[string]any)
		value, found := element(in, key)
		if !found {
			continue
		}
		leaf := len(children) == 0
		switch c := in.(type) {
		case map[string]any:
			name := strings.TrimPrefix(key, "f:")
			if leaf {
				delete(c, name)
			} else {
				c[name] = removeFields(value, children)
			}
		case []any:
			if _, isMap := value.(map[string]any); isMap && !leaf {
				removeFields(value, children)
				continue
			}
			kept := make([]any, 0, len(c))
			for _, e := range c {
				if !scalarEqual(e, value) {
					kept = append(kept, e)
				}
			}
			in = kept
		}
	}
	return in
}

func deepCopy(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = deepCopy(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = deepCopy(e)
		}
		return out
	}
	return v
}
