package locate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
)

// parse returns the roots of the documents of a text, up to the first one that cannot be read.
func parse(text string) (roots []*yaml.Node) {
	defer func() { _ = recover() }() // the parser gives up on some texts that way
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var n yaml.Node
		if err := d.Decode(&n); err != nil {
			return roots
		}
		if len(n.Content) > 0 {
			roots = append(roots, n.Content[0])
		}
	}
}

// step is a step of a field path with what the object has there.
type step struct {
	check.Step
	// element says that the step leads to an element of a list of that length; want is the element.
	element bool
	want    any
	length  int
}

func plainSteps(steps []check.Step) []step {
	out := make([]step, len(steps))
	for i, s := range steps {
		out[i] = step{Step: s, element: s.Key == ""}
	}
	return out
}

// child returns the value of a key, nil if there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	_, v := entry(n, key)
	return v
}

func entry(n *yaml.Node, key string) (k, v *yaml.Node) {
	n = followed(n)
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := len(n.Content) - 2; i >= 0; i -= 2 { // of two the last one counts
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

func followed(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func scalar(n *yaml.Node) string {
	if n = followed(n); n != nil && n.Kind == yaml.ScalarNode {
		return n.Value
	}
	return ""
}

// descend follows steps as far as they lead. It returns the node to point at and the value there.
func descend(n *yaml.Node, steps []step) (at *yaml.Node, taken int) {
	at, _, taken = walk(n, steps)
	return at, taken
}

func walk(n *yaml.Node, steps []step) (at, value *yaml.Node, taken int) {
	at, value = n, n
	for i, s := range steps {
		if !s.element {
			k, v := entry(value, s.Key)
			if v == nil {
				return at, value, i
			}
			at, value = k, v
			continue
		}
		next := element(followed(value), s)
		if next == nil {
			return at, value, i
		}
		at, value = next, next
	}
	return at, value, len(steps)
}

// element finds an element of a list: by its key, by its value, or by its index in a list of the same length.
func element(n *yaml.Node, s step) *yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	if s.By != "" {
		var first *yaml.Node
		for i, e := range n.Content {
			v := child(e, s.By)
			if v == nil || v.Value != s.Value {
				continue
			}
			if s.want == nil || i == s.Index && holds(e, s.want) { // two elements may have the same name, which is what a finding tells
				return e
			}
			if first == nil {
				first = e
			}
		}
		return first
	}
	if s.want == nil {
		if s.Index < len(n.Content) && (s.length == 0 || s.length == len(n.Content)) {
			return n.Content[s.Index]
		}
		return nil
	}
	if s.Index < len(n.Content) && holds(n.Content[s.Index], s.want) {
		return n.Content[s.Index]
	}
	if i := slices.IndexFunc(n.Content, func(e *yaml.Node) bool { return holds(e, s.want) }); i >= 0 {
		return n.Content[i]
	}
	if s.length == len(n.Content) && s.Index < len(n.Content) && n.Content[s.Index].Kind != yaml.ScalarNode {
		return n.Content[s.Index]
	}
	return nil
}

// holds reports whether a node says what the rendered value says: the same scalar, or a part of the same mapping or list.
func holds(n *yaml.Node, value any) bool {
	n = followed(n)
	if n == nil {
		return value == nil
	}
	switch v := value.(type) {
	case map[string]any:
		if n.Kind != yaml.MappingNode {
			return false
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if field, ok := v[n.Content[i].Value]; !ok || !holds(n.Content[i+1], field) {
				return false
			}
		}
		return true
	case []any:
		if n.Kind != yaml.SequenceNode || len(n.Content) > len(v) {
			return false
		}
		for _, e := range n.Content {
			if !slices.ContainsFunc(v, func(have any) bool { return holds(e, have) }) {
				return false
			}
		}
		return true
	}
	return n.Kind == yaml.ScalarNode && says(n.Value, value)
}

// says reports whether the text of a scalar means a rendered value.
func says(text string, value any) bool {
	switch v := value.(type) {
	case nil:
		return text == "" || text == "null" || text == "~"
	case string:
		return text == v
	case bool:
		return strings.EqualFold(text, strconv.FormatBool(v)) || v == slices.Contains([]string{"yes", "on", "y"}, strings.ToLower(text)) &&
			slices.Contains([]string{"yes", "no", "on", "off", "y", "n"}, strings.ToLower(text))
	case int64:
		n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 0, 64)
		return err == nil && n == v
	case float64:
		n, err := strconv.ParseFloat(text, 64)
		return err == nil && n == v
	}
	return text == fmt.Sprint(value)
}
