package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/test/e2e/harness"
)

// TestExplain: what the command line says of an application that a real control plane works on: the plan of a sync, why it is
// not as it should be, and what happened to it.
func TestExplain(t *testing.T) {
	cluster := harness.Shared(t)
	plane := cluster.Plane(t)
	belay := func(into any, args ...string) string {
		t.Helper()
		args = append(args, "--kubeconfig", plane.Kubeconfig, "--namespace", plane.Namespace)
		out, err := exec.CommandContext(harness.Context(t), plane.Belay, args...).Output()
		if err != nil {
			t.Fatalf("belay %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		if into != nil {
			if err := json.Unmarshal(out, into); err != nil {
				t.Fatalf("belay %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		}
		return string(out)
	}
	ns := cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	a := plane.App(t, "explained", ns, repo.Source("app"))
	a.Wait(t, func(app *harness.Application) string {
		if app.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync {
			return "it is not compared yet"
		}
		return ""
	})
	var plan insight.Plan
	belay(&plan, "app", "plan", "explained", "-o", "json")
	if plan.Counts.Create < 4 || plan.Digest == "" || len(plan.Revisions) != 1 {
		t.Errorf("plan of the first sync: %+v", plan.Counts)
	}
	if out := belay(nil, "app", "plan", "explained"); !strings.Contains(out, "Deployment") || !strings.Contains(out, plan.Digest) {
		t.Errorf("the table does not name what is in the plan:\n%s", out)
	}
	explain := func() (why insight.Why) { belay(&why, "app", "why", "explained", "-o", "json"); return why }
	if why := explain(); why.Status != "Missing" {
		t.Errorf("why before the first sync: %+v", why)
	}
	a.Sync(t, v1alpha1.SyncOperation{})
	a.Wait(t, harness.Healthy(""))
	if why := explain(); why.Status != "" || len(why.Causes) > 0 {
		t.Errorf("why of a good application: %+v", why)
	}

	d := drifts(ns)[0]
	d.make(t, cluster)
	a.Wait(t, func(app *harness.Application) string {
		if app.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync {
			return "the drift is not seen"
		}
		return ""
	})
	if why := explain(); why.Status != "OutOfSync" || len(why.Causes) == 0 ||
		!slices.ContainsFunc(why.Causes[0].Evidence, func(e insight.Evidence) bool { return e.Kind == "field" }) {
		t.Errorf("why after a drift: %+v", why)
	}
	harness.Eventually(t, "what happened is on record", func(context.Context) error {
		var page audit.Page
		belay(&page, "audit", "--app", "explained", "-o", "json")
		var kinds []string
		for _, x := range page.Items {
			kinds = append(kinds, x.Kind)
		}
		for _, want := range []string{audit.KindSync, audit.KindSynced, audit.KindDrift} {
			if n := len(slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k != want })); n != 1 {
				return fmt.Errorf("%s is there %d times in %v", want, n, kinds)
			}
		}
		return nil
	})
	harness.Eventually(t, "its events tell of it", func(ctx context.Context) error {
		var events corev1.EventList
		if err := cluster.List(ctx, &events, client.InNamespace(plane.Namespace), client.MatchingFields{"involvedObject.name": "explained"}); err != nil {
			return err
		}
		var reasons []string
		for _, e := range events.Items {
			reasons = append(reasons, e.Reason)
		}
		for _, want := range []string{"OperationStarted", "OperationCompleted", "ResourceUpdated"} {
			if !slices.Contains(reasons, want) {
				return fmt.Errorf("%s is not in %v", want, reasons)
			}
		}
		return nil
	})
}
