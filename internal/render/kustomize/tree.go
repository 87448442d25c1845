package kustomize

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

const (
	// mount is where the library sees the repository root: a name that no repository has, so that it can be taken
	// out of messages again.
	mount = "/.repository-root."

	maxPathElements   = 64 // a directory that links to itself would nest for ever
	maxPluginDepth    = 8
	maxKustomizations = 5_000    // reads of kustomization files in one build
	maxReadBytes      = 64 << 20 // of everything in one build
)

// errOwnSchema says that a kustomization names an OpenAPI schema, which the library keeps for the whole process.
var errOwnSchema = errors.New("the kustomization has an OpenAPI schema of its own")

// tree shows a snapshot to the library as a file system, inspects every kustomization before the library does and
// refuses what would leave the snapshot, the process or the bounds. It serves one build in one goroutine.
type tree struct {
	ctx       context.Context
	files     source.FS
	options   options
	edited    map[string][]byte
	ownSchema bool

	reason error // the first refusal
	bytes  int64
	read   []kustomization // in the order of reading

	project string
	mounts  []mounted

	pluginDepth int // builds within builds, for the configurations of plugins
}

// kustomization is the text of one kustomization file and its path from the repository root.
type kustomization struct {
	name string
	data []byte
}

var _ filesys.FileSystem = (*tree)(nil)

func newTree(b *build, ownSchema bool) *tree {
	return &tree{ctx: b.ctx, files: b.files, options: b.options, edited: b.edited, ownSchema: ownSchema,
		project: b.project}
}

func (t *tree) refuse(err error) error {
	if t.reason == nil {
		t.reason = err
	}
	return err
}

func (t *tree) refused() error { return t.reason }

// inside turns a path of the library into one from the repository root.
func (t *tree) inside(name string) (string, error) {
	clean := path.Clean(filepath.ToSlash(name))
	if clean == mount {
		return ".", nil
	}
	rel, ok := strings.CutPrefix(clean, mount+"/")
	if !ok || !fs.ValidPath(rel) {
		return "", t.refuse(fault.New(fault.Denied, "path %s leaves the repository", relativize(name)))
	}
	if strings.Count(rel, "/") >= maxPathElements {
		return "", t.refuse(fault.New(fault.Invalid, "%s: nested deeper than %d directories; does a link point back?", rel, maxPathElements))
	}
	return rel, nil
}

// stat reports what is at name; a missing path is an answer and not a refusal.
func (t *tree) stat(name string) (fs.FileInfo, error) {
	rel, err := t.inside(name)
	if err != nil {
		return nil, err
	}
	if err := t.ctx.Err(); err != nil {
		return nil, t.refuse(err)
	}
	files, in := t.at(rel)
	info, err := files.Stat(in)
	return info, t.note("look for "+rel, err)
}

// note records errors that are neither "missing" nor "not a directory": those are the library's to judge.
func (t *tree) note(action string, err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) || fault.Is(err, fault.NotFound) {
		return err
	}
	if fault.KindOf(err) != fault.Internal {
		return t.refuse(render.Classify(action, err))
	}
	return err
}

// ReadFile implements filesys.FileSystem.
func (t *tree) ReadFile(name string) ([]byte, error) {
	if t.reason != nil {
		return nil, t.reason
	}
	info, err := t.stat(name)
	if err != nil {
		return nil, err
	}
	rel, err := t.inside(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: rel, Err: errors.New("is a directory")}
	}
	if t.bytes += info.Size(); t.bytes > maxReadBytes {
		return nil, t.refuse(fault.New(fault.Invalid, "%s: the build reads more than %d bytes", rel, maxReadBytes))
	}
	data, isEdited := t.edited[rel]
	if !isEdited {
		files, in := t.at(rel)
		if data, err = files.ReadFile(in); err != nil {
			return nil, t.note("read "+rel, err)
		}
	}
	if err := render.CheckAliases(rel, data); err != nil {
		return nil, t.refuse(err)
	}
	if isKustomization(rel) {
		if data, err = t.inspect(rel, data); err != nil {
			return nil, t.refuse(err)
		}
	}
	return data, nil
}

func isKustomization(name string) bool {
	return slices.Contains(render.KustomizationNames(), path.Base(name))
}

// IsDir implements filesys.FileSystem.
func (t *tree) IsDir(name string) bool {
	info, err := t.stat(name)
	return err == nil && info.IsDir()
}

// Exists implements filesys.FileSystem.
func (t *tree) Exists(name string) bool {
	_, err := t.stat(name)
	return err == nil
}

// CleanedAbs implements filesys.FileSystem.
func (t *tree) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	info, err := t.stat(name)
	if err != nil {
		return "", "", err
	}
	clean := path.Clean(filepath.ToSlash(name))
	if info.IsDir() {
		return filesys.ConfirmedDir(clean), "", nil
	}
	return filesys.ConfirmedDir(path.Dir(clean)), path.Base(clean), nil
}

// ReadDir implements filesys.FileSystem.
func (t *tree) ReadDir(name string) ([]string, error) {
	rel, err := t.inside(name)
	if err != nil {
		return nil, err
	}
	files, in := t.at(rel)
	entries, err := files.ReadDir(in)
	if err != nil {
		return nil, t.note("list "+rel, err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// A build only reads; the library writes, globs and walks in commands that are not used here.

func (t *tree) readOnly() error { return fs.ErrPermission }

// Create implements filesys.FileSystem.
func (t *tree) Create(string) (filesys.File, error) { return nil, t.readOnly() }

// Mkdir implements filesys.FileSystem.
func (t *tree) Mkdir(string) error { return t.readOnly() }

// MkdirAll implements filesys.FileSystem.
func (t *tree) MkdirAll(string) error { return t.readOnly() }

// RemoveAll implements filesys.FileSystem.
func (t *tree) RemoveAll(string) error { return t.readOnly() }

// Open implements filesys.FileSystem.
func (t *tree) Open(string) (filesys.File, error) { return nil, t.readOnly() }

// WriteFile implements filesys.FileSystem.
func (t *tree) WriteFile(string, []byte) error { return t.readOnly() }

// Glob implements filesys.FileSystem.
func (t *tree) Glob(string) ([]string, error) { return nil, t.readOnly() }

// Walk implements filesys.FileSystem.
func (t *tree) Walk(string, filepath.WalkFunc) error { return t.readOnly() }
