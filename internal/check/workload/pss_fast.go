package workload

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/internal/check"
)

// reader reads pods of the common shape in a tenth of the time that a conversion by reflection takes. It gives up at the first thing
// that it does not know, of a type that it does not expect, or that is rare: conversion then decides.
type reader struct{ gaveUp bool }

// quickly returns the spec of a pod, and whether all of it was read.
func quickly(p *check.Pod) (*corev1.PodSpec, bool) {
	r := &reader{}
	spec := &corev1.PodSpec{HostNetwork: isTrue(r.flag(p.Spec, "hostNetwork")), HostPID: isTrue(r.flag(p.Spec, "hostPID")), HostIPC: isTrue(r.flag(p.Spec, "hostIPC"))}
	if p.Spec["os"] != nil || p.Spec["hostUsers"] != nil || p.Spec["ephemeralContainers"] != nil {
		return nil, false
	}
	if c := r.mapping(p.Spec, "securityContext"); c != nil {
		r.only(c, "runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy", "supplementalGroups", "supplementalGroupsPolicy", "seccompProfile")
		spec.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: r.flag(c, "runAsNonRoot"), RunAsUser: r.number(c, "runAsUser"), SeccompProfile: r.seccomp(c)}
	}
	for _, v := range r.list(p.Spec, "volumes") {
		spec.Volumes = append(spec.Volumes, r.volume(v))
	}
	for _, c := range r.list(p.Spec, "initContainers") {
		spec.InitContainers = append(spec.InitContainers, r.container(c))
	}
	for _, c := range r.list(p.Spec, "containers") {
		spec.Containers = append(spec.Containers, r.container(c))
	}
	return spec, !r.gaveUp
}

func isTrue(b *bool) bool { return b != nil && *b }

// only gives up on keys besides those.
func (r *reader) only(m map[string]any, keys ...string) {
	known := 0
	for _, key := range keys {
		if _, ok := m[key]; ok {
			known++
		}
	}
	r.gaveUp = r.gaveUp || known != len(m)
}

func (r *reader) mapping(m map[string]any, key string) map[string]any {
	v, ok := m[key].(map[string]any)
	r.gaveUp = r.gaveUp || !ok && m[key] != nil
	return v
}

func (r *reader) list(m map[string]any, key string) []any {
	v, ok := m[key].([]any)
	r.gaveUp = r.gaveUp || !ok && m[key] != nil
	return v
}

func (r *reader) flag(m map[string]any, key string) *bool {
	v, ok := m[key].(bool)
	if !ok {
		r.gaveUp = r.gaveUp || m[key] != nil
		return nil
	}
	return &v
}

func (r *reader) number(m map[string]any, key string) *int64 {
	v, ok := m[key].(int64)
	if !ok {
		r.gaveUp = r.gaveUp || m[key] != nil
		return nil
	}
	return &v
}

func (r *reader) text(m map[string]any, key string) string {
	v, ok := m[key].(string)
	r.gaveUp = r.gaveUp || !ok && m[key] != nil
	return v
}

func (r *reader) seccomp(context map[string]any) *corev1.SeccompProfile {
	profile := r.mapping(context, "seccompProfile")
	if profile == nil {
		return nil
	}
	return &corev1.SeccompProfile{Type: corev1.SeccompProfileType(r.text(profile, "type"))}
}

func (r *reader) names(m map[string]any, key string) (out []corev1.Capability) {
	for _, v := range r.list(m, key) {
		name, ok := v.(string)
		r.gaveUp = r.gaveUp || !ok
		out = append(out, corev1.Capability(name))
	}
	return out
}

func (r *reader) container(v any) (out corev1.Container) {
	m, ok := v.(map[string]any)
	if !ok {
		r.gaveUp = true
		return out
	}
	out.Name = r.text(m, "name")
	if r.usesHost(m) {
		r.gaveUp = true
		return out
	}
	c := r.mapping(m, "securityContext")
	if c == nil {
		return out
	}
	r.only(c, "privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "runAsNonRoot", "runAsUser", "runAsGroup", "capabilities", "seccompProfile")
	out.SecurityContext = &corev1.SecurityContext{Privileged: r.flag(c, "privileged"), AllowPrivilegeEscalation: r.flag(c, "allowPrivilegeEscalation"),
		RunAsNonRoot: r.flag(c, "runAsNonRoot"), RunAsUser: r.number(c, "runAsUser"), SeccompProfile: r.seccomp(c)}
	if capabilities := r.mapping(c, "capabilities"); capabilities != nil {
		out.SecurityContext.Capabilities = &corev1.Capabilities{Add: r.names(capabilities, "add"), Drop: r.names(capabilities, "drop")}
	}
	return out
}

// usesHost reports whether ports, probes or hooks of a container may name the host.
func (r *reader) usesHost(m map[string]any) bool {
	for _, v := range r.list(m, "ports") {
		if port, ok := v.(map[string]any); !ok || port["hostPort"] != nil {
			return true
		}
	}
	for _, probe := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
		if leanHandler(m[probe]) != nil {
			return true
		}
	}
	return m["lifecycle"] != nil
}

func (r *reader) volume(v any) (out corev1.Volume) {
	m, ok := v.(map[string]any)
	if !ok || len(m) != 2 {
		r.gaveUp = true
		return out
	}
	out.Name = r.text(m, "name")
	for key, value := range m {
		if _, ok := value.(map[string]any); !ok && key != "name" {
			r.gaveUp = true
		}
		switch key {
		case "name":
		case "emptyDir":
			out.EmptyDir = &corev1.EmptyDirVolumeSource{}
		case "configMap":
			out.ConfigMap = &corev1.ConfigMapVolumeSource{}
		case "secret":
			out.Secret = &corev1.SecretVolumeSource{}
		case "projected":
			out.Projected = &corev1.ProjectedVolumeSource{}
		case "persistentVolumeClaim":
			out.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{}
		default:
			r.gaveUp = true
		}
	}
	return out
}
