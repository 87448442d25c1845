package schema

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/belaycd/belay/internal/check"
)

// custom judges a custom resource by its definition, and what has changed of it.
func (j *judge) custom(ctx context.Context, def *definition, o, before *check.Object) {
	gvk := o.GroupVersionKind()
	v := def.version(gvk.Version)
	switch {
	case v == nil:
		j.tell(custom, o, "apiVersion", fmt.Sprintf("%s is not served by its definition %s, which serves %s",
			gvk.GroupVersion(), def.object.GetName(), strings.Join(def.served(), ", ")), "")
		return
	case v.err != nil:
		if key := "definition " + gvk.String(); !j.unknown[key] {
			j.unknown[key] = true
			j.tell(missing, o, "kind", fmt.Sprintf("objects of %s %s are not judged: the definition cannot be used: %v", gvk.GroupVersion(), gvk.Kind, v.err), "")
		}
		return
	}
	now, errs := v.create(ctx, o)
	for _, err := range errs {
		j.refusal(custom, o, err)
	}
	if now == nil || before == nil || before.GroupVersionKind() != gvk {
		return
	}
	was, errs := v.create(ctx, before)
	if len(errs) > 0 || was == nil {
		return // it never got into a cluster
	}
	for _, err := range v.update(ctx, now, was) {
		j.refusal(immutable, o, err)
	}
}

func (j *judge) refusal(rule string, o *check.Object, err *field.Error) {
	name := err.Field
	if name == "<nil>" {
		name = ""
	}
	path, _ := check.ServerPath(o.Object, check.ServerSteps(name))
	text := body(err)
	if text == "" {
		return
	}
	if path != "" {
		text = path + ": " + text
	}
	j.tell(rule, o, path, text, "")
}

// longest is how long a message with the value in it may be.
const longest = 300

// body is what the API server says, without the field: empty for what only tells that there are other errors.
func body(err *field.Error) string {
	if strings.HasPrefix(err.Detail, "some validation rules were not checked") {
		return ""
	}
	if err.Type == field.ErrorTypeTypeInvalid {
		if _, wanted, ok := strings.Cut(err.Detail, " in body must be of type "); ok {
			wanted, found, _ := strings.Cut(wanted, ": ")
			return fmt.Sprintf("must be of type %s, not %s", wanted, strings.Trim(found, `"`))
		}
		if err.BadValue == nil {
			return err.Detail
		}
	}
	text := err.ErrorBody()
	if len(text) > longest {
		text = err.Type.String() + ": " + err.Detail
	}
	return text
}

// create returns the object as the API server would store it, nil and the reasons if it would not.
func (v *version) create(ctx context.Context, o *check.Object) (*unstructured.Unstructured, field.ErrorList) {
	u := o.Unstructured.DeepCopy()
	var errs field.ErrorList
	meta, _, unknown, err := objectmeta.GetObjectMetaWithOptions(u.Object, objectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
	if err != nil {
		return nil, field.ErrorList{field.TypeInvalid(field.NewPath("metadata"), nil, err.Error())}
	}
	unknown = append(unknown, pruning.PruneWithOptions(u.Object, v.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	for _, name := range unknown {
		errs = append(errs, &field.Error{Type: field.ErrorTypeTypeInvalid, Field: name, Detail: "no such field in the definition"})
	}
	if len(errs) > 0 {
		return nil, errs
	}
	if meta == nil {
		meta = &metav1.ObjectMeta{}
	}
	meta.ManagedFields = nil
	if meta.Name == "" && meta.GenerateName != "" {
		meta.Name = meta.GenerateName + "xxxxx"
	}
	u.SetAPIVersion(o.GetAPIVersion())
	u.SetKind(o.GetKind())
	if err := objectmeta.SetObjectMeta(u.Object, meta); err != nil {
		return nil, field.ErrorList{field.InternalError(field.NewPath("metadata"), err)}
	}
	defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, v.structural)
	defaulting.Default(u.Object, v.structural)
	ctx = v.place(ctx, u)
	v.strategy.PrepareForCreate(ctx, u)
	if errs := rest.ValidateCreate(ctx, u, v.strategy); len(errs) > 0 {
		return nil, errs
	}
	return u, nil
}

// update returns why the API server would not change was into now.
func (v *version) update(ctx context.Context, now, was *unstructured.Unstructured) field.ErrorList {
	for _, u := range []*unstructured.Unstructured{now, was} {
		u.SetResourceVersion("1")
		u.SetUID("00000000-0000-4000-8000-000000000000")
	}
	ctx = v.place(ctx, now)
	v.strategy.PrepareForUpdate(ctx, now, was)
	return rest.ValidateUpdate(ctx, now, was, v.strategy)
}

// place gives an object a namespace if its kind lives in one, and returns the context of a request for it.
func (v *version) place(ctx context.Context, u *unstructured.Unstructured) context.Context {
	namespace := u.GetNamespace()
	switch {
	case !v.strategy.NamespaceScoped():
		namespace = ""
	case namespace == "":
		namespace = metav1.NamespaceDefault
	}
	u.SetNamespace(namespace)
	gvk := u.GroupVersionKind()
	return request.WithRequestInfo(request.WithNamespace(ctx, namespace),
		&request.RequestInfo{IsResourceRequest: true, APIGroup: gvk.Group, APIVersion: gvk.Version, Namespace: namespace, Name: u.GetName()})
}
