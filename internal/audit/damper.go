package audit

import (
	"fmt"
	"time"
)

// Damper keeps refusals from driving everything else out of a record of bounded size: whoever is refused over and over is
// recorded once a minute, with how often that was; and in one minute only so many refusals are recorded at all. The zero value
// is ready. It is not safe for concurrent use.
type Damper struct {
	minute int64
	seen   map[string]int
	// left counts the refusals of this minute that were not recorded.
	left int
}

const mostRefusals = 60 // a minute

// Pass says whether to record an activity at that time. When a minute is over in which some were left out, also tells of
// those.
func (d *Damper) Pass(a *Activity, now time.Time) (pass bool, also *Activity) {
	if minute := now.Unix() / 60; minute != d.minute || d.seen == nil {
		also = d.rest(now)
		d.minute, d.seen, d.left = minute, map[string]int{}, 0
	}
	if a.Kind != KindDenied && a.Kind != KindLoginFailed {
		return true, also
	}
	key := a.Kind + "\n" + a.Actor + "\n" + a.Address + "\n" + a.Text
	if d.seen[key] > 0 || len(d.seen) >= mostRefusals {
		d.left++
		return false, also
	}
	d.seen[key]++
	return true, also
}

func (d *Damper) rest(now time.Time) *Activity {
	if d.left == 0 {
		return nil
	}
	a := &Activity{Kind: KindDenied, Outcome: Denied, Text: fmt.Sprintf("%d more refusals like the ones before", d.left)}
	a.Time.Time = now
	return a
}
