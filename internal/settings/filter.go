package settings

import (
	"fmt"

	"github.com/belaycd/belay/internal/glob"
)

// Filter says which kinds are left alone: neither watched nor shown nor deployed.
type Filter struct {
	exclusions, inclusions []selection
}

// Excluded reports whether objects of the kind on the cluster at server are left alone.
func (f Filter) Excluded(group, kind, server string) bool {
	// Events come by the thousand and belong to nobody; metrics cannot be watched.
	if group == "" && kind == "Event" || group == "events.k8s.io" || group == "metrics.k8s.io" {
		return true
	}
	for _, s := range f.exclusions {
		if s.selects(group, kind, server) {
			return true
		}
	}
	for _, s := range f.inclusions {
		if s.selects(group, kind, server) {
			return false
		}
	}
	return len(f.inclusions) > 0
}

// selection is one entry of resource.exclusions or resource.inclusions; an empty list selects all.
type selection struct {
	groups, kinds, clusters []glob.Pattern
}

func (s selection) selects(group, kind, server string) bool {
	return anyOf(s.groups, group) && anyOf(s.kinds, kind) && anyOf(s.clusters, server)
}

func anyOf(patterns []glob.Pattern, name string) bool {
	for _, p := range patterns {
		if p.Match(name) {
			return true
		}
	}
	return len(patterns) == 0
}

func selections(text string) ([]selection, error) {
	type entry struct {
		Groups   []string `yaml:"apiGroups"`
		Kinds    []string `yaml:"kinds"`
		Clusters []string `yaml:"clusters"`
	}
	entries, err := fromYAML[[]entry](text)
	if err != nil {
		return nil, err
	}
	out := make([]selection, len(entries))
	for i, e := range entries {
		if len(e.Groups)+len(e.Kinds)+len(e.Clusters) == 0 {
			return nil, fmt.Errorf("entry %d selects everything; set apiGroups, kinds or clusters", i+1)
		}
		for _, list := range []struct {
			texts []string
			dst   *[]glob.Pattern
		}{{e.Groups, &out[i].groups}, {e.Kinds, &out[i].kinds}, {e.Clusters, &out[i].clusters}} {
			for _, text := range list.texts {
				p, err := glob.Compile(text)
				if err != nil {
					return nil, fmt.Errorf("entry %d: %w", i+1, err)
				}
				*list.dst = append(*list.dst, p)
			}
		}
	}
	return out, nil
}

// shippedExclusions are those that Argo CD ships in argocd-cm: kinds that controllers write all the time.
func shippedExclusions() []selection {
	var out []selection
	for _, e := range []struct{ groups, kinds []string }{
		{[]string{"", "discovery.k8s.io"}, []string{"Endpoints", "EndpointSlice"}},
		{[]string{"coordination.k8s.io"}, []string{"Lease"}},
		{[]string{"authentication.k8s.io", "authorization.k8s.io"}, []string{"SelfSubjectReview", "TokenReview", "LocalSubjectAccessReview", "SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"}},
		{[]string{"certificates.k8s.io"}, []string{"CertificateSigningRequest"}},
		{[]string{"cert-manager.io"}, []string{"CertificateRequest"}},
		{[]string{"cilium.io"}, []string{"CiliumIdentity", "CiliumEndpoint", "CiliumEndpointSlice"}},
		{[]string{"kyverno.io", "reports.kyverno.io", "wgpolicyk8s.io"}, []string{"PolicyReport", "ClusterPolicyReport", "EphemeralReport", "ClusterEphemeralReport", "AdmissionReport", "ClusterAdmissionReport", "BackgroundScanReport", "ClusterBackgroundScanReport", "UpdateRequest"}},
	} {
		out = append(out, selection{groups: literals(e.groups), kinds: literals(e.kinds)})
	}
	return out
}

func literals(names []string) []glob.Pattern {
	out := make([]glob.Pattern, 0, len(names))
	for _, name := range names {
		if p, err := glob.Compile(name); err == nil { // names hold nothing special
			out = append(out, p)
		}
	}
	return out
}
