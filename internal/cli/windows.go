package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/operation"
	"github.com/belaycd/belay/internal/project"
)

// windowSummary is what the sync windows of the project say about an application now.
type windowSummary struct {
	known    bool
	word     string
	assigned []string // kind:schedule:duration
	change   string   // when an automated sync is permitted, or forbidden, next
}

func (w windowSummary) lines() [][2]string {
	if !w.known {
		return nil
	}
	lines := [][2]string{{"SyncWindow:", w.word}}
	if len(w.assigned) > 0 {
		lines = append(lines, [2]string{"Assigned Windows:", strings.Join(w.assigned, ",")})
	}
	if w.change != "" {
		name := "Next Opening:"
		if w.word == windowAllowed {
			name = "Next Closing:"
		}
		lines = append(lines, [2]string{name, w.change})
	}
	return lines
}

// Words for what windows permit, as argocd has them.
const (
	windowAllowed = "Sync Allowed"
	windowManual  = "Manual Allowed"
	windowDenied  = "Sync Denied"
)

// windowsFor reads the windows that concern an application.
func windowsFor(ctx context.Context, cp ControlPlane, app *v1alpha1.Application) (project.Windows, error) {
	p := &v1alpha1.AppProject{}
	raw, err := cp.Project(ctx, app.Spec.ProjectName())
	if err == nil {
		p, err = typedProject(raw)
	}
	if err != nil && !(errors.Is(err, ErrNoProject) && app.Spec.ProjectName() == v1alpha1.DefaultProjectName) {
		return project.Windows{}, err
	}
	var globals []*v1alpha1.AppProject
	if p.Name != "" {
		if globals, err = cp.GlobalProjects(ctx, p); err != nil {
			return project.Windows{}, err
		}
	}
	return project.New(p).Inherit(globals...).Windows(app), nil
}

// windowsOf judges the windows of an application's project. A project that cannot be read leaves the lines out; the rest
// of the answer does not depend on it.
func windowsOf(ctx context.Context, cp ControlPlane, app *v1alpha1.Application, now time.Time) windowSummary {
	w, err := windowsFor(ctx, cp, app)
	if err != nil {
		return windowSummary{}
	}
	return summarize(w, now)
}

func summarize(w project.Windows, now time.Time) windowSummary {
	s := windowSummary{known: true, word: windowAllowed, assigned: w.Assigned()}
	if !w.Judge(project.Sync{}, now).Allowed {
		s.word = windowDenied
		if w.Judge(project.Sync{Manual: true}, now).Allowed {
			s.word = windowManual
		}
	}
	switch at, certain := w.Change(project.Sync{}, now); {
	case w.Invalid() != nil:
		s.change = "never: " + w.Invalid().Error()
	case certain && !at.IsZero():
		s.change = moment(at, now)
	case certain && s.word != windowAllowed:
		s.change = "never"
	case !certain && s.word != windowAllowed:
		s.change = "not before " + moment(at, now)
	}
	return s
}

// moment names a time, and how far away it is.
func moment(at, now time.Time) string {
	return fmt.Sprintf("%s (in %s)", at.In(now.Location()).Format(time.RFC3339), at.Sub(now).Round(time.Second))
}

// refuseWindow refuses a sync that the windows of the project forbid now, as the API server of Argo CD does. The
// controller has the last word; this one comes before anything is written.
func refuseWindow(ctx context.Context, cp ControlPlane, app *v1alpha1.Application, now time.Time) error {
	w, err := windowsFor(ctx, cp, app)
	if err != nil {
		return nil // the controller tells
	}
	return operation.Window(w, app, now, func(at time.Time) string { return moment(at, now) })
}

// Words for the state of a window.
const (
	windowActive   = "Active"
	windowInactive = "Inactive"
	windowInvalid  = "Invalid"
)

// windowStatus says whether a window is open.
func windowStatus(w *v1alpha1.SyncWindow, now time.Time) string {
	if project.CheckWindow(w) != nil {
		return windowInvalid
	}
	if open, err := project.WindowOpen(w, now); err != nil || !open {
		return windowInactive
	}
	return windowActive
}
