package metamorphic

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/render"
)

// manifests are objects of built-in kinds that the rules pass: those of the example, and of public projects where they are here.
func manifests(t *testing.T, s *server) []*unstructured.Unstructured {
	t.Helper()
	corpus := os.Getenv("BELAY_CORPUS")
	if corpus == "" {
		corpus = filepath.FromSlash("../../../shared/corpus")
	}
	var out []*unstructured.Unstructured
	for _, root := range []string{filepath.FromSlash("../../examples/callcenter"), corpus} {
		_ = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(name)) {
				return nil
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			objects, err := render.Decode(name, data)
			if err != nil {
				return nil // templates
			}
			for _, u := range objects {
				kind := s.api.Kind(u.GroupVersionKind())
				if kind == nil || !kind.Has(s.api.Last) || u.GetName() == "" || len(u.Object) < 3 {
					continue
				}
				delete(u.Object, "status")
				if u.SetNamespace(""); kind.Namespaced {
					u.SetNamespace(s.namespace)
				}
				rename(u)
				var any []place
				if places("", u.Object, nil, nil, &any); len(any) > 0 && s.check(t, u, nil) == "" {
					out = append(out, u)
				}
			}
			return nil
		})
	}
	return out
}

// rename gives an object a name that nothing in the cluster has.
func rename(u *unstructured.Unstructured) {
	switch u.GetKind() {
	case "CustomResourceDefinition": // none is in the cluster
	case "APIService":
		spec, _ := u.Object["spec"].(map[string]any)
		spec["group"] = named(u.GetName()) + ".example.com"
		u.SetName(fmt.Sprintf("%v.%v", spec["version"], spec["group"]))
	default:
		u.SetName(named(u.GetName()))
	}
}

// place is a value somewhere in an object, with a way to replace it or to take it out.
type place struct {
	path   string
	value  any
	set    func(any)
	remove func()
}

// places lists all values below v, but for what names the object.
func places(path string, v any, set func(any), remove func(), out *[]place) {
	switch path {
	case ".apiVersion", ".kind", ".metadata.name", ".metadata.namespace", ".metadata.generateName":
		return
	}
	if path != "" && path != ".metadata" {
		*out = append(*out, place{path, v, set, remove})
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range sorted(v) {
			places(path+"."+key, v[key], func(x any) { v[key] = x }, func() { delete(v, key) }, out)
		}
	case []any:
		for i := range v {
			places(fmt.Sprintf("%s[%d]", path, i), v[i], func(x any) { v[i] = x }, func() { set(slices.Delete(slices.Clone(v), i, i+1)) }, out)
		}
	}
}

func sorted(m map[string]any) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// values are what fields are set to: of every type, and at the edges of what is allowed.
func values() []any {
	return []any{
		"", "x", "UPPER", "not a name!", "a.b/c", "-", "0", "100%", "10Gi", "500m", "-1", "Always", "None", "10.0.0.1", "10.0.0.0/8", "2001:db8::1", "*", "https://example.com/x",
		strings.Repeat("a", 64), strings.Repeat("a", 300), "2026-01-01T00:00:00Z", "5m",
		int64(0), int64(1), int64(-1), int64(70000), int64(1 << 40), 1.5, true, false, nil,
		map[string]any{}, []any{}, map[string]any{"a": "b"}, []any{"a", "a"}, map[string]any{"name": "x"}, []any{map[string]any{"name": "x"}},
	}
}

// mutate changes one value of an object and says what it did.
func mutate(r *rand.Rand, u *unstructured.Unstructured, others []*unstructured.Unstructured) string {
	var all []place
	places("", u.Object, nil, nil, &all)
	at := all[r.IntN(len(all))]
	switch what := r.IntN(8); {
	case what == 0:
		at.remove()
		return "without " + at.path
	case what == 1:
		if list, ok := at.value.([]any); ok && len(list) > 0 {
			at.set(append(slices.Clone(list), list[r.IntN(len(list))]))
			return "an element twice in " + at.path
		}
	case what == 2:
		if fields, ok := at.value.(map[string]any); ok {
			fields["unknownField"] = "x"
			return "unknownField in " + at.path
		}
	case what == 3: // a value that the same field has elsewhere
		other := others[r.IntN(len(others))].DeepCopy()
		var theirs []place
		places("", other.Object, nil, nil, &theirs)
		last := at.path[strings.LastIndexByte(at.path, '.')+1:]
		r.Shuffle(len(theirs), func(i, j int) { theirs[i], theirs[j] = theirs[j], theirs[i] })
		for _, p := range theirs {
			if strings.HasSuffix(p.path, "."+last) {
				at.set(p.value)
				return fmt.Sprintf("%s of %s at %s", p.path, other.GetKind(), at.path)
			}
		}
	}
	list := values()
	v := list[r.IntN(len(list))]
	at.set(v)
	return fmt.Sprintf("%s = %.60v", at.path, v)
}
