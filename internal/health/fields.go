package health

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// fields reads an object without trusting it. A missing field gives the zero value; a field of a wrong type gives
// the zero value too and is remembered in wrong, the first one only.
type fields struct {
	root  map[string]any
	wrong string
	whole *fields // of an element of a list: the object that holds the list
}

// part reads an element of a list; what is wrong in it is wrong in the whole.
func (f *fields) part(item map[string]any) *fields { return &fields{root: item, whole: f} }

func (f *fields) mismatch(path []string, got any, want string) {
	text := fmt.Sprintf("field %s is %s, want %s", strings.Join(path, "."), typeName(got), want)
	for ; f != nil; f = f.whole {
		if f.wrong == "" {
			f.wrong = text
		}
	}
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64, float64, int, int32, json.Number:
		return "a number"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	}
	return fmt.Sprintf("a %T", v)
}

// get returns the value at path, nil when it is absent or null.
func (f *fields) get(path ...string) any {
	var v any = f.root
	for i, key := range path {
		if v == nil {
			return nil
		}
		m, ok := v.(map[string]any)
		if !ok {
			f.mismatch(path[:i], v, "an object")
			return nil
		}
		v = m[key]
	}
	return v
}

// num returns the integer at path and whether there is one.
func (f *fields) num(path ...string) (int64, bool) {
	v := f.get(path...)
	if v == nil {
		return 0, false
	}
	n, ok := integer(v)
	if !ok {
		f.mismatch(path, v, "a whole number")
	}
	return n, ok
}

func integer(v any) (int64, bool) {
	switch n := v.(type) {
	case int64:
		return n, true
	case int:
		return int64(n), true
	case int32:
		return int64(n), true
	case float64:
		if n != math.Trunc(n) || math.Abs(n) >= 1<<53 {
			return 0, false
		}
		return int64(n), true
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	}
	return 0, false
}

// count is num without the difference between absent and zero.
func (f *fields) count(path ...string) int64 {
	n, _ := f.num(path...)
	return n
}

func (f *fields) text(path ...string) string {
	v := f.get(path...)
	if v == nil {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		f.mismatch(path, v, "a string")
	}
	return s
}

func (f *fields) truth(path ...string) bool {
	v := f.get(path...)
	if v == nil {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		f.mismatch(path, v, "a boolean")
	}
	return b
}

func (f *fields) object(path ...string) map[string]any {
	v := f.get(path...)
	if v == nil {
		return nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		f.mismatch(path, v, "an object")
	}
	return m
}

// list returns the objects of the list at path.
func (f *fields) list(path ...string) []map[string]any {
	v := f.get(path...)
	if v == nil {
		return nil
	}
	items, ok := v.([]any)
	if !ok {
		f.mismatch(path, v, "a list")
		return nil
	}
	out := make([]map[string]any, 0, len(items))
	for _, item := range items {
		m, ok := item.(map[string]any)
		if !ok {
			f.mismatch(path, item, "an object in the list")
			continue
		}
		out = append(out, m)
	}
	return out
}

func (f *fields) instant(path ...string) time.Time {
	s := f.text(path...)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		f.mismatch(path, s, "a time")
		return time.Time{}
	}
	return t
}

// observed reports whether the controller of the object has seen its latest spec. Kinds without the field have.
func (f *fields) observed() bool {
	seen, ok := f.num("status", "observedGeneration")
	return !ok || seen >= f.count("metadata", "generation")
}

// condition is one entry of status.conditions.
type condition struct {
	Type, Status, Reason, Message string
	Since                         time.Time
	// Observed is the generation that the condition is about; 0 when it does not say.
	Observed int64
}

func (c condition) isTrue() bool  { return c.Status == "True" }
func (c condition) isFalse() bool { return c.Status == "False" }

// String names the condition, its status and the cause that its controller gave.
func (c condition) String() string {
	text := "condition " + c.Type + " is " + c.Status
	for _, part := range []string{c.Reason, c.Message} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

// cause is the message of the condition, or else its reason.
func (c condition) cause() string {
	if c.Message != "" {
		return c.Message
	}
	return c.Reason
}

// conditions returns status.conditions by type; of two with the same type the first counts.
func (f *fields) conditions() map[string]condition {
	out := map[string]condition{}
	for _, item := range f.list("status", "conditions") {
		c := f.condition(item)
		if _, twice := out[c.Type]; !twice && c.Type != "" {
			out[c.Type] = c
		}
	}
	return out
}

func (f *fields) condition(item map[string]any) condition {
	in := f.part(item)
	return condition{
		Type:     in.text("type"),
		Status:   in.text("status"),
		Reason:   in.text("reason"),
		Message:  in.text("message"),
		Observed: in.count("observedGeneration"),
		// A time that cannot be read starts no deadline and is no reason to judge otherwise.
		Since: (&fields{root: item}).instant("lastTransitionTime"),
	}
}
