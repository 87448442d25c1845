package locate_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/discover"
	"github.com/belaycd/belay/internal/check/locate"

	"github.com/belaycd/belay/internal/check/checktest"
	"github.com/belaycd/belay/internal/render/rendertest"
)

const example = "../../../examples/callcenter"

// TestEveryLine changes one value of one file of the example at a time. Wherever that value shows in what is rendered, its place
// must be the line that was changed.
func TestEveryLine(t *testing.T) {
	files, err := rendertest.Dir(example)
	if err != nil {
		t.Fatal(err)
	}
	repo := loaded(t, files)
	read := map[string]bool{}
	for _, u := range repo.Units {
		for _, name := range u.Reads {
			read[name] = true
		}
	}
	tried, shown := 0, 0
	for name := range read {
		if !strings.HasSuffix(name, ".yaml") || strings.Contains(name, "crds") {
			continue
		}
		data, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range values(data) {
			if (i+len(name))%3 != 0 { // a third of them, the same ones each time
				continue
			}
			changed := change(string(data), line)
			tree := files.With(map[string]*string{name: &changed})
			tried++
			shown += marked(t, loaded(t, tree), tree, check.Place{File: name, Line: line.Line})
		}
	}
	t.Logf("%d changes, %d places", tried, shown)
	if tried < 30 || shown < tried {
		t.Errorf("%d changes show in %d places: the example has more", tried, shown)
	}
}

func loaded(t *testing.T, files *rendertest.FS) *check.Repository {
	t.Helper()
	repo, err := discover.Load(t.Context(), files, nil, discover.Options{Renderer: checktest.Renderer(), Revision: "local"})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// values are the scalars of a file that can be anything: what is no identity, number or choice.
func values(data []byte) (out []*yaml.Node) {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	for {
		var doc yaml.Node
		if dec.Decode(&doc) != nil {
			return out
		}
		collect(&doc, &out)
	}
}

func collect(n *yaml.Node, out *[]*yaml.Node) {
	keys := []string{"image", "value", "mountPath", "storageClassName", "cpu", "memory", "host", "serviceName", "workingDir", "subPath", "newTag"}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 && c.Kind == yaml.ScalarNode && c.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 &&
			slices.Contains(keys, n.Content[i-1].Value) && c.Value != "" && n.Content[i-1].Line == c.Line {
			*out = append(*out, c)
			continue
		}
		collect(c, out)
	}
}

// change replaces the scalar by one that is nowhere else.
func change(text string, n *yaml.Node) string {
	lines := strings.Split(text, "\n")
	line := lines[n.Line-1]
	rest := line[n.Column-1:]
	old := n.Value
	if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		old = rest[:1] + n.Value + rest[:1]
	}
	lines[n.Line-1] = line[:n.Column-1] + "MARK" + strings.TrimPrefix(rest, old)
	return strings.Join(lines, "\n")
}

func marked(t *testing.T, repo *check.Repository, files *rendertest.FS, want check.Place) (found int) {
	t.Helper()
	at := locate.New(files)
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			marks(o.Object, "", func(field, value string) {
				if value != "MARK" && !strings.HasSuffix(value, ":MARK") {
					return
				}
				found++
				got := at.Place(&check.Finding{Object: o, Path: field})
				if got.File != want.File || got.Line != want.Line {
					t.Errorf("%s of %s in %s: %s, want %s", field, o.Ref, path.Base(u.Name), got, want)
				}
			})
		}
	}
	return found
}
