package report

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// maxAnnotations is how many annotations of one level GitHub shows of a step; what is beyond is dropped without a word.
const maxAnnotations = 10

// writeGitHub writes workflow commands, from which GitHub makes annotations on the lines of a pull request: the worst first, and a
// count of those that would not be shown.
func writeGitHub(out *bufio.Writer, r *check.Report, o *Options) error {
	var written tally
	left := 0
	for i := range r.Results {
		result := &r.Results[i]
		room := maxAnnotations
		if result.Severity == check.Note {
			room-- // for the count
		}
		if written[result.Severity] >= room {
			left++
			continue
		}
		written[result.Severity]++
		annotate(out, result, o)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(out, "not judged: %s: %s\n", said(s.Unit), said(s.Why))
	}
	total := count(r.Results)
	if left > 0 {
		fmt.Fprintf(out, "::notice title=belay check::%s\n", data(fmt.Sprintf("%s; %s not shown as annotations: see the report", total, plural(left, "finding"))))
	}
	fmt.Fprintf(out, "%s: %s of %s judged by %s\n", summary(total, painter{}), plural(r.Objects, "object"), unitsOf(r), plural(len(r.Rules), "rule"))
	return nil
}

func annotate(out *bufio.Writer, r *check.Result, o *Options) {
	command := map[check.Severity]string{check.Error: "error", check.Warning: "warning", check.Note: "notice"}[r.Severity]
	var properties []string
	add := func(name, value string) {
		properties = append(properties, name+"="+property(value))
	}
	if r.Place.File != "" {
		add("file", o.file(r.Place))
	}
	if r.Place.Line > 0 {
		add("line", fmt.Sprint(r.Place.Line))
	}
	if r.Place.Column > 0 {
		add("col", fmt.Sprint(r.Place.Column))
	}
	add("title", r.Rule.ID)
	text := said(r.Message) + "\n" + said(r.Fix)
	if len(r.Objects) > 0 {
		text += "\n" + objects(r, 3)
	}
	fmt.Fprintf(out, "::%s %s::%s\n", command, strings.Join(properties, ","), data(text))
}

// data and property escape as the runner of GitHub's workflows undoes it.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
