package waive

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/checktest"
	"github.com/belaycd/belay/internal/check/locate"
	"github.com/belaycd/belay/internal/check/workload"
)

func newYear() time.Time { return time.Date(2027, 1, 1, 23, 59, 59, 0, time.UTC) }

// imageTags is a checker of one rule.
type imageTags struct{ check.Checker }

func (c imageTags) Rules() []check.Rule {
	return slices.DeleteFunc(c.Checker.Rules(), func(r check.Rule) bool { return r.ID != "image-tag" })
}

func (c imageTags) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	return c.Checker.Check(ctx, repo, func(f check.Finding) {
		if f.Rule == "image-tag" {
			report(f)
		}
	})
}

func TestArchives(t *testing.T) {
	w := imageTags{workload.New()}
	checktest.Run(t, "testdata/*.txtar", w, New(Options{Rules: w.Rules(), Now: newYear()}))
}

const pods = `-- .belay/check.yaml --
exceptions:
- {rule: image-tag, name: excepted, reason: agreed, owner: team-a}
- {rule: image-tag, name: nothing, reason: agreed, owner: team-a}
-- pods.yaml --
apiVersion: v1
kind: Pod
metadata: {name: excepted}
spec:
  containers: [{name: a, image: a}]
---
apiVersion: v1
kind: Pod
metadata: {name: annotated, annotations: {ignore.belay.dev/image-tag: scratch}}
spec:
  containers: [{name: a, image: a}]
---
apiVersion: v1
kind: Pod
metadata: {name: known}
spec:
  containers: [{name: a, image: a}]
-- want --
`

func judge(t *testing.T, archive string, opts Options) (*check.Report, *check.Repository) {
	t.Helper()
	c, err := checktest.Parse(txtar.Parse([]byte(archive)))
	if err != nil {
		t.Fatal(err)
	}
	repo, err := c.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := imageTags{workload.New()}
	opts.Rules, opts.Now = w.Rules(), newYear()
	report, err := check.Judge(t.Context(), repo, locate.New(repo.Files), w, New(opts))
	if err != nil {
		t.Fatal(err)
	}
	return report, repo
}

// TestSuppressedStay: what does not count stays in the report, with the reason.
func TestSuppressedStay(t *testing.T) {
	report, _ := judge(t, pods, Options{Partial: true})
	got := map[string]check.Suppression{}
	open := len(report.Results)
	for _, r := range report.Suppressed {
		got[r.Objects[0].Name] = *r.Suppression
	}
	if e := got["excepted"]; e.By != check.ByException || e.Reason != "agreed" || e.Owner != "team-a" || e.At.Line != 2 {
		t.Errorf("%+v", e)
	}
	if a := got["annotated"]; a.By != check.ByAnnotation || a.Reason != "scratch" {
		t.Errorf("%+v", a)
	}
	if len(got) != 2 || open != 1 || report.Worst() != check.Error {
		t.Errorf("%+v, %d open", got, open)
	}
}

// TestBaseline: what a baseline holds does not count; a finding in another object does, and so does everything with another
// fingerprint. Written anew with itself, a baseline stays as it is.
func TestBaseline(t *testing.T) {
	first, repo := judge(t, pods, Options{})
	data, err := WriteBaseline(first, repo)
	if err != nil {
		t.Fatal(err)
	}
	baseline, err := ParseBaseline("b.json", data)
	if err != nil || len(baseline) != 1 {
		t.Fatalf("%v\n%s", err, data)
	}
	moved := strings.Replace(pods, "-- pods.yaml --\n", "-- pods.yaml --\n# a line more\n", 1)
	second, repo := judge(t, moved, Options{Baseline: baseline, Partial: true})
	if second.Worst() != check.Off {
		t.Errorf("%+v", second.Results)
	}
	again, err := WriteBaseline(second, repo)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("%v\n%s\n%s", err, again, data)
	}
	third, _ := judge(t, strings.Replace(pods, "known", "fresh", 1), Options{Baseline: baseline})
	if third.Worst() != check.Error {
		t.Errorf("%+v", third.Results)
	}
	repo.Config.NonWaivable = []string{"image-tag"}
	if none, err := WriteBaseline(first, repo); err != nil || strings.Contains(string(none), "image-tag") {
		t.Errorf("a baseline holds what it cannot accept: %v\n%s", err, none)
	}
	firm, _ := judge(t, strings.Replace(pods, "exceptions:", "nonWaivable: [image-tag]\nexceptions:", 1), Options{Baseline: baseline})
	if n := len(slices.DeleteFunc(firm.Results, func(r check.Result) bool { return r.Rule.ID != "image-tag" })); firm.Worst() != check.Error || n != 1 && n != 2 {
		t.Errorf("%d: %+v", n, firm.Results)
	}
}

func TestParseBaselineRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "b.json: read the baseline",
		`{"version": 2}`:                   "version 2",
		`{"version": 1, "x": 1}`:           "unknown field",
		`{"version": 1, "findings": [{}]}`: "finding 1 has no fingerprint",
		`{"version": 1, "findings": "everything"}`: "b.json: read the baseline",
	} {
		if b, err := ParseBaseline("b.json", []byte(text)); err == nil || !strings.Contains(err.Error(), want) || b != nil {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func FuzzBaseline(f *testing.F) {
	f.Add([]byte(`{"version": 1, "findings": [{"fingerprint": "a"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if b, err := ParseBaseline("b.json", data); err == nil && b[""] {
			t.Error("a finding without a fingerprint")
		}
	})
}

// FuzzContainer: paths hold names that somebody wrote.
func FuzzContainer(f *testing.F) {
	f.Add("spec.template.spec.containers[name=app].image")
	f.Add(`spec.containers[name="]`)
	f.Fuzz(func(_ *testing.T, path string) { container(path) })
}
