package object

import (
	"fmt"
	"maps"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// These repeat names of api/v1alpha1, which is of the same rank; a test holds them equal.
const (
	annotationTrackingID     = "argocd.argoproj.io/tracking-id"
	annotationInstallationID = "argocd.argoproj.io/installation-id"
	labelInstance            = "app.kubernetes.io/instance"
)

// maxLabel is the longest label value that Kubernetes takes.
const maxLabel = 63

// Method says how an object is marked as an application's own (application.resourceTrackingMethod).
type Method string

// Tracking methods.
const (
	// ByAnnotation marks with the tracking id annotation; it is the default.
	ByAnnotation Method = "annotation"
	// ByLabel marks with the instance label only.
	ByLabel Method = "label"
	// ByAnnotationAndLabel marks with the annotation and adds the label for other tools; the annotation counts.
	ByAnnotationAndLabel Method = "annotation+label"
)

// ParseMethod returns the method of that name; the empty name is ByAnnotation.
func ParseMethod(name string) (Method, error) {
	switch m := Method(name); m {
	case "":
		return ByAnnotation, nil
	case ByAnnotation, ByLabel, ByAnnotationAndLabel:
		return m, nil
	}
	return "", fmt.Errorf("tracking method %q is none of %s, %s, %s", name, ByAnnotation, ByLabel, ByAnnotationAndLabel)
}

// AppName returns the name under which objects are tracked for the Application name in namespace: the bare name in
// the control plane's own namespace, <namespace>_<name> elsewhere.
func AppName(namespace, name, controlPlane string) string {
	if namespace == "" || namespace == controlPlane {
		return name
	}
	return namespace + "_" + name
}

// SplitAppName is the reverse of AppName.
func SplitAppName(app, controlPlane string) (namespace, name string) {
	// Neither namespaces nor Applications may have an underscore in their names.
	if ns, rest, ok := strings.Cut(app, "_"); ok {
		return ns, rest
	}
	return controlPlane, app
}

// TrackingID says which application an object belongs to and which object the id was written for.
type TrackingID struct {
	App string
	Ref Ref
}

// String returns <app>:<group>/<Kind>:<namespace>/<name>.
func (id TrackingID) String() string {
	r := id.Ref
	return id.App + ":" + r.Group + "/" + r.Kind + ":" + r.Namespace + "/" + r.Name
}

// ParseTrackingID reads the text form of a tracking id.
func ParseTrackingID(text string) (TrackingID, bool) {
	// Only the name may hold colons (RBAC objects do), so that the first two are the separators.
	app, rest, ok1 := strings.Cut(text, ":")
	kind, name, ok2 := strings.Cut(rest, ":")
	group, kind, ok3 := strings.Cut(kind, "/")
	namespace, name, ok4 := strings.Cut(name, "/")
	if !ok1 || !ok2 || !ok3 || !ok4 || app == "" || kind == "" || name == "" || strings.Contains(kind, "/") {
		return TrackingID{}, false
	}
	return TrackingID{App: app, Ref: Ref{Group: group, Kind: kind, Namespace: namespace, Name: name}}, true
}

// Tracking marks objects as an application's own and reads the marks. The zero value tracks by annotation.
type Tracking struct {
	Method Method
	// InstanceLabel is the label key of the label methods; empty means app.kubernetes.io/instance.
	InstanceLabel string
	// InstallationID tells several control planes apart that write to one cluster; empty when there is one.
	InstallationID string
}

func (t Tracking) labelKey() string {
	if t.InstanceLabel == "" {
		return labelInstance
	}
	return t.InstanceLabel
}

// Mark returns what Owner returns for objects of app: the name, which a label may hold only cut.
func (t Tracking) Mark(app string) string {
	if t.Method == ByLabel {
		return labelValue(app)
	}
	return app
}

// Tracked reports whether objects of that kind are marked at all. CustomResourceDefinitions never are, so that no
// sync can prune one and every object of its kind with it.
func Tracked(r Ref) bool {
	return r.Kind != "CustomResourceDefinition" || r.Group != "apiextensions.k8s.io"
}

// Set returns obj marked as one of app's. The result shares all but its metadata with obj, so neither may be changed
// below that. Namespace stands in the id for objects without one, as Argo CD writes it: the destination's.
// The error is about metadata that Kubernetes would refuse too.
func (t Tracking) Set(obj *unstructured.Unstructured, app, namespace string) (*unstructured.Unstructured, error) {
	ref := RefOf(obj)
	if !Tracked(ref) {
		return obj, nil
	}
	annotations, labels := map[string]string{}, map[string]string{}
	if t.Method != ByLabel {
		id := TrackingID{App: app, Ref: ref}
		if id.Ref.Namespace == "" {
			id.Ref.Namespace = namespace
		}
		annotations[annotationTrackingID] = id.String()
	}
	if t.InstallationID != "" {
		annotations[annotationInstallationID] = t.InstallationID
	}
	if t.Method == ByLabel || t.Method == ByAnnotationAndLabel {
		labels[t.labelKey()] = labelValue(app)
	}
	marked, err := withMetadata(obj, map[string]map[string]string{"annotations": annotations, "labels": labels})
	if err != nil {
		return nil, fmt.Errorf("mark %s as an object of application %s: %w", ref, app, err)
	}
	return marked, nil
}

// Owner returns the application that an object is marked for. A mark that was copied from another object together
// with the rest of its metadata, as many operators do, and one of another installation are no marks.
func (t Tracking) Owner(ref Ref, annotations, labels map[string]string) (app string, ok bool) {
	if !Tracked(ref) || annotations[annotationInstallationID] != t.InstallationID {
		return "", false
	}
	if t.Method == ByLabel {
		app = labels[t.labelKey()]
		return app, app != ""
	}
	id, ok := ParseTrackingID(annotations[annotationTrackingID])
	if !ok {
		return "", false
	}
	if ref.Namespace == "" {
		id.Ref.Namespace = "" // the destination's, see Set
	}
	if id.Ref != ref {
		return "", false
	}
	return id.App, true
}

// OwnerOf is Owner for a whole object.
func (t Tracking) OwnerOf(obj *unstructured.Unstructured) (app string, ok bool) {
	return t.Owner(RefOf(obj), obj.GetAnnotations(), obj.GetLabels())
}

// labelValue cuts app to a valid label value: at most 63 characters that end in a letter or digit.
func labelValue(app string) string {
	if len(app) <= maxLabel {
		return app
	}
	return strings.TrimRight(app[:maxLabel], "-_.")
}

// withMetadata returns obj with the entries of each map laid over the map of that name in metadata.
func withMetadata(obj *unstructured.Unstructured, over map[string]map[string]string) (*unstructured.Unstructured, error) {
	old, ok := obj.Object["metadata"].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("metadata is not an object")
	}
	meta := maps.Clone(old)
	for _, name := range []string{"annotations", "labels"} {
		if len(over[name]) == 0 {
			continue
		}
		merged := map[string]any{}
		switch have := old[name].(type) {
		case nil:
		case map[string]any:
			maps.Copy(merged, have)
		default:
			return nil, fmt.Errorf("metadata.%s is not an object", name)
		}
		for key, value := range over[name] {
			merged[key] = value
		}
		meta[name] = merged
	}
	content := maps.Clone(obj.Object)
	content["metadata"] = meta
	return &unstructured.Unstructured{Object: content}, nil
}
