package project

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
)

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// TestCalendar: when a window is open, and when that changes next. November 23, 2026 is a Monday.
func TestCalendar(t *testing.T) {
	for _, c := range []struct {
		name, schedule, duration, zone, at string
		open                               bool
		next                               string // "" for never
	}{
		{"open", "0 12 * * *", "1h", "", "2026-11-23T12:30:00Z", true, "2026-11-23T13:00:00Z"},
		{"at the opening", "0 12 * * *", "1h", "", "2026-11-23T12:00:00Z", true, "2026-11-23T13:00:00Z"},
		{"at the closing", "0 12 * * *", "1h", "", "2026-11-23T13:00:00Z", false, "2026-11-24T12:00:00Z"},
		{"between two seconds", "0 12 * * *", "1h", "", "2026-11-23T11:59:59.5Z", false, "2026-11-23T12:00:00Z"},
		{"over the end of a week", "0 22 * * 5", "80h", "", "2026-11-23T12:30:00Z", true, "2026-11-24T06:00:00Z"},
		{"closed since", "0 22 * * 5", "60h", "", "2026-11-23T12:30:00Z", false, "2026-11-27T22:00:00Z"},
		{"zone", "0 13 * * *", "1h", "Europe/Berlin", "2026-11-23T12:30:00Z", true, "2026-11-23T13:00:00Z"},
		{"zone on the other side of the date", "0 8 * * 2", "1h", "Pacific/Auckland", "2026-11-23T19:10:00Z", true, "2026-11-23T20:00:00Z"},
		{"longer than the period", "0 * * * *", "90m", "", "2026-11-23T12:30:00Z", true, ""},
		{"always, in a zone with summer time", "* * * * *", "1m", "Europe/Berlin", "2026-11-23T12:30:00Z", true, ""},
		{"longer than a year", "0 0 1 1 *", "9000h", "", "2026-11-23T12:30:00Z", true, ""},
		{"touching each other", "0 8,9,10 * * *", "1h", "", "2026-11-23T08:30:00Z", true, "2026-11-23T11:00:00Z"},
		{"never fires", "0 0 30 2 *", "1h", "", "2026-11-23T12:30:00Z", false, ""},
		{"never fires, in a zone with summer time", "0 0 30 2 *", "1h", "Europe/Berlin", "2026-11-23T12:30:00Z", false, ""},
		{"leap day", "0 0 29 2 *", "1h", "", "2026-11-23T12:30:00Z", false, "2028-02-29T00:00:00Z"},
		// The clock on the wall counts: from ten to six, in the shorter night as in the longer one.
		{"before the clock is put forward", "0 22 * * *", "8h", "Europe/Berlin", "2026-03-28T22:00:00Z", true, "2026-03-29T04:00:00Z"},
		{"before the clock is put back", "0 22 * * *", "8h", "Europe/Berlin", "2026-10-24T21:00:00Z", true, "2026-10-25T05:00:00Z"},
		{"an opening that the clock skips", "30 2 * * *", "2h", "Europe/Berlin", "2026-03-29T00:30:00Z", false, "2026-03-29T01:00:00Z"},
		{"a window that the clock skips", "10 2 * * *", "30m", "Europe/Berlin", "2026-03-29T00:30:00Z", false, "2026-03-30T00:10:00Z"},
		{"an opening that comes twice", "30 2 * * *", "30m", "Europe/Berlin", "2026-10-25T00:45:00Z", true, "2026-10-25T01:00:00Z"},
		{"the second of them", "30 2 * * *", "30m", "Europe/Berlin", "2026-10-25T01:00:00Z", false, "2026-10-25T01:30:00Z"},
	} {
		w := &v1alpha1.SyncWindow{Kind: "deny", Schedule: c.schedule, Duration: c.duration, TimeZone: c.zone}
		cal, err := calendarOf(w)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		at, next := instant(t, c.at), ""
		if got := cal.open(at); got != c.open {
			t.Errorf("%s: open %t, want %t", c.name, got, c.open)
		}
		if ch := cal.change(at); !ch.at.IsZero() {
			next = ch.at.UTC().Format(time.RFC3339)
		}
		if next != c.next {
			t.Errorf("%s: changes at %q, want %q", c.name, next, c.next)
		}
	}
}

func TestVagueChange(t *testing.T) {
	// Minute by minute on weekdays: the search is not brought to its end, and does not say never.
	cal, err := calendarOf(&v1alpha1.SyncWindow{Kind: "allow", Schedule: "* * * * 1-5", Duration: "1m"})
	if err != nil {
		t.Fatal(err)
	}
	at := instant(t, "2026-11-23T00:00:00Z")
	ch := cal.change(at)
	if !ch.vague || !cal.open(ch.at) || ch.at.Sub(at) < 48*time.Hour {
		t.Errorf("change %+v", ch)
	}
	p := parse(t, `{syncWindows: [{kind: allow, schedule: "* * * * 1-5", duration: 1m, applications: ["*"]}]}`)
	if next, certain := p.Windows(valid()).Change(Sync{}, at); certain || !next.Equal(ch.at) {
		t.Errorf("change at %s, certain %t", next, certain)
	}
}

func TestWindowsThatConcern(t *testing.T) {
	for _, c := range []struct {
		window string
		want   int
	}{
		{`{applications: ["w*"]}`, 1}, {`{applications: [api]}`, 0}, {`{}`, 0}, {`{andOperator: true}`, 0},
		{`{applications: [api], namespaces: [prod]}`, 1},
		{`{applications: [api], namespaces: [prod], andOperator: true}`, 0},
		{`{applications: [web], namespaces: [prod], andOperator: true}`, 1},
		{`{namespaces: [prod], andOperator: true}`, 1},
		{`{clusters: ["https://kubernetes.*"]}`, 1}, {`{clusters: ["*"]}`, 1},
		{`{clusters: [prod]}`, 0}, // the application names its cluster by the address
		{`{clusters: [""]}`, 0},
		{`{namespaces: ["{prod,staging}"]}`, 1},
	} {
		spec := `{syncWindows: [null, ` + strings.Replace(c.window, "{", `{kind: deny, schedule: "* * * * *", duration: 1h, `, 1) + `]}`
		if got := len(parse(t, spec).Windows(valid()).Assigned()); got != c.want {
			t.Errorf("%s: %d windows, want %d", c.window, got, c.want)
		}
	}
}

// TestJudge goes through the rules of Argo CD for windows that are open and closed together. A sync began at 11:00, it is noon.
func TestJudge(t *testing.T) {
	const (
		always, never = `"* * * * *", duration: 1h`, `"0 0 30 2 *", duration: 1h`
		until         = `"0 10 * * *", duration: 100m` // closed at 11:40
		since         = `"30 11 * * *", duration: 1h`  // open since 11:30
	)
	for _, c := range []struct {
		name    string
		windows []string // kind, schedule, options
		auto    bool
		manual  bool
		running bool // one that began at 11:00
		why     string
	}{
		{name: "none", auto: true, manual: true, running: true},
		{"deny", []string{"deny " + always}, false, false, false, "open in project shop: deny:* * * * *:1h"},
		{"deny that is closed", []string{"deny " + never}, true, true, true, ""},
		{"deny, by hand", []string{"deny " + always + ", manualSync: true"}, false, true, false, "open in project shop"},
		{"two denies, one of them by hand", []string{"deny " + always + ", manualSync: true", "deny " + since}, false, false, false, "open in project shop: deny:* * * * *:1h, deny:30 11 * * *:1h"},
		{"allow", []string{"allow " + always}, true, true, true, ""},
		{"allow that is closed", []string{"allow " + never}, false, false, false, "not open in project shop: allow:0 0 30 2 *:1h"},
		{"allow that is closed, by hand", []string{"allow " + never + ", manualSync: true"}, false, true, false, "not open"},
		{"one of two allows", []string{"allow " + never, "allow " + always}, true, true, true, ""},
		{"deny beats allow", []string{"allow " + always, "deny " + always}, false, false, false, "open in project shop: deny"},
		{"deny by hand does not ask allows", []string{"allow " + never, "deny " + always + ", manualSync: true"}, false, true, false, "open in project shop: deny"},

		{"no window, then deny with overrun", []string{"deny " + since + ", syncOverrun: true"}, false, false, true, "open"},
		{"no window, then deny", []string{"deny " + since}, false, false, false, "open"},
		{"two denies, one with overrun", []string{"deny " + since + ", syncOverrun: true", "deny " + since}, false, false, false, "open"},
		{"deny with overrun at the start too", []string{"deny " + always + ", syncOverrun: true"}, false, false, false, "open"},
		{"allow with overrun, then deny with overrun", []string{"allow " + until + ", syncOverrun: true", "deny " + since + ", syncOverrun: true"}, false, false, true, "open"},
		{"allow with overrun, then deny", []string{"allow " + until + ", syncOverrun: true", "deny " + since}, false, false, false, "open"},
		{"allow, then deny with overrun", []string{"allow " + until, "deny " + since + ", syncOverrun: true"}, false, false, true, "open"},
		{"allow with overrun ends", []string{"allow " + until + ", syncOverrun: true"}, false, false, true, "not open"},
		{"allow ends", []string{"allow " + until}, false, false, false, "not open"},
		{"two allows end, one with overrun", []string{"allow " + until + ", syncOverrun: true", "allow " + until}, false, false, false, "not open"},
	} {
		var list []string
		for _, w := range c.windows {
			kind, rest, _ := strings.Cut(w, " ")
			list = append(list, fmt.Sprintf(`{kind: %s, schedule: %s, applications: ["*"]}`, kind, rest))
		}
		p := parse(t, `{syncWindows: [`+strings.Join(list, ", ")+`]}`)
		now := instant(t, "2026-11-23T12:00:00Z")
		v := p.Window(valid(), Sync{}, now)
		if v.Allowed != c.auto || !strings.Contains(v.Why, c.why) || (v.Why == "") != c.auto {
			t.Errorf("%s: automated %+v", c.name, v)
		}
		if v := p.Window(valid(), Sync{Manual: true}, now); v.Allowed != c.manual {
			t.Errorf("%s: by hand %+v", c.name, v)
		}
		if v := p.Window(valid(), Sync{Began: now.Add(-time.Hour)}, now); v.Allowed != c.running {
			t.Errorf("%s: begun %+v", c.name, v)
		}
	}
}

// TestAgain: a sync that is not allowed is asked about again when it is, and not at every change of a window.
func TestAgain(t *testing.T) {
	for _, c := range []struct {
		name, windows string
		sync          Sync
		want          string
	}{
		{"deny closes", `{kind: deny, schedule: "0 12 * * *", duration: 1h, applications: ["*"]}`, Sync{}, "2026-11-23T13:00:00Z"},
		{"allow opens", `{kind: allow, schedule: "0 22 * * *", duration: 1h, applications: ["*"]}`, Sync{}, "2026-11-23T22:00:00Z"},
		{"allow that opens during a deny", `{kind: allow, schedule: "0 22 * * *", duration: 2h, applications: ["*"]}, {kind: deny, schedule: "0 21 * * *", duration: 2h, applications: ["*"]}`,
			Sync{}, "2026-11-23T23:00:00Z"},
		{"allow that is always denied but on Sunday", `{kind: allow, schedule: "0 22 * * *", duration: 1h, applications: ["*"]}, {kind: deny, schedule: "0 21 * * 1-6", duration: 3h, applications: ["*"]}`,
			Sync{}, "2026-11-29T22:00:00Z"},
		{"by hand earlier", `{kind: deny, schedule: "0 12 * * *", duration: 1h, applications: ["*"]}, {kind: deny, schedule: "0 12 * * *", duration: 3h, manualSync: true, applications: ["*"]}`,
			Sync{Manual: true}, "2026-11-23T13:00:00Z"},
		{"never", `{kind: allow, schedule: "0 0 30 2 *", duration: 1h, applications: ["*"]}`, Sync{}, ""},
		{"always denied", `{kind: deny, schedule: "* * * * *", duration: 1h, applications: ["*"]}`, Sync{}, ""},
		{"no allow outlives its deny", `{kind: allow, schedule: "0 * * * *", duration: 1m, applications: ["*"]}, {kind: deny, schedule: "59 * * * *", duration: 5m, applications: ["*"]}`, Sync{}, "later"},
	} {
		v := parse(t, `{syncWindows: [`+c.windows+`]}`).Window(valid(), c.sync, instant(t, "2026-11-23T12:30:00Z"))
		got := ""
		if !v.Again.IsZero() {
			got = v.Again.Format(time.RFC3339)
		}
		if v.Allowed || got != c.want && !(c.want == "later" && got > "2026-11-24") {
			t.Errorf("%s: %+v, want again at %q", c.name, v, c.want)
		}
	}
}

// TestWindowsThatCannotBeRead forbid everything that they concern, by name.
func TestWindowsThatCannotBeRead(t *testing.T) {
	long := strings.Repeat("1,", 400) + "1"
	for _, c := range []struct{ window, want string }{
		{`{kind: allow, schedule: "* * *", duration: 1h, applications: ["*"]}`, `schedule "* * *"`},
		{`{kind: allow, schedule: "@daily", duration: 1h, applications: ["*"]}`, `schedule "@daily"`},
		{`{kind: allow, schedule: "TZ=0", duration: 1h, applications: ["*"]}`, `schedule "TZ=0" has not the five fields`},
		{`{kind: allow, schedule: "CRON_TZ=Europe/Berlin 0 1 * * *", duration: 1h, applications: ["*"]}`, `has not the five fields`},
		{`{kind: allow, schedule: "60 * * * *", duration: 1h, applications: ["*"]}`, `schedule "60 * * * *"`},
		{`{kind: allow, schedule: "` + long + ` * * * *", duration: 1h, applications: ["*"]}`, `has not the five fields`},
		{`{kind: allow, duration: 1h, applications: ["*"]}`, `schedule ""`},
		{`{kind: allow, schedule: "* * * * *", duration: soon, applications: ["*"]}`, `duration "soon"`},
		{`{kind: allow, schedule: "* * * * *", duration: -1h, applications: ["*"]}`, `duration "-1h"`},
		{`{kind: allow, schedule: "* * * * *", duration: 3600, applications: ["*"]}`, `duration "3600"`},
		{`{kind: deny, schedule: "* * * * *", duration: 1h, timeZone: Mars/Base, applications: ["*"]}`, `timeZone "Mars/Base"`},
		{`{kind: deny, schedule: "* * * * *", duration: 1h, timeZone: Local, applications: ["*"]}`, `timeZone "Local"`},
		{`{kind: deny, schedule: "* * * * *", duration: 1h, timeZone: ../../etc/passwd, applications: ["*"]}`, `timeZone`},
		{`{kind: sometimes, schedule: "* * * * *", duration: 1h, applications: ["*"]}`, `kind "sometimes"`},
		{`{kind: deny, schedule: "0 0 30 2 *", duration: 1h, applications: ["["]}`, `glob "["`},
	} {
		p := parse(t, `{syncWindows: [{kind: allow, schedule: "* * * * *", duration: 1h, applications: ["*"]}, `+c.window+`]}`)
		v := p.Window(valid(), Sync{Manual: true}, instant(t, "2026-11-23T12:30:00Z"))
		if v.Allowed || !strings.Contains(v.Why, "spec.syncWindows[1] of AppProject shop (") || !strings.Contains(v.Why, c.want) || len(v.Why) > 600 {
			t.Errorf("%s: %+v", c.window, v)
		}
		check(t, p.Validate(valid()), []string{"SyncError: no sync starts, because a sync window cannot be read: spec.syncWindows[1] of AppProject shop ("})
		other := valid()
		other.Name = "other"
		if strings.Contains(c.window, `["*"]`) {
			narrow := parse(t, `{syncWindows: [`+strings.Replace(c.window, `["*"]`, `[web]`, 1)+`]}`)
			if v := narrow.Window(other, Sync{}, instant(t, "2026-11-23T12:30:00Z")); !v.Allowed {
				t.Errorf("%s concerns another application: %+v", c.window, v)
			}
		}
	}
}

func TestTooManyWindows(t *testing.T) {
	p := &v1alpha1.AppProject{}
	p.Name = "shop"
	for range 5000 {
		p.Spec.SyncWindows = append(p.Spec.SyncWindows, &v1alpha1.SyncWindow{Kind: "allow", Schedule: "*/2 * 1-30 * *", Duration: "1m", TimeZone: "Europe/Berlin", Applications: []string{"*"}})
	}
	if v := New(p).Window(valid(), Sync{}, instant(t, "2026-11-23T12:30:00Z")); v.Allowed || !strings.Contains(v.Why, "more than 200 windows") {
		t.Errorf("%+v", v)
	}
}

// FuzzWindow: whatever a window says, there is an answer, and a change that is announced comes then and not before.
func FuzzWindow(f *testing.F) {
	for _, seed := range []struct{ schedule, duration, zone string }{
		{"0 12 * * *", "1h", ""}, {"*/7 1-5 1,15 * 1-5", "3h20m", "Europe/Berlin"}, {"0 0 29 2 *", "48h", "America/Sao_Paulo"},
		{"TZ=", "1h", ""}, {"59 23 31 12 ?", "1ns", "Asia/Kathmandu"}, {"30 2 * * 0", "45m", "Australia/Lord_Howe"},
	} {
		f.Add(seed.schedule, seed.duration, seed.zone, int64(1795436000))
	}
	f.Fuzz(func(t *testing.T, schedule, duration, zone string, at int64) {
		w := &v1alpha1.SyncWindow{Kind: "allow", Schedule: schedule, Duration: duration, TimeZone: zone, Applications: []string{"*"}}
		cal, err := calendarOf(w)
		if err != nil {
			return
		}
		now := time.Unix(at%(1<<33), 0)
		next := cal.change(now)
		switch {
		case next.at.IsZero():
		case !next.at.After(now):
			t.Errorf("%+v changes at %s, which is not after %s", w, next.at, now)
		case !next.vague && cal.open(next.at) == cal.open(now):
			t.Errorf("%+v: no change at %s from %s", w, next.at, now)
		case cal.open(next.at.Add(-1)) != cal.open(now):
			t.Errorf("%+v changes before %s, from %s", w, next.at, now)
		}
	})
}
