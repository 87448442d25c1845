package locate

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
)

// query is what is looked for: a field of a rendered object, and its value.
type query struct {
	rule   string
	object *check.Object
	steps  []step
	// value is that of the field; exists says that there is one.
	value  any
	exists bool
}

func newQuery(f *check.Finding) *query {
	q := &query{rule: f.Rule, object: f.Object}
	var at any = f.Object.Object
	ok := true
	for _, s := range check.Steps(f.Path) {
		next := step{Step: s}
		if s.Key == "" {
			next.element = true
			list, _ := at.([]any)
			next.length = len(list)
			i := indexOf(list, s)
			if ok = ok && i >= 0; ok {
				at = list[i]
				next.Index = i
				if s.By == "" {
					next.byName(at)
				}
			}
		} else if ok {
			var fields map[string]any
			fields, _ = at.(map[string]any)
			at, ok = fields[s.Key]
		}
		q.steps = append(q.steps, next)
	}
	q.value, q.exists = at, ok
	return q
}

// byName turns an index into a name, where the element has one: lists are merged by it.
func (s *step) byName(element any) {
	s.want = element
	if fields, ok := element.(map[string]any); ok {
		if name, ok := fields["name"].(string); ok && name != "" {
			s.By, s.Value = "name", name
		}
	}
}

func indexOf(list []any, s check.Step) int {
	for i, e := range list {
		if s.By == "" {
			if i == s.Index {
				return i
			}
			continue
		}
		if fields, ok := e.(map[string]any); ok && fields[s.By] != nil {
			if text, isText := fields[s.By].(string); isText && text == s.Value || !isText && says(s.Value, fields[s.By]) {
				return i
			}
		}
	}
	return -1
}

// layer is one place where fields of an object are set, such as a document or a kustomization.
type layer interface {
	// find returns where the steps lead, nil when they lead nowhere here. With exact the value must be the rendered one.
	find(q *query, steps []step, exact bool) *check.Place
}

// resolve asks layers, which are ordered from the first to be applied to the last: of a field that is there the last one that
// says its value, of one that is not the first one that has what it belongs to.
func (q *query) resolve(layers []layer) check.Place {
	if q.exists {
		for i := len(layers) - 1; i >= 0; i-- {
			if layers[i] == nil {
				continue
			}
			if p := layers[i].find(q, q.steps, true); p != nil {
				return *p
			}
		}
	}
	for n := len(q.steps); n >= 0; n-- {
		if q.exists && n == len(q.steps) && !q.composite() {
			continue // written somewhere else than where it is written here
		}
		for _, l := range layers {
			if l == nil {
				continue
			}
			if p := l.find(q, q.steps[:n], false); p != nil {
				return *p
			}
		}
	}
	return check.Place{}
}

// composite reports whether the value is a mapping or a list, which several layers make together; so is a name, to which
// kustomizations add.
func (q *query) composite() bool {
	switch q.value.(type) {
	case map[string]any, []any:
		return true
	}
	return len(q.steps) == 2 && q.steps[0].Key == "metadata" && q.steps[1].Key == "name"
}

// document is a layer: an object, or a patch that is merged into one.
type document struct {
	file string
	root *yaml.Node
	// text is the scalar that holds an inline document.
	text *inline
	// partial says that this is a patch: what is missing in it says nothing.
	partial bool
}

// inline is a document in a scalar of another file.
type inline struct {
	node *yaml.Node
	file string
}

// place turns a node of an inline document into a place of the file. Only a literal block has its lines there.
func (in *inline) place(n *yaml.Node) check.Place {
	if in.node.Style&yaml.LiteralStyle != 0 {
		return check.Place{File: in.file, Line: in.node.Line + n.Line}
	}
	return check.Place{File: in.file, Line: in.node.Line, Column: in.node.Column}
}

func (d document) place(n *yaml.Node) *check.Place {
	if d.text != nil {
		p := d.text.place(n)
		return &p
	}
	return &check.Place{File: d.file, Line: n.Line, Column: n.Column}
}

func (d document) find(q *query, steps []step, exact bool) *check.Place {
	if d.partial && names(steps) {
		return nil // a patch repeats them to say what it is for
	}
	at, value, taken := walk(d.root, steps)
	if taken < len(steps) || exact && !holds(value, q.value) || d.partial && len(steps) == 0 {
		return nil
	}
	return d.place(at)
}

// names reports whether a field says which object this is.
func names(steps []step) bool {
	switch len(steps) {
	case 1:
		return steps[0].Key == "kind" || steps[0].Key == "apiVersion"
	case 2:
		return steps[0].Key == "metadata" && (steps[1].Key == "name" || steps[1].Key == "namespace")
	}
	return false
}

// pathParts splits a path.
func pathParts(name string) []string { return strings.Split(name, "/") }
