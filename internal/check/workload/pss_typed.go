package workload

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/belaycd/belay/internal/check"
)

// typed returns what Pod Security reads of a pod: to convert all of it would cost more than to judge it. Of the defaults of the
// API server only that of a volume without a source changes a verdict: host ports on the network of the host come near, and are
// refused by that network.
func typed(p *check.Pod) (*metav1.ObjectMeta, *corev1.PodSpec, error) {
	meta, spec := &metav1.ObjectMeta{}, &corev1.PodSpec{}
	for k, v := range check.MapAt(p.Metadata, "annotations") {
		if text, ok := v.(string); ok {
			if meta.Annotations == nil {
				meta.Annotations = map[string]string{}
			}
			meta.Annotations[k] = text
		}
	}
	if quick, ok := quickly(p); ok {
		return meta, quick, nil
	}
	err := convert(p, spec)
	return meta, spec, err
}

// convert reads any pod by the types of Kubernetes.
func convert(p *check.Pod, spec *corev1.PodSpec) error {
	lean := pick(p.Spec, "securityContext", "hostNetwork", "hostPID", "hostIPC", "hostUsers", "os", "volumes")
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		v, ok := p.Spec[list]
		if !ok {
			continue
		}
		containers, ok := v.([]any)
		if !ok {
			lean[list] = v // the conversion says what is wrong
			continue
		}
		out := make([]any, len(containers))
		for i, c := range containers {
			out[i] = leanContainer(c)
		}
		lean[list] = out
	}
	if volumes, ok := lean["volumes"].([]any); ok {
		out := make([]any, len(volumes))
		for i, v := range volumes {
			out[i] = leanVolume(v)
		}
		lean["volumes"] = out
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(lean, spec)
}

// pick returns the fields of those names.
func pick(from map[string]any, keys ...string) map[string]any {
	out := make(map[string]any, len(keys))
	for _, key := range keys {
		if v, ok := from[key]; ok {
			out[key] = v
		}
	}
	return out
}

func leanContainer(v any) any {
	fields, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := pick(fields, "name", "securityContext")
	if ports, ok := fields["ports"].([]any); ok {
		for _, port := range ports {
			if m, ok := port.(map[string]any); ok && m["hostPort"] != nil {
				out["ports"] = ports
			}
		}
	}
	for _, probe := range []string{"livenessProbe", "readinessProbe", "startupProbe"} {
		if lean := leanHandler(fields[probe]); lean != nil {
			out[probe] = lean
		}
	}
	for _, hook := range []string{"postStart", "preStop"} {
		if lean := leanHandler(check.At(fields, "lifecycle", hook)); lean != nil {
			if out["lifecycle"] == nil {
				out["lifecycle"] = map[string]any{}
			}
			out["lifecycle"].(map[string]any)[hook] = lean
		}
	}
	return out
}

// leanHandler keeps the host that a probe or a hook names, nil if it names none.
func leanHandler(v any) any {
	fields, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for _, kind := range []string{"httpGet", "tcpSocket"} {
		if host := check.At(fields, kind, "host"); host != nil {
			out[kind] = map[string]any{"host": host}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// leanVolume keeps the type of a volume, and what is in a path of the host.
func leanVolume(v any) any {
	fields, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := make(map[string]any, 2)
	for key, value := range fields {
		if value == nil {
			continue
		}
		if _, ok := value.(map[string]any); ok && key != "hostPath" {
			value = map[string]any{}
		}
		out[key] = value
	}
	if _, named := out["name"]; len(out) == 0 || named && len(out) == 1 {
		out["emptyDir"] = map[string]any{} // as the API server does where no source is named
	}
	return out
}
