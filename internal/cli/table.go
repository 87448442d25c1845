package cli

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/belaycd/belay/internal/mask"
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

// clean makes a value from the cluster safe for one line of a terminal.
func clean(s string) string { return mask.Line(s) }

// cleanText is clean for messages of several lines: line ends stay.
func cleanText(s string) string { return mask.Lines(s) }

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
