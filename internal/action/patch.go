package action

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/script"
)

// untouchable are the fields of metadata that say which object it is, or that the API server alone writes.
func untouchable() []string {
	return []string{"name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
		"deletionGracePeriodSeconds", "managedFields", "selfLink"}
}

// identified refuses an object that does not say which one it is.
func identified(u *unstructured.Unstructured) error {
	for _, path := range [][]string{{"apiVersion"}, {"kind"}} {
		if text, found, err := unstructured.NestedString(u.Object, path...); err != nil || !found || text == "" {
			return fmt.Errorf("resource has no %s", strings.Join(path, "."))
		}
	}
	if _, isMap := u.Object["metadata"].(map[string]any); !isMap {
		return errors.New("resource has no metadata")
	}
	for _, field := range []string{"name", "generateName", "namespace"} {
		if _, _, err := unstructured.NestedString(u.Object, "metadata", field); err != nil {
			return fmt.Errorf("resource has a metadata.%s that is no text", field)
		}
	}
	if u.GetName() == "" && u.GetGenerateName() == "" {
		return errors.New("resource has neither metadata.name nor metadata.generateName")
	}
	return nil
}

// patchOf is the smallest merge patch that makes the object that the script has seen the one that it returns. As the comparison is
// with what it has seen, what was hidden from it stays as it is.
func patchOf(seen *unstructured.Unstructured, returned map[string]any) (map[string]any, error) {
	shaped, _ := shape(returned, seen.Object, nil).(map[string]any)
	patch := difference(seen.Object, shaped)
	for _, field := range []string{"apiVersion", "kind"} {
		if _, touched := patch[field]; touched {
			return nil, fmt.Errorf("the script changes %s, which says which object it is", field)
		}
	}
	if err := touchesIdentity(patch); err != nil {
		return nil, err
	}
	if err := writable(seen, patch); err != nil {
		return nil, err
	}
	return patch, nil
}

// patchOfOther takes an object that the script has not seen as the merge patch itself: what it names is set, and nothing is removed.
func patchOfOther(seen, u *unstructured.Unstructured) (map[string]any, error) {
	shaped, _ := shape(u.Object, nil, nil).(map[string]any)
	patch := map[string]any{}
	for key, value := range shaped {
		if key != "apiVersion" && key != "kind" {
			patch[key] = value
		}
	}
	if meta, ok := patch["metadata"].(map[string]any); ok {
		delete(meta, "name")
		delete(meta, "namespace")
		if len(meta) == 0 {
			delete(patch, "metadata")
		}
	}
	if u.GetName() == "" {
		return nil, errors.New("the object to patch has no metadata.name")
	}
	if err := touchesIdentity(patch); err != nil {
		return nil, err
	}
	return patch, writable(seen, patch)
}

func touchesIdentity(patch map[string]any) error {
	meta, ok := patch["metadata"].(map[string]any)
	if _, touched := patch["metadata"]; touched && !ok {
		return errors.New("the script removes metadata, which says which object it is")
	}
	for _, field := range untouchable() {
		if _, touched := meta[field]; touched {
			return fmt.Errorf("the script changes metadata.%s, which no action may", field)
		}
	}
	return nil
}

// made is an object to create, without what the API server alone writes.
func made(seen, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	shaped, _ := shape(u.Object, nil, nil).(map[string]any)
	out := &unstructured.Unstructured{Object: shaped}
	if meta, ok := shaped["metadata"].(map[string]any); ok {
		for _, field := range untouchable() {
			if !slices.Contains([]string{"name", "generateName", "namespace"}, field) {
				delete(meta, field)
			}
		}
	}
	return out, writable(seen, shaped)
}

// shape makes the empty lists that a script returns for want of an empty object into one where the object that it has seen has an
// object, and where there is never a list: Lua has one empty table for both.
func shape(value, seen any, path []string) any {
	switch v := value.(type) {
	case map[string]any:
		was, _ := seen.(map[string]any)
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = shape(item, was[key], append(slices.Clip(path), key))
		}
		return out
	case []any:
		if len(v) == 0 {
			where := strings.Join(path, ".")
			if _, was := seen.(map[string]any); was || strings.HasSuffix(where, "metadata.labels") || strings.HasSuffix(where, "metadata.annotations") {
				return map[string]any{}
			}
			return v
		}
		was, _ := seen.([]any)
		out := make([]any, len(v))
		for i, item := range v {
			var before any
			if i < len(was) {
				before = was[i]
			}
			out[i] = shape(item, before, nil)
		}
		return out
	}
	return value
}

// difference is the merge patch (RFC 7386) between two objects.
func difference(before, after map[string]any) map[string]any {
	patch := map[string]any{}
	for key, was := range before {
		is, stays := after[key]
		if !stays {
			patch[key] = nil
			continue
		}
		wasMap, a := was.(map[string]any)
		isMap, b := is.(map[string]any)
		switch {
		case a && b:
			if inner := difference(wasMap, isMap); len(inner) > 0 {
				patch[key] = inner
			}
		case !reflect.DeepEqual(was, is):
			patch[key] = is
		}
	}
	for key, is := range after {
		if _, was := before[key]; !was {
			patch[key] = is
		}
	}
	return patch
}

// writable refuses values that would be written wrong: what stands for a secret value, and numbers that a script cannot hold.
func writable(seen *unstructured.Unstructured, value any) error {
	ref := object.RefOf(seen)
	hidden := ref.Group == "" && ref.Kind == "Secret"
	switch v := value.(type) {
	case string:
		if hidden && strings.Contains(v, mask.Stars) {
			return errors.New("the script copies a value of the Secret, which it cannot see; it can set values and remove them")
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) > script.Exact {
			return fmt.Errorf("the script writes a number beyond %d, which Lua cannot hold exactly", int64(script.Exact))
		}
	case map[string]any:
		for _, item := range v {
			if err := writable(seen, item); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := writable(seen, item); err != nil {
				return err
			}
		}
	}
	return nil
}
