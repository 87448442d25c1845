package configfile

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
)

// reader fills values from YAML nodes and keeps what is wrong with them. A YAML library alone would name Go types and no file.
type reader struct {
	file string
	errs []error
}

func (r *reader) fail(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %s", r.place(n), fmt.Sprintf(format, args...)))
}

func (r *reader) place(n *yaml.Node) check.Place {
	return check.Place{File: r.file, Line: n.Line, Column: n.Column}
}

func valueOf(v any) reflect.Value { return reflect.ValueOf(v).Elem() }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// decode sets v from n. At is the name of the field, for messages.
func (r *reader) decode(n *yaml.Node, v reflect.Value, at string) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.fail(n, "%sanchors and aliases are not read here; write the value out", prefix(at))
		return
	}
	if isNull(n) {
		return
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if r.scalar(n, at, "a text") {
			if err := text.UnmarshalText([]byte(n.Value)); err != nil {
				r.fail(n, "%s%v", prefix(at), err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		r.structure(n, v, at)
	case reflect.Map:
		r.mapping(n, v, at)
	case reflect.Slice:
		r.list(n, v, at)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.decode(n, v.Elem(), at)
	case reflect.String:
		if r.scalar(n, at, "a text") {
			v.SetString(n.Value)
		}
	default:
		if r.scalar(n, at, "a value") {
			if err := n.Decode(v.Addr().Interface()); err != nil {
				r.fail(n, "%s%q is not a %s", prefix(at), n.Value, v.Kind())
			}
		}
	}
}

func prefix(at string) string {
	if at == "" {
		return ""
	}
	return at + ": "
}

func (r *reader) scalar(n *yaml.Node, at, want string) bool {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, "%s%s is wanted, not %s", prefix(at), want, kindName(n))
		return false
	}
	return true
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// structure sets the fields of a struct, every one at most once.
func (r *reader) structure(n *yaml.Node, v reflect.Value, at string) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%sa mapping is wanted, not %s", prefix(at), kindName(n))
		return
	}
	fields := map[string]reflect.Value{}
	var names []string
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := fieldName(f)
		switch {
		case f.Name == "At" && f.Type == reflect.TypeFor[check.Place]():
			v.Field(i).Set(reflect.ValueOf(r.place(n)))
		case name != "":
			fields[name], names = v.Field(i), append(names, name)
		}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		field, ok := fields[k.Value]
		switch {
		case !ok:
			r.fail(k, "unknown field %q%s", k.Value, suggestion(k.Value, names))
		case seen[k.Value]:
			r.fail(k, "the field %q stands here twice", k.Value)
		default:
			r.decode(n.Content[i+1], field, k.Value)
		}
		seen[k.Value] = true
	}
}

// fieldName is the name of a field in files; empty for one that is not read.
func fieldName(f reflect.StructField) string {
	for _, tag := range []string{"yaml", "json"} {
		if name, _, _ := strings.Cut(f.Tag.Get(tag), ","); name == "-" {
			return ""
		} else if name != "" {
			return name
		}
	}
	if !f.IsExported() {
		return ""
	}
	runes := []rune(f.Name)
	runes[0] = unicode.ToLower(runes[0])
	return string(runes)
}

func (r *reader) mapping(n *yaml.Node, v reflect.Value, at string) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "%sa mapping is wanted, not %s", prefix(at), kindName(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		r.decode(k, key, at)
		if v.MapIndex(key).IsValid() {
			r.fail(k, "%s%q stands here twice", prefix(at), k.Value)
		}
		r.decode(n.Content[i+1], value, k.Value)
		v.SetMapIndex(key, value)
	}
}

func (r *reader) list(n *yaml.Node, v reflect.Value, at string) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "%sa list is wanted, not %s", prefix(at), kindName(n))
		return
	}
	for _, e := range n.Content {
		value := reflect.New(v.Type().Elem()).Elem()
		r.decode(e, value, at)
		v.Set(reflect.Append(v, value))
	}
}

// child returns the value of a key, nil if there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func keys(n *yaml.Node) (out []*yaml.Node) {
	if n != nil && n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			out = append(out, n.Content[i])
		}
	}
	return out
}

func elements(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// suggestion names what was probably meant, or all that could be.
func suggestion(word string, known []string) string {
	for _, k := range known {
		if near(strings.ToLower(word), strings.ToLower(k)) {
			return fmt.Sprintf("; did you mean %s?", k)
		}
	}
	if len(known) == 0 || len(known) > 12 {
		return ""
	}
	known = slices.Clone(known)
	slices.Sort(known)
	return ": one of " + strings.Join(known, ", ")
}

// near reports whether two words differ by one letter: another one, one too many or one too few; or by their order.
func near(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:]
	j := 0
	for j < len(a) && j < len(b) && a[len(a)-1-j] == b[len(b)-1-j] {
		j++
	}
	a, b = a[:len(a)-j], b[:len(b)-j]
	return len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}
