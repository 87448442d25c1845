package project

import (
	"slices"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Inherit returns the project with what it takes over from global projects, see
// https://argo-cd.readthedocs.io/en/stable/user-guide/projects/#configuring-global-projects: lists of sources, destinations and
// kinds, and sync windows. Rules add up, so that what one of them denies stays denied. What concerns the project itself is not
// taken over: roles, source namespaces, orphans, service accounts.
func (p *Project) Inherit(globals ...*v1alpha1.AppProject) *Project {
	out := *p
	// Appending must not write into what p holds.
	out.sources, out.destinations, out.windows = slices.Clip(p.sources), slices.Clip(p.destinations), slices.Clip(p.windows)
	out.clusterAllow, out.clusterDeny = slices.Clip(p.clusterAllow), slices.Clip(p.clusterDeny)
	out.namespaceAllow, out.namespaceDeny = slices.Clip(p.namespaceAllow), slices.Clip(p.namespaceDeny)
	for _, g := range globals {
		out.add(g, g.Name)
		// A whitelist without an entry adds none, and so restricts nobody who has none himself.
		out.allNamespaced = out.allNamespaced && len(g.Spec.NamespaceResourceWhitelist) == 0
	}
	return &out
}

// Merge returns a copy of a project whose lists hold what it takes over from global projects, for those who show it or ask for
// its windows. Inherit permits what New permits of it, and knows besides where each rule stands.
func Merge(p *v1alpha1.AppProject, globals ...*v1alpha1.AppProject) *v1alpha1.AppProject {
	out := p.DeepCopy()
	spec := &out.Spec
	for _, g := range globals {
		from := g.DeepCopy().Spec
		spec.SourceRepos = append(spec.SourceRepos, from.SourceRepos...)
		spec.Destinations = append(spec.Destinations, from.Destinations...)
		spec.ClusterResourceWhitelist = append(spec.ClusterResourceWhitelist, from.ClusterResourceWhitelist...)
		spec.ClusterResourceBlacklist = append(spec.ClusterResourceBlacklist, from.ClusterResourceBlacklist...)
		spec.NamespaceResourceWhitelist = append(spec.NamespaceResourceWhitelist, from.NamespaceResourceWhitelist...)
		spec.NamespaceResourceBlacklist = append(spec.NamespaceResourceBlacklist, from.NamespaceResourceBlacklist...)
		spec.SyncWindows = append(spec.SyncWindows, from.SyncWindows...)
	}
	return out
}

// ofGlobal names the global project that a rule is taken over from.
func ofGlobal(name string) string {
	if name == "" {
		return ""
	}
	return " of the global AppProject " + name
}
