package report

import (
	"bufio"
	"fmt"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/mask"
)

// writeText writes for a terminal: the file with the worst result first, and in a file the worst result.
func writeText(out *bufio.Writer, r *check.Report, o *Options) error {
	p := painter{on: o.Colour}
	excerpts := newExcerpts(o)
	for _, group := range byFile(r.Results) {
		fmt.Fprintln(out, p.bold(o.group(group[0].Place)))
		for _, result := range group {
			writeResult(out, result, p)
			if !result.Rule.Sensitive {
				excerpts.write(out, result.Place, p)
			}
			writeDetails(out, result)
		}
		fmt.Fprintln(out)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(out, "not judged: %s: %s\n", mask.Line(s.Unit), said(s.Why))
	}
	if n := len(r.Suppressed); n > 0 {
		fmt.Fprintf(out, "%s suppressed by annotations, exceptions or a baseline\n", plural(n, "finding"))
	}
	total := count(r.Results)
	fmt.Fprintf(out, "%s: %s of %s judged by %s\n", summary(total, p), plural(r.Objects, "object"), unitsOf(r), plural(len(r.Rules), "rule"))
	if r.Unchanged > 0 {
		fmt.Fprintf(out, "%s not judged: the same as before, or not what was asked for\n", plural(r.Unchanged, "unit"))
	}
	if next := nextStep(r, o, total); next != "" {
		fmt.Fprintln(out, next)
	}
	return nil
}

// unitsOf counts what was judged; an empty judgement must not look like a clean one.
func unitsOf(r *check.Report) string {
	if r.Units == 0 {
		return "nothing (no application, kustomization, chart or manifest was found)"
	}
	if r.Units == 1 {
		return "1 application or directory"
	}
	return fmt.Sprintf("%d applications and directories", r.Units)
}

func summary(t tally, p painter) string {
	switch {
	case t[check.Error] > 0:
		return p.severity(check.Error, t.String())
	case t[check.Warning] > 0:
		return p.severity(check.Warning, t.String())
	case t[check.Note] > 0:
		return t.String()
	}
	return p.good("nothing found")
}

func nextStep(r *check.Report, o *Options, t tally) string {
	if len(r.Results) == 0 {
		return ""
	}
	failing := 0
	for s := o.FailOn; s <= check.Error; s++ {
		failing += t[s]
	}
	rule := r.Results[0].Rule.ID
	if failing == 0 {
		return fmt.Sprintf("nothing fails at --fail-on %s; more about a finding: %s", o.FailOn, helpURL(rule))
	}
	return fmt.Sprintf("mend what the fix lines say, or accept a finding with the annotation ignore.belay.dev/%s: \"reason\"; more: %s", rule, helpURL(rule))
}

func writeResult(out *bufio.Writer, r *check.Result, p painter) {
	at := ""
	if r.Place.Line > 0 {
		at = fmt.Sprintf("%d:%d ", r.Place.Line, max(r.Place.Column, 1))
	}
	fmt.Fprintf(out, "  %s%s %s %s\n", at, p.severity(r.Severity, r.Severity.String()), said(r.Message), p.dim("["+r.Rule.ID+"]"))
}

func writeDetails(out *bufio.Writer, r *check.Result) {
	if len(r.Objects) > 0 {
		fmt.Fprintf(out, "    object  %s\n", objects(r, 3))
	}
	if r.Path != "" {
		fmt.Fprintf(out, "    field   %s\n", mask.Line(r.Path))
	}
	if len(r.Units) > 1 {
		fmt.Fprintf(out, "    shows   in %s\n", names(r.Units, 8))
	}
	fmt.Fprintf(out, "    why     %s\n    fix     %s\n", said(r.Rule.Why), said(r.Fix))
}

// byFile groups results, which are ordered worst first, and keeps that order.
func byFile(results []check.Result) (groups [][]*check.Result) {
	at := map[string]int{}
	for i := range results {
		r := &results[i]
		key := r.Place.File + "\x00" + r.Place.Commit
		n, seen := at[key]
		if !seen {
			n = len(groups)
			at[key] = n
			groups = append(groups, nil)
		}
		groups[n] = append(groups[n], r)
	}
	return groups
}

// painter colours words on terminals.
type painter struct{ on bool }

func (p painter) paint(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) bold(s string) string { return p.paint("1", s) }
func (p painter) dim(s string) string  { return p.paint("2", s) }
func (p painter) good(s string) string { return p.paint("32", s) }

func (p painter) severity(of check.Severity, s string) string {
	return p.paint([]string{"0", "36", "33", "31"}[of], s)
}

// excerpts shows lines of files with a caret below the place.
type excerpts struct {
	o     *Options
	files map[string][]string
}

func newExcerpts(o *Options) *excerpts { return &excerpts{o: o, files: map[string][]string{}} }

// maxExcerpt bounds the width of a line.
const maxExcerpt = 120

func (e *excerpts) lines(name string) []string {
	lines, seen := e.files[name]
	if !seen && e.o.Files != nil {
		if data, err := readFile(e.o.Files, name); err == nil {
			lines = strings.Split(string(data), "\n")
		}
		e.files[name] = lines
	}
	return lines
}

func (e *excerpts) write(out *bufio.Writer, p check.Place, paint painter) {
	lines := e.lines(p.File)
	if p.Line < 1 || p.Line > len(lines) {
		return
	}
	text := []rune(mask.Line(strings.ReplaceAll(mask.Excerpt(lines, p.Line-1), "\t", " ")))
	if len(text) > maxExcerpt {
		text = append(slices.Clone(text[:maxExcerpt-1]), '…')
	}
	number := fmt.Sprint(p.Line)
	fmt.Fprintf(out, "    %s %s\n", paint.dim(number+" |"), string(text))
	if col := p.Column; col >= 1 && col <= len(text) {
		fmt.Fprintf(out, "    %s %s%s\n", paint.dim(strings.Repeat(" ", len(number))+" |"), strings.Repeat(" ", col-1), paint.severity(check.Error, "^"))
	}
}
