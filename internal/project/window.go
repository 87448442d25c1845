package project

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Kinds of sync windows.
const (
	allowWindow = "allow"
	denyWindow  = "deny"
)

// maxWindows bounds the windows of one application, and with them the time that a look at them takes.
const maxWindows = 200

// Windows are the sync windows of a project that concern one application. They do not change.
//
// The rules are those of Argo CD: an open deny window forbids syncs. So does every time outside of the allow windows,
// when there are any. A window with manualSync lets pass what a person asked for; one with syncOverrun what had begun
// while it was permitted. A window that cannot be read forbids everything, until somebody corrects it.
type Windows struct {
	project string
	list    []window
	invalid error // about the first window that cannot be read
}

// placedWindow is a window and where it stands.
type placedWindow struct {
	*v1alpha1.SyncWindow
	at string
}

type window struct {
	*v1alpha1.SyncWindow
	calendar calendar
}

// Windows returns the windows of the project that concern the application.
func (p *Project) Windows(app *v1alpha1.Application) Windows {
	out := Windows{project: p.name}
	for _, placed := range p.windows {
		w := placed.SyncWindow
		concerned, err := covers(w, app)
		if !concerned && err == nil {
			continue
		}
		next := window{SyncWindow: w}
		if err == nil {
			next.calendar, err = calendarOf(w)
		}
		if len(out.list) == maxWindows {
			err = fmt.Errorf("more than %d windows concern the application", maxWindows)
		}
		if err != nil && out.invalid == nil {
			out.invalid = fmt.Errorf("%s (%s): %w", placed.at, clip(Describe(w)), err)
		}
		if len(out.list) == maxWindows {
			return out
		}
		out.list = append(out.list, next)
	}
	return out
}

// CheckWindow returns why a window cannot be used, nil when it can.
func CheckWindow(w *v1alpha1.SyncWindow) error {
	for _, pattern := range slices.Concat(w.Applications, w.Namespaces, w.Clusters) {
		if p := plain(pattern); p.err != nil {
			return p.err
		}
	}
	_, err := calendarOf(w)
	return err
}

// WindowOpen reports whether a window is open at that time, whomever it concerns, or why it cannot be told.
func WindowOpen(w *v1alpha1.SyncWindow, at time.Time) (bool, error) {
	c, err := calendarOf(w)
	return err == nil && c.open(at), err
}

// Describe names a window as command lines do: kind, schedule and duration.
func Describe(w *v1alpha1.SyncWindow) string { return w.Kind + ":" + w.Schedule + ":" + w.Duration }

// covers reports whether a window concerns the application: one of its lists selects it, or with andOperator all that
// are set do. A pattern that cannot be read makes that impossible to tell.
func covers(w *v1alpha1.SyncWindow, app *v1alpha1.Application) (bool, error) {
	d := app.Spec.Destination
	matched, lists := 0, 0
	for _, l := range []struct {
		patterns []string
		values   [2]string // of which an empty one is never selected
	}{
		{w.Applications, [2]string{app.Name}}, {w.Clusters, [2]string{d.Server, d.Name}}, {w.Namespaces, [2]string{d.Namespace}},
	} {
		if len(l.patterns) == 0 {
			continue
		}
		lists++
		selected, err := selects(l.patterns, l.values)
		if err != nil {
			return false, err
		}
		if selected {
			matched++
		}
	}
	if w.UseAndOperator {
		return lists > 0 && matched == lists, nil
	}
	return matched > 0, nil
}

func selects(patterns []string, values [2]string) (bool, error) {
	found := false
	for _, text := range patterns {
		p := plain(text)
		if p.err != nil {
			return false, p.err
		}
		for _, v := range values {
			found = found || v != "" && p.matches(v)
		}
	}
	return found, nil
}

// Sync is what windows judge.
type Sync struct {
	// Manual says that a person asked for it.
	Manual bool
	// Began is when it did, zero for one that is to begin.
	Began time.Time
}

// Verdict is what windows say of a sync at one time.
type Verdict struct {
	Allowed bool
	// Why names the windows that forbid it. The same windows give the same text: there are no times in it.
	Why string
	// Again is when to ask again about a sync that is not allowed, because it may be then; zero when that is not in sight.
	Again time.Time
}

// Window says whether the project's windows permit a sync of the application now.
func (p *Project) Window(app *v1alpha1.Application, sync Sync, now time.Time) Verdict {
	if len(p.windows) == 0 {
		return Verdict{Allowed: true}
	}
	return p.Windows(app).Judge(sync, now)
}

// Judge says whether the windows permit a sync now.
func (w Windows) Judge(sync Sync, now time.Time) Verdict {
	if w.invalid != nil {
		return Verdict{Why: w.invalid.Error()}
	}
	open := w.openAt(now)
	if w.permits(open, sync.Manual, w.overrun(sync)) {
		return Verdict{Allowed: true}
	}
	v := Verdict{Why: w.why(open)}
	v.Again, _ = w.Change(sync, now)
	return v
}

// Change returns the next time at which the verdict is another one than now; zero when none is in sight. When the search
// was not brought to its end, which certain tells, the verdict stays until then, and may stay after it.
func (w Windows) Change(sync Sync, now time.Time) (at time.Time, certain bool) {
	if w.invalid != nil {
		return time.Time{}, true
	}
	overrun, open := w.overrun(sync), w.openAt(now)
	allowed := w.permits(open, sync.Manual, overrun)
	return w.search(open, now, func(open []bool) bool { return w.permits(open, sync.Manual, overrun) != allowed })
}

// overrun reports whether a sync began when it was permitted.
func (w Windows) overrun(sync Sync) bool {
	return !sync.Began.IsZero() && w.permits(w.openAt(sync.Began), sync.Manual, false)
}

// Invalid is the error about the first window that cannot be read.
func (w Windows) Invalid() error { return w.invalid }

// Assigned names the windows.
func (w Windows) Assigned() []string {
	out := make([]string, len(w.list))
	for i := range w.list {
		out[i] = Describe(w.list[i].SyncWindow)
	}
	return out
}

func (w Windows) openAt(at time.Time) []bool {
	open := make([]bool, len(w.list))
	for i := range w.list {
		open[i] = w.list[i].calendar.open(at)
	}
	return open
}

// permits is the rule of all windows together. Overrun says that the sync began when it was permitted.
func (w Windows) permits(open []bool, manual, overrun bool) bool {
	pass := func(of []window) bool {
		return manual && all(of, func(w window) bool { return w.ManualSync }) ||
			overrun && all(of, func(w window) bool { return w.SyncOverrun })
	}
	var denying, closed []window
	allowing := false
	for i := range w.list {
		switch {
		case w.list[i].Kind == denyWindow && open[i]:
			denying = append(denying, w.list[i])
		case w.list[i].Kind == allowWindow && open[i]:
			allowing = true
		case w.list[i].Kind == allowWindow:
			closed = append(closed, w.list[i])
		}
	}
	switch {
	case len(denying) > 0:
		return pass(denying)
	case allowing || len(closed) == 0:
		return true
	}
	return pass(closed)
}

func all(of []window, f func(window) bool) bool {
	return !slices.ContainsFunc(of, func(w window) bool { return !f(w) })
}

// why names the windows in the way.
func (w Windows) why(open []bool) string {
	name := func(kind string, isOpen bool) []string {
		var out []string
		for i := range w.list {
			if w.list[i].Kind == kind && open[i] == isOpen {
				out = append(out, clip(Describe(w.list[i].SyncWindow)))
			}
		}
		if more := len(out) - rulesNamed; more > 0 {
			out = append(out[:rulesNamed], fmt.Sprintf("%d more", more))
		}
		return out
	}
	if deny := name(denyWindow, true); len(deny) > 0 {
		return fmt.Sprintf("open in project %s: %s", w.project, strings.Join(deny, ", "))
	}
	return fmt.Sprintf("not open in project %s: %s", w.project, strings.Join(name(allowWindow, false), ", "))
}

// mostChanges bounds how many openings and closings a search goes through.
const mostChanges = 200

// search returns the next time at which the windows are open and closed in a way that another verdict follows from.
func (w Windows) search(open []bool, now time.Time, differs func(open []bool) bool) (at time.Time, certain bool) {
	due := make([]change, len(w.list))
	for i := range w.list {
		due[i] = w.list[i].calendar.change(now)
	}
	for range mostChanges {
		at = time.Time{}
		for _, d := range due {
			if !d.at.IsZero() && (at.IsZero() || d.at.Before(at)) {
				at = d.at
			}
		}
		if at.IsZero() {
			return at, true
		}
		for i := range due {
			if due[i].at.IsZero() || due[i].at.After(at) {
				continue
			}
			if due[i].vague {
				return at, false
			}
			open[i] = !open[i]
			due[i] = w.list[i].calendar.change(at)
		}
		if differs(open) {
			return at, true
		}
	}
	return at, false
}
