package repair

import (
	"go.yaml.in/yaml/v3"
)

// replacement is an API version with the one that takes the same fields and means the same by them.
type replacement struct {
	from, to string
	kinds    []string
	// fits reports whether an object means the same in both; nil means always.
	fits func(root *yaml.Node) bool
}

// replacements are those of Kubernetes' guide to deprecated APIs in which no field was renamed, was given another default or
// became required. The others need a person.
func replacements() []replacement {
	return []replacement{
		{"batch/v1beta1", "batch/v1", []string{"CronJob"}, nil},
		// An empty selector selects nothing in v1beta1, and everything in v1.
		{"policy/v1beta1", "policy/v1", []string{"PodDisruptionBudget"}, func(root *yaml.Node) bool { s := at(root, "spec", "selector"); return s != nil && len(s.Content) > 0 }},
		{"autoscaling/v2beta2", "autoscaling/v2", []string{"HorizontalPodAutoscaler"}, nil},
		{"apps/v1beta2", "apps/v1", []string{"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"}, func(root *yaml.Node) bool { return at(root, "spec", "selector") != nil }},
		{"extensions/v1beta1", "networking.k8s.io/v1", []string{"NetworkPolicy"}, nil},
		{"networking.k8s.io/v1beta1", "networking.k8s.io/v1", []string{"IngressClass"}, nil},
		{"rbac.authorization.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1", []string{"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}, nil},
		{"scheduling.k8s.io/v1beta1", "scheduling.k8s.io/v1", []string{"PriorityClass"}, nil},
		{"coordination.k8s.io/v1beta1", "coordination.k8s.io/v1", []string{"Lease"}, nil},
		{"storage.k8s.io/v1beta1", "storage.k8s.io/v1", []string{"StorageClass"}, nil},
		{"node.k8s.io/v1beta1", "node.k8s.io/v1", []string{"RuntimeClass"}, nil},
		{"flowcontrol.apiserver.k8s.io/v1beta3", "flowcontrol.apiserver.k8s.io/v1", []string{"FlowSchema"}, nil},
		{"admissionregistration.k8s.io/v1beta1", "admissionregistration.k8s.io/v1", []string{"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}, nil},
	}
}
