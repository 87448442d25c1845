package check

import "slices"

// Selects reports whether a label selector, as in a manifest, selects labels. One that is nil selects nothing, an empty one
// everything; an operator that Kubernetes does not know selects nothing.
func Selects(selector, labels map[string]any) bool {
	if selector == nil {
		return false
	}
	for k, v := range MapAt(selector, "matchLabels") {
		if labels[k] != v {
			return false
		}
	}
	for _, e := range ListAt(selector, "matchExpressions") {
		e, _ := e.(map[string]any)
		if !expression(e, labels) {
			return false
		}
	}
	return true
}

func expression(e, labels map[string]any) bool {
	value, has := labels[TextAt(e, "key")]
	listed := slices.Contains(ListAt(e, "values"), value)
	switch TextAt(e, "operator") {
	case "In":
		return has && listed
	case "NotIn":
		return !has || !listed
	case "Exists":
		return has
	case "DoesNotExist":
		return !has
	}
	return false
}
