package permission

import (
	"fmt"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/object"
)

// place is an object of a unit.
type place struct {
	unit string
	ref  object.Ref
}

// known holds the roles and bindings of the base revision.
type known map[place]*check.Object

func grantsOf(base *check.Repository) known {
	out := known{}
	if base == nil {
		return out
	}
	for _, u := range base.Units {
		for _, o := range u.Objects {
			if o.Ref.Group == group {
				out[place{u.Name, o.Ref}] = o
			}
		}
	}
	return out
}

// compare reports what an object grants that it did not. A role that is new grants nothing until it is bound, so that its binding
// is what is reported.
func compare(o *check.Object, before known, report func(check.Finding)) {
	was := before[place{o.Unit.Name, o.Ref}]
	tell := tellerOf(o, report)
	if o.Ref.Kind == "Role" || o.Ref.Kind == "ClusterRole" {
		if was != nil {
			compareRole(o, was, tell)
		}
		return
	}
	to := fmt.Sprintf("%s %s", check.TextAt(o.Object, "roleRef", "kind"), check.TextAt(o.Object, "roleRef", "name"))
	if was == nil {
		tell(widened, check.Off, "roleRef", "new: %s gets the rights of %s%s", subjects(o), to, whereOf(o))
		return
	}
	// a binding to another role is all new
	same := check.TextAt(was.Object, "roleRef", "name") == check.TextAt(o.Object, "roleRef", "name") && check.TextAt(was.Object, "roleRef", "kind") == check.TextAt(o.Object, "roleRef", "kind")
	if !same {
		tell(widened, check.Off, "roleRef", "%s gets the rights of %s%s; it had those of %s before", subjects(o), to, whereOf(o), check.TextAt(was.Object, "roleRef", "name"))
		return
	}
	had := map[string]bool{}
	for _, s := range check.ListAt(was.Object, "subjects") {
		s, _ := s.(map[string]any)
		had[subject(s, was.Ref.Namespace)] = true
	}
	for i, s := range check.ListAt(o.Object, "subjects") {
		s, _ := s.(map[string]any)
		if name := subject(s, o.Ref.Namespace); !had[name] {
			tell(widened, check.Off, check.Join("subjects", check.Element(i, "", "")), "new: %s gets the rights of %s%s", name, to, whereOf(o))
		}
	}
}

func whereOf(o *check.Object) string {
	if o.Ref.Kind == "ClusterRoleBinding" {
		return " in every namespace"
	}
	return ""
}

// compareRole reports each rule with what no rule of the role granted before.
func compareRole(o, was *check.Object, tell teller) {
	old := grants(was)
	for i, g := range grants(o) {
		var added []string
		for _, group := range g.groups {
			for _, resource := range g.resources {
				if verbs := missing(old, group, resource, &g); len(verbs) > 0 {
					added = append(added, fmt.Sprintf("%s %s", strings.Join(verbs, ", "), qualified(group, resource, g.names)))
				}
			}
		}
		for _, url := range g.urls {
			for _, verb := range g.verbs {
				if !slices.ContainsFunc(old, func(b grant) bool { return hasURL(b.urls, url) && has(b.verbs, verb) }) {
					added = append(added, verb+" "+url)
				}
			}
		}
		if len(added) > 0 {
			tell(widened, check.Off, check.Join("rules", check.Element(i, "", "")), "new: %s %s may %s", o.Ref.Kind, o.Ref.Name, strings.Join(shorten(added), "; "))
		}
	}
}

// shorten keeps a message readable.
func shorten(list []string) []string {
	const most = 5
	if len(list) <= most {
		return list
	}
	return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
}

func qualified(group, resource string, names []string) string {
	if group != "" {
		resource += "." + group
	}
	if len(names) > 0 {
		resource += " named " + strings.Join(names, ", ")
	}
	return resource
}

// missing returns the verbs on a resource that no old rule had for all of its names.
func missing(old []grant, group, resource string, g *grant) (out []string) {
	for _, verb := range g.verbs {
		covered := slices.ContainsFunc(old, func(b grant) bool {
			return has(b.groups, group) && hasResource(b.resources, resource) && has(b.verbs, verb) && hasNames(b.names, g.names)
		})
		if !covered {
			out = append(out, verb)
		}
	}
	return out
}

func has(list []string, value string) bool {
	return slices.Contains(list, value) || slices.Contains(list, "*")
}

// hasResource knows the wildcard over kinds too: */scale.
func hasResource(list []string, resource string) bool {
	_, sub, ok := strings.Cut(resource, "/")
	return has(list, resource) || ok && slices.Contains(list, "*/"+sub)
}

// hasURL knows that a path may end in a wildcard.
func hasURL(list []string, url string) bool {
	return slices.ContainsFunc(list, func(u string) bool {
		prefix, wild := strings.CutSuffix(u, "*")
		return u == url || wild && strings.HasPrefix(url, prefix)
	})
}

// hasNames reports whether old names, none of which means all, include the new ones.
func hasNames(old, names []string) bool {
	if len(old) == 0 {
		return true
	}
	return len(names) > 0 && !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(old, n) })
}
