package discover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/render"
)

// problem says what is wrong with a file that should be manifests: nil for one that is fine, or none.
func (l *loader) problem(name string) *check.Unreadable {
	if p, ok := l.problems[name]; ok {
		return p
	}
	p := l.examine(name)
	l.problems[name] = p
	return p
}

func (l *loader) examine(name string) *check.Unreadable {
	f := l.tree.look(name)
	if f.large > 0 {
		return &check.Unreadable{Place: check.Place{File: name}, Why: fmt.Sprintf("the file has %d MiB, more than the %d MiB that are read", f.large>>20, maxManifest>>20)}
	}
	if !f.manifest {
		return nil
	}
	data, err := fs.ReadFile(l.files, name)
	if err != nil {
		return nil
	}
	if _, err = render.Decode(name, data); err == nil {
		return nil
	}
	// "file:12: document 2: what is wrong"
	why, _ := strings.CutPrefix(err.Error(), name)
	line := 0
	if m := linePrefix.FindStringSubmatch(why); m != nil {
		line, _ = strconv.Atoi(m[1])
		why = why[len(m[0]):]
	}
	why = strings.TrimPrefix(why, ": ")
	place := check.Place{File: name, Line: line}
	if strings.Contains(why, "not valid YAML") {
		place.Line = brokenLine(data, line)
	}
	if strings.Contains(why, "not valid JSON") {
		var fail *json.SyntaxError
		if err := json.Unmarshal(data, new(json.RawMessage)); errors.As(err, &fail) {
			before := data[:max(0, min(int(fail.Offset)-1, len(data)))]
			place.Line, place.Column = 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')
		}
		return &check.Unreadable{Place: place, Why: why}
	}
	place.Column, why = column(data, place.Line, why)
	return &check.Unreadable{Place: place, Why: why}
}

var linePrefix = regexp.MustCompile(`^:(\d+): `)

// brokenLine finds the line at which YAML stops to be YAML. The parser names the line at which the construct begins that it
// could not read, or the one before: what can be read up to a line tells better.
func brokenLine(data []byte, reported int) int {
	lines := bytes.SplitAfter(data, []byte("\n"))
	const window = 200
	last := -1
	for n := max(0, reported-3); n < len(lines) && n <= reported+window; n++ {
		if parses(bytes.Join(lines[:n], nil)) {
			last = n
		}
	}
	if last < 0 {
		return max(reported, 1)
	}
	for last < len(lines)-1 && len(bytes.TrimSpace(lines[last])) == 0 {
		last++
	}
	return last + 1
}

func parses(data []byte) (ok bool) {
	defer func() { ok = recover() == nil && ok }()
	d := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := d.Decode(&n); err != nil {
			return err.Error() == "EOF"
		}
	}
}

// column finds what is wrong in a line, and says it in words where it is known.
func column(data []byte, line int, why string) (int, string) {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return 0, why
	}
	text := string(lines[line-1])
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	switch {
	case strings.Contains(why, "set twice"):
	case strings.Contains(text[:indent], "\t"):
		return strings.Index(text, "\t") + 1, "a tab indents this line: YAML allows spaces alone"
	case strings.Contains(text, "{{"):
		return strings.Index(text, "{{") + 1, "a template that nothing has filled in: " + why
	}
	return indent + 1, why
}

// syntax notes the files that cannot be read, with the units that want them. A template that no unit wants is for a program that
// is not known here.
func (l *loader) syntax() {
	var failed []*job
	for _, j := range l.jobs {
		if j.broken || j.unit.Err != nil {
			failed = append(failed, j)
		}
	}
	for _, name := range l.tree.manifests {
		var users []*check.Unit
		deployed := false
		for _, j := range failed {
			if j.closure.covers(name) {
				users = append(users, j.unit)
				deployed = deployed || j.unit.Kind != check.FromDirectory
			}
		}
		if len(users) == 0 && l.tree.look(name).large == 0 {
			continue // what has been read is no problem
		}
		p := l.problem(name)
		if p == nil {
			continue
		}
		p.Units = users
		if !deployed && l.tree.look(name).braces {
			l.repo.Units = append(l.repo.Units, &check.Unit{Name: name, Kind: check.FromDirectory, Path: name, Skipped: "it is a template that nothing here renders"})
			continue
		}
		if len(l.opts.Paths) == 0 || below(name, l.opts.Paths) || slices.ContainsFunc(p.Units, func(u *check.Unit) bool { return !u.Unchanged }) {
			l.repo.Unreadable = append(l.repo.Unreadable, *p)
		}
	}
}
