package apply

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

func update(name string, annotations ...string) *diff.Item {
	u := obj("ConfigMap", name, annotations...)
	return &diff.Item{Ref: object.RefOf(u), Action: diff.Update, Desired: u, Predicted: u, Live: &object.Live{Object: u}}
}

func definition(action diff.Action, versions ...any) *diff.Item {
	crd := obj("CustomResourceDefinition", "widgets.example.com")
	crd.Object["spec"] = map[string]any{"group": "example.com", "scope": "Namespaced", "names": map[string]any{"kind": "Widget"}, "versions": versions}
	return &diff.Item{Ref: object.RefOf(crd), Action: action, Desired: crd}
}

// TestRehearsal: nothing is written before all of it was judged, also after a crash, and a rehearsal is asked about what will
// be sent.
func TestRehearsal(t *testing.T) {
	refused := errors.New("refused")
	unserved := fault.New(fault.NotFound, "the cluster does not serve it")
	version := map[string]any{"name": "v2", "served": true}
	failed := []*v1alpha1.ResourceResult{{Kind: "ConfigMap", Namespace: "shop", Name: "b", Status: v1alpha1.ResultSyncFailed}}
	done := []*v1alpha1.ResourceResult{{Kind: "ConfigMap", Namespace: "shop", Name: "a", Status: v1alpha1.ResultSynced}}
	forbidden := create(obj("ConfigMap", "b"))
	forbidden.Forbidden = errors.New("not permitted")
	for _, tc := range []struct {
		reason  string
		items   []*diff.Item
		opts    Options
		earlier []*v1alpha1.ResourceResult
		refuses map[string]error
		phase   v1alpha1.OperationPhase
		calls   []string
	}{
		{reason: "a process that ended during the rehearsal begins with it again", earlier: failed,
			items: []*diff.Item{create(obj("ConfigMap", "a")), create(obj("ConfigMap", "b"))}, refuses: map[string]error{"dry-run b": refused},
			phase: v1alpha1.OperationFailed, calls: []string{"dry-run a", "dry-run b"}},
		{reason: "what the project has forbidden since is not written", earlier: done,
			items: []*diff.Item{forbidden}, phase: v1alpha1.OperationFailed},
		{reason: "a dry run taken up again writes nothing and is judged again", earlier: done, opts: Options{DryRun: true},
			items: []*diff.Item{create(obj("ConfigMap", "a"))}, refuses: map[string]error{"dry-run a": refused},
			phase: v1alpha1.OperationFailed, calls: []string{"dry-run a"}},
		{reason: "a replacement is not what the comparison asked about", opts: Options{Replace: true},
			items: []*diff.Item{update("a"), update("b")}, refuses: map[string]error{"dry-run b": refused},
			phase: v1alpha1.OperationFailed, calls: []string{"dry-run a", "dry-run b"}},
		{reason: "a namespace that is about to be made does not stop a dry run", opts: Options{DryRun: true, NewNamespace: "shop"},
			items: []*diff.Item{create(obj("ConfigMap", "a"))}, refuses: map[string]error{"dry-run a": unserved},
			phase: v1alpha1.OperationSucceeded},
		{reason: "a version that the operation adds to a kind is not missed; the write waits for it",
			items:   []*diff.Item{definition(diff.Update, version), create(obj("Widget", "w"))},
			refuses: map[string]error{"dry-run w": unserved}, phase: v1alpha1.OperationSucceeded,
			calls: []string{"apply w", "apply widgets.example.com", "await Widget v2", "dry-run w", "dry-run widgets.example.com"}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			w := &recorder{refuses: tc.refuses}
			p := Step(t.Context(), Operation{Plan: &diff.Plan{Items: tc.items}, Options: tc.opts, Earlier: tc.earlier}, w)
			if p.Phase != tc.phase {
				t.Errorf("got %s %q, want %s", p.Phase, p.Message, tc.phase)
			}
			slices.Sort(w.calls)
			if d := cmp.Diff(tc.calls, w.calls); d != "" {
				t.Errorf("calls (-want +got):\n%s", d)
			}
		})
	}
}

// TestDryRunReportsEveryObject: also those about which nobody had to ask.
func TestDryRunReportsEveryObject(t *testing.T) {
	same := obj("ConfigMap", "same")
	p := Step(t.Context(), Operation{Options: Options{DryRun: true, Prune: true}, Plan: &diff.Plan{Items: []*diff.Item{
		create(obj("ConfigMap", "new")), update("changed"), prune(obj("ConfigMap", "old")), prune(obj("ConfigMap", "kept", "opt:Prune=false")),
		{Ref: object.RefOf(same), Action: diff.None, Desired: same},
	}}}, &recorder{})
	got := map[string]string{}
	for _, r := range p.Results {
		got[r.Name] = string(r.Status) + " " + r.Message
	}
	want := map[string]string{
		"new": "Synced created (dry run)", "changed": "Synced configured (dry run)", "old": "Pruned pruned (dry run)",
		"kept": "PruneSkipped ignored (no prune)", "same": "Synced unchanged (dry run)",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("results (-want +got):\n%s", d)
	}
}

// TestStaleViewOfDeletion: a deletion that the view of the cluster does not show yet is waited for all the same.
func TestStaleViewOfDeletion(t *testing.T) {
	items := []*diff.Item{prune(obj("ConfigMap", "first", "wave:1")), prune(obj("ConfigMap", "last", "wave:2"))}
	for i, item := range items {
		item.Live.Object.SetUID(types.UID(fmt.Sprint(i)))
	}
	w, gone := &recorder{}, map[string]bool{}
	step := func(earlier []*v1alpha1.ResourceResult) Progress {
		return Step(t.Context(), Operation{
			Plan: &diff.Plan{Items: items}, Options: Options{Prune: true, Propagation: "foreground"}, Earlier: earlier,
			Read: func(r object.Ref) (*object.Live, bool) {
				for _, i := range items {
					if i.Ref == r && !gone[r.Name] {
						return i.Live, true
					}
				}
				return nil, false
			},
		}, w)
	}
	p := step(nil)
	if p.Phase != v1alpha1.OperationRunning || len(w.calls) != 1 || w.calls[0] != "delete last foreground" {
		t.Fatalf("%s %q, calls %v; want to wait for the deletion of last", p.Phase, p.Message, w.calls)
	}
	gone["last"] = true
	if p = step(p.Results); p.Phase != v1alpha1.OperationSucceeded || len(w.calls) != 2 {
		t.Errorf("%s %q, calls %v; want first to follow", p.Phase, p.Message, w.calls)
	}
}
