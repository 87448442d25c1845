package project

import "github.com/belaycd/belay/api/v1alpha1"

// orphans is spec.orphanedResources.
type orphans struct {
	warn   bool
	ignore []orphanRule
}

// orphanRule selects objects; an empty field of the setting selects all.
type orphanRule struct{ group, kind, name pattern }

func orphansOf(s *v1alpha1.OrphanedResourcesMonitorSettings) orphans {
	if s == nil {
		return orphans{}
	}
	out := orphans{warn: s.Warn == nil || *s.Warn}
	for _, k := range s.Ignore {
		out.ignore = append(out.ignore, orphanRule{group: plain(k.Group), kind: plain(orAny(k.Kind)), name: plain(orAny(k.Name))})
	}
	return out
}

func orAny(text string) string {
	if text == "" {
		return "*"
	}
	return text
}

// WarnsOfOrphans reports whether applications of the project tell of objects in their namespace that no application owns.
func (p *Project) WarnsOfOrphans() bool { return p.orphans.warn }

// IsOrphan reports whether an object without an owner counts as an orphan. What Kubernetes puts into every namespace does not,
// nor what the project may not have or does not want to hear of.
func (p *Project) IsOrphan(group, kind, namespace, name string) bool {
	if group == "" && (kind == "ServiceAccount" && name == "default" || kind == "ConfigMap" && name == "kube-root-ca.crt" ||
		kind == "Service" && namespace == "default" && name == "kubernetes") {
		return false
	}
	for _, r := range p.orphans.ignore {
		if r.group.matches(group) && r.kind.matches(kind) && r.name.matches(name) {
			return false
		}
	}
	return p.PermitsKind(group, kind, name, namespace, true) == nil
}
