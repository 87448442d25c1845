package policy

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/belaycd/belay/internal/check"
)

// Lint finds what is wrong with policies: what the API server would not take (errors), and expressions that do not fit the schemas of
// the kinds that the policy is asked about (warnings), as its type checker has them in the status of a policy.
func Lint(ctx context.Context, server Server, opts Options) ([]Flaw, error) {
	policies, err := readLibrary(server, opts)
	if err != nil {
		return nil, err
	}
	if len(policies.definitions)+len(policies.problems) == 0 {
		return nil, fmt.Errorf("no policies: no file below %s holds a ValidatingAdmissionPolicy", strings.Join(opts.paths(), ", "))
	}
	var out []Flaw
	for _, p := range policies.problems {
		out = append(out, Flaw{p.place, check.Error, p.text})
	}
	definitions := slices.DeleteFunc(slices.Clone(policies.others), func(u *unstructured.Unstructured) bool {
		return !isDefinition(u.GroupVersionKind().GroupKind())
	})
	k := newKinds(server, definitions)
	checker := &validating.TypeChecker{SchemaResolver: schemas{k, server.Schemas()}, RestMapper: k.restMapper()}
	for _, d := range policies.definitions {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out = append(out, lintTypes(checker, d)...)
	}
	slices.SortStableFunc(out, func(a, b Flaw) int {
		if c := strings.Compare(a.Place.File, b.Place.File); c != 0 {
			return c
		}
		return a.Place.Line - b.Place.Line
	})
	return out, nil
}

// lintTypes checks the types of a policy's expressions.
func lintTypes(checker *validating.TypeChecker, d *definition) (out []Flaw) {
	types := checker.CreateContext(d.ValidatingAdmissionPolicy)
	all, messages := expressions(d.ValidatingAdmissionPolicy)
	for _, e := range slices.Concat(variables(d.ValidatingAdmissionPolicy), all, messages) {
		kinds := map[issue][]string{}
		var order []issue
		for _, result := range checker.CheckExpression(types, e.GetExpression()) {
			err := result.Issues
			if err == nil {
				err = result.Err
			}
			for _, i := range issues(err.Error()) {
				if kinds[i] == nil {
					order = append(order, i)
				}
				kinds[i] = append(kinds[i], result.GVK.Kind)
			}
		}
		for _, i := range order {
			out = append(out, Flaw{d.from.file.inside(e.path, i.line), check.Warning, fmt.Sprintf("policy %s: %s: for %s: %s", d.Name, e.path, strings.Join(kinds[i], ", "), i.text)})
		}
	}
	return out
}

func variables(p *v1.ValidatingAdmissionPolicy) (out []expression) {
	for i, v := range p.Spec.Variables {
		out = append(out, expression{check.Join("spec", "variables", check.Element(i, "", ""), "expression"), &validating.Variable{Name: v.Name, Expression: v.Expression}})
	}
	return out
}

// issue is one complaint of the type checker.
type issue struct {
	line int
	text string
}

// issues takes apart the text of the type checker: it gives no other form.
func issues(text string) (out []issue) {
	for _, m := range regexp.MustCompile(`ERROR: <input>:(\d+):\d+: (.*)`).FindAllStringSubmatch(text, -1) {
		line, _ := strconv.Atoi(m[1])
		out = append(out, issue{line, m[2]})
	}
	if len(out) == 0 {
		out = []issue{{text: text}}
	}
	return out
}

// restMapper knows the resources of all kinds.
func (k *kinds) restMapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for _, gvk := range k.server.Kinds() {
		m.Add(gvk, meta.RESTScopeNamespace)
	}
	for gk, c := range k.custom {
		for version := range c.schemas {
			gv := schema.GroupVersion{Group: gk.Group, Version: version}
			m.AddSpecific(gv.WithKind(gk.Kind), gv.WithResource(c.plural), gv.WithResource(strings.ToLower(gk.Kind)), meta.RESTScopeNamespace)
		}
	}
	return m
}

// schemas resolves the schemas of custom kinds, and of built-in ones.
type schemas struct {
	kinds   *kinds
	builtIn resolver.SchemaResolver
}

// ResolveSchema implements resolver.SchemaResolver.
func (s schemas) ResolveSchema(gvk schema.GroupVersionKind) (*spec.Schema, error) {
	c := s.kinds.custom[gvk.GroupKind()]
	if c == nil {
		return s.builtIn.ResolveSchema(gvk)
	}
	if c.schemas[gvk.Version] == nil {
		return nil, fmt.Errorf("cannot resolve %s: %w", gvk, resolver.ErrSchemaNotFound)
	}
	out := c.schemas[gvk.Version].ToKubeOpenAPI()
	// The server adds what all objects have.
	like, err := s.builtIn.ResolveSchema(schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"})
	if err != nil {
		return nil, err
	}
	for _, field := range []string{"apiVersion", "kind", "metadata"} {
		out.SetProperty(field, like.Properties[field])
	}
	return out, nil
}
