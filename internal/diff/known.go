package diff

import (
	"reflect"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/belaycd/belay/internal/fault"
)

// KnownType says of which type a field of a custom kind is, so that its quantities and durations are compared by value
// (resource.customizations.knownTypeFields).
type KnownType struct {
	// Group and Kind are globs.
	Group, Kind string
	// Field is a path with dots; lists on the way are passed through.
	Field string
	// Type is core/v1/<name> of package core/v1, core/Quantity or meta/v1/Duration.
	Type string
}

// knownField is a KnownType that is ready for use.
type knownField struct {
	path []string
	typ  reflect.Type
}

func knownRules(types []KnownType) ([]rule, error) {
	if len(types) == 0 {
		return nil, nil
	}
	table := coreTypes()
	var out []rule
	for _, k := range types {
		typ, ok := table[k.Type]
		if !ok {
			return nil, fault.New(fault.Invalid, "knownTypeFields for %s/%s: field %s: no type is called %q; there are core/v1/<type>, core/Quantity and meta/v1/Duration",
				k.Group, k.Kind, shorten(k.Field), shorten(k.Type))
		}
		if strings.Trim(k.Field, ".") == "" {
			return nil, fault.New(fault.Invalid, "knownTypeFields for %s/%s: an entry of type %s names no field", k.Group, k.Kind, k.Type)
		}
		r := rule{set: ignoreSet{known: []knownField{{path: strings.Split(k.Field, "."), typ: typ}}}}
		if err := r.selects(k.Group, k.Kind, "*", "*"); err != nil {
			return nil, fault.New(fault.Invalid, "knownTypeFields for %s/%s: %w", k.Group, k.Kind, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// Types whose values have more than one text.
func quantityType() reflect.Type { return reflect.TypeFor[resource.Quantity]() }
func durationType() reflect.Type { return reflect.TypeFor[metav1.Duration]() }

// coreTypes returns the types that a setting may name.
func coreTypes() map[string]reflect.Type {
	out := map[string]reflect.Type{"core/Quantity": quantityType(), "meta/v1/Duration": durationType()}
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return out // it registers types alone, and has no cause to fail
	}
	home := reflect.TypeFor[corev1.Pod]().PkgPath()
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			if t.PkgPath() == home {
				out["core/v1/"+t.Name()] = t // a ResourceList
			}
			visit(t.Elem())
		case reflect.Struct:
			name := "core/v1/" + t.Name()
			if _, seen := out[name]; seen || t.PkgPath() != home {
				return
			}
			out[name] = t
			for i := range t.NumField() {
				visit(t.Field(i).Type)
			}
		}
	}
	for _, t := range scheme.KnownTypes(corev1.SchemeGroupVersion) {
		visit(t)
	}
	return out
}

// apply writes the values of the field in their canonical form, in place.
func (f knownField) apply(obj map[string]any) { f.descend(obj, f.path) }

func (f knownField) descend(at any, path []string) {
	switch t := at.(type) {
	case []any:
		for _, e := range t {
			f.descend(e, path)
		}
	case map[string]any:
		v, ok := t[path[0]]
		switch {
		case !ok:
		case len(path) == 1:
			t[path[0]] = canonicalAll(v, f.typ)
		default:
			f.descend(v, path[1:])
		}
	}
}

// canonicalAll is canonical, for each element where the value is a list and the type is none.
func canonicalAll(v any, t reflect.Type) any {
	list, ok := v.([]any)
	if !ok || t.Kind() == reflect.Slice {
		return canonical(v, t)
	}
	for i, e := range list {
		list[i] = canonical(e, t)
	}
	return list
}

// canonical returns a value with all quantities and durations in it in the form in which Kubernetes writes them. What does
// not fit the type stays as it is: nothing is dropped.
func canonical(v any, t reflect.Type) any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case quantityType():
		if q, err := quantity(v); err == nil {
			return q.String()
		}
		return v
	case durationType():
		if s, ok := v.(string); ok {
			if d, err := time.ParseDuration(s); err == nil {
				return d.String()
			}
		}
		return v
	}
	switch c := v.(type) {
	case []any:
		if t.Kind() == reflect.Slice {
			for i, e := range c {
				c[i] = canonical(e, t.Elem())
			}
		}
	case map[string]any:
		switch t.Kind() {
		case reflect.Map:
			for k, e := range c {
				c[k] = canonical(e, t.Elem())
			}
		case reflect.Struct:
			canonicalFields(c, t)
		}
	}
	return v
}

func canonicalFields(m map[string]any, t reflect.Type) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" && field.Anonymous {
			canonical(m, field.Type)
			continue
		}
		if v, ok := m[name]; ok && name != "" {
			m[name] = canonical(v, field.Type)
		}
	}
}
