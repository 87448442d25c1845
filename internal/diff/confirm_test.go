package diff

import (
	"context"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// answers is a Predictor made of functions.
type answers struct {
	predict func(*unstructured.Unstructured, bool) (*unstructured.Unstructured, error)
	read    func() (*object.Live, error)
}

func (a answers) Predict(_ context.Context, u *unstructured.Unstructured, validate bool) (*unstructured.Unstructured, error) {
	return a.predict(u, validate)
}

func (a answers) Read(context.Context, *unstructured.Unstructured) (*object.Live, error) {
	return a.read()
}

func thing(apiVersion, version string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": "Widget", "metadata": map[string]any{"namespace": "shop", "name": "w"}, "spec": spec}}
	if version != "" {
		u.SetResourceVersion(version)
	}
	return u
}

func suspect(desired, live *unstructured.Unstructured) *Item {
	return &Item{Ref: object.RefOf(desired), Desired: desired, Live: object.NewLive(live), suspect: true}
}

func TestConfirmWhereTheViewIsOld(t *testing.T) {
	desired := thing("example.com/v1", "", map[string]any{"a": int64(1)})
	seen := thing("example.com/v1", "5", map[string]any{"a": int64(1), "replicas": int64(3)})
	now := thing("example.com/v1", "6", map[string]any{"a": int64(1), "replicas": int64(5)})
	for _, tc := range []struct {
		reason string
		read   func() (*object.Live, error)
		want   Action
	}{
		{"what somebody else has written since is no change of ours", func() (*object.Live, error) { return object.NewLive(now.DeepCopy()), nil }, None},
		{"it is gone since", func() (*object.Live, error) { return nil, fault.New(fault.NotFound, "gone") }, Create},
	} {
		item := suspect(desired, seen.DeepCopy())
		p := answers{read: tc.read, predict: func(*unstructured.Unstructured, bool) (*unstructured.Unstructured, error) { return now.DeepCopy(), nil }}
		if err := Confirm(t.Context(), &Plan{Items: []*Item{item}}, NewMemory(), Rules{}, p); err != nil {
			t.Fatal(err)
		}
		if item.Action != tc.want || item.suspect {
			t.Errorf("%s: %s (%s, %v), want %s", tc.reason, item.Action, item.Reason, item.Changes, tc.want)
		}
	}
}

// TestConfirmVersionToCome: a definition in the same commit may bring the version that Git has.
func TestConfirmVersionToCome(t *testing.T) {
	item := suspect(thing("example.com/v2", "", nil), thing("example.com/v1", "5", nil))
	p := answers{read: func() (*object.Live, error) { return nil, fault.New(fault.NotFound, "the cluster does not serve v2") }}
	if err := Confirm(t.Context(), &Plan{Items: []*Item{item}}, NewMemory(), Rules{}, p); err != nil {
		t.Fatalf("the comparison fails: %v", err)
	}
	if item.Action != Update || item.suspect {
		t.Errorf("%s, want update", item.Action)
	}
}

// TestConfirmValidates: what the sync will not validate, the comparison does not either.
func TestConfirmValidates(t *testing.T) {
	loose := thing("example.com/v1", "", nil)
	loose.SetAnnotations(map[string]string{v1alpha1.AnnotationSyncOptions: "Prune=false, Validate=false"})
	for _, tc := range []struct {
		desired *unstructured.Unstructured
		rules   Rules
		want    bool
	}{{thing("example.com/v1", "", nil), Rules{}, true}, {loose, Rules{}, false}, {thing("example.com/v1", "", nil), Rules{NoValidate: true}, false}} {
		got := !tc.want
		p := answers{predict: func(u *unstructured.Unstructured, validate bool) (*unstructured.Unstructured, error) {
			got = validate
			return thing("example.com/v1", "5", nil), nil
		}}
		if err := Confirm(t.Context(), &Plan{Items: []*Item{suspect(tc.desired, thing("example.com/v1", "5", nil))}}, NewMemory(), tc.rules, p); err != nil {
			t.Fatal(err)
		}
		if got != tc.want {
			t.Errorf("validates: %v, want %v", got, tc.want)
		}
	}
}

// TestConfirmErrorIsStable: the same failures give the same text, or a condition would be written again and again.
func TestConfirmErrorIsStable(t *testing.T) {
	for range 20 {
		var items []*Item
		for i := range 30 {
			d := thing("example.com/v1", "", nil)
			d.SetName(fmt.Sprintf("w-%02d", i))
			items = append(items, suspect(d, thing("example.com/v1", "5", nil)))
		}
		failed := make(chan struct{})
		p := answers{predict: func(u *unstructured.Unstructured, _ bool) (*unstructured.Unstructured, error) {
			switch u.GetName() {
			case "w-03":
				<-failed // the first in order answers after another
			case "w-04":
				close(failed)
			}
			if u.GetName() >= "w-03" {
				return nil, fault.New(fault.Transient, "%s failed", u.GetName())
			}
			return thing("example.com/v1", "5", nil), nil
		}}
		if err := Confirm(t.Context(), &Plan{Items: items}, NewMemory(), Rules{}, p); err == nil || err.Error() != "w-03 failed" {
			t.Fatalf("%v, want the error of w-03", err)
		}
	}
}

// TestCoversTakesTextForText: a value that looks like a quantity is one in the specification of built-in kinds alone.
func TestCoversTakesTextForText(t *testing.T) {
	object := func(root string, value any) map[string]any {
		return map[string]any{root: map[string]any{"memory": value}}
	}
	for _, tc := range []struct {
		reason        string
		desired, live map[string]any
		group         string
		want          bool
	}{
		{"limits of a container", object("spec", "1024Mi"), object("spec", "1Gi"), "apps", true},
		{"a key of a ConfigMap", object("data", "1024Mi"), object("data", "1Gi"), "", false},
		{"a field of a custom kind", object("spec", "1024Mi"), object("spec", "1Gi"), "example.com", false},
		{"an annotation of a template", map[string]any{"spec": map[string]any{"template": object("metadata", "1024Mi")}},
			map[string]any{"spec": map[string]any{"template": object("metadata", "1Gi")}}, "apps", false},
		{"large numbers", object("spec", int64(9007199254740993)), object("spec", int64(9007199254740992)), "example.com", false},
		{"a number in two forms", object("spec", int64(3)), object("spec", float64(3)), "example.com", true},
		{"a null asks for absence", map[string]any{"spec": nil}, map[string]any{}, "apps", true},
	} {
		if got := coversObject(tc.desired, tc.live, builtIn(tc.group)); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.reason, got, tc.want)
		}
	}
}
