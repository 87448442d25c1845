package preview

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/belaycd/belay/internal/insight"
)

// Formats lists the formats of Write, the one for people first.
func Formats() []string { return []string{"text", "json", "markdown"} }

// Options say how a preview is written.
type Options struct {
	// Colour paints text.
	Colour bool
	// MaxBytes bounds Markdown; 0 means MarkdownLimit.
	MaxBytes int
	// Link is where the whole preview is, for a Markdown that had to be cut.
	Link string
}

// Write writes p in a format.
func Write(w io.Writer, format string, p *Preview, opts Options) error {
	out := bufio.NewWriter(w)
	var err error
	switch format {
	case "text":
		writeText(out, p, opts)
	case "json":
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(p)
	case "markdown":
		_, err = out.WriteString(markdown(p, opts))
	default:
		err = fmt.Errorf("unknown format %q: one of %s", format, strings.Join(Formats(), ", "))
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// words counts in a sentence.
func (c Counts) words() string {
	return fmt.Sprintf("%d to create, %d to change, %d to delete, %d with pods restarted", c.Create, c.Update, c.Delete, c.Restart)
}

func (p *Preview) title() string {
	return fmt.Sprintf("%s -> %s", p.Base, p.Head)
}

// total counts units, the folded ones too.
func (p *Preview) total() (n int) {
	for i := range p.Units {
		n += 1 + len(p.Units[i].SameIn)
	}
	return n
}

func writeText(out *bufio.Writer, p *Preview, o Options) {
	paint := func(code, s string) string {
		if !o.Colour {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	for i := range p.Units {
		u := &p.Units[i]
		fmt.Fprintf(out, "%s  %s\n", paint("1", "===== "+u.Name+u.also()), u.where())
		if u.Err != "" {
			fmt.Fprintf(out, "%s %s\n", paint("31", "could not be rendered:"), u.Err)
		}
		if u.Note != "" {
			fmt.Fprintf(out, "note: %s\n", u.Note)
		}
		for _, d := range u.Dangers {
			code := "33"
			if d.Severity == insight.Danger {
				code = "31"
			}
			fmt.Fprintf(out, "%s %s\n", paint(code, d.Severity+":"), d.Message)
		}
		for j := range u.Objects {
			textObject(out, &u.Objects[j], paint)
		}
		for _, s := range u.Unstable {
			fmt.Fprintf(out, "non-deterministic, left out: %s %s\n", s.Object, strings.Join(s.Paths, ", "))
		}
		fmt.Fprintln(out)
	}
	for _, s := range p.Skipped {
		fmt.Fprintf(out, "not previewed: %s: %s\n", s.Unit, s.Why)
	}
	if len(p.Units) == 0 {
		fmt.Fprintf(out, "no change: %s, %d applications and directories\n", p.title(), p.Same)
		return
	}
	fmt.Fprintf(out, "%s: %s, in %d of %d applications and directories\n", p.title(), p.Counts.words(), p.total(), p.total()+p.Same)
}

func (u *Unit) also() string {
	if len(u.SameIn) == 0 {
		return ""
	}
	return fmt.Sprintf(" (the same change in %s)", firstOf(u.SameIn, 5))
}

func (u *Unit) where() string {
	var words []string
	for _, w := range [][2]string{{"", u.State}, {"cluster ", u.Cluster}, {"namespace ", u.Namespace}, {"follows ", u.Follows}} {
		if w[1] != "" {
			words = append(words, w[0]+w[1])
		}
	}
	return strings.Join(words, ", ")
}

func firstOf(list []string, n int) string {
	text := strings.Join(list[:min(n, len(list))], ", ")
	if left := len(list) - n; left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return text
}

func textObject(out *bufio.Writer, o *Object, paint func(code, s string) string) {
	sign := map[string]string{"create": "+", "update": "~", "delete": "-"}[o.Action]
	marks := ""
	if o.Restarts {
		marks += ", pods restart"
	}
	if o.Hook {
		marks += ", a hook"
	}
	fmt.Fprintf(out, "%s %s: %s%s\n", sign, o.ref(), o.Reason, marks)
	if o.Diff == "" {
		for _, f := range o.Fields {
			fmt.Fprintf(out, "    %s\n", f.line())
		}
		return
	}
	if o.Action != "update" { // the whole manifest, which is in the files
		return
	}
	for line := range strings.Lines(o.Diff) {
		line = strings.TrimSuffix(line, "\n")
		code := map[byte]string{'+': "32", '-': "31", '@': "36"}[(line + " ")[0]]
		if code != "" {
			line = paint(code, line)
		}
		fmt.Fprintf(out, "    %s\n", line)
	}
}

func (f Field) line() string {
	return fmt.Sprintf("%s: %s -> %s", f.Path, value(f.Before), value(f.After))
}

func value(v any) string {
	if v == nil {
		return "(absent)"
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	text := []rune(string(data))
	if len(text) > 200 {
		return string(text[:199]) + "…"
	}
	return string(text)
}
