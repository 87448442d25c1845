// Package admit makes of manifests what the API server holds when it asks policies: a manifest of a built-in kind goes in; the object
// with all defaults, in the version that the policy wants, comes out. It holds what else policies need of the API server itself.
package admit

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/admissionregistration"
	"k8s.io/kubernetes/pkg/apis/admissionregistration/validation"
	"k8s.io/kubernetes/pkg/generated/openapi"
)

// Server implements policy.Server with the code of the API server.
type Server struct{}

// Known reports whether a kind is built in.
func (Server) Known(gvk schema.GroupVersionKind) bool { return legacyscheme.Scheme.Recognizes(gvk) }

// Kinds are the built-in kinds, ordered.
func (Server) Kinds() []schema.GroupVersionKind {
	var out []schema.GroupVersionKind
	for gvk := range legacyscheme.Scheme.AllKnownTypes() {
		if gvk.Version != runtime.APIVersionInternal {
			out = append(out, gvk)
		}
	}
	slices.SortFunc(out, func(a, b schema.GroupVersionKind) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	return out
}

// Admitted returns a manifest of a built-in kind in version as, with the defaults of its own version and what the API server's own
// admission plugins add. The status of a manifest is dropped, as on creation.
func (Server) Admitted(manifest *unstructured.Unstructured, as schema.GroupVersionKind) (runtime.Object, error) {
	internal, err := decode(manifest)
	if err != nil {
		return nil, err
	}
	complete(internal)
	out, err := legacyscheme.Scheme.ConvertToVersion(internal, as.GroupVersion())
	if err != nil {
		return nil, fmt.Errorf("convert %s to %s: %w", manifest.GetKind(), as.GroupVersion(), err)
	}
	out.GetObjectKind().SetGroupVersionKind(as)
	return out, nil
}

// Refusals are what the API server says against an object of the group admissionregistration.k8s.io; nil for other kinds.
func (Server) Refusals(manifest *unstructured.Unstructured) field.ErrorList {
	internal, err := decode(manifest)
	if err != nil {
		return field.ErrorList{field.Invalid(nil, manifest.GetKind(), err.Error())}
	}
	switch o := internal.(type) {
	case *admissionregistration.ValidatingAdmissionPolicy:
		return validation.ValidateValidatingAdmissionPolicy(o)
	case *admissionregistration.ValidatingAdmissionPolicyBinding:
		return validation.ValidateValidatingAdmissionPolicyBinding(o)
	}
	return nil
}

// Schemas resolves the schemas of the built-in kinds.
func (Server) Schemas() resolver.SchemaResolver {
	return resolver.NewDefinitionsSchemaResolver(openapi.GetOpenAPIDefinitions, legacyscheme.Scheme)
}

// decode returns the object in the API server's internal version.
func decode(manifest *unstructured.Unstructured) (runtime.Object, error) {
	gvk := manifest.GroupVersionKind()
	typed, err := legacyscheme.Scheme.New(gvk)
	if err != nil {
		return nil, err
	}
	content := manifest.Object
	if _, has := content["status"]; has {
		content = make(map[string]any, len(manifest.Object))
		for k, v := range manifest.Object {
			if k != "status" {
				content[k] = v
			}
		}
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, typed); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", manifest.GetKind(), manifest.GetName(), err)
	}
	legacyscheme.Scheme.Default(typed)
	internal, err := legacyscheme.Scheme.New(schema.GroupVersionKind{Group: gvk.Group, Version: runtime.APIVersionInternal, Kind: gvk.Kind})
	if err != nil {
		return nil, err
	}
	if err := legacyscheme.Scheme.Convert(typed, internal, nil); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", manifest.GetKind(), manifest.GetName(), err)
	}
	return internal, nil
}
