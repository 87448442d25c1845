// Package plain renders a directory of manifests: the .yaml, .yml, .json and .jsonnet files below spec.source.path that
// the include and exclude globs leave go in; their objects, by path and then by document, come out.
package plain

import (
	"bytes"
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/gobwas/glob"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

const (
	defaultMaxBytes = 10 << 20
	maxFiles        = 50_000
	maxDepth        = 100
	// skipMarker in the first line keeps a file out, for manifests that another tool templates.
	skipMarker = "+argocd:skip-file-rendering"
	// program is the ending of files that are evaluated and not read.
	program = ".jsonnet"
)

// Evaluator evaluates one program of a directory. Implementations are safe for concurrent use, read only from files, and
// end when ctx does. Errors carry a fault kind and name the file, with the line where one is known.
type Evaluator interface {
	Evaluate(ctx context.Context, files source.FS, spec render.Spec, name string) ([]*unstructured.Unstructured, error)
}

// New returns the renderer for plain directories; jsonnet evaluates their .jsonnet files.
func New(jsonnet Evaluator) render.Renderer { return renderer{jsonnet: jsonnet} }

type renderer struct{ jsonnet Evaluator }

// Render implements render.Renderer. Links to files are followed inside the repository, links to directories and
// dangling links are not manifests, and a link out of the repository is Denied.
func (r renderer) Render(ctx context.Context, files source.FS, spec render.Spec) (render.Manifests, error) {
	w, err := newWalker(files, spec)
	if err != nil {
		return render.Manifests{}, err
	}
	if err := w.walk(ctx, "", 0); err != nil {
		return render.Manifests{}, err
	}
	var out render.Manifests
	for _, name := range w.found {
		if err := ctx.Err(); err != nil {
			return render.Manifests{}, err
		}
		objects, err := r.objects(ctx, w, spec, name)
		if err != nil {
			return render.Manifests{}, err
		}
		out.Objects = append(out.Objects, objects...)
		out.AddOrigin(spec, name)
	}
	return out, nil
}

type walker struct {
	files            source.FS
	root             string
	recurse          bool
	include, exclude glob.Glob // nil when not set
	budget, limit    int64     // bytes left of limit
	found            []string  // paths from the repository root
}

func newWalker(files source.FS, spec render.Spec) (*walker, error) {
	root, err := render.CleanPath(spec.Source.Path)
	if err != nil {
		return nil, err
	}
	w := &walker{files: files, root: root, limit: spec.Options.MaxDirectoryBytes}
	if w.limit <= 0 {
		w.limit = defaultMaxBytes
	}
	w.budget = w.limit
	if d := spec.Source.Directory; d != nil {
		w.recurse = d.Recurse
		if w.include, err = compile("include", d.Include); err != nil {
			return nil, err
		}
		if w.exclude, err = compile("exclude", d.Exclude); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// compile reads a glob as Argo CD does: * crosses slashes and {a,b} lists alternatives.
func compile(field, pattern string) (glob.Glob, error) {
	if pattern == "" {
		return nil, nil
	}
	if len(pattern) > 4096 {
		return nil, fault.New(fault.Invalid, "spec.source.directory.%s: the glob is longer than 4096 bytes", field)
	}
	g, err := glob.Compile(pattern)
	if err != nil {
		return nil, fault.New(fault.Invalid, "spec.source.directory.%s: glob %q: %w", field, pattern, err)
	}
	return g, nil
}

// walk collects the manifest files of dir, a path below the root ("" is the root itself).
func (w *walker) walk(ctx context.Context, dir string, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fault.New(fault.Invalid, "%s: directories are nested deeper than %d levels", path.Join(w.root, dir), maxDepth)
	}
	entries, err := w.files.ReadDir(path.Join(w.root, dir))
	if err != nil {
		return render.Classify("list "+path.Join(w.root, dir), err)
	}
	for _, e := range entries {
		rel := path.Join(dir, e.Name())
		if e.IsDir() {
			if w.recurse && e.Name() != ".git" {
				if err := w.walk(ctx, rel, depth+1); err != nil {
					return err
				}
			}
			continue
		}
		if !w.wanted(rel) {
			continue
		}
		isFile, err := w.regular(path.Join(w.root, rel), e)
		if err != nil {
			return err
		}
		if !isFile {
			continue
		}
		if len(w.found) == maxFiles {
			return fault.New(fault.Invalid, "%s: more than %d manifest files", w.root, maxFiles)
		}
		w.found = append(w.found, path.Join(w.root, rel))
	}
	return nil
}

// wanted applies the globs to the path below spec.source.path, then the extensions.
func (w *walker) wanted(rel string) bool {
	switch path.Ext(rel) {
	case ".yaml", ".yml", ".json", program:
	default:
		return false
	}
	if strings.HasPrefix(path.Base(rel), ".argocd-source") {
		return false // overrides of this source, not manifests
	}
	if w.exclude != nil && w.exclude.Match(rel) {
		return false
	}
	return w.include == nil || w.include.Match(rel)
}

// regular follows a link. A link that leaves the repository is an error of the file tree itself.
func (w *walker) regular(name string, e fs.DirEntry) (bool, error) {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.Type().IsRegular(), nil
	}
	info, err := w.files.Stat(name)
	if err != nil {
		if fault.Is(err, fault.Denied) {
			return false, fault.New(fault.Denied, "%s: the link leaves the repository: %w", name, err)
		}
		return false, nil // a dangling link is no manifest
	}
	return info.Mode().IsRegular(), nil
}

// objects reads one file. Programs do not count against the limit of bytes: what they evaluate to has limits of its own.
func (r renderer) objects(ctx context.Context, w *walker, spec render.Spec, name string) ([]*unstructured.Unstructured, error) {
	if path.Ext(name) != program {
		return w.load(name)
	}
	if spec.Options.DisableJsonnet {
		return nil, nil
	}
	return r.jsonnet.Evaluate(ctx, w.files, spec, name)
}

func (w *walker) load(name string) ([]*unstructured.Unstructured, error) {
	info, err := w.files.Stat(name)
	if err != nil {
		return nil, render.Classify("read "+name, err)
	}
	// The size is checked before the content is read: this is what bounds memory.
	if w.budget -= info.Size(); w.budget < 0 {
		return nil, fault.New(fault.Invalid, "%s: the manifests of %s are larger than %d bytes in total", name, w.root, w.limit)
	}
	data, err := w.files.ReadFile(name)
	if err != nil {
		return nil, render.Classify("read "+name, err)
	}
	if skipped(data) {
		return nil, nil
	}
	return render.Decode(name, data)
}

func skipped(data []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("\n"))
	return bytes.HasPrefix(line, []byte("#")) && bytes.Contains(line, []byte(skipMarker))
}
