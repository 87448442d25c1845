package schema

import (
	"fmt"
	"slices"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	"k8s.io/apimachinery/pkg/runtime"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/belaycd/belay/internal/check"
)

// definition is a CustomResourceDefinition of the repository. Its versions are compiled when an object asks for them.
type definition struct {
	object   *check.Object
	crd      *apiextensionsv1.CustomResourceDefinition
	mu       sync.Mutex
	versions map[string]*version
}

// version is a compiled version of a definition.
type version struct {
	strategy   strategy
	structural *schema.Structural
	// err says why it cannot judge: the definition itself is refused.
	err error
}

// strategy is what the API server asks about a custom resource before it stores it.
type strategy interface {
	rest.RESTCreateStrategy
	rest.RESTUpdateStrategy
}

// definitions are those of a repository by the kind that they define; a kind may be defined by several units.
type definitions map[runtimeschema.GroupKind][]*definition

func define(repo *check.Repository) definitions {
	out := definitions{}
	if repo == nil {
		return out
	}
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			if o.GroupVersionKind() != apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition") {
				continue
			}
			crd := &apiextensionsv1.CustomResourceDefinition{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, crd); err != nil {
				continue // the rules of the API server say so
			}
			gk := runtimeschema.GroupKind{Group: crd.Spec.Group, Kind: crd.Spec.Names.Kind}
			out[gk] = append(out[gk], &definition{object: o, crd: crd, versions: map[string]*version{}})
		}
	}
	return out
}

// of returns the definition of an object's kind, nil if there is none: that of its own unit, else of its own cluster, else any.
func (d definitions) of(o *check.Object) *definition {
	all := d[o.GroupVersionKind().GroupKind()]
	for _, near := range []func(*definition) bool{
		func(def *definition) bool { return def.object.Unit.Name == o.Unit.Name },
		func(def *definition) bool { return def.object.Unit.Cluster == o.Unit.Cluster },
		func(*definition) bool { return true },
	} {
		if i := slices.IndexFunc(all, near); i >= 0 {
			return all[i]
		}
	}
	return nil
}

// served are the versions that can be used.
func (d *definition) served() (out []string) {
	for i := range d.crd.Spec.Versions {
		if d.crd.Spec.Versions[i].Served {
			out = append(out, d.crd.Spec.Versions[i].Name)
		}
	}
	return out
}

// version returns a compiled version, nil if the definition does not serve it.
func (d *definition) version(name string) *version {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v, ok := d.versions[name]; ok {
		return v
	}
	var v *version
	for i := range d.crd.Spec.Versions {
		if spec := &d.crd.Spec.Versions[i]; spec.Name == name && spec.Served {
			v = compile(d.crd, spec)
		}
	}
	d.versions[name] = v
	return v
}

func compile(crd *apiextensionsv1.CustomResourceDefinition, spec *apiextensionsv1.CustomResourceDefinitionVersion) *version {
	if spec.Schema == nil || spec.Schema.OpenAPIV3Schema == nil {
		return &version{err: fmt.Errorf("version %s has no schema", spec.Name)}
	}
	internal := &apiextensions.JSONSchemaProps{}
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(spec.Schema.OpenAPIV3Schema, internal, nil); err != nil {
		return &version{err: err}
	}
	structural, err := schema.NewStructural(internal)
	if err != nil {
		return &version{err: err}
	}
	validator, _, err := validation.NewSchemaValidator(internal)
	if err != nil {
		return &version{err: err}
	}
	var status *apiextensions.CustomResourceSubresourceStatus
	var statusValidator validation.SchemaValidator
	if spec.Subresources != nil && spec.Subresources.Status != nil {
		status = &apiextensions.CustomResourceSubresourceStatus{}
		if s, ok := internal.Properties["status"]; ok {
			if statusValidator, _, err = validation.NewSchemaValidator(&s); err != nil {
				return &version{err: err}
			}
		}
	}
	gvk := runtimeschema.GroupVersionKind{Group: crd.Spec.Group, Version: spec.Name, Kind: crd.Spec.Names.Kind}
	return &version{structural: structural, strategy: customresource.NewStrategy(typer{}, crd.Spec.Scope == apiextensionsv1.NamespaceScoped,
		gvk, validator, statusValidator, structural, status, nil, spec.SelectableFields)}
}

// typer implements runtime.ObjectTyper for objects that carry their type.
type typer struct{}

// ObjectKinds implements runtime.ObjectTyper.
func (typer) ObjectKinds(obj runtime.Object) ([]runtimeschema.GroupVersionKind, bool, error) {
	return []runtimeschema.GroupVersionKind{obj.GetObjectKind().GroupVersionKind()}, false, nil
}

// Recognizes implements runtime.ObjectTyper.
func (typer) Recognizes(runtimeschema.GroupVersionKind) bool { return true }
