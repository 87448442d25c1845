package locate

import (
	"path"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
)

// operations is a layer: a JSON patch.
type operations struct{ doc document }

func (o operations) find(q *query, steps []step, exact bool) *check.Place {
	for i := len(o.doc.root.Content) - 1; i >= 0; i-- {
		op := o.doc.root.Content[i]
		value := child(op, "value")
		verb := scalar(child(op, "op"))
		if value == nil || verb != "add" && verb != "replace" {
			continue
		}
		rest, ok := under(scalar(child(op, "path")), steps)
		if !ok {
			continue
		}
		k, _ := entry(op, "value")
		at, found, taken := walk(value, rest)
		if taken < len(rest) || exact && !holds(found, q.value) {
			continue
		}
		if !exact && !fits(value, steps, rest) {
			continue
		}
		if len(rest) == 0 {
			at = k
		}
		return o.doc.place(at)
	}
	return nil
}

// fits reports whether the value of an operation is the element that the steps lead through, not another of the same list.
func fits(value *yaml.Node, steps, rest []step) bool {
	i := len(steps) - len(rest) - 1
	if i < 0 || !steps[i].element || steps[i].By == "" {
		return true
	}
	return scalar(child(value, steps[i].By)) == steps[i].Value
}

// under returns the steps that are left below the path of an operation.
func under(pointer string, steps []step) (rest []step, ok bool) {
	tokens := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	if pointer == "" || len(tokens) > len(steps) {
		return nil, false
	}
	for i, t := range tokens {
		t = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
		switch s := steps[i]; {
		case !s.element:
			if s.Key != t {
				return nil, false
			}
		case t == "-" && i == len(tokens)-1:
		default:
			if n, err := strconv.Atoi(t); err != nil || n != s.Index {
				return nil, false
			}
		}
	}
	return steps[len(tokens):], true
}

// generator is a layer: an entry that makes a ConfigMap or a Secret.
type generator struct {
	k     *kustomization
	entry *yaml.Node
}

func (g generator) find(q *query, steps []step, exact bool) *check.Place {
	key := ""
	if len(steps) == 2 && (steps[0].Key == "data" || steps[0].Key == "stringData" || steps[0].Key == "binaryData") {
		key = steps[1].Key
	}
	for _, n := range elements(child(g.entry, "literals")) {
		if name, _, ok := strings.Cut(n.Value, "="); key != "" && ok && name == key {
			return g.k.place(n)
		}
	}
	for _, n := range elements(child(g.entry, "files")) {
		name, file, ok := strings.Cut(n.Value, "=")
		if !ok {
			name, file = path.Base(n.Value), n.Value
		}
		if key != "" && name == key {
			return &check.Place{File: path.Join(g.k.dir, file), Line: 1}
		}
	}
	if key != "" {
		if p := g.env(key); p != nil {
			return p
		}
	}
	if len(steps) == 2 && steps[0].Key == "metadata" && steps[1].Key == "name" {
		if _, n := entry(g.entry, "name"); n != nil {
			return g.k.place(n)
		}
	}
	if exact || len(steps) > 0 {
		return nil
	}
	return g.k.place(g.entry)
}

// env finds a key in the files of variables.
func (g generator) env(key string) *check.Place {
	names := elements(child(g.entry, "envs"))
	if n := child(g.entry, "env"); n != nil {
		names = append(names, n)
	}
	for _, n := range names {
		file := path.Join(g.k.dir, n.Value)
		line := 0
		for text := range strings.Lines(g.k.build.l.text(file)) {
			line++
			if name, _, ok := strings.Cut(text, "="); ok && strings.TrimSpace(name) == key {
				return &check.Place{File: file, Line: line}
			}
		}
	}
	return nil
}
