package reconcile

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/object"
)

func TestHanging(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)
	live := func(name string, deleted time.Duration, finalizers ...string) *object.Live {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
		u.SetNamespace("shop")
		u.SetName(name)
		u.SetFinalizers(finalizers)
		if deleted > 0 {
			u.SetDeletionTimestamp(&metav1.Time{Time: now.Add(-deleted)})
		}
		return &object.Live{Object: u}
	}
	for _, tc := range []struct {
		reason string
		left   []*object.Live
		want   []string
	}{
		{"what is not being deleted waits for its wave", []*object.Live{live("a", 0)}, nil},
		{"a deletion may take a moment", []*object.Live{live("a", time.Second, "x.example.com/y")}, nil},
		{"a finalizer holds an object", []*object.Live{live("a", time.Minute, "x.example.com/y"), live("b", time.Minute), live("c", 0)},
			[]string{"ConfigMap/shop/a and 1 more", "finalizers x.example.com/y"}},
		{"a node holds an object", []*object.Live{live("a", time.Minute)}, []string{"ConfigMap/shop/a", "grace period"}},
	} {
		got := hanging(tc.left, now)
		if (got == "") != (tc.want == nil) {
			t.Errorf("%s: %q", tc.reason, got)
		}
		for _, text := range tc.want {
			if !strings.Contains(got, text) {
				t.Errorf("%s: no %q in %q", tc.reason, text, got)
			}
		}
	}
}
