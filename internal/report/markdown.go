package report

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/mask"
)

// MarkdownLimit is the length that comments of Git hosts may have; a text that is longer is refused as a whole.
const MarkdownLimit = 65_536

// writeMarkdown writes for a summary or a comment: the counts, then the worst results that fit.
func writeMarkdown(out *bufio.Writer, r *check.Report, o *Options) error {
	limit := o.MaxBytes
	if limit <= 0 {
		limit = MarkdownLimit
	}
	total := count(r.Results)
	head := fmt.Sprintf("### belay check: %s\n\n%s of %s judged by %s", summary(total, painter{}), plural(r.Objects, "object"), unitsOf(r), plural(len(r.Rules), "rule"))
	if n := len(r.Suppressed); n > 0 {
		head += fmt.Sprintf(", %s suppressed", plural(n, "finding"))
	}
	head += ".\n"
	tail := markdownSkipped(r, limit/4)
	const reserve = 200 // for the line that counts what is left out
	room := limit - len(head) - len(tail) - reserve
	out.WriteString(head)
	shown, table := 0, "\n| | where | finding | rule |\n|---|---|---|---|\n"
	for i := range r.Results {
		row := markdownRow(&r.Results[i], o)
		if len(table)+len(row) > room {
			break
		}
		table += row
		shown++
	}
	if shown > 0 {
		out.WriteString(table)
	}
	if left := len(r.Results) - shown; left > 0 {
		fmt.Fprintf(out, "\n%s not shown here: see the full report.\n", plural(left, "finding"))
	}
	out.WriteString(tail)
	return nil
}

func markdownRow(r *check.Result, o *Options) string {
	where := ""
	if r.Place.File != "" {
		where = Code(o.place(r.Place))
	}
	finding := Escape(said(r.Message))
	if len(r.Objects) > 0 {
		finding += "<br>" + Code(r.Objects[0].String()) + more(len(r.Objects)-1)
	}
	finding += "<br>Fix: " + Escape(said(r.Fix))
	return fmt.Sprintf("| %s | %s | %s | [%s](%s) |\n", r.Severity, where, finding, r.Rule.ID, helpURL(r.Rule.ID))
}

func markdownSkipped(r *check.Report, limit int) string {
	if len(r.Skipped) == 0 {
		return ""
	}
	text, shown := fmt.Sprintf("\n<details><summary>not judged: %d</summary>\n\n", len(r.Skipped)), 0
	for _, s := range r.Skipped {
		line := fmt.Sprintf("- %s: %s\n", Code(s.Unit), Escape(said(s.Why)))
		if len(text)+len(line) > limit {
			break
		}
		text += line
		shown++
	}
	if left := len(r.Skipped) - shown; left > 0 {
		text += fmt.Sprintf("- and %d more\n", left)
	}
	return text + "\n</details>\n"
}

// Escape writes text so that Markdown takes none of it for markup, in a table too, and that it mentions nobody.
func Escape(s string) string {
	var b strings.Builder
	for _, r := range mask.Line(s) {
		switch r {
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '&':
			b.WriteString("&amp;")
		case '@':
			b.WriteString("@\u2060") // a word joiner: a name behind it is no mention
		case '\\', '`', '*', '_', '[', ']', '|', '#', '~', '!':
			b.WriteRune('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Code writes text as code in a line or a table.
func Code(s string) string {
	s = strings.ReplaceAll(strings.ReplaceAll(mask.Line(s), "`", "'"), "|", `\|`)
	return "`" + s + "`"
}
