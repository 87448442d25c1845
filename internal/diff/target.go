package diff

import (
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// Scope says whether a kind is namespaced; known is false for kinds that neither the cluster nor the manifests define.
type Scope func(gvk schema.GroupVersionKind) (namespaced, known bool)

// Targets is the set of desired objects of an application, ready to compare and to apply.
type Targets struct {
	Objects []Target
	// Repeated names objects that occurred more than once; the last one is kept.
	Repeated []object.Ref
	// Hooks are objects that only run during a sync or a deletion; they are no part of the comparison. They have their
	// namespace, and neither a generated name nor tracking yet: both depend on the operation.
	Hooks []*unstructured.Unstructured
}

// Target is one desired object and the hash of its content.
type Target struct {
	Ref    object.Ref
	Object *unstructured.Unstructured
	Hash   string
}

// TargetOptions are the inputs of NewTargets besides the manifests.
type TargetOptions struct {
	// Namespace is the destination namespace, given to namespaced objects that name none.
	Namespace string
	Scope     Scope
	// KeepsStatus reports whether the status that a manifest of the kind has is applied; nil means never.
	KeepsStatus func(gk schema.GroupKind) bool
	// Track marks a copy of the object as belonging to the application and returns it.
	Track func(*unstructured.Unstructured) (*unstructured.Unstructured, error)
}

// NewTargets post-processes manifests as Argo CD does: namespaces are filled in or blanked, tracking is written, hooks
// are set apart, and on equal identities the last one wins. The manifests are not changed. A namespaced object
// that ends without namespace is an error of kind Invalid.
func NewTargets(manifests []*unstructured.Unstructured, opts TargetOptions) (Targets, error) {
	var out Targets
	crds := definedScopes(manifests)
	index := make(map[object.Ref]int, len(manifests))
	for _, m := range manifests {
		u, err := prepare(m, opts, crds)
		if err != nil {
			return Targets{}, err
		}
		if IsHook(m) {
			out.Hooks = append(out.Hooks, u)
			continue
		}
		if u, err = opts.Track(u); err != nil {
			return Targets{}, err
		}
		t := Target{Ref: object.RefOf(u), Object: u, Hash: object.Hash(u.Object)}
		if at, dup := index[t.Ref]; dup {
			out.Objects[at] = t
			out.Repeated = append(out.Repeated, t.Ref)
			continue
		}
		index[t.Ref] = len(out.Objects)
		out.Objects = append(out.Objects, t)
	}
	return out, nil
}

func prepare(m *unstructured.Unstructured, opts TargetOptions, crds map[schema.GroupKind]bool) (*unstructured.Unstructured, error) {
	u := m.DeepCopy()
	gvk := u.GroupVersionKind()
	namespaced, known := opts.Scope(gvk)
	if !known {
		namespaced, known = crds[gvk.GroupKind()]
	}
	switch {
	case known && !namespaced:
		u.SetNamespace("")
	case u.GetNamespace() == "":
		// A kind that nobody knows is most likely namespaced; the server has the last word.
		u.SetNamespace(opts.Namespace)
		if known && u.GetNamespace() == "" {
			return nil, fault.New(fault.Invalid, "Namespace for %s %s is missing.", u.GetName(), gvk.String())
		}
	}
	if gvk.Group == "" && gvk.Kind == "Secret" {
		if err := mergeStringData(u); err != nil {
			return nil, fault.New(fault.Invalid, "read %s: %w", object.RefOf(u), err)
		}
	}
	if opts.KeepsStatus == nil || !opts.KeepsStatus(gvk.GroupKind()) {
		unstructured.RemoveNestedField(u.Object, "status")
	}
	leaveToAggregation(u)
	if builtIn(gvk.Group) {
		withoutRepeats(u.Object["spec"])
	}
	unstructured.RemoveNestedField(u.Object, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(u.Object, "metadata", "managedFields")
	unstructured.RemoveNestedField(u.Object, "metadata", "resourceVersion")
	unstructured.RemoveNestedField(u.Object, "metadata", "uid")
	return u, nil
}

// leaveToAggregation takes the rules out of a ClusterRole that is aggregated from others: the control plane overwrites
// them, whatever Git says, so that they would differ for ever.
func leaveToAggregation(u *unstructured.Unstructured) {
	gvk := u.GroupVersionKind()
	if gvk.Group != "rbac.authorization.k8s.io" || gvk.Kind != "ClusterRole" {
		return
	}
	if selectors, _, err := unstructured.NestedSlice(u.Object, "aggregationRule", "clusterRoleSelectors"); err == nil && len(selectors) > 0 {
		unstructured.RemoveNestedField(u.Object, "rules")
	}
}

// mergeStringData turns stringData into data, which is what the server stores: server-side apply of stringData
// never removes a key that has left it.
func mergeStringData(u *unstructured.Unstructured) error {
	text, found := u.Object["stringData"]
	if !found {
		return nil
	}
	plain, ok := text.(map[string]any)
	if !ok && text != nil {
		return fmt.Errorf("stringData is not a map of strings")
	}
	delete(u.Object, "stringData")
	if len(plain) == 0 {
		return nil
	}
	data, ok := u.Object["data"].(map[string]any)
	if !ok && u.Object["data"] != nil {
		return fmt.Errorf("data is not a map of strings")
	}
	if data == nil {
		data = map[string]any{}
	}
	for k, v := range plain {
		s, ok := v.(string)
		if !ok && v != nil {
			return fmt.Errorf("stringData.%s is not a string", k)
		}
		data[k] = base64.StdEncoding.EncodeToString([]byte(s))
	}
	u.Object["data"] = data
	return nil
}

// definedScopes returns the scope of the kinds that CustomResourceDefinitions among the manifests define.
func definedScopes(manifests []*unstructured.Unstructured) map[schema.GroupKind]bool {
	out := map[schema.GroupKind]bool{}
	for _, m := range manifests {
		if gk, namespaced, ok := DefinedKind(m); ok {
			out[gk] = namespaced
		}
	}
	return out
}

// DefinedKind returns the kind that a CustomResourceDefinition defines and whether it is namespaced.
func DefinedKind(u *unstructured.Unstructured) (gk schema.GroupKind, namespaced, ok bool) {
	if u.GroupVersionKind().GroupKind() != (schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}) {
		return schema.GroupKind{}, false, false
	}
	group, _, gerr := unstructured.NestedString(u.Object, "spec", "group")
	kind, _, kerr := unstructured.NestedString(u.Object, "spec", "names", "kind")
	scope, _, serr := unstructured.NestedString(u.Object, "spec", "scope")
	if gerr != nil || kerr != nil || serr != nil || kind == "" {
		return schema.GroupKind{}, false, false
	}
	return schema.GroupKind{Group: group, Kind: kind}, scope != "Cluster", true
}

// ServedVersions returns the versions at which a CustomResourceDefinition has its kind served.
func ServedVersions(crd *unstructured.Unstructured) []string {
	versions, _, err := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if err != nil {
		return nil // the server refuses such a definition
	}
	var out []string
	for _, v := range versions {
		m, ok := v.(map[string]any)
		if name, isText := m["name"].(string); ok && isText && m["served"] == true {
			out = append(out, name)
		}
	}
	return out
}
