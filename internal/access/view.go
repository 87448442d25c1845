package access

import (
	defaultrolemanager "github.com/casbin/casbin/v2/rbac/default-role-manager"
)

// maxHierarchy is how many roles deep a role is looked for, as Casbin does by itself.
const maxHierarchy = 10

// scope is a set of lines that decide together: those of argocd-rbac-cm, or these and a project's.
type scope struct {
	name  string
	own   []*line // p lines, without those of the base
	links []*line // g lines, without those of the base
	// Names of the scope's own lines: members of g lines, and subjects of p lines.
	grouped, subjects map[string]bool

	base  *scope
	roles *defaultrolemanager.RoleManagerImpl // made when first asked for, under the lock of the views
}

func newScope(name string, lines []*line, base *scope) *scope {
	s := &scope{name: name, base: base, grouped: map[string]bool{}, subjects: map[string]bool{}}
	for _, l := range lines {
		if l.member != "" {
			s.links = append(s.links, l)
			if base != nil {
				s.grouped[l.member] = true
			}
			continue
		}
		s.own = append(s.own, l)
		s.subjects[l.subject] = true
	}
	return s
}

// permissions are all p lines of the scope.
func (s *scope) permissions(yield func(*line) bool) {
	for at := s; at != nil; at = at.base {
		for _, l := range at.own {
			if !yield(l) {
				return
			}
		}
	}
}

// allLinks are all g lines of the scope.
func (s *scope) allLinks(yield func(*line) bool) {
	for at := s; at != nil; at = at.base {
		for _, l := range at.links {
			if !yield(l) {
				return
			}
		}
	}
}

// knows reports whether any line is about the name.
func (s *scope) knows(name string) bool {
	for l := range s.permissions {
		if l.subject == name {
			return true
		}
	}
	for l := range s.allLinks {
		if l.member == name {
			return true
		}
	}
	return false
}

// has reports whether the subject is called role, or has that role.
func (s *scope) has(subject, role string) bool {
	if subject == role {
		return true
	}
	if s.roles == nil {
		s.roles = defaultrolemanager.NewRoleManagerImpl(maxHierarchy)
		for l := range s.allLinks {
			// Only conditions and domains make this fail, and there are none.
			_ = s.roles.AddLink(l.member, l.role)
		}
	}
	ok, err := s.roles.HasLink(subject, role)
	return ok && err == nil
}

// touches reports whether the lines of a project's scope concern the subject at all. Where they do not, it has there what it
// has everywhere.
func (s *scope) touches(subject string) bool {
	if s.base == nil {
		return true
	}
	for _, names := range []map[string]bool{s.grouped, s.subjects} {
		for name := range names {
			if s.base.has(subject, name) {
				return true
			}
		}
	}
	return false
}

// view is what concerns one subject in one scope.
type view struct {
	lines []*line
}

// view collects the lines of a subject. The caller holds the lock of the views.
func (s *scope) view(subject string) *view {
	v := &view{}
	known := map[string]bool{}
	for l := range s.permissions {
		if l.anybody {
			if subject != admin {
				v.lines = append(v.lines, l)
			}
			continue
		}
		has, ok := known[l.subject]
		if !ok {
			has = s.has(subject, l.subject)
			known[l.subject] = has
		}
		if has {
			v.lines = append(v.lines, l)
		}
	}
	return v
}

type request struct{ resource, action, object string }

type decision struct {
	allowed bool
	line    *line
	as      string
}

func (d decision) public() Decision {
	if d.line == nil {
		return Decision{}
	}
	return Decision{Allowed: d.allowed, As: d.as, Line: d.line.text, Place: d.line.place}
}

// decide finds some line that allows and none that denies.
func (v *view) decide(r request) decision {
	var found decision
	for _, l := range v.lines {
		if found.line != nil && !l.deny {
			continue // one that allows is enough; one that denies is still looked for
		}
		if !l.resource.matches(r.resource) || !l.action.matches(r.action) || !l.object.matches(r.object) {
			continue
		}
		if l.deny {
			return decision{line: l}
		}
		found = decision{allowed: true, line: l}
	}
	return found
}
