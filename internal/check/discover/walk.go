package discover

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
)

const (
	// maxManifest bounds the manifests that are read.
	maxManifest = 10 << 20
	// maxDepth bounds directories within directories, maxFiles the files of a tree.
	maxDepth, maxFiles = 100, 1_000_000
)

// tree is what a walk has found; all names are ordered.
type tree struct {
	files source.FS
	// manifests are YAML and JSON files outside the templates of charts, programs those of Jsonnet.
	manifests, programs []string
	// kustomizations and charts are directories.
	kustomizations, charts []string
	// lost are links that lead out of the tree or nowhere, by what is wrong with them.
	lost  map[string]string
	facts map[string]*facts
	count int
}

// facts are what a look into a file tells.
type facts struct {
	// patch says that the file changes objects instead of being one: a part of a component that nothing uses yet.
	patch bool
	// manifest says that the file holds objects of Kubernetes, argo that some of them are of Argo CD's group, or say what counts for
	// them.
	manifest, argo bool
	// braces says that the text has {{, which a template has.
	braces bool
	// large is the size of a file that is not read for its size.
	large int64
	// namespaces and kinds are those that are written out anywhere in the file.
	namespaces, kinds []string
}

// walk lists the tree. Hidden directories and those of package managers hold no manifests.
func walk(files source.FS) (*tree, error) {
	t := &tree{files: files, lost: map[string]string{}, facts: map[string]*facts{}}
	if err := t.dir(".", 0, false); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *tree) dir(name string, depth int, inChart bool) error {
	if depth > maxDepth {
		return fault.New(fault.Invalid, "%s: directories are nested deeper than %d levels", name, maxDepth)
	}
	entries, err := t.files.ReadDir(name)
	if err != nil {
		return fault.New(fault.NotFound, "list %s: %w", name, err)
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "Chart.yaml" && !e.IsDir() }) {
		if !inChart {
			t.charts = append(t.charts, name)
		}
		inChart = true
	}
	for _, e := range entries {
		if t.count++; t.count > maxFiles {
			return fault.New(fault.Invalid, "the repository has more than %d files", maxFiles)
		}
		at := path.Join(name, e.Name())
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			t.link(at)
		case !e.IsDir():
			t.file(name, e.Name())
		case strings.HasPrefix(e.Name(), "."), e.Name() == "node_modules", e.Name() == "vendor":
		case inChart && slices.Contains([]string{"templates", "charts", "crds", "ci"}, e.Name()):
		default:
			if err := t.dir(at, depth+1, inChart); err != nil {
				return err
			}
		}
	}
	return nil
}

// link looks where a link leads: what it leads to inside the tree is judged there.
func (t *tree) link(name string) {
	if ext := path.Ext(name); !isYAML(name) && ext != ".json" && ext != "" {
		return
	}
	_, err := t.files.Stat(name)
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist), fault.Is(err, fault.NotFound):
		if isYAML(name) {
			t.lost[name] = "it is a link to a file that does not exist"
		}
	default:
		t.lost[name] = "it is a link that leaves the repository"
	}
}

func (t *tree) file(dir, base string) {
	switch {
	case slices.Contains(render.KustomizationNames(), base):
		t.kustomizations = append(t.kustomizations, dir)
	case strings.HasPrefix(base, ".argocd-source"), base == "Chart.yaml":
	case isYAML(base), path.Ext(base) == ".json":
		t.manifests = append(t.manifests, path.Join(dir, base))
	case path.Ext(base) == ".jsonnet":
		t.programs = append(t.programs, path.Join(dir, base))
	}
}

// without leaves out the manifests in files and directories that are not deployed: the team's own policies.
func (t *tree) without(paths []string) {
	t.manifests = slices.DeleteFunc(t.manifests, func(name string) bool {
		return slices.ContainsFunc(paths, func(p string) bool {
			p = path.Clean(p)
			return name == p || strings.HasPrefix(name, p+"/")
		})
	})
}

func isYAML(name string) bool { return path.Ext(name) == ".yaml" || path.Ext(name) == ".yml" }

// look tells what is in a file.
func (t *tree) look(name string) *facts {
	if f, ok := t.facts[name]; ok {
		return f
	}
	f := &facts{}
	t.facts[name] = f
	info, err := t.files.Stat(name)
	if err != nil || info.IsDir() {
		return f
	}
	if info.Size() > maxManifest {
		f.large = info.Size()
		return f
	}
	data, err := t.files.ReadFile(name)
	if err != nil {
		return f
	}
	f.read(name, data)
	return f
}

func (f *facts) read(name string, data []byte) {
	f.argo = bytes.Contains(data, []byte("argoproj.io")) || bytes.Contains(data, []byte(settings.GlobalProjectsKey))
	f.braces = bytes.Contains(data, []byte("{{"))
	namespaces, kinds := sets.Set[string]{}, sets.Set[string]{}
	var version, kind, named bool
	for line := range bytes.Lines(data) {
		trimmed := bytes.TrimLeft(line, " \t-\"{")
		top := len(line) > 0 && line[0] != ' ' && line[0] != '\t'
		key, value, ok := bytes.Cut(trimmed, []byte(":"))
		if !ok || len(key) > 20 {
			continue
		}
		switch string(bytes.Trim(key, `" `)) {
		case "apiVersion":
			version = version || top
		case "kind":
			kind = kind || top
			kinds.Insert(scalarText(value))
		case "metadata", "items":
			named = named || top
		case "$patch":
			f.patch = true
		case "namespace":
			namespaces.Insert(scalarText(value))
		}
	}
	f.manifest = version && kind && named
	if path.Ext(name) == ".json" {
		f.manifest = bytes.Contains(data, []byte(`"apiVersion"`)) && bytes.Contains(data, []byte(`"kind"`)) &&
			(bytes.Contains(data, []byte(`"metadata"`)) || bytes.Contains(data, []byte(`"items"`)))
	}
	f.namespaces, f.kinds = sets.List(namespaces), sets.List(kinds)
}

// scalarText reads a short scalar without parsing; a comment and quotes are taken off.
func scalarText(value []byte) string {
	text, _, _ := strings.Cut(string(value), " #")
	return strings.Trim(strings.TrimSpace(text), `"',}`)
}
