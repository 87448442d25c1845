package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// belayManager is the field manager that Belay applies with.
const belayManager = "argocd-controller"

// fieldChange is a field that Git decides about and that somebody wrote.
type fieldChange struct {
	path, before, after string
	manager             string // belayManager, or whoever took the field away from it
}

// fieldChanges compares two states of one object in the fields that Belay owned in either: the API server takes a field
// away from its owner when another manager gives it another value.
func fieldChanges(before, after *unstructured.Unstructured) []fieldChange {
	owned := ownedBy(after, belayManager)
	var out []fieldChange
	ownedBy(before, belayManager).Union(owned).Leaves().Iterate(func(p fieldpath.Path) {
		old, hadOld := lookup(before.Object, p)
		now, hasNow := lookup(after.Object, p)
		if hadOld == hasNow && reflect.DeepEqual(old, now) {
			return
		}
		c := fieldChange{path: strings.TrimPrefix(p.String(), "."), before: show(old, hadOld), after: show(now, hasNow), manager: belayManager}
		if !owned.Has(p) {
			c.manager = writer(before, after, p)
		}
		out = append(out, c)
	})
	slices.SortFunc(out, func(a, b fieldChange) int { return strings.Compare(a.path, b.path) })
	return out
}

func ownedBy(u *unstructured.Unstructured, manager string) *fieldpath.Set {
	all := fieldpath.NewSet()
	for _, m := range u.GetManagedFields() {
		if m.Manager == manager && m.Subresource == "" {
			all = all.Union(fields(m))
		}
	}
	return all
}

func fields(m metav1.ManagedFieldsEntry) *fieldpath.Set {
	set := fieldpath.NewSet()
	if m.FieldsV1 == nil || set.FromJSON(bytes.NewReader(m.FieldsV1.GetRawBytes())) != nil {
		return fieldpath.NewSet() // the API server writes these; what cannot be read owns nothing
	}
	return set
}

// writer finds who changed a field that Belay no longer owns: its owner now or, if it is gone, whose entry is new.
func writer(before, after *unstructured.Unstructured, p fieldpath.Path) string {
	entries := after.GetManagedFields()
	for _, m := range entries {
		if m.Subresource == "" && fields(m).Has(p) || m.Subresource == "scale" && fields(m).Has(p) {
			return m.Manager
		}
	}
	known := before.GetManagedFields()
	for _, m := range slices.Backward(entries) {
		if m.Manager != belayManager && m.Subresource == "" && !slices.ContainsFunc(known, func(k metav1.ManagedFieldsEntry) bool { return reflect.DeepEqual(k, m) }) {
			return m.Manager
		}
	}
	return "somebody"
}

// lookup returns the value at a path of an object.
func lookup(v any, p fieldpath.Path) (any, bool) {
	for _, e := range p {
		var ok bool
		if v, ok = step(v, e); !ok {
			return nil, false
		}
	}
	return v, true
}

func step(v any, e fieldpath.PathElement) (any, bool) {
	if e.FieldName != nil {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		v, ok = m[*e.FieldName]
		return v, ok
	}
	items, ok := v.([]any)
	if !ok {
		return nil, false
	}
	if e.Index != nil {
		if *e.Index < 0 || *e.Index >= len(items) {
			return nil, false
		}
		return items[*e.Index], true
	}
	i := slices.IndexFunc(items, func(item any) bool { return matches(item, e) })
	if i < 0 {
		return nil, false
	}
	return items[i], true
}

// matches reports whether an item of a list is the one that an element names by its key or its value.
func matches(item any, e fieldpath.PathElement) bool {
	if e.Value != nil {
		return fmt.Sprint((*e.Value).Unstructured()) == fmt.Sprint(item)
	}
	m, ok := item.(map[string]any)
	if !ok || e.Key == nil {
		return false
	}
	for _, f := range *e.Key {
		// A key that is left out of the object has its default; numbers differ in their Go type.
		if got, ok := m[f.Name]; ok && fmt.Sprint(got) != fmt.Sprint(f.Value.Unstructured()) {
			return false
		}
	}
	return true
}

const maxValue = 60

// show is a value as a person reads it.
func show(v any, ok bool) string {
	if !ok {
		return "nothing"
	}
	text := fmt.Sprint(v)
	if _, scalar := v.(string); !scalar {
		data, err := json.Marshal(v)
		if err != nil {
			return text
		}
		text = string(data)
	}
	if text == "" {
		return `""`
	}
	if runes := []rune(text); len(runes) > maxValue {
		return string(runes[:maxValue-1]) + "…"
	}
	return text
}
