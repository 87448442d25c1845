package workload

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/policy"

	"github.com/belaycd/belay/internal/check"
)

func restrictedRule() check.Rule {
	return check.Rule{
		ID: "pss-restricted", Title: "pod with more rights than it needs", Severity: check.Warning,
		Profiles: map[check.Profile]check.Severity{check.Restricted: check.Error},
		Why: "The restricted Pod Security Standard is what a program needs that wants nothing from the node. What goes past it gives whoever breaks into the program a start. " +
			"A namespace of the repository that enforces baseline or privileged has decided otherwise, and its pods are left alone; one that enforces restricted refuses them.",
		Fix:       "Set the fields that the message names in the securityContext of the container.",
		Standards: []string{"PSS restricted", "CIS 5.2", "NSA C-0013", "NSA C-0016"},
	}
}

func unjudgedRule() check.Rule {
	return check.Rule{
		ID: "pss-unjudged", Title: "pod that Pod Security cannot read", Severity: check.Error,
		Why: "A field of the wrong type hides the rest of the pod from the rules on its rights. The API server refuses the object too.",
		Fix: "Give the field that the message names the type that it has in the API reference.",
	}
}

// lack is what a control of the restricted standard asks for: in words, and as the fields to set.
type lack struct{ says, set string }

// lacks by control. A control that is not here is told in the words of the library.
func lacks() map[policy.CheckID]lack {
	return map[policy.CheckID]lack{
		"allowPrivilegeEscalation":  {"may gain rights (allowPrivilegeEscalation is not false)", "allowPrivilegeEscalation: false"},
		"runAsNonRoot":              {"may run as root (runAsNonRoot is not true)", "runAsNonRoot: true"},
		"runAsUser":                 {"runs as root (runAsUser is 0)", "runAsUser: 10001"},
		"capabilities_restricted":   {"keeps capabilities", "capabilities: {drop: [ALL]}"},
		"seccompProfile_restricted": {"has no seccomp profile", "seccompProfile: {type: RuntimeDefault}"},
		"procMount_restricted":      {"sees an unmasked /proc", "procMount: Default"},
	}
}

// overridden are the controls of baseline that say the same more exactly: what they forbid is reported there.
func overridden() map[policy.CheckID]policy.CheckID {
	return map[policy.CheckID]policy.CheckID{"seccompProfile_restricted": "seccompProfile_baseline", "procMount_restricted": "procMount"}
}

// restricted reports one finding for containers that lack the same, and one for each volume.
func (p *pod) restricted(failed, base []control, asked level, report func(check.Finding)) {
	severity := check.Off
	if asked == restricted {
		severity = check.Error // the API server refuses it
	}
	tell := func(path, message, fix string) {
		report(check.Finding{Rule: restrictedRule().ID, Severity: severity, Object: p.work.object, Path: path, Message: message + p.refused, Fix: fix})
	}
	forbidden := func(id policy.CheckID, spec *corev1.PodSpec) bool {
		i := slices.IndexFunc(base, func(c control) bool { return c.id == id })
		return i >= 0 && !base[i].check(p.meta, spec).Allowed
	}
	for _, g := range p.lacking(failed, forbidden) {
		what := fmt.Sprintf("container %s %s", g.names[0], g.says)
		if len(g.names) > 1 {
			what = fmt.Sprintf("containers %s: each %s", and(g.names), g.says)
		}
		if g.ofPod && len(g.names) == len(p.work.containers) {
			tell(check.Join(p.work.pod.Path, "spec", "securityContext"), what, "Set in securityContext of the pod: {"+g.set+"}.")
			continue
		}
		tell(check.Join(g.path, "securityContext"), what, "Set in securityContext of "+and(g.names)+": {"+g.set+"}.")
	}
	for _, c := range failed {
		if c.id != "restrictedVolumes" {
			continue
		}
		for i, v := range p.spec.Volumes {
			one := corev1.PodSpec{OS: p.spec.OS, Volumes: []corev1.Volume{v}}
			if result := c.check(p.meta, &one); !result.Allowed && v.HostPath == nil {
				tell(check.Join(p.work.pod.Path, "spec", "volumes", check.Element(i, "name", v.Name)), result.ForbiddenDetail,
					"Use a PersistentVolumeClaim, whose volume an administrator has made, or a volume of the cluster such as emptyDir.")
			}
		}
	}
}

// group is containers that lack the same.
type group struct {
	names           []string
	path, says, set string
	// ofPod tells that all of it can be set for the pod as a whole.
	ofPod bool
}

// lacking returns what containers lack, those of the same lack together: it is one thing to mend.
func (p *pod) lacking(failed []control, forbidden func(policy.CheckID, *corev1.PodSpec) bool) (groups []*group) {
	p.eachContainer(func(path string, one corev1.PodSpec) {
		one.SecurityContext, one.OS, one.HostUsers = p.spec.SecurityContext, p.spec.OS, p.spec.HostUsers
		var says, set []string
		ofPod := true
		for _, c := range failed {
			result := c.check(p.meta, &one)
			if result.Allowed || c.id == "restrictedVolumes" || forbidden(overridden()[c.id], &one) {
				continue
			}
			l, ok := lacks()[c.id]
			if !ok {
				l = lack{result.ForbiddenDetail, ""}
			}
			if c.id == "capabilities_restricted" {
				if l = capabilities(&one, l, forbidden("capabilities_baseline", &one)); l.says == "" {
					continue
				}
			}
			says = append(says, l.says)
			if l.set != "" {
				set = append(set, l.set)
			}
			ofPod = ofPod && (c.id == "runAsNonRoot" || c.id == "seccompProfile_restricted")
		}
		if len(says) == 0 {
			return
		}
		text := and(says)
		if i := slices.IndexFunc(groups, func(g *group) bool { return g.says == text }); i >= 0 {
			if groups[i].names = append(groups[i].names, nameOf(&one)); nameOf(&one) < groups[i].names[0] {
				groups[i].path = path
			}
			slices.Sort(groups[i].names)
			return
		}
		groups = append(groups, &group{names: []string{nameOf(&one)}, path: path, says: text, set: strings.Join(set, ", "), ofPod: ofPod})
	})
	return groups
}

// capabilities says which ones a container keeps or adds; told is that baseline forbids some and so names them.
func capabilities(one *corev1.PodSpec, l lack, told bool) lack {
	var added []string
	dropped := false
	for _, list := range [][]corev1.Container{one.InitContainers, one.Containers} {
		for _, c := range list {
			if c.SecurityContext == nil || c.SecurityContext.Capabilities == nil {
				continue
			}
			dropped = dropped || slices.Contains(c.SecurityContext.Capabilities.Drop, "ALL")
			for _, a := range c.SecurityContext.Capabilities.Add {
				if a != "NET_BIND_SERVICE" {
					added = append(added, string(a))
				}
			}
		}
	}
	switch {
	case dropped && told:
		return lack{}
	case told:
	case dropped && len(added) > 0:
		return lack{"adds the capabilities " + strings.Join(added, ", "), "capabilities: {drop: [ALL]} without add, or add: [NET_BIND_SERVICE] alone"}
	case len(added) > 0:
		return lack{"keeps its capabilities and adds " + strings.Join(added, ", "), l.set + " without add"}
	}
	return lack{"keeps capabilities (drop does not name ALL)", l.set}
}

// nameOf returns the name of the only container.
func nameOf(one *corev1.PodSpec) string {
	switch {
	case len(one.InitContainers) > 0:
		return one.InitContainers[0].Name
	case len(one.Containers) > 0:
		return one.Containers[0].Name
	case len(one.EphemeralContainers) > 0:
		return one.EphemeralContainers[0].Name
	}
	return ""
}
