// Package report writes judgements for people and programs: a check.Report goes in; text, JSON or the format of another tool comes out.
package report

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/mask"
)

// Formats lists the formats of Write, the one for people first.
func Formats() []string { return []string{"text", "json", "sarif", "junit", "github", "markdown"} }

// Options say how a report is written. The zero value is plain text without excerpts.
type Options struct {
	// Version is that of the program, for formats that name their tool.
	Version string
	// Prefix stands before every file: the way from where the reader is to the root of what was judged.
	Prefix string
	// Files has the judged files, for excerpts; nil leaves them out.
	Files fs.FS
	// Colour paints text.
	Colour bool
	// FailOn is the least severity that fails; Off means Error.
	FailOn check.Severity
	// MaxBytes bounds Markdown; 0 means MarkdownLimit.
	MaxBytes int
}

// Write writes r in a format. What comes from manifests is written without secrets and without what a terminal would obey.
func Write(w io.Writer, format string, r *check.Report, opts Options) error {
	writers := map[string]func(*bufio.Writer, *check.Report, *Options) error{
		"text": writeText, "json": writeJSON, "sarif": writeSARIF, "junit": writeJUnit, "github": writeGitHub, "markdown": writeMarkdown,
	}
	write, ok := writers[format]
	if !ok {
		return fmt.Errorf("unknown format %q: one of %s", format, strings.Join(Formats(), ", "))
	}
	if opts.FailOn == check.Off {
		opts.FailOn = check.Error
	}
	out := bufio.NewWriter(w)
	if err := write(out, r, &opts); err != nil {
		return fmt.Errorf("write %s: %w", format, err)
	}
	return out.Flush()
}

// documentation is where the pages of rules are.
const documentation = "https://github.com/belaycd/belay/blob/main/docs/reference/checks/"

func helpURL(rule string) string { return documentation + rule + ".md" }

// said makes a message of a checker fit to be shown: on one line, without credentials.
func said(s string) string { return mask.Line(mask.Values(strings.TrimSpace(s))) }

// file is the name of a file for the reader.
func (o *Options) file(p check.Place) string {
	if p.File == "" || o.Prefix == "" {
		return mask.Line(p.File)
	}
	return mask.Line(path.Join(o.Prefix, p.File))
}

// group is what a result is listed below: the file, or what is in none.
func (o *Options) group(p check.Place) string {
	if p.File == "" {
		if p.Commit != "" {
			return mask.Line(p.Commit)
		}
		return "(no file)"
	}
	return o.file(p)
}

func (o *Options) place(p check.Place) string {
	p.File = o.file(p)
	return p.String()
}

// tally counts results by severity.
type tally [check.Error + 1]int

func count(results []check.Result) (t tally) {
	for i := range results {
		t[results[i].Severity]++
	}
	return t
}

func (t tally) String() string {
	return fmt.Sprintf("%s, %s, %s", plural(t[check.Error], "error"), plural(t[check.Warning], "warning"), plural(t[check.Note], "note"))
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// names lists at most n of a list of names.
func names(list []string, n int) string {
	shown := slices.Clone(list[:min(n, len(list))])
	for i := range shown {
		shown[i] = mask.Line(shown[i])
	}
	return strings.Join(shown, ", ") + more(len(list)-n)
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// objects names the objects of a result.
func objects(r *check.Result, n int) string {
	list := make([]string, len(r.Objects))
	for i, o := range r.Objects {
		list[i] = o.String()
	}
	return names(list, n)
}
