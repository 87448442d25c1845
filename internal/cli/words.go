package cli

import (
	"errors"
	"sort"
	"strings"
	"unicode"
)

// splitWords splits a line into words as a shell does: blanks part, quotes and backslashes hold together.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quote, escaped := false, rune(0), false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			inWord, escaped = true, true
		case quote != 0:
			if r == quote {
				quote = 0
				continue
			}
			word.WriteRune(r)
		case r == '\'' || r == '"':
			inWord, quote = true, r
		case unicode.IsSpace(r):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			inWord = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quotation is not closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// nearest returns up to three of the candidates that a person who wrote name may have meant, best first.
func nearest(name string, candidates []string) []string {
	type scored struct {
		name  string
		score int
	}
	limit := max(2, len(name)/3)
	var near []scored
	for _, c := range candidates {
		if len(c) > 253 || len(name) > 253 {
			continue
		}
		d := distance(strings.ToLower(name), strings.ToLower(c))
		if d > limit && len(name) >= 3 && strings.Contains(c, name) {
			d = limit // part of a longer name
		}
		if d <= limit {
			near = append(near, scored{c, d})
		}
	}
	sort.Slice(near, func(i, j int) bool {
		if near[i].score != near[j].score {
			return near[i].score < near[j].score
		}
		return near[i].name < near[j].name
	})
	if len(near) > 3 {
		near = near[:3]
	}
	out := make([]string, len(near))
	for i, s := range near {
		out[i] = s.name
	}
	return out
}

// distance is the number of single-character edits between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			above := row[j]
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(row[j]+1, row[j-1]+1, diagonal+cost)
			diagonal = above
		}
	}
	return row[len(b)]
}
