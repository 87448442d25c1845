package diff

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/itchyny/gojq"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// jqTimeout bounds one jq expression over one object, as Argo CD's default does.
const jqTimeout = time.Second

// Rules say which fields do not count. They are compiled once and safe for concurrent use.
type Rules struct {
	rules []rule
	// KeepStatus compares the status field too (resource.compareoptions ignoreResourceStatusField: none).
	KeepStatus bool
	// NoValidate lets the server drop unknown fields instead of refusing them (sync option Validate=false).
	NoValidate bool
	// NoAdoption leaves the fields alone that client-side applies brought (sync option ClientSideApplyMigration=false).
	NoAdoption bool
	// Migrates is a further manager whose fields are treated as those of client-side applies are.
	Migrates string
}

type rule struct {
	group, kind, name, namespace string // globs
	set                          ignoreSet
}

type ignoreSet struct {
	pointers [][]string
	jq       []*gojq.Code
	managers []string
}

func (s ignoreSet) empty() bool { return len(s.pointers)+len(s.jq)+len(s.managers) == 0 }

// NewRules compiles ignoreDifferences of the system and of an application. A pointer or expression that does not compile
// is an error of kind Invalid that names it.
func NewRules(lists ...v1alpha1.IgnoreDifferences) (Rules, error) {
	var out Rules
	for _, list := range lists {
		for _, d := range list {
			r, err := compile(d)
			if err != nil {
				return Rules{}, err
			}
			out.rules = append(out.rules, r)
		}
	}
	return out, nil
}

func compile(d v1alpha1.ResourceIgnoreDifferences) (rule, error) {
	r := rule{group: d.Group, kind: d.Kind, name: d.Name, namespace: d.Namespace, set: ignoreSet{managers: d.ManagedFieldsManagers}}
	for _, p := range d.JSONPointers {
		if !strings.HasPrefix(p, "/") {
			return rule{}, fault.New(fault.Invalid, "ignoreDifferences for %s/%s: JSON pointer %q must start with /", d.Group, d.Kind, p)
		}
		parts := strings.Split(p[1:], "/")
		for i := range parts {
			parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(parts[i])
		}
		r.set.pointers = append(r.set.pointers, parts)
	}
	for _, e := range d.JQPathExpressions {
		query, err := gojq.Parse("delpaths([path(" + e + ")])")
		if err != nil {
			return rule{}, fault.New(fault.Invalid, "ignoreDifferences for %s/%s: jq expression %q: %w", d.Group, d.Kind, e, err)
		}
		code, err := gojq.Compile(query)
		if err != nil {
			return rule{}, fault.New(fault.Invalid, "ignoreDifferences for %s/%s: jq expression %q: %w", d.Group, d.Kind, e, err)
		}
		r.set.jq = append(r.set.jq, code)
	}
	return r, nil
}

// matching returns the union of the rules for ref. An empty group matches the core group only, as with Argo CD;
// an empty name or namespace matches all.
func (r *Rules) matching(ref object.Ref) ignoreSet {
	var out ignoreSet
	for _, c := range r.rules {
		if !glob(c.group, ref.Group) || !glob(c.kind, ref.Kind) ||
			c.name != "" && !glob(c.name, ref.Name) || c.namespace != "" && !glob(c.namespace, ref.Namespace) {
			continue
		}
		out.pointers = append(out.pointers, c.set.pointers...)
		out.jq = append(out.jq, c.set.jq...)
		out.managers = append(out.managers, c.set.managers...)
	}
	return out
}

func glob(pattern, s string) bool {
	if pattern == "*" || pattern == s {
		return true
	}
	ok, err := path.Match(pattern, s)
	return err == nil && ok
}

// strip returns a copy of obj without the fields that the set ignores. managers are live's field managers.
func (s ignoreSet) strip(obj map[string]any, managers []object.Manager) (map[string]any, error) {
	if s.empty() {
		return obj, nil
	}
	out, _ := deepCopy(obj).(map[string]any)
	for _, p := range s.pointers {
		removePointer(out, p)
	}
	for _, name := range s.managers {
		for _, m := range managers {
			if m.Name == name {
				removeOwned(out, m.FieldsV1)
			}
		}
	}
	for _, code := range s.jq {
		next, err := runJQ(code, out)
		if err != nil {
			return nil, err
		}
		out = next
	}
	return out, nil
}

func runJQ(code *gojq.Code, in map[string]any) (map[string]any, error) {
	// gojq knows int and float64 but not int64, and stops when the context ends.
	plain, err := plainJSON(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), jqTimeout)
	defer cancel()
	v, ok := code.RunWithContext(ctx, plain).Next()
	if !ok {
		return in, nil
	}
	if _, failed := v.(error); failed {
		if ctx.Err() != nil {
			return nil, fault.New(fault.Invalid, "ignoreDifferences: a jq expression ran longer than %s", jqTimeout)
		}
		// A path that does not exist in this object ignores nothing.
		return in, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return in, nil
	}
	return fromPlain(m), nil
}

func plainJSON(v any) (any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode object for jq: %w", err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("decode object for jq: %w", err)
	}
	return out, nil
}

func fromPlain(m map[string]any) map[string]any {
	data, err := json.Marshal(m)
	if err != nil {
		return m
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var out map[string]any
	if dec.Decode(&out) != nil {
		return m
	}
	integers(out)
	return out
}

// integers turns json.Number into int64 where it is one and float64 otherwise, the forms of unstructured content.
func integers(v any) any {
	switch t := v.(type) {
	case map[string]any:
		for k, e := range t {
			t[k] = integers(e)
		}
	case []any:
		for i, e := range t {
			t[i] = integers(e)
		}
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return n
		}
		f, _ := t.Float64() // out of range becomes infinity, which equals only itself
		return f
	}
	return v
}

func removePointer(obj any, parts []string) {
	if len(parts) == 0 {
		return
	}
	switch o := obj.(type) {
	case map[string]any:
		if len(parts) == 1 {
			delete(o, parts[0])
			return
		}
		if len(parts) == 2 {
			if list, ok := o[parts[0]].([]any); ok {
				if i, err := strconv.Atoi(parts[1]); err == nil && i >= 0 && i < len(list) {
					o[parts[0]] = append(append([]any{}, list[:i]...), list[i+1:]...)
				}
				return
			}
		}
		removePointer(o[parts[0]], parts[1:])
	case []any:
		if i, err := strconv.Atoi(parts[0]); err == nil && i >= 0 && i < len(o) {
			removePointer(o[i], parts[1:])
		}
	}
}

// removeOwned removes the leaves of a field set from obj.
func removeOwned(obj map[string]any, fieldsV1 []byte) {
	var set map[string]any
	if json.Unmarshal(fieldsV1, &set) != nil {
		return
	}
	removeFields(obj, set)
}

func removeFields(in any, set map[string]any) any {
	keys := make([]string, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, key := range keys {
		if key == "." {
			continue
		}
		children, _ := set[key].(map[string]any)
		value, found := element(in, key)
		if !found {
			continue
		}
		leaf := len(children) == 0
		switch c := in.(type) {
		case map[string]any:
			name := strings.TrimPrefix(key, "f:")
			if leaf {
				delete(c, name)
			} else {
				c[name] = removeFields(value, children)
			}
		case []any:
			if _, isMap := value.(map[string]any); isMap && !leaf {
				removeFields(value, children)
				continue
			}
			kept := make([]any, 0, len(c))
			for _, e := range c {
				if !scalarEqual(e, value) {
					kept = append(kept, e)
				}
			}
			in = kept
		}
	}
	return in
}

func deepCopy(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, e := range t {
			out[k] = deepCopy(e)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, e := range t {
			out[i] = deepCopy(e)
		}
		return out
	}
	return v
}
