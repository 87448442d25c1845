package jsonnet

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	gojsonnet "github.com/google/go-jsonnet"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

const (
	maxFile  = 10 << 20 // bytes of one file
	maxFiles = 64 << 20 // bytes of all files of one program

	// No path of a repository has these names.
	programName = "\x00program"
	wrapperName = "\x00wrapper"
)

// importer reads imports from the file tree: beside the importing file first, then in the libraries, the last one
// first, then in the application's directory, as the importer of the library with Argo CD's search path does.
type importer struct {
	files   source.FS
	program string   // path of the program itself
	search  []string // directories, in the order in which they are tried
	read    map[string]gojsonnet.Contents
	missing map[string]bool
	checked map[string]bool // files that the parser may be given
	code    bool            // the import under way is of code and not of text
	left    int64           // bytes that may still be read
	err     error           // the first error that is not the program's fault alone
}

func newImporter(files source.FS, spec render.Spec, program string) (*importer, error) {
	dir, err := render.CleanPath(spec.Source.Path)
	if err != nil {
		return nil, err
	}
	i := &importer{
		files: files, program: program, left: maxFiles,
		read: map[string]gojsonnet.Contents{}, missing: map[string]bool{}, checked: map[string]bool{},
	}
	if d := spec.Source.Directory; d != nil {
		for n := len(d.Jsonnet.Libs) - 1; n >= 0; n-- {
			lib, err := render.Resolve("", d.Jsonnet.Libs[n])
			if err != nil {
				return nil, fault.New(fault.KindOf(err), "spec.source.directory.jsonnet.libs: %w", err)
			}
			i.search = append(i.search, lib)
		}
	}
	i.search = append(i.search, dir)
	return i, nil
}

// Import implements the library's Importer.
func (i *importer) Import(from, name string) (gojsonnet.Contents, string, error) {
	if name == programName {
		contents, found, err := i.try(i.program)
		if err == nil && !found {
			err = i.fail(fault.New(fault.NotFound, "%s: the file does not exist", i.program))
		}
		return contents, i.program, err
	}
	if path.IsAbs(name) {
		return gojsonnet.Contents{}, "", i.fail(fault.New(fault.Denied, "%s: import of %q: an absolute path leaves the repository", from, name))
	}
	dirs := i.search
	if from != "" { // code of a variable lies in no directory
		dirs = append([]string{path.Dir(from)}, dirs...)
	}
	outside := 0
	for _, dir := range dirs {
		at := path.Join(dir, name)
		if at == ".." || strings.HasPrefix(at, "../") || !fs.ValidPath(at) {
			outside++
			continue
		}
		contents, found, err := i.try(at)
		if err != nil {
			return gojsonnet.Contents{}, "", err
		}
		if found {
			return contents, at, nil
		}
	}
	if outside > 0 {
		return gojsonnet.Contents{}, "", i.fail(fault.New(fault.Denied, "%s: import of %q leaves the repository", orVariable(from), name))
	}
	return gojsonnet.Contents{}, "", fmt.Errorf("import of %q: there is no such file beside %s nor in %s", name, orVariable(from), strings.Join(i.search, ", "))
}

func orVariable(from string) string {
	if from == "" {
		return "the code of a variable"
	}
	return from
}

// try reads the file at, once; the library wants the same contents for the same path.
func (i *importer) try(at string) (gojsonnet.Contents, bool, error) {
	if contents, ok := i.read[at]; ok {
		return contents, true, i.check(at, contents)
	}
	if i.missing[at] {
		return gojsonnet.Contents{}, false, nil
	}
	info, err := i.files.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist) || fault.Is(err, fault.NotFound):
		i.missing[at] = true
		return gojsonnet.Contents{}, false, nil
	case err != nil:
		return gojsonnet.Contents{}, false, i.fail(render.Classify("read "+at, err))
	case info.IsDir():
		return gojsonnet.Contents{}, false, i.fail(fault.New(fault.Invalid, "import of %s: it is a directory", at))
	case info.Size() > maxFile:
		return gojsonnet.Contents{}, false, i.fail(fault.New(fault.Invalid, "import of %s: the file is larger than %d bytes", at, maxFile))
	}
	if i.left -= info.Size(); i.left < 0 {
		return gojsonnet.Contents{}, false, i.fail(fault.New(fault.Invalid, "%s: it imports more than %d bytes in total", i.program, maxFiles))
	}
	data, err := i.files.ReadFile(at)
	if err != nil {
		return gojsonnet.Contents{}, false, i.fail(render.Classify("read "+at, err))
	}
	contents := gojsonnet.MakeContentsRaw(data)
	i.read[at] = contents
	return contents, true, i.check(at, contents)
}

// check looks at a file before the parser does.
func (i *importer) check(at string, contents gojsonnet.Contents) error {
	if !i.code || i.checked[at] {
		return nil
	}
	i.checked[at] = true
	if err := checkNesting(at, contents.String()); err != nil {
		return i.fail(err)
	}
	return nil
}

// fail keeps the first error: the library passes on its text alone.
func (i *importer) fail(err error) error {
	if i.err == nil {
		i.err = err
	}
	return err
}
