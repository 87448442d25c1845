// Package locate finds the line that caused a finding: an object as it was rendered, a field of it and the files of the repository
// go in; the place in one of them comes out. A place is given only for a value that is written there as it was rendered; where
// none is, the object or the list element that holds the field is the answer, or the file without a line.
package locate

import (
	"io/fs"
	"path"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// Locator implements check.Locator over one tree. It is safe for concurrent use.
type Locator struct {
	files  source.FS
	mu     sync.Mutex
	docs   map[string][]doc
	texts  map[string]string
	builds map[*check.Unit]*build
}

// New returns a Locator over files.
func New(files source.FS) *Locator {
	return &Locator{files: files, docs: map[string][]doc{}, texts: map[string]string{}, builds: map[*check.Unit]*build{}}
}

// maxFile bounds what is read to find a line.
const maxFile = 16 << 20

// Place implements check.Locator.
func (l *Locator) Place(f *check.Finding) check.Place {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.Object == nil {
		return l.ofUnit(f.Unit, check.Steps(f.Path))
	}
	q := newQuery(f)
	if p := l.ofObject(q); p.File != "" {
		return p
	}
	if f.Object.Template != "" {
		return check.Place{File: f.Object.Template}
	}
	return l.ofUnit(f.Object.Unit, nil)
}

func (l *Locator) ofObject(q *query) check.Place {
	u := q.object.Unit
	if isYAML(q.object.Template) {
		if u.Values != nil && slices.Contains(pathParts(q.object.Template), "templates") {
			return l.ofTemplate(q)
		}
		return q.resolve([]layer{l.docOf(q)})
	}
	if q.object.Template != "" {
		return check.Place{}
	}
	b := l.build(u)
	r := b.find(q.object)
	if r == nil {
		return check.Place{}
	}
	return q.resolve(r.layers)
}

// ofUnit places a finding on a unit as a whole: in the Application that defines it, else in the file that its directory is made
// from.
func (l *Locator) ofUnit(u *check.Unit, steps []check.Step) check.Place {
	if u == nil {
		return check.Place{}
	}
	if u.App != nil && u.Definition.File != "" {
		for _, d := range l.documents(u.Definition.File) {
			if d.kind == "Application" && d.name == u.App.Name {
				node, _ := descend(d.root, plainSteps(steps))
				return check.Place{File: u.Definition.File, Line: node.Line, Column: node.Column}
			}
		}
		return u.Definition
	}
	for _, base := range append(render.KustomizationNames(), "Chart.yaml") {
		name := path.Join(u.Path, base)
		if info, err := l.files.Stat(name); err == nil && !info.IsDir() {
			return check.Place{File: name}
		}
	}
	return check.Place{File: u.Path}
}

// docOf is the document of a plain file that the object was read from: of several with its name the one at its turn.
func (l *Locator) docOf(q *query) layer {
	turn := 0
	for _, o := range q.object.Unit.Objects {
		if o == q.object {
			break
		}
		if o.Template == q.object.Template && o.GetKind() == q.object.GetKind() && o.GetName() == q.object.GetName() {
			turn++
		}
	}
	for _, d := range l.documents(q.object.Template) {
		if d.kind != q.object.GetKind() || d.name != q.object.GetName() {
			continue
		}
		if turn == 0 {
			return document{file: q.object.Template, root: d.root}
		}
		turn--
	}
	return nil
}

// doc is one object, or patch of one, of a file.
type doc struct {
	kind, name, namespace string
	root                  *yaml.Node
}

func (l *Locator) text(name string) string {
	if text, ok := l.texts[name]; ok {
		return text
	}
	text := ""
	if info, err := l.files.Stat(name); err == nil && !info.IsDir() && info.Size() <= maxFile {
		if data, err := fs.ReadFile(l.files, name); err == nil {
			text = string(data)
		}
	}
	l.texts[name] = text
	return text
}

func (l *Locator) documents(name string) []doc {
	if docs, ok := l.docs[name]; ok {
		return docs
	}
	var docs []doc
	for _, root := range parse(l.text(name)) {
		docs = appendDocs(docs, root, 0)
	}
	l.docs[name] = docs
	return docs
}

func appendDocs(docs []doc, root *yaml.Node, depth int) []doc {
	if items := child(root, "items"); items != nil && items.Kind == yaml.SequenceNode && depth < 8 {
		for _, item := range items.Content {
			docs = appendDocs(docs, item, depth+1)
		}
		return docs
	}
	metadata := child(root, "metadata")
	return append(docs, doc{kind: scalar(child(root, "kind")), name: scalar(child(metadata, "name")), namespace: scalar(child(metadata, "namespace")), root: root})
}

func isYAML(name string) bool {
	return path.Ext(name) == ".yaml" || path.Ext(name) == ".yml" || path.Ext(name) == ".json"
}
