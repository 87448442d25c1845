package reconcile

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/source"
)

func TestDecideAutoSync(t *testing.T) {
	src := v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/shop.git", Path: "app"}
	missing := &diff.Item{Ref: object.Ref{Kind: "ConfigMap", Name: "a"}, Action: diff.Create}
	fine := &diff.Item{Ref: object.Ref{Kind: "ConfigMap", Name: "b"}, Action: diff.None}
	old := &diff.Item{Ref: object.Ref{Kind: "ConfigMap", Name: "c"}, Action: diff.Delete}
	auto := func(a v1alpha1.SyncPolicyAutomated) *v1alpha1.SyncPolicy { return &v1alpha1.SyncPolicy{Automated: &a} }
	last := func(phase v1alpha1.OperationPhase, rev string) *v1alpha1.OperationState {
		return &v1alpha1.OperationState{Phase: phase, Message: "it broke", Operation: v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}},
			SyncResult: &v1alpha1.SyncOperationResult{Revision: rev, Source: src}}
	}
	for _, tc := range []struct {
		reason  string
		policy  *v1alpha1.SyncPolicy
		items   []*diff.Item
		last    *v1alpha1.OperationState
		failing bool
		syncs   bool
		partial int
		problem string
	}{
		{reason: "manual applications wait for a person", policy: nil, items: []*diff.Item{missing}},
		{reason: "enabled: false is manual", policy: auto(v1alpha1.SyncPolicyAutomated{Enabled: ptr.To(false)}), items: []*diff.Item{missing}},
		{reason: "what is in sync stays", policy: auto(v1alpha1.SyncPolicyAutomated{SelfHeal: true}), items: []*diff.Item{fine}},
		{reason: "a difference is synced", policy: auto(v1alpha1.SyncPolicyAutomated{}), items: []*diff.Item{missing, fine}, syncs: true},
		{reason: "errors stop automation", policy: auto(v1alpha1.SyncPolicyAutomated{}), items: []*diff.Item{missing}, failing: true},
		{reason: "without prune, leftovers alone start nothing", policy: auto(v1alpha1.SyncPolicyAutomated{}), items: []*diff.Item{fine, old}},
		{reason: "with prune, leftovers are synced away", policy: auto(v1alpha1.SyncPolicyAutomated{Prune: true}), items: []*diff.Item{fine, old}, syncs: true},
		{reason: "nothing deletes a whole application by itself", policy: auto(v1alpha1.SyncPolicyAutomated{Prune: true}), items: []*diff.Item{old},
			problem: "auto-sync will wipe out all resources"},
		{reason: "allowEmpty permits it", policy: auto(v1alpha1.SyncPolicyAutomated{Prune: true, AllowEmpty: true}), items: []*diff.Item{old}, syncs: true},
		{reason: "one attempt a revision: a failure is not repeated", policy: auto(v1alpha1.SyncPolicyAutomated{SelfHeal: true}), items: []*diff.Item{missing},
			last: last(v1alpha1.OperationFailed, "c1"), problem: "Failed last sync attempt to c1: it broke"},
		{reason: "a new revision is a new attempt", policy: auto(v1alpha1.SyncPolicyAutomated{}), items: []*diff.Item{missing},
			last: last(v1alpha1.OperationFailed, "c0"), syncs: true},
		{reason: "without self-heal, drift after a success stays", policy: auto(v1alpha1.SyncPolicyAutomated{}), items: []*diff.Item{missing},
			last: last(v1alpha1.OperationSucceeded, "c1")},
		{reason: "self-heal syncs what drifted and no more", policy: auto(v1alpha1.SyncPolicyAutomated{SelfHeal: true}), items: []*diff.Item{missing, fine},
			last: last(v1alpha1.OperationSucceeded, "c1"), syncs: true, partial: 1},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			app := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{Source: &src, SyncPolicy: tc.policy}}
			app.Status.OperationState = tc.last
			d := decideAutoSync(autoInput{app: app, plan: &diff.Plan{Items: tc.items}, origin: originOf(&app.Spec).at([]source.Revision{"c1"}), failing: tc.failing})
			if (d.operation != nil) != tc.syncs {
				t.Fatalf("operation %+v, want one: %v", d.operation, tc.syncs)
			}
			if !strings.Contains(d.problem, tc.problem) || (d.problem != "") != (tc.problem != "") {
				t.Errorf("problem %q, want %q", d.problem, tc.problem)
			}
			if d.operation == nil {
				return
			}
			if n := len(d.operation.Sync.Resources); n != tc.partial || len(d.heal) != tc.partial {
				t.Errorf("%d resources selected, %d to heal, want %d", n, len(d.heal), tc.partial)
			}
			if d.operation.Sync.Revision != "c1" || !d.operation.InitiatedBy.Automated || d.operation.Retry.Limit != autoRetries {
				t.Errorf("operation %+v", d.operation)
			}
		})
	}
}

func TestHealDelay(t *testing.T) {
	slow := Backoff{Base: 2 * time.Second, Factor: 3, Max: 300 * time.Second}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var heals []time.Time
	var waits []time.Duration
	for range 12 {
		w := healDelay(heals, now, slow)
		waits = append(waits, w)
		now = now.Add(w)
		heals = append(heals, now)
	}
	want := []time.Duration{0, 0, 0, 0, 0, 2 * time.Second, 6 * time.Second, 18 * time.Second, 54 * time.Second}
	if d := cmp.Diff(want, waits[:len(want)]); d != "" {
		t.Errorf("waits between heals of one object that never holds (-want +got):\n%s", d)
	}
	for _, w := range waits {
		if w > slow.Max {
			t.Errorf("wait %s is longer than %s", w, slow.Max)
		}
	}
	if w := healDelay(heals, now.Add(healWindow+slow.Max), slow); w != 0 {
		t.Errorf("after a quiet time the wait is %s, want none", w)
	}
}

func TestRetryDelay(t *testing.T) {
	for _, tc := range []struct {
		reason string
		r      v1alpha1.RetryStrategy
		n      int64
		want   time.Duration
	}{
		{"first by default", v1alpha1.RetryStrategy{}, 0, 5 * time.Second},
		{"doubles", v1alpha1.RetryStrategy{}, 2, 20 * time.Second},
		{"capped", v1alpha1.RetryStrategy{}, 60, 3 * time.Minute},
		{"as set", v1alpha1.RetryStrategy{Backoff: &v1alpha1.Backoff{Duration: "1s", Factor: ptr.To(int64(3)), MaxDuration: "10s"}}, 1, 3 * time.Second},
		{"as set, capped", v1alpha1.RetryStrategy{Backoff: &v1alpha1.Backoff{Duration: "1s", Factor: ptr.To(int64(3)), MaxDuration: "10s"}}, 9, 10 * time.Second},
		{"nonsense falls back", v1alpha1.RetryStrategy{Backoff: &v1alpha1.Backoff{Duration: "soon", Factor: ptr.To(int64(-1)), MaxDuration: "-1s"}}, 0, 5 * time.Second},
	} {
		if got := retryDelay(tc.r, tc.n); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.reason, got, tc.want)
		}
	}
}

func TestAsksForLatest(t *testing.T) {
	person := func(rev string) *v1alpha1.Operation {
		return &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: rev}, InitiatedBy: v1alpha1.OperationInitiator{Username: "operator"}}
	}
	underWay := &v1alpha1.OperationState{Phase: v1alpha1.OperationRunning, Operation: *person("main")}
	for _, tc := range []struct {
		reason string
		op     *v1alpha1.Operation
		state  *v1alpha1.OperationState
		want   bool
	}{
		{"nothing is asked for", nil, nil, false},
		{"a sync to the branch", person(""), nil, true},
		{"a sync to a named branch", person("main"), nil, true},
		{"after an earlier operation", person("main"), &v1alpha1.OperationState{Phase: v1alpha1.OperationSucceeded, Operation: *person("main")}, true},
		{"a sync that is under way keeps its commit", person("main"), underWay, false},
		{"a rollback names its commit", person("0123456789abcdef0123456789abcdef01234567"), nil, false},
		{"automation goes by what polls and webhooks say", &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}, InitiatedBy: v1alpha1.OperationInitiator{Automated: true}}, nil, false},
	} {
		app := &v1alpha1.Application{Operation: tc.op}
		app.Status.OperationState = tc.state
		if got := asksForLatest(app); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.reason, got, tc.want)
		}
	}
}

// TestFailedAttempt: a sync that failed is not tried again, as with Argo CD, unless the application asks for that.
func TestFailedAttempt(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	src := v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/a"}
	items := []*diff.Item{{Ref: object.Ref{Kind: "ConfigMap", Name: "a"}, Action: diff.Update}}
	some := []v1alpha1.SyncOperationResource{{Kind: "ConfigMap", Name: "a"}}
	for _, tc := range []struct {
		reason   string
		asks     string
		ago      time.Duration
		heals    int64
		partial  bool
		starts   bool
		after    time.Duration
		selected int
	}{
		{reason: "without the annotation never", ago: time.Hour, after: -1},
		{reason: "the wait is not over", asks: "true", ago: time.Second, after: time.Second},
		{reason: "the whole sync is still owed", asks: "true", ago: 3 * time.Second, starts: true},
		{reason: "a self-heal that failed stays one", asks: "true", ago: 3 * time.Second, partial: true, starts: true, selected: 1},
		{reason: "waits grow", asks: "true", ago: 10 * time.Second, heals: 2, after: 8 * time.Second},
		{reason: "and have an end", asks: "true", ago: 10 * time.Second, heals: 99, after: 290 * time.Second},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			app := &v1alpha1.Application{}
			app.Annotations = map[string]string{AnnotationSelfHealRetry: tc.asks}
			app.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{SelfHeal: true, Prune: true}}
			finished := metav1.NewTime(now.Add(-tc.ago))
			last := &v1alpha1.OperationState{
				Phase: v1alpha1.OperationFailed, Message: "refused", FinishedAt: &finished,
				Operation:  v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{AutoHealAttemptsCount: tc.heals}},
				SyncResult: &v1alpha1.SyncOperationResult{Revision: "c1", Source: src},
			}
			if tc.partial {
				last.Operation.Sync.Resources = some
			}
			app.Status.OperationState = last
			d := decideAutoSync(autoInput{app: app, plan: &diff.Plan{Items: items}, origin: origin{sources: v1alpha1.ApplicationSources{src}}.at([]source.Revision{"c1"}), now: now,
				slow: Backoff{Base: 2 * time.Second, Factor: 3, Max: 300 * time.Second}})
			if (d.operation != nil) != tc.starts || d.after != tc.after || !strings.HasSuffix(d.problem, ": refused") {
				t.Errorf("starts %v, after %s, problem %q", d.operation != nil, d.after, d.problem)
			}
			if d.operation != nil && (len(d.operation.Sync.Resources) != tc.selected || d.operation.Sync.AutoHealAttemptsCount != tc.heals+1) {
				t.Errorf("operation %+v", d.operation.Sync)
			}
		})
	}
}
