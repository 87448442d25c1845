package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// Transitions returns what happened between two states of an Application. The ids follow from what happened and not from who
// looks: several watchers that see the same states, or see some of them together, tell the same. Without a state before,
// or after, it was made, or is gone; at says when that is not in the states.
func Transitions(before, after *v1alpha1.Application, at metav1.Time) []Activity {
	switch {
	case before == nil && after == nil:
		return nil
	case before == nil:
		a := of(after, KindCreate, after.CreationTimestamp, "application was created")
		return []Activity{a.identified(after, "created")}
	case after == nil:
		a := of(before, KindDelete, at, "application is gone")
		return []Activity{a.identified(before, "gone")}
	case before.UID != after.UID:
		return append(Transitions(before, nil, at), Transitions(nil, after, at)...)
	}
	var out []Activity
	out = append(out, operation(before, after)...)
	out = append(out, drift(before, after, at)...)
	out = append(out, healthChange(before, after, at)...)
	for i := range out {
		out[i].Text = health.Line(mask.Text(out[i].Text))
	}
	return out
}

func of(app *v1alpha1.Application, kind string, at metav1.Time, format string, args ...any) Activity {
	return Activity{Kind: kind, Time: at, Application: app.Name, Namespace: app.Namespace, Project: app.Spec.ProjectName(), Text: fmt.Sprintf(format, args...)}
}

// identified gives an activity the id that its parts stand for.
func (a Activity) identified(app *v1alpha1.Application, parts ...any) Activity {
	a.ID = object.Hash(append([]any{string(app.UID), app.Namespace, app.Name}, parts...))[:24]
	return a
}

// operation tells of the beginning, the attempts and the end of an operation.
func operation(before, after *v1alpha1.Application) []Activity {
	op := after.Status.OperationState
	if op == nil {
		return nil
	}
	old := before.Status.OperationState
	if old != nil && !old.StartedAt.Equal(&op.StartedAt) {
		old = nil
	}
	started := op.StartedAt.Unix()
	tell := func(kind string, at metav1.Time, what any, text string) Activity {
		a := of(after, kind, at, "%s", text)
		a.Actor, a.Revisions, a.Reason = actor(op.Operation.InitiatedBy), revisions(op), reason(&op.Operation)
		return a.identified(after, started, what)
	}
	var out []Activity
	if old == nil {
		out = append(out, tell(KindSync, op.StartedAt, "started", describe(before, op)+" started"))
	}
	if op.RetryCount > 0 && (old == nil || old.RetryCount < op.RetryCount) {
		a := tell(KindRetry, op.StartedAt, []any{"retry", op.RetryCount}, fmt.Sprintf("attempt %d failed: %s", op.RetryCount, op.Message))
		if op.FinishedAt != nil {
			a.Time = *op.FinishedAt
		}
		a.Outcome = Failure
		out = append(out, a)
	}
	if op.Phase == v1alpha1.OperationTerminating && (old == nil || old.Phase != v1alpha1.OperationTerminating) {
		a := tell(KindTerminate, op.StartedAt, "terminating", describe(before, op)+" is to end")
		a.Actor = "" // who asked for it is not in the state
		out = append(out, a)
	}
	if op.Phase.Completed() && op.FinishedAt != nil && (old == nil || !old.Phase.Completed() || old.FinishedAt == nil) {
		out = append(out, ended(before, op, tell))
	}
	return out
}

func ended(before *v1alpha1.Application, op *v1alpha1.OperationState, tell func(string, metav1.Time, any, string) Activity) Activity {
	kind, outcome, text := KindSynced, Success, describe(before, op)+" succeeded"
	if op.Operation.Sync != nil && op.Operation.Sync.AutoHealAttemptsCount > 0 {
		kind, text = KindHealed, "drift was put back: "+selection(op.Operation.Sync)
	}
	if op.Phase != v1alpha1.OperationSucceeded {
		kind, outcome, text = KindSyncFailed, Failure, describe(before, op)+" failed: "+cause(op)
	}
	a := tell(kind, *op.FinishedAt, "ended", text)
	a.Outcome = outcome
	return a
}

// cause is the first object that failed, or what the operation itself says.
func cause(op *v1alpha1.OperationState) string {
	if op.SyncResult != nil {
		for _, r := range op.SyncResult.Resources {
			if r != nil && (r.Status == v1alpha1.ResultSyncFailed || r.HookPhase == v1alpha1.OperationFailed || r.HookPhase == v1alpha1.OperationError) {
				return r.Kind + " " + r.Name + ": " + r.Message
			}
		}
	}
	return op.Message
}

// describe names an operation.
func describe(app *v1alpha1.Application, op *v1alpha1.OperationState) string {
	s := op.Operation.Sync
	if s == nil {
		return "operation"
	}
	text := "sync"
	switch {
	case s.DryRun:
		text = "dry run"
	case isBack(app.Status.History, s):
		text = "sync to an earlier deployment"
	case s.AutoHealAttemptsCount > 0:
		text = "self-heal"
	}
	if list := revisions(op); len(list) > 0 {
		words := make([]string, len(list))
		for i, r := range list {
			words[i] = shortRevision(r)
		}
		text += " to " + strings.Join(words, ", ")
	}
	if len(s.Resources) > 0 {
		text += " of " + selection(s)
	}
	return text
}

// isBack reports whether a sync goes back to a deployment that another one has replaced since.
func isBack(history v1alpha1.RevisionHistories, s *v1alpha1.SyncOperation) bool {
	if s.Source == nil && len(s.Sources) == 0 || len(history) == 0 {
		return false
	}
	at := func(h v1alpha1.RevisionHistory) bool {
		return s.Revision != "" && h.Revision == s.Revision || len(s.Revisions) > 0 && slices.Equal(h.Revisions, s.Revisions)
	}
	return !at(history[len(history)-1]) && slices.ContainsFunc(history, at)
}

// mostNamed bounds how many objects a text names.
const mostNamed = 3

// selection names the objects of a partial sync.
func selection(s *v1alpha1.SyncOperation) string {
	if len(s.Resources) == 0 {
		return "all objects"
	}
	var names []string
	for _, r := range s.Resources {
		names = append(names, r.Kind+" "+r.Name)
	}
	return list(names)
}

func list(names []string) string {
	if more := len(names) - mostNamed; more > 0 {
		names = append(slices.Clone(names[:mostNamed]), fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

func shortRevision(r string) string {
	if len(r) == 40 && strings.Trim(r, "0123456789abcdef") == "" {
		return r[:7]
	}
	return r
}

func actor(by v1alpha1.OperationInitiator) string {
	if by.Automated {
		return Automated
	}
	return by.Username
}

func reason(op *v1alpha1.Operation) string {
	for _, i := range op.Info {
		if i != nil && i.Name == "reason" {
			return i.Value
		}
	}
	return ""
}

func revisions(op *v1alpha1.OperationState) []string {
	if r := op.SyncResult; r != nil {
		if len(r.Revisions) > 0 {
			return r.Revisions
		}
		if r.Revision != "" {
			return []string{r.Revision}
		}
	}
	if s := op.Operation.Sync; s != nil {
		if len(s.Revisions) > 0 {
			return s.Revisions
		}
		if s.Revision != "" {
			return []string{s.Revision}
		}
	}
	return nil
}

// drift tells of an application that was in step with a commit, and is not any more while commit and settings are the same.
func drift(before, after *v1alpha1.Application, at metav1.Time) []Activity {
	b, a := before.Status.Sync, after.Status.Sync
	if b.Status != v1alpha1.SyncStatusSynced || a.Status != v1alpha1.SyncStatusOutOfSync ||
		b.Revision != a.Revision || !slices.Equal(b.Revisions, a.Revisions) || !same(b.ComparedTo, a.ComparedTo) {
		return nil
	}
	var names []string
	for _, r := range after.Status.Resources {
		if r.Status == v1alpha1.SyncStatusOutOfSync && !r.Hook {
			names = append(names, r.Kind+" "+r.Name)
		}
	}
	if after.Status.ReconciledAt != nil {
		at = *after.Status.ReconciledAt
	}
	out := of(after, KindDrift, at, "live objects were changed past Git: %s", list(names))
	return []Activity{out.identified(after, "drift", after.ResourceVersion)}
}

func same(a, b v1alpha1.ComparedTo) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// healthChange tells of an application that has failed, or no longer has. That one is under way is a part of every sync and
// not told.
func healthChange(before, after *v1alpha1.Application, at metav1.Time) []Activity {
	b, a := before.Status.Health, after.Status.Health
	if b.Status == a.Status || b.Status == "" || !bad(a.Status) && !bad(b.Status) {
		return nil
	}
	version := any(after.ResourceVersion)
	if a.LastTransitionTime != nil {
		at, version = *a.LastTransitionTime, a.LastTransitionTime.Unix()
	}
	text := fmt.Sprintf("health %s -> %s", b.Status, a.Status)
	if a.Message != "" {
		text += ": " + a.Message
	}
	out := of(after, KindHealth, at, "%s", text)
	out.Outcome = Success
	if bad(a.Status) {
		out.Outcome = Failure
	}
	return []Activity{out.identified(after, "health", string(a.Status), version)}
}

func bad(s v1alpha1.HealthStatusCode) bool {
	return s == v1alpha1.HealthDegraded || s == v1alpha1.HealthMissing || s == v1alpha1.HealthUnknown
}
