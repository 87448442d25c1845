package live

import (
	"slices"
	"sort"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is a kind at one version, as the cluster serves it.
type Kind struct {
	schema.GroupVersionKind
	Resource   string // plural, as in URLs
	Namespaced bool
	Verbs      []string
	Preferred  string   // the version that the server prefers
	Versions   []string // all that are served, the preferred one first
}

// GVR returns the resource that requests name.
func (k Kind) GVR() schema.GroupVersionResource {
	return k.GroupVersion().WithResource(k.Resource)
}

// Can reports whether the kind serves a verb: get, list, watch, create, patch, delete...
func (k Kind) Can(verb string) bool { return slices.Contains(k.Verbs, verb) }

func (k Kind) watchable() bool { return k.Can("list") && k.Can("watch") }

// catalog is what discovery says; it never changes.
type catalog struct {
	// kinds holds, for each kind, one entry a version, in the server's order of preference.
	kinds map[schema.GroupKind][]Kind
	// failed are the group versions that the server could not describe, with the reason.
	failed map[schema.GroupVersion]string
	// server is the version of the server, such as v1.37.2.
	server string

	// versions is computed once: every render asks for it, and a catalog does not change once it is in use.
	once     sync.Once
	versions []string
}

// newCatalog reads a discovery answer. Subresources are left out.
func newCatalog(groups []*metav1.APIGroup, lists []*metav1.APIResourceList, failed map[schema.GroupVersion]error) *catalog {
	c := &catalog{kinds: map[schema.GroupKind][]Kind{}, failed: map[schema.GroupVersion]string{}}
	for gv, err := range failed {
		c.failed[gv] = err.Error()
	}
	byVersion := make(map[string][]*metav1.APIResourceList, len(lists))
	for _, l := range lists {
		byVersion[l.GroupVersion] = append(byVersion[l.GroupVersion], l)
	}
	for _, g := range groups {
		for _, v := range orderedVersions(g) {
			for _, l := range byVersion[v] {
				c.addList(l)
			}
		}
	}
	for _, ks := range c.kinds {
		rank(ks)
	}
	return c
}

// orderedVersions returns a group's versions with the preferred one first.
func orderedVersions(g *metav1.APIGroup) []string {
	out := make([]string, 0, len(g.Versions)+1)
	if p := g.PreferredVersion.GroupVersion; p != "" {
		out = append(out, p)
	}
	for _, v := range g.Versions {
		if !slices.Contains(out, v.GroupVersion) {
			out = append(out, v.GroupVersion)
		}
	}
	return out
}

func (c *catalog) addList(l *metav1.APIResourceList) {
	gv, err := schema.ParseGroupVersion(l.GroupVersion)
	if err != nil {
		return // the server names its own versions; one that cannot be parsed cannot be asked for either
	}
	for _, r := range l.APIResources {
		if r.Kind == "" || strings.Contains(r.Name, "/") {
			continue
		}
		k := Kind{
			GroupVersionKind: gv.WithKind(r.Kind),
			Resource:         r.Name,
			Namespaced:       r.Namespaced,
			Verbs:            r.Verbs,
		}
		gk := k.GroupKind()
		// Two resources may share a kind (metrics, reviews); the one that can be watched stands for it.
		if i := slices.IndexFunc(c.kinds[gk], func(o Kind) bool { return o.Version == k.Version }); i >= 0 {
			if k.watchable() && !c.kinds[gk][i].watchable() {
				c.kinds[gk][i] = k
			}
			continue
		}
		c.kinds[gk] = append(c.kinds[gk], k)
	}
}

// rank tells each version of one kind about the others.
func rank(ks []Kind) {
	versions := make([]string, len(ks))
	for i, k := range ks {
		versions[i] = k.Version
	}
	for i := range ks {
		ks[i].Preferred, ks[i].Versions = versions[0], versions
	}
}

// keep adds to c what old knew of the group versions that could not be described this time: a failure to look is
// not the sight of nothing.
func (c *catalog) keep(old *catalog) {
	if old == nil {
		return
	}
	for _, ks := range old.kinds {
		for _, k := range ks {
			if _, failed := c.failed[k.GroupVersion()]; failed {
				c.restore(k, old)
			}
		}
	}
}

// restore adds one kind at one version as old knew it, at its old rank among the versions.
func (c *catalog) restore(k Kind, old *catalog) {
	gk := k.GroupKind()
	ks := slices.Clone(c.kinds[gk])
	if slices.ContainsFunc(ks, func(o Kind) bool { return o.Version == k.Version }) {
		return
	}
	ks = append(ks, k)
	place := func(k Kind) int {
		return slices.IndexFunc(old.kinds[gk], func(o Kind) bool { return o.Version == k.Version })
	}
	slices.SortStableFunc(ks, func(a, b Kind) int { return place(a) - place(b) })
	c.kinds[gk] = ks
	rank(ks)
}

// lookup returns a kind at a version, the preferred one when version is "".
func (c *catalog) lookup(gk schema.GroupKind, version string) (Kind, bool) {
	for _, k := range c.kinds[gk] {
		if version == "" || k.Version == version {
			return k, true
		}
	}
	return Kind{}, false
}

// choose picks the version to watch a kind at: of those asked for, the one the server prefers; when none of them is
// served or none was asked for, the one the server prefers of all. The choice depends on the set alone, not on the
// order of asking, so that a restart finds the same.
func (c *catalog) choose(gk schema.GroupKind, asked map[string]bool) (Kind, bool) {
	for _, k := range c.kinds[gk] {
		if asked[k.Version] && k.watchable() {
			return k, true
		}
	}
	for _, k := range c.kinds[gk] {
		if k.watchable() {
			return k, true
		}
	}
	return Kind{}, false
}

// hasResource reports whether "plural.group", the name of a CustomResourceDefinition, is served.
func (c *catalog) hasResource(crd string) bool {
	plural, group, _ := strings.Cut(crd, ".")
	for gk, ks := range c.kinds {
		if gk.Group == group && slices.ContainsFunc(ks, func(k Kind) bool { return k.Resource == plural }) {
			return true
		}
	}
	return false
}

// hasVersion reports whether "version.group", the name of an APIService, is served and described.
func (c *catalog) hasVersion(service string) bool {
	version, group, _ := strings.Cut(service, ".")
	if _, failed := c.failed[schema.GroupVersion{Group: group, Version: version}]; failed {
		return false
	}
	for gk, ks := range c.kinds {
		if gk.Group == group && slices.ContainsFunc(ks, func(k Kind) bool { return k.Version == version }) {
			return true
		}
	}
	return false
}

// apiVersions lists what charts ask for in .Capabilities.APIVersions: "v1", "apps/v1", "apps/v1/Deployment". The list is
// shared and must not be changed.
func (c *catalog) apiVersions() []string {
	c.once.Do(func() { c.versions = c.listVersions() })
	return c.versions
}

func (c *catalog) listVersions() []string {
	seen := map[string]bool{}
	for _, ks := range c.kinds {
		for _, k := range ks {
			gv := k.GroupVersion().String()
			seen[gv] = true
			seen[gv+"/"+k.Kind] = true
		}
	}
	out := make([]string, 0, len(seen))
	for v := range seen {
		out = append(out, v)
	}
	sort.Strings(out)
	return out
}
