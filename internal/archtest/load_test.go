package archtest

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// pkg is what `go list` says of a package of this module.
type pkg struct {
	ImportPath   string
	Name         string
	Doc          string
	Dir          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string

	rel   string // ImportPath relative to the module
	files []file // the parsed GoFiles
}

// file is one source file that is part of the product: no test, not generated.
type file struct {
	rel   string
	lines int
	fset  *token.FileSet
	ast   *ast.File
}

var load = sync.OnceValues(func() ([]*pkg, error) {
	if err := lookAround(); err != nil {
		return nil, err
	}
	out, err := goList("-e", "-json=ImportPath,Name,Doc,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", "./...")
	if err != nil {
		return nil, err
	}
	var all []*pkg
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		p := &pkg{}
		if err := dec.Decode(p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		p.rel = strings.TrimPrefix(p.ImportPath, module+"/")
		if err := p.parse(); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

// lookAround reads the module's directories. `go test` answers from its cache when nothing has changed that a test has
// read, and what `go list` reads for us does not count: without this a new file would not be judged.
func lookAround() error {
	root := filepath.Join("..", "..")
	if _, err := os.ReadFile(filepath.Join(root, "go.mod")); err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || path == root {
			return nil // a directory that goes away meanwhile is no matter
		}
		if name := d.Name(); strings.HasPrefix(name, ".") || name == "bin" || name == "node_modules" || name == "testdata" {
			return filepath.SkipDir
		}
		return nil
	})
}

func (p *pkg) parse() error {
	for _, name := range p.GoFiles {
		fset := token.NewFileSet()
		parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if ast.IsGenerated(parsed) {
			continue
		}
		p.files = append(p.files, file{path.Join(p.rel, name), fset.File(parsed.FileStart).LineCount(), fset, parsed})
	}
	return nil
}

// packages returns the packages of the module.
func packages(t *testing.T) []*pkg {
	t.Helper()
	all, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	return all
}

// goList runs `go list` in the module's root.
func goList(args ...string) ([]byte, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = filepath.Join("..", "..")
	return cmd.Output()
}

// below reports whether rel is dir or lies below it.
func below(rel, dir string) bool { return rel == dir || strings.HasPrefix(rel, dir+"/") }

// belowAny reports whether rel is one of dirs or lies below one.
func belowAny(rel string, dirs []string) bool {
	for _, dir := range dirs {
		if below(rel, dir) {
			return true
		}
	}
	return false
}

// layerOf returns the layer that rel belongs to.
func layerOf(rel string) (layer, bool) {
	for _, l := range layers() {
		if below(rel, l.path) {
			return l, true
		}
	}
	return layer{}, false
}

// implementation returns the name below the layer that rel belongs to, empty for the layer's own package.
func (l layer) implementation(rel string) string {
	rest := strings.TrimPrefix(strings.TrimPrefix(rel, l.path), "/")
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// position is file:line for messages.
func (f file) position(n ast.Node) string {
	return f.fset.Position(n.Pos()).String()
}
