package diff

import (
	"encoding/json"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// covers reports whether live surely holds everything that desired says. False is only a suspicion: the server may
// store the same meaning in another form (defaults in list elements, quantities, ordering), which a dry-run settles.
// True must never be wrong.
//
// Only within the specification of a built-in kind are quantities compared by value: elsewhere "1024Mi" and "1Gi" are two
// texts. parent is the name of the field, "" outside of such a specification.
func covers(desired, live any, parent string) bool {
	switch d := desired.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return false
		}
		for k, dv := range d {
			lv, found := l[k]
			if !found {
				if dv == nil {
					continue // an explicit null asks for absence
				}
				return false
			}
			if !covers(dv, lv, below(parent, k)) {
				return false
			}
		}
		// A map that is empty in Git matches any live map: the fields in it are someone else's.
		return true
	case []any:
		l, ok := live.([]any)
		if !ok || len(l) != len(d) {
			return false
		}
		for i := range d {
			if !covers(d[i], l[i], parent) {
				return false
			}
		}
		return true
	default:
		return scalarEqual(desired, live) || quantityEqual(desired, live, parent)
	}
}

// below returns what covers is told of a field of parent.
func below(parent, field string) string {
	if parent == "" {
		return ""
	}
	switch field {
	case "metadata", "annotations", "labels", "matchLabels", "nodeSelector", "selector", "data":
		return ""
	}
	return field
}

// coversObject is covers for a whole object.
func coversObject(desired, live map[string]any, builtIn bool) bool {
	for k, dv := range desired {
		parent := ""
		if k == "spec" && builtIn {
			parent = k
		}
		lv, found := live[k]
		if !found && dv != nil || found && !covers(dv, lv, parent) {
			return false
		}
	}
	return true
}

// builtIn reports whether a kind is one of Kubernetes' own, whose quantities the server writes in a form of its own. The
// groups of other kinds have names with a dot, as have those of Kubernetes that came later.
func builtIn(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
}

func scalarEqual(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	if _, whole := a.(int64); whole {
		if _, whole := b.(int64); whole {
			return false // not to be compared as floats, which cannot tell large ones apart
		}
	}
	fa, oka := number(a)
	fb, okb := number(b)
	return oka && okb && fa == fb
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case int:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

// quantityEqual compares values of fields below limits, requests and the like, where 1000m and 1 are one value.
// parent is the name of the innermost field: for a map of quantities that is the resource's name, so only names that
// Kubernetes gives to resources count.
func quantityEqual(a, b any, parent string) bool {
	switch {
	case parent == "cpu", parent == "memory", parent == "storage", parent == "ephemeral-storage", parent == "sizeLimit",
		strings.HasPrefix(parent, "hugepages-"), strings.HasPrefix(parent, "requests."), strings.HasPrefix(parent, "limits."):
	default:
		return false
	}
	qa, erra := quantity(a)
	qb, errb := quantity(b)
	return erra == nil && errb == nil && qa.Cmp(qb) == 0
}

func quantity(v any) (resource.Quantity, error) {
	switch q := v.(type) {
	case string:
		return resource.ParseQuantity(q)
	case int64, float64:
		data, err := json.Marshal(q)
		if err != nil {
			return resource.Quantity{}, err
		}
		return resource.ParseQuantity(string(data))
	}
	return resource.Quantity{}, resource.ErrFormatWrong
}

// ownsExactly reports whether the field set (metadata.managedFields[].fieldsV1, JSON) of our manager holds every field
// of desired and no other. A field that we own and no longer desire would be removed by an apply; a field that we desire
// and no longer own was taken over by somebody, perhaps as part of an atomic map or list that covers cannot tell
// from a granular one. Like covers, false is only a suspicion.
func ownsExactly(fieldsV1 []byte, desired map[string]any) bool {
	var set map[string]any
	if json.Unmarshal(fieldsV1, &set) != nil {
		return false
	}
	content := make(map[string]any, len(desired))
	for k, v := range desired {
		content[k] = v
	}
	// Identity is not tracked by managedFields.
	delete(content, "apiVersion")
	delete(content, "kind")
	if meta, ok := desired["metadata"].(map[string]any); ok {
		kept := make(map[string]any, len(meta))
		for k, v := range meta {
			if k != "name" && k != "namespace" {
				kept[k] = v
			}
		}
		delete(content, "metadata")
		if len(kept) > 0 {
			content["metadata"] = kept
		}
	}
	return fieldsIn(set, content) && valueIn(content, set)
}

// fieldsIn reports whether every field of set exists in desired.
func fieldsIn(set map[string]any, desired any) bool {
	for key, sub := range set {
		if key == "." {
			continue
		}
		value, found := element(desired, key)
		if !found {
			return false
		}
		if children, isMap := sub.(map[string]any); isMap && len(children) > 0 && !fieldsIn(children, value) {
			return false
		}
	}
	return true
}

// valueIn reports whether every field of desired is in set; an empty set is a leaf, which holds all below it.
func valueIn(desired any, set map[string]any) bool {
	if len(set) == 0 {
		return true
	}
	switch d := desired.(type) {
	case map[string]any:
		for k, v := range d {
			if v == nil {
				continue
			}
			sub, ok := set["f:"+k].(map[string]any)
			if !ok || !valueIn(v, sub) {
				return false
			}
		}
	case []any:
		for _, e := range d {
			if !elementIn(e, set) {
				return false
			}
		}
	}
	return true
}

func elementIn(e any, set map[string]any) bool {
	for key, sub := range set {
		if key == "." {
			continue
		}
		if _, found := element([]any{e}, key); found {
			children, _ := sub.(map[string]any)
			return valueIn(e, children)
		}
	}
	return false
}

// element finds what a key of a field set names: f: a field, k: a list element by its key fields, v: one by value.
func element(in any, key string) (any, bool) {
	kind, rest, ok := strings.Cut(key, ":")
	if !ok {
		return nil, false
	}
	switch kind {
	case "f":
		m, ok := in.(map[string]any)
		if !ok {
			return nil, false
		}
		v, found := m[rest]
		return v, found
	case "k":
		return elementByKey(in, rest)
	case "v":
		return elementByValue(in, rest)
	}
	return nil, false
}

func elementByKey(list any, keyJSON string) (any, bool) {
	var key map[string]any
	if json.Unmarshal([]byte(keyJSON), &key) != nil {
		return nil, false
	}
	elements, ok := list.([]any)
	if !ok {
		return nil, false
	}
	for _, e := range elements {
		m, ok := e.(map[string]any)
		if !ok {
			continue
		}
		match := true
		for k, v := range key {
			// A key field that is left to its default does not match: that is settled by the dry-run.
			if have, present := m[k]; !present || !scalarEqual(have, v) {
				match = false
				break
			}
		}
		if match {
			return m, true
		}
	}
	return nil, false
}

func elementByValue(list any, valueJSON string) (any, bool) {
	var want any
	if json.Unmarshal([]byte(valueJSON), &want) != nil {
		return nil, false
	}
	elements, ok := list.([]any)
	if !ok {
		return nil, false
	}
	for _, e := range elements {
		if scalarEqual(e, want) {
			return e, true
		}
	}
	return nil, false
}
