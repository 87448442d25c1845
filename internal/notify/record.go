package notify

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// mostRecorded bounds the record of one application: the latest count.
const mostRecorded = 100

// record is what the annotation holds: what was sent -> when, in seconds of Unix. Keys are those of Argo CD, so that neither sends
// again what the other has sent.
type record map[string]int64

// parseRecord takes what cannot be read for nothing.
func parseRecord(text string) record {
	r := record{}
	if json.Unmarshal([]byte(text), &r) != nil || r == nil {
		return record{}
	}
	return r
}

// String is the annotation.
func (r record) String() string {
	if more := len(r) - mostRecorded; more > 0 {
		keys := slices.SortedFunc(maps.Keys(r), func(a, b string) int {
			if r[a] != r[b] {
				return int(r[a] - r[b])
			}
			return strings.Compare(a, b)
		})
		for _, key := range keys[:more] {
			delete(r, key)
		}
	}
	text, err := json.Marshal(r)
	if err != nil {
		return "{}" // cannot be: texts and numbers
	}
	return string(text)
}

func recordKey(s Subscription, r *Result) string {
	if r.OncePer != "" {
		return r.OncePer + ":" + baseKey(s, r)
	}
	return baseKey(s, r)
}

func baseKey(s Subscription, r *Result) string {
	return s.Trigger + ":" + r.id + ":" + s.Service + ":" + s.Recipient
}

// settle gathers what changes in records within a moment.
const settle = 200 * time.Millisecond

// recordAgain is how long a record that could not be written waits.
const recordAgain = 5 * time.Second

// writeRecords writes the records that changed, one request at a time, until ctx ends.
func (e *Engine) writeRecords(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.write:
		}
		pause(ctx, settle)
		if !e.flush(ctx) {
			pause(ctx, recordAgain)
			signal(e.write)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// flush writes all records that changed, and reports whether it could.
func (e *Engine) flush(ctx context.Context) bool {
	e.mu.Lock()
	type page struct {
		uid   types.UID
		value string
	}
	pages := map[types.NamespacedName]page{}
	for key := range e.dirty {
		if k := e.memories[key]; k != nil {
			pages[key] = page{k.uid, k.sent.String()}
		}
	}
	e.dirty = map[types.NamespacedName]bool{}
	e.mu.Unlock()
	good := true
	for key, p := range pages {
		err := e.Applications.Record(ctx, key, p.uid, p.value)
		if err == nil {
			continue
		}
		good = false
		if ctx.Err() == nil {
			e.Log.Warn("record what was sent", "application", key.String(), "error", err.Error())
		}
		e.mark(key)
	}
	return good
}
