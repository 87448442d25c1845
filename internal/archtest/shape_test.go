package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// breach is one finding that an exemption may cover.
type breach struct {
	where string // file, file:Function, file:variable or file:call
	size  int
	text  string
}

func TestShape(t *testing.T) {
	var breaches []breach
	for _, p := range packages(t) {
		for _, f := range p.files {
			breaches = append(breaches, sizes(t, f)...)
			breaches = append(breaches, globals(f)...)
			breaches = append(breaches, hiddenInputs(p, f)...)
		}
	}
	left := exemptions()
	for _, b := range breaches {
		i := slices.IndexFunc(left, func(e exemption) bool { return e.where == b.where })
		switch {
		case i < 0:
			t.Error(b.text)
		case b.size > left[i].size:
			t.Errorf("%s (grew from %d: an exemption may only shrink)", b.text, left[i].size)
		}
		if i >= 0 {
			left = slices.Delete(left, i, i+1)
		}
	}
	for _, e := range left {
		t.Errorf("the exemption of %s is no longer needed: remove it", e.where)
	}
}

// sizes finds files and functions over the budget.
func sizes(t *testing.T, f file) []breach {
	var out []breach
	if f.lines > hardFile {
		out = append(out, breach{f.rel, f.lines, fmt.Sprintf("%s has %d lines, more than %d: split it", f.rel, f.lines, hardFile)})
	} else if f.lines > softFile {
		t.Logf("soft: %s has %d lines", f.rel, f.lines)
	}
	hard := hardFunction
	if path.Dir(f.rel) == "internal/reconcile" {
		hard = hardStory
	}
	for _, decl := range f.ast.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		where := f.rel + ":" + fn.Name.Name
		lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
		if lines > hard {
			out = append(out, breach{where, lines, fmt.Sprintf("%s has %d lines, more than %d: split it", where, lines, hard)})
		} else if lines > softFunction {
			t.Logf("soft: %s has %d lines", where, lines)
		}
		if n := parameters(fn); n > hardParameters {
			out = append(out, breach{where, n, fmt.Sprintf("%s has %d parameters, more than %d: take a struct", where, n, hardParameters)})
		}
	}
	return out
}

// parameters counts parameters besides a context.
func parameters(fn *ast.FuncDecl) int {
	n := 0
	for _, field := range fn.Type.Params.List {
		if sel, ok := field.Type.(*ast.SelectorExpr); ok && sel.Sel.Name == "Context" {
			continue
		}
		n += max(1, len(field.Names))
	}
	return n
}

// globals finds init functions and package variables that can change. The linker sets the version of a program.
func globals(f file) []breach {
	var out []breach
	for _, decl := range f.ast.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				out = append(out, breach{f.rel + ":init", 1, f.position(d) + ": init runs before anybody can choose: call a function from main"})
			}
		case *ast.GenDecl:
			if d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				v := spec.(*ast.ValueSpec)
				for i, name := range v.Names {
					if !constant(d, v, i) && !(below(f.rel, "cmd") && name.Name == "version") {
						out = append(out, breach{f.rel + ":" + name.Name, 1,
							f.position(v) + ": package variable " + name.Name + " can change: make it a constant, a function or a field"})
					}
				}
			}
		}
	}
	return out
}

// constant reports whether a package variable is one of the forms that nobody changes: var _ T = ..., error sentinels,
// compiled regular expressions and embedded files.
func constant(d *ast.GenDecl, v *ast.ValueSpec, i int) bool {
	if v.Names[i].Name == "_" || embedded(d.Doc) || embedded(v.Doc) {
		return true
	}
	if i >= len(v.Values) {
		return false
	}
	call, ok := v.Values[i].(*ast.CallExpr)
	if !ok {
		return false
	}
	switch callee(call.Fun) {
	case "errors.New", "fault.New", "fault.As", "regexp.MustCompile":
		return true
	}
	return false
}

func embedded(doc *ast.CommentGroup) bool {
	if doc == nil {
		return false
	}
	return slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

func callee(e ast.Expr) string {
	if sel, ok := e.(*ast.SelectorExpr); ok {
		if x, ok := sel.X.(*ast.Ident); ok {
			return x.Name + "." + sel.Sel.Name
		}
	}
	return ""
}

// hiddenInputs finds reads of the clock below the edge, and of the environment outside of cmd.
func hiddenInputs(p *pkg, f file) []breach {
	l, ok := layerOf(p.rel)
	if !ok || l.path == "cmd" || l.path == "bench" || l.path == "test" {
		return nil
	}
	banned := map[string]string{}
	for _, member := range []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Exit"} {
		banned["os."+member] = "only cmd reads the environment and exits"
	}
	if l.rank <= 11 {
		for _, member := range []string{"Now", "Since", "Until"} {
			banned["time."+member] = "the clock is injected"
		}
	}
	var out []breach
	eachUse(f.ast, func(n ast.Node, imported, member string) {
		if what := imported + "." + member; banned[what] != "" {
			out = append(out, breach{f.rel + ":" + what, 1, f.position(n) + " uses " + what + ": " + banned[what]})
		}
	})
	return out
}

// uses returns the members of an imported package that a file names.
func uses(f *ast.File, pkg string) []string {
	var out []string
	eachUse(f, func(_ ast.Node, imported, member string) {
		if imported == pkg {
			out = append(out, member)
		}
	})
	return out
}

// eachUse calls found for every member of an imported package that a file names.
func eachUse(f *ast.File, found func(n ast.Node, imported, member string)) {
	names := importNames(f)
	ast.Inspect(f, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			if local, member, ok := strings.Cut(callee(e), "."); ok && names[local] != "" {
				found(n, names[local], member)
			}
		}
		return true
	})
}

// importNames maps the local names of a file's imports to their paths.
func importNames(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, spec := range f.Imports {
		imported := strings.Trim(spec.Path.Value, `"`)
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		out[name] = imported
	}
	return out
}
