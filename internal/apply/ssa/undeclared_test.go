package ssa

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

func TestWithoutUndeclared(t *testing.T) {
	read := func(text string) *unstructured.Unstructured {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
			t.Fatal(err)
		}
		return u
	}
	const object = "spec: {replikas: 3, replicas: 1, containers: [{name: a}, {name: b, img: x, ports: [{port: 80, odd: 1}]}], args: [{bad: 1}]}"
	for _, tc := range []struct {
		refusal, want string
		ok            bool
	}{
		{"failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replikas: field not declared in schema",
			"spec: {replicas: 1, containers: [{name: a}, {name: b, img: x, ports: [{port: 80, odd: 1}]}], args: [{bad: 1}]}", true},
		{"failed: errors:\n  .spec.replikas: field not declared in schema\n  .spec.containers[name=\"b\"].img: field not declared in schema\n" +
			"  .spec.containers[name=\"b\"].ports[port=80].odd: field not declared in schema\n  .spec.args[0].bad: field not declared in schema",
			"spec: {replicas: 1, containers: [{name: a}, {name: b, ports: [{port: 80}]}], args: [{}]}", true},
		{".spec.other: field not declared in schema", object, false},
		{".spec.containers[9].img: field not declared in schema", object, false},
		{".spec.containers[name=].img: field not declared in schema", object, false},
		{".spec.replicas: expected numeric", object, false},
	} {
		// Numbers as they come from Git.
		in, want := read(object), read(tc.want)
		got, ok := withoutUndeclared(in, errors.New(tc.refusal))
		if d := cmp.Diff(want.Object, got.Object); d != "" || ok != tc.ok {
			t.Errorf("%s: %v\n%s", tc.refusal, ok, d)
		}
		if d := cmp.Diff(read(object).Object, in.Object); d != "" {
			t.Errorf("%s: the object itself was changed:\n%s", tc.refusal, d)
		}
	}
}

func FuzzWithoutUndeclared(f *testing.F) {
	for _, seed := range []string{".a: field not declared in schema", ".a[b=\"c\",d=1].e: field not declared in schema", ".a[0][1].b: field not declared in schema", ".[: field not declared in schema"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, refusal string) {
		u := &unstructured.Unstructured{Object: map[string]any{"a": []any{map[string]any{"b": "c", "d": int64(1), "e": []any{"x"}}}}}
		out, ok := withoutUndeclared(u, errors.New(refusal))
		if changed := !cmp.Equal(u.Object, out.Object); changed != ok {
			t.Errorf("changed %v, reported %v", changed, ok)
		}
	})
}
