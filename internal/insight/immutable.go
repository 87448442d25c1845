package insight

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/object"
)

// immutable tells of fields that the API server lets nobody change, whatever the rest of the object is: the sync would fail,
// or delete the object and make it anew.
func (j *judged) immutable(add addWarning) {
	var fields []string
	for _, c := range j.Changes {
		if j.fixed(c) {
			fields = append(fields, c.Path)
		}
	}
	if len(fields) == 0 {
		return
	}
	then := "the sync would fail; delete the object first, or sync it with Force=true,Replace=true"
	switch {
	case j.Ref.Kind == "PersistentVolumeClaim" && slices.ContainsFunc(j.Changes, shrinks):
		then = "the sync would fail, because the storage of a claim can only grow"
	case j.recreates():
		then = "the sync would delete it and make it anew"
	}
	add(Danger, ImmutableField, "%s cannot be changed in place (%s): %s", j.name(), strings.Join(fields, ", "), then)
}

func (j *judged) recreates() bool {
	force := j.opts.Force || apply.HasOption(j.Desired, "Force", "true")
	return force && (j.opts.Replace || apply.HasOption(j.Desired, "Replace", "true"))
}

// fixed reports whether a field can never change once the object is there. The rules are those of Kubernetes' validation of
// updates.
func (j *judged) fixed(c object.Change) bool {
	live := j.Live.Object.Object
	in := func(paths ...string) bool {
		return slices.ContainsFunc(paths, func(p string) bool { return c.Path == p || within(c.Path, p) })
	}
	switch j.Ref.GroupKind().String() {
	case "Service":
		// A cluster IP may be given up together with the type, and may be set where there is none.
		return c.Live != nil && c.Desired != nil && in("spec.clusterIP", "spec.clusterIPs")
	case "Deployment.apps", "ReplicaSet.apps", "DaemonSet.apps":
		return in("spec.selector")
	case "StatefulSet.apps":
		return in("spec") && !in("spec.replicas", "spec.ordinals", "spec.template", "spec.updateStrategy", "spec.revisionHistoryLimit",
			"spec.persistentVolumeClaimRetentionPolicy", "spec.minReadySeconds")
	case "Job.batch":
		suspended, _, err := unstructured.NestedBool(live, "spec", "suspend")
		return in("spec.selector", "spec.completionMode", "spec.podFailurePolicy", "spec.successPolicy", "spec.backoffLimitPerIndex", "spec.managedBy") ||
			in("spec.template") && (err != nil || !suspended)
	case "PersistentVolumeClaim":
		return in("spec") && !in("spec.resources", "spec.volumeAttributesClassName") || shrinks(c)
	case "ConfigMap":
		return in("data", "binaryData", "immutable") && frozen(live)
	case "Secret":
		return in("type") || in("data", "immutable") && frozen(live)
	case "RoleBinding.rbac.authorization.k8s.io", "ClusterRoleBinding.rbac.authorization.k8s.io":
		return in("roleRef")
	case "StorageClass.storage.k8s.io":
		return in("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")
	case "CustomResourceDefinition.apiextensions.k8s.io":
		return in("spec.group", "spec.scope", "spec.names.kind", "spec.names.plural")
	case "IngressClass.networking.k8s.io":
		return in("spec.controller")
	case "PriorityClass.scheduling.k8s.io":
		return in("value", "preemptionPolicy")
	}
	return false
}

// within reports whether a path lies below a field.
func within(path, field string) bool {
	rest, found := strings.CutPrefix(path, field)
	return found && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// frozen reports whether a ConfigMap or Secret is declared immutable.
func frozen(live map[string]any) bool {
	v, _ := live["immutable"].(bool)
	return v
}

// shrinks reports whether a claim would ask for less storage than it has, which is refused.
func shrinks(c object.Change) bool {
	if c.Path != "spec.resources.requests.storage" {
		return false
	}
	have, err := resource.ParseQuantity(textOf(c.Live))
	if err != nil {
		return false
	}
	want, err := resource.ParseQuantity(textOf(c.Desired))
	return err == nil && want.Cmp(have) < 0
}
