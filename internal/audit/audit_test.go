package audit

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

func at(minute int) metav1.Time {
	return metav1.NewTime(time.Date(2026, 11, 3, 10, minute, 0, 0, time.UTC))
}

func app(changes ...func(*v1alpha1.Application)) *v1alpha1.Application {
	a := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "argocd", UID: "u", ResourceVersion: "7", CreationTimestamp: at(0)}}
	a.Status.Sync = v1alpha1.SyncStatus{Status: v1alpha1.SyncStatusSynced, Revision: strings.Repeat("a", 40)}
	a.Status.Health.Status = v1alpha1.HealthHealthy
	for _, c := range changes {
		c(a)
	}
	return a
}

func running(a *v1alpha1.Application) {
	a.Status.OperationState = &v1alpha1.OperationState{Phase: v1alpha1.OperationRunning, StartedAt: at(1),
		Operation: v1alpha1.Operation{InitiatedBy: v1alpha1.OperationInitiator{Username: "admin"}, Sync: &v1alpha1.SyncOperation{Revision: strings.Repeat("b", 40)},
			Info: []*v1alpha1.Info{{Name: "reason", Value: "Ticket 7"}}}}
}

func retried(a *v1alpha1.Application) {
	running(a)
	end := at(2)
	a.Status.OperationState.RetryCount, a.Status.OperationState.FinishedAt = 1, &end
	a.Status.OperationState.Message = "quota exceeded. Retrying attempt #1 at 10:03AM."
}

func failed(a *v1alpha1.Application) {
	running(a)
	end := at(4)
	st := a.Status.OperationState
	st.Phase, st.FinishedAt, st.RetryCount, st.Message = v1alpha1.OperationFailed, &end, 1, "one or more objects failed"
	st.SyncResult = &v1alpha1.SyncOperationResult{Revision: strings.Repeat("b", 40), Resources: v1alpha1.ResourceResults{
		{Kind: "Deployment", Name: "web", Status: v1alpha1.ResultSyncFailed, Message: "fetch https://u:hunter2@example.com: denied"}}}
}

func healed(a *v1alpha1.Application) {
	running(a)
	end := at(4)
	st := a.Status.OperationState
	st.Phase, st.FinishedAt = v1alpha1.OperationSucceeded, &end
	st.Operation = v1alpha1.Operation{InitiatedBy: v1alpha1.OperationInitiator{Automated: true}, Sync: &v1alpha1.SyncOperation{AutoHealAttemptsCount: 1,
		Resources: []v1alpha1.SyncOperationResource{{Kind: "Deployment", Name: "web"}, {Kind: "Service", Name: "web"}, {Kind: "A", Name: "a"}, {Kind: "B", Name: "b"}}}}
}

func terminating(a *v1alpha1.Application) {
	running(a)
	a.Status.OperationState.Phase = v1alpha1.OperationTerminating
}

func drifted(a *v1alpha1.Application) {
	a.Status.Sync.Status = v1alpha1.SyncStatusOutOfSync
	a.Status.Resources = []v1alpha1.ResourceStatus{{Kind: "Deployment", Name: "web", Status: v1alpha1.SyncStatusOutOfSync}, {Kind: "Service", Name: "web", Status: v1alpha1.SyncStatusSynced}}
}

func unhealthy(s v1alpha1.HealthStatusCode) func(*v1alpha1.Application) {
	return func(a *v1alpha1.Application) {
		since := at(9)
		a.Status.Health = v1alpha1.AppHealthStatus{Status: s, Message: "Deployment web: no", LastTransitionTime: &since}
	}
}

func TestTransitions(t *testing.T) {
	tests := map[string]struct {
		before, after *v1alpha1.Application
		want          []string // kind actor outcome: text [reason]
	}{
		"nothing":             {app(running), app(running), nil},
		"made":                {nil, app(), []string{"create  : application was created []"}},
		"gone":                {app(), nil, []string{"delete  : application is gone []"}},
		"another of its name": {app(), app(func(a *v1alpha1.Application) { a.UID = "v" }), []string{"delete  : application is gone []", "create  : application was created []"}},
		"started":             {app(), app(running), []string{"sync admin : sync to bbbbbbb started [Ticket 7]"}},
		"an attempt":          {app(running), app(retried), []string{"retry admin failure: attempt 1 failed: quota exceeded. Retrying attempt #1 at 10:03AM. [Ticket 7]"}},
		"failed": {app(retried), app(failed), []string{
			"sync-failed admin failure: sync to bbbbbbb failed: Deployment web: fetch https://u:xxxxx@example.com: denied [Ticket 7]"}},
		"put back": {app(drifted), app(healed), []string{
			"sync automated : self-heal of Deployment web, Service web, A a, 1 more started []",
			"healed automated success: drift was put back: Deployment web, Service web, A a, 1 more []"}},
		"to end":           {app(running), app(terminating), []string{"terminate  : sync to bbbbbbb is to end [Ticket 7]"}},
		"drift":            {app(), app(drifted), []string{"drift  : live objects were changed past Git: Deployment web []"}},
		"a newer commit":   {app(), app(drifted, func(a *v1alpha1.Application) { a.Status.Sync.Revision = "c" }), nil},
		"another source":   {app(), app(drifted, func(a *v1alpha1.Application) { a.Status.Sync.ComparedTo.Source.Path = "x" }), nil},
		"failed health":    {app(), app(unhealthy(v1alpha1.HealthDegraded)), []string{"health  failure: health Healthy -> Degraded: Deployment web: no []"}},
		"well again":       {app(unhealthy(v1alpha1.HealthDegraded)), app(), []string{"health  success: health Degraded -> Healthy []"}},
		"on its way":       {app(), app(unhealthy(v1alpha1.HealthProgressing)), nil},
		"first look at it": {app(func(a *v1alpha1.Application) { a.Status.Health.Status = "" }), app(unhealthy(v1alpha1.HealthMissing)), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, a := range Transitions(tt.before, tt.after, at(30)) {
				got = append(got, fmt.Sprintf("%s %s %s: %s [%s]", a.Kind, a.Actor, a.Outcome, a.Text, a.Reason))
				if a.ID == "" || a.Application != "web" || a.Project != "default" || a.Time.IsZero() {
					t.Errorf("incomplete: %+v", a)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestTransitionsAgree: a watcher that sees every state, and one that sees the first and the last, tell of the same things by
// the same ids.
func TestTransitionsAgree(t *testing.T) {
	states := []*v1alpha1.Application{app(), app(running), app(retried), app(failed)}
	ids := func(states ...*v1alpha1.Application) map[string]bool {
		out := map[string]bool{}
		for i := 1; i < len(states); i++ {
			for _, a := range Transitions(states[i-1], states[i], at(i)) {
				if out[a.ID] {
					t.Errorf("%s is told twice", a.Text)
				}
				out[a.ID] = true
			}
		}
		return out
	}
	if d := cmp.Diff(ids(states...), ids(states[0], states[3])); d != "" {
		t.Errorf("(-every state +first and last):\n%s", d)
	}
}

func TestDamper(t *testing.T) {
	var d Damper
	now := at(0).Time
	pass := func(a Activity) bool { ok, _ := d.Pass(&a, now); return ok }
	if !pass(Activity{Kind: KindDenied, Actor: "eve", Text: "x"}) || pass(Activity{Kind: KindDenied, Actor: "eve", Text: "x"}) {
		t.Error("a refusal is to be recorded once a minute")
	}
	for i := range 200 {
		pass(Activity{Kind: KindLoginFailed, Actor: fmt.Sprint("user", i), Text: "x"})
	}
	if pass(Activity{Kind: KindLoginFailed, Actor: "another", Text: "x"}) {
		t.Error("refusals are without bound")
	}
	if !pass(Activity{Kind: KindSync, Actor: "admin"}) {
		t.Error("what is no refusal is left out")
	}
	now = now.Add(time.Minute)
	ok, also := d.Pass(&Activity{Kind: KindDenied, Actor: "eve", Text: "x"}, now)
	if !ok || also == nil || also.Text != "143 more refusals like the ones before" {
		t.Errorf("a minute later: %v, %+v", ok, also)
	}
}

func TestEventOf(t *testing.T) {
	for name, tt := range map[string]struct {
		a    Activity
		want string
	}{
		"a sync that began":         {Activity{Kind: KindSync, Actor: "admin", Text: "sync to abc started"}, "OperationStarted admin: sync to abc started"},
		"a sync that was asked for": {Activity{Kind: KindSync, Actor: "admin", Text: "asked for a sync", Outcome: Success}, ""},
		"made":                      {Activity{Kind: KindCreate, Actor: "admin", Text: "created the application", Outcome: Success}, "ResourceCreated admin created the application"},
		"refused":                   {Activity{Kind: KindDelete, Actor: "eve", Text: "deleted it", Outcome: Denied}, ""},
		"seen to be gone":           {Activity{Kind: KindDelete, Text: "application is gone"}, ""},
		"health":                    {Activity{Kind: KindHealth, Text: "health Healthy -> Degraded", Outcome: Failure}, "ResourceUpdated health Healthy -> Degraded"},
		"ended":                     {Activity{Kind: KindSynced, Actor: "admin", Text: "x", Outcome: Success}, ""},
	} {
		tt.a.Application = "web"
		e, ok := EventOf(&tt.a)
		if got := strings.TrimSpace(e.Reason + " " + e.Message); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if _, ok := EventOf(&Activity{Kind: KindCreate, Actor: "admin", Outcome: Success}); ok {
		t.Error("there is nothing to tell at")
	}
}

// TestBack: clients name the source of every sync; only one to a deployment that was replaced goes back.
func TestBack(t *testing.T) {
	deployed := v1alpha1.RevisionHistories{{ID: 0, Revision: "old"}, {ID: 1, Revision: "new"}}
	many := v1alpha1.RevisionHistories{{ID: 0, Revisions: []string{"a", "b"}}, {ID: 1, Revisions: []string{"a", "c"}}}
	src := &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/deploy.git"}
	for name, tc := range map[string]struct {
		history v1alpha1.RevisionHistories
		sync    v1alpha1.SyncOperation
		want    bool
	}{
		"to an earlier one":            {deployed, v1alpha1.SyncOperation{Source: src, Revision: "old"}, true},
		"to the present one":           {deployed, v1alpha1.SyncOperation{Source: src, Revision: "new"}, false},
		"to a new commit":              {deployed, v1alpha1.SyncOperation{Source: src, Revision: "newest"}, false},
		"to what the source follows":   {deployed, v1alpha1.SyncOperation{Source: src}, false},
		"without a source":             {deployed, v1alpha1.SyncOperation{Revision: "old"}, false},
		"the first one":                {nil, v1alpha1.SyncOperation{Source: src, Revision: "old"}, false},
		"several sources":              {many, v1alpha1.SyncOperation{Sources: v1alpha1.ApplicationSources{*src}, Revisions: []string{"a", "b"}}, true},
		"several sources, the present": {many, v1alpha1.SyncOperation{Sources: v1alpha1.ApplicationSources{*src}, Revisions: []string{"a", "c"}}, false},
	} {
		if got := isBack(tc.history, &tc.sync); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
