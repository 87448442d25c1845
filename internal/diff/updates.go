package diff

import (
	"reflect"

	"github.com/belaycd/belay/internal/object"
)

// Same reports whether two states of one object differ in nothing but fields that the rules ignore, and in what the server
// keeps for itself (metadata.resourceVersion, generation, managedFields). Who owns a field does not count: whoever writes to
// one that is ours takes it over. False where it cannot tell. It is what resource.customizations.ignoreResourceUpdates asks.
func (r *Rules) Same(before, after *object.Live) bool {
	if before.Partial || after.Partial {
		return false
	}
	set := r.matching(after.Ref())
	if set.empty() {
		return false // an object that no rule concerns is looked at, whatever changed
	}
	a, err := set.strip(before.Object.Object, before.Managers)
	if err != nil {
		return false
	}
	b, err := set.strip(after.Object.Object, after.Managers)
	if err != nil {
		return false
	}
	return reflect.DeepEqual(versionless(a), versionless(b))
}

// versionless returns obj without what every write changes.
func versionless(obj map[string]any) map[string]any {
	out := make(map[string]any, len(obj))
	for k, v := range obj {
		out[k] = v
	}
	if meta, ok := obj["metadata"].(map[string]any); ok {
		kept := make(map[string]any, len(meta))
		for k, v := range meta {
			if k != "resourceVersion" && k != "generation" && k != "managedFields" {
				kept[k] = v
			}
		}
		out["metadata"] = kept
	}
	return out
}
