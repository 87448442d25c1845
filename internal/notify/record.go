package notify

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
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
	key := s.Trigger + ":" + r.id + ":" + s.Service + ":" + s.Recipient
	if r.OncePer != "" {
		return r.OncePer + ":" + key
	}
	return key
}
