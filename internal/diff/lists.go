package diff

import (
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/object"
)

// withoutRepeats takes out of the containers of a built-in kind what a list may not say twice for a server-side apply, and may
// for a create: an environment variable that a later one of its name overrides, and elements that are the same. Of a
// variable that one in between refers to, both stay, and the server refuses them.
func withoutRepeats(v any) {
	switch t := v.(type) {
	case map[string]any:
		for k, e := range t {
			if list, ok := e.([]any); ok {
				switch k {
				case "containers", "initContainers":
					for _, c := range list {
						if container, ok := c.(map[string]any); ok {
							containerLists(container)
						}
					}
					continue
				case "imagePullSecrets":
					t[k] = distinct(list)
					continue
				}
			}
			withoutRepeats(e)
		}
	case []any:
		for _, e := range t {
			withoutRepeats(e)
		}
	}
}

func containerLists(c map[string]any) {
	if ports, ok := c["ports"].([]any); ok {
		c["ports"] = distinct(ports)
	}
	env, ok := c["env"].([]any)
	if !ok {
		return
	}
	last := make(map[string]int, len(env))
	for i, e := range env {
		last[elementKey(e, "name")] = i
	}
	if len(last) == len(env) {
		return
	}
	kept := make([]any, 0, len(last))
	for i, e := range env {
		name := elementKey(e, "name")
		if name == "" || last[name] == i || refersTo(env[i+1:last[name]+1], name) {
			kept = append(kept, e)
		}
	}
	c["env"] = kept
}

// refersTo reports whether the value of one of the variables uses another.
func refersTo(env []any, name string) bool {
	return slices.ContainsFunc(env, func(e any) bool { return strings.Contains(elementKey(e, "value"), "$("+name+")") })
}

// distinct returns the list without elements that are the same as an earlier one.
func distinct(list []any) []any {
	out := make([]any, 0, len(list))
	for _, e := range list {
		if !slices.ContainsFunc(out, func(have any) bool { return reflect.DeepEqual(have, e) }) {
			out = append(out, e)
		}
	}
	return out
}

// beside returns the desired object with the elements that others have added to a list that is merged by name for every
// client but server-side apply, which takes it as a whole: imagePullSecrets of a ServiceAccount, to which a registry's
// controller adds a Secret of its own, again and again when it is taken away. Where no other manager wrote the list, it is
// Git's alone.
func (i *Item) beside() *unstructured.Unstructured {
	const field = "imagePullSecrets"
	desired, live := i.Desired, i.Live
	want, ok := desired.Object[field].([]any)
	if !ok || len(want) == 0 || desired.GetKind() != "ServiceAccount" || desired.GroupVersionKind().Group != "" {
		return desired
	}
	have, ok := live.Object.Object[field].([]any)
	if !ok || !slices.ContainsFunc(live.Managers, func(m object.Manager) bool {
		return !i.legacy(m) && !applies(m) && ownsPath(fieldSet(string(m.FieldsV1)), field)
	}) {
		return desired
	}
	merged := slices.Clone(have)
	for _, e := range want {
		if !slices.ContainsFunc(have, func(h any) bool { return reflect.DeepEqual(h, e) }) {
			merged = append(merged, e)
		}
	}
	out := desired.DeepCopy()
	out.Object[field] = merged
	return out
}
