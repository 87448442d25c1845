package guide

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// block is a fenced block of the guide, without the indentation of the list that it may stand in.
type block struct {
	section  string // the nearest heading
	language string
	text     string
}

// blocks returns the fenced blocks of a Markdown document.
func blocks(markdown string) []block {
	var out []block
	var section string
	var open *block
	var indent int
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		fence, fenced := strings.CutPrefix(strings.TrimLeft(line, " "), "```")
		switch {
		case fenced && open == nil:
			indent = len(line) - len(strings.TrimLeft(line, " "))
			open = &block{section: section, language: fence}
		case fenced:
			out = append(out, *open)
			open = nil
		case open != nil:
			open.text += line[min(indent, len(line)-len(strings.TrimLeft(line, " "))):] + "\n"
		case strings.HasPrefix(line, "#"):
			section = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	return out
}

// commands returns the command lines of a block of shell text.
func (b block) commands() []string {
	var out []string
	for line := range strings.Lines(b.text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// inline returns the commands, with what they act on, that a section shows inside its sentences.
func inline(markdown, section string) []string {
	code := regexp.MustCompile("`((?:kubectl|argocd|git) [^`]* [^`]*)`")
	_, text, _ := strings.Cut(markdown, "# "+section+"\n")
	text, _, _ = strings.Cut(text, "\n#")
	var out []string
	for _, m := range code.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

func TestBlocks(t *testing.T) {
	const text = "# One\n```\nplain\n```\n## Two\n1. item:\n   ```bash\n   # why\n   a --b\n\n   c > d\n   ```\n- x\n```yaml\nk:\n  # no heading\n  v: 1\n```\n" +
		"### Three\nsee `kubectl get pods -n a` or `kubectl`\n### Four\n`kubectl get b -n c`\n"
	want := []block{
		{"One", "", "plain\n"},
		{"Two", "bash", "# why\na --b\n\nc > d\n"},
		{"Two", "yaml", "k:\n  # no heading\n  v: 1\n"},
	}
	got := blocks(text)
	if d := cmp.Diff(want, got, cmp.AllowUnexported(block{})); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"a --b", "c > d"}, want[1].commands()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"kubectl get pods -n a"}, inline(text, "Three")); d != "" {
		t.Error(d)
	}
}
