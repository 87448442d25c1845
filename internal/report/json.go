package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// formatVersion of the JSON document grows when a field goes or changes its meaning; new fields do not count.
const formatVersion = 1

type jsonReport struct {
	FormatVersion int             `json:"formatVersion"`
	Tool          jsonTool        `json:"tool"`
	Judged        jsonJudged      `json:"judged"`
	Counts        jsonCounts      `json:"counts"`
	Results       []jsonResult    `json:"results"`
	Suppressed    []jsonResult    `json:"suppressed"`
	Skipped       []check.Skipped `json:"skipped"`
}

type jsonTool struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type jsonJudged struct {
	Units   int `json:"units"`
	Objects int `json:"objects"`
	// Unchanged units are the same at the base revision.
	Unchanged int      `json:"unchanged"`
	Rules     []string `json:"rules"`
}

type jsonCounts struct {
	Errors     int `json:"errors"`
	Warnings   int `json:"warnings"`
	Notes      int `json:"notes"`
	Suppressed int `json:"suppressed"`
	Skipped    int `json:"skipped"`
}

type jsonResult struct {
	Rule        string           `json:"rule"`
	Severity    check.Severity   `json:"severity"`
	Message     string           `json:"message"`
	Why         string           `json:"why"`
	Fix         string           `json:"fix"`
	Help        string           `json:"help"`
	Place       check.Place      `json:"place"`
	Path        string           `json:"path,omitempty"`
	Objects     []jsonObject     `json:"objects"`
	Units       []string         `json:"units"`
	Fingerprint string           `json:"fingerprint"`
	Suppression *jsonSuppression `json:"suppression,omitempty"`
}

type jsonObject struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

type jsonSuppression struct {
	By     check.SuppressedBy `json:"by"`
	Reason string             `json:"reason"`
	Owner  string             `json:"owner,omitempty"`
}

func writeJSON(out *bufio.Writer, r *check.Report, o *Options) error {
	total := count(r.Results)
	doc := jsonReport{
		FormatVersion: formatVersion, Tool: jsonTool{Name: "belay", Version: o.Version},
		Judged:  jsonJudged{Units: r.Units, Objects: r.Objects, Unchanged: r.Unchanged, Rules: []string{}},
		Counts:  jsonCounts{Errors: total[check.Error], Warnings: total[check.Warning], Notes: total[check.Note], Suppressed: len(r.Suppressed), Skipped: len(r.Skipped)},
		Results: jsonResults(r.Results, o), Suppressed: jsonResults(r.Suppressed, o), Skipped: []check.Skipped{},
	}
	for _, rule := range r.Rules {
		doc.Judged.Rules = append(doc.Judged.Rules, rule.ID)
	}
	for _, s := range r.Skipped {
		doc.Skipped = append(doc.Skipped, check.Skipped{Unit: s.Unit, Why: mask.Values(s.Why)})
	}
	return encode(out, doc)
}

func jsonResults(results []check.Result, o *Options) []jsonResult {
	list := []jsonResult{}
	for i := range results {
		r := &results[i]
		place := r.Place
		place.File = o.file(place)
		j := jsonResult{Rule: r.Rule.ID, Severity: r.Severity, Message: mask.Values(r.Message), Why: r.Rule.Why, Fix: mask.Values(r.Fix), Help: helpURL(r.Rule.ID),
			Place: place, Path: r.Path, Objects: []jsonObject{}, Units: append([]string{}, r.Units...), Fingerprint: r.Fingerprint}
		for _, ref := range r.Objects {
			j.Objects = append(j.Objects, jsonRef(ref))
		}
		if s := r.Suppression; s != nil {
			j.Suppression = &jsonSuppression{By: s.By, Reason: mask.Values(s.Reason), Owner: s.Owner}
		}
		list = append(list, j)
	}
	return list
}

func jsonRef(r object.Ref) jsonObject {
	return jsonObject{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}

func encode(out *bufio.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// readFile reads a file of at most a few megabytes: no manifest is longer, and an excerpt is worth no more.
func readFile(files fs.FS, name string) ([]byte, error) {
	if !fs.ValidPath(name) {
		return nil, fs.ErrInvalid
	}
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > 4<<20 {
		return nil, errors.New("no file for an excerpt")
	}
	return fs.ReadFile(files, name)
}
