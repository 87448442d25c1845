// Package waive knows which findings a team accepts: a repository, its settings and a baseline go in; for every finding comes out why it
// does not count, and for every acceptance that is expired, unused or without a reason a finding of its own.
package waive

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/check"
)

// Options say what besides annotations and the repository's settings accepts findings.
type Options struct {
	// Rules are those of all checkers.
	Rules []check.Rule
	// Now is the time of the judgement: exceptions end.
	Now time.Time
	// Baseline are the fingerprints of findings that were there before.
	Baseline Baseline
	// Partial says that not all of the repository is judged: exceptions may well have nothing to accept.
	Partial bool
}

// Checker implements check.Checker and check.Waiver.
type Checker struct {
	opts  Options
	known map[string]bool
}

// New returns a Checker.
func New(opts Options) *Checker {
	c := &Checker{opts: opts, known: map[string]bool{}}
	for _, r := range slices.Concat(opts.Rules, c.Rules()) {
		c.known[r.ID] = true
	}
	return c
}

// Rules implements check.Checker.
func (*Checker) Rules() []check.Rule {
	return []check.Rule{{
		ID: "ignore-invalid", Title: "annotation that ignores a rule in vain", Severity: check.Error,
		Why: "A finding that is ignored without a reason cannot be judged by whoever reads it next, and an annotation for a rule that does not exist or cannot be waived makes believe that something is accepted.",
		Fix: "Give the annotation ignore.belay.dev/<rule> a reason as its value and the name of a rule, or remove it.",
	}, {
		ID: "exception-expired", Title: "exception past its last day", Severity: check.Error,
		Why: "The team accepted a risk up to a day, and that day is over. The findings count again.",
		Fix: "Mend what the exception was for, or agree on a new day with its owner.",
	}, {
		ID: "exception-unused", Title: "exception that accepts nothing", Severity: check.Warning,
		Why: "What it was for is mended or has another name. Left behind, it will hide the next finding that it happens to match.",
		Fix: "Remove it from " + check.ConfigFile + ".",
	}, {
		ID: "exception-pending", Title: "exception that the base revision does not have", Severity: check.Warning,
		Why: "The rule is under nonWaivable: a change cannot excuse itself from it, so an exception counts once the base revision has it.",
		Fix: "Merge the exception on its own first, with the consent of its owner.",
	}}
}

// Check implements check.Checker: it reports annotations that ignore in vain.
func (c *Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	for _, u := range repo.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, o := range u.Objects {
			for _, m := range marks(o) {
				if m.own {
					c.annotation(repo, o, m, report)
				}
			}
		}
	}
	return nil
}

func (c *Checker) annotation(repo *check.Repository, o *check.Object, m mark, report func(check.Finding)) {
	f := check.Finding{Rule: "ignore-invalid", Object: o, Path: m.path}
	switch {
	case m.reason == "":
		f.Message = fmt.Sprintf("the annotation %s has no reason", m.key)
	case !c.known[m.rule]:
		f.Message = fmt.Sprintf("the annotation %s names no rule that there is", m.key)
	case repo.NonWaivable(m.rule):
		f.Message = fmt.Sprintf("the annotation %s does not count: the settings say that %s cannot be waived", m.key, m.rule)
		f.Severity = check.Warning
	default:
		return
	}
	report(f)
}

// Waive implements check.Waiver.
func (c *Checker) Waive(repo *check.Repository) check.Waiving {
	w := &waiving{opts: c.opts, repo: repo, byRule: map[string][]*exception{}, marks: map[*check.Object][]mark{}}
	for i := range repo.Config.Exceptions {
		e := &exception{Exception: &repo.Config.Exceptions[i]}
		e.last = e.Expires.Time
		if repo.Base != nil && repo.NonWaivable(e.Rule) {
			e.pending = !inBase(e, repo.Base.Config.Exceptions)
		}
		w.all = append(w.all, e)
		w.byRule[e.Rule] = append(w.byRule[e.Rule], e)
	}
	return w
}

// exception is one of the settings, and what is known of it.
type exception struct {
	*check.Exception
	// last is the last day, the zero time for none.
	last time.Time
	// pending says that it does not count yet.
	pending, used bool
}

// inBase looks for an exception with the same selectors in the base revision, whose last day counts.
func inBase(e *exception, base []check.Exception) bool {
	for i := range base {
		if selectors(&base[i]) == selectors(e.Exception) {
			e.last = base[i].Expires.Time
			return true
		}
	}
	return false
}

func selectors(e *check.Exception) [7]string {
	return [7]string{e.Rule, e.Unit.String(), e.Kind.String(), e.Namespace.String(), e.Name.String(), e.Container.String(), e.File.String()}
}

// waiving implements check.Waiving.
type waiving struct {
	opts   Options
	repo   *check.Repository
	all    []*exception
	byRule map[string][]*exception
	marks  map[*check.Object][]mark
}

// Accept implements check.Waiving.
func (w *waiving) Accept(f *check.Finding) *check.Suppression {
	if own(f.Rule) {
		return nil
	}
	firm := w.repo.NonWaivable(f.Rule)
	// Exceptions come first, so that one that accepts something is never called unused.
	var found *check.Suppression
	for _, e := range w.byRule[f.Rule] {
		if !matches(e.Exception, f) {
			continue
		}
		e.used = true
		if found == nil && !e.pending && !w.expired(e) {
			found = &check.Suppression{By: check.ByException, Reason: e.Reason, Owner: e.Owner, At: e.At}
		}
	}
	if found != nil || firm {
		return found
	}
	if s := w.annotated(f); s != nil {
		return s
	}
	if w.opts.Baseline[f.Fingerprint()] {
		return &check.Suppression{By: check.ByBaseline, Reason: "it was there before"}
	}
	return nil
}

// own reports whether a rule is of this package: what is wrong with acceptances cannot be accepted.
func own(rule string) bool {
	return rule == "ignore-invalid" || strings.HasPrefix(rule, "exception-")
}

func (w *waiving) expired(e *exception) bool {
	return !e.last.IsZero() && !w.opts.Now.Before(e.last.AddDate(0, 0, 1))
}

func (w *waiving) annotated(f *check.Finding) *check.Suppression {
	if f.Object == nil {
		return nil
	}
	all, ok := w.marks[f.Object]
	if !ok {
		all = marks(f.Object)
		w.marks[f.Object] = all
	}
	for _, m := range all {
		if m.reason != "" && m.covers(f) {
			return &check.Suppression{By: check.ByAnnotation, Reason: m.reason}
		}
	}
	return nil
}

// Rest implements check.Waiving.
func (w *waiving) Rest(report func(check.Finding)) {
	for _, e := range w.all {
		f := check.Finding{Place: e.At, Path: fmt.Sprint(selectors(e.Exception))}
		about := fmt.Sprintf("the exception from %s of %s", e.Rule, e.Owner)
		switch {
		case w.expired(e):
			f.Rule, f.Message = "exception-expired", fmt.Sprintf("%s ended on %s", about, e.last.Format(time.DateOnly))
		case e.pending:
			f.Rule, f.Message = "exception-pending", about+" does not count before the base revision has it"
		case !e.used && !w.opts.Partial:
			f.Rule, f.Message = "exception-unused", about+" accepts nothing"
		default:
			continue
		}
		report(f)
	}
}

// matches reports whether all selectors of an exception match a finding.
func matches(e *check.Exception, f *check.Finding) bool {
	unit, kind, namespace, name := "", "", "", ""
	if f.Unit != nil {
		unit = f.Unit.Name
	}
	if o := f.Object; o != nil {
		kind, namespace, name = o.GetKind(), o.GetNamespace(), o.GetName()
		if o.Unit != nil {
			unit = o.Unit.Name
		}
	}
	return e.Unit.Match(unit) && e.Kind.Match(kind) && e.Namespace.Match(namespace) && e.Name.Match(name) &&
		e.File.Match(f.Place.File) && (e.Container.String() == "" || e.Container.Match(container(f.Path)))
}

// container returns the name of the container that a field is of.
func container(path string) string {
	list := false
	for _, s := range check.Steps(path) {
		if list && s.By == "name" {
			return s.Value
		}
		list = s.Key == "containers" || s.Key == "initContainers" || s.Key == "ephemeralContainers"
	}
	return ""
}
