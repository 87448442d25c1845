package checktest

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/internal/check"
)

// Order judges the archives that pattern matches with objects and containers in the opposite order: the findings must be the same.
// Units keep their order, which is that of their names.
func Order(t *testing.T, pattern string, checkers ...check.Checker) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no archive matches %s: %v", pattern, err)
	}
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(archive)
		if err != nil {
			t.Fatal(err)
		}
		repo, err := c.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := told(t, repo, checkers)
		for _, u := range repo.Units {
			slices.Reverse(u.Objects)
			for _, o := range u.Objects {
				reverse(o)
			}
		}
		if got := told(t, repo, checkers); !slices.Equal(got, want) {
			t.Errorf("%s: in the opposite order:\n%s\nin order:\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// reverse turns the lists of a pod around whose order means nothing to a rule.
func reverse(o *check.Object) {
	pod := check.PodOf(o.Unstructured)
	if pod == nil {
		return
	}
	for _, list := range []string{"initContainers", "containers", "volumes"} {
		elements, _ := pod.Spec[list].([]any)
		slices.Reverse(elements)
	}
}

// told returns findings as texts, in order.
func told(t *testing.T, repo *check.Repository, checkers []check.Checker) (out []string) {
	t.Helper()
	report, err := check.Judge(t.Context(), repo, nil, checkers...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range report.Results {
		r := &report.Results[i]
		object := ""
		for _, o := range r.Objects {
			object += " " + o.String()
		}
		out = append(out, r.Severity.String()+" "+r.Rule.ID+object+" "+r.Path+": "+r.Message)
	}
	slices.Sort(out)
	return out
}
