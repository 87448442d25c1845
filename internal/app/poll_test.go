package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/source"
)

// TestUse: an idle fleet is not listed again, and no change is missed.
func TestUse(t *testing.T) {
	listed := 0
	now := []source.Request{{RepoURL: "https://git.example.com/a"}}
	u := &use{gather: func() []source.Request { listed++; return now }}
	for range 3 {
		if d := cmp.Diff(now, u.requests()); d != "" {
			t.Fatal(d)
		}
	}
	if listed != 1 {
		t.Errorf("listed %d times", listed)
	}
	now = append(now, source.Request{RepoURL: "https://git.example.com/b"})
	u.changed()
	if d := cmp.Diff(now, u.requests()); d != "" || listed != 2 {
		t.Errorf("after a change: listed %d times %s", listed, d)
	}
}
