package native

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"
	strictjson "sigs.k8s.io/json"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/kubeapi"
)

// server stands for the API server.
type server struct {
	kinds map[schema.GroupKind]kind
	api   *kubeapi.API
}

// outcome is what the API server says about one object.
type outcome struct {
	// stored is what it would store, nil if it refuses.
	stored   runtime.Object
	errs     field.ErrorList
	warnings []string
}

// judge asks for the object to be created and, where it was there before, to be changed.
func (s server) judge(ctx context.Context, o, before *check.Object, report func(check.Finding)) {
	k, ok := s.kinds[o.GroupVersionKind().GroupKind()]
	if !ok || !k.scheme.Recognizes(o.GroupVersionKind()) {
		return
	}
	tell := teller{o: o, report: report}
	doubled, misfit := map[string]bool{}, false
	for _, p := range s.api.Validate(o.Object, o.GroupVersionKind(), s.api.Last) {
		tell.refusal(invalid, &field.Error{Type: field.ErrorTypeTypeInvalid, Field: p.Path, Detail: p.Message}, nil)
		doubled[p.Path], misfit = p.Duplicate, misfit || !p.Duplicate
	}
	if misfit {
		return // what follows from it would be noise
	}
	now := k.guard(func() outcome { return k.create(ctx, o.Unstructured) })
	for _, err := range now.errs {
		if err.Type != field.ErrorTypeDuplicate || len(doubled) == 0 {
			tell.refusal(invalid, err, nil)
		}
	}
	for _, w := range now.warnings {
		if named, _, _ := strings.Cut(w, ": "); !doubled[named] {
			tell.warning(w)
		}
	}
	if now.stored == nil || before == nil || recreated(o.Unstructured) || !k.scheme.Recognizes(before.GroupVersionKind()) {
		return
	}
	was := k.guard(func() outcome { return k.create(ctx, before.Unstructured) })
	if was.stored == nil {
		return // it never got into a cluster
	}
	live(was.stored, now.stored)
	for _, err := range k.guard(func() outcome { return k.update(ctx, o.Unstructured, now.stored, was.stored) }).errs {
		tell.refusal(immutable, err, before.Object)
	}
}

// guard turns a panic of foreign code into a refusal: an object that breaks the API server's validation is not fine.
func (k kind) guard(f func() outcome) (out outcome) {
	defer func() {
		if r := recover(); r != nil {
			out = outcome{errs: field.ErrorList{field.InternalError(nil, fmt.Errorf("the validation broke off: %v", r))}}
		}
	}()
	return f()
}

// create decodes the object strictly, defaults it and asks its strategy.
func (k kind) create(ctx context.Context, u *unstructured.Unstructured) outcome {
	obj, dropped, errs := k.decode(u)
	if len(errs) > 0 {
		return outcome{errs: errs}
	}
	accessor, err := meta.Accessor(obj)
	if err != nil {
		return outcome{errs: field.ErrorList{field.InternalError(nil, err)}}
	}
	complete(accessor)
	prepare(obj)
	ctx, namespace := k.request(ctx, u, accessor.GetNamespace())
	accessor.SetNamespace(namespace)
	k.PrepareForCreate(ctx, obj)
	if errs := rest.ValidateCreate(ctx, obj, k.strategy); len(errs) > 0 {
		return outcome{errs: errs}
	}
	if errs := admission(obj); len(errs) > 0 {
		return outcome{errs: errs}
	}
	out := outcome{stored: obj, warnings: append(dropped, k.WarningsOnCreate(ctx, obj)...)}
	k.Canonicalize(obj)
	return out
}

// update asks the strategy whether was may become now.
func (k kind) update(ctx context.Context, u *unstructured.Unstructured, now, was runtime.Object) outcome {
	for _, obj := range []runtime.Object{now, was} {
		if accessor, err := meta.Accessor(obj); err == nil {
			accessor.SetResourceVersion("1")
		}
	}
	ctx, _ = k.request(ctx, u, u.GetNamespace())
	k.PrepareForUpdate(ctx, now, was)
	return outcome{errs: rest.ValidateUpdate(ctx, now, was, k.strategy)}
}

// decode returns the object in the form that strategies work on, and warnings about fields that get lost on the way: the few
// that server-side apply lets through, as its schema says nothing about what is in a structure without fields.
func (k kind) decode(u *unstructured.Unstructured) (obj runtime.Object, dropped []string, errs field.ErrorList) {
	gvk := u.GroupVersionKind()
	versioned, err := k.scheme.New(gvk)
	if err != nil {
		return nil, nil, field.ErrorList{field.InternalError(nil, err)}
	}
	data, err := json.Marshal(u.Object)
	if err != nil {
		return nil, nil, field.ErrorList{field.InternalError(nil, err)}
	}
	strict, err := strictjson.UnmarshalStrict(data, versioned)
	if err != nil {
		return nil, nil, field.ErrorList{undecodable(err, u.Object)}
	}
	for _, e := range strict {
		dropped = append(dropped, undeclared(e))
	}
	k.scheme.Default(versioned)
	internal, err := k.scheme.ConvertToVersion(versioned, schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal})
	if err != nil {
		return nil, nil, field.ErrorList{field.InternalError(nil, err)}
	}
	return internal, dropped, nil
}

// complete sets what the API server sets on every new object. A constant identity keeps what strategies derive from it the same
// for an object and what it was before.
func complete(o metav1.Object) {
	o.SetUID("00000000-0000-4000-8000-000000000000")
	o.SetCreationTimestamp(metav1.NewTime(time.Unix(0, 0)))
	o.SetResourceVersion("")
	o.SetManagedFields(nil)
	if o.GetName() == "" && o.GetGenerateName() != "" {
		o.SetName(o.GetGenerateName() + "xxxxx")
	}
}

// request is the context in which a strategy is asked, and the namespace of the object in it.
func (k kind) request(ctx context.Context, u *unstructured.Unstructured, namespace string) (context.Context, string) {
	gvk := u.GroupVersionKind()
	switch {
	case !k.NamespaceScoped():
		namespace = ""
	case namespace == "":
		namespace = metav1.NamespaceDefault
	}
	ctx = klog.NewContext(ctx, logr.Discard())
	ctx = request.WithNamespace(ctx, namespace)
	return request.WithRequestInfo(ctx, &request.RequestInfo{IsResourceRequest: true, APIGroup: gvk.Group, APIVersion: gvk.Version, Namespace: namespace, Name: u.GetName()}), namespace
}
