// Package permission judges what is granted: Roles and bindings of a repository go in, with those of the revision that it is merged
// into; findings on grants that lead further than they look come out.
package permission

import (
	"context"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

const group = "rbac.authorization.k8s.io"

// Checker implements check.Checker.
type Checker struct{}

// Check implements check.Checker.
func (Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	scopes := bindings(repo)
	before := grantsOf(repo.Base)
	for _, u := range repo.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, o := range u.Objects {
			if o.Ref.Group != group {
				continue
			}
			switch o.Ref.Kind {
			case "Role", "ClusterRole":
				judgeRole(o, scopes, report)
			case "RoleBinding", "ClusterRoleBinding":
				judgeBinding(o, report)
			default:
				continue
			}
			if repo.Base != nil {
				compare(o, before, report)
			}
		}
	}
	return nil
}

// grant is one rule of a role.
type grant struct {
	groups, resources, verbs, names, urls []string
}

func grants(o *check.Object) (out []grant) {
	for _, r := range check.ListAt(o.Object, "rules") {
		r, _ := r.(map[string]any)
		out = append(out, grant{groups: check.TextsAt(r, "apiGroups"), resources: check.TextsAt(r, "resources"), verbs: check.TextsAt(r, "verbs"),
			names: check.TextsAt(r, "resourceNames"), urls: check.TextsAt(r, "nonResourceURLs")})
	}
	return out
}

// covers reports whether the grant reaches a resource of a group by its name or a wildcard; a subresource is pods/exec.
func (g *grant) covers(apiGroup, resource string) bool {
	if !slices.Contains(g.groups, apiGroup) && !slices.Contains(g.groups, "*") {
		return false
	}
	_, sub, ok := strings.Cut(resource, "/")
	return slices.Contains(g.resources, resource) || slices.Contains(g.resources, "*") || ok && slices.Contains(g.resources, "*/"+sub)
}

// may returns those of verbs that the grant has; all for a wildcard.
func (g *grant) may(verbs ...string) (out []string) {
	if slices.Contains(g.verbs, "*") {
		return verbs
	}
	for _, v := range verbs {
		if slices.Contains(g.verbs, v) {
			out = append(out, v)
		}
	}
	return out
}

// scope is where a role is in force, as far as the repository shows.
type scope struct{ cluster, namespace bool }

// role names a role; the namespace of a ClusterRole is empty.
type role struct{ kind, namespace, name string }

// bindings returns for every role that the repository binds where it is in force.
func bindings(repo *check.Repository) map[role]scope {
	out := map[role]scope{}
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			if o.Ref.Group != group {
				continue
			}
			kind, name := check.TextAt(o.Object, "roleRef", "kind"), check.TextAt(o.Object, "roleRef", "name")
			switch {
			case o.Ref.Kind == "ClusterRoleBinding":
				s := out[role{kind, "", name}]
				s.cluster = true
				out[role{kind, "", name}] = s
			case o.Ref.Kind == "RoleBinding" && kind == "ClusterRole":
				s := out[role{kind, "", name}]
				s.namespace = true
				out[role{kind, "", name}] = s
			}
		}
	}
	return out
}

// reach says how far what a role grants goes.
type reach int

const (
	inNamespace reach = iota // one namespace, or those that bindings name
	unbound                  // a ClusterRole that the repository does not bind
	everywhere
)

func reachOf(o *check.Object, scopes map[role]scope) reach {
	if o.Ref.Kind == "Role" {
		return inNamespace
	}
	switch s := scopes[role{"ClusterRole", "", o.Ref.Name}]; {
	case s.cluster:
		return everywhere
	case s.namespace:
		return inNamespace
	}
	return unbound
}
