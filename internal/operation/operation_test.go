package operation

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

func at(second int) time.Time { return time.Date(2026, 11, 3, 10, 0, second, 0, time.UTC) }

func app(changes ...func(*v1alpha1.Application)) *v1alpha1.Application {
	a := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: "argocd", Name: "shop", ResourceVersion: "7"}}
	a.Spec.Source = &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/deploy.git", TargetRevision: "main"}
	for _, change := range changes {
		change(a)
	}
	return a
}

func automated(a *v1alpha1.Application) {
	a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{}, SyncOptions: v1alpha1.SyncOptions{"PruneLast=true"}}
}

func busy(a *v1alpha1.Application) {
	a.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: strings.Repeat("b", 40)}, InitiatedBy: v1alpha1.OperationInitiator{Username: "maria"}}
}

func taken(a *v1alpha1.Application) {
	busy(a)
	a.Status.OperationState = &v1alpha1.OperationState{Phase: v1alpha1.OperationRunning, StartedAt: metav1.NewTime(at(0))}
}

func deployed(a *v1alpha1.Application) {
	a.Status.History = v1alpha1.RevisionHistories{
		{ID: 3, Revision: "old", Source: *a.Spec.Source}, {ID: 4, Revision: "new", Source: *a.Spec.Source}, {ID: 5, Revision: "lost"},
	}
}

// expect checks a refusal: its code, its kind and words of it. An empty code wants none.
func expect(t *testing.T, err error, code string, kind fault.Kind, words ...string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	var r *Refusal
	if !errors.As(err, &r) || r.Code != code || !fault.Is(err, kind) {
		t.Fatalf("%v, want a refusal %s of kind %s", err, code, kind)
	}
	for _, w := range words {
		if !strings.Contains(r.Error()+"\n"+r.Hint, w) {
			t.Errorf("%q is not in %q, hint %q", w, r.Error(), r.Hint)
		}
	}
}

func TestStart(t *testing.T) {
	op := &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Prune: true}}
	patch, err := Start(app(), op, at(0))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"operation": map[string]any{"initiatedBy": map[string]any{}, "retry": map[string]any{}, "sync": map[string]any{"prune": true}},
		"status": map[string]any{"operationState": nil}}
	if d := cmp.Diff(want, patch); d != "" {
		t.Error(d)
	}
	_, err = Start(app(busy), op, at(0))
	expect(t, err, InProgress, fault.Conflict, "a sync to bbbbbbb by maria", "not yet taken up by the controller", "terminate-op argocd/shop")
	_, err = Start(app(taken), op, at(90))
	expect(t, err, InProgress, fault.Conflict, "Running since 1m30s ago")
	_, err = Start(app(func(a *v1alpha1.Application) { now := metav1.NewTime(at(0)); a.DeletionTimestamp = &now }), op, at(0))
	expect(t, err, Deleting, fault.Conflict, "argocd/shop is being deleted")
}

func TestTerminate(t *testing.T) {
	for name, tc := range map[string]struct {
		app  *v1alpha1.Application
		want map[string]any
		code string
	}{
		"none":       {app: app(), code: None},
		"not begun":  {app: app(busy), want: map[string]any{"operation": nil}},
		"running":    {app: app(taken), want: map[string]any{"status": map[string]any{"operationState": map[string]any{"phase": "Terminating"}}}},
		"ending now": {app: app(taken, func(a *v1alpha1.Application) { a.Status.OperationState.Phase = v1alpha1.OperationTerminating })},
	} {
		got, err := Terminate(tc.app)
		expect(t, err, tc.code, fault.Conflict)
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestFor(t *testing.T) {
	for _, patch := range []map[string]any{{}, {"metadata": map[string]any{"labels": nil}}, {"metadata": "nonsense"}} {
		_, labels := patch["metadata"].(map[string]any)
		meta, ok := For(app(), patch)["metadata"].(map[string]any)
		if _, kept := meta["labels"]; !ok || meta["resourceVersion"] != "7" || kept != labels {
			t.Errorf("%v", patch)
		}
	}
}

func TestDeploymentAndRollback(t *testing.T) {
	a := app(deployed)
	_, err := Deployment(app(), Previous)
	expect(t, err, NoHistory, fault.NotFound, "at least two successful deployments")
	_, err = Deployment(a, 0)
	expect(t, err, NoHistory, fault.NotFound, "deployment id 0", "belay app history argocd/shop")
	if to, err := Deployment(a, Previous); err != nil || to.ID != 4 {
		t.Errorf("%v, %v", to, err)
	}
	lost, _ := Deployment(a, 5)
	_, err = Rollback(a, lost, RollbackOptions{})
	expect(t, err, NoHistory, fault.NotFound, "deployment 5 has no source on record")
	to, err := Deployment(a, 3)
	if err != nil {
		t.Fatal(err)
	}
	op, err := Rollback(a, to, RollbackOptions{Prune: true, Username: "maria"})
	if err != nil || op.Sync.Revision != "old" || !op.Sync.Prune || op.Sync.Source == nil || op.InitiatedBy.Username != "maria" || op.Sync.SyncStrategy.Apply == nil {
		t.Errorf("%+v, %v", op, err)
	}
	_, err = Rollback(app(deployed, automated), to, RollbackOptions{})
	expect(t, err, AutomatedSync, fault.Conflict, "auto-sync is enabled", "--sync-policy manual")
	_, err = Rollback(app(deployed, automated), to, RollbackOptions{DryRun: true})
	expect(t, err, "", 0)
}

func TestAutomated(t *testing.T) {
	several := func(a *v1alpha1.Application) {
		a.Spec.Sources, a.Spec.Source = v1alpha1.ApplicationSources{{TargetRevision: "v1"}, {}}, nil
	}
	for name, tc := range map[string]struct {
		app  *v1alpha1.Application
		sync v1alpha1.SyncOperation
		code string
		word string
	}{
		"by hand":                {app: app(), sync: v1alpha1.SyncOperation{Revision: "other", Manifests: []string{"{}"}}},
		"what it follows":        {app: app(automated), sync: v1alpha1.SyncOperation{Revision: "main"}},
		"nothing named":          {app: app(automated)},
		"another revision":       {app: app(automated), sync: v1alpha1.SyncOperation{Revision: "other"}, code: AutomatedSync, word: "cannot sync to other"},
		"another one, dry":       {app: app(automated), sync: v1alpha1.SyncOperation{Revision: "other", DryRun: true}},
		"local manifests":        {app: app(automated), sync: v1alpha1.SyncOperation{Manifests: []string{"{}"}}, code: AutomatedSync, word: "local manifests"},
		"sources":                {app: app(automated, several), sync: v1alpha1.SyncOperation{Revisions: []string{"v1", ""}}},
		"sources, another":       {app: app(automated, several), sync: v1alpha1.SyncOperation{Revisions: []string{"v1", "x"}}, code: AutomatedSync, word: "source 2 to x: automated sync keeps it at HEAD"},
		"more revisions than it": {app: app(automated, several), sync: v1alpha1.SyncOperation{Revisions: []string{"v1", "", "x"}}},
	} {
		t.Run(name, func(t *testing.T) { expect(t, Automated(tc.app, &tc.sync), tc.code, fault.Conflict, tc.word) })
	}
}

func TestFinalizers(t *testing.T) {
	have := []string{v1alpha1.FinalizerBackground, "example.com/own", v1alpha1.FinalizerPreDelete, v1alpha1.FinalizerPostDelete + "/cleanup"}
	for name, tc := range map[string]struct {
		cascade bool
		policy  string
		want    []string
	}{
		"foreground":      {true, "foreground", append(append([]string{}, have[1:]...), v1alpha1.FinalizerResources)},
		"default":         {true, "", append(append([]string{}, have[1:]...), v1alpha1.FinalizerResources)},
		"background":      {true, "background", append(append([]string{}, have[1:]...), v1alpha1.FinalizerBackground)},
		"orphan":          {true, "orphan", have[1:]},
		"without objects": {false, "", []string{"example.com/own"}},
	} {
		if d := cmp.Diff(tc.want, Finalizers(have, tc.cascade, tc.policy)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
