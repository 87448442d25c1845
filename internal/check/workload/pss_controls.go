package workload

import (
	"fmt"

	"k8s.io/pod-security-admission/policy"

	"github.com/belaycd/belay/internal/check"
)

// baselineControl is what is ours of a control of the baseline standard: its rule and where its field is.
type baselineControl struct {
	// name makes the ID of the rule.
	name, title, why, fix string
	// field is below a container; without its first step it is below the security context of the pod.
	field []string
	// say goes before the detail of the library where that is not a clause.
	say       string
	standards []string
}

func (c baselineControl) id() string { return "pss-baseline-" + c.name }

func (c baselineControl) rule() check.Rule {
	return check.Rule{ID: c.id(), Title: c.title, Severity: check.Error, Why: c.why +
		" The control is judged by the rules of the target version; a namespace of the repository that enforces privileged has decided to allow it.",
		Fix: c.fix, Standards: append([]string{"PSS baseline"}, c.standards...)}
}

// controls of the baseline standard, by the ID of the library.
func controls() map[policy.CheckID]baselineControl {
	context := func(keys ...string) []string { return append([]string{"securityContext"}, keys...) }
	return map[policy.CheckID]baselineControl{
		"privileged": {name: "privileged", title: "privileged container", field: context("privileged"), standards: []string{"CIS 5.2.2", "NSA C-0057", "KSV-0017"},
			why: "A privileged container is root on the node: it sees all devices, loads kernel modules and reads the secrets of every pod there.",
			fix: "Remove privileged: true, and add the single capability that the program needs."},
		"hostNamespaces": {name: "host-namespaces", title: "pod in the namespaces of its node", say: "the pod sets ", standards: []string{"CIS 5.2.3", "CIS 5.2.4", "CIS 5.2.5", "NSA C-0038", "NSA C-0041"},
			why: "A pod on the network of its node passes by every NetworkPolicy and reaches what listens on localhost; one in its process namespace reads the memory and environment of other programs.",
			fix: "Remove the field. Where the program must be on the network of the node, label its namespace " + enforceLabel + ": privileged and give it a namespace of its own."},
		"hostPathVolumes": {name: "hostpath", title: "path of the node in a pod", say: "a path of the node is mounted: ", standards: []string{"CIS 5.2.11", "NSA C-0048", "KSV-0023"},
			why: "A path of the node outlives the pod, is shared with others, and is a way to the node itself; a pod that moves to another node finds something else there.",
			fix: "Use emptyDir for what may be lost and a PersistentVolumeClaim for what may not."},
		"hostPorts": {name: "hostport", title: "port of the node", field: []string{"ports"}, standards: []string{"CIS 5.2.12", "NSA C-0044", "KSV-0024"},
			why: "A port of the node can be had by one pod only, so that a second replica cannot start there, and it is reached past Services and NetworkPolicies.",
			fix: "Remove hostPort, and let a Service send requests to the container port."},
		"capabilities_baseline": {name: "capabilities", title: "container with capabilities beyond the default", field: context("capabilities", "add"), standards: []string{"CIS 5.2.8", "NSA C-0046", "KSV-0022"},
			why: "Each capability is a piece of root: SYS_ADMIN is nearly all of it, NET_ADMIN changes the routes of the node's network.",
			fix: "Remove the capability from add. NET_BIND_SERVICE is allowed, and all that the runtime gives by default."},
		"procMount": {name: "procmount", title: "unmasked /proc", field: context("procMount"), standards: []string{"KSV-0027"},
			why: "The runtime hides what is dangerous in /proc. Unmasked it shows and lets change settings of the kernel.",
			fix: "Remove procMount; the default is Default."},
		"sysctls": {name: "sysctls", title: "setting of the kernel that is not safe", field: context("sysctls"), say: "the pod sets the sysctls ", standards: []string{"KSV-0026"},
			why: "Settings of the kernel that are not known to be kept inside the pod change all pods of the node.",
			fix: "Remove the setting, or set it on the node."},
		"seccompProfile_baseline": {name: "seccomp", title: "container without the filter on system calls", field: context("seccompProfile", "type"), standards: []string{"CIS 5.6.2", "NSA C-0055"},
			why: "Unconfined opens all system calls to the program, those too that nearly every escape from a container begins with.",
			fix: "Set seccompProfile.type: RuntimeDefault."},
		"seLinuxOptions": {name: "selinux", title: "label of SELinux that frees the container", field: context("seLinuxOptions"), standards: []string{"KSV-0025"},
			why: "A type, user or role of one's own takes the container out of the box that SELinux keeps it in.",
			fix: "Remove seLinuxOptions, or set one of the types container_t, container_init_t, container_kvm_t, container_engine_t."},
		"appArmorProfile": {name: "apparmor", title: "container without AppArmor", field: context("appArmorProfile", "type"), standards: []string{"KSV-0002"},
			why: "Unconfined takes away the profile that keeps the container from mounting file systems and writing to the kernel's settings.",
			fix: "Set appArmorProfile.type: RuntimeDefault."},
		"windowsHostProcess": {name: "hostprocess", title: "process of the Windows host", field: context("windowsOptions", "hostProcess"),
			why: "A HostProcess container runs on the host itself, with the rights of its account there.",
			fix: "Remove windowsOptions.hostProcess."},
		"hostProbesAndHostLifecycle": {name: "hostprobes", title: "probe or hook that names a host",
			why: "The kubelet sends the request from the node: a probe with a host lets a manifest reach what only nodes may.",
			fix: "Remove host from the probe or hook; without it the pod itself is asked."},
	}
}

func enforceRules() []check.Rule {
	return []check.Rule{{
		ID: "pss-enforce-lowered", Title: "namespace that enforces less than before", Severity: check.Warning,
		Why:       "The label decides what the API server lets in. Lowering it lifts the bar for everything in the namespace, and the rules on its pods keep silent with it.",
		Fix:       "Keep the label " + enforceLabel + " as it is, and move what needs more to a namespace of its own.",
		Standards: []string{"PSS"},
	}, {
		ID: "pss-enforce", Title: "namespace that does not enforce baseline", Severity: check.Off,
		Profiles:  map[check.Profile]check.Severity{check.Restricted: check.Warning, check.CIS: check.Warning, check.NSA: check.Warning},
		Why:       "Checks before a merge see what is in the repository. What comes by another way is stopped by the API server alone, and only where the namespace says so.",
		Fix:       "Label the namespace " + enforceLabel + ": restricted, or baseline.",
		Standards: []string{"CIS 5.2.1", "PSS"},
	}}
}

// judgeNamespace looks at what a namespace enforces, and compares it with what it did.
func judgeNamespace(repo *check.Repository, o *check.Object, report func(check.Finding)) {
	tell := func(rule, format string, args ...any) {
		report(check.Finding{Rule: rule, Object: o, Path: check.Join("metadata.labels", enforceLabel), Message: fmt.Sprintf(format, args...)})
	}
	is := enforced(check.MapAt(o.Object, "metadata", "labels"))
	if before := repo.Before(o); before != nil {
		if was := enforced(check.MapAt(before.Object, "metadata", "labels")); is < was {
			tell("pss-enforce-lowered", "namespace %s enforces %s, and enforced %s before", o.Ref.Name, is, was)
		}
	}
	if is < baseline {
		tell("pss-enforce", "namespace %s enforces %s", o.Ref.Name, is)
	}
}
