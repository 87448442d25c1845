package waive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/fault"
)

// Baseline is the set of the fingerprints of findings that were there before.
type Baseline map[string]bool

// entry is one finding. What is besides the fingerprint is for people.
type entry struct {
	Fingerprint string `json:"fingerprint"`
	Rule        string `json:"rule"`
	Object      string `json:"object,omitempty"`
	File        string `json:"file,omitempty"`
}

// ParseBaseline reads what WriteBaseline wrote.
func ParseBaseline(name string, data []byte) (Baseline, error) {
	var file struct {
		Version  int     `json:"version"`
		Findings []entry `json:"findings"`
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, fault.New(fault.Invalid, "%s: read the baseline: %w", name, err)
	}
	if file.Version != 1 {
		return nil, fault.New(fault.Invalid, "%s: baseline of version %d, this program reads version 1; write it anew", name, file.Version)
	}
	b := Baseline{}
	for i, f := range file.Findings {
		if f.Fingerprint == "" {
			return nil, fault.New(fault.Invalid, "%s: finding %d has no fingerprint", name, i+1)
		}
		b[f.Fingerprint] = true
	}
	return b, nil
}

// WriteBaseline returns a baseline of all that counts in a report. What a baseline cannot accept is not in it: rules under
// nonWaivable, and what is wrong with acceptances.
func WriteBaseline(r *check.Report, repo *check.Repository) ([]byte, error) {
	var lines []string
	for _, result := range slices.Concat(r.Results, r.Suppressed) {
		accepted := result.Suppression != nil && result.Suppression.By != check.ByBaseline
		if accepted || own(result.Rule.ID) || repo != nil && repo.NonWaivable(result.Rule.ID) {
			continue
		}
		e := entry{Rule: result.Rule.ID, File: result.Place.File}
		if len(result.Objects) > 0 {
			e.Object = result.Objects[0].String()
		}
		for _, print := range result.Fingerprints {
			e.Fingerprint = print
			line, err := json.Marshal(e)
			if err != nil {
				return nil, fmt.Errorf("write the baseline: %w", err)
			}
			lines = append(lines, "    "+string(line))
		}
	}
	slices.Sort(lines)
	lines = slices.Compact(lines)
	if len(lines) == 0 {
		return []byte("{\"version\": 1, \"findings\": []}\n"), nil
	}
	return []byte("{\n  \"version\": 1,\n  \"findings\": [\n" + strings.Join(lines, ",\n") + "\n  ]\n}\n"), nil
}
