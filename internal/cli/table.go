package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"
)

// table prints rows in aligned columns, parted by two blanks.
func table(w io.Writer, header []string, rows [][]string) error {
	var buf bytes.Buffer
	tw := tabwriter.NewWriter(&buf, 0, 0, 2, ' ', 0)
	if len(header) > 0 {
		fmt.Fprintln(tw, strings.Join(header, "\t"))
	}
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = clean(cell)
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(buf.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// clean makes a value from the cluster safe for one line of a terminal: control characters, line ends, invalid UTF-8
// and characters that turn the direction of text are escaped.
func clean(s string) string {
	return escape(s, func(r rune) bool { return false })
}

// cleanText is clean for messages of several lines: line ends stay.
func cleanText(s string) string {
	return escape(strings.TrimRight(s, "\n"), func(r rune) bool { return r == '\n' })
}

func escape(s string, keep func(rune) bool) string {
	safe := true
	for _, r := range s {
		if unsafeRune(r) && !keep(r) {
			safe = false
			break
		}
	}
	if safe {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size <= 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n' && !keep(r):
			b.WriteString(`\n`)
		case r == '\t' && !keep(r):
			b.WriteString(`\t`)
		case unsafeRune(r) && !keep(r):
			if r < 0x80 {
				fmt.Fprintf(&b, `\x%02x`, r)
			} else {
				fmt.Fprintf(&b, `\u%04x`, r)
			}
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

func unsafeRune(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// fields prints "Name:      value" lines, as `app get` does.
func fields(w io.Writer, pairs [][2]string) error {
	for _, p := range pairs {
		line := fmt.Sprintf("%-20s%s", p[0], clean(p[1]))
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// orNone writes an empty value as <none>.
func orNone(s string) string {
	if s == "" {
		return "<none>"
	}
	return s
}
