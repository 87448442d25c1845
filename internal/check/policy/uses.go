package policy

import (
	"slices"
	"strconv"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	v1 "k8s.io/api/admissionregistration/v1"

	"github.com/belaycd/belay/internal/check"
)

// use is what an expression refers to.
type use struct {
	// authorizer and namespace are asked for what only the cluster may know.
	authorizer, namespace bool
	// fields are the fields of the object, each as steps of a path.
	fields [][]string
}

func (u *use) add(o use) {
	u.authorizer, u.namespace = u.authorizer || o.authorizer, u.namespace || o.namespace
	u.fields = append(u.fields, o.fields...)
}

// path returns the field that all fields are at or below.
func (u use) path() string {
	if len(u.fields) == 0 {
		return ""
	}
	shared := u.fields[0]
	for _, f := range u.fields[1:] {
		n := 0
		for n < min(len(shared), len(f)) && shared[n] == f[n] {
			n++
		}
		shared = shared[:n]
	}
	return check.Join("", shared...)
}

// uses is what a policy refers to.
type uses struct {
	conditions, annotations use
	// validations hold the message too.
	validations []use
}

// findUses reads the expressions of a policy. One that cannot be parsed refers to nothing; it fails for that reason.
func findUses(p *v1.ValidatingAdmissionPolicy, env *cel.Env) (out uses) {
	variables := map[string]use{}
	for _, v := range p.Spec.Variables {
		variables[v.Name] = parse(env, v.Expression, variables)
	}
	for _, c := range p.Spec.MatchConditions {
		out.conditions.add(parse(env, c.Expression, variables))
	}
	for _, a := range p.Spec.AuditAnnotations {
		out.annotations.add(parse(env, a.ValueExpression, variables))
	}
	for _, v := range p.Spec.Validations {
		u := parse(env, v.Expression, variables)
		if v.MessageExpression != "" {
			m := parse(env, v.MessageExpression, variables)
			u.namespace = u.namespace || m.namespace
		}
		out.validations = append(out.validations, u)
	}
	return out
}

func parse(env *cel.Env, text string, variables map[string]use) (out use) {
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return use{}
	}
	tree := ast.NavigateAST(parsed.NativeRep())
	for _, e := range ast.MatchDescendants(tree, ast.AllMatcher()) {
		if parent, ok := e.Parent(); ok && extends(parent, e) {
			continue
		}
		root, steps := chain(e)
		switch root {
		case "object":
			out.fields = append(out.fields, among(e, steps))
		case "namespaceObject":
			out.namespace = true
		case "authorizer":
			out.authorizer = true
		case "variables":
			if len(steps) > 0 {
				out.add(variables[steps[0]])
			}
		}
	}
	return out
}

// extends reports whether parent names a field of what e names.
func extends(parent, e ast.Expr) bool {
	operand, _, ok := link(parent)
	return ok && operand.ID() == e.ID()
}

// link takes a field off an expression: a.b, a["b"], a[0] and a.?b.
func link(e ast.Expr) (operand ast.Expr, step string, ok bool) {
	switch e.Kind() {
	case ast.SelectKind:
		return e.AsSelect().Operand(), e.AsSelect().FieldName(), true
	case ast.CallKind:
		call := e.AsCall()
		if !slices.Contains([]string{operators.Index, operators.OptIndex, operators.OptSelect}, call.FunctionName()) || len(call.Args()) != 2 || call.Args()[1].Kind() != ast.LiteralKind {
			return nil, "", false
		}
		switch key := call.Args()[1].AsLiteral().Value().(type) {
		case string:
			return call.Args()[0], key, true
		case int64:
			return call.Args()[0], "[" + strconv.FormatInt(key, 10) + "]", true
		}
	}
	return nil, "", false
}

// chain returns the variable that an expression begins with, and the fields it names from there.
func chain(e ast.Expr) (root string, steps []string) {
	for {
		if e.Kind() == ast.IdentKind {
			slices.Reverse(steps)
			return e.AsIdent(), steps
		}
		operand, step, ok := link(e)
		if !ok {
			return "", nil
		}
		steps = append(steps, step)
		e = operand
	}
}

// among adds the key that "key" in e asks for.
func among(e ast.NavigableExpr, steps []string) []string {
	parent, ok := e.Parent()
	if !ok || parent.Kind() != ast.CallKind || parent.AsCall().FunctionName() != operators.In {
		return steps
	}
	args := parent.AsCall().Args()
	if len(args) != 2 || args[1].ID() != e.ID() || args[0].Kind() != ast.LiteralKind {
		return steps
	}
	if key, ok := args[0].AsLiteral().Value().(string); ok {
		return append(steps, key)
	}
	return steps
}
