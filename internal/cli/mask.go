package cli

import (
	"encoding/base64"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/object"
)

const (
	// masked stands for a secret value. Different values of one key get different lengths, so that a change shows.
	masked         = "++++++++"
	lastAppliedKey = "kubectl.kubernetes.io/last-applied-configuration"
)

func isSecret(r object.Ref) bool { return r.Group == "" && r.Kind == "Secret" }

// mask returns u without secret values.
func mask(u *unstructured.Unstructured) *unstructured.Unstructured {
	m, _ := maskPair(u, nil)
	return m
}

// maskPair masks two states of one object: equal values look equal, different ones different. Both come back as copies,
// nil stays nil.
func maskPair(a, b *unstructured.Unstructured) (maskedA, maskedB *unstructured.Unstructured) {
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
		// The annotation repeats the data.
		if notes := out.GetAnnotations(); notes[lastAppliedKey] != "" {
			notes[lastAppliedKey] = masked
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
		return masked
	}
	out := make(map[string]any, len(data))
	for key, v := range data {
		value, _ := v.(string)
		value = encode(value)
		if words[key] == nil {
			words[key] = map[string]string{}
		}
		word, seen := words[key][value]
		if !seen {
			word = masked + strings.Repeat("+", len(words[key]))
			words[key][value] = word
		}
		out[key] = word
	}
	return out
}

// maskChanges masks the values of changed fields of a Secret; that something changed stays visible.
func maskChanges(ref object.Ref, changes []object.Change) []object.Change {
	if !isSecret(ref) {
		return changes
	}
	out := make([]object.Change, len(changes))
	for i, c := range changes {
		if harmless(c.Path) {
			out[i] = c
			continue
		}
		word := masked
		if c.Live != nil {
			c.Live, word = masked, masked+"+"
		}
		if c.Desired != nil {
			c.Desired = word
		}
		out[i] = c
	}
	return out
}

// harmless reports whether a field of a Secret holds no secret: labels, type and the like. The annotation with the last
// applied configuration does.
func harmless(path string) bool {
	if strings.Contains(path, "last-applied") || path == "metadata" || path == "metadata.annotations" {
		return false
	}
	return path == "type" || path == "immutable" || strings.HasPrefix(path, "metadata.")
}
