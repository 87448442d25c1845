package repair

import (
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sortedPaths are the mappings whose order means nothing to anybody.
func sortedPaths() [][]string {
	return [][]string{{"metadata", "labels"}, {"metadata", "annotations"}, {"data"}, {"stringData"}}
}

// sortKeys sorts, with each entry the comments above it and all lines of its value.
func sortKeys(all string) (string, []Edit) {
	docs, err := parse(all)
	if err != nil {
		return all, nil
	}
	lines, edits := strings.SplitAfter(all, "\n"), []Edit(nil)
	for _, d := range docs {
		for _, path := range sortedPaths() {
			m, trial := at(d.root, path...), slices.Clone(lines)
			if m == nil || !sortMapping(trial, m, d) || !sameValues(all, strings.Join(trial, "")) {
				continue
			}
			lines = trial
			edits = append(edits, Edit{Line: m.Line, What: text(at(d.root, "metadata", "name")) + ": keys of " + strings.Join(path, ".") + " sorted"})
		}
	}
	return strings.Join(lines, ""), edits
}

// sameValues reports whether two texts hold the same documents. Lists that are not indented and anchors are what sorting lines could break.
func sameValues(a, b string) bool {
	da, db := yaml.NewDecoder(strings.NewReader(a)), yaml.NewDecoder(strings.NewReader(b))
	for {
		var va, vb any
		ea, eb := da.Decode(&va), db.Decode(&vb)
		if errors.Is(ea, io.EOF) && errors.Is(eb, io.EOF) {
			return true
		}
		if ea != nil || eb != nil || !reflect.DeepEqual(va, vb) {
			return false
		}
	}
}

// sortMapping sorts the lines of a mapping in place and reports whether it did. One with something that could be taken apart is left alone.
func sortMapping(lines []string, m *yaml.Node, d document) bool {
	if m.Kind != yaml.MappingNode || m.Style&yaml.FlowStyle != 0 || len(m.Content) < 4 {
		return false
	}
	type block struct{ key, text string }
	var blocks []block
	end := mappingEnd(lines, m, d)
	for i := 0; i < len(m.Content); i += 2 {
		k := m.Content[i]
		if k.Column != m.Content[0].Column || k.Anchor != "" || k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			return false
		}
		from, to := start(lines, k), end
		if i+2 < len(m.Content) {
			to = start(lines, m.Content[i+2]) - 1
		}
		if i > 0 && from <= m.Content[i-2].Line {
			return false
		}
		blocks = append(blocks, block{k.Value, strings.Join(lines[from-1:to], "")})
	}
	if slices.IsSortedFunc(blocks, func(a, b block) int { return strings.Compare(a.key, b.key) }) {
		return false
	}
	first := start(lines, m.Content[0])
	slices.SortStableFunc(blocks, func(a, b block) int { return strings.Compare(a.key, b.key) })
	var out strings.Builder
	for _, b := range blocks {
		out.WriteString(b.text)
		if !strings.HasSuffix(b.text, "\n") {
			out.WriteString("\n")
		}
	}
	for i := first; i <= end; i++ {
		lines[i-1] = ""
	}
	lines[first-1] = out.String()
	return true
}

// start is the first line of an entry: that of its key, or of the comments right above it.
func start(lines []string, k *yaml.Node) int {
	line := k.Line
	for line > 1 {
		above := lines[line-2]
		trimmed := strings.TrimLeft(above, " ")
		if !strings.HasPrefix(trimmed, "#") || len(above)-len(trimmed) != k.Column-1 {
			break
		}
		line--
	}
	return line
}

// mappingEnd is the last line of a mapping: the one before the next line that is less indented.
func mappingEnd(lines []string, m *yaml.Node, d document) int {
	column := m.Content[0].Column - 1
	end := m.Content[len(m.Content)-2].Line
	for i := end + 1; i <= min(d.to, len(lines)); i++ {
		line := strings.TrimRight(lines[i-1], "\n")
		if strings.TrimSpace(line) == "" {
			continue // part of the value only if something indented follows
		}
		if len(line)-len(strings.TrimLeft(line, " ")) <= column {
			break
		}
		end = i
	}
	return end
}
