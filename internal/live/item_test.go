package live

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/internal/object"
)

// byLabel is the simplest tracking there is.
func byLabel(u *unstructured.Unstructured) (string, bool) {
	app := u.GetLabels()["app"]
	return app, app != ""
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := new(unstructured.Unstructured)
	if err := u.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return u
}

const configMap = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"n","uid":"u1","resourceVersion":"7",
 "labels":{"app":"shop"},"annotations":{"a":"b","kubectl.kubernetes.io/last-applied-configuration":"{}"},
 "ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"owner"}],
 "managedFields":[
  {"manager":"argocd-controller","operation":"Apply","time":"2026-01-02T03:04:05Z","apiVersion":"v1","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:k":{},".":{}}}},
  {"manager":"kubelet","operation":"Update","subresource":"status","fieldsV1":{"f:x":{"k:{\"name\":\"a\"}":{}}}}]},
 "data":{"k":"v","n":"1"}}`

var configMapGVK = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}

func wantManagers() []object.Manager {
	return []object.Manager{
		{Name: "argocd-controller", Operation: "Apply", Time: "2026-01-02T03:04:05Z", FieldsV1: []byte(`{"f:data":{".":{},"f:k":{}}}`)},
		{Name: "kubelet", Operation: "Update", Subresource: "status", FieldsV1: []byte(`{"f:x":{"k:{\"name\":\"a\"}":{}}}`)},
	}
}

func TestDecodeFull(t *testing.T) {
	for _, owned := range []bool{true, false} {
		text := configMap
		if !owned {
			text = strings.ReplaceAll(text, `"app":"shop"`, `"x":"y"`)
		}
		it, err := decoder{gvk: configMapGVK, full: true, owner: byLabel}.decode(parse(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if got := (it.app == "shop"); got != owned {
			t.Errorf("owned=%v: app %q", owned, it.app)
		}
		if it.rv != 7 || it.uid != "u1" || len(it.owners) != 1 || it.owners[0] != "owner" {
			t.Errorf("owned=%v: %+v", owned, it)
		}
		l := it.live()
		if l.Partial {
			t.Errorf("owned=%v: partial", owned)
		}
		if diff := cmp.Diff(wantManagers(), l.Managers); diff != "" {
			t.Errorf("owned=%v: managers (-want +got):\n%s", owned, diff)
		}
		want := parse(t, text)
		unstructured.RemoveNestedField(want.Object, "metadata", "managedFields")
		if diff := cmp.Diff(want.Object, l.Object.Object); diff != "" {
			t.Errorf("owned=%v: object (-want +got):\n%s", owned, diff)
		}
	}
}

func TestDecodeMetadata(t *testing.T) {
	full := parse(t, configMap)
	var partial metav1.PartialObjectMetadata
	if err := json.Unmarshal([]byte(configMap), &partial); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{
			"name": "c", "namespace": "n", "uid": "u1", "resourceVersion": "7",
			"labels":      map[string]any{"app": "shop"},
			"annotations": map[string]any{"a": "b"},
			"ownerReferences": []any{map[string]any{
				"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "owner"}},
		},
	}
	for _, obj := range []any{full, &partial} {
		it, err := decoder{gvk: configMapGVK, owner: byLabel}.decode(obj)
		if err != nil {
			t.Fatal(err)
		}
		l := it.live()
		if !l.Partial || it.app != "shop" || len(l.Managers) != 0 {
			t.Errorf("%T: partial %v, app %q, managers %v", obj, l.Partial, it.app, l.Managers)
		}
		if diff := cmp.Diff(want, l.Object.Object); diff != "" {
			t.Errorf("%T (-want +got):\n%s", obj, diff)
		}
	}
}

func TestDecodeLeavesTheCallersObject(t *testing.T) {
	u := parse(t, configMap)
	x := newIndex(byLabel)
	x.install(newTable(spec{gvk: configMapGVK, resource: "configmaps", namespaced: true, full: true}, nil))
	if err := x.wrote(u); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parse(t, configMap).Object, u.Object); diff != "" {
		t.Errorf("Observe changed its argument (-before +after):\n%s", diff)
	}
	if l, ok := x.get(object.Ref{Kind: "ConfigMap", Namespace: "n", Name: "c"}); !ok || len(l.Managers) != 2 {
		t.Errorf("not cached: %v", l)
	}
}

func TestDecodeOddities(t *testing.T) {
	for _, text := range []string{
		`{"apiVersion":"v1","kind":"ConfigMap"}`,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","managedFields":"x"}}`,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","resourceVersion":"abc","managedFields":[1,{"manager":2}]}}`,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":5,"ownerReferences":{},"annotations":[]}}`,
	} {
		for _, full := range []bool{true, false} {
			it, err := decoder{gvk: configMapGVK, full: full, owner: byLabel}.decode(parse(t, text))
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if it.rv != 0 {
				t.Errorf("%s: resourceVersion %d", text, it.rv)
			}
			if it.live() == nil {
				t.Errorf("%s: no object", text)
			}
		}
	}
	if _, err := (decoder{gvk: configMapGVK}).decode("text"); err == nil {
		t.Error("a string was decoded")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(configMap))
	f.Add([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"ownerReferences":[1,{"uid":2}],"managedFields":[{"fieldsV1":"x"}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		u := new(unstructured.Unstructured)
		if u.UnmarshalJSON(text) != nil {
			return
		}
		for _, full := range []bool{true, false} {
			it, err := decoder{gvk: configMapGVK, full: full, owner: byLabel}.decode(u.DeepCopy())
			if err != nil {
				continue
			}
			if l := it.live(); l == nil || l.Object == nil || l.Partial == full {
				t.Errorf("full=%v: %+v", full, l)
			}
		}
	})
}
