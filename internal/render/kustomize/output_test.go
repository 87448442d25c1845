package kustomize

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
	kjson "k8s.io/apimachinery/pkg/util/json"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/rendertest"
)

const odd = `apiVersion: example.com/v1
kind: Odd
metadata: {name: odd, annotations: {a: "yes", b: "1"}}
spec:
  yes: yes
  on: "on"
  n: 1
  oct: 017
  newOct: 0o17
  hex: 0x1F
  under: 1_000
  float: 1.0
  exp: 1e3
  small: 1e-7
  big: 12345678901234567890
  bigger: 123456789012345678901234567890
  neg: -3
  plus: +3
  date: 2001-01-01
  time: 2001-12-14t21:59:43.10-05:00
  sexagesimal: 1:30
  tilde: ~
  empty:
  block: |
    yes
  tagged: !!str 12
  taggedFloat: !!float 3
  anchor: &x {a: [1, 2]}
  alias: *x
  merged: {<<: *x, b: 1}
  bool: True
`

// TestOutputIsWhatTheLibraryPrints: objects are made from the library's nodes directly; they must be what reading
// its printed output gives.
func TestOutputIsWhatTheLibraryPrints(t *testing.T) {
	trees := map[string]map[string]string{"odd scalars": {"kustomization.yaml": "resources: [odd.yaml]\n", "odd.yaml": odd}}
	names, err := filepath.Glob("../testdata/kustomize-*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no data tests: %v", err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		repo := map[string]string{}
		for _, f := range archive.Files {
			if rel, ok := strings.CutPrefix(f.Name, "repo/"); ok {
				repo[rel] = string(f.Data)
			}
		}
		trees[filepath.Base(name)] = repo
	}
	compared := 0
	for name, repo := range trees {
		for file := range repo {
			if !isKustomization(file) {
				continue
			}
			b := &build{ctx: context.Background(), files: rendertest.Files(repo), dir: filepath.Dir(file)}
			resources, err := b.run(true)
			if err != nil || resources.Size() == 0 {
				continue // what fails has no output
			}
			var nodes []*yaml.Node
			for _, r := range resources.Resources() {
				nodes = append(nodes, r.YNode())
			}
			got, err := render.FromNodes(name, nodes)
			if err != nil {
				t.Errorf("%s %s: %v", name, file, err)
				continue
			}
			for i, r := range resources.Resources() {
				printed, err := r.AsYAML()
				if err != nil {
					t.Fatal(err)
				}
				asJSON, err := sigsyaml.YAMLToJSON(printed)
				if err != nil {
					t.Fatal(err)
				}
				var want map[string]any
				if err := kjson.Unmarshal(asJSON, &want); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got[i].Object); diff != "" {
					t.Errorf("%s %s: -printed +got:\n%s", name, file, diff)
				}
				compared++
			}
		}
	}
	if compared < 10 {
		t.Errorf("only %d objects compared", compared)
	}
}
