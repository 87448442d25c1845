package mask

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line makes a value from elsewhere safe for one line of a terminal or a log: control characters, line ends, invalid UTF-8 and
// characters that turn the direction of text are escaped.
func Line(s string) string {
	return escape(s, func(rune) bool { return false })
}

// Lines is Line for messages of several lines: line ends stay.
func Lines(s string) string {
	return escape(strings.TrimRight(s, "\n"), func(r rune) bool { return r == '\n' })
}

func escape(s string, keep func(rune) bool) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return unsafeRune(r) && !keep(r) }) {
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
