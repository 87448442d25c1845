package diff

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	"github.com/belaycd/belay/internal/object"
)

// Fields lists what differs between two states of one object, leaf by leaf, in path order. Elements of lists are
// matched by name (or another field that Kubernetes merges by) where all have one, by position otherwise.
func Fields(live, desired map[string]any) []object.Change {
	var out []object.Change
	walkMap("", live, desired, &out)
	return out
}

func walkMap(path string, live, desired map[string]any, out *[]object.Change) {
	keys := make([]string, 0, len(live)+len(desired))
	for k := range live {
		keys = append(keys, k)
	}
	for k := range desired {
		if _, both := live[k]; !both {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	for _, k := range keys {
		walk(join(path, k), live[k], desired[k], out)
	}
}

func walk(path string, live, desired any, out *[]object.Change) {
	if scalarEqual(live, desired) {
		return
	}
	switch l := live.(type) {
	case map[string]any:
		if d, ok := desired.(map[string]any); ok {
			walkMap(path, l, d, out)
			return
		}
	case []any:
		if d, ok := desired.([]any); ok {
			walkList(path, l, d, out)
			return
		}
	}
	*out = append(*out, object.Change{Path: path, Live: live, Desired: desired})
}

func walkList(path string, live, desired []any, out *[]object.Change) {
	if reflect.DeepEqual(live, desired) {
		return
	}
	if key := mergeKey(live, desired); key != "" {
		walkKeyed(path, key, live, desired, out)
		return
	}
	for i := 0; i < len(live) || i < len(desired); i++ {
		var l, d any
		if i < len(live) {
			l = live[i]
		}
		if i < len(desired) {
			d = desired[i]
		}
		walk(fmt.Sprintf("%s[%d]", path, i), l, d, out)
	}
}

func walkKeyed(path, key string, live, desired []any, out *[]object.Change) {
	byKey := make(map[string]any, len(live))
	for _, e := range live {
		byKey[elementKey(e, key)] = e
	}
	seen := make(map[string]bool, len(desired))
	found := len(*out)
	for _, e := range desired {
		k := elementKey(e, key)
		seen[k] = true
		walk(fmt.Sprintf("%s[%s=%s]", path, key, k), byKey[k], e, out)
	}
	for _, e := range live {
		if k := elementKey(e, key); !seen[k] {
			walk(fmt.Sprintf("%s[%s=%s]", path, key, k), e, nil, out)
		}
	}
	if len(*out) == found {
		// Same elements in another order: the lists differ all the same.
		*out = append(*out, object.Change{Path: path, Live: live, Desired: desired})
	}
}

// mergeKey returns the field that names the elements of both lists uniquely, or "".
func mergeKey(lists ...[]any) string {
	for _, key := range []string{"name", "containerPort", "port", "mountPath", "devicePath", "topologyKey", "ip", "type", "uid", "key"} {
		if keyed(key, lists) {
			return key
		}
	}
	return ""
}

func keyed(key string, lists [][]any) bool {
	for _, list := range lists {
		seen := make(map[string]bool, len(list))
		for _, e := range list {
			k := elementKey(e, key)
			if k == "" || seen[k] {
				return false
			}
			seen[k] = true
		}
	}
	return true
}

func elementKey(e any, key string) string {
	m, ok := e.(map[string]any)
	if !ok {
		return ""
	}
	switch v := m[key].(type) {
	case string:
		return v
	case int64, float64:
		return fmt.Sprint(v)
	}
	return ""
}

func join(path, field string) string {
	if strings.ContainsAny(field, "./[]") {
		field = "[" + field + "]"
		return path + field
	}
	if path == "" {
		return field
	}
	return path + "." + field
}
