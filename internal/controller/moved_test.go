package controller

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	belay "github.com/belaycd/belay/internal/reconcile"
)

func TestOnlyARevisionThatChangesNothingElseWaits(t *testing.T) {
	before := &v1alpha1.Application{}
	before.Status.Sync.Revision, before.Status.Sync.Status = "c1", v1alpha1.SyncStatusSynced
	for _, tc := range []struct {
		reason  string
		change  func(*v1alpha1.Application, *belay.Result)
		refresh string
		waits   bool
	}{
		{reason: "only the revision moved", waits: true},
		{reason: "somebody asked for a refresh", refresh: v1alpha1.RefreshNormal},
		{reason: "the manifests changed, even if the status did not", change: func(_ *v1alpha1.Application, r *belay.Result) { r.Rendered = true }},
		{reason: "a stage failed", change: func(_ *v1alpha1.Application, r *belay.Result) { r.Err = errors.New("x") }},
		{reason: "the sync status changed", change: func(a *v1alpha1.Application, _ *belay.Result) { a.Status.Sync.Status = v1alpha1.SyncStatusOutOfSync }},
		{reason: "the health changed", change: func(a *v1alpha1.Application, _ *belay.Result) { a.Status.Health.Status = v1alpha1.HealthDegraded }},
		{reason: "an operation began", change: func(a *v1alpha1.Application, _ *belay.Result) { a.Operation = &v1alpha1.Operation{} }},
		{reason: "an annotation is to go", change: func(a *v1alpha1.Application, _ *belay.Result) { a.Annotations = map[string]string{"a": "b"} }},
		{reason: "one source became a list", change: func(a *v1alpha1.Application, _ *belay.Result) {
			a.Status.Sync.Revision, a.Status.Sync.Revisions, a.Status.SourceTypes = "", []string{"c1"}, []v1alpha1.ApplicationSourceType{"Directory"}
		}},
		{reason: "nothing changed", change: func(a *v1alpha1.Application, _ *belay.Result) { a.Status.Sync.Revision = "c1" }},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			now := time.Unix(1000, 0)
			c := New(Options{Now: func() time.Time { return now }})
			e := &entry{}
			after := before.DeepCopy()
			after.Status.Sync.Revision = "c2"
			res := belay.Result{App: after}
			if tc.change != nil {
				tc.change(after, &res)
			}
			key := types.NamespacedName{Name: "shop"}
			wait := c.putOff(e, key, before, res, tc.refresh)
			if (wait > 0) != tc.waits {
				t.Fatalf("the write waits %s, want a wait: %v", wait, tc.waits)
			}
			if !tc.waits {
				return
			}
			now = now.Add(wait / 2)
			after.Status.Sync.Revision = "c3"
			if again := c.putOff(e, key, before, res, ""); again != wait-wait/2 {
				t.Errorf("after half of %s and one more commit %s are left, want the other half", wait, again)
			}
			now = now.Add(wait)
			if rest := c.putOff(e, key, before, res, ""); rest != 0 {
				t.Errorf("%s are left when the time is over", rest)
			}
			if next := c.putOff(e, key, before, res, ""); next == 0 {
				t.Error("the next revision does not wait")
			}
		})
	}
}

func TestOnlyTheRevisionsOfAListMoved(t *testing.T) {
	at := func(revisions ...string) *v1alpha1.Application {
		app := &v1alpha1.Application{}
		app.Status.Sync.Revisions, app.Status.Sync.Status = revisions, v1alpha1.SyncStatusSynced
		return app
	}
	if !onlyRevision(at("c1", "v1"), at("c1", "v2")) {
		t.Error("a commit to one of two repositories is written at once")
	}
	if onlyRevision(at("c1", "v1"), at("c1", "v1")) {
		t.Error("no commit passes for one")
	}
	after := at("c1", "v2")
	after.Status.Sync.ComparedTo.Sources = v1alpha1.ApplicationSources{{Path: "other"}}
	if onlyRevision(at("c1", "v1"), after) {
		t.Error("other sources are put off")
	}
}

func TestPutOffRevisionsAreSpreadOverLessThanAMinute(t *testing.T) {
	for _, n := range []int{1, 100, 10_000} {
		c := New(Options{Now: time.Now})
		for i := range n {
			c.entries[types.NamespacedName{Name: fmt.Sprint("app-", i)}] = &entry{}
		}
		perSecond := map[int]int{}
		for key := range c.entries {
			wait := c.spread(key)
			if wait < putOffLeast || wait >= time.Minute {
				t.Fatalf("%d applications: one waits %s", n, wait)
			}
			perSecond[int(wait/time.Second)]++
		}
		pace := max(int(time.Second/putOffPace), n/int(putOffSpread/time.Second))
		for second, writes := range perSecond {
			if writes > 2*pace {
				t.Errorf("%d applications: %d writes in second %d, want about %d", n, writes, second, pace)
			}
		}
	}
}

func TestSooner(t *testing.T) {
	for _, tc := range []struct{ a, b, want time.Duration }{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {3, 5, 3}, {5, 3, 3}} {
		if got := sooner(tc.a, tc.b); got != tc.want {
			t.Errorf("sooner(%d, %d) = %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}
