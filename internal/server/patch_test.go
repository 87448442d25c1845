package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/belaycd/belay/internal/fault"
)

const patched = `{"metadata":{"name":"shop","labels":{"a":"b"}},"spec":{"project":"dev","sources":[{"path":"x"}]}}`

// TestPatchBombs: a short patch must not make something large.
func TestPatchBombs(t *testing.T) {
	var copies []string
	for i := range 40 {
		copies = append(copies, fmt.Sprintf(`{"op":"copy","from":"/metadata","path":"/metadata/labels/copy%d"}`, i))
	}
	for name, patch := range map[string]string{
		"copies of copies": `[` + strings.Join(copies, ",") + `]`,
		"many operations":  `[` + strings.Repeat(`{"op":"test","path":"/spec/project","value":"dev"},`, maxPatchOperations) + `{"op":"remove","path":"/spec"}]`,
	} {
		out, err := applyPatch([]byte(patched), []byte(patch), "json")
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
	few := fmt.Sprintf(`[%s,{"op":"add","path":"/spec/sources/-","value":{"path":"y"}}]`, copies[0])
	out, err := applyPatch([]byte(patched), []byte(few), "")
	if err != nil || !strings.Contains(string(out), `"copy0":{`) || !strings.Contains(string(out), `"path":"y"`) {
		t.Errorf("a few operations: %s %v", out, err)
	}
}

// FuzzPatch: whatever a patch says, it gives JSON in bounds or is refused as the caller's mistake.
func FuzzPatch(f *testing.F) {
	f.Add(`[{"op":"add","path":"/metadata/labels/x","value":"y"}]`, "json")
	f.Add(`[{"op":"copy","from":"","path":"/spec/x"},{"op":"move","from":"/spec","path":"/spec/sources/0"}]`, "")
	f.Add(`[{"op":"remove","path":"/spec/sources/-1"},{"op":"test","path":"/a~1b","value":null}]`, "json")
	f.Add(`{"spec":null,"metadata":{"labels":{"a":null}}}`, "merge")
	f.Add(`[]`, "strategic")
	f.Fuzz(func(t *testing.T, patch, kind string) {
		out, err := applyPatch([]byte(patched), []byte(patch), kind)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%v", err)
			}
			return
		}
		if !json.Valid(out) || len(out) > maxPatchCopies+len(patch)*2+len(patched) {
			t.Errorf("%d bytes of a patch of %d: %.200s", len(out), len(patch), out)
		}
	})
}

// FuzzResume: whatever a caller says where a stream broke off, it is one place or none, and a subscriber begins there or anew.
func FuzzResume(f *testing.F) {
	for _, text := range []string{"", "0", "1", "18446744073709551615", "-1", "1e3", " 7", "007", "18446744073709551616"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		after := versionOf(text)
		feed := &feed{stop: func() {}, since: 5, recent: []change{{version: 6}, {version: 9}}}
		s, resumed := feed.subscribe(after)
		missed := len(s.changes)
		feed.end()
		switch {
		case !resumed && missed != 0:
			t.Errorf("%q begins anew with %d changes", text, missed)
		case resumed && after < 5:
			t.Errorf("%q goes on before what is remembered", text)
		case resumed && missed != map[bool]int{true: 2}[after < 6]+map[bool]int{true: 1}[after >= 6 && after < 9]:
			t.Errorf("%q misses %d changes", text, missed)
		}
	})
}
