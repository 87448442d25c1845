package diff

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/object"
)

// TestMigratedManager: of an object that an old tool has made, what Git has not goes, unless somebody else owns it too.
func TestMigratedManager(t *testing.T) {
	read := func(text string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		return u
	}
	live := object.NewLive(read(`
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  labels: {app: web, old: "yes"}
  annotations: {note: theirs, kubectl.kubernetes.io/last-applied-configuration: "{}"}
  finalizers: [example.com/kept, example.com/old]
  managedFields:
  - manager: old-tool
    operation: Update
    apiVersion: apps/v1
    fieldsV1:
      f:metadata:
        f:labels: {".": {}, f:app: {}, f:old: {}}
        f:annotations: {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}
        f:finalizers: {".": {}, 'v:"example.com/old"': {}}
      f:spec:
        f:replicas: {}
        f:template:
          f:spec:
            f:containers:
              'k:{"name":"web"}': {".": {}, f:name: {}, f:image: {}, f:env: {".": {}, 'k:{"name":"OLD"}': {".": {}, f:name: {}, f:value: {}}}}
              'k:{"name":"sidecar"}': {".": {}, f:name: {}, f:image: {}}
  - manager: autoscaler
    operation: Update
    apiVersion: apps/v1
    fieldsV1: {f:spec: {f:replicas: {}}}
spec:
  replicas: 3
  template:
    spec:
      containers:
      - {name: web, image: "web:1", env: [{name: OLD, value: x}, {name: OTHER, value: x}]}
      - {name: sidecar, image: "sidecar:1"}
`))
	desired := read(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  template:
    spec:
      containers:
      - {name: web, image: "web:2"}
`)
	item := &Item{Ref: object.RefOf(desired), Desired: desired, Live: live, migrates: "old-tool"}
	changes, err := leftovers(item)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, c.Path)
	}
	want := []string{
		"metadata.finalizers", "metadata.labels.old",
		"spec.template.spec.containers[name=sidecar]", "spec.template.spec.containers[name=web].env",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	item.migrates = ""
	if changes, err := leftovers(item); err != nil || len(changes) > 0 {
		t.Errorf("without the annotation: %v, %v", changes, err)
	}
}
