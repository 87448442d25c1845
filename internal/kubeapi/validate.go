package kubeapi

import (
	"encoding/base64"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Problem is a field that a version of Kubernetes does not take.
type Problem struct {
	// Path is in the API server's form: spec.containers[0].ports.
	Path string
	// Message says what is wrong, without a value.
	Message string
	// Duplicate says that a list element has the key of another one: what else there is to say does not follow from it.
	Duplicate bool
	// Unknown says that there is no such field, and Known when there is one; the zero Span if there never is.
	Unknown bool
	Known   Span
}

// Validate returns the problems of an object in a minor version; none for a kind that it does not know there.
func (a *API) Validate(object map[string]any, gvk schema.GroupVersionKind, minor int) []Problem {
	kind := a.Kind(gvk)
	if kind == nil || !kind.Has(minor) {
		return nil
	}
	w := &walker{api: a, minor: minor}
	w.structure(object, kind.Type)
	sort.SliceStable(w.problems, func(i, j int) bool { return w.problems[i].Path < w.problems[j].Path })
	return w.problems
}

type walker struct {
	api      *API
	minor    int
	path     []string
	problems []Problem
}

func (w *walker) add(p Problem) {
	p.Path = strings.TrimPrefix(strings.Join(w.path, ""), ".")
	w.problems = append(w.problems, p)
}

func (w *walker) below(step string, f func()) {
	w.path = append(w.path, step)
	f()
	w.path = w.path[:len(w.path)-1]
}

func (w *walker) structure(object map[string]any, name string) {
	t := w.api.Types[name]
	if t == nil {
		return
	}
	for key, v := range object {
		f, known := t.field(key, w.minor)
		if known {
			if v != nil {
				w.path = append(w.path, ".", key)
				w.value(v, &f.Shape)
				w.path = w.path[:len(w.path)-2]
			}
			continue
		}
		w.below(step(key), func() { w.add(Problem{Message: "no such field", Unknown: true, Known: t.known(key)}) })
	}
}

// step is a key as a step of a path.
func step(key string) string {
	if strings.ContainsAny(key, ".[]/") {
		return "[" + key + "]"
	}
	return "." + key
}

func (t *Type) field(key string, minor int) (*Field, bool) {
	fields := t.Fields[key]
	for i := range fields {
		if fields[i].Has(minor) {
			return &fields[i], true
		}
	}
	return nil, false
}

func (t *Type) known(key string) Span {
	if fields := t.Fields[key]; len(fields) > 0 {
		return fields[0].Span
	}
	return Span{}
}

func (w *walker) value(v any, s *Shape) {
	switch s.Is {
	case anything:
	case structure:
		if object, ok := v.(map[string]any); ok {
			w.structure(object, s.Ref)
			return
		}
		w.misfit("a mapping", v)
	case mapping:
		object, ok := v.(map[string]any)
		if !ok {
			w.misfit("a mapping", v)
			return
		}
		if s.Of == nil {
			return
		}
		for key, element := range object {
			if element != nil {
				w.below("["+key+"]", func() { w.value(element, s.Of) })
			}
		}
	case list:
		elements, ok := v.([]any)
		if !ok {
			w.misfit("a list", v)
			return
		}
		w.elements(elements, s)
	default:
		w.scalar(v, s.Is)
	}
}

func (w *walker) elements(elements []any, s *Shape) {
	for i, element := range elements {
		if element != nil && s.Of != nil {
			w.below("["+strconv.Itoa(i)+"]", func() { w.value(element, s.Of) })
		}
	}
	if len(elements) < 2 || len(s.Keys) == 0 && !s.Set {
		return
	}
	seen := map[string]int{}
	for i, element := range elements {
		key, ok := w.key(element, s)
		if !ok {
			continue
		}
		if first, dup := seen[key]; dup {
			what := "the same value"
			if len(s.Keys) > 0 {
				what = "the same " + strings.Join(s.Keys, " and ")
			}
			w.below("["+strconv.Itoa(i)+"]", func() {
				w.add(Problem{Duplicate: true, Message: fmt.Sprintf("has %s as element %d of the list: server-side apply refuses such a list", what, first)})
			})
			continue
		}
		seen[key] = i
	}
}

// key is what tells an element apart; false if it has none.
func (w *walker) key(element any, s *Shape) (string, bool) {
	if s.Set {
		return fmt.Sprint(element), true
	}
	object, ok := element.(map[string]any)
	if !ok {
		return "", false
	}
	var key strings.Builder
	found := false
	for _, name := range s.Keys {
		v, ok := object[name]
		if !ok && s.Of != nil && w.api.Types[s.Of.Ref] != nil {
			if f, known := w.api.Types[s.Of.Ref].field(name, w.minor); known && f.Default != "" {
				v = f.Default
			}
		}
		found = found || ok
		fmt.Fprintf(&key, "%v\x00", v)
	}
	return key.String(), found
}

func (w *walker) scalar(v any, is string) {
	ok, wanted := false, ""
	switch is {
	case text:
		_, ok = v.(string)
		wanted = "a string"
	case binary:
		s, isText := v.(string)
		if isText {
			if _, err := base64.StdEncoding.DecodeString(s); err != nil {
				w.add(Problem{Message: "must be in base64"})
			}
			return
		}
		wanted = "a string"
	case boolean:
		_, ok = v.(bool)
		wanted = "a boolean"
	case integer:
		ok = whole(v)
		wanted = "an integer"
	case number:
		_, ok = v.(float64)
		ok = ok || whole(v)
		wanted = "a number"
	case textOrInt:
		_, ok = v.(string)
		ok = ok || whole(v)
		wanted = "an integer or a string"
	case quantity:
		_, isText := v.(string)
		_, isFloat := v.(float64)
		ok = isText || isFloat || whole(v)
		wanted = "a quantity such as 500m or 2Gi"
	}
	if !ok {
		w.misfit(wanted, v)
	}
}

func whole(v any) bool {
	switch v := v.(type) {
	case int64, int, int32:
		return true
	case float64: // 1e3
		return v == math.Trunc(v)
	}
	return false
}

func (w *walker) misfit(wanted string, v any) {
	w.add(Problem{Message: "must be " + wanted + ", not " + called(v)})
}

func called(v any) string {
	switch v.(type) {
	case map[string]any:
		return "a mapping"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}
