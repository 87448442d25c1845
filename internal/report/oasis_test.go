package report

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	// The module carries the schema of the standard as it was published; nothing else of it is used.
	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// oasis returns what holds a document against the schema of SARIF 2.1.0.
func oasis(t *testing.T) func(text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(oasisSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("https://docs.oasis-open.org/sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("https://docs.oasis-open.org/sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	return func(text string) error {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(doc)
	}
}

// oasisSchema reads the constant that holds the schema.
func oasisSchema(t *testing.T) string {
	t.Helper()
	found, err := build.Import("github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(found.Dir, "schema.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && len(lit.Value) > len(text) {
			text = lit.Value
		}
		return true
	})
	text, err = strconv.Unquote(text)
	if err == nil && !strings.Contains(text, "Version 2.1.0 JSON Schema") {
		err = fmt.Errorf("%s holds no schema", found.Dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}
