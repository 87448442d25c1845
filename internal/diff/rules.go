package diff

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/object"
)

// StatusRule says of which kinds the status field is left out of comparisons, and out of what is applied.
type StatusRule string

// Status rules, as resource.compareoptions has them. The zero value is that for all kinds.
const (
	IgnoreStatusOfAll  StatusRule = "all"
	IgnoreStatusOfCRDs StatusRule = "crd"
	IgnoreStatusOfNone StatusRule = "none"
)

// Options are what the settings say of comparisons.
type Options struct {
	// Ignore are the ignoreDifferences for every application.
	Ignore v1alpha1.IgnoreDifferences
	Status StatusRule
	// KnownTypes are fields of custom kinds that hold values of Kubernetes' own types.
	KnownTypes []KnownType
	// JQTimeout bounds one jq expression over one object; 0 means one second.
	JQTimeout time.Duration
}

// Rules say which fields do not count. They are compiled once and safe for concurrent use.
type Rules struct {
	rules     []rule
	status    StatusRule
	jqTimeout time.Duration
	// NoValidate lets the server drop unknown fields instead of refusing them (sync option Validate=false).
	NoValidate bool
	// NoAdoption leaves the fields alone that client-side applies brought (sync option ClientSideApplyMigration=false).
	NoAdoption bool
	// Migrates is a further manager whose fields are treated as those of client-side applies are.
	Migrates string
	// Mutations counts fields too that neither Git names nor we own, and that the server would add or change: what a
	// webhook does to every apply (compare-options IncludeMutationWebhook=true).
	Mutations bool
}

// rule is one entry of ignoreDifferences or one kind with known types. An empty name or namespace selects all.
type rule struct {
	group, kind, name, namespace glob.Pattern
	set                          ignoreSet
}

// NewRules compiles what the settings say. A pointer, an expression or a type that cannot be used is an error of kind
// Invalid that names it.
func NewRules(o Options) (Rules, error) {
	out := Rules{status: o.Status, jqTimeout: o.JQTimeout}
	if out.jqTimeout <= 0 {
		out.jqTimeout = jqTimeout
	}
	known, err := knownRules(o.KnownTypes)
	if err != nil {
		return Rules{}, err
	}
	out.rules = known
	return out.With(o.Ignore)
}

// With returns the rules with those of an application added. Errors are as with NewRules.
func (r Rules) With(list v1alpha1.IgnoreDifferences) (Rules, error) {
	if r.jqTimeout <= 0 {
		r.jqTimeout = jqTimeout
	}
	rules := make([]rule, len(r.rules), len(r.rules)+len(list))
	copy(rules, r.rules)
	for _, d := range list {
		next, err := compile(d, r.jqTimeout)
		if err != nil {
			return Rules{}, err
		}
		rules = append(rules, next)
	}
	r.rules = rules
	return r, nil
}

// KeepsStatus reports whether the status of a kind is compared and, where Git has one, applied.
func (r *Rules) KeepsStatus(gk schema.GroupKind) bool {
	switch r.status {
	case IgnoreStatusOfNone:
		return true
	case IgnoreStatusOfCRDs:
		return gk != schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
	}
	return false
}

func compile(d v1alpha1.ResourceIgnoreDifferences, timeout time.Duration) (rule, error) {
	where := "ignoreDifferences for " + d.Group + "/" + d.Kind
	r := rule{set: ignoreSet{managers: d.ManagedFieldsManagers}}
	err := r.selects(d.Group, d.Kind, orAll(d.Namespace), orAll(d.Name))
	if err != nil {
		return rule{}, fault.New(fault.Invalid, "%s: %w", where, err)
	}
	for _, p := range d.JSONPointers {
		if !strings.HasPrefix(p, "/") {
			return rule{}, fault.New(fault.Invalid, "%s: JSON pointer %q must start with /", where, p)
		}
		parts := strings.Split(p[1:], "/")
		for i := range parts {
			parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(parts[i])
		}
		r.set.pointers = append(r.set.pointers, parts)
	}
	for _, text := range d.JQPathExpressions {
		e, err := newExpression(where, text, timeout)
		if err != nil {
			return rule{}, err
		}
		r.set.jq = append(r.set.jq, e)
	}
	return r, nil
}

func orAll(pattern string) string {
	if pattern == "" {
		return "*"
	}
	return pattern
}

func (r *rule) selects(group, kind, namespace, name string) error {
	for _, p := range []struct {
		text string
		dst  *glob.Pattern
	}{{group, &r.group}, {kind, &r.kind}, {namespace, &r.namespace}, {name, &r.name}} {
		compiled, err := glob.Compile(p.text)
		if err != nil {
			return err
		}
		*p.dst = compiled
	}
	return nil
}

// matching returns the union of the rules for ref. An empty group matches the core group only, as with Argo CD.
func (r *Rules) matching(ref object.Ref) ignoreSet {
	var out ignoreSet
	for i := range r.rules {
		c := &r.rules[i]
		if !c.group.Match(ref.Group) || !c.kind.Match(ref.Kind) || !c.name.Match(ref.Name) || !c.namespace.Match(ref.Namespace) {
			continue
		}
		out.pointers = append(out.pointers, c.set.pointers...)
		out.jq = append(out.jq, c.set.jq...)
		out.managers = append(out.managers, c.set.managers...)
		out.known = append(out.known, c.set.known...)
	}
	return out
}
