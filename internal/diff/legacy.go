package diff

import (
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// annotationLastApplied holds what a client-side apply sent last.
const annotationLastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// LegacyManagers are the names under which client-side applies own fields: those of kubectl and of Argo CD.
func LegacyManagers() []string {
	return []string{"kubectl-client-side-apply", "argocd-application-controller", v1alpha1.FieldManager}
}

func legacy(m object.Manager) bool {
	return m.Operation == "Update" && m.Subresource == "" && slices.Contains(LegacyManagers(), m.Name)
}

// leftovers returns the fields that a client-side apply brought, that Git has no longer, and that are still there. By the
// server's books they are not ours, so that an apply would leave them alone for ever. What somebody else has
// taken over since is theirs.
func leftovers(item *Item) ([]object.Change, error) {
	if !slices.ContainsFunc(item.Live.Managers, legacy) {
		return nil, nil
	}
	var applied map[string]any
	u := unstructured.Unstructured{}
	text := item.Live.Object.GetAnnotations()[annotationLastApplied]
	if text == "" || u.UnmarshalJSON([]byte(text)) != nil {
		return nil, nil // without a record nobody can tell
	}
	applied, err := item.ignores.strip(u.Object, item.Live.Managers)
	if err != nil {
		return nil, err
	}
	var others []map[string]any
	for _, m := range item.Live.Managers {
		var set map[string]any
		if !legacy(m) && json.Unmarshal(m.FieldsV1, &set) == nil {
			others = append(others, set)
		}
	}
	var out []object.Change
	for _, c := range Fields(content(applied, false), content(item.Desired.Object, false)) {
		if c.Desired != nil || c.Live == nil {
			continue
		}
		value, found := lookup(item.Live.Object.Object, splitPath(c.Path))
		if !found || slices.ContainsFunc(others, func(set map[string]any) bool { return ownsPath(set, c.Path) }) {
			continue
		}
		out = append(out, object.Change{Path: c.Path, Live: value})
	}
	return explain(out, item.Live.Managers), nil
}
