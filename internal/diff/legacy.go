package diff

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// annotationLastApplied holds what a client-side apply sent last.
const annotationLastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// legacyManagers are the names under which client-side applies own fields: those of kubectl and of Argo CD, and the one that
// the application names besides.
func (i *Item) legacyManagers() []string {
	names := []string{"kubectl-client-side-apply", "argocd-application-controller", v1alpha1.FieldManager}
	if i.migrates != "" {
		names = append(names, i.migrates)
	}
	return names
}

func (i *Item) legacy(m object.Manager) bool {
	return m.Operation == "Update" && m.Subresource == "" && slices.Contains(i.legacyManagers(), m.Name)
}

// leftovers returns the fields that a client-side apply, or the manager that the application names, brought, that Git has not,
// and that are still there. By the server's books they are not ours, so that an apply would leave them alone for ever. What
// somebody else has taken over since is theirs.
func leftovers(item *Item) ([]object.Change, error) {
	if !slices.ContainsFunc(item.Live.Managers, item.legacy) {
		return nil, nil
	}
	var others []map[string]any
	for _, m := range item.Live.Managers {
		var set map[string]any
		if !item.legacy(m) && json.Unmarshal(m.FieldsV1, &set) == nil {
			others = append(others, set)
		}
	}
	var out []object.Change
	for _, brought := range []map[string]any{item.lastApplied(), item.migrated()} {
		if brought == nil {
			continue
		}
		brought, err := item.ignores.strip(brought, item.Live.Managers)
		if err != nil {
			return nil, err
		}
		out = merged(out, item.dropped(brought, others))
	}
	return explain(out, item.Live.Managers), nil
}

// dropped returns what of the brought fields is live and not desired, and nobody else's.
func (i *Item) dropped(brought map[string]any, others []map[string]any) []object.Change {
	var out []object.Change
	for _, c := range Fields(content(brought, false), content(i.Desired.Object, false)) {
		if c.Desired != nil || c.Live == nil {
			continue
		}
		value, found := lookup(i.Live.Object.Object, splitPath(c.Path))
		if !found || slices.ContainsFunc(others, func(set map[string]any) bool { return ownsPath(set, c.Path) }) {
			continue
		}
		out = append(out, object.Change{Path: c.Path, Live: value})
	}
	return out
}

// lastApplied is what a client-side apply sent last. Without a record nobody can tell.
func (i *Item) lastApplied() map[string]any {
	u := unstructured.Unstructured{}
	text := i.Live.Object.GetAnnotations()[annotationLastApplied]
	if text == "" || u.UnmarshalJSON([]byte(text)) != nil {
		return nil
	}
	return u.Object
}

// migrated is the part of the live object that the manager owns which the application names.
func (i *Item) migrated() map[string]any {
	if i.migrates == "" {
		return nil
	}
	for _, m := range i.Live.Managers {
		var set map[string]any
		if m.Name != i.migrates || !i.legacy(m) || json.Unmarshal(m.FieldsV1, &set) != nil {
			continue
		}
		out, _ := project(i.Live.Object.Object, set).(map[string]any)
		unstructured.RemoveNestedField(out, "metadata", "annotations", annotationLastApplied)
		if left, _, err := unstructured.NestedMap(out, "metadata", "annotations"); err == nil && len(left) == 0 {
			unstructured.RemoveNestedField(out, "metadata", "annotations")
		}
		return out
	}
	return nil
}

// project returns the part of a value that a field set covers, nil when there is none.
func project(value any, set map[string]any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, sub := range set {
			name, isField := strings.CutPrefix(key, "f:")
			child, there := v[name]
			if !isField || !there {
				continue
			}
			if part := whole(child, sub); part != nil {
				out[name] = part
			}
		}
		return out
	case []any:
		return projectList(v, set)
	}
	return value
}

// projectList keeps the elements that a field set names by their keys or, of a set of scalars, by their values.
func projectList(list []any, set map[string]any) any {
	var out []any
	for _, element := range list {
		for key, sub := range set {
			if len(key) < 2 || (key[:2] != "k:" && key[:2] != "v:") {
				continue
			}
			var want any
			if json.Unmarshal([]byte(key[2:]), &want) != nil || !selects(want, element) {
				continue
			}
			if part := whole(element, sub); part != nil {
				out = append(out, part)
			}
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// whole is the part of a child that its set covers: a set without members stands for all of it.
func whole(child, set any) any {
	members, _ := set.(map[string]any)
	if len(members) == 0 {
		return child
	}
	part := project(child, members)
	if m, isMap := part.(map[string]any); isMap && len(m) == 0 {
		return nil // it owns that there is one, and nothing in it
	}
	return part
}

// selects reports whether an element of a list is the one that a key of a field set means.
func selects(want, element any) bool {
	keys, isMap := want.(map[string]any)
	if !isMap {
		return scalarEqual(want, element)
	}
	object, isMap := element.(map[string]any)
	if !isMap {
		return false
	}
	for k, v := range keys {
		if !scalarEqual(v, object[k]) {
			return false
		}
	}
	return true
}
