package native

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/resource"
	"k8s.io/pod-security-admission/api"
)

// prepare does to a new object what the API server does outside of its strategy.
func prepare(obj runtime.Object) {
	switch o := obj.(type) {
	case *core.Service:
		if o.Spec.ClusterIP != "" && len(o.Spec.ClusterIPs) == 0 {
			o.Spec.ClusterIPs = []string{o.Spec.ClusterIP}
		}
		if o.Spec.Type == core.ServiceTypeLoadBalancer && o.Spec.ExternalTrafficPolicy == core.ServiceExternalTrafficPolicyLocal && o.Spec.HealthCheckNodePort == 0 {
			o.Spec.HealthCheckNodePort = placeholderPort
		}
	case *resource.ResourceClaim:
		withoutAdminAccess(o.Spec.Devices.Requests)
	case *resource.ResourceClaimTemplate:
		withoutAdminAccess(o.Spec.Spec.Devices.Requests)
	}
}

// withoutAdminAccess takes out what only the labels of the namespace in the cluster could allow.
func withoutAdminAccess(requests []resource.DeviceRequest) {
	for i := range requests {
		if requests[i].Exactly != nil {
			requests[i].Exactly.AdminAccess = nil
		}
	}
}

// placeholder and placeholderPort are an address and a port as the cluster gives them to a Service.
const (
	placeholder     = "10.96.0.10"
	placeholderPort = 32000
)

// admission is what the admission plugins that every API server runs say of an object, as far as it tells by itself.
func admission(obj runtime.Object) field.ErrorList {
	if ns, ok := obj.(*core.Namespace); ok {
		_, errs := api.PolicyToEvaluate(ns.Labels, api.Policy{})
		return errs
	}
	return nil
}

// live gives an object what a cluster would have given it since it was created, and a change of it what it would inherit.
func live(was, now runtime.Object) {
	switch old := was.(type) {
	case *core.Service:
		next, ok := now.(*core.Service)
		if !ok || old.Spec.Type == core.ServiceTypeExternalName || old.Spec.ClusterIP != "" {
			return
		}
		allocate(old)
		if next.Spec.ClusterIP == "" && next.Spec.Type != core.ServiceTypeExternalName {
			allocate(next)
		}
	case *core.PersistentVolumeClaim:
		// A claim that is not bound could not grow, and one without a capacity could shrink.
		old.Status.Phase, old.Status.Capacity = core.ClaimBound, old.Spec.Resources.Requests
		if next, ok := now.(*core.PersistentVolumeClaim); ok {
			next.Status = old.Status
			if next.Spec.VolumeName == "" {
				next.Spec.VolumeName = old.Spec.VolumeName
			}
		}
	}
}

func allocate(s *core.Service) {
	s.Spec.ClusterIP, s.Spec.ClusterIPs = placeholder, []string{placeholder}
	if len(s.Spec.IPFamilies) == 0 {
		s.Spec.IPFamilies = []core.IPFamily{core.IPv4Protocol}
	}
	if s.Spec.IPFamilyPolicy == nil {
		single := core.IPFamilyPolicySingleStack
		s.Spec.IPFamilyPolicy = &single
	}
}

// recreated reports whether a sync deletes the object and creates it anew instead of changing it: hooks, and what asks for it.
func recreated(u *unstructured.Unstructured) bool {
	annotations := u.GetAnnotations()
	if annotations["argocd.argoproj.io/hook"] != "" || annotations["helm.sh/hook"] != "" {
		return true
	}
	options := strings.Split(annotations["argocd.argoproj.io/sync-options"], ",")
	for i := range options {
		options[i] = strings.TrimSpace(options[i])
	}
	return slices.Contains(options, "Force=true")
}
