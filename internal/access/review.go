package access

import (
	"cmp"
	"slices"
	"strings"
)

// Kinds of subjects in a review.
const (
	KindAccount     = "account"
	KindGroup       = "group"
	KindUserOrGroup = "user or group" // the policy does not tell one from the other
	KindProjectRole = "project role"  // of the role's tokens
	KindEverybody   = "everybody"     // who is let in: policy.default
	KindUnused      = "role without members"
)

// Everybody is the subject of what policy.default gives.
const Everybody = "(everybody)"

// Grant is one line as it concerns one subject.
type Grant struct {
	Subject string `json:"subject"`
	Kind    string `json:"kind"`
	// Via are the roles through which the subject has the line, the nearest first.
	Via      []string `json:"via,omitempty"`
	Resource string   `json:"resource"`
	Action   string   `json:"action"`
	Object   string   `json:"object"`
	Effect   string   `json:"effect"` // allow or deny
	Line     string   `json:"line"`
	Place    string   `json:"place"`
}

// ReviewOptions narrows a review and tells it what the policy does not say.
type ReviewOptions struct {
	// Subject and Groups ask for what one subject has, through its groups and policy.default too. Empty: all subjects.
	Subject string
	Groups  []string
	// Project asks for lines that can concern objects of this project. Empty: all.
	Project string
	// Accounts are the names of local accounts.
	Accounts []string
}

// Review lists who can do what, where, and through which line, in a stable order.
func (p *Policy) Review(options ReviewOptions) []Grant {
	p.views.mu.Lock() // roles are resolved under the lock
	defer p.views.mu.Unlock()
	v := reviewer{policy: p, options: options}
	v.scope(p.base)
	for _, in := range p.projects {
		v.scope(in)
	}
	if p.defaultRole != "" {
		v.add(p.base, p.defaultRole, Everybody, KindEverybody, func(*line) bool { return true })
	}
	slices.SortFunc(v.out, func(a, b Grant) int {
		return cmp.Or(cmp.Compare(kindOrder(a.Kind), kindOrder(b.Kind)), cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Resource, b.Resource),
			cmp.Compare(a.Action, b.Action), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Effect, b.Effect), cmp.Compare(a.Place, b.Place),
			cmp.Compare(a.Line, b.Line))
	})
	return v.out
}

func kindOrder(kind string) int {
	return slices.Index([]string{KindEverybody, KindAccount, KindUserOrGroup, KindGroup, KindProjectRole, KindUnused}, kind)
}

type reviewer struct {
	policy  *Policy
	options ReviewOptions
	out     []Grant
}

// scope lists what the lines of one scope give, and in a project's what lines of argocd-rbac-cm give through its roles.
func (v *reviewer) scope(in *scope) {
	for subject, kind := range v.subjects(in) {
		if !v.wanted(subject, kind) {
			continue
		}
		v.add(in, subject, subject, kind, func(l *line) bool {
			return in.base == nil || slices.Contains(in.own, l) || !in.base.has(subject, l.subject)
		})
	}
}

// wanted reports whether the options ask for the subject.
func (v *reviewer) wanted(subject, kind string) bool {
	o := v.options
	if o.Subject == "" && len(o.Groups) == 0 {
		return true
	}
	return subject == o.Subject || slices.Contains(o.Groups, subject) && (kind == KindGroup || kind == KindUserOrGroup)
}

// subjects are those of a scope that are no roles, the roles that nobody has, and in a project all that its roles concern.
func (v *reviewer) subjects(in *scope) map[string]string {
	out, roles := map[string]string{}, map[string]bool{}
	for l := range in.allLinks {
		roles[l.role] = true
	}
	accounts := append([]string{admin}, v.options.Accounts...)
	kind := func(name string) string {
		switch _, ok := projectOfRole(name); {
		case ok:
			return KindProjectRole
		case slices.Contains(accounts, name):
			return KindAccount
		case in.grouped[name]:
			return KindGroup
		}
		return KindUserOrGroup
	}
	name := func(s string) {
		if _, ok := projectOfRole(s); (roles[s] || roleName(s)) && !ok {
			return
		}
		out[s] = kind(s)
	}
	for _, l := range in.own {
		if !l.anybody {
			name(l.subject)
		}
	}
	for _, l := range in.links {
		name(l.member)
	}
	if in.base != nil {
		v.reaching(in, name)
		return out
	}
	for _, l := range in.own {
		if roleName(l.subject) && !roles[l.subject] && l.place != "built-in" && l.subject != v.policy.defaultRole {
			out[l.subject] = KindUnused
		}
	}
	return out
}

// reaching names whom argocd-rbac-cm gives a role of the project.
func (v *reviewer) reaching(in *scope, name func(string)) {
	for _, l := range in.base.links {
		if in.touches(l.member) {
			name(l.member)
		}
	}
}

// add lists the lines that subject has in a scope, under the name that it is shown by.
func (v *reviewer) add(in *scope, subject, shown, kind string, want func(*line) bool) {
	has := map[string]bool{}
	for l := range in.permissions {
		if l.anybody {
			if in.base != nil || subject == admin {
				continue
			}
		} else {
			yes, known := has[l.subject]
			if !known {
				yes = in.has(subject, l.subject)
				has[l.subject] = yes
			}
			if !yes {
				continue
			}
		}
		if !want(l) || !v.concerns(in, l) {
			continue
		}
		effect := "allow"
		if l.deny {
			effect = "deny"
		}
		v.out = append(v.out, Grant{Subject: shown, Kind: kind, Via: in.way(subject, l.subject, shown), Resource: l.fields[0], Action: l.fields[1],
			Object: l.fields[2], Effect: effect, Line: l.text, Place: l.place})
	}
}

// concerns reports whether a line can be about objects of the project that the options ask for. Of a regular expression it is
// not decided: it can.
func (v *reviewer) concerns(in *scope, l *line) bool {
	project := v.options.Project
	if project == "" {
		return true
	}
	if in.base != nil && slices.Contains(in.own, l) {
		return in.name == project
	}
	if in.base != nil && in.name != project {
		return false
	}
	scoped := l.resource.matches(Projects) && l.object.matches(project)
	for _, resource := range Resources() {
		if scoped || !ProjectScoped(resource) || !l.resource.matches(resource) {
			continue
		}
		first, _, more := strings.Cut(l.fields[2], "/")
		m, err := compile(modeGlob, first)
		scoped = l.object.isRegexp || err != nil || m.matches(project) && (more || strings.HasSuffix(first, "*"))
	}
	return scoped
}

// way is the shortest chain of roles from a subject to the one that a line is about.
func (s *scope) way(from, to, shown string) []string {
	var head []string
	if shown != from {
		head = []string{from}
	}
	if from == to || to == "" {
		return head
	}
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for l := range s.allLinks {
			if _, seen := before[l.role]; l.member != queue[0] || seen {
				continue
			}
			before[l.role] = queue[0]
			queue = append(queue, l.role)
		}
	}
	var way []string
	for at := to; at != from && at != ""; at = before[at] {
		way = append(way, at)
	}
	slices.Reverse(way)
	return append(head, way...)
}
