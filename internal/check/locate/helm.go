package locate

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
)

// row is one key, element or action of a template.
type row struct {
	line, indent int
	// item says that an element of a list begins here.
	item bool
	key  string
	// value is the text after the key; for an action the whole of it.
	value  string
	action bool
}

var keyPattern = regexp.MustCompile(`^("[^"]+"|'[^']+'|[A-Za-z0-9_./$-]+):(?:\s+(.*))?$`)

// rows reads the lines of a template that tell its structure.
func rows(lines []string, first int) (out []row) {
	skip := -1 // lines that are indented more than that belong to a block of text
	for i, text := range lines {
		trimmed := strings.TrimSpace(text)
		indent := len(text) - len(strings.TrimLeft(text, " "))
		if trimmed == "" || skip >= 0 && indent > skip {
			continue
		}
		skip = -1
		if strings.HasPrefix(trimmed, "#") {
			continue
		}
		if strings.HasPrefix(trimmed, "{{") && strings.HasSuffix(trimmed, "}}") && !strings.Contains(trimmed, "}}:") {
			out = append(out, row{line: first + i, indent: indent, value: trimmed, action: true})
			continue
		}
		for strings.HasPrefix(trimmed, "- ") || trimmed == "-" {
			rest := strings.TrimLeft(strings.TrimPrefix(trimmed, "-"), " ")
			out = append(out, row{line: first + i, indent: indent, item: true, value: rest})
			indent += len(trimmed) - len(rest)
			trimmed = rest
		}
		m := keyPattern.FindStringSubmatch(trimmed)
		if m == nil {
			continue
		}
		value := m[2]
		if strings.HasPrefix(value, "|") || strings.HasPrefix(value, ">") {
			skip = indent
		}
		out = append(out, row{line: first + i, indent: indent, key: strings.Trim(m[1], `"'`), value: value})
	}
	return out
}

// segments splits a template into its documents.
func segments(text string) (out [][]row) {
	var lines []string
	first := 1
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "---") {
			out = append(out, rows(lines, first))
			lines, first = nil, i+2
			continue
		}
		lines = append(lines, strings.TrimRight(line, "\r"))
	}
	return append(out, rows(lines, first))
}

// ofTemplate finds the line of a template, or of a value file, that made a field.
func (l *Locator) ofTemplate(q *query) check.Place {
	name := q.object.Template
	var documents [][]row
	for _, d := range segments(l.text(name)) {
		if kind := top(d, "kind"); len(kind) > 0 && slices.ContainsFunc(kind, func(r row) bool {
			return literal(r.value) == q.object.GetKind() || strings.Contains(r.value, "{{")
		}) {
			documents = append(documents, d)
		}
	}
	if len(documents) > 1 {
		documents = slices.DeleteFunc(documents, func(d []row) bool { return !named(d, q.object.GetName()) })
	}
	if len(documents) != 1 {
		return check.Place{File: name}
	}
	t := template{l: l, q: q, rows: documents[0]}
	return t.find()
}

// named reports whether a document may have that name.
func named(d []row, name string) bool {
	lo, hi, ok := 0, len(d), true
	for _, key := range []string{"metadata", "name"} {
		found := keyed(d, lo, hi, key)
		if ok = ok && len(found) > 0; !ok {
			return true
		}
		if key == "name" {
			return slices.ContainsFunc(found, func(i int) bool { return strings.Contains(d[i].value, "{{") || literal(d[i].value) == name })
		}
		lo, hi = found[0]+1, end(d, found[0], hi)
	}
	return true
}

func top(d []row, key string) (out []row) {
	for _, i := range keyed(d, 0, len(d), key) {
		out = append(out, d[i])
	}
	return out
}

// end returns the index after the last row that belongs to row i.
func end(d []row, i, hi int) int {
	for j := i + 1; j < hi; j++ {
		if d[j].action {
			continue
		}
		if d[j].indent < d[i].indent || d[j].indent == d[i].indent && (!d[j].item || d[i].item) {
			return j
		}
	}
	return hi
}

// keyed returns the rows of a key among the nearest ones between lo and hi.
func keyed(d []row, lo, hi int, key string) (out []int) {
	indent := -1
	for i := lo; i < hi; i++ {
		if d[i].action || d[i].item {
			continue
		}
		if indent < 0 || d[i].indent < indent {
			indent = d[i].indent
		}
	}
	for i := lo; i < hi; i++ {
		if !d[i].action && !d[i].item && d[i].indent == indent && d[i].key == key {
			out = append(out, i)
		}
	}
	return out
}

// items returns the elements of the list between lo and hi.
func items(d []row, lo, hi int) (out []int) {
	indent := -1
	for i := lo; i < hi; i++ {
		if d[i].item && (indent < 0 || d[i].indent < indent) {
			indent = d[i].indent
		}
	}
	for i := lo; i < hi; i++ {
		if d[i].item && d[i].indent == indent {
			out = append(out, i)
		}
	}
	return out
}

type template struct {
	l    *Locator
	q    *query
	rows []row
}

func (t template) place(i int) check.Place {
	return check.Place{File: t.q.object.Template, Line: t.rows[i].line}
}

// find follows the steps as far as the text is clear.
func (t template) find() check.Place {
	best := check.Place{File: t.q.object.Template}
	if kind := keyed(t.rows, 0, len(t.rows), "kind"); len(kind) == 1 {
		best = t.place(kind[0])
	}
	lo, hi := 0, len(t.rows)
	for n, s := range t.q.steps {
		last := n == len(t.q.steps)-1 && t.q.exists
		i := t.choose(s, lo, hi, last)
		if i < 0 {
			if lo > 0 {
				return t.fromValues(lo-1, hi, t.q.steps[n:], best)
			}
			return best
		}
		if r := t.rows[i]; last && !s.element {
			return t.scalar(i, r, best)
		}
		best = t.place(i)
		lo, hi = i+1, end(t.rows, i, hi)
	}
	return best
}

// choose returns the row that a step leads to, -1 if there is none or more than one.
func (t template) choose(s step, lo, hi int, last bool) int {
	var found []int
	if !s.element {
		found = keyed(t.rows, lo, hi, s.Key)
		if last && len(found) > 1 { // branches of a condition
			found = slices.DeleteFunc(found, func(i int) bool { return !t.says(t.rows[i].value) })
		}
		return only(found)
	}
	all := items(t.rows, lo, hi)
	if s.By == "" {
		for _, i := range all {
			if text, ok := s.want.(string); ok && literal(t.rows[i].value) == text {
				found = append(found, i)
			}
		}
		return only(found)
	}
	var open []int
	for _, i := range all {
		for _, k := range keyed(t.rows, i+1, end(t.rows, i, hi), s.By) {
			switch value := t.rows[k].value; {
			case strings.Contains(value, "{{"):
				open = append(open, i)
			case literal(value) == s.Value:
				found = append(found, i)
			}
		}
	}
	if len(found) == 0 {
		found = open
	}
	return only(found)
}

func only(found []int) int {
	if len(found) == 1 {
		return found[0]
	}
	return -1
}

// literal returns a scalar without its quotes and its comment.
func literal(value string) string {
	text := strings.TrimSpace(value)
	if len(text) > 1 && (text[0] == '"' || text[0] == '\'') {
		if i := strings.IndexByte(text[1:], text[0]); i >= 0 {
			return text[1 : i+1]
		}
	}
	text, _, _ = strings.Cut(text, " #")
	return strings.TrimSpace(text)
}

// says reports whether the text of a row can be the rendered value.
func (t template) says(value string) bool {
	if strings.Contains(value, "{{") {
		return true
	}
	switch t.q.value.(type) {
	case map[string]any, []any:
		return true
	}
	return says(literal(value), t.q.value)
}

// scalar places the field at row i: in the value file, if the row is nothing but a value.
func (t template) scalar(i int, r row, best check.Place) check.Place {
	if !t.says(r.value) {
		return best
	}
	if p := t.fromValues(i, end(t.rows, i, len(t.rows)), nil, check.Place{}); p.File != "" {
		return p
	}
	return t.place(i)
}

var (
	valueOnly = regexp.MustCompile(`^["']?\{\{-?\s*\.Values\.([A-Za-z0-9_.]+)\s*(?:\|\s*(?:quote|squote|int|int64|toString|trim|default\s+\S+)\s*)*-?\}\}["']?$`)
	valueYAML = regexp.MustCompile(`^\{\{-?\s*toYaml\s+\(?\.Values\.([A-Za-z0-9_.]+)\)?\s*(?:\|\s*(?:n?indent\s+\d+|trim)\s*)*-?\}\}$`)
)

// fromValues looks in the value files when row i, or the one action below it, is a value and nothing else.
func (t template) fromValues(i, hi int, rest []step, otherwise check.Place) check.Place {
	text := strings.TrimSpace(t.rows[i].value)
	if text == "" || t.rows[i].item && t.rows[i].key == "" && !strings.HasPrefix(text, "{{") {
		var below []string
		for j := i + 1; j < hi; j++ {
			if !t.rows[j].action {
				return otherwise
			}
			if strings.Contains(t.rows[j].value, "toYaml") {
				below = append(below, t.rows[j].value)
			}
		}
		if len(below) != 1 {
			return otherwise
		}
		text = below[0]
	}
	m := valueOnly.FindStringSubmatch(text)
	if m == nil {
		if m = valueYAML.FindStringSubmatch(text); m == nil {
			return otherwise
		}
	}
	for n := len(rest); n >= 0; n-- {
		exact := n == len(rest) && t.q.exists
		if p := t.value(strings.Split(m[1], "."), rest[:n], exact); p.File != "" {
			return p
		}
		if exact && len(rest) == 0 {
			break
		}
	}
	return otherwise
}

// value finds a value in the files that are merged, the last one first.
func (t template) value(keys []string, rest []step, exact bool) check.Place {
	unit := t.q.object.Unit
	steps := make([]step, 0, len(keys)+len(rest))
	for _, k := range keys {
		steps = append(steps, step{Step: check.Step{Key: k}})
	}
	steps = append(steps, rest...)
	inner := subchart(strings.TrimPrefix(t.q.object.Template, unit.Path+"/"))
	var layers []document
	add := func(file string, root *yaml.Node, in *inline, prefix []string) {
		for _, p := range prefix {
			if root = child(root, p); root == nil {
				return
			}
		}
		layers = append(layers, document{file: file, root: root, text: in})
	}
	if len(inner) > 0 && keys[0] != "global" {
		own := path.Join(unit.Path, "charts", strings.Join(inner, "/charts/"), "values.yaml")
		for _, root := range parse(t.l.text(own)) {
			add(own, root, nil, nil)
		}
	}
	prefix := inner
	if keys[0] == "global" {
		prefix = nil
	}
	for _, file := range unit.Values {
		for _, root := range parse(t.l.text(file)) {
			add(file, root, nil, prefix)
		}
	}
	t.applicationValues(func(root *yaml.Node, in *inline) { add(unit.Definition.File, root, in, prefix) })
	if p := t.parameter(strings.Join(append(prefix, keys...), ".")); exact && len(rest) == 0 && p != nil {
		return *p
	}
	for i := len(layers) - 1; i >= 0; i-- {
		if p := layers[i].find(t.q, steps, exact); p != nil {
			return *p
		}
	}
	return check.Place{}
}

// parameter finds the parameter of the Application that gives a value.
func (t template) parameter(name string) *check.Place {
	helm := t.applicationHelm()
	for _, n := range elements(child(helm, "parameters")) {
		if v := child(n, "value"); scalar(child(n, "name")) == name && v != nil && says(v.Value, t.q.value) {
			return &check.Place{File: t.q.object.Unit.Definition.File, Line: v.Line, Column: v.Column}
		}
	}
	return nil
}

// applicationHelm returns spec.source.helm of the Application, or that of the source which has the chart.
func (t template) applicationHelm() *yaml.Node {
	unit := t.q.object.Unit
	if unit.App == nil {
		return nil
	}
	for _, d := range t.l.documents(unit.Definition.File) {
		if d.kind != "Application" || d.name != unit.App.Name {
			continue
		}
		spec := child(d.root, "spec")
		if helm := child(child(spec, "source"), "helm"); helm != nil {
			return helm
		}
		for _, src := range elements(child(spec, "sources")) {
			if path.Clean(scalar(child(src, "path"))) == unit.Path {
				return child(src, "helm")
			}
		}
	}
	return nil
}

// applicationValues visits the values that the Application itself gives.
func (t template) applicationValues(visit func(root *yaml.Node, in *inline)) {
	helm := t.applicationHelm()
	if n := child(helm, "valuesObject"); n != nil {
		visit(n, nil)
	} else if n := child(helm, "values"); n != nil {
		for _, root := range parse(n.Value) {
			visit(root, &inline{n, t.q.object.Unit.Definition.File})
		}
	}
}

// subchart returns the names of the charts that a template is nested in.
func subchart(name string) (out []string) {
	parts := pathParts(name)
	for len(parts) > 2 && parts[0] == "charts" {
		out = append(out, parts[1])
		parts = parts[2:]
	}
	return out
}
