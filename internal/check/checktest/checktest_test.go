package checktest

import (
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/internal/check/workload"
)

func TestData(t *testing.T) { Run(t, "testdata/*.txtar", workload.New()) }

// TestDifferences proves that a test by archive can fail: each kind of difference is told.
func TestDifferences(t *testing.T) {
	const pod = "-- pod.yaml --\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: app\n    image: nginx\n"
	for name, c := range map[string]struct{ archive, want string }{
		"right":           {pod + "-- want --\npod.yaml:8 error image-tag has no tag\n", ""},
		"other rules":     {"rules: render-failed\n" + pod + "-- want --\n", ""},
		"unwanted":        {pod + "-- want --\n", "found, not wanted: pod.yaml:8 error image-tag container app"},
		"other line":      {pod + "-- want --\npod.yaml:7 error image-tag has no tag\n", "wanted, not found: pod.yaml:7"},
		"other severity":  {pod + "-- want --\npod.yaml:8 warning image-tag has no tag\n", "wanted, not found: pod.yaml:8 warning"},
		"other message":   {pod + "-- want --\npod.yaml:8 error image-tag moves\n", "wanted, not found: pod.yaml:8"},
		"twice":           {pod + "-- want --\npod.yaml:8 error image-tag\npod.yaml:8 error image-tag\n", "wanted, not found: pod.yaml:8"},
		"unknown rule":    {"rules: image-tagg\n" + pod + "-- want --\n", "image-tagg, which no checker has"},
		"nothing judged":  {"-- notes.txt --\nx\n-- want --\n", "nothing was judged"},
		"settings":        {pod + "-- .belay/check.yaml --\nseverities: {image-tag: \"off\"}\n-- want --\n", ""},
		"cannot render":   {"rules: image-tag\n-- kustomization.yaml --\nresources: [none.yaml]\n-- want --\n", "error render-failed"},
		"base is a path":  {"base: before\n-- base/kustomization.yaml --\nresources: [pod.yaml]\n" + strings.Replace(pod, "-- ", "-- base/", 1) + "-- want --\nbase/pod.yaml:8 error image-tag\n", ""},
		"base is no file": {strings.Replace(pod, "-- ", "-- base/", 1) + "-- want --\n", "nothing was judged"},
	} {
		if !strings.Contains(c.archive, "rules: ") {
			c.archive = "rules: image-tag\n" + c.archive
		}
		parsed, err := Parse(txtar.Parse([]byte(c.archive)))
		if err != nil {
			t.Fatal(name, err)
		}
		if len(parsed.Rules) == 0 {
			parsed.Rules = []string{"image-tag"}
		}
		report, err := parsed.Judge(t.Context(), workload.New())
		if err != nil {
			t.Fatal(name, err)
		}
		if got := parsed.Diff(report); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q; wanted %q", name, got, c.want)
		}
	}
	if _, err := Parse(txtar.Parse([]byte(pod))); err == nil {
		t.Error("an archive without want is read")
	}
}
