package preview

import (
	"fmt"
	"strings"

	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/report"
)

const (
	// MarkdownLimit is the length that comments of Git hosts may have; a text that is longer is refused as a whole.
	MarkdownLimit = 65_536
	// Marker is a line that nobody sees, by which a comment is found again.
	Marker = "<!-- belay-preview -->"
)

// markdown writes a comment: the dangers and the table first, then of each unit as much as its share of the room allows.
func markdown(p *Preview, o Options) string {
	limit := o.MaxBytes
	if limit <= 0 {
		limit = MarkdownLimit
	}
	tail := ""
	if o.Link != "" {
		tail = fmt.Sprintf("\n[The whole preview](%s)\n", strings.ReplaceAll(o.Link, ")", "%29"))
	}
	b := page{limit: limit - len(tail)}
	b.add(fmt.Sprintf("%s\n### GitOps preview  %s → %s\n\n", Marker, report.Code(p.Base), report.Code(p.Head)))
	if len(p.Units) == 0 {
		b.add(fmt.Sprintf("No change in %d applications and directories.\n", p.Same))
	} else {
		b.add(fmt.Sprintf("%s, in %d of %d applications and directories.\n", p.Counts.words(), p.total(), p.total()+p.Same))
	}
	dangers(&b, p, limit/3)
	if len(p.Units) > 0 {
		table(&b, p, limit/3)
	}
	skipped(&b, p, limit/16)
	details(&b, p)
	return b.text.String() + tail
}

// page is a text that takes a piece as a whole or not at all.
type page struct {
	text  strings.Builder
	limit int
}

func (b *page) room() int { return b.limit - b.text.Len() }

func (b *page) add(piece string) bool {
	if len(piece) > b.room() {
		return false
	}
	b.text.WriteString(piece)
	return true
}

// section adds pieces until they take more than share, and counts the others.
func (b *page) section(head string, pieces []string, share int, left string) {
	if len(pieces) == 0 {
		return
	}
	const reserve = 80 // for the line that counts
	from := b.text.Len()
	if !b.add(head) {
		return
	}
	for i, piece := range pieces {
		if b.text.Len()-from+len(piece)+reserve > min(share, b.limit-from) {
			b.add(fmt.Sprintf(left, len(pieces)-i))
			return
		}
		b.add(piece)
	}
}

func dangers(b *page, p *Preview, share int) {
	var pieces []string
	for _, severity := range []string{insight.Danger, insight.Warning} {
		for i := range p.Units {
			u := &p.Units[i]
			if severity == insight.Danger && u.Err != "" {
				pieces = append(pieces, fmt.Sprintf("- **could not be rendered** %s: %s\n", report.Code(u.Name), report.Escape(cutText(u.Err, 600))))
			}
			for _, d := range u.Dangers {
				if d.Severity == severity {
					pieces = append(pieces, fmt.Sprintf("- **%s** %s: %s\n", severity, report.Code(u.Name)+also(u), report.Escape(cutText(d.Message, 600))))
				}
			}
		}
	}
	b.section("\n", pieces, share, "- and %d more\n")
}

func also(u *Unit) string {
	if n := len(u.SameIn); n > 0 {
		return fmt.Sprintf(" and %d more", n)
	}
	return ""
}

func cutText(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func table(b *page, p *Preview, share int) {
	var pieces []string
	for i := range p.Units {
		u := &p.Units[i]
		danger := ""
		if u.Err != "" {
			danger = "could not be rendered"
		} else if len(u.Dangers) > 0 {
			danger = report.Escape(cutText(u.Dangers[0].Message, 120))
			if n := len(u.Dangers) - 1; n > 0 {
				danger += fmt.Sprintf(" and %d more", n)
			}
		}
		pieces = append(pieces, fmt.Sprintf("| %s | %s | %s | %d | %d | %d | %d | %s |\n", report.Code(u.Name)+also(u), code(u.Cluster), code(u.Follows),
			u.Counts.Create, u.Counts.Update, u.Counts.Delete, u.Counts.Restart, danger))
	}
	b.section("\n| application | cluster | follows | + | ~ | - | restarts | look at |\n|---|---|---|---|---|---|---|---|\n", pieces, share, "\nand %d more\n")
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return report.Code(s)
}

func skipped(b *page, p *Preview, share int) {
	var pieces []string
	for _, s := range p.Skipped {
		pieces = append(pieces, fmt.Sprintf("- not previewed: %s: %s\n", report.Code(s.Unit), report.Escape(s.Why)))
	}
	b.section("\n", pieces, share, "- and %d more\n")
}

// details gives every unit an equal share of the room that is left; what one does not need is for those behind it.
func details(b *page, p *Preview) {
	for i := range p.Units {
		if len(p.Units[i].Objects)+len(p.Units[i].Unstable) == 0 {
			continue // the list above says it all
		}
		share := b.room() / (len(p.Units) - i)
		text := unitDetails(&p.Units[i], share)
		if text == "" || !b.add(text) {
			b.add(fmt.Sprintf("\nThe details of %s do not fit here.\n", report.Code(p.Units[i].Name)))
		}
	}
}

// unitDetails writes the objects of a unit that fit.
func unitDetails(u *Unit, share int) string {
	const reserve = 120 // for the count and the end
	var s strings.Builder
	also := ""
	if len(u.SameIn) > 0 {
		also = " (the same change in " + report.Escape(firstOf(u.SameIn, 10)) + ")"
	}
	fmt.Fprintf(&s, "\n<details><summary>%s%s: %s</summary>\n\n", report.Escape(u.Name), also, report.Escape(u.where()))
	if u.Note != "" {
		fmt.Fprintf(&s, "%s\n\n", report.Escape(u.Note))
	}
	if s.Len()+reserve > share {
		return ""
	}
	left := 0
	for i := range u.Objects {
		piece := objectDetails(&u.Objects[i])
		if s.Len()+len(piece)+reserve > share {
			piece = objectLine(&u.Objects[i]) + "  (its diff does not fit here)\n"
		}
		if s.Len()+len(piece)+reserve > share {
			left++
			continue
		}
		s.WriteString(piece)
	}
	for _, n := range u.Unstable {
		piece := fmt.Sprintf("- non-deterministic, left out: %s %s\n", report.Code(n.Object), report.Escape(firstOf(n.Paths, 5)))
		if s.Len()+len(piece)+reserve > share {
			break
		}
		s.WriteString(piece)
	}
	if left > 0 {
		fmt.Fprintf(&s, "\n%d more objects do not fit here.\n", left)
	}
	s.WriteString("\n</details>\n")
	return s.String()
}

func objectLine(o *Object) string {
	restarts := ""
	if o.Restarts {
		restarts = ", **pods restart**"
	}
	return fmt.Sprintf("- %s %s: %s%s\n", o.Action, report.Code(o.ref().String()), report.Escape(o.Reason), restarts)
}

func objectDetails(o *Object) string {
	text := o.Diff
	if text == "" {
		for _, f := range o.Fields {
			text += f.line() + "\n"
		}
	}
	if text == "" || o.Action != "update" {
		return objectLine(o)
	}
	fence := fence(text)
	return fmt.Sprintf("%s\n%sdiff\n%s%s\n\n", objectLine(o), fence, text, fence)
}

// fence is longer than any run of backquotes in a text, so that the text cannot end the block.
func fence(text string) string {
	longest, run := 2, 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return strings.Repeat("`", longest+1)
}
