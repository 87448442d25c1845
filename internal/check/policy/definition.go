package policy

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/json"

	"github.com/belaycd/belay/internal/check"
)

// origin is where an object of a policy was found: in a file, or among what a unit deploys.
type origin struct {
	file   *document
	object *check.Object
}

// place returns where a field is, for a finding. Deployed objects are left to the locator.
func (o origin) place(path string) check.Place {
	if o.file == nil {
		return check.Place{}
	}
	return o.file.place(path)
}

// definition is a policy with where it came from.
type definition struct {
	*v1.ValidatingAdmissionPolicy
	from     origin
	manifest *unstructured.Unstructured
	compiled *compiled
}

// binding is a binding with where it came from. A made one stands for the binding that a policy in a file does without.
type binding struct {
	*v1.ValidatingAdmissionPolicyBinding
	from origin
	made bool
}

// isPolicy and isBinding tell the kinds of group admissionregistration.k8s.io, in whatever version.
func isPolicy(gk schema.GroupKind) bool {
	return gk.Group == v1.GroupName && gk.Kind == "ValidatingAdmissionPolicy"
}

func isBinding(gk schema.GroupKind) bool {
	return gk.Group == v1.GroupName && gk.Kind == "ValidatingAdmissionPolicyBinding"
}

// readPolicy decodes a policy; a field that its type does not have is an error.
func readPolicy(u *unstructured.Unstructured) (*v1.ValidatingAdmissionPolicy, error) {
	p := &v1.ValidatingAdmissionPolicy{}
	if err := decode(u, p); err != nil {
		return nil, err
	}
	if p.Spec.FailurePolicy == nil {
		fail := v1.Fail
		p.Spec.FailurePolicy = &fail
	}
	complete(p.Spec.MatchConstraints)
	return p, nil
}

func readBinding(u *unstructured.Unstructured) (*v1.ValidatingAdmissionPolicyBinding, error) {
	b := &v1.ValidatingAdmissionPolicyBinding{}
	if err := decode(u, b); err != nil {
		return nil, err
	}
	complete(b.Spec.MatchResources)
	return b, nil
}

func decode(u *unstructured.Unstructured, into any) error {
	switch version := u.GroupVersionKind().Version; version {
	case "v1", "v1beta1", "v1alpha1": // one shape in all of them
	default:
		return fmt.Errorf("apiVersion: version %s of %s is not known: one of v1, v1beta1, v1alpha1", version, u.GetKind())
	}
	content := maps.Clone(u.Object)
	delete(content, "status")
	data, err := stdjson.Marshal(content)
	if err != nil {
		return err
	}
	unknown, err := json.UnmarshalStrict(data, into)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return errors.Join(unknown...)
}

// complete sets the defaults of the API.
func complete(m *v1.MatchResources) {
	if m == nil {
		return
	}
	if m.NamespaceSelector == nil {
		m.NamespaceSelector = &metav1.LabelSelector{}
	}
	if m.ObjectSelector == nil {
		m.ObjectSelector = &metav1.LabelSelector{}
	}
	if m.MatchPolicy == nil {
		equivalent := v1.Equivalent
		m.MatchPolicy = &equivalent
	}
	for _, rules := range [][]v1.NamedRuleWithOperations{m.ResourceRules, m.ExcludeResourceRules} {
		for i := range rules {
			if rules[i].Scope == nil {
				all := v1.AllScopes
				rules[i].Scope = &all
			}
		}
	}
}

// everywhere is the binding of a policy in a file that has none: it denies whatever the policy matches.
func everywhere(policy string) *binding {
	return &binding{made: true, ValidatingAdmissionPolicyBinding: &v1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: policy},
		Spec:       v1.ValidatingAdmissionPolicyBindingSpec{PolicyName: policy, ValidationActions: []v1.ValidationAction{v1.Deny}},
	}}
}

// operations lists what a policy is asked about.
func operations(p *v1.ValidatingAdmissionPolicy) (ops []v1.OperationType) {
	if p.Spec.MatchConstraints == nil {
		return nil
	}
	for _, r := range p.Spec.MatchConstraints.ResourceRules {
		ops = append(ops, r.Operations...)
	}
	return ops
}

// asks reports whether a policy is asked about one of the operations.
func asks(p *v1.ValidatingAdmissionPolicy, wanted ...v1.OperationType) bool {
	return slices.ContainsFunc(operations(p), func(op v1.OperationType) bool {
		return op == v1.OperationAll || slices.Contains(wanted, op)
	})
}
