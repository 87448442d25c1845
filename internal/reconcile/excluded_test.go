package reconcile

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// TestExcludedKindsAreNotTakenForRemoved: a kind may be excluded while its objects are in view. They must neither be
// pruned nor go with a deleted application.
func TestExcludedKindsAreNotTakenForRemoved(t *testing.T) {
	one := func(kind string) *object.Live {
		return object.NewLive(&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"namespace": "shop", "name": "settings"},
		}})
	}
	owned := []*object.Live{one("ConfigMap"), one("Service")}
	if got := (Config{}).managed(owned); len(got) != 2 {
		t.Errorf("without exclusions %d objects are left, want 2", len(got))
	}
	c := Config{Excluded: func(group, kind string) bool { return group == "" && kind == "ConfigMap" }}
	got := c.managed(owned)
	if len(got) != 1 || got[0].Ref().Kind != "Service" {
		t.Errorf("with ConfigMaps excluded: %v, want the Service alone", got)
	}
	if owned[0].Ref().Kind != "ConfigMap" {
		t.Error("the view of the cluster was changed")
	}
}

// TestInvalidSpecIsNotTriedAgain: nothing but a change of the spec or the project can mend it.
func TestInvalidSpecIsNotTriedAgain(t *testing.T) {
	if fault.Retryable(errInvalidSpec) || fault.Is(errInvalidSpec, fault.Internal) {
		t.Errorf("%v is of kind %s, which is tried again every %s", errInvalidSpec, fault.KindOf(errInvalidSpec), retryAfter)
	}
}
