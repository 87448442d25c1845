package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
)

// hook is a policy with the bindings that put it into force.
type hook struct {
	*definition
	bindings []*binding
}

// verdict is what a policy says about a request, other than yes.
type verdict struct {
	policy  *definition
	binding *binding
	// validation is its index in the policy, -1 for the policy or binding as a whole.
	validation int
	severity   check.Severity
	message    string
	// unsure says why only the cluster can tell; severity and message are empty then.
	unsure string
	path   string
}

// request is one write to the cluster.
type request struct {
	world    *world
	attr     admission.Attributes
	manifest *unstructured.Unstructured
	old      *unstructured.Unstructured
	secret   bool
	seen     map[schema.GroupVersionKind]versioned
}

type versioned struct {
	attr *admission.VersionedAttributes
	err  error
}

// applier is who writes to the cluster: the account of Belay's controller.
func applier() user.Info { return serviceAccount("argocd", "belay") }

func serviceAccount(namespace, name string) user.Info {
	return &user.DefaultInfo{Name: "system:serviceaccount:" + namespace + ":" + name, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"}}
}

// write returns the request that creates an object, or changes old into it.
func (w *world) write(manifest, old *unstructured.Unstructured, who user.Info) *request {
	gvk := manifest.GroupVersionKind()
	r := &request{world: w, manifest: manifest, old: old, seen: map[schema.GroupVersionKind]versioned{}, secret: gvk.GroupKind() == schema.GroupKind{Kind: "Secret"}}
	object := runtime.Object(manifest)
	if gvk.GroupKind() == (schema.GroupKind{Kind: "Namespace"}) { // its labels decide, the one that the server adds too
		if o, err := w.kinds.admitted(manifest, gvk); err == nil {
			object = o
		}
	}
	operation, options, before := admission.Create, runtime.Object(&metav1.CreateOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "CreateOptions"}, FieldManager: v1alpha1.FieldManager}), runtime.Object(nil)
	if old != nil {
		operation, before = admission.Update, old
		options = &metav1.UpdateOptions{TypeMeta: metav1.TypeMeta{APIVersion: "meta.k8s.io/v1", Kind: "UpdateOptions"}, FieldManager: v1alpha1.FieldManager}
	}
	r.attr = admission.NewAttributesRecord(object, before, gvk, w.kinds.namespace(manifest), manifest.GetName(), w.kinds.resource(gvk), "", operation, options, false, who)
	return r
}

// in returns the request with its objects in version as.
func (r *request) in(as schema.GroupVersionKind) (*admission.VersionedAttributes, error) {
	if v, ok := r.seen[as]; ok {
		return v.attr, v.err
	}
	var v versioned
	v.attr = &admission.VersionedAttributes{Attributes: r.attr, VersionedKind: as}
	var o runtime.Object
	if o, v.err = r.world.kinds.admitted(r.manifest, as); v.err == nil {
		v.attr.VersionedObject.Set(o)
		if r.old != nil {
			if o, v.err = r.world.kinds.admitted(r.old, as); v.err == nil {
				v.attr.VersionedOldObject.Set(o)
			}
		}
	}
	r.seen[as] = v
	return v.attr, v.err
}

// nobody stands for the authorizer of the cluster, and notes that it was asked.
type nobody struct{ asked bool }

func (n *nobody) Authorize(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
	n.asked = true
	return authorizer.DecisionNoOpinion, "", errors.New("only the cluster knows who may do what")
}

// exempt lists the resources that no policy is asked about.
func exempt(r schema.GroupResource) bool {
	switch r.Group {
	case v1.GroupName:
		return strings.HasPrefix(r.Resource, "validatingadmissionpolic") || strings.HasPrefix(r.Resource, "mutatingadmissionpolic")
	case "authentication.k8s.io":
		return r.Resource == "selfsubjectreviews" || r.Resource == "tokenreviews"
	case "authorization.k8s.io":
		return strings.HasSuffix(r.Resource, "reviews")
	}
	return false
}

// ask returns what hooks say about a request.
func (r *request) ask(ctx context.Context, hooks []hook) (out []verdict) {
	if exempt(r.attr.GetResource().GroupResource()) {
		return nil
	}
	namespaces := &lister{world: r.world}
	q := &question{request: r, namespaces: namespaces, matcher: generic.NewPolicyMatcher(matching.NewMatcher(namespaces, nil)), interfaces: interfaces{mapper: r.world.kinds.mapper}}
	for _, h := range hooks {
		out = append(out, q.policy(ctx, h)...)
	}
	return out
}

// question is a request on its way through the policies.
type question struct {
	*request
	namespaces *lister
	matcher    generic.PolicyMatcher
	interfaces interfaces
}

// whole is the verdict of a policy or binding that could not be asked: its failurePolicy decides.
func (q *question) whole(h hook, b *binding, err error) []verdict {
	v := verdict{policy: h.definition, binding: b, validation: -1}
	var doubt unsureError
	switch {
	case errors.As(err, &doubt):
		v.unsure = err.Error()
	case q.namespaces.refused:
		v.unsure = fmt.Sprintf("it selects namespaces by labels, and Namespace %s is not in the repository, or differs between its parts", q.attr.GetNamespace())
	case *h.Spec.FailurePolicy == v1.Ignore:
		return nil
	case b == nil:
		v.severity, v.message = check.Error, "failed to configure policy: "+err.Error()
	default:
		v.severity, v.message = check.Error, "failed to configure binding: "+err.Error()
	}
	return []verdict{v}
}

func (q *question) policy(ctx context.Context, h hook) (out []verdict) {
	q.namespaces.about(h.Spec.MatchConstraints)
	matches, resource, kind, err := q.matcher.DefinitionMatches(q.attr, q.interfaces, validating.NewValidatingAdmissionPolicyAccessor(h.ValidatingAdmissionPolicy))
	if err != nil {
		return q.whole(h, nil, err)
	}
	if !matches {
		return nil
	}
	for _, b := range h.bindings {
		q.namespaces.about(b.Spec.MatchResources)
		matches, err := q.matcher.BindingMatches(q.attr, q.interfaces, validating.NewValidatingAdmissionPolicyBindingAccessor(b.ValidatingAdmissionPolicyBinding))
		if err != nil {
			out = append(out, q.whole(h, b, err)...)
			continue
		}
		if !matches {
			continue
		}
		q.namespaces.refused = false
		params, err := q.world.params(h.Spec.ParamKind, b.Spec.ParamRef, q.attr.GetNamespace())
		if err != nil {
			out = append(out, q.whole(h, b, err)...)
			continue
		}
		for _, p := range params {
			out = append(out, q.evaluate(ctx, h, b, target{resource, kind, p})...)
		}
	}
	return out
}

// target is what a policy is evaluated with.
type target struct {
	resource schema.GroupVersionResource
	kind     schema.GroupVersionKind
	params   runtime.Object
}

// namespace returns the namespace of the request, and whether all of it is known; nil for cluster-scoped objects.
func (q *question) namespace() (ns *core.Namespace, known bool) {
	name := q.attr.GetNamespace()
	if name == "" || q.attr.GetKind() == (schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}) {
		return nil, true
	}
	if ns = q.world.namespaces[name]; ns != nil {
		return ns, true
	}
	return named(name, nil), false
}

func (q *question) evaluate(ctx context.Context, h hook, b *binding, t target) (out []verdict) {
	attr, err := q.in(t.kind)
	if err != nil {
		return q.whole(h, b, unsureError{err})
	}
	evaluator, uses := h.compiled.get()
	ns, known := q.namespace()
	authz := &nobody{}
	result := evaluator.Validate(ctx, t.resource, attr, t.params, ns, celconfig.RuntimeCELCostBudget, authz)
	doubtful := func(u use) string {
		switch {
		case authz.asked && (u.authorizer || uses.conditions.authorizer):
			return "it asks the authorizer, and only the cluster knows who may do what"
		case !known && u.namespace:
			return fmt.Sprintf("it looks at the namespace, and Namespace %s is not in the repository, or differs between its parts", ns.Name)
		}
		return ""
	}
	if authz.asked && uses.conditions.authorizer {
		return []verdict{{policy: h.definition, binding: b, validation: -1, unsure: doubtful(uses.conditions)}}
	}
	for i, d := range result.Decisions {
		u := use{}
		// Out of budget, and where conditions fail, there is one decision for all.
		index := -1
		if len(result.Decisions) == len(uses.validations) && (len(uses.validations) > 1 || d.Evaluation == validating.EvalDeny || !whole(d.Message)) {
			index, u = i, uses.validations[i]
		}
		if why := doubtful(u); why != "" {
			out = append(out, verdict{policy: h.definition, binding: b, validation: index, unsure: why})
			continue
		}
		if d.Action == validating.ActionDeny {
			out = append(out, verdict{policy: h.definition, binding: b, validation: index, severity: weight(b), message: q.text(h, t, index, d), path: u.path()})
		}
	}
	for _, a := range result.AuditAnnotations {
		switch {
		case a.Action != validating.AuditAnnotationActionError:
		case doubtful(uses.annotations) != "":
			out = append(out, verdict{policy: h.definition, binding: b, validation: -1, unsure: doubtful(uses.annotations)})
		default:
			out = append(out, verdict{policy: h.definition, binding: b, validation: -1, severity: check.Error, message: q.error(t, a.Error)})
		}
	}
	return out
}

// whole tells messages that are about all validations.
func whole(message string) bool {
	return strings.HasPrefix(message, "validation failed due to running out of cost budget") || strings.HasPrefix(message, "failed to prepare")
}

// weight is the strongest action of a binding.
func weight(b *binding) (s check.Severity) {
	for _, a := range b.Spec.ValidationActions {
		switch a {
		case v1.Deny:
			return check.Error
		case v1.Warn:
			s = max(s, check.Warning)
		case v1.Audit:
			s = max(s, check.Note)
		}
	}
	return s
}

// text is the message of a decision. One that an expression makes could hold a value of a Secret: there, the fixed one is told.
func (q *question) text(h hook, t target, index int, d validating.PolicyDecision) string {
	if !q.confidential(t) || index < 0 {
		return q.error(t, d.Message)
	}
	v := h.Spec.Validations[index]
	switch {
	case d.Evaluation == validating.EvalError:
		return fmt.Sprintf("expression '%s' resulted in an error", strings.TrimSpace(v.Expression))
	case v.Message != "":
		return strings.TrimSpace(v.Message)
	}
	return "failed expression: " + strings.TrimSpace(v.Expression)
}

// error is the text of an error, which could hold a value of a Secret too.
func (q *question) error(t target, text string) string {
	if q.confidential(t) {
		return "an expression resulted in an error"
	}
	return text
}

// confidential reports whether Secrets are part of the question.
func (q *question) confidential(t target) bool {
	return q.secret || t.params != nil && t.params.GetObjectKind().GroupVersionKind().GroupKind() == schema.GroupKind{Kind: "Secret"}
}
