// Package policy judges manifests by the team's own ValidatingAdmissionPolicies: policies, their bindings and manifests go in; what
// the API server would say comes out, by its own code and without a cluster.
package policy

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"

	"github.com/belaycd/belay/internal/check"
)

// Dir is where policies stand that are not deployed.
const Dir = ".belay/policies"

// Server is what a judgement needs of the API server itself: built-in kinds with their defaults and conversions.
type Server interface {
	// Known reports whether a kind is built in; Kinds lists those that are.
	Known(gvk schema.GroupVersionKind) bool
	Kinds() []schema.GroupVersionKind
	// Admitted returns a manifest of a built-in kind as the server holds it when it asks policies, in version as.
	Admitted(manifest *unstructured.Unstructured, as schema.GroupVersionKind) (runtime.Object, error)
	// Refusals are what the server says against a policy or a binding.
	Refusals(manifest *unstructured.Unstructured) field.ErrorList
	// Schemas resolves the schemas of built-in kinds.
	Schemas() resolver.SchemaResolver
}

// Rules that findings refer to.
const (
	ruleUser   = "policy-user"
	ruleBroken = "policy-broken"
	ruleUnsure = "policy-not-evaluable"
)

// Checker implements check.Checker.
type Checker struct{ server Server }

// New returns the Checker of the policies of a repository.
func New(server Server) *Checker { return &Checker{server: server} }

// Rules implements check.Checker.
func (c *Checker) Rules() []check.Rule {
	return []check.Rule{
		{
			ID: ruleUser, Title: "manifest that a policy of the team refuses", Severity: check.Error,
			Why: "The team has a ValidatingAdmissionPolicy that this manifest fails. Where the policy is deployed, the API server refuses the object and the sync fails.",
			Fix: "Change the manifest as the message says. If the policy is wrong, change it and its cases, which `belay policy test` runs.",
		},
		{
			ID: ruleBroken, Title: "policy that does not work", Severity: check.Error,
			Why: "A policy or binding that the API server does not take, or whose expressions do not compile, protects nothing: what it should refuse passes.",
			Fix: "Mend the expression or field. `belay policy lint` shows all that is wrong with a policy.",
		},
		{
			ID: ruleUnsure, Title: "policy that cannot be judged here", Severity: check.Warning,
			Why: "The policy asks for something that only the cluster knows, such as what a user may do or the labels of a namespace that is not in the repository. The manifest has neither passed nor failed it.",
			Fix: "Put what is missing into the repository (Namespace manifests, parameters), or accept that the cluster alone judges this.",
		},
	}
}
