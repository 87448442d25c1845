package insight

import (
	"strings"
	"testing"
)

func TestLastLine(t *testing.T) {
	long := strings.Repeat("x", longestLog)
	for log, want := range map[string]string{
		"":                                   "",
		"starting\npanic: no database\n\n  ": "panic: no database",
		"one":                                "one",
		long:                                 long,
	} {
		if got, err := LastLine(strings.NewReader(log)); got != want || err != nil {
			t.Errorf("%.40q: %.40q, %v", log, got, err)
		}
	}
	if o := LastLines("web", true); o.Container != "web" || !o.Previous || *o.LimitBytes != longestLog {
		t.Errorf("%+v", o)
	}
}
