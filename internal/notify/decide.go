package notify

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// memory is what is known of one application's notifications.
type memory struct {
	// sent is the record, as the annotation has it or will have it.
	sent record
	// pending are messages that are on their way, resolving those of them that end what was sent, failed what no service took.
	pending, resolving, failed map[string]bool
	// since is when a condition began to hold that has to hold for some time.
	since map[string]time.Time
	// general are the subscriptions of the ConfigMap that were there at the last look.
	general map[Subscription]bool
}

func newMemory(annotation string) *memory {
	return &memory{sent: parseRecord(annotation), pending: map[string]bool{}, resolving: map[string]bool{}, failed: map[string]bool{}, since: map[string]time.Time{}}
}

// knows reports whether nothing is to be sent under a key.
func (m *memory) knows(key string) bool {
	if m.pending[key] || m.failed[key] {
		return true
	}
	_, sent := m.sent[key]
	return sent && !m.resolving[key]
}

// due is a message that is to be sent.
type due struct {
	key       string
	trigger   string
	to        Destination
	templates []string
	// resolved says that the message ends what was sent.
	resolved bool
}

// decision is what follows from a look at an application.
type decision struct {
	send []due
	// changed says that the record did.
	changed bool
	// wake is when to look again, though nothing changes; zero for never.
	wake time.Time
	// timed says that some condition asks for the time.
	timed bool
	// results are what was evaluated, by trigger.
	results map[string][]Result
}

// decide looks at an application: what holds and is not known is to be sent; what does not hold any more is forgotten, and its end
// told. With quiet, what holds counts as sent: nobody wants to hear of what was so before he asked.
func (c *Config) decide(m *memory, subscriptions []Subscription, vars map[string]any, now time.Time, quiet bool) decision {
	d := decision{results: map[string][]Result{}}
	general := map[Subscription]bool{}
	for _, s := range subscriptions {
		if s.General {
			general[s] = true
		}
		results, ok := d.results[s.Trigger]
		if !ok {
			results, _ = c.Run(s.Trigger, vars) // subscriptions name triggers that there are
			d.results[s.Trigger] = results
		}
		silent := quiet || s.General && m.general != nil && !m.general[s]
		for i := range results {
			c.judge(m, &d, s, &results[i], judging{vars, now, silent})
		}
	}
	m.general = general
	return d
}

type judging struct {
	vars   map[string]any
	now    time.Time
	silent bool
}

func (c *Config) judge(m *memory, d *decision, s Subscription, r *Result, j judging) {
	key := recordKey(s, r)
	d.timed = d.timed || r.timed
	if !r.Triggered {
		delete(m.since, key)
		c.end(m, d, s, r, j)
		return
	}
	if m.knows(key) {
		return
	}
	if j.silent {
		m.sent[key], d.changed = j.now.Unix(), true
		return
	}
	if r.hold > 0 {
		since, held := m.since[key]
		if !held {
			since = j.now
			m.since[key] = since
		}
		if due := since.Add(r.hold); due.After(j.now) {
			if d.wake.IsZero() || due.Before(d.wake) {
				d.wake = due
			}
			return
		}
		delete(m.since, key)
	}
	m.pending[key] = true
	d.send = append(d.send, due{key: key, trigger: s.Trigger, to: s.Destination, templates: r.send})
}

// end forgets what holds no more. What holds once for a value is remembered, unless the trigger says when it is over.
func (c *Config) end(m *memory, d *decision, s Subscription, r *Result, j judging) {
	if r.oncePer != nil && r.until == nil {
		return
	}
	keys := m.under(baseKey(s, r))
	if len(keys) == 0 {
		return
	}
	if r.until != nil {
		if over, err := holds(r.until, j.vars); err != nil || !over {
			return
		}
	}
	for _, key := range keys {
		m.over(d, due{key: key, trigger: s.Trigger, to: s.Destination, templates: r.resolved, resolved: true})
	}
}

// under returns what was sent or is on its way of one condition to one destination, whatever value it was once for.
func (m *memory) under(base string) []string {
	var keys []string
	for _, known := range []iter.Seq[string]{maps.Keys(m.sent), maps.Keys(m.pending), maps.Keys(m.failed)} {
		for key := range known {
			if key == base || strings.HasSuffix(key, ":"+base) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// over forgets a key, after its end was told where somebody wants to know.
func (m *memory) over(d *decision, end due) {
	switch {
	case m.resolving[end.key]:
	case len(end.templates) > 0 && !m.failed[end.key]:
		// The record keeps it until its end is told, so that a crash does not swallow that.
		m.resolving[end.key] = true
		delete(m.pending, end.key)
		d.send = append(d.send, end)
	default:
		if _, sent := m.sent[end.key]; sent {
			delete(m.sent, end.key)
			d.changed = true
		}
		delete(m.pending, end.key)
		delete(m.failed, end.key)
	}
}

// delivered notes how a message fared, and reports whether the record changed. One that no service took is not tried again until
// what it tells of has ended.
func (m *memory) delivered(d due, ok bool, now time.Time) (changed bool) {
	switch {
	case d.resolved:
		delete(m.resolving, d.key)
		if !m.pending[d.key] {
			_, changed = m.sent[d.key]
			delete(m.sent, d.key)
		}
	case m.pending[d.key]:
		delete(m.pending, d.key)
		if !ok {
			m.failed[d.key] = true
			break
		}
		m.sent[d.key], changed = now.Unix(), true
	}
	return changed
}
