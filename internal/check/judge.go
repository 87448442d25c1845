package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/belaycd/belay/internal/object"
)

// Report is the judgement of a repository.
type Report struct {
	// Results are ordered by severity, file and line.
	Results []Result
	// Rules are all that were looked for, ordered by ID.
	Rules []Rule
	// Units and Objects count what was judged.
	Units, Objects int
	// Unchanged counts units that were not judged, because they are the same at the base revision or have nothing to do with
	// what was asked for.
	Unchanged int
	// Skipped tells what was not judged, and why.
	Skipped []Skipped
}

// Skipped is a unit that could not be judged here.
type Skipped struct {
	Unit string `json:"unit"`
	Why  string `json:"why"`
}

// Result is one defect, wherever it shows.
type Result struct {
	Rule     Rule
	Severity Severity
	Message  string
	Fix      string
	// Place is the cause.
	Place Place
	// Path is the field of Objects.
	Path string
	// Objects are where the defect shows, Units what they belong to, both ordered and without duplicates.
	Objects []object.Ref
	Units   []string
	// Fingerprint names the defect across revisions: no line, commit or author is in it.
	Fingerprint string
	// prints are the fingerprints of all that was merged into this result.
	prints []string
}

// NewAgainst returns the report without the results that the base has too: a defect that shows in one more place is new.
func (r *Report) NewAgainst(base *Report) *Report {
	known := map[string]bool{}
	for i := range base.Results {
		for _, print := range base.Results[i].prints {
			known[print] = true
		}
	}
	out := *r
	out.Results = slices.DeleteFunc(slices.Clone(r.Results), func(result Result) bool {
		return !slices.ContainsFunc(result.prints, func(print string) bool { return !known[print] })
	})
	return &out
}

// Judge runs checkers over a repository. An error means that one of them could not judge.
func Judge(ctx context.Context, repo *Repository, locator Locator, checkers ...Checker) (*Report, error) {
	report := &Report{}
	byID := map[string]Rule{}
	for _, c := range checkers {
		for _, r := range c.Rules() {
			byID[r.ID] = r
			report.Rules = append(report.Rules, r)
		}
	}
	slices.SortFunc(report.Rules, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	for _, u := range repo.Units {
		switch {
		case u.Skipped != "":
			report.Skipped = append(report.Skipped, Skipped{Unit: u.Name, Why: u.Skipped})
			continue
		case u.Unchanged:
			report.Unchanged++
			continue
		case u.Context:
			continue
		}
		report.Units++
		report.Objects += len(u.Objects)
	}
	findings, err := run(ctx, repo, checkers)
	if err != nil {
		return nil, err
	}
	merged := map[string]*Result{}
	for _, f := range findings {
		if u := f.unit(); u != nil && u.Context {
			continue
		}
		rule, ok := byID[f.Rule]
		if !ok {
			return nil, fmt.Errorf("a checker reported the unknown rule %q", f.Rule)
		}
		severity := repo.Config.severity(rule, f)
		if severity == Off {
			continue
		}
		add(merged, rule, severity, f, locator)
	}
	for _, r := range merged {
		r.settle()
		report.Results = append(report.Results, *r)
	}
	slices.SortFunc(report.Results, func(a, b Result) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Place.File, b.Place.File), cmp.Compare(a.Place.Line, b.Place.Line),
			strings.Compare(a.Rule.ID, b.Rule.ID), strings.Compare(a.Fingerprint, b.Fingerprint), strings.Compare(a.Message, b.Message))
	})
	return report, nil
}

// run collects the findings of all checkers, which work side by side.
func run(ctx context.Context, repo *Repository, checkers []Checker) ([]*Finding, error) {
	var mu sync.Mutex
	var findings []*Finding
	errs := make([]error, len(checkers))
	var wg sync.WaitGroup
	for i, c := range checkers {
		wg.Go(func() {
			errs[i] = c.Check(ctx, repo, func(f Finding) {
				mu.Lock()
				defer mu.Unlock()
				findings = append(findings, &f)
			})
		})
	}
	wg.Wait()
	return findings, errors.Join(append(errs, ctx.Err())...)
}

// add puts a finding to those with the same cause: one defect of a base that ten overlays use is one result.
func add(merged map[string]*Result, rule Rule, severity Severity, f *Finding, locator Locator) {
	place := f.Place
	if place.File == "" && locator != nil {
		place = locator.Place(f)
	}
	key := strings.Join([]string{rule.ID, place.String(), f.Path, f.Message}, "\x00")
	if place.Line == 0 { // the cause is not known: what shows in two objects may be two defects
		key += "\x00" + subject(f)
	}
	r, ok := merged[key]
	if !ok {
		r = &Result{Rule: rule, Severity: severity, Message: f.Message, Fix: cmp.Or(f.Fix, rule.Fix), Place: place, Path: f.Path}
		merged[key] = r
	}
	r.Severity = max(r.Severity, severity)
	if f.Object != nil {
		r.Objects = append(r.Objects, f.Object.Ref)
	}
	if u := f.unit(); u != nil {
		r.Units = append(r.Units, u.Name)
	}
	print := object.Hash([]string{rule.ID, subject(f), f.Path})[:16]
	r.prints = append(r.prints, print)
	if r.Fingerprint == "" || print < r.Fingerprint {
		r.Fingerprint = print
	}
}

func (f *Finding) unit() *Unit {
	if f.Unit == nil && f.Object != nil {
		return f.Object.Unit
	}
	return f.Unit
}

// subject names what a finding is about.
func subject(f *Finding) string {
	name := ""
	if u := f.unit(); u != nil {
		name = u.Name
	}
	if f.Object != nil {
		return name + "\x00" + f.Object.Ref.String()
	}
	return name + "\x00" + f.Place.File
}

func (r *Result) settle() {
	slices.SortFunc(r.Objects, func(a, b object.Ref) int {
		switch {
		case a.Less(b):
			return -1
		case b.Less(a):
			return 1
		}
		return 0
	})
	r.Objects = slices.Compact(r.Objects)
	slices.Sort(r.Units)
	r.Units = slices.Compact(r.Units)
}

// Worst returns the highest severity of the report, Off if there is no result.
func (r *Report) Worst() Severity {
	worst := Off
	for i := range r.Results {
		worst = max(worst, r.Results[i].Severity)
	}
	return worst
}
