package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/glob"
)

// windowSummary is what the sync windows of the project say about an application now.
type windowSummary struct {
	known  bool
	word   string
	active []string // kind:schedule:duration
}

func (w windowSummary) lines() [][2]string {
	if !w.known {
		return nil
	}
	lines := [][2]string{{"SyncWindow:", w.word}}
	if len(w.active) > 0 {
		lines = append(lines, [2]string{"Assigned Windows:", strings.Join(w.active, ",")})
	}
	return lines
}

// windowsOf reads the project of an application and judges its windows. A project that cannot be read leaves the line
// out; the rest of the answer does not depend on it.
func (c *Connection) windowsOf(ctx context.Context, app *v1alpha1.Application, now time.Time) windowSummary {
	rctx, cancel := c.request(ctx)
	defer cancel()
	var p v1alpha1.AppProject
	err := c.Client.Get(rctx, appKey{Namespace: c.Namespace, Name: app.Spec.ProjectName()}, &p)
	if err != nil && !(apierrors.IsNotFound(err) && app.Spec.ProjectName() == v1alpha1.DefaultProjectName) {
		return windowSummary{}
	}
	return judgeWindows(p.Spec.SyncWindows, app, now)
}

// windowDenied is the word for a time at which not even a sync by hand may start.
const windowDenied = "Sync Denied"

// refuseWindow refuses a sync that the windows of the project forbid now, as the API server of Argo CD does. The
// controller has the last word; this one comes before anything is written.
func (c *Connection) refuseWindow(ctx context.Context, app *v1alpha1.Application, now time.Time) error {
	if w := c.windowsOf(ctx, app, now); w.word == windowDenied {
		return &Failure{Exit: ExitAPI, Code: "SyncWindow", Err: errors.New("cannot sync: blocked by sync window"),
			Hint: "belay proj windows list " + app.Spec.ProjectName()}
	}
	return nil
}

// judgeWindows says whether the windows let a sync by hand through now: an open deny window forbids it, and so do allow
// windows of which none is open, save where all windows in the way allow syncs by hand.
func judgeWindows(windows v1alpha1.SyncWindows, app *v1alpha1.Application, now time.Time) windowSummary {
	var active []string
	var denied, allowed, waiting bool
	manual := true
	for _, w := range windows {
		if w == nil || !windowCovers(w, app) {
			continue
		}
		status := windowStatus(w, now)
		open := status == windowActive
		switch {
		case status == windowInvalid:
			denied, manual = true, false
		case w.Kind == "deny" && open:
			denied, manual = true, manual && w.ManualSync
		case w.Kind == "allow" && open:
			allowed = true
		case w.Kind == "allow":
			waiting, manual = true, manual && w.ManualSync
		}
		if open {
			active = append(active, w.Kind+":"+w.Schedule+":"+w.Duration)
		}
	}
	summary := windowSummary{known: true, word: "Sync Allowed", active: active}
	if denied || waiting && !allowed {
		summary.word = windowDenied
		if manual {
			summary.word = "Manual Allowed"
		}
	}
	return summary
}

// windowCovers reports whether a window concerns the application: one of its three lists matches, or all that are set
// with andOperator.
func windowCovers(w *v1alpha1.SyncWindow, app *v1alpha1.Application) bool {
	d := app.Spec.Destination
	var verdicts []bool
	for _, list := range []struct{ patterns, values []string }{
		{w.Applications, []string{app.Name}}, {w.Namespaces, []string{d.Namespace}}, {w.Clusters, []string{d.Server, d.Name}},
	} {
		if len(list.patterns) > 0 {
			verdicts = append(verdicts, anyMatch(list.patterns, list.values))
		}
	}
	if w.UseAndOperator {
		return len(verdicts) > 0 && !slices.Contains(verdicts, false)
	}
	return slices.Contains(verdicts, true)
}

func anyMatch(patterns, values []string) bool {
	for _, p := range patterns {
		g, err := glob.Compile(p)
		for _, v := range values {
			if v != "" && (p == v || err == nil && g.Match(v)) {
				return true
			}
		}
	}
	return false
}

const (
	windowActive   = "Active"
	windowInactive = "Inactive"
	windowInvalid  = "Invalid"
)

// windowStatus says whether a window is open: it opened at a time of its schedule no longer ago than its duration.
func windowStatus(w *v1alpha1.SyncWindow, now time.Time) string {
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil {
		return windowInvalid
	}
	schedule, err := cron.ParseStandard(w.Schedule)
	if err != nil {
		return windowInvalid
	}
	duration, err := time.ParseDuration(w.Duration)
	if err != nil || duration <= 0 {
		return windowInvalid
	}
	now = now.In(zone)
	if opened := schedule.Next(now.Add(-duration)); opened.IsZero() || opened.After(now) {
		return windowInactive
	}
	return windowActive
}
