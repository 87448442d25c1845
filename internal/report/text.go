// Package report writes judgements for people and programs: a check.Report goes in; text, JSON or the format of another tool comes out.
package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// Text writes r for a terminal.
func Text(w io.Writer, r *check.Report) error {
	out := bufio.NewWriter(w)
	counts := map[check.Severity]int{}
	for i := range r.Results {
		result := &r.Results[i]
		counts[result.Severity]++
		fmt.Fprintf(out, "%s: %s: %s [%s]\n", result.Place, result.Severity, result.Message, result.Rule.ID)
		if len(result.Objects) > 0 {
			fmt.Fprintf(out, "    object: %s%s\n", result.Objects[0], more(len(result.Objects)-1))
		}
		if len(result.Units) > 1 {
			fmt.Fprintf(out, "    shows in: %s\n", strings.Join(result.Units, ", "))
		}
		fmt.Fprintf(out, "    why: %s\n    fix: %s\n", result.Rule.Why, result.Fix)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(out, "not judged: %s: %s\n", s.Unit, s.Why)
	}
	fmt.Fprintf(out, "%d objects of %d applications and directories: %d errors, %d warnings, %d notes\n",
		r.Objects, r.Units, counts[check.Error], counts[check.Warning], counts[check.Note])
	return out.Flush()
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}
