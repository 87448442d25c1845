package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

func obj(kind, name string, annotations ...string) *unstructured.Unstructured {
	group := map[string]string{"Deployment": "apps/v1", "Job": "batch/v1", "Ingress": "networking.k8s.io/v1",
		"CustomResourceDefinition": "apiextensions.k8s.io/v1", "Widget": "example.com/v1"}[kind]
	if group == "" {
		group = "v1"
	}
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": group, "kind": kind, "metadata": map[string]any{"name": name}}}
	if kind != "Namespace" && kind != "CustomResourceDefinition" {
		u.SetNamespace("shop")
	}
	a := map[string]string{}
	for _, s := range annotations {
		k, v, _ := strings.Cut(s, ":")
		a[map[string]string{"wave": v1alpha1.AnnotationSyncWave, "opt": v1alpha1.AnnotationSyncOptions, "ignore-health": v1alpha1.AnnotationIgnoreHealth}[k]] = v
	}
	if len(a) > 0 {
		u.SetAnnotations(a)
	}
	return u
}

func create(u *unstructured.Unstructured) *diff.Item {
	return &diff.Item{Ref: object.RefOf(u), Action: diff.Create, Desired: u}
}

func prune(u *unstructured.Unstructured) *diff.Item {
	return &diff.Item{Ref: object.RefOf(u), Action: diff.Delete, Live: &object.Live{Object: u}}
}

func stagesOf(p *diff.Plan, o Options) []Stage {
	stages, _ := Schedule(p, nil, o)
	return stages
}

func TestSchedule(t *testing.T) {
	crd := obj("CustomResourceDefinition", "widgets.example.com", "wave:5")
	crd.Object["spec"] = map[string]any{"group": "example.com", "scope": "Namespaced", "names": map[string]any{"kind": "Widget"}}
	for _, tc := range []struct {
		reason string
		items  []*diff.Item
		opts   Options
		want   []string
	}{
		{"kinds in the order in which Kubernetes needs them, one stage a kind",
			[]*diff.Item{create(obj("Ingress", "i")), create(obj("Deployment", "d")), create(obj("ConfigMap", "b")), create(obj("ConfigMap", "a"))},
			Options{}, []string{"0: ConfigMap/a ConfigMap/b", "0: Deployment/d", "0: Ingress/i"}},
		{"waves before kinds",
			[]*diff.Item{create(obj("ConfigMap", "late", "wave:1")), create(obj("Ingress", "early", "wave:-1"))},
			Options{}, []string{"-1: Ingress/early", "1: ConfigMap/late"}},
		{"a namespace and a CRD are pulled up to the first object that needs them",
			[]*diff.Item{create(obj("Namespace", "shop", "wave:7")), create(crd), create(obj("Widget", "w", "wave:-2"))},
			Options{}, []string{"-2: Namespace/shop", "-2: CustomResourceDefinition/widgets.example.com", "-2: Widget/w"}},
		{"deletions come first in a wave, and their waves are mirrored",
			[]*diff.Item{create(obj("ConfigMap", "new")), prune(obj("ConfigMap", "first", "wave:0")), prune(obj("ConfigMap", "last", "wave:3"))},
			Options{Prune: true}, []string{"0: -ConfigMap/last", "0: ConfigMap/new", "3: -ConfigMap/first"}},
		{"PruneLast puts deletions behind everything",
			[]*diff.Item{create(obj("ConfigMap", "new", "wave:4")), prune(obj("ConfigMap", "old"))},
			Options{Prune: true, PruneLast: true}, []string{"4: ConfigMap/new", "5: -ConfigMap/old"}},
		{"a partial sync takes what is selected",
			[]*diff.Item{create(obj("ConfigMap", "a")), create(obj("ConfigMap", "b"))},
			Options{Select: func(r object.Ref) bool { return r.Name == "b" }}, []string{"0: ConfigMap/b"}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			var got []string
			for _, st := range stagesOf(&diff.Plan{Items: tc.items}, tc.opts) {
				line := fmt.Sprintf("%d:", st.Wave)
				for _, task := range st.Tasks {
					mark := " "
					if task.prune() {
						mark = " -"
					}
					line += mark + task.Ref.Kind + "/" + task.Ref.Name
				}
				got = append(got, line)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("stages (-want +got):\n%s", d)
			}
		})
	}
}

// recorder is a Writer that keeps what it is told; the behaviour of a real API server is tested end to end.
type recorder struct {
	mu      sync.Mutex
	calls   []string
	refuses map[string]error
}

func (r *recorder) note(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, s)
}

func (r *recorder) Apply(_ context.Context, u *unstructured.Unstructured, o WriteOptions) (*object.Live, error) {
	verb := "apply "
	if o.DryRun {
		verb = "dry-run "
	}
	r.note(verb + u.GetName())
	if err := r.refuses[verb+u.GetName()]; err != nil {
		return nil, err
	}
	return &object.Live{Object: u}, nil
}

func (r *recorder) Delete(_ context.Context, l *object.Live, propagation string, _ bool) error {
	r.note("delete " + l.Object.GetName() + " " + propagation)
	return r.refuses["delete "+l.Object.GetName()]
}

func (r *recorder) Release(_ context.Context, l *object.Live, _ string) error {
	r.note("release " + l.Object.GetName())
	return nil
}

func (r *recorder) AwaitKind(_ context.Context, gk schema.GroupKind, versions []string) error {
	r.note("await " + gk.Kind + " " + strings.Join(versions, ","))
	return nil
}

func TestStep(t *testing.T) {
	refused := fault.New(fault.Invalid, "apply ConfigMap/shop/b: bad")
	healthy := func(*object.Live) (v1alpha1.HealthStatusCode, string, bool) { return v1alpha1.HealthHealthy, "", true }
	progressing := func(*object.Live) (v1alpha1.HealthStatusCode, string, bool) {
		return v1alpha1.HealthProgressing, "0 of 1 ready", true
	}
	degraded := func(*object.Live) (v1alpha1.HealthStatusCode, string, bool) {
		return v1alpha1.HealthDegraded, "crash loop", true
	}
	waves := []*diff.Item{create(obj("Deployment", "first")), create(obj("Deployment", "second", "wave:1"))}
	for _, tc := range []struct {
		reason  string
		items   []*diff.Item
		opts    Options
		refuses map[string]error
		healthy func(*object.Live) (v1alpha1.HealthStatusCode, string, bool)
		earlier []*v1alpha1.ResourceResult
		phase   v1alpha1.OperationPhase
		message string
		calls   []string
	}{
		{reason: "everything is judged before the first write",
			items: []*diff.Item{create(obj("ConfigMap", "a")), create(obj("ConfigMap", "b"))},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)",
			calls: []string{"apply a", "apply b", "dry-run a", "dry-run b"}},
		{reason: "a refusal stops the sync before anything is written",
			items:   []*diff.Item{create(obj("ConfigMap", "a")), create(obj("ConfigMap", "b"))},
			refuses: map[string]error{"dry-run b": refused},
			phase:   v1alpha1.OperationFailed, message: "one or more objects failed to apply (dry run), reason: apply ConfigMap/shop/b: bad",
			calls: []string{"dry-run a", "dry-run b"}},
		{reason: "a single write needs no rehearsal",
			items: []*diff.Item{create(obj("ConfigMap", "a"))},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)", calls: []string{"apply a"}},
		{reason: "nothing is deleted for a write that is refused", opts: Options{Prune: true},
			items:   []*diff.Item{create(obj("ConfigMap", "a")), prune(obj("ConfigMap", "old"))},
			refuses: map[string]error{"dry-run a": errors.New("namespaces \"nowhere\" not found")},
			phase:   v1alpha1.OperationFailed, message: "one or more objects failed to apply (dry run), reason: namespaces \"nowhere\" not found",
			calls: []string{"dry-run a"}},
		{reason: "what the comparison asked about is not asked again",
			items: []*diff.Item{
				{Ref: object.RefOf(obj("ConfigMap", "a")), Action: diff.Update, Desired: obj("ConfigMap", "a"), Predicted: obj("ConfigMap", "a")},
				{Ref: object.RefOf(obj("ConfigMap", "b")), Action: diff.Update, Desired: obj("ConfigMap", "b"), Predicted: obj("ConfigMap", "b")},
			},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)", calls: []string{"apply a", "apply b"}},
		{reason: "an object that is as desired is not written",
			items: []*diff.Item{{Ref: object.RefOf(obj("ConfigMap", "a")), Action: diff.None, Desired: obj("ConfigMap", "a")}},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)"},
		{reason: "what the project forbids is not written, whatever the options",
			items: []*diff.Item{create(obj("ConfigMap", "a")), {Ref: object.RefOf(obj("ConfigMap", "b")), Action: diff.Create,
				Desired: obj("ConfigMap", "b"), Forbidden: errors.New("not permitted in project p")}},
			opts:  Options{Force: true},
			phase: v1alpha1.OperationFailed, message: "one or more objects failed to apply (dry run), reason: not permitted in project p"},
		{reason: "the next wave waits for health", items: waves, healthy: progressing,
			phase: v1alpha1.OperationRunning, message: "waiting for healthy state of apps/Deployment/shop/first (0 of 1 ready) (wave 0)",
			calls: []string{"apply first", "dry-run first", "dry-run second"}},
		{reason: "a degraded object ends the sync", items: waves, healthy: degraded,
			phase: v1alpha1.OperationFailed, message: "one or more synchronization tasks completed unsuccessfully, reason: apps/Deployment/shop/first is Degraded: crash loop",
			calls: []string{"apply first", "dry-run first", "dry-run second"}},
		{reason: "health that is to be ignored holds up nothing", healthy: degraded,
			items: []*diff.Item{create(obj("Deployment", "first", "ignore-health:true"))},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)", calls: []string{"apply first"}},
		{reason: "an operation taken up again goes on where it was", items: []*diff.Item{
			{Ref: object.RefOf(obj("Deployment", "first")), Action: diff.None, Desired: obj("Deployment", "first"), Live: &object.Live{Object: obj("Deployment", "first")}},
			create(obj("Deployment", "second", "wave:1"))},
			earlier: []*v1alpha1.ResourceResult{{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "first", Status: v1alpha1.ResultSynced}},
			phase:   v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)", calls: []string{"apply second"}},
		{reason: "without prune nothing is deleted", items: []*diff.Item{prune(obj("ConfigMap", "old"))},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)"},
		{reason: "prune deletes, with the propagation asked for", items: []*diff.Item{prune(obj("ConfigMap", "old"))},
			opts:  Options{Prune: true, Propagation: "background"},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)", calls: []string{"delete old background"}},
		{reason: "the object's own Prune=false beats the application", items: []*diff.Item{prune(obj("ConfigMap", "old", "opt:Prune=false"))},
			opts:  Options{Prune: true},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)"},
		{reason: "a deletion that needs confirmation holds everything", items: []*diff.Item{create(obj("ConfigMap", "a")), prune(obj("ConfigMap", "old"))},
			opts:  Options{Prune: true, ConfirmPrune: true},
			phase: v1alpha1.OperationRunning, message: "waiting for pruning confirmation of ConfigMap/shop/old"},
		{reason: "a dry run writes nothing", items: []*diff.Item{create(obj("ConfigMap", "a")), prune(obj("ConfigMap", "old"))},
			opts:  Options{Prune: true, DryRun: true},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (dry run)", calls: []string{"dry-run a"}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			w := &recorder{refuses: tc.refuses}
			judge := tc.healthy
			if judge == nil {
				judge = healthy
			}
			p := Step(t.Context(), Operation{
				Plan: &diff.Plan{Items: tc.items}, Options: tc.opts, Earlier: tc.earlier, Healthy: judge,
				Read: func(r object.Ref) (*object.Live, bool) {
					for _, i := range tc.items {
						if i.Ref == r && i.Desired != nil {
							return &object.Live{Object: i.Desired}, true
						}
					}
					return nil, false
				},
			}, w)
			if p.Phase != tc.phase || p.Message != tc.message {
				t.Errorf("got %s %q, want %s %q", p.Phase, p.Message, tc.phase, tc.message)
			}
			slices.Sort(w.calls)
			if d := cmp.Diff(tc.calls, w.calls); d != "" {
				t.Errorf("calls (-want +got):\n%s", d)
			}
		})
	}
}
