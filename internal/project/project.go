// Package project permits: an AppProject and what an application wants go in; nil or an error of kind Denied, which
// names the rule that refused and the next step, comes out. It also judges the fields of an Application by themselves.
// It is pure. The rules are those of Argo CD: patterns are globs, a leading "!" denies, a blacklist beats a whitelist.
package project

import (
	"cmp"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// Cluster is a cluster that is registered for one project only.
type Cluster struct{ Server, Name string }

// Project is what an AppProject allows. It does not change and is safe for concurrent use.
type Project struct {
	name             string
	sources          []pattern
	destinations     []destination
	sourceNamespaces []pattern
	clusterAllow     []kindRule
	clusterDeny      []kindRule
	namespaceAllow   []kindRule
	namespaceDeny    []kindRule
	// allNamespaced says that there is no whitelist of namespaced kinds, which allows all of them.
	allNamespaced bool
	// onlyScoped limits destinations to clusters.
	onlyScoped bool
	clusters   []Cluster
	windows    []placedWindow
	accounts   []account
	pending    []pending
	orphans    orphans
}

// destination is an entry of spec.destinations; at is where it stands.
type destination struct {
	server, name, namespace pattern
	at                      string
}

// kindRule selects kinds, and objects of them by name when name is set. Of is the global project that the rule is taken over
// from, "" for the project's own.
type kindRule struct {
	group, kind pattern
	name        *pattern
	of          string
}

// New reads p, which is not kept. The clusters are those that are registered for this project only; they count when the
// project sets permitOnlyProjectScopedClusters. A pattern that cannot be read never allows and always denies.
func New(p *v1alpha1.AppProject, clusters ...Cluster) *Project {
	spec := &p.Spec
	out := &Project{
		name:          p.Name,
		allNamespaced: spec.NamespaceResourceWhitelist == nil,
		onlyScoped:    spec.PermitOnlyProjectScopedClusters,
		clusters:      append([]Cluster(nil), clusters...),
		accounts:      accountsOf(spec.DestinationServiceAccounts),
		pending:       pendingOfProject(spec),
		orphans:       orphansOf(spec.OrphanedResources),
	}
	for _, ns := range spec.SourceNamespaces {
		out.sourceNamespaces = append(out.sourceNamespaces, globOrRegexp(ns))
	}
	out.add(p, "")
	return out
}

// add takes the rules that projects take over from each other. Of names the global project that they are from, "" for the
// project's own.
func (p *Project) add(from *v1alpha1.AppProject, of string) {
	spec := &from.Spec
	for _, repo := range spec.SourceRepos {
		rule := repoPattern(repo)
		rule.of = of
		p.sources = append(p.sources, rule)
	}
	for i, d := range spec.Destinations {
		p.destinations = append(p.destinations, destination{
			server: negatable(d.Server), name: negatable(d.Name), namespace: negatable(d.Namespace),
			at: fmt.Sprintf("spec.destinations[%d]%s", i, ofGlobal(of)),
		})
	}
	p.clusterAllow = append(p.clusterAllow, namedKinds(spec.ClusterResourceWhitelist, of)...)
	p.clusterDeny = append(p.clusterDeny, namedKinds(spec.ClusterResourceBlacklist, of)...)
	p.namespaceAllow = append(p.namespaceAllow, kinds(spec.NamespaceResourceWhitelist, of)...)
	p.namespaceDeny = append(p.namespaceDeny, kinds(spec.NamespaceResourceBlacklist, of)...)
	for i, w := range spec.SyncWindows {
		if w != nil {
			p.windows = append(p.windows, placedWindow{w.DeepCopy(), fmt.Sprintf("spec.syncWindows[%d] of AppProject %s", i, from.Name)})
		}
	}
}

// Default returns the project "default" as it is created when there is none: it allows everything.
func Default(namespace string) *v1alpha1.AppProject {
	return &v1alpha1.AppProject{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: v1alpha1.AppProjectKind},
		ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.DefaultProjectName, Namespace: namespace},
		Spec: v1alpha1.AppProjectSpec{
			SourceRepos:              []string{"*"},
			Destinations:             []v1alpha1.ApplicationDestination{{Server: "*", Namespace: "*"}},
			ClusterResourceWhitelist: []v1alpha1.ClusterResourceRestrictionItem{{Group: "*", Kind: "*"}},
		},
	}
}

// Name returns the name of the project.
func (p *Project) Name() string { return p.name }

// PermitsSource says whether applications of the project may take manifests from the repository.
func (p *Project) PermitsSource(repoURL string) error {
	refuse := func(rule string) error {
		return fault.New(fault.Denied, "application repo %s is not permitted in project '%s': %s; add it to spec.sourceRepos of AppProject %s or use another project",
			source.Redact(repoURL), p.name, rule, p.name)
	}
	normal := source.NormalizeURL(repoURL)
	allowed := false
	for _, r := range p.sources {
		switch matched := r.matches(normal); {
		case matched && normal != "":
			allowed = true
		case r.deny:
			return refuse(fmt.Sprintf("the rule %q in spec.sourceRepos%s refuses it%s", source.Redact(r.text), ofGlobal(r.of), r.broken()))
		}
	}
	if allowed {
		return nil
	}
	return refuse(nothingMatches("spec.sourceRepos", textsOf(p.sources)))
}

// PermitsDestination says whether applications of the project may write to the namespace of the cluster, which is known
// by its address and its name. An empty namespace stands for cluster-scoped objects.
func (p *Project) PermitsDestination(server, name, namespace string) error {
	refuse := func(rule string) error {
		return fault.New(fault.Denied, "application destination server '%s' and namespace '%s' do not match any of the allowed destinations in project '%s': %s; change spec.destinations of AppProject %s or use another project",
			orName(server, name), namespace, p.name, rule, p.name)
	}
	allowed := false
	for _, d := range p.destinations {
		onServer := server != "" && d.server.matches(server)
		onName := name != "" && d.name.matches(name)
		inNamespace := d.namespace.matches(namespace)
		switch {
		case (onServer || onName) && inNamespace:
			allowed = true
		case d.server.deny && !onServer, d.name.deny && !onName, d.namespace.deny && !inNamespace:
			return refuse(fmt.Sprintf("the rule %s (%s) refuses it", d.at, d))
		}
	}
	if !allowed {
		texts := make([]string, len(p.destinations))
		for i, d := range p.destinations {
			texts[i] = d.String()
		}
		return refuse(nothingMatches("spec.destinations", texts))
	}
	if p.onlyScoped && !p.scoped(server, name) {
		return refuse("spec.permitOnlyProjectScopedClusters is set and the cluster is not registered for this project alone")
	}
	return nil
}

func (p *Project) scoped(server, name string) bool {
	for _, c := range p.clusters {
		if c.Server != "" && c.Server == server || c.Name != "" && c.Name == name {
			return true
		}
	}
	return false
}

// PermitsKind says whether applications of the project may hold an object of that kind. Name and namespace are the
// object's; namespaced says whether its kind is. Where it may be written is for PermitsDestination to say.
func (p *Project) PermitsKind(group, kind, name, namespace string, namespaced bool) error {
	allow, deny, lists := p.clusterAllow, p.clusterDeny, "spec.clusterResource"
	if namespaced {
		allow, deny, lists = p.namespaceAllow, p.namespaceDeny, "spec.namespaceResource"
	}
	refuse := func(rule string) error {
		if namespace != "" {
			name = namespace + "/" + name
		}
		return fault.New(fault.Denied, "resource %s:%s %s is not permitted in project %s: %s", group, kind, name, p.name, rule)
	}
	for _, r := range deny {
		if r.matches(group, kind, name, true) {
			return refuse(fmt.Sprintf("the rule %s in %sBlacklist%s refuses it; remove the object or change that rule in AppProject %s",
				r, lists, ofGlobal(r.of), cmp.Or(r.of, p.name)))
		}
	}
	if namespaced && p.allNamespaced {
		return nil
	}
	texts := make([]string, len(allow))
	for i, r := range allow {
		if r.matches(group, kind, name, false) {
			return nil
		}
		texts[i] = r.String()
	}
	return refuse(fmt.Sprintf("%s; add {group: %q, kind: %s} there in AppProject %s or remove the object",
		nothingMatches(lists+"Whitelist", texts), group, kind, p.name))
}

// PermitsSourceNamespace says whether Applications of the namespace may name this project. Those of the control plane's
// own namespace always may.
func (p *Project) PermitsSourceNamespace(namespace, controlPlane string) error {
	if namespace == "" || namespace == controlPlane {
		return nil
	}
	for _, n := range p.sourceNamespaces {
		if n.matches(namespace) {
			return nil
		}
	}
	return fault.New(fault.Denied, "applications in namespace '%s' are not allowed to use project '%s': %s; add the namespace there in AppProject %s or move the Application",
		namespace, p.name, nothingMatches("spec.sourceNamespaces", textsOf(p.sourceNamespaces)), p.name)
}

// rulesNamed is how many rules a message lists.
const rulesNamed = 5

func nothingMatches(list string, rules []string) string {
	switch more := len(rules) - rulesNamed; {
	case len(rules) == 0:
		return list + " is empty"
	case more > 0:
		return fmt.Sprintf("no rule of %s matches (%s and %d more)", list, strings.Join(rules[:rulesNamed], ", "), more)
	}
	return fmt.Sprintf("no rule of %s matches (%s)", list, strings.Join(rules, ", "))
}

func orName(server, name string) string {
	if server == "" {
		return name
	}
	return server
}

// String returns the rule as people write it.
func (d destination) String() string {
	var parts []string
	for _, f := range []struct{ key, text string }{{"server", d.server.text}, {"name", d.name.text}, {"namespace", d.namespace.text}} {
		if f.text != "" {
			parts = append(parts, f.key+" "+f.text)
		}
	}
	return strings.Join(parts, ", ")
}

func namedKinds(items []v1alpha1.ClusterResourceRestrictionItem, of string) []kindRule {
	var out []kindRule
	for _, item := range items {
		r := kindRule{group: plain(item.Group, '/'), kind: plain(item.Kind, '/'), of: of}
		if item.Name != "" {
			name := plain(item.Name, '/')
			r.name = &name
		}
		out = append(out, r)
	}
	return out
}

func kinds(items []metav1.GroupKind, of string) []kindRule {
	var out []kindRule
	for _, item := range items {
		out = append(out, kindRule{group: plain(item.Group, '/'), kind: plain(item.Kind, '/'), of: of})
	}
	return out
}

// matches reports whether the rule selects the object; unreadable says what a pattern that cannot be read does.
func (r kindRule) matches(group, kind, name string, unreadable bool) bool {
	for _, part := range []struct {
		pattern *pattern
		value   string
	}{{&r.group, group}, {&r.kind, kind}, {r.name, name}} {
		if part.pattern == nil || part.pattern.err != nil && unreadable {
			continue
		}
		if !part.pattern.matches(part.value) {
			return false
		}
	}
	return true
}

func (r kindRule) String() string {
	text := fmt.Sprintf("%q/%s", r.group.text, r.kind.text)
	if r.name != nil {
		text += "/" + r.name.text
	}
	return text
}
