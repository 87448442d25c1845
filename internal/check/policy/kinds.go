package policy

import (
	"fmt"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"

	"github.com/belaycd/belay/internal/check"
)

// kinds tells which resource a kind is, and what the server makes of an object: built-in kinds, those that
// CustomResourceDefinitions define, and for all others a plural by the rules of English.
type kinds struct {
	server Server
	custom map[schema.GroupKind]*customKind
	mapper runtime.EquivalentResourceMapper
	scopes check.Scopes
}

// customKind is what a CustomResourceDefinition says.
type customKind struct {
	plural     string
	namespaced bool
	// webhook says that a program converts between versions, which cannot run here.
	webhook bool
	schemas map[string]*structural.Structural
}

// twins are the built-in resources that are served in several versions, which a policy of matchPolicy Equivalent sees as one.
func twins() map[string][]schema.GroupVersionKind {
	return map[string][]schema.GroupVersionKind{
		"horizontalpodautoscalers": {{Group: "autoscaling", Version: "v1", Kind: "HorizontalPodAutoscaler"}, {Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}},
		"events":                   {{Version: "v1", Kind: "Event"}, {Group: "events.k8s.io", Version: "v1", Kind: "Event"}},
	}
}

func newKinds(server Server, definitions []*unstructured.Unstructured) *kinds {
	k := &kinds{server: server, custom: map[schema.GroupKind]*customKind{}}
	mapper := runtime.NewEquivalentResourceRegistryWithIdentity(func(r schema.GroupResource) string {
		if r.Group == "events.k8s.io" && r.Resource == "events" { // the same storage
			return "/events"
		}
		return r.Group + "/" + r.Resource
	})
	for plural, versions := range twins() {
		for _, gvk := range versions {
			mapper.RegisterKindFor(gvk.GroupVersion().WithResource(plural), "", gvk)
		}
	}
	scopes := map[schema.GroupKind]bool{}
	for _, u := range definitions {
		gk, c := readCustom(u)
		if c == nil {
			continue
		}
		k.custom[gk] = c
		scopes[gk] = c.namespaced
		for version := range c.schemas {
			gv := schema.GroupVersion{Group: gk.Group, Version: version}
			mapper.RegisterKindFor(gv.WithResource(c.plural), "", gv.WithKind(gk.Kind))
		}
	}
	k.mapper, k.scopes = mapper, check.NewScopes(scopes)
	return k
}

// readCustom reads a CustomResourceDefinition; nil for one that cannot be read, which other checks tell about.
func readCustom(u *unstructured.Unstructured) (schema.GroupKind, *customKind) {
	var crd apiextensionsv1.CustomResourceDefinition
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &crd); err != nil {
		return schema.GroupKind{}, nil
	}
	gk := schema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind}
	c := &customKind{plural: crd.Spec.Names.Plural, namespaced: crd.Spec.Scope == apiextensionsv1.NamespaceScoped, schemas: map[string]*structural.Structural{},
		webhook: crd.Spec.Conversion != nil && crd.Spec.Conversion.Strategy == apiextensionsv1.WebhookConverter}
	for _, v := range crd.Spec.Versions {
		if v.Served {
			c.schemas[v.Name] = readSchema(v.Schema)
		}
	}
	return gk, c
}

func readSchema(v *apiextensionsv1.CustomResourceValidation) *structural.Structural {
	if v == nil || v.OpenAPIV3Schema == nil {
		return nil
	}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(v.OpenAPIV3Schema, &internal, nil); err != nil {
		return nil
	}
	s, err := structural.NewStructural(&internal)
	if err != nil {
		return nil
	}
	return s
}

// resource returns the resource of a kind.
func (k *kinds) resource(gvk schema.GroupVersionKind) schema.GroupVersionResource {
	if c := k.custom[gvk.GroupKind()]; c != nil {
		return gvk.GroupVersion().WithResource(c.plural)
	}
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return plural
}

// namespace returns the namespace that an object goes to: default for one that lives in a namespace and names none. A Namespace is
// in itself, as the server has it.
func (k *kinds) namespace(u *unstructured.Unstructured) string {
	gk := u.GroupVersionKind().GroupKind()
	if gk == (schema.GroupKind{Kind: "Namespace"}) {
		return u.GetName()
	}
	namespaced, known := k.scopes.Namespaced(gk)
	switch {
	case known && !namespaced:
		return ""
	case known && u.GetNamespace() == "":
		return "default"
	}
	return u.GetNamespace()
}

// admitted returns an object as the server holds it when it asks policies, in version as.
func (k *kinds) admitted(u *unstructured.Unstructured, as schema.GroupVersionKind) (runtime.Object, error) {
	gvk := u.GroupVersionKind()
	if k.server.Known(gvk) {
		return k.server.Admitted(u, as)
	}
	c := k.custom[gvk.GroupKind()]
	if gvk != as && (c == nil || c.webhook) {
		return nil, fmt.Errorf("the policy is about %s, and only the cluster can convert %s to it", as.GroupVersion(), gvk.GroupVersion())
	}
	out := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(u.Object)}
	delete(out.Object, "status")
	k.complete(out, gvk.Version)
	out.SetGroupVersionKind(as)
	if gvk != as {
		k.complete(out, as.Version)
	}
	return out, nil
}

// complete takes out of a custom object what its schema does not have and adds the defaults.
func (k *kinds) complete(u *unstructured.Unstructured, version string) {
	c := k.custom[u.GroupVersionKind().GroupKind()]
	if c == nil || c.schemas[version] == nil {
		return
	}
	pruning.Prune(u.Object, c.schemas[version], true)
	defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, c.schemas[version])
	defaulting.Default(u.Object, c.schemas[version])
}

// interfaces is what matching asks about kinds; conversions go through kinds.admitted.
type interfaces struct {
	admission.ObjectInterfaces
	mapper runtime.EquivalentResourceMapper
}

func (i interfaces) GetEquivalentResourceMapper() runtime.EquivalentResourceMapper { return i.mapper }
