package check

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// clusterScoped lists the kinds of Kubernetes 1.37 that live in no namespace.
func clusterScoped() map[string][]string {
	return map[string][]string{
		"":                             {"ComponentStatus", "Namespace", "Node", "PersistentVolume"},
		"admissionregistration.k8s.io": {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"},
		"apiextensions.k8s.io":         {"CustomResourceDefinition"},
		"apiregistration.k8s.io":       {"APIService"},
		"authentication.k8s.io":        {"SelfSubjectReview", "TokenReview"},
		"authorization.k8s.io":         {"SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"},
		"certificates.k8s.io":          {"CertificateSigningRequest", "ClusterTrustBundle"},
		"flowcontrol.apiserver.k8s.io": {"FlowSchema", "PriorityLevelConfiguration"},
		"internal.apiserver.k8s.io":    {"StorageVersion"},
		"networking.k8s.io":            {"IPAddress", "IngressClass", "ServiceCIDR"},
		"node.k8s.io":                  {"RuntimeClass"},
		"policy":                       {"PodSecurityPolicy"},
		"rbac.authorization.k8s.io":    {"ClusterRole", "ClusterRoleBinding"},
		"resource.k8s.io":              {"DeviceClass", "DeviceTaintRule", "ResourceSlice"},
		"scheduling.k8s.io":            {"PriorityClass"},
		"storage.k8s.io":               {"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"},
		"storagemigration.k8s.io":      {"StorageVersionMigration"},
	}
}

// builtInGroups are the groups of Kubernetes that have no dot or do not end in .k8s.io.
func builtInGroups() []string {
	return []string{"", "apps", "autoscaling", "batch", "extensions", "policy"}
}

// Scopes tells where kinds live: built-in ones, and those that CustomResourceDefinitions define.
type Scopes struct {
	cluster map[string][]string
	custom  map[schema.GroupKind]bool
}

// NewScopes returns the scopes of the built-in kinds and of custom ones: true for those that live in a namespace.
func NewScopes(custom map[schema.GroupKind]bool) Scopes {
	return Scopes{cluster: clusterScoped(), custom: custom}
}

// Namespaced reports whether a kind lives in a namespace, and whether that is known.
func (s Scopes) Namespaced(gk schema.GroupKind) (namespaced, known bool) {
	if namespaced, known = s.custom[gk]; known {
		return namespaced, true
	}
	kinds, listed := s.cluster[gk.Group]
	if !listed && !slices.Contains(builtInGroups(), gk.Group) {
		switch gk.Group {
		case "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io":
		default:
			return false, false
		}
	}
	return !slices.Contains(kinds, gk.Kind), true
}
