package project

import (
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// calendar says when a window is open: for a duration after each time of a schedule. Both are read off the clock on the
// wall of the zone, as Argo CD does: a window from ten to six ends at six in the night in which the clock is put forward.
type calendar struct {
	schedule cron.Schedule
	duration time.Duration
	zone     *time.Location
	daily    bool // the schedule is the same on each day
}

// maxSchedule bounds the text of a schedule.
const maxSchedule = 500

func calendarOf(w *v1alpha1.SyncWindow) (calendar, error) {
	if w.Kind != allowWindow && w.Kind != denyWindow {
		return calendar{}, fault.New(fault.Invalid, "kind %q is neither allow nor deny", clip(w.Kind))
	}
	// The parser takes a time zone in the schedule too, which timeZone is for, and does not survive all of them.
	if len(w.Schedule) > maxSchedule || strings.Contains(w.Schedule, "=") {
		return calendar{}, fault.New(fault.Invalid, "schedule %q has not the five fields of cron: minute, hour, day, month, weekday", clip(w.Schedule))
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	schedule, err := parser.Parse(w.Schedule)
	if err != nil {
		return calendar{}, fault.New(fault.Invalid, "schedule %q: %s", clip(w.Schedule), clip(err.Error()))
	}
	duration, err := time.ParseDuration(w.Duration)
	if err != nil || duration <= 0 {
		return calendar{}, fault.New(fault.Invalid, "duration %q is no span of time, such as 90m or 8h", clip(w.Duration))
	}
	zone, err := time.LoadLocation(w.TimeZone)
	if err != nil || zone == time.Local {
		return calendar{}, fault.New(fault.Invalid, "timeZone %q is not known; write for example Europe/Berlin", clip(w.TimeZone))
	}
	daily := true
	for _, field := range strings.Fields(w.Schedule)[2:] {
		daily = daily && (field == "*" || field == "?")
	}
	return calendar{schedule: schedule, duration: duration, zone: zone, daily: daily}, nil
}

// wall returns what the clock of the zone shows, as a time in UTC, and when it is put forward or back next; zero for never.
func (c calendar) wall(at time.Time) (shown, until time.Time) {
	local := at.In(c.zone)
	_, offset := local.Zone()
	_, until = local.ZoneBounds()
	return at.UTC().Add(time.Duration(offset) * time.Second), until
}

// open reports whether the window is open: the schedule fired, and that is no longer ago than the duration.
func (c calendar) open(at time.Time) bool {
	shown, _ := c.wall(at)
	fired := c.schedule.Next(shown.Add(-c.duration)) // zero when it never does
	return !fired.IsZero() && !fired.After(shown)
}

// mostShifts bounds how many times the clock is put forward or back in a search: a schedule that does not fire in the years
// between never does.
const mostShifts = 16

// change is when a window opens or closes; zero for never. Of a vague one it is known only that it stays open until then.
type change struct {
	at    time.Time
	vague bool
}

// change returns when the window opens or closes next.
func (c calendar) change(at time.Time) change {
	was := c.open(at)
	for range mostShifts {
		shown, until := c.wall(at)
		next := change{at: c.schedule.Next(shown)}
		if was {
			next = c.closes(shown)
		}
		if !next.at.IsZero() {
			next.at = at.Add(next.at.Sub(shown))
		}
		switch {
		case until.IsZero(), !next.at.IsZero() && next.at.Before(until):
			return next
		case c.open(until) != was:
			return change{at: until}
		}
		at = until
	}
	return change{}
}

// inSight is how far ahead a closing is looked for, as far as the schedule looks for its next time.
const inSight = 5 * 366 * 24 * time.Hour

// mostFirings bounds the times of a schedule that a search for a closing goes through. They are more than those of two days.
const mostFirings = 3000

// closes returns when a window that is open closes, on the clock on the wall: a duration after the last time of the schedule
// that comes before the window would have closed.
func (c calendar) closes(shown time.Time) change {
	fired := c.schedule.Next(shown.Add(-c.duration))
	end := fired.Add(c.duration)
	for range mostFirings {
		fired = c.schedule.Next(fired)
		if fired.IsZero() || fired.After(end) {
			return change{at: end}
		}
		if ahead := fired.Sub(shown); c.daily && ahead > 48*time.Hour || ahead > inSight {
			return change{} // where there is no gap in a day, there is none in any
		}
		end = fired.Add(c.duration)
	}
	return change{at: end, vague: true}
}
