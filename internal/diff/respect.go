package diff

import (
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Respect returns the plan with, in each desired object that exists, the ignored fields as they are in the cluster
// (RespectIgnoreDifferences): a sync then leaves them alone.
func Respect(plan *Plan, rules Rules) (*Plan, error) {
	out := &Plan{Items: make([]*Item, len(plan.Items)), Hooks: plan.Hooks}
	for n, i := range plan.Items {
		out.Items[n] = i
		set := rules.matching(i.Ref)
		if i.Desired == nil || i.Live == nil || i.Live.Partial || set.empty() {
			continue
		}
		want, err := set.strip(i.Desired.Object, i.Live.Managers)
		if err != nil {
			return nil, err
		}
		next := *i
		merged, _ := deepCopy(want).(map[string]any)
		for _, ignored := range Fields(want, i.Desired.Object) {
			steps := splitPath(ignored.Path)
			if v, ok := lookup(i.Live.Object.Object, steps); ok {
				assign(merged, steps, deepCopy(v))
			}
		}
		next.Desired = &unstructured.Unstructured{Object: merged}
		out.Items[n] = &next
	}
	return out, nil
}

// lookup returns the value at a path of Fields.
func lookup(v any, path []step) (any, bool) {
	for _, s := range path {
		switch c := v.(type) {
		case map[string]any:
			next, ok := c[s.name]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			i := s.index(c)
			if i < 0 {
				return nil, false
			}
			v = c[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// assign puts value at path into in, which is a map or a list, and returns in, or its replacement when it had to grow.
func assign(in any, path []step, value any) any {
	if len(path) == 0 {
		return value
	}
	s, rest := path[0], path[1:]
	switch c := in.(type) {
	case map[string]any:
		c[s.name] = assign(c[s.name], rest, value)
		return c
	case []any:
		if i := s.index(c); i >= 0 {
			c[i] = assign(c[i], rest, value)
			return c
		}
		if len(rest) == 0 {
			return append(c, value) // an ignored element of a list
		}
		return c
	case nil:
		// The parent held nothing but ignored fields.
		if s.key != "" && len(rest) == 0 {
			return []any{value}
		}
		if s.key == "" {
			return map[string]any{s.name: assign(nil, rest, value)}
		}
	}
	return in
}

// index finds the list element that a step names, by key or by position; -1 when there is none.
func (s step) index(list []any) int {
	if s.key == "" {
		if i, err := strconv.Atoi(s.name); err == nil && i >= 0 && i < len(list) {
			return i
		}
		return -1
	}
	for i, e := range list {
		if elementKey(e, s.key) == s.name {
			return i
		}
	}
	return -1
}
