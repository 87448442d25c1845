package kubeapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
)

// specs is a directory that holds the file tree api/openapi-spec/v3 of k8s.io/kubernetes for each minor version, in directories
// named 29, 30 and so on; the newest one comes from the module that this one requires.
func flags() (update *bool, specs *string) {
	return flag.Bool("update", false, "write the bundle anew"), flag.String("specs", "", "directory of older OpenAPI documents")
}

var update, specs = flags()

type document struct {
	Paths map[string]map[string]struct {
		GVK gvk `json:"x-kubernetes-group-version-kind"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]*definition `json:"schemas"`
	} `json:"components"`
}

type gvk struct{ Group, Version, Kind string }

type definition struct {
	Ref        string                 `json:"$ref"`
	Type       string                 `json:"type"`
	Format     string                 `json:"format"`
	AllOf      []*definition          `json:"allOf"`
	OneOf      []*definition          `json:"oneOf"`
	Items      *definition            `json:"items"`
	Values     *definition            `json:"additionalProperties"`
	Properties map[string]*definition `json:"properties"`
	ListType   string                 `json:"x-kubernetes-list-type"`
	Keys       []string               `json:"x-kubernetes-list-map-keys"`
	GVKs       []gvk                  `json:"x-kubernetes-group-version-kind"`
	Default    any                    `json:"default"`
	Embedded   bool                   `json:"x-kubernetes-embedded-resource"`
}

// TestBundle says whether the newest version in the bundle is that of the module that the checks are built from. With -update it
// makes the bundle: see "make kubeapi".
func TestBundle(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}} {{.Dir}}", "k8s.io/kubernetes").Output()
	if err != nil {
		t.Fatal(err)
	}
	version, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	newest, err := Minor(version)
	if err != nil {
		t.Fatal(err)
	}
	current := read(t, filepath.Join(dir, "api/openapi-spec/v3"))
	if *update {
		write(t, newest, current)
	}
	api, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if api.Last != newest {
		t.Fatalf("the bundle ends with 1.%d, the module is 1.%d: run make kubeapi", api.Last, newest)
	}
	alone := collect(map[int]*document{newest: current})
	for name, want := range alone.Kinds {
		got := api.Kinds[name]
		if got == nil || got.Has(newest) != want.Has(newest) || got.Deprecated != want.Deprecated || got.Removed != want.Removed || got.Replacement != want.Replacement ||
			want.Type != "" && (got.Plural != want.Plural || got.Namespaced != want.Namespaced) {
			t.Errorf("kind %s: %+v in the bundle, %+v in the document", name, got, want)
		}
	}
	for name, want := range alone.Types {
		for key, fields := range want.Fields {
			if got, ok := api.Types[name].field(key, newest); !ok || !reflect.DeepEqual(got.Shape, fields[0].Shape) {
				t.Errorf("field %s of %s: %+v in the bundle, %+v in the document", key, name, got, fields[0])
			}
		}
	}
}

func read(t *testing.T, dir string) *document {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*_openapi.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no OpenAPI document in %s: %v", dir, err)
	}
	all := &document{Paths: map[string]map[string]struct {
		GVK gvk `json:"x-kubernetes-group-version-kind"`
	}{}}
	all.Components.Schemas = map[string]*definition{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var raw struct {
			Paths      map[string]map[string]json.RawMessage `json:"paths"`
			Components json.RawMessage                       `json:"components"`
		}
		if err := json.Unmarshal(data, &raw); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for path, verbs := range raw.Paths {
			if post, ok := verbs["post"]; ok {
				var op struct {
					GVK gvk `json:"x-kubernetes-group-version-kind"`
				}
				if err := json.Unmarshal(post, &op); err != nil {
					t.Fatal(err)
				}
				all.Paths[path] = map[string]struct {
					GVK gvk `json:"x-kubernetes-group-version-kind"`
				}{"post": op}
			}
		}
		if len(raw.Components) > 0 {
			if err := json.Unmarshal(raw.Components, &all.Components); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	return all
}

func write(t *testing.T, newest int, current *document) {
	t.Helper()
	docs := map[int]*document{newest: current}
	dirs, err := filepath.Glob(filepath.Join(*specs, "[0-9]*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no documents in -specs %s: %v", *specs, err)
	}
	for _, dir := range dirs {
		minor, err := Minor("1." + filepath.Base(dir))
		if err != nil {
			t.Fatal(err)
		}
		docs[minor] = read(t, dir)
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewEncoder(z).Encode(collect(docs)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("bundle.json.gz", packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	bundle = packed.Bytes()
}

// collect merges the documents of consecutive versions, the oldest first.
func collect(docs map[int]*document) *API {
	var minors []int
	for minor := range docs {
		minors = append(minors, minor)
	}
	sort.Ints(minors)
	api := &API{First: minors[0], Last: minors[len(minors)-1], Kinds: map[string]*Kind{}, Types: map[string]*Type{}}
	for _, minor := range minors {
		addKinds(api, docs[minor], minor)
		addTypes(api, docs[minor], minor)
	}
	for _, kind := range api.Kinds {
		kind.Span = clip(kind.Span, api)
	}
	addLifecycles(api)
	for _, typ := range api.Types {
		for _, fields := range typ.Fields {
			for i := range fields {
				fields[i].Span = clip(fields[i].Span, api)
			}
		}
	}
	return api
}

func clip(s Span, api *API) Span {
	if s.Since == api.First {
		s.Since = 0
	}
	if s.Until == api.Last {
		s.Until = 0
	}
	return s
}

func addKinds(api *API, doc *document, minor int) {
	types := map[gvk]string{}
	for name, d := range doc.Components.Schemas {
		for _, g := range d.GVKs {
			if d.Properties["metadata"] != nil || types[g] == "" {
				types[g] = name
			}
		}
	}
	for path, verbs := range doc.Paths {
		g := verbs["post"].GVK
		plural := path[strings.LastIndexByte(path, '/')+1:]
		if g.Kind == "" || strings.Contains(path, "{name}") || types[g] == "" {
			continue
		}
		namespaced := strings.Contains(path, "/namespaces/{namespace}/")
		key := g.Group + "/" + g.Version + "/" + g.Kind
		kind := api.Kinds[key]
		if kind == nil {
			kind = &Kind{Span: Span{Since: minor}}
			api.Kinds[key] = kind
		}
		kind.Type, kind.Plural, kind.Until = types[g], plural, minor
		kind.Namespaced = kind.Namespaced || namespaced
	}
}

func addTypes(api *API, doc *document, minor int) {
	for name, d := range doc.Components.Schemas {
		if len(d.Properties) == 0 {
			continue
		}
		t := api.Types[name]
		if t == nil {
			t = &Type{Fields: map[string][]Field{}}
			api.Types[name] = t
		}
		for key, p := range d.Properties {
			shape := shapeOf(doc, p)
			fields := t.Fields[key]
			if n := len(fields); n > 0 && fields[n-1].Until == minor-1 && reflect.DeepEqual(fields[n-1].Shape, shape) {
				fields[n-1].Until = minor
				continue
			}
			t.Fields[key] = append(fields, Field{Span: Span{Since: minor, Until: minor}, Shape: shape})
		}
	}
}

func shapeOf(doc *document, d *definition) Shape {
	if len(d.AllOf) == 1 {
		s := shapeOf(doc, d.AllOf[0])
		return s
	}
	if d.Ref != "" {
		name := d.Ref[strings.LastIndexByte(d.Ref, '/')+1:]
		target := doc.Components.Schemas[name]
		switch {
		case target == nil:
			return Shape{Is: anything}
		case len(target.Properties) > 0:
			return Shape{Is: structure, Ref: name}
		}
		return shapeOf(doc, target)
	}
	s := Shape{Is: anything}
	switch {
	case d.Format == "int-or-string":
		s.Is = textOrInt
	case len(d.OneOf) == 2:
		s.Is = quantity
	case d.Type == "array":
		of := shapeOf(doc, d.Items)
		s = Shape{Is: list, Of: &of, Set: d.ListType == "set"}
		if d.ListType == "map" {
			s.Keys = d.Keys
		}
	case d.Type == "object":
		s.Is = mapping
		if d.Values != nil {
			of := shapeOf(doc, d.Values)
			s.Of = &of
		}
	case d.Type == "string" && d.Format == "byte":
		s.Is = binary
	case d.Type == "string":
		s.Is = text
	case d.Type == "boolean":
		s.Is = boolean
	case d.Type == "integer":
		s.Is = integer
	case d.Type == "number":
		s.Is = number
	}
	if def, ok := d.Default.(string); ok {
		s.Default = def
	}
	return s
}
