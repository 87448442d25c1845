package check

import "slices"

// SuppressedBy is what accepts a finding.
type SuppressedBy string

// What accepts findings.
const (
	ByAnnotation SuppressedBy = "annotation"
	ByException  SuppressedBy = "exception"
	ByBaseline   SuppressedBy = "baseline"
)

// Suppression says why a finding does not count.
type Suppression struct {
	By     SuppressedBy `json:"by"`
	Reason string       `json:"reason,omitempty"`
	Owner  string       `json:"owner,omitempty"`
	// At is where that is written, if it is in a file.
	At Place `json:"at,omitzero"`
}

// Waiver is a Checker that knows which findings are accepted.
type Waiver interface {
	Checker
	Waive(repo *Repository) Waiving
}

// Waiving decides over the findings of one judgement. It is used by one goroutine.
type Waiving interface {
	// Accept returns why a finding, whose place is known, does not count; nil if it does.
	Accept(f *Finding) *Suppression
	// Rest reports what is wrong with the acceptances, after every finding has passed Accept. What it reports counts.
	Rest(report func(Finding))
}

// waive passes findings to take, with what accepts them, and then what the waivers report themselves.
func waive(repo *Repository, checkers []Checker, findings []*Finding, take func(*Finding, func(*Finding) *Suppression) error) error {
	var all []Waiving
	for _, c := range checkers {
		if w, ok := c.(Waiver); ok {
			all = append(all, w.Waive(repo))
		}
	}
	accept := func(f *Finding) (s *Suppression) {
		for _, w := range all {
			if s = w.Accept(f); s != nil {
				return s
			}
		}
		return nil
	}
	for _, f := range findings {
		if err := take(f, accept); err != nil {
			return err
		}
	}
	var rest []*Finding
	for _, w := range all {
		w.Rest(func(f Finding) { rest = append(rest, &f) })
	}
	for _, f := range rest {
		if err := take(f, func(*Finding) *Suppression { return nil }); err != nil {
			return err
		}
	}
	return nil
}

// NonWaivable reports whether a change cannot excuse itself from a rule: the base revision has a say too.
func (r *Repository) NonWaivable(rule string) bool {
	return slices.Contains(r.Config.NonWaivable, rule) || r.Base != nil && slices.Contains(r.Base.Config.NonWaivable, rule)
}

// severity of a finding of rule: for one that cannot be waived, no milder than the base revision has it.
func (r *Repository) severity(rule Rule, f *Finding) Severity {
	s := r.Config.severity(rule, f)
	if r.Base != nil && r.NonWaivable(rule.ID) {
		s = max(s, r.Base.Config.severity(rule, f))
	}
	return s
}
