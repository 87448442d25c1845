package preview

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// widened says which rights an RBAC object gives that it did not give before; before is nil for a new one. A new role gives
// nothing by itself; a binding does.
func widened(before, after *unstructured.Unstructured) []string {
	if after == nil || after.GroupVersionKind().Group != "rbac.authorization.k8s.io" {
		return nil
	}
	switch after.GetKind() {
	case "Role", "ClusterRole":
		if before == nil {
			return nil
		}
		return moreRules(rules(before), rules(after))
	case "RoleBinding", "ClusterRoleBinding":
		return moreSubjects(before, after)
	}
	return nil
}

// grant is one right: what may be done with what.
type grant struct{ group, resource, name, verb string }

func (g grant) String() string {
	what := g.resource
	if g.group != "" {
		what = g.group + "/" + what
	}
	if g.name != "" {
		what += "/" + g.name
	}
	return g.verb + " " + what
}

// covers reports whether whoever has g has other.
func (g grant) covers(other grant) bool {
	part := func(have, want string) bool { return have == "*" || have == want }
	resource := part(g.resource, other.resource)
	if sub, found := strings.CutPrefix(g.resource, "*/"); found && strings.HasSuffix(other.resource, "/"+sub) {
		resource = true
	}
	if prefix, found := strings.CutSuffix(g.resource, "*"); found && strings.HasPrefix(g.resource, "/") {
		resource = strings.HasPrefix(other.resource, prefix)
	}
	return part(g.group, other.group) && resource && (g.name == "" || g.name == other.name) && part(g.verb, other.verb)
}

// rules are the grants of a role, in order.
func rules(u *unstructured.Unstructured) (out []grant) {
	list, _, _ := unstructured.NestedSlice(u.Object, "rules")
	for _, e := range list {
		rule, ok := e.(map[string]any)
		if !ok {
			continue
		}
		names := texts(rule["resourceNames"])
		if len(names) == 0 {
			names = []string{""}
		}
		for _, verb := range texts(rule["verbs"]) {
			for _, group := range texts(rule["apiGroups"]) {
				for _, resource := range texts(rule["resources"]) {
					for _, name := range names {
						out = append(out, grant{group, resource, name, verb})
					}
				}
			}
			for _, url := range texts(rule["nonResourceURLs"]) {
				out = append(out, grant{"", url, "", verb})
			}
		}
	}
	return out
}

func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func moreRules(before, after []grant) (out []string) {
	for _, g := range after {
		if !slices.ContainsFunc(before, func(had grant) bool { return had.covers(g) }) {
			out = append(out, g.String())
		}
	}
	return slices.Compact(out)
}

// moreSubjects says who gets the role of a binding that did not have it.
func moreSubjects(before, after *unstructured.Unstructured) (out []string) {
	role := func(u *unstructured.Unstructured) string {
		kind, _, _ := unstructured.NestedString(u.Object, "roleRef", "kind")
		name, _, _ := unstructured.NestedString(u.Object, "roleRef", "name")
		return kind + " " + name
	}
	var had []string
	if before != nil && role(before) == role(after) {
		had = subjects(before)
	}
	for _, s := range subjects(after) {
		if !slices.Contains(had, s) {
			out = append(out, role(after)+" to "+s)
		}
	}
	return out
}

func subjects(u *unstructured.Unstructured) (out []string) {
	list, _, _ := unstructured.NestedSlice(u.Object, "subjects")
	for _, e := range list {
		s, ok := e.(map[string]any)
		if !ok {
			continue
		}
		var words []string
		for _, key := range []string{"kind", "namespace", "name"} {
			if v, _ := s[key].(string); v != "" {
				words = append(words, v)
			}
		}
		out = append(out, strings.Join(words, " "))
	}
	return out
}
