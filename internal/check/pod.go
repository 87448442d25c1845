package check

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Pod is the pod that an object is, or makes.
type Pod struct {
	// Path is where the pod's metadata and spec are: empty for a Pod, spec.template for a Deployment.
	Path string
	// Metadata and Spec are as in the object; Spec is never nil.
	Metadata, Spec map[string]any
}

// PodOf returns the pod that an object is or makes, nil if there is none. Custom kinds are not looked into.
func PodOf(o *unstructured.Unstructured) *Pod {
	gk := o.GroupVersionKind().GroupKind()
	var path []string
	switch gk.Group + "/" + gk.Kind {
	case "/Pod":
	case "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet", "batch/Job", "/ReplicationController":
		path = []string{"spec", "template"}
	case "batch/CronJob":
		path = []string{"spec", "jobTemplate", "spec", "template"}
	case "/PodTemplate":
		path = []string{"template"}
	default:
		return nil
	}
	template, ok, err := unstructured.NestedFieldNoCopy(o.Object, path...)
	at, isMap := template.(map[string]any)
	if !ok || err != nil || !isMap {
		return nil
	}
	p := &Pod{Path: Join("", path...)}
	p.Metadata, _ = at["metadata"].(map[string]any)
	if p.Spec, _ = at["spec"].(map[string]any); p.Spec == nil {
		return nil
	}
	return p
}

// Container is one container of a Pod.
type Container struct {
	// Path is where it is in the object: spec.template.spec.containers[name=app].
	Path string
	Name string
	// Init and Ephemeral tell the lists apart.
	Init, Ephemeral bool
	Fields          map[string]any
}

// Containers returns the containers of all lists, in order.
func (p *Pod) Containers() (out []Container) {
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		elements, _ := p.Spec[list].([]any)
		for i, e := range elements {
			fields, ok := e.(map[string]any)
			if !ok {
				continue
			}
			name, _ := fields["name"].(string)
			out = append(out, Container{Path: Join(p.Path, "spec", list, Element(i, "name", name)), Name: name,
				Init: list == "initContainers", Ephemeral: list == "ephemeralContainers", Fields: fields})
		}
	}
	return out
}
