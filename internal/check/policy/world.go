package policy

import (
	"errors"
	"fmt"
	"maps"

	v1 "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// world is what requests to one cluster meet, as far as the repository tells.
type world struct {
	kinds      *kinds
	namespaces map[string]*core.Namespace
	// objects are what parameters can be, by kind.
	objects map[schema.GroupKind][]*unstructured.Unstructured
}

func newWorld(k *kinds) *world {
	return &world{kinds: k, namespaces: map[string]*core.Namespace{}, objects: map[schema.GroupKind][]*unstructured.Unstructured{}}
}

// add lets the world hold an object.
func (w *world) add(u *unstructured.Unstructured) {
	gk := u.GroupVersionKind().GroupKind()
	w.objects[gk] = append(w.objects[gk], u)
	if gk != (schema.GroupKind{Kind: "Namespace"}) {
		return
	}
	admitted, err := w.kinds.admitted(u, schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
	if ns, ok := admitted.(*core.Namespace); ok && err == nil {
		w.addNamespace(ns)
	}
}

// addNamespace lets the world hold a namespace. Two that differ in labels are none: which one the cluster has is not known.
func (w *world) addNamespace(ns *core.Namespace) {
	if before, ok := w.namespaces[ns.Name]; ok && (before == nil || !maps.Equal(before.Labels, ns.Labels)) {
		w.namespaces[ns.Name] = nil
		return
	}
	w.namespaces[ns.Name] = ns
}

// named is a namespace of which the name alone is known.
func named(name string, extra map[string]string) *core.Namespace {
	ns := &core.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{core.LabelMetadataName: name}}}
	maps.Copy(ns.Labels, extra)
	return ns
}

// errUnknownNamespace says that a selector needs labels that are not known.
var errUnknownNamespace = errors.New("the labels of the namespace are not known")

// lister answers for namespaces as the cluster would, and refuses what is not known. It serves one request.
type lister struct {
	world *world
	// byName says that the present selector looks at nothing but the name.
	byName  bool
	refused bool
}

func (l *lister) Get(name string) (*core.Namespace, error) {
	if ns := l.world.namespaces[name]; ns != nil {
		return ns, nil
	}
	if l.byName {
		return named(name, nil), nil
	}
	l.refused = true
	return nil, errUnknownNamespace
}

func (l *lister) List(labels.Selector) ([]*core.Namespace, error) { return nil, errUnknownNamespace }

// about prepares for the selector of m.
func (l *lister) about(m *v1.MatchResources) {
	l.refused, l.byName = false, true
	if m == nil || m.NamespaceSelector == nil {
		return
	}
	selector, err := metav1.LabelSelectorAsSelector(m.NamespaceSelector)
	if err != nil {
		return
	}
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		l.byName = l.byName && r.Key() == core.LabelMetadataName
	}
}

// unsureError says that only the cluster can tell.
type unsureError struct{ error }

func unsure(format string, args ...any) error { return unsureError{fmt.Errorf(format, args...)} }

// params returns the parameters that a binding gives to a policy, as the server collects them: one nil for a policy without, none
// where the binding allows that there are none. What the repository has no object of at all may be in the cluster.
func (w *world) params(kind *v1.ParamKind, ref *v1.ParamRef, namespace string) ([]runtime.Object, error) {
	if kind == nil || ref == nil {
		return []runtime.Object{nil}, nil
	}
	gvk := schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind)
	all := w.objects[gvk.GroupKind()]
	if len(all) == 0 {
		return nil, unsure("no %s is in the repository, which the policy takes its parameters from", gvk.Kind)
	}
	namespaced := w.kinds.namespace(all[0]) != ""
	from := ref.Namespace
	switch {
	case !namespaced && from != "":
		return nil, errors.New("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
	case namespaced && from == "" && namespace == "":
		return nil, errors.New("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
	case namespaced && from == "":
		from = namespace
	}
	selector := labels.Everything()
	switch {
	case ref.Name == "" && ref.Selector == nil:
		return nil, errors.New("one of name or selector must be provided")
	case ref.Name != "" && ref.Selector != nil:
		return nil, errors.New("paramRef.name and paramRef.selector are mutually exclusive")
	case ref.Selector != nil:
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(ref.Selector); err != nil {
			return nil, err
		}
	}
	var out []runtime.Object
	for _, u := range all {
		if namespaced && w.kinds.namespace(u) != from || ref.Name != "" && u.GetName() != ref.Name || !selector.Matches(labels.Set(u.GetLabels())) {
			continue
		}
		o, err := w.kinds.admitted(u, gvk)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	if len(out) == 0 && ref.ParameterNotFoundAction != nil && *ref.ParameterNotFoundAction == v1.DenyAction {
		return nil, errors.New("no params found for policy binding with `Deny` parameterNotFoundAction")
	}
	return out, nil
}
