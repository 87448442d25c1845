package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// result is one measured value.
type result struct {
	Measure string    `json:"measure"`
	Value   float64   `json:"value"`
	Unit    string    `json:"unit"`
	Limit   float64   `json:"limit,omitempty"`
	Ratio   float64   `json:"ratio,omitempty"`
	Budget  string    `json:"budget,omitempty"`
	OK      *bool     `json:"ok,omitempty"`
	Runs    []float64 `json:"runs,omitempty"`
	Note    string    `json:"note,omitempty"`
}

// report collects results; the limits of the same run are known at the end only.
type report struct {
	progress io.Writer
	results  []result
}

func (r *report) add(res result) {
	r.results = append(r.results, res)
	fmt.Fprintf(r.progress, "%-16s %10.3f %s\n", res.Measure, res.Value, res.Unit)
}

// judge lays the limits and budgets beside the results.
func (r *report) judge(w workload, l limits) {
	of := map[string]float64{
		"cold.time": l.Cold, "all.live": l.All, "all.time": l.All, "one.time": l.One, "drift.time": l.One,
		"cold.server": l.ColdCPU, "all.server": l.AllCPU,
	}
	for i := range r.results {
		res := &r.results[i]
		if limit := of[res.Measure]; limit > 0 {
			res.Limit, res.Ratio = limit, res.Value/limit
		}
		b, ok := budgets(w)[res.Measure]
		if !ok {
			continue
		}
		value := res.Value
		res.Budget = fmt.Sprintf("%g %s", b.most, res.Unit)
		if b.ofLimit {
			value, res.Budget = res.Ratio, fmt.Sprintf("%gx limit", b.most)
		}
		fits := value <= b.most
		res.OK = &fits
	}
}

// budget is the most that a value may be: in its unit, or as a multiple of the limit.
type budget struct {
	most    float64
	ofLimit bool
}

// budgets are those of the two workloads that Belay is built against; other sizes have none.
func budgets(w workload) map[string]budget {
	abs := func(most float64) budget { return budget{most: most} }
	switch {
	case w.apps == 100 && w.objects == 10:
		return map[string]budget{
			"cold.time": {3, true}, "cold.cpu": abs(8), "cold.peak": abs(150),
			"one.time": abs(.3), "one.cpu": abs(.3),
			"all.time": abs(2), "all.cpu": abs(4), "drift.time": abs(.05),
			"idle.cpu": abs(.1), "idle.writes": abs(0), "idle.memory": abs(120),
		}
	case w.apps == 1000 && w.objects == 4:
		return map[string]budget{
			"cold.time": abs(30), "cold.cpu": abs(40), "cold.peak": abs(400),
			"idle.cpu": abs(.3), "idle.writes": abs(0), "one.time": abs(.3), "one.cpu": abs(.5),
		}
	}
	return nil
}

// lines writes the results as JSON, one a line.
func (r *report) lines(out io.Writer) error {
	enc := json.NewEncoder(out)
	for _, res := range r.results {
		if err := enc.Encode(res); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	return nil
}

// table writes the results for people.
func (r *report) table(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MEASURE\tVALUE\tLIMIT\tRATIO\tBUDGET\tOK\tNOTE")
	for _, res := range r.results {
		limit, ratio, ok := "-", "-", "-"
		if res.Limit > 0 {
			limit, ratio = fmt.Sprintf("%.3f %s", res.Limit, res.Unit), fmt.Sprintf("%.1fx", res.Ratio)
		}
		if res.OK != nil {
			ok = map[bool]string{true: "yes", false: "NO"}[*res.OK]
		}
		budget := res.Budget
		if budget == "" {
			budget = "-"
		}
		note := res.Note
		if len(res.Runs) > 0 {
			note = spanOf(res.Runs) + "; " + note
		}
		fmt.Fprintf(t, "%s\t%.3f %s\t%s\t%s\t%s\t%s\t%s\n", res.Measure, res.Value, res.Unit, limit, ratio, budget, ok, strings.TrimSuffix(note, "; "))
	}
	return t.Flush()
}

func spanOf(runs []float64) string {
	low, high := runs[0], runs[0]
	for _, v := range runs {
		low, high = min(low, v), max(high, v)
	}
	return fmt.Sprintf("median of %d, %.3f-%.3f", len(runs), low, high)
}
