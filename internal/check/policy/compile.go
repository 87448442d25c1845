package policy

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/belaycd/belay/internal/check"
)

// environments are those of a minor version of Kubernetes: as for the API server, what is new must compile with what the version
// before it knew too, so that an upgrade can be rolled back.
func environments(minor *version.Version) *environment.EnvSet {
	before := version.MajorMinor(minor.Major(), max(minor.Minor(), 1)-1)
	return environment.MustBaseEnvSet(before)
}

// expression is one CEL expression of a policy.
type expression struct {
	path string
	accessor
}

// accessor is what the compiler of the API server wants of an expression.
type accessor = cel.ExpressionAccessor

// expressions lists those of a policy, without its variables.
func expressions(p *v1.ValidatingAdmissionPolicy) (out []expression, messages []expression) {
	for i := range p.Spec.MatchConditions {
		out = append(out, expression{check.Join("spec", "matchConditions", check.Element(i, "", ""), "expression"), (*matchconditions.MatchCondition)(&p.Spec.MatchConditions[i])})
	}
	for i, v := range p.Spec.Validations {
		at := check.Join("spec", "validations", check.Element(i, "", ""))
		out = append(out, expression{check.Join(at, "expression"), condition(v)})
		if v.MessageExpression != "" {
			messages = append(messages, expression{check.Join(at, "messageExpression"), message(v)})
		}
	}
	for i, a := range p.Spec.AuditAnnotations {
		out = append(out, expression{check.Join("spec", "auditAnnotations", check.Element(i, "", ""), "valueExpression"), annotation(a)})
	}
	return out, messages
}

func condition(v v1.Validation) cel.ExpressionAccessor {
	return &validating.ValidationCondition{Expression: v.Expression, Message: v.Message, Reason: v.Reason}
}

func message(v v1.Validation) cel.ExpressionAccessor {
	return &validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}
}

func annotation(a v1.AuditAnnotation) cel.ExpressionAccessor {
	return &validating.AuditAnnotationCondition{Key: a.Key, ValueExpression: a.ValueExpression}
}

// flaw is something wrong with a policy.
type flaw struct {
	path string
	// line counts within the field; 0 is the field as a whole.
	line int
	text string
}

// verify compiles what a policy says as the API server does when the policy is created.
func verify(p *v1.ValidatingAdmissionPolicy, minor *version.Version) []flaw {
	compiler, err := cel.NewCompositedCompiler(environments(minor))
	if err != nil {
		return []flaw{{text: err.Error()}}
	}
	var flaws []flaw
	note := func(path string, r cel.CompilationResult) {
		if r.Error != nil {
			flaws = append(flaws, flawsOf(path, r.Error)...)
		}
	}
	params := p.Spec.ParamKind != nil
	options := cel.OptionalVariableDeclarations{HasParams: params, HasAuthorizer: true}
	for i, v := range p.Spec.Variables {
		note(check.Join("spec", "variables", check.Element(i, "", ""), "expression"),
			compiler.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, options, environment.NewExpressions))
	}
	all, messages := expressions(p)
	for _, e := range all {
		note(e.path, compiler.CompileCELExpression(e.accessor, options, environment.NewExpressions))
	}
	for _, e := range messages { // which may not ask the authorizer
		note(e.path, compiler.CompileCELExpression(e.accessor, cel.OptionalVariableDeclarations{HasParams: params}, environment.NewExpressions))
	}
	return flaws
}

// flawsOf takes apart what the compiler says.
func flawsOf(path string, err *apiservercel.Error) []flaw {
	var failed *apiservercel.CompilationError
	if !errors.As(err.Cause, &failed) || failed.Issues == nil {
		return []flaw{{path: path, text: err.Detail}}
	}
	var out []flaw
	for _, e := range failed.Issues.Errors() {
		out = append(out, flaw{path: path, line: e.Location.Line(), text: e.Message})
	}
	return out
}

// compiled evaluates a policy. The policy is compiled when it is first asked.
type compiled struct {
	policy    *v1.ValidatingAdmissionPolicy
	minor     *version.Version
	once      sync.Once
	evaluator validating.Validator
	uses      uses
}

func (c *compiled) get() (validating.Validator, *uses) {
	c.once.Do(func() {
		c.evaluator, c.uses = compile(c.policy, c.minor), findUses(c.policy, environments(c.minor).StoredExpressionsEnv())
	})
	return c.evaluator, &c.uses
}

// compile makes the evaluator that the API server makes of a stored policy.
func compile(p *v1.ValidatingAdmissionPolicy, minor *version.Version) validating.Validator {
	compiler, err := cel.NewCompositedCompiler(environments(minor))
	if err != nil {
		return validating.NewValidator(nil, nil, nil, nil, p.Spec.FailurePolicy, err)
	}
	options := cel.OptionalVariableDeclarations{HasParams: p.Spec.ParamKind != nil, HasAuthorizer: true}
	variables := make([]cel.NamedExpressionAccessor, 0, len(p.Spec.Variables))
	for _, v := range p.Spec.Variables {
		variables = append(variables, &validating.Variable{Name: v.Name, Expression: v.Expression})
	}
	compiler.CompileAndStoreVariables(variables, options, environment.StoredExpressions)
	build := func(n int, at func(i int) cel.ExpressionAccessor, options cel.OptionalVariableDeclarations) cel.ConditionEvaluator {
		accessors := make([]cel.ExpressionAccessor, n)
		for i := range accessors {
			accessors[i] = at(i)
		}
		return compiler.CompileCondition(accessors, options, environment.StoredExpressions)
	}
	spec := &p.Spec
	var matcher matchconditions.Matcher
	if n := len(spec.MatchConditions); n > 0 {
		matcher = matchconditions.NewMatcher(build(n, func(i int) cel.ExpressionAccessor { return (*matchconditions.MatchCondition)(&spec.MatchConditions[i]) }, options),
			spec.FailurePolicy, "policy", "validate", p.Name)
	}
	return validating.NewValidator(
		build(len(spec.Validations), func(i int) cel.ExpressionAccessor { return condition(spec.Validations[i]) }, options),
		matcher,
		build(len(spec.AuditAnnotations), func(i int) cel.ExpressionAccessor { return annotation(spec.AuditAnnotations[i]) }, options),
		build(len(spec.Validations), func(i int) cel.ExpressionAccessor {
			if spec.Validations[i].MessageExpression == "" {
				return nil
			}
			return message(spec.Validations[i])
		}, cel.OptionalVariableDeclarations{HasParams: options.HasParams}),
		spec.FailurePolicy, nil)
}

// parseMinor reads a version such as 1.37 or v1.37.2; the empty one is the newest that is known.
func parseMinor(text string) (*version.Version, error) {
	if text == "" {
		text = newestMinor
	}
	v, err := version.ParseGeneric(strings.TrimPrefix(text, "v"))
	if err != nil || v.Major() != 1 {
		return nil, fmt.Errorf("%q is not a version of Kubernetes such as %s", text, newestMinor)
	}
	return version.MajorMinor(v.Major(), v.Minor()), nil
}

// newestMinor is the version whose code is linked.
const newestMinor = "1.37"
