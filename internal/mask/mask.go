// Package mask takes secret values out of what is shown: objects, changes and texts go in; the same without secret values
// comes out. Whatever leaves the process with a manifest in it has passed here.
package mask

import (
	"encoding/base64"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/object"
)

const (
	// Stars stands for a secret value. Different values of one key get different lengths, so that a change shows.
	Stars = "++++++++"
	// LastApplied is the annotation in which kubectl keeps the object as it was applied: a Secret with its data.
	LastApplied = "kubectl.kubernetes.io/last-applied-configuration"
)

func isSecret(r object.Ref) bool { return r.Group == "" && r.Kind == "Secret" }

// Object returns u without secret values, those of the given annotations of a Secret among them.
func Object(u *unstructured.Unstructured, annotations ...string) *unstructured.Unstructured {
	m, _ := Pair(u, nil, annotations...)
	return m
}

// Pair masks two states of one object: equal values look equal, different ones different. Both come back as copies,
// nil stays nil.
func Pair(a, b *unstructured.Unstructured, annotations ...string) (maskedA, maskedB *unstructured.Unstructured) {
	words := map[string]map[string]string{} // per key: value -> mask
	mask := func(u *unstructured.Unstructured) *unstructured.Unstructured {
		if u == nil {
			return nil
		}
		out := u.DeepCopy()
		if !isSecret(object.RefOf(out)) {
			return out
		}
		for field, encode := range map[string]func(string) string{
			"data":       func(s string) string { return s },
			"stringData": func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		} {
			if _, present := out.Object[field]; present {
				out.Object[field] = maskMap(out.Object[field], words, encode)
			}
		}
		notes := out.GetAnnotations()
		if notes[LastApplied] != "" {
			notes[LastApplied] = Stars // it repeats the data
		}
		for _, key := range annotations {
			if value, present := notes[key]; present {
				notes[key] = word(words, "metadata.annotations/"+key, value)
			}
		}
		if len(notes) > 0 {
			out.SetAnnotations(notes)
		}
		return out
	}
	return mask(a), mask(b)
}

// maskMap masks the values of a Secret's data. A field of a wrong type is masked as a whole.
func maskMap(field any, words map[string]map[string]string, encode func(string) string) any {
	data, ok := field.(map[string]any)
	if !ok {
		return Stars
	}
	out := make(map[string]any, len(data))
	for key, v := range data {
		value, _ := v.(string)
		out[key] = word(words, key, encode(value))
	}
	return out
}

// word returns what stands for the value of a key.
func word(words map[string]map[string]string, key, value string) string {
	if words[key] == nil {
		words[key] = map[string]string{}
	}
	w, seen := words[key][value]
	if !seen {
		w = Stars + strings.Repeat("+", len(words[key]))
		words[key][value] = w
	}
	return w
}

// Changes masks the values of changed fields of a Secret; that something changed stays visible.
func Changes(ref object.Ref, changes []object.Change, annotations ...string) []object.Change {
	if !isSecret(ref) {
		return changes
	}
	out := make([]object.Change, len(changes))
	for i, c := range changes {
		if harmless(c.Path, annotations) {
			out[i] = c
			continue
		}
		other := Stars
		if c.Live != nil {
			c.Live, other = Stars, Stars+"+"
		}
		if c.Desired != nil {
			c.Desired = other
		}
		out[i] = c
	}
	return out
}

// harmless reports whether a field of a Secret holds no secret: labels, type and the like. The annotation with the last
// applied configuration does, and so do those that the settings name.
func harmless(path string, annotations []string) bool {
	if strings.Contains(path, "last-applied") || path == "metadata" || path == "metadata.annotations" {
		return false
	}
	for _, key := range annotations {
		if path == "metadata.annotations["+key+"]" || path == "metadata.annotations."+key {
			return false
		}
	}
	return path == "type" || path == "immutable" || strings.HasPrefix(path, "metadata.")
}
