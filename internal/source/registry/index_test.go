package registry

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// TestCutIndex: cutting an index is only another way to read it.
func TestCutIndex(t *testing.T) {
	repo := &sourcetest.ChartRepo{}
	for _, name := range []string{"web", "api", "api-gateway", "x.y_z"} {
		for _, v := range []string{"1.0.0", "1.1.0+b", "2.0.0-rc.1"} {
			repo.Publish(name, v, []byte(name+v))
		}
	}
	canonical := repo.Index()
	if parts, ok := cutIndex([]byte(canonical)); !ok || len(parts) != 4 {
		t.Errorf("the layout of Helm is cut into %d, %t; want 4", len(parts), ok)
	}
	for name, text := range map[string]string{
		"canonical":   canonical,
		"end first":   "extra: x\n" + canonical,
		"deep":        "apiVersion: v1\nentries:\n    web:\n    - version: 1.0.0\n      urls: [a]\n",
		"flow":        "apiVersion: v1\nentries: {web: [{version: 1.0.0, urls: [a]}]}\n",
		"json":        `{"apiVersion": "v1", "entries": {"web": [{"version": "1.0.0", "urls": ["a"]}]}}`,
		"quoted":      "apiVersion: v1\nentries:\n  \"web\":\n  - version: \"1.0.0\"\n    urls: [a]\n",
		"comments":    "apiVersion: v1\nentries:\n  # about web\n  web: # it\n  - version: 1.0.0\n    urls: [a]\n",
		"anchors":     "apiVersion: v1\nentries:\n  a: &a\n  - version: 1.0.0\n    urls: [a]\n  b: *a\n",
		"null":        "apiVersion: v1\nentries:\n  web:\n  - null\n  - version: 1.0.0\n  other: null\n",
		"no entries":  "apiVersion: v1\nentries: {}\n",
		"blank lines": "apiVersion: v1\nentries:\n  web:\n\n  - version: 1.0.0\n\n    urls:\n    - a\n\n\ngenerated: x\n",
		"block":       "apiVersion: v1\nentries:\n  web:\n  - description: |\n      entries:\n      x: y\n    version: 1.0.0\n    urls: [a]\n",
		"indicator":   "apiVersion: v1\nentries:\n  web:\n  - description: \"one\n   two: three\"\n    version: 1.0.0\n    urls: [a]\n",
	} {
		whole, err := parseWhole([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := parseIndex([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(whole.charts, got.charts); diff != "" {
			t.Errorf("%s (-whole +cut):\n%s", name, diff)
		}
	}
}

func TestIndexLimits(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nentries:\n")
	for i := range maxCharts + 1 {
		fmt.Fprintf(&b, "  c%d:\n  - version: 1.0.0\n", i)
	}
	if _, err := parseIndex([]byte(b.String())); !fault.Is(err, fault.Invalid) {
		t.Errorf("an index of %d charts: %v", maxCharts+1, err)
	}
	// Aliases of aliases must not multiply.
	bomb := "apiVersion: v1\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
		"v: &v {version: 1.0.0, urls: *c}\nl: &l [" + strings.Repeat("*v,", 2000) + "*v]\nentries: {" + strings.Repeat("x: *l, ", 1)
	for i := range 1000 {
		bomb += fmt.Sprintf("c%d: *l, ", i)
	}
	if _, err := parseIndex([]byte(bomb + "z: *l}\n")); !fault.Is(err, fault.Invalid) {
		t.Errorf("a bomb of aliases: %v", err)
	}
	if _, err := parseIndex([]byte("apiVersion: v1\nentries: {a: [" + strings.Repeat("{version: 1.0.0},", maxDocument/17) + "]}")); !fault.Is(err, fault.Invalid) {
		t.Errorf("a large index in one piece: %v", err)
	}
}

func FuzzParseIndex(f *testing.F) {
	f.Add("apiVersion: v1\nentries:\n  web:\n  - version: 1.0.0\n    urls: [a]\ngenerated: x\n")
	f.Add("apiVersion: v1\nentries: {web: [{version: 1.0.0}]}\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseIndex([]byte(text))
		if err != nil {
			if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v: %q", fault.KindOf(err), err)
			}
			return
		}
		for name := range got.charts {
			_ = offers(got.versions(name))
		}
	})
}
