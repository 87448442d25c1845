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
	// Root is the directory that places are relative to.
	Root string
	// Suppressed are results that the team accepts, in the order of Results. They count for nothing.
	Suppressed []Result
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
	// Fingerprints are those of all findings that this result stands for, ordered.
	Fingerprints []string
	// Suppression says why the result counts for nothing; nil for one that counts.
	Suppression *Suppression
}

// NewAgainst returns the report without the results that the base has too: a defect that shows in one more place is new.
func (r *Report) NewAgainst(base *Report) *Report {
	known := map[string]bool{}
	for i := range base.Results {
		for _, print := range base.Results[i].Fingerprints {
			known[print] = true
		}
	}
	out := *r
	out.Results = slices.DeleteFunc(slices.Clone(r.Results), func(result Result) bool {
		return !slices.ContainsFunc(result.Fingerprints, func(print string) bool { return !known[print] })
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
	take := func(f *Finding, accept func(*Finding) *Suppression) error {
		if u := f.unit(); u != nil && u.Context {
			return nil
		}
		rule, ok := byID[f.Rule]
		if !ok {
			return fmt.Errorf("a checker reported the unknown rule %q", f.Rule)
		}
		severity := repo.severity(rule, f)
		if severity == Off {
			return nil
		}
		if f.Place.File == "" && f.Place.Commit == "" && locator != nil {
			f.Place = locator.Place(f)
		}
		add(merged, rule, severity, f, accept(f))
		return nil
	}
	if err := waive(repo, checkers, findings, take); err != nil {
		return nil, err
	}
	for _, r := range merged {
		r.settle()
		if r.Suppression == nil {
			report.Results = append(report.Results, *r)
		} else {
			report.Suppressed = append(report.Suppressed, *r)
		}
	}
	slices.SortFunc(report.Results, worstFirst)
	slices.SortFunc(report.Suppressed, worstFirst)
	return report, nil
}

func worstFirst(a, b Result) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), strings.Compare(a.Place.File, b.Place.File), cmp.Compare(a.Place.Line, b.Place.Line),
		strings.Compare(a.Rule.ID, b.Rule.ID), strings.Compare(a.Fingerprint, b.Fingerprint), strings.Compare(a.Message, b.Message))
}

// Findings returns what one checker reports, before rules, settings and places are looked at.
func Findings(ctx context.Context, repo *Repository, c Checker) ([]*Finding, error) {
	return run(ctx, repo, []Checker{c})
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
func add(merged map[string]*Result, rule Rule, severity Severity, f *Finding, suppressed *Suppression) {
	place := f.Place
	key := strings.Join([]string{rule.ID, place.String(), f.Path, f.Message}, "\x00")
	if place.Line == 0 { // the cause is not known: what shows in two objects may be two defects
		key += "\x00" + subject(f)
	}
	if suppressed != nil { // a defect may be accepted in one place and not in another
		key += "\x00" + string(suppressed.By) + "\x00" + suppressed.Reason
	}
	r, ok := merged[key]
	if !ok {
		r = &Result{Rule: rule, Severity: severity, Message: f.Message, Fix: cmp.Or(f.Fix, rule.Fix), Place: place, Path: f.Path, Suppression: suppressed}
		merged[key] = r
	}
	r.Severity = max(r.Severity, severity)
	if f.Object != nil {
		r.Objects = append(r.Objects, f.Object.Ref)
	}
	if u := f.unit(); u != nil {
		r.Units = append(r.Units, u.Name)
	}
	r.Fingerprints = append(r.Fingerprints, f.Fingerprint())
}

// Fingerprint names the finding across revisions: the rule, the unit, the object and the field, or the file. Of findings on a unit or
// a file as a whole there may be several, which their messages tell apart.
func (f *Finding) Fingerprint() string {
	parts := []string{f.Rule, subject(f), f.Path}
	if f.Object == nil {
		parts = append(parts, f.Message)
	}
	return object.Hash(parts)[:16]
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
	return name + "\x00" + f.Place.File + f.Place.Commit
}

func (r *Result) settle() {
	slices.SortFunc(r.Objects, object.Ref.Compare)
	r.Objects = slices.Compact(r.Objects)
	slices.Sort(r.Units)
	r.Units = slices.Compact(r.Units)
	slices.Sort(r.Fingerprints)
	r.Fingerprints = slices.Compact(r.Fingerprints)
	r.Fingerprint = r.Fingerprints[0]
}

// Worst returns the highest severity of what counts, Off if nothing does.
func (r *Report) Worst() Severity {
	worst := Off
	for i := range r.Results {
		worst = max(worst, r.Results[i].Severity)
	}
	return worst
}
