// Package repair mends what is mechanical: a manifest as text and findings on it go in; the text comes out with API versions that are
// still served, labels that are asked for and, where wanted, sorted keys. Comments, order and quotes stay as they are.
package repair

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Label is to be added to the object whose document has the line.
type Label struct {
	Line int
	Key  string
	// Value is the value; empty means the name of the object.
	Value string
}

// Options say what is mended besides API versions.
type Options struct {
	Labels []Label
	// SortKeys sorts labels, annotations and data.
	SortKeys bool
}

// Edit is one change, for people.
type Edit struct {
	Line int
	What string
}

// File mends a file of YAML documents. Text that is not plain YAML, such as a template, comes back as it is.
func File(text string, opts Options) (string, []Edit) {
	docs, err := parse(text)
	if err != nil {
		return text, nil
	}
	f := &file{lines: strings.SplitAfter(text, "\n")}
	for _, d := range docs {
		f.apiVersion(d)
		f.labels(d, opts.Labels)
	}
	f.apply()
	if !opts.SortKeys {
		return strings.Join(f.lines, ""), f.edits
	}
	mended := strings.Join(f.lines, "")
	sorted, edits := sortKeys(mended)
	return sorted, append(f.edits, edits...)
}

// document is an object: the root of a YAML document, and its first and last line.
type document struct {
	root     *yaml.Node
	from, to int
}

func parse(text string) ([]document, error) {
	var docs []document
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var n yaml.Node
		err := d.Decode(&n)
		if err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, err
		}
		if len(n.Content) == 1 && n.Content[0].Kind == yaml.MappingNode && n.Content[0].Style&yaml.FlowStyle == 0 {
			docs = append(docs, document{root: n.Content[0], from: n.Content[0].Line})
		}
	}
	last := strings.Count(text, "\n") + 1
	for i := range docs {
		docs[i].to = last
		if i+1 < len(docs) {
			docs[i].to = docs[i+1].from - 1
		}
	}
	return docs, nil
}

// file is a text with changes that are not made yet: they would move the lines of the ones behind them.
type file struct {
	lines   []string
	replace map[int]string // by line, from 1
	insert  map[int]string // behind a line
	edits   []Edit
}

func (f *file) apply() {
	for at, line := range f.replace {
		f.lines[at-1] = line
	}
	for _, at := range slices.Backward(slices.Sorted(mapKeys(f.insert))) {
		if !strings.HasSuffix(f.lines[at-1], "\n") {
			f.lines[at-1] += "\n"
		}
		f.lines = slices.Insert(f.lines, at, f.insert[at])
	}
}

func mapKeys[V any](m map[int]V) func(yield func(int) bool) {
	return func(yield func(int) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (f *file) note(line int, format string, args ...any) {
	f.edits = append(f.edits, Edit{Line: line, What: fmt.Sprintf(format, args...)})
}

// entry returns the key and the value of a mapping, nil if it has none.
func entry(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

func at(n *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		_, n = entry(n, key)
	}
	return n
}

func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// apiVersion writes the version that serves the same fields, where there is one.
func (f *file) apiVersion(d document) {
	_, v := entry(d.root, "apiVersion")
	kind := text(at(d.root, "kind"))
	if v == nil || kind == "" {
		return
	}
	for _, r := range replacements() {
		if r.from != v.Value || !slices.Contains(r.kinds, kind) || r.fits != nil && !r.fits(d.root) {
			continue
		}
		line := f.lines[v.Line-1]
		if f.replace == nil {
			f.replace = map[int]string{}
		}
		f.replace[v.Line] = strings.Replace(line, r.from, r.to, 1)
		f.note(v.Line, "%s %s: apiVersion %s -> %s", kind, text(at(d.root, "metadata", "name")), r.from, r.to)
	}
}

// labels adds those that the object lacks. Mappings in braces are left alone.
func (f *file) labels(d document, labels []Label) {
	metadata := at(d.root, "metadata")
	name := text(at(metadata, "name"))
	if name == "" || metadata.Style&yaml.FlowStyle != 0 {
		return
	}
	for _, l := range labels {
		if l.Line < d.from || l.Line > d.to {
			continue
		}
		if l.Value == "" {
			l.Value = name
		}
		f.label(metadata, name, l)
	}
}

func (f *file) label(metadata *yaml.Node, name string, l Label) {
	if f.insert == nil {
		f.insert = map[int]string{}
	}
	key, existing := entry(metadata, "labels")
	if _, has := entry(existing, l.Key); has != nil || existing != nil && (existing.Kind != yaml.MappingNode || existing.Style&yaml.FlowStyle != 0) {
		return
	}
	if existing != nil && len(existing.Content) > 0 {
		first := existing.Content[0]
		line := strings.Repeat(" ", first.Column-1) + l.Key + ": " + scalar(l.Value) + "\n"
		if strings.Contains(f.insert[key.Line], line) {
			return
		}
		f.insert[key.Line] += line
		f.note(key.Line, "%s: label %s: %s", name, l.Key, l.Value)
		return
	}
	if existing != nil { // labels: with nothing behind it
		return
	}
	k, _ := entry(metadata, "name")
	indent := strings.Repeat(" ", k.Column-1)
	if f.insert[k.Line] == "" {
		f.insert[k.Line] = indent + "labels:\n"
	}
	f.insert[k.Line] += indent + "  " + l.Key + ": " + scalar(l.Value) + "\n"
	f.note(k.Line, "%s: label %s: %s", name, l.Key, l.Value)
}

// scalar writes a text so that YAML reads it as text.
func scalar(s string) string {
	data, err := yaml.Marshal(s)
	if err != nil {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(string(data), "\n")
}
