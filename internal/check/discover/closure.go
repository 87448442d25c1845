package discover

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// closure is what a render can depend on: more than it reads, never less. Paths that do not exist are among it, because a
// change could make them.
type closure struct {
	// files are paths; dirs are directories with all that is below them, flat ones without their subdirectories.
	files, dirs, flat map[string]bool
	// open says that the render may read anything.
	open bool
	// used are the kustomizations that it is made of, the first one aside.
	used map[string]bool
}

func newClosure() *closure {
	return &closure{files: map[string]bool{}, dirs: map[string]bool{}, flat: map[string]bool{}, used: map[string]bool{}}
}

// covers reports whether a file of the tree belongs to the render.
func (c *closure) covers(name string) bool {
	if c.files[name] || c.flat[path.Dir(name)] {
		return true
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if c.dirs[dir] {
			return true
		}
		if dir == "." || dir == "/" {
			return false
		}
	}
}

// touches reports whether the render depends on anything at or below one of the paths.
func (c *closure) touches(t *tree, paths []string) bool {
	for _, p := range paths {
		if p == "." || c.covers(p) {
			return true
		}
		for _, set := range []map[string]bool{c.files, c.dirs, c.flat} {
			for name := range set {
				if !strings.HasPrefix(name, p+"/") && name != p {
					continue
				}
				if _, err := t.files.Stat(name); err == nil {
					return true
				}
			}
		}
	}
	return false
}

// differs reports whether two trees differ in what the render depends on.
func (c *closure) differs(a, b source.FS) bool {
	if c.open {
		return differs(a, b, ".")
	}
	for _, set := range []map[string]bool{c.files, c.dirs, c.flat} {
		for name := range set {
			if differs(a, b, name) {
				return true
			}
		}
	}
	return false
}

func differs(a, b source.FS, name string) bool {
	before, err := a.ContentID(name)
	if err != nil {
		return true
	}
	after, err := b.ContentID(name)
	return err != nil || before != after
}

// closures finds what renders depend on. It remembers the kustomizations that it has read.
type closures struct {
	files source.FS
	read  map[string]*references
}

// references are what one kustomization names.
type references struct {
	files []string
	// dirs are those of files that are kustomizations.
	dirs      []string
	component bool
	open      bool
}

// of returns the closure of a render.
func (cs *closures) of(spec render.Spec) *closure {
	c := newClosure()
	dir := path.Clean(spec.Source.Path)
	for _, name := range append(render.KustomizationNames(), "Chart.yaml", ".argocd-source.yaml", ".argocd-source-"+spec.AppName+".yaml") {
		c.files[path.Join(dir, name)] = true
	}
	src := spec.Source
	switch {
	case src.Plugin != nil:
		c.open = true
	case src.Helm != nil || src.Directory == nil && src.Kustomize == nil && cs.exists(path.Join(dir, "Chart.yaml")):
		cs.chart(c, dir, spec)
	case src.Kustomize != nil || src.Directory == nil && cs.isKustomization(dir):
		cs.kustomization(c, dir)
		if src.Kustomize != nil {
			for _, component := range src.Kustomize.Components {
				cs.kustomization(c, path.Join(dir, component))
			}
			for _, p := range src.Kustomize.Patches {
				c.files[path.Join(dir, p.Path)] = true
			}
		}
	default:
		cs.directory(c, dir, spec)
	}
	return c
}

func (cs *closures) exists(name string) bool {
	info, err := cs.files.Stat(name)
	return err == nil && !info.IsDir()
}

func (cs *closures) isKustomization(dir string) bool {
	return slices.ContainsFunc(render.KustomizationNames(), func(n string) bool { return cs.exists(path.Join(dir, n)) })
}

func (cs *closures) directory(c *closure, dir string, spec render.Spec) {
	d := spec.Source.Directory
	if d != nil && d.Recurse {
		c.dirs[dir] = true
	} else {
		c.flat[dir] = true
	}
	if d != nil {
		for _, lib := range d.Jsonnet.Libs {
			c.dirs[path.Clean(strings.TrimPrefix(lib, "/"))] = true
		}
	}
	entries, err := cs.files.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if ext := path.Ext(e.Name()); ext == ".jsonnet" || ext == ".libsonnet" {
			c.open = true // imports may name anything
		}
	}
}

// chart adds a chart, the charts beside it that it depends on, and value files.
func (cs *closures) chart(c *closure, dir string, spec render.Spec) {
	if c.dirs[dir] {
		return
	}
	c.dirs[dir] = true
	for _, d := range readChart(cs.files, dir).Dependencies {
		if local, ok := strings.CutPrefix(d.Repository, "file://"); ok {
			cs.chart(c, path.Join(dir, local), render.Spec{})
		}
	}
	h := spec.Source.Helm
	if h == nil {
		return
	}
	for _, v := range h.ValueFiles {
		cs.value(c, dir, v, spec)
	}
	for _, p := range h.FileParameters {
		cs.value(c, dir, p.Path, spec)
	}
}

func (cs *closures) value(c *closure, dir, name string, spec render.Spec) {
	name, inRef := valuePath(name, spec)
	if strings.Contains(name, "$") || strings.Contains(name, "://") {
		c.open = c.open || strings.Contains(name, "$")
		return
	}
	if inRef || path.IsAbs(name) {
		dir = "."
	}
	if i := strings.IndexAny(name, "*?[{"); i >= 0 {
		c.dirs[path.Join(dir, path.Dir(name[:i]+"x"))] = true
		return
	}
	c.files[path.Join(dir, strings.TrimLeft(name, "/"))] = true
}

// valuePath takes the name of another source off a value file.
func valuePath(name string, spec render.Spec) (rest string, inRef bool) {
	first, rest, ok := strings.Cut(name, "/")
	if ref, dollar := strings.CutPrefix(first, "$"); ok && dollar {
		if _, known := spec.Refs[ref]; known {
			return rest, true
		}
	}
	return name, false
}

// kustomization adds a kustomization and those that it is made of.
func (cs *closures) kustomization(c *closure, dir string) {
	if c.used[dir] {
		return
	}
	c.used[dir] = true
	for _, name := range render.KustomizationNames() {
		c.files[path.Join(dir, name)] = true
	}
	refs := cs.references(dir)
	c.open = c.open || refs.open
	for _, name := range refs.files {
		c.files[name] = true
	}
	for _, name := range refs.dirs {
		cs.kustomization(c, name)
	}
}

// references reads what it can: a broken kustomization is for the renderer to tell about.
func (cs *closures) references(dir string) *references {
	if r, ok := cs.read[dir]; ok {
		return r
	}
	r := &references{}
	cs.read[dir] = r
	for _, name := range render.KustomizationNames() {
		name = path.Join(dir, name)
		data, err := fs.ReadFile(cs.files, name)
		if err != nil {
			continue
		}
		var doc yaml.Node
		if len(data) > maxManifest || yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
			r.open = true
			return r
		}
		r.root(cs, dir, doc.Content[0])
		return r
	}
	return r
}

func (r *references) root(cs *closures, dir string, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch key := n.Content[i].Value; key {
		case "kind":
			r.component = n.Content[i+1].Value == "Component"
		case "apiVersion", "labels", "commonLabels", "commonAnnotations", "images", "namespace", "namePrefix", "nameSuffix", "replicas",
			"vars", "generatorOptions", "buildMetadata", "sortOptions", "metadata":
		case "generators", "transformers", "validators", "helmCharts", "helmChartInflationGenerator", "<<":
			r.open = true // their files name others
		default:
			r.scalars(cs, dir, n.Content[i+1], key == "resources" || key == "bases" || key == "components", 0)
		}
	}
}

// scalars takes every scalar for a path.
func (r *references) scalars(cs *closures, dir string, n *yaml.Node, mayBeDir bool, depth int) {
	if depth > maxDepth {
		r.open = true
		return
	}
	if n.Kind == yaml.AliasNode {
		r.open = true
		return
	}
	for _, child := range n.Content {
		r.scalars(cs, dir, child, mayBeDir, depth+1)
	}
	if n.Kind != yaml.ScalarNode || n.Value == "" || len(n.Value) > 1024 || strings.ContainsAny(n.Value, "\n\x00") || strings.Contains(n.Value, "://") {
		return
	}
	values := []string{n.Value}
	if _, file, ok := strings.Cut(n.Value, "="); ok {
		values = append(values, file)
	}
	for _, v := range values {
		p := path.Join(dir, v)
		if path.IsAbs(v) || p == ".." || strings.HasPrefix(p, "../") || !fs.ValidPath(p) {
			continue
		}
		if mayBeDir && !isYAML(p) || mayBeDir && cs.isDir(p) {
			r.dirs = append(r.dirs, p)
		}
		r.files = append(r.files, p)
	}
}

func (cs *closures) isDir(name string) bool {
	info, err := cs.files.Stat(name)
	return err == nil && info.IsDir()
}

// chartFile is what counts of a Chart.yaml.
type chartFile struct {
	Name         string `json:"name"`
	Type         string `json:"type"`
	Dependencies []struct {
		Name       string `json:"name"`
		Version    string `json:"version"`
		Repository string `json:"repository"`
	} `json:"dependencies"`
}

// readChart reads what it can: a broken chart is for the renderer to tell about.
func readChart(files source.FS, dir string) (c chartFile) {
	name := path.Join(dir, "Chart.yaml")
	if data, err := fs.ReadFile(files, name); err == nil && len(data) <= maxManifest && render.CheckAliases(name, data) == nil {
		_ = sigsyaml.Unmarshal(data, &c)
	}
	return c
}
