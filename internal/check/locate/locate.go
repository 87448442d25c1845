// Package locate finds the line that caused a finding: an object as it was rendered, a field of it and the files that the render
// has read go in; the place in one of them comes out.
package locate

import (
	"io/fs"
	"path"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/source"
)

// Locator implements check.Locator over one tree. It is safe for concurrent use.
type Locator struct {
	files source.FS
	mu    sync.Mutex
	docs  map[string][]doc
}

// New returns a Locator over files.
func New(files source.FS) *Locator { return &Locator{files: files, docs: map[string][]doc{}} }

// doc is one YAML document that looks like an object or a patch of one.
type doc struct {
	kind, name string
	root       *yaml.Node
}

// Place implements check.Locator: the last file that sets the field decides, as the last patch does; for a field that nobody
// sets, the nearest field above it.
func (l *Locator) Place(f *check.Finding) check.Place {
	if f.Object == nil {
		if f.Unit == nil {
			return check.Place{}
		}
		if f.Unit.App != nil {
			return f.Unit.Definition
		}
		return check.Place{File: f.Unit.Path}
	}
	unit := f.Object.Unit
	steps := check.Steps(f.Path)
	best, depth := check.Place{}, -1
	for _, name := range unit.Reads {
		for _, d := range l.documents(name) {
			if d.kind != f.Object.GetKind() || !strings.Contains(f.Object.GetName(), d.name) {
				continue
			}
			node, n := descend(d.root, steps)
			if n >= depth {
				best, depth = check.Place{File: name, Line: node.Line, Column: node.Column}, n
			}
		}
	}
	if depth >= 0 {
		return best
	}
	return check.Place{File: unit.Path}
}

func (l *Locator) documents(name string) []doc {
	l.mu.Lock()
	defer l.mu.Unlock()
	if docs, ok := l.docs[name]; ok {
		return docs
	}
	var docs []doc
	if ext := path.Ext(name); ext == ".yaml" || ext == ".yml" || ext == ".json" {
		if data, err := fs.ReadFile(l.files, name); err == nil {
			docs = parse(string(data))
		}
	}
	l.docs[name] = docs
	return docs
}

func parse(text string) (docs []doc) {
	d := yaml.NewDecoder(strings.NewReader(text))
	for {
		var n yaml.Node
		if err := d.Decode(&n); err != nil {
			return docs
		}
		if len(n.Content) == 0 {
			continue
		}
		root := n.Content[0]
		kind, name := child(root, "kind"), child(child(root, "metadata"), "name")
		if kind != nil && name != nil {
			docs = append(docs, doc{kind: kind.Value, name: name.Value, root: root})
		}
	}
}

// child returns the value of a key, nil if there is none.
func child(n *yaml.Node, key string) *yaml.Node {
	if _, v := entry(n, key); v != nil {
		return v
	}
	return nil
}

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

// descend follows steps as far as they lead, and returns the node to point at and how many steps it took.
func descend(n *yaml.Node, steps []check.Step) (at *yaml.Node, taken int) {
	at = n
	for i, s := range steps {
		switch {
		case s.Key != "":
			k, v := entry(n, s.Key)
			if v == nil {
				return at, i
			}
			at, n = k, v
		default:
			next := element(n, s)
			if next == nil {
				return at, i
			}
			at, n = next, next
		}
	}
	return at, len(steps)
}

func element(n *yaml.Node, s check.Step) *yaml.Node {
	if n.Kind != yaml.SequenceNode {
		return nil
	}
	if s.By == "" {
		if s.Index < len(n.Content) {
			return n.Content[s.Index]
		}
		return nil
	}
	for _, e := range n.Content {
		if v := child(e, s.By); v != nil && v.Value == s.Value {
			return e
		}
	}
	return nil
}
