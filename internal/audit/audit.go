// Package audit tells what happened: two states of an Application, or what a caller did, go in; activities come out, with ids by
// which several watchers that see the same thing record it once. It holds no secrets: an activity names objects, people and
// commits, never values.
package audit

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Activity is something that happened to an application, or that somebody did.
type Activity struct {
	// ID is the same whoever records it.
	ID   string      `json:"id"`
	Time metav1.Time `json:"time"`
	// Kind is one of the kinds below.
	Kind        string `json:"kind"`
	Application string `json:"application,omitempty"`
	Namespace   string `json:"namespace,omitempty"`
	Project     string `json:"project,omitempty"`
	// Actor is a user's name, or "automated" for what Belay did by itself.
	Actor   string `json:"actor,omitempty"`
	Address string `json:"address,omitempty"`
	Text    string `json:"text"`
	// Reason is why, in the words of the actor.
	Reason    string   `json:"reason,omitempty"`
	Revisions []string `json:"revisions,omitempty"`
	// Outcome is success, failure or denied; empty for what has none.
	Outcome string `json:"outcome,omitempty"`
}

// Kinds of activities. Callers may record others.
const (
	KindSync        = "sync"         // a sync was started
	KindSynced      = "synced"       // a sync succeeded
	KindSyncFailed  = "sync-failed"  // a sync failed
	KindRetry       = "retry"        // an attempt failed, and another one follows
	KindRollback    = "rollback"     // a sync to an earlier deployment was asked for
	KindTerminate   = "terminate"    // the end of an operation was asked for
	KindRefresh     = "refresh"      // a comparison was asked for
	KindDrift       = "drift"        // live objects were changed past Git
	KindHealed      = "healed"       // drift was put back
	KindHealth      = "health"       // the health of an application is another one
	KindCreate      = "create"       // something was made
	KindSettings    = "settings"     // something was changed
	KindDelete      = "delete"       // something was deleted
	KindAction      = "action"       // an action of a resource was run
	KindLogin       = "login"        // somebody signed in
	KindLoginFailed = "login-failed" // somebody tried to
	KindDenied      = "denied"       // somebody tried what is not permitted
	KindLost        = "lost"         // activities could not be recorded

	KindNotification = "notification" // somebody was told of something, or could not be
)

// Outcomes.
const (
	Success = "success"
	Failure = "failure"
	Denied  = "denied"
)

// Automated is the actor of what nobody asked for.
const Automated = "automated"

// Query selects activities, the latest first.
type Query struct {
	Application string `query:"application" json:"application,omitempty"`
	Namespace   string `query:"appNamespace" json:"namespace,omitempty"`
	Project     string `query:"project" json:"project,omitempty"`
	Actor       string `query:"actor" json:"actor,omitempty"`
	Kind        string `query:"kind" json:"kind,omitempty"`
	// Text is looked for in what happened, why, and where it came from, whatever the case of its letters.
	Text string `query:"text" json:"text,omitempty"`
	// Limit is the length of the page: 100 when it is not set, 1000 at most.
	Limit int `query:"limit" json:"limit,omitempty"`
	// Before continues a list: the Next of its last page.
	Before string `query:"before" json:"before,omitempty"`
}

// Page is a page of activities, in the order in which they were recorded, the latest first.
type Page struct {
	Items []Activity `json:"items"`
	// Next continues; empty at the end.
	Next string `json:"next,omitempty"`
}

// Recorder keeps activities. It does not wait for the record to be written; what was recorded in the last moments before a
// crash is in the log of the process, and may be missing in the record.
type Recorder interface {
	Record(ctx context.Context, a Activity)
}

// Log is the record. Several processes may keep one.
type Log interface {
	// Activities returns a page of those that the query selects and that visible, which may be nil, lets pass.
	Activities(ctx context.Context, q Query, visible func(*Activity) bool) (*Page, error)
}

// Limits of a page.
const (
	defaultLimit = 100
	mostOfPage   = 1000
)

// PageSize is the length of the page that is asked for.
func (q *Query) PageSize() int {
	switch {
	case q.Limit <= 0:
		return defaultLimit
	case q.Limit > mostOfPage:
		return mostOfPage
	}
	return q.Limit
}

// Match reports whether the query selects the activity.
func (q *Query) Match(a *Activity) bool {
	for _, f := range [][2]string{{q.Application, a.Application}, {q.Namespace, a.Namespace}, {q.Project, a.Project}, {q.Actor, a.Actor}, {q.Kind, a.Kind}} {
		if f[0] != "" && f[0] != f[1] {
			return false
		}
	}
	if q.Text == "" {
		return true
	}
	want := strings.ToLower(q.Text)
	for _, text := range append([]string{a.Text, a.Reason, a.Address, a.Application, a.Actor}, a.Revisions...) {
		if strings.Contains(strings.ToLower(text), want) {
			return true
		}
	}
	return false
}
