package mask

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/object"
)

func text(u *unstructured.Unstructured) (string, error) {
	data, err := yaml.Marshal(u.Object)
	return string(data), err
}

func TestMaskHidesEverySecretValue(t *testing.T) {
	secret := func(data, stringData any) *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "s"}}}
		if data != nil {
			u.Object["data"] = data
		}
		if stringData != nil {
			u.Object["stringData"] = stringData
		}
		return u
	}
	for name, u := range map[string]*unstructured.Unstructured{
		"Data":       secret(map[string]any{"a": "aHVudGVy"}, nil),
		"StringData": secret(nil, map[string]any{"a": "hunter"}),
		"Malformed":  secret("hunter", []any{"hunter"}),
		"Nested":     secret(map[string]any{"a": map[string]any{"b": "hunter"}}, nil),
	} {
		text, err := text(Object(u))
		if err != nil || strings.Contains(text, "hunter") || strings.Contains(text, "aHVudGVy") || !strings.Contains(text, Stars) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	a, b := Pair(secret(map[string]any{"x": "MQ==", "y": "Mg=="}, nil), secret(nil, map[string]any{"x": "1", "y": "3"}))
	if a.Object["data"].(map[string]any)["x"] != b.Object["stringData"].(map[string]any)["x"] {
		t.Error("equal values look different")
	}
	if a.Object["data"].(map[string]any)["y"] == b.Object["stringData"].(map[string]any)["y"] {
		t.Error("different values look equal")
	}
}

// TestMaskHidesAnnotations: those of a Secret that the settings name, wherever a value could show.
func TestMaskHidesAnnotations(t *testing.T) {
	secret := func(token string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{
			"name": "s", "annotations": map[string]any{"example.com/token": token, "plain": token, "shown": "seen"}}}}
	}
	keys := []string{"example.com/token", "plain"}
	a, b := Pair(secret("hunter-1"), secret("hunter-2"), keys...)
	for _, u := range []*unstructured.Unstructured{a, b} {
		text, err := text(u)
		if err != nil || strings.Contains(text, "hunter") || !strings.Contains(text, "seen") {
			t.Errorf("%v\n%s", err, text)
		}
	}
	if cmp.Equal(a.GetAnnotations(), b.GetAnnotations()) {
		t.Error("different values look equal")
	}
	changes := Changes(object.RefOf(a), []object.Change{
		{Path: "metadata.annotations[example.com/token]", Live: "hunter-1", Desired: "hunter-2"},
		{Path: "metadata.annotations.plain", Desired: "hunter-2"},
		{Path: "metadata.annotations.shown", Live: "seen"},
	}, keys...)
	if text := fmt.Sprint(changes); strings.Contains(text, "hunter") || !strings.Contains(text, "seen") {
		t.Error(text)
	}
	if u := Object(configMap("hunter"), keys...); u.GetAnnotations()["plain"] != "hunter" {
		t.Error("objects of other kinds hold no secrets")
	}
}

func configMap(value string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{
		"name": "c", "annotations": map[string]any{"plain": value}}}}
}
