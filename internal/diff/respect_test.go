package diff

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

func TestRespect(t *testing.T) {
	for _, tc := range []struct {
		reason, desired, live, want string
		ignore                      v1alpha1.ResourceIgnoreDifferences
	}{
		{
			reason:  "an ignored field is applied as it is in the cluster",
			desired: `spec: {replicas: 2, paused: false}`, live: `spec: {replicas: 9, paused: true}`,
			want:   `spec: {replicas: 9, paused: false}`,
			ignore: v1alpha1.ResourceIgnoreDifferences{JSONPointers: []string{"/spec/replicas"}},
		},
		{
			reason:  "also inside a list, by the element's name and not by its place",
			desired: `spec: {c: [{name: a, image: "1"}, {name: b, image: "1"}]}`,
			live:    `spec: {c: [{name: x, image: "9"}, {name: b, image: "7"}, {name: a, image: "8"}]}`,
			want:    `spec: {c: [{name: a, image: "1"}, {name: b, image: "7"}]}`,
			ignore:  v1alpha1.ResourceIgnoreDifferences{JQPathExpressions: []string{`.spec.c[] | select(.name == "b") | .image`}},
		},
		{
			reason:  "a field that the cluster does not have is left out",
			desired: `spec: {replicas: 2}`, live: `spec: {paused: true}`, want: `spec: {}`,
			ignore: v1alpha1.ResourceIgnoreDifferences{JSONPointers: []string{"/spec/replicas"}},
		},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			tc.ignore.Group, tc.ignore.Kind = "apps", "Deployment"
			rules, err := NewRules(Options{Ignore: v1alpha1.IgnoreDifferences{tc.ignore}})
			if err != nil {
				t.Fatal(err)
			}
			desired := deployment(t, tc.desired)
			plan := &Plan{Items: []*Item{{Ref: object.RefOf(desired), Desired: desired, Live: &object.Live{Object: deployment(t, tc.live)}}}}
			got, err := Respect(plan, rules)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(deployment(t, tc.want).Object, got.Items[0].Desired.Object); d != "" {
				t.Errorf("desired (-want +got):\n%s", d)
			}
			if d := cmp.Diff(deployment(t, tc.desired).Object, desired.Object); d != "" {
				t.Errorf("the input was changed:\n%s", d)
			}
		})
	}
}

func deployment(t *testing.T, body string) *unstructured.Unstructured {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n" + body))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(j); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestPathsReadBack(t *testing.T) {
	// Every path that Fields gives leads, through lookup, to the value that it was given for.
	live := deployment(t, `spec: {a.b/c: {x: 1}, list: [1, 2], ports: [{port: 80, p: a}, {port: 443, p: b}], empty: {}}`).Object
	desired := deployment(t, `spec: {a.b/c: {x: 2}, list: [1, 3], ports: [{port: 443, p: c}], new: [{k: v}]}`).Object
	changes := Fields(live, desired)
	if len(changes) < 5 {
		t.Fatalf("only %d changes: %+v", len(changes), changes)
	}
	for _, c := range changes {
		for _, side := range []struct {
			obj  map[string]any
			want any
		}{{live, c.Live}, {desired, c.Desired}} {
			got, ok := lookup(side.obj, splitPath(c.Path))
			if ok != (side.want != nil) || ok && !cmp.Equal(got, side.want) {
				t.Errorf("%s leads to %v, want %v", c.Path, got, side.want)
			}
		}
	}
	if d := Fields(live, live); len(d) != 0 {
		t.Errorf("an object differs from itself: %+v", d)
	}
}
