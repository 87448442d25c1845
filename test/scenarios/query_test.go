package scenarios

import (
	"strings"
	"testing"
)

func TestQueries(t *testing.T) {
	app := map[string]any{
		"metadata": map[string]any{"annotations": map[string]any{"note": "x"}, "generation": int64(3)},
		"status": map[string]any{
			"sync":       map[string]any{"status": "Synced", "revision": "abc"},
			"health":     map[string]any{"status": "Healthy"},
			"conditions": []any{map[string]any{"type": "SyncError", "message": "one"}, map[string]any{"type": "SyncError", "message": "two"}},
			"resources":  []any{map[string]any{"kind": "Secret", "name": "token", "status": "Synced"}},
			"operationState": map[string]any{"phase": "Succeeded", "message": "done", "syncResult": map[string]any{
				"resources": []any{map[string]any{"kind": "Secret", "name": "token", "status": "Pruned"}}}},
		},
	}
	for _, tc := range []struct {
		in   any
		text string
		want bool
	}{
		{app, `synced and healthy and ended and succeeded and (running | not) and message == "done"`, true},
		{app, `at($REV)`, true},
		{app, `condition("SyncError") == "one\ntwo" and condition("ComparisonError") == ""`, true},
		{app, `resource("Secret"; "token").status == "Synced" and resource("Secret"; "other") == null`, true},
		{app, `result("Secret"; "token").status == "Pruned" and (results | length) == 1`, true},
		{app, `annotation("note") == "x" and .metadata.generation == 3`, true},
		{app, `.status.nothing`, false},
		{app, `empty`, false},
		{nil, `. == null`, true},
		{nil, `healthy or ended or running or succeeded`, false},
		{[]any{app}, `length == 1`, true},
	} {
		q, err := compile(tc.text, map[string]string{"REV": "abc"})
		if err != nil {
			t.Errorf("%s: %v", tc.text, err)
			continue
		}
		got, err := q.holds(t.Context(), tc.in)
		if err != nil || got != tc.want {
			t.Errorf("%s: %v, %v; want %v", tc.text, got, err, tc.want)
		}
	}
}

// TestNoQuery: what is no query, or has no end, is said.
func TestNoQuery(t *testing.T) {
	for text, want := range map[string]string{".a.(": "jq", "$NONE": "variable not defined: $NONE", " true": "write . != null"} {
		if _, err := compile(text, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{"last(range(infinite))": "did not end within", "def f: f; f": "did not end within", ". + 1": "cannot add"} {
		q, err := compile(text, nil)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if _, err := q.holds(t.Context(), map[string]any{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}
