package rest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/server/rest"
)

var update = flag.Bool("update", false, "write the document that the types of the user interface are made from")

// TestDocument checks that the document is valid, and that the one which the user interface's types are made from is up to
// date; make generate writes it.
func TestDocument(t *testing.T) {
	doc, err := rest.Document(rest.Routes(server.New(server.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	read, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, data, "", " "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	file := filepath.Join("..", "..", "..", "web", "openapi.json")
	if *update {
		if err := os.WriteFile(file, pretty.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, pretty.Bytes()) {
		t.Errorf("%s is out of date: run make generate", file)
	}
}

// TestReference checks that every path is in the reference.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "reference", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rest.Routes(server.New(server.Options{})) {
		path := strings.ReplaceAll(r.Path, "...}", "}")
		if !strings.Contains(string(text), "| "+r.Method+" | `"+path+"`") {
			t.Errorf("%s %s is not in the reference", r.Method, path)
		}
	}
}
