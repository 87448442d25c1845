// Package access decides who may do what: the data of argocd-rbac-cm and the AppProjects go in; decisions, each with the
// line that made it, and a review of all grants come out.
//
// The semantics are those of Argo CD's RBAC: a subject is allowed what some line allows and no line denies it, where
// the lines of the roles that it has count as its own. Roles are resolved by Casbin; lines are matched here, compiled, because
// lists of thousands of applications are filtered with them.
package access

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/api/v1alpha1"
)

// ConfigMapName is the object that holds the policy.
const ConfigMapName = "argocd-rbac-cm"

// Keys of argocd-rbac-cm.
const (
	keyCSV       = "policy.csv"
	keyDefault   = "policy.default"
	keyScopes    = "scopes"
	keyMatchMode = "policy.matchMode"
)

// admin is the local account that nothing in a broken policy may lock out.
const admin = "admin"

// Config is what a policy is made of, besides projects.
type Config struct {
	// Data is that of argocd-rbac-cm.
	Data map[string]string
	// WithoutBuiltin leaves role:readonly, role:admin and what the account admin has by itself out.
	WithoutBuiltin bool
}

// Subject is somebody who asks. The zero value is somebody who has not signed in.
type Subject struct {
	// Name is the name of an account, the subject of a token, or proj:<project>:<role>.
	Name string
	// Groups are those of the identity provider.
	Groups []string
}

// Decision is an answer and its reason.
type Decision struct {
	Allowed bool `json:"allowed"`
	// As is the name that Line was found for: the subject's own, one of its groups, or the role of policy.default.
	As string `json:"as,omitempty"`
	// Line is the line that decided, as written. It is empty where no line matches.
	Line string `json:"line,omitempty"`
	// Place says where the line stands: "argocd-rbac-cm policy.csv line 3", "project shop role deployer policy 1", "built-in".
	Place string `json:"place,omitempty"`
}

// String gives the reason in a sentence.
func (d Decision) String() string {
	verb := "denied"
	if d.Allowed {
		verb = "allowed"
	}
	if d.Line == "" {
		return verb + ": no line allows it"
	}
	return fmt.Sprintf("%s to %s by %q (%s)", verb, d.As, d.Line, d.Place)
}

// Problem is a line or a setting that is not used as written, or that has no effect.
type Problem struct {
	Place  string
	Text   string // the line as written
	Reason string
	// Closed says that access was narrowed because the line might have meant that.
	Closed bool
}

func (p *Problem) Error() string {
	text := p.Place + ": "
	if p.Text != "" {
		text += fmt.Sprintf("%q: ", p.Text)
	}
	return text + p.Reason
}

// Policy decides. It is safe for concurrent use, and is made anew when what it was made of changes.
type Policy struct {
	scopes      []string
	defaultRole string
	base        *scope
	projects    map[string]*scope // with roles only
	grouped     map[string]bool   // names that argocd-rbac-cm gives a role
	views       views
}

// New reads a policy. What cannot be read is a problem, and narrows access: a line that might have denied denies all that
// it might have meant. The policy is usable whatever the problems are.
func New(config Config, projects []*v1alpha1.AppProject) (*Policy, []error) {
	r := &reader{mode: strings.TrimSpace(config.Data[keyMatchMode])}
	p := &Policy{
		defaultRole: config.Data[keyDefault],
		projects:    map[string]*scope{},
		grouped:     map[string]bool{},
		views:       views{limit: maxViews},
	}
	p.scopes = r.scopes(config.Data[keyScopes])
	if r.mode != "" && r.mode != modeGlob && r.mode != modeRegex {
		r.problem(ConfigMapName+" "+keyMatchMode, "", fmt.Sprintf("%q is neither glob nor regex: lines are globs", r.mode), false)
	}
	var lines []*line
	if !config.WithoutBuiltin {
		lines = builtin()
	}
	own := r.configMap(config.Data)
	for _, l := range own {
		if l.member != "" {
			p.grouped[l.member] = true
		}
	}
	p.base = newScope("", append(lines, own...), nil)
	if p.defaultRole != "" && !p.base.knows(p.defaultRole) {
		r.problem(ConfigMapName+" "+keyDefault, p.defaultRole, "no line says anything about this role", false)
	}
	for _, project := range projects {
		if project == nil || len(project.Spec.Roles) == 0 {
			continue
		}
		p.projects[project.Name] = newScope(project.Name, r.project(project), p.base)
	}
	return p, r.problems
}

// Scopes are the claims of an ID token that hold groups, "groups" if argocd-rbac-cm does not say.
func (p *Policy) Scopes() []string { return slices.Clone(p.scopes) }

// DefaultRole is the role that everybody who is let in has, "" for none.
func (p *Policy) DefaultRole() string { return p.defaultRole }

// Allows reports whether s may do action on the object of a resource. Objects of applications are <project>/<name> or
// <project>/<namespace>/<name>.
func (p *Policy) Allows(s Subject, resource, action, object string) bool {
	return p.Decide(s, resource, action, object).Allowed
}

// Decide is Allows with its reason.
func (p *Policy) Decide(s Subject, resource, action, object string) Decision {
	ask := request{resource: resource, action: action, object: object}
	first := decision{}
	try := func(in *scope, name string) bool {
		d := p.view(in, name).decide(ask)
		if d.line != nil && (d.allowed || first.line == nil) {
			d.as = name
			first = d
		}
		return d.allowed
	}
	// The role of policy.default is everybody's and comes before all else: no line about the subject takes it away.
	if p.defaultRole != "" && try(p.base, p.defaultRole) {
		return first.public()
	}
	of := p.scopeOf(resource, object)
	if role, ok := projectOfRole(s.Name); ok && of.project != "" && of.project != role {
		return first.public()
	}
	in := of.scope
	if p.defaultRole != "" && in != p.base && try(in, p.defaultRole) {
		return first.public()
	}
	if roleName(s.Name) {
		return first.public() // a role is had, nobody is called that
	}
	if s.Name != "" && try(in, s.Name) {
		return first.public()
	}
	if _, ok := projectOfRole(s.Name); ok && of.project != "" {
		return first.public()
	}
	for _, group := range s.Groups {
		if p.binds(in, group) && try(in, group) {
			break
		}
	}
	return first.public()
}

// DecideFor decides for one subject of the policy, a role too, without groups: the question of a command line that tries a policy.
func (p *Policy) DecideFor(subject, resource, action, object string) Decision {
	if !roleName(subject) {
		return p.Decide(Subject{Name: subject}, resource, action, object)
	}
	d := p.view(p.scopeOf(resource, object).scope, subject).decide(request{resource: resource, action: action, object: object})
	d.as = subject
	if d.allowed {
		return d.public()
	}
	if by := p.Decide(Subject{}, resource, action, object); by.Allowed {
		return by
	}
	return d.public()
}

// binds reports whether a line gives the group a role; other groups are nobody's concern. What the account admin has is no
// group's that happens to have its name, and neither is a group a role because it is called like one.
func (p *Policy) binds(in *scope, group string) bool {
	if _, ok := projectOfRole(group); ok || roleName(group) {
		return false
	}
	return p.grouped[group] || in.grouped[group]
}

// where is the part of a policy that a request is decided in.
type where struct {
	project string // that the object belongs to, "" for none
	scope   *scope
}

func (p *Policy) scopeOf(resource, object string) where {
	project := ""
	switch resource {
	case Applications, ApplicationSets, Repositories, Clusters, Logs, Exec:
		if before, _, ok := strings.Cut(object, "/"); ok {
			project = before
		}
	case Projects:
		project = object
	}
	if in, ok := p.projects[project]; ok && project != "" {
		return where{project, in}
	}
	return where{project, p.base}
}

func roleName(name string) bool { return strings.HasPrefix(name, "role:") }

// projectOfRole returns the project of the subject of a project role.
func projectOfRole(name string) (project string, ok bool) {
	rest, ok := strings.CutPrefix(name, "proj:")
	if !ok || strings.Count(rest, ":") != 1 {
		return "", false
	}
	project, _, _ = strings.Cut(rest, ":")
	return project, true
}

// scopes reads the claims that hold groups.
func (r *reader) scopes(text string) []string {
	fallback := []string{"groups"}
	if strings.TrimSpace(text) == "" {
		return fallback
	}
	var names []string
	if err := yaml.Unmarshal([]byte(text), &names); err != nil {
		r.problem(ConfigMapName+" "+keyScopes, text, "is no list of names such as [groups, email]: groups is used", false)
		return fallback
	}
	return names
}

// views holds what was found for subjects. It is a cache: losing it costs time alone.
type views struct {
	mu    sync.RWMutex
	held  map[viewKey]*view
	limit int
}

type viewKey struct{ project, subject string }

// maxViews bounds the cache: the names of subjects come from outside.
const maxViews = 20_000

func (p *Policy) view(in *scope, subject string) *view {
	key := viewKey{in.name, subject}
	p.views.mu.RLock()
	v := p.views.held[key]
	p.views.mu.RUnlock()
	if v != nil {
		return v
	}
	p.views.mu.Lock()
	defer p.views.mu.Unlock()
	if v := p.views.held[key]; v != nil {
		return v
	}
	if p.views.held == nil || len(p.views.held) >= p.views.limit-1 {
		p.views.held = map[viewKey]*view{}
	}
	from := in
	if !in.touches(subject) {
		from = in.base
	}
	if v = p.views.held[viewKey{from.name, subject}]; v == nil {
		v = from.view(subject)
		p.views.held[viewKey{from.name, subject}] = v
	}
	p.views.held[key] = v
	return v
}
