package configmap

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/internal/audit"
)

const (
	prefix = "belay-audit-"
	// dataKey holds the lines.
	dataKey = "activities.jsonl"
	// Annotations of a chunk: the time of its latest activity, and its size.
	noteUntil = "belay.dev/audit-until"
	noteSize  = "belay.dev/audit-size"
)

// chunk is one ConfigMap of the record.
type chunk struct {
	number int
	name   string
	until  time.Time
	size   int64
}

func chunkName(number int) string {
	digits := strconv.Itoa(number)
	return prefix + strings.Repeat("0", max(0, 8-len(digits))) + digits
}

// numberOf reads the number in a name; false for a ConfigMap that somebody else made.
func numberOf(name string) (int, bool) {
	digits, found := strings.CutPrefix(name, prefix)
	if !found {
		return 0, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || chunkName(n) != name {
		return 0, false
	}
	return n, true
}

func chunksOf(items []metav1.PartialObjectMetadata) []chunk {
	out := make([]chunk, 0, len(items))
	for i := range items {
		n, ok := numberOf(items[i].Name)
		if !ok {
			continue
		}
		c := chunk{number: n, name: items[i].Name}
		if at, err := time.Parse(time.RFC3339, items[i].Annotations[noteUntil]); err == nil {
			c.until = at
		} else {
			c.until = items[i].CreationTimestamp.Time
		}
		if size, err := strconv.ParseInt(items[i].Annotations[noteSize], 10, 64); err == nil && size > 0 {
			c.size = size
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b chunk) int { return cmp.Compare(a.number, b.number) })
	return out
}

// encode writes an activity as a line. One that is too long loses what is long.
func encode(a audit.Activity) ([]byte, error) {
	line, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	if len(line) > longestLine {
		a.Text, a.Reason = shorten(a.Text), shorten(a.Reason)
		if len(a.Revisions) > 10 {
			a.Revisions = a.Revisions[:10]
		}
		if line, err = json.Marshal(a); err != nil {
			return nil, err
		}
	}
	return append(line, '\n'), nil
}

func shorten(text string) string {
	const most = 1000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + " (shortened)"
}

// decode reads the lines of a chunk. A line that is no activity keeps its place and is empty: positions in a chunk never
// move, because cursors name them.
func decode(text string) []audit.Activity {
	var out []audit.Activity
	for line := range strings.Lines(text) {
		var a audit.Activity
		if err := json.Unmarshal(bytes.TrimSpace([]byte(line)), &a); err != nil {
			a = audit.Activity{}
		}
		out = append(out, a)
	}
	return out
}

// cursor is a place in the record: the activity after which a page ended.
type cursor struct{ number, line int }

func (c cursor) String() string { return strconv.Itoa(c.number) + "." + strconv.Itoa(c.line) }

func parseCursor(text string) (cursor, bool) {
	number, line, found := strings.Cut(text, ".")
	n, errN := strconv.Atoi(number)
	l, errL := strconv.Atoi(line)
	return cursor{n, l}, found && errN == nil && errL == nil && n > 0 && l >= 0
}
