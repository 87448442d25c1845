package expression

import (
	"fmt"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
)

// mostRepeated bounds what one call may repeat a text to, and a width.
const (
	mostRepeated = 64 << 10
	mostWidth    = 999
)

// Prose returns further functions of sprig, for templates of messages: dates, layout, and those that repeat, bounded.
func Prose(now func() time.Time) template.FuncMap {
	all, out := sprig.GenericFuncMap(), template.FuncMap{}
	for _, name := range []string{
		"addf", "biggest", "ceil", "clean", "date", "dateInZone", "dateModify", "date_modify", "deepEqual", "divf", "duration", "durationRound", "float64", "floor", "fromJson",
		"htmlDate", "htmlDateInZone", "initials", "isAbs", "maxf", "merge", "minf", "mulf", "nospace", "osBase", "osDir", "osExt", "plural", "prepend", "append",
		"push", "regexFindAll", "regexQuoteMeta", "regexReplaceAll", "regexReplaceAllLiteral", "regexSplit", "round", "semver", "semverCompare", "set", "subf", "swapcase",
		"toDate", "toPrettyJson", "toRawJson", "trimall", "tuple", "typeIs", "typeOf", "unixEpoch", "unset", "untitle", "urlJoin",
	} {
		out[name] = all[name]
	}
	out["now"] = now
	out["ago"] = func(at any) string {
		t, ok := at.(time.Time)
		if !ok {
			return ""
		}
		return now().Sub(t).Round(time.Second).String()
	}
	out["repeat"] = func(n int, s string) (string, error) {
		if n < 0 || n*len(s) > mostRepeated || n > mostRepeated {
			return "", fmt.Errorf("repeat: more than %d bytes", mostRepeated)
		}
		return strings.Repeat(s, n), nil
	}
	indent := func(n int, s string) (string, error) {
		if n < 0 || n > mostWidth {
			return "", fmt.Errorf("indent: more than %d", mostWidth)
		}
		pad := strings.Repeat(" ", n)
		return pad + strings.ReplaceAll(s, "\n", "\n"+pad), nil
	}
	out["indent"] = indent
	out["nindent"] = func(n int, s string) (string, error) {
		s, err := indent(n, s)
		return "\n" + s, err
	}
	out["printf"] = widthPrintf
	return out
}

// widthPrintf is fmt.Sprintf with widths that write little.
func widthPrintf(format string, args ...any) (string, error) {
	for rest := format; ; {
		_, verb, found := strings.Cut(rest, "%")
		if !found {
			return fmt.Sprintf(format, args...), nil
		}
		end := strings.IndexFunc(verb, func(r rune) bool { return !strings.ContainsRune("0123456789.+-# []*", r) })
		if end < 0 {
			end = len(verb)
		}
		for number := range strings.FieldsFuncSeq(verb[:end], func(r rune) bool { return r < '0' || r > '9' }) {
			if n, err := strconv.Atoi(number); err != nil || n > mostWidth {
				return "", fmt.Errorf("printf: a width of more than %d", mostWidth)
			}
		}
		if strings.Contains(verb[:end], "*") {
			return "", fmt.Errorf("printf: widths are written out here")
		}
		rest = strings.TrimPrefix(verb[end:], "%")
	}
}
