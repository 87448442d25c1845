package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

func manual(status v1alpha1.SyncStatusCode) func(*v1alpha1.Application) {
	return func(app *v1alpha1.Application) {
		app.Status.Sync.Status = status
		app.Status.Health.Status = v1alpha1.HealthHealthy
		app.Status.Resources = []v1alpha1.ResourceStatus{
			{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "settings", Status: status},
			{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "shop", Name: "web", Status: status,
				Health: &v1alpha1.HealthStatus{Status: v1alpha1.HealthHealthy}},
		}
	}
}

func automated(app *v1alpha1.Application) {
	app.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{Prune: true}}
}

func TestListAndGet(t *testing.T) {
	b := newBench(t)
	b.create("shop-dev", automated)
	b.create("shop-prod", manual(v1alpha1.SyncStatusOutOfSync))
	list := b.run("app", "list").ok(t)
	list.says(t, "NAME", b.namespace+"/shop-dev", "Auto-Prune", "Manual", "OutOfSync")
	if got := b.run("app", "list", "-o", "name").ok(t).stdout; got != b.namespace+"/shop-dev\n"+b.namespace+"/shop-prod\n" {
		t.Errorf("names: %q", got)
	}
	var apps []v1alpha1.Application
	if err := json.Unmarshal([]byte(b.run("app", "list", "-o", "json").ok(t).stdout), &apps); err != nil || len(apps) != 2 {
		t.Errorf("json: %v, %d applications", err, len(apps))
	}
	b.run("app", "get", "shop-prod").ok(t).says(t, "Sync Status:        OutOfSync from main", "Deployment")
	b.run("app", "get", b.namespace+"/shop-prod", "-o", "json").ok(t).says(t, `"status": "OutOfSync"`)
	b.run("app", "get", "shop-prd").exits(t, 20).says(t, "does not exist", "did you mean shop-prod?")
	b.run("app", "get", "shop-prd", "-o", "json").exits(t, 20).says(t, `"code":"AppNotFound"`)
	b.run("app", "get", "a/b/c").exits(t, 2)
	b.run("app", "get", "../../secrets").exits(t, 2)
}

func TestRefreshWaitsForTheController(t *testing.T) {
	b := newBench(t)
	b.create("shop", nil)
	b.run("app", "get", "shop", "--hard-refresh", "--timeout", "1").exits(t, 20).says(t, "no answer after 1s", "is a controller running")
	b.act(actor{})
	b.run("app", "get", "shop", "--refresh").ok(t)
	if _, left := b.get("shop").Annotations[v1alpha1.AnnotationRefresh]; left {
		t.Error("the refresh annotation is still there")
	}
}

func TestSyncByTheOperationProtocol(t *testing.T) {
	b := newBench(t)
	b.create("shop", manual(v1alpha1.SyncStatusOutOfSync))
	b.act(actor{outcome: func(app *v1alpha1.Application, op *v1alpha1.OperationState) {
		op.SyncResult.Resources = v1alpha1.ResourceResults{{Group: "apps", Version: "v1", Kind: "Deployment",
			Namespace: "shop", Name: "web", Status: v1alpha1.ResultSynced, Message: "deployment.apps/web configured"}}
	}})
	r := b.run("app", "sync", "shop", "--prune", "--revision", "6f3c2a1", "--info", "ticket=OPS-1", "--retry-limit", "3", "--timeout", "20").ok(t)
	r.says(t, "Phase:              Succeeded", "deployment.apps/web configured", "GROUP")
	if !strings.Contains(r.stderr, "operation  Running") || strings.Contains(r.stdout, "operation  Running") {
		t.Errorf("progress belongs on standard error\nstdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
	}
	op := b.get("shop").Status.OperationState.Operation
	factor := int64(2)
	want := v1alpha1.Operation{
		Sync: &v1alpha1.SyncOperation{Revision: "6f3c2a1", Prune: true, Source: op.Sync.Source,
			SyncStrategy: &v1alpha1.SyncStrategy{Hook: &v1alpha1.SyncStrategyHook{}}},
		InitiatedBy: op.InitiatedBy,
		Info:        []*v1alpha1.Info{{Name: "ticket", Value: "OPS-1"}},
		Retry:       v1alpha1.RetryStrategy{Limit: 3, Backoff: &v1alpha1.Backoff{Duration: "5s", MaxDuration: "3m0s", Factor: &factor}},
	}
	if diff := cmp.Diff(want, op); diff != "" {
		t.Errorf("operation (-want +got):\n%s", diff)
	}
	if op.InitiatedBy.Username == "" || op.InitiatedBy.Automated {
		t.Errorf("initiated by %+v, want the user of the kubeconfig", op.InitiatedBy)
	}
}

func TestSyncOutcomes(t *testing.T) {
	cases := map[string]struct {
		args    []string
		outcome func(*v1alpha1.Application, *v1alpha1.OperationState)
		code    int
		says    []string
	}{
		"Failed": {
			outcome: func(app *v1alpha1.Application, op *v1alpha1.OperationState) {
				op.Phase, op.Message = v1alpha1.OperationFailed, "one or more objects failed to apply"
				op.SyncResult.Resources = v1alpha1.ResourceResults{{Version: "v1", Kind: "Service", Namespace: "shop", Name: "web",
					Status: v1alpha1.ResultSyncFailed, Message: "spec.ports: Required value"}}
			},
			code: 1, says: []string{"error: sync of application", "cause: one or more objects failed to apply", "hint: Service/shop/web: spec.ports: Required value"},
		},
		"PruneRequired": {
			outcome: func(app *v1alpha1.Application, op *v1alpha1.OperationState) {
				app.Status.Sync.Status = v1alpha1.SyncStatusOutOfSync
				op.SyncResult.Resources = v1alpha1.ResourceResults{{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "old",
					Status: v1alpha1.ResultPruneSkipped, Message: "ignored (requires pruning)"}}
			},
			code: 1, says: []string{"1 resources require pruning", "--prune"},
		},
		"JSON":  {args: []string{"-o", "json"}, code: 0, says: []string{`"phase": "Succeeded"`}},
		"JSONL": {args: []string{"-o", "jsonl"}, code: 0, says: []string{`"type":"operation"`, `"status":"Succeeded"`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.create("shop", manual(v1alpha1.SyncStatusOutOfSync))
			b.act(actor{outcome: tc.outcome})
			b.run(append([]string{"app", "sync", "shop"}, tc.args...)...).exits(t, tc.code).says(t, tc.says...)
		})
	}
}

func TestSyncRefusals(t *testing.T) {
	b := newBench(t)
	b.create("auto", automated)
	b.create("busy", func(app *v1alpha1.Application) {
		app.Operation = &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: sha("b")}, InitiatedBy: v1alpha1.OperationInitiator{Username: "maria"}}
		app.Status.OperationState = &v1alpha1.OperationState{Operation: *app.Operation, Phase: v1alpha1.OperationRunning,
			StartedAt: metav1.NewTime(time.Now().Add(-90 * time.Second))}
	})
	b.create("idle", manual(v1alpha1.SyncStatusOutOfSync))
	before := b.get("busy").ResourceVersion
	b.run("app", "sync", "busy").exits(t, 20).says(t, "already in progress", "a sync to bbbbbbb by maria", "since 1m3", "belay app terminate-op")
	if b.get("busy").ResourceVersion != before {
		t.Error("a refused sync wrote to the application")
	}
	b.run("app", "sync", "auto", "--revision", "v2").exits(t, 20).says(t, "automated sync keeps the application at main", "--sync-policy manual")
	b.run("app", "sync", "idle", "--resource", "apps:Deployment:nope").exits(t, 2).says(t, "no object that --resource selects")
	b.run("app", "sync", "idle", "--resource", "Deployment").exits(t, 2).says(t, "GROUP:KIND:NAME")
	b.run("app", "sync", "idle", "--strategy", "none").exits(t, 2)
	b.run("app", "sync").exits(t, 2)
	b.run("app", "sync", "-l", "team=nobody").exits(t, 20).says(t, "no application matches")
	b.run("app", "sync", "idle", "--async").ok(t)
	b.run("app", "sync", "idle").exits(t, 20).says(t, "not yet taken up")
}

func TestSelectiveSync(t *testing.T) {
	b := newBench(t)
	b.create("shop", manual(v1alpha1.SyncStatusOutOfSync))
	b.run("app", "sync", "shop", "--async", "--resource", "!:ConfigMap:*").ok(t)
	want := []v1alpha1.SyncOperationResource{{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}}
	if diff := cmp.Diff(want, b.get("shop").Operation.Sync.Resources); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

func TestHistoryAndRollback(t *testing.T) {
	b := newBench(t)
	b.create("shop", func(app *v1alpha1.Application) {
		manual(v1alpha1.SyncStatusSynced)(app)
		app.Status.History = deployments(3)
	})
	b.create("auto", func(app *v1alpha1.Application) { automated(app); app.Status.History = deployments(3) })
	b.create("young", func(app *v1alpha1.Application) { app.Status.History = deployments(1) })
	b.run("app", "history", "shop").ok(t).says(t, "SOURCE  https://git.example.com/deploy.git",
		"ID      DATE                           REVISION", "42      2026-11-03 10:00:00 +0000 UTC  main (2222222)")
	if got := b.run("app", "history", "shop", "-o", "id").ok(t).stdout; got != "40\n41\n42\n" {
		t.Errorf("ids: %q", got)
	}
	b.run("app", "rollback", "auto", "40").exits(t, 20).says(t, "rollback cannot be initiated when auto-sync is enabled", "--sync-policy manual")
	b.run("app", "rollback", "young").exits(t, 20).says(t, "should have at least two successful deployments")
	b.run("app", "rollback", "shop", "7").exits(t, 20).says(t, "does not have deployment id 7 in history")
	b.run("app", "rollback", "shop", "x").exits(t, 2)
	b.act(actor{})
	b.run("app", "rollback", "shop", "40", "--timeout", "20").ok(t).says(t, "rolling", "deployment 40")
	if got := b.get("shop").Status.OperationState.Operation.Sync; got.Revision != sha("0") || got.SyncStrategy.Apply == nil || got.Source == nil {
		t.Errorf("operation %+v", got)
	}
	b.run("app", "rollback", "shop").ok(t).says(t, "deployment 41")
}

func TestWait(t *testing.T) {
	b := newBench(t)
	b.create("ready", manual(v1alpha1.SyncStatusSynced))
	b.create("slow", manual(v1alpha1.SyncStatusOutOfSync))
	b.run("app", "wait", "ready", "--timeout", "5s").ok(t)
	b.run("app", "wait", "slow", "--health", "--timeout", "5").ok(t)
	b.run("app", "wait", "slow", "--sync", "--timeout", "1").exits(t, 20).says(t, "not in the wanted state (synced) after 1s", "OutOfSync from main")
	b.run("app", "wait", "ready", "--resource", "apps:Deployment:web", "--timeout", "5").ok(t)
	b.run("app", "wait", "nothing", "--timeout", "5").exits(t, 20).says(t, "does not exist")
	b.run("app", "wait", "nothing", "--delete", "--timeout", "5").ok(t)
	finished := make(chan result, 1)
	go func() { finished <- b.run("app", "wait", "slow", "--timeout", "20") }()
	b.setStatus("slow", func(s *v1alpha1.ApplicationStatus) { s.Sync.Status = v1alpha1.SyncStatusSynced })
	(<-finished).ok(t).says(t, "Synced to main")
}

func TestWaitFailsWhenHealthIsLost(t *testing.T) {
	b := newBench(t)
	b.create("shop", manual(v1alpha1.SyncStatusOutOfSync))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	finished := make(chan result, 1)
	seen := make(chan struct{}, 1)
	go func() {
		seen <- struct{}{}
		finished <- b.runIn(ctx, "", "app", "wait", "shop")
	}()
	<-seen
	// The command has to see Healthy before Degraded: it is repeated until it has.
	for i := 0; ; i++ {
		health := v1alpha1.HealthHealthy
		if i%2 == 1 {
			health = v1alpha1.HealthDegraded
		}
		b.setStatus("shop", func(s *v1alpha1.ApplicationStatus) { s.Health.Status = health })
		select {
		case r := <-finished:
			r.exits(t, 1).says(t, "went from Healthy to Degraded")
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func TestTerminate(t *testing.T) {
	b := newBench(t)
	b.create("idle", nil)
	b.run("app", "terminate-op", "idle").exits(t, 20).says(t, "no operation is in progress")
	b.create("shop", nil)
	b.run("app", "sync", "shop", "--async").ok(t)
	b.setStatus("shop", func(s *v1alpha1.ApplicationStatus) {
		s.OperationState = &v1alpha1.OperationState{Phase: v1alpha1.OperationRunning, StartedAt: metav1.Now()}
	})
	b.run("app", "terminate-op", "shop").ok(t).says(t, "operation terminating")
	if phase := b.get("shop").Status.OperationState.Phase; phase != v1alpha1.OperationTerminating {
		t.Errorf("phase %s", phase)
	}
}

func TestSyncWindowRefusesBeforeAnythingIsWritten(t *testing.T) {
	b := newBench(t)
	p := &v1alpha1.AppProject{}
	p.Name, p.Namespace = "frozen", b.namespace
	p.Spec.SyncWindows = v1alpha1.SyncWindows{{Kind: "deny", Schedule: "* * * * *", Duration: "1h", Applications: []string{"*"}}}
	if err := b.client.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	app := b.create("shop", func(app *v1alpha1.Application) { app.Spec.Project = "frozen"; app.Status.History = deployments(2) })
	b.run("app", "sync", "shop").exits(t, 20).says(t, "cannot sync: blocked by sync window", "belay proj windows list frozen")
	b.run("app", "rollback", "shop").exits(t, 20).says(t, "blocked by sync window", "open in project frozen: deny:* * * * *:1h")
	if b.get("shop").ResourceVersion != app.ResourceVersion {
		t.Error("a refused sync wrote to the application")
	}
	b.run("app", "sync", "shop", "--dry-run", "--async").ok(t)
}

func TestInterruptedSyncGoesOn(t *testing.T) {
	b := newBench(t)
	b.create("shop", manual(v1alpha1.SyncStatusOutOfSync))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	finished := make(chan result, 1)
	go func() { finished <- b.runIn(ctx, "", "app", "sync", "shop") }()
	b.eventually("the operation is there", func(context.Context) bool { return b.get("shop").Operation != nil })
	cancel()
	(<-finished).exits(t, 130).says(t, "the sync of application", "goes on", "terminate-op")
	if b.get("shop").Operation == nil {
		t.Error("the operation is gone")
	}
}

func TestInterrupted(t *testing.T) {
	b := newBench(t)
	b.create("shop", manual(v1alpha1.SyncStatusOutOfSync))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	b.runIn(ctx, "", "app", "wait", "shop").exits(t, 130).says(t, "interrupted")
}

// TestOneOfTwoSyncsWins starts operations at the same moment, while somebody else writes to the application all the time.
func TestOneOfTwoSyncsWins(t *testing.T) {
	b := newBench(t)
	b.create("shop", manual(v1alpha1.SyncStatusOutOfSync))
	const contenders = 4
	results := make(chan result, contenders)
	for range contenders {
		go func() { results <- b.run("app", "sync", "shop", "--async") }()
	}
	for i := range 20 {
		patch := map[string]any{"metadata": map[string]any{"annotations": map[string]any{"noise": fmt.Sprint(i)}}}
		if err := b.patch(t.Context(), b.get("shop"), patch); err != nil {
			t.Fatal(err)
		}
	}
	codes := map[int]int{}
	for range contenders {
		r := <-results
		codes[r.code]++
		if r.code == 20 {
			r.says(t, "already in progress")
		}
	}
	if codes[0] != 1 || codes[20] != contenders-1 {
		t.Errorf("exit codes %v, want one success", codes)
	}
}
