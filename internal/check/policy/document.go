package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	sigyaml "sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/check"
)

// document is an object in a file of the repository.
type document struct {
	file   string
	root   *yaml.Node
	object *unstructured.Unstructured
}

// readFile returns the objects of a file, lists taken apart.
func readFile(files fs.FS, name string) ([]*document, error) {
	data, err := fs.ReadFile(files, name)
	if err != nil {
		return nil, err
	}
	var out []*document
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) {
			return out, nil
		} else if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if len(node.Content) == 0 || node.Content[0].Kind == yaml.ScalarNode && node.Content[0].Value == "" {
			continue
		}
		docs, err := objects(name, node.Content[0])
		if err != nil {
			return nil, err
		}
		out = append(out, docs...)
	}
}

func objects(file string, root *yaml.Node) ([]*document, error) {
	text, err := yaml.Marshal(root)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	content := map[string]any{}
	// numbers become int64 and float64, as the API machinery wants them
	u := &unstructured.Unstructured{}
	asJSON, err := sigyaml.YAMLToJSONStrict(text)
	if err == nil {
		err = sigyaml.Unmarshal(asJSON, &content)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s:%d: %w", file, root.Line, err)
	}
	if kind, _ := content["kind"].(string); kind == "" || content["apiVersion"] == nil {
		return nil, fmt.Errorf("read %s:%d: apiVersion and kind are missing", file, root.Line)
	}
	if items := child(root, "items"); items != nil && items.Kind == yaml.SequenceNode && strings.HasSuffix(content["kind"].(string), "List") {
		var out []*document
		for _, item := range items.Content {
			docs, err := objects(file, item)
			if err != nil {
				return nil, err
			}
			out = append(out, docs...)
		}
		return out, nil
	}
	if err := u.UnmarshalJSON(asJSON); err != nil {
		return nil, fmt.Errorf("read %s:%d: %w", file, root.Line, err)
	}
	return []*document{{file: file, root: root, object: u}}, nil
}

// place returns where a field is, or the nearest field above it.
func (d *document) place(field string) check.Place {
	at, n := d.root, d.root
	for _, s := range check.Steps(field) {
		key, value := step(n, s)
		if value == nil {
			break
		}
		at, n = key, value
	}
	return check.Place{File: d.file, Line: at.Line, Column: at.Column}
}

// inside returns the place of a line of a field that holds a text of several lines; lines count from 1.
func (d *document) inside(field string, line int) check.Place {
	n := d.root
	for _, s := range check.Steps(field) {
		if _, n = step(n, s); n == nil {
			return d.place(field)
		}
	}
	if n.Style == yaml.LiteralStyle {
		return check.Place{File: d.file, Line: n.Line + line}
	}
	return check.Place{File: d.file, Line: n.Line, Column: n.Column}
}

func step(n *yaml.Node, s check.Step) (key, value *yaml.Node) {
	if n.Kind == yaml.SequenceNode && s.Key == "" && s.Index < len(n.Content) {
		return n.Content[s.Index], n.Content[s.Index]
	}
	return entry(n, s.Key)
}

func entry(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

func child(n *yaml.Node, name string) *yaml.Node {
	_, value := entry(n, name)
	return value
}

// testSuffix ends the names of files with cases; files in directories named testdata belong to these.
const testSuffix = "_test.yaml"

// listFiles lists the files below a path that may hold objects of policies, or those with cases.
func listFiles(files fs.FS, root string, cases bool) (out []string, err error) {
	err = fs.WalkDir(files, root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata" && name != root:
			return fs.SkipDir
		case d.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(name)):
		case strings.HasSuffix(name, testSuffix) == cases:
			out = append(out, name)
		}
		return nil
	})
	return out, err
}
