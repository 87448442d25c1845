package ssa_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

func parse(t *testing.T, namespace, text string) *unstructured.Unstructured {
	t.Helper()
	j, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(j); err != nil {
		t.Fatal(err)
	}
	u.SetNamespace(namespace)
	return u
}

// TestForceDeletesNothingThatCannotBeCreated: an object that cannot be changed is replaced, but not by one that the server
// would not create.
func TestForceDeletesNothingThatCannotBeCreated(t *testing.T) {
	client, w, namespace := connect(t)
	const text = `
apiVersion: v1
kind: Secret
metadata: {name: locked}
immutable: true
data: {a: YQ==}`
	if _, err := w.Apply(t.Context(), parse(t, namespace, text), apply.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	gvr, _, _ := kinds{}.Resource(parse(t, namespace, text).GroupVersionKind())
	target := client.Resource(gvr).Namespace(namespace)
	before, err := target.Get(t.Context(), "locked", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bad := parse(t, namespace, strings.Replace(text, "a: YQ==", `"not a key!": YQ==`, 1))
	if _, err := w.Apply(t.Context(), bad, apply.WriteOptions{Force: true}); !fault.Is(err, fault.Invalid) {
		t.Errorf("an impossible Secret: %v, want a refusal", err)
	}
	after, err := target.Get(t.Context(), "locked", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("the old object is lost: %v", err)
	}
	if after.GetUID() != before.GetUID() {
		t.Error("the old object was replaced")
	}
	good := parse(t, namespace, strings.Replace(text, "a: YQ==", "b: Yg==", 1))
	if _, err := w.Apply(t.Context(), good, apply.WriteOptions{}); !fault.Is(err, fault.Invalid) {
		t.Errorf("without force: %v, want a refusal", err)
	}
	made, err := w.Apply(t.Context(), good, apply.WriteOptions{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if made.Object.GetUID() == before.GetUID() {
		t.Error("the object was not replaced")
	}
}

// TestDeleteLeavesWhatChangedHands: the view of the cluster may be older than the cluster.
func TestDeleteLeavesWhatChangedHands(t *testing.T) {
	client, w, namespace := connect(t)
	for _, tc := range []struct {
		reason, patch string
		gone          bool
	}{
		{"its content changed", `{"data":{"k":"other"}}`, true},
		{"an annotation that says nothing of ownership changed", `{"metadata":{"annotations":{"leader":"x"}}}`, true},
		{"another application took it over", `{"metadata":{"annotations":{"argocd.argoproj.io/tracking-id":"other:/ConfigMap:n/c"}}}`, false},
		{"it was told to stay", `{"metadata":{"annotations":{"argocd.argoproj.io/sync-options":"Prune=false"}}}`, false},
		{"its labels changed", `{"metadata":{"labels":{"app.kubernetes.io/instance":"other"}}}`, false},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			u := parse(t, namespace, `{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {k: v}}`)
			seen, err := w.Apply(t.Context(), u, apply.WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			gvr, _, _ := kinds{}.Resource(u.GroupVersionKind())
			target := client.Resource(gvr).Namespace(namespace)
			if _, err := target.Patch(t.Context(), "c", "application/merge-patch+json", []byte(tc.patch), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			err = w.Delete(t.Context(), seen, "background", false)
			if tc.gone != (err == nil) || err != nil && !fault.Is(err, fault.Conflict) {
				t.Errorf("delete: %v", err)
			}
			_, err = target.Get(t.Context(), "c", metav1.GetOptions{})
			if apierrors.IsNotFound(err) != tc.gone {
				t.Errorf("afterwards: %v, want it gone: %v", err, tc.gone)
			}
			if err := target.Delete(t.Context(), "c", metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
				t.Fatal(err)
			}
		})
	}
	t.Run("another object has its name now", func(t *testing.T) {
		u := parse(t, namespace, `{apiVersion: v1, kind: ConfigMap, metadata: {name: d, uid: 0b1e5f1c-0000-4000-8000-000000000000, resourceVersion: "1"}}`)
		fresh := parse(t, namespace, `{apiVersion: v1, kind: ConfigMap, metadata: {name: d}}`)
		if _, err := w.Apply(t.Context(), fresh, apply.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := w.Delete(t.Context(), object.NewLive(u), "background", false); err != nil {
			t.Errorf("delete of an object that is gone: %v", err)
		}
		if _, err := w.Read(t.Context(), fresh); err != nil {
			t.Errorf("the new object: %v", err)
		}
	})
}

// TestErrorsAboutSecretsQuoteNoValues asks the API server for its own words about values that have the wrong type.
func TestErrorsAboutSecretsQuoteNoValues(t *testing.T) {
	_, w, namespace := connect(t)
	for _, tc := range []struct{ reason, text, hidden, told string }{
		{"a number where text belongs", `{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {pin: 4711471147}}`, "4711471147", "data.pin: expected string"},
		{"no base64", `{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {pin: "hunter2!"}}`, "hunter2", "illegal base64"},
		{"a value that is refused", `{apiVersion: v1, kind: Secret, type: kubernetes.io/dockerconfigjson, metadata: {name: s}, data: {.dockerconfigjson: aHVudGVyMg==}}`, "hunter2", "data[.dockerconfigjson]"},
		{"an unknown field", `{apiVersion: v1, kind: Secret, metadata: {name: s}, date: {pin: aHVudGVyMg==}}`, "aHVudGVyMg==", "date"},
		{"no such namespace", `{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: nowhere}, data: {pin: aHVudGVyMg==}}`, "aHVudGVyMg==", `namespaces "nowhere" not found`},
	} {
		u := parse(t, namespace, tc.text)
		if tc.reason == "no such namespace" {
			u.SetNamespace("nowhere")
		}
		_, err := w.Apply(t.Context(), u, apply.WriteOptions{})
		if err == nil {
			t.Errorf("%s: no error", tc.reason)
			continue
		}
		if strings.Contains(err.Error(), tc.hidden) || !strings.Contains(err.Error(), tc.told) {
			t.Errorf("%s: %v\nwant %q in it and not %q", tc.reason, err, tc.told, tc.hidden)
		}
	}
}
