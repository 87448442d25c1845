package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/object"
)

func rule(id string, s check.Severity) check.Rule {
	return check.Rule{ID: id, Title: "a title of " + id, Severity: s, Why: "It breaks.", Fix: "Mend it.", Standards: []string{"CIS 5.1.3"}}
}

func sample() *check.Report {
	tag, probes, literal := rule("image-tag", check.Error), rule("probes", check.Warning), rule("secret-plaintext", check.Error)
	ref := object.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "api"}
	return &check.Report{
		Rules: []check.Rule{tag, probes, literal}, Units: 3, Objects: 12,
		Results: []check.Result{
			{Rule: tag, Severity: check.Error, Message: "container api runs api:latest, whose tag moves", Fix: "Name the release.", Place: check.Place{File: "base/api.yaml", Line: 3, Column: 5},
				Path: "spec.template.spec.containers[name=api].image", Objects: []object.Ref{ref}, Units: []string{"shop-dev", "shop-prod"}, Fingerprint: "00aa"},
			{Rule: literal, Severity: check.Error, Message: "a literal: postgres://me:hunter2@db, password=hunter2\n::error::injected\x1b[31m", Fix: "Use a reference.",
				Place: check.Place{File: "base/secret.yaml", Line: 4, Column: 3}, Objects: []object.Ref{{Kind: "Secret", Name: "db"}}, Units: []string{"shop-dev"}, Fingerprint: "00bb"},
			{Rule: probes, Severity: check.Warning, Message: "container api has no readiness probe | <b>@team</b>", Fix: "Add one.", Place: check.Place{File: "base/api.yaml", Line: 2, Column: 1},
				Objects: []object.Ref{ref}, Units: []string{"shop-dev"}, Fingerprint: "00cc"},
		},
		Suppressed: []check.Result{{Rule: probes, Severity: check.Warning, Message: "no probe", Fix: "Add one.", Place: check.Place{File: "base/job.yaml", Line: 1}, Fingerprint: "00dd",
			Suppression: &check.Suppression{By: "annotation", Reason: "it is a batch"}}},
		Skipped: []check.Skipped{{Unit: "charts", Why: "its source https://me:hunter2@charts.example.com is elsewhere"}},
	}
}

func files() fstest.MapFS {
	return fstest.MapFS{
		"base/api.yaml":    {Data: []byte("kind: Deployment\ncontainers:\n  - image: api:latest # now\n")},
		"base/secret.yaml": {Data: []byte("kind: Secret\nmetadata: {name: db}\nstringData:\n  password: hunter2\n")},
	}
}

func write(t *testing.T, format string, r *check.Report, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestNoSecretLeaves writes every format and looks for the values that must not be seen, and for what a terminal would obey.
func TestNoSecretLeaves(t *testing.T) {
	for _, format := range Formats() {
		got := write(t, format, sample(), Options{Files: files()})
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s shows a password:\n%s", format, got)
		}
		if strings.Contains(got, "\x1b") || strings.Contains(got, "\n::error::injected") {
			t.Errorf("%s passes on what a terminal or a runner would obey:\n%q", format, got)
		}
		if !strings.Contains(got, "image-tag") || !strings.Contains(got, "charts") {
			t.Errorf("%s says nothing of a finding, or of what was not judged:\n%s", format, got)
		}
	}
	if err := Write(&bytes.Buffer{}, "yaml", sample(), Options{}); err == nil {
		t.Error("an unknown format was written")
	}
}

func TestText(t *testing.T) {
	const want = `repo/base/api.yaml
  3:5 error container api runs api:latest, whose tag moves [image-tag]
    3 |   - image: api:latest # now
      |     ^
    object  apps/Deployment/shop/api
    field   spec.template.spec.containers[name=api].image
    shows   in shop-dev, shop-prod
    why     It breaks.
    fix     Name the release.
  2:1 warning container api has no readiness probe | <b>@team</b> [probes]
    2 | containers:
      | ^
    object  apps/Deployment/shop/api
    why     It breaks.
    fix     Add one.

repo/base/secret.yaml
  4:3 error a literal: postgres://me:xxxxx@db, password=***\n::error::injected\x1b[31m [secret-plaintext]
    4 |   password: ***
      |   ^
    object  Secret/db
    why     It breaks.
    fix     Use a reference.

not judged: charts: its source https://me:xxxxx@charts.example.com is elsewhere
1 finding suppressed by annotations, exceptions or a baseline
2 errors, 1 warning, 0 notes: 12 objects of 3 applications and directories judged by 3 rules
mend what the fix lines say, or accept a finding with the annotation ignore.belay.dev/image-tag: "reason"; more: https://github.com/belaycd/belay/blob/main/docs/reference/checks/image-tag.md
`
	if d := cmp.Diff(want, write(t, "text", sample(), Options{Files: files(), Prefix: "repo"})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	clean := &check.Report{Units: 1, Objects: 2, Rules: sample().Rules}
	if got := write(t, "text", clean, Options{}); got != "nothing found: 2 objects of 1 application or directory judged by 3 rules\n" {
		t.Errorf("a clean report is %q", got)
	}
	if got := write(t, "text", &check.Report{}, Options{}); !strings.Contains(got, "nothing (no application") {
		t.Errorf("a report on nothing looks like a clean one: %q", got)
	}
	if got := write(t, "text", sample(), Options{Colour: true}); !strings.Contains(got, "\x1b[31merror\x1b[0m") {
		t.Error("no colour")
	}
}

func TestJSON(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal([]byte(write(t, "json", sample(), Options{Prefix: "repo", Version: "1.2.3"})), &doc); err != nil {
		t.Fatal(err)
	}
	results, _ := doc["results"].([]any)
	if len(results) != 3 {
		t.Fatalf("%d results", len(results))
	}
	want := map[string]any{
		"rule": "image-tag", "severity": "error", "message": "container api runs api:latest, whose tag moves", "why": "It breaks.", "fix": "Name the release.", "help": helpURL("image-tag"),
		"place": map[string]any{"file": "repo/base/api.yaml", "line": 3.0, "column": 5.0}, "path": "spec.template.spec.containers[name=api].image",
		"objects": []any{map[string]any{"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "api"}}, "units": []any{"shop-dev", "shop-prod"}, "fingerprint": "00aa",
	}
	if d := cmp.Diff(want, results[0]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	wantCounts := map[string]any{"errors": 2.0, "warnings": 1.0, "notes": 0.0, "suppressed": 1.0, "skipped": 1.0}
	if d := cmp.Diff(wantCounts, doc["counts"]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	var empty map[string]any
	if err := json.Unmarshal([]byte(write(t, "json", &check.Report{}, Options{})), &empty); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"results", "suppressed", "skipped"} {
		if _, isList := empty[field].([]any); !isList {
			t.Errorf("%s of an empty report is %v, not an empty list", field, empty[field])
		}
	}
}

func TestSARIF(t *testing.T) {
	text := write(t, "sarif", sample(), Options{Prefix: "a repo", Version: "1.2.3"})
	conforms := oasis(t)
	if err := conforms(text); err != nil {
		t.Errorf("%v in:\n%s", err, text)
	}
	for _, broken := range []string{
		strings.Replace(text, `"level":"error"`, `"level":"grave"`, 1),
		strings.Replace(text, `"startLine":3`, `"startLine":0`, 1),
		strings.Replace(text, `"ruleId"`, `"ruleName"`, 1),
		strings.Replace(text, `"version":"2.1.0"`, `"version":"2.0"`, 1),
	} {
		if conforms(broken) == nil {
			t.Error("a broken document passes: the test cannot fail")
		}
	}
	var log sarifLog
	if err := json.Unmarshal([]byte(text), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if uri := run.Results[0].Locations[0].PhysicalLocation.ArtifactLocation.URI; uri != "a%20repo/base/api.yaml" {
		t.Errorf("the address of the file is %q", uri)
	}
	last := run.Results[len(run.Results)-1]
	if len(run.Results) != 4 || len(last.Suppressions) != 1 || last.Suppressions[0].Kind != "inSource" {
		t.Errorf("suppressed results are not kept: %+v", last)
	}
	if got := run.Results[0].PartialFingerprints["belay/v1"]; got != "00aa" {
		t.Errorf("the fingerprint is %q", got)
	}
	if n := run.Invocations[0].Notifications; len(n) != 1 || !strings.Contains(n[0].Message.Text, "not judged: charts") {
		t.Errorf("what was not judged is missing: %+v", n)
	}
}

// many is a report with more results than any format may carry.
func many(n int) *check.Report {
	r := &check.Report{Rules: []check.Rule{rule("a", check.Error), rule("b", check.Note)}, Units: 1, Objects: n}
	for i := range n {
		of, s := r.Rules[0], check.Error
		if i > 30 {
			of, s = r.Rules[1], check.Note
		}
		r.Results = append(r.Results, check.Result{Rule: of, Severity: s, Message: fmt.Sprintf("finding %06d %s", i, strings.Repeat("x", 300)), Fix: "Mend it.", Place: check.Place{File: "f.yaml", Line: i + 1}, Fingerprint: fmt.Sprint(i)})
	}
	return r
}

func TestBounds(t *testing.T) {
	r := many(26_000)
	for i := range 1200 {
		r.Results[0].Objects = append(r.Results[0].Objects, object.Ref{Kind: "Pod", Name: fmt.Sprint(i)})
	}
	text := write(t, "sarif", r, Options{})
	var log sarifLog
	if err := json.Unmarshal([]byte(text), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if n := len(run.Results); n == 0 || n > maxSARIFResults || len(text) > maxSARIFBytes {
		t.Errorf("%d results in %d bytes", n, len(text))
	}
	if n := len(run.Results[0].Locations) + len(run.Results[0].Locations[0].LogicalLocations); n > maxSARIFPlaces {
		t.Errorf("%d places of one result", n)
	}
	left := fmt.Sprintf("%d results left out", 26_000-len(run.Results))
	if n := run.Invocations[0].Notifications; len(n) != 1 || !strings.HasPrefix(n[0].Message.Text, left) {
		t.Errorf("what is left out is not told: %+v, want %s", n, left)
	}
	if md := write(t, "markdown", r, Options{}); len(md) > MarkdownLimit || !strings.Contains(md, "findings not shown here") || !strings.Contains(md, "finding 000000") {
		t.Errorf("%d bytes of Markdown: %.300s", len(md), md)
	}
	hub := write(t, "github", r, Options{})
	if e, n := strings.Count(hub, "::error "), strings.Count(hub, "::notice "); e != 10 || n != 10 {
		t.Errorf("%d errors and %d notices", e, n)
	}
	if !strings.Contains(hub, "25981 findings not shown") {
		t.Errorf("what is not shown is not told: %s", hub[len(hub)-400:])
	}
}

func TestGitHub(t *testing.T) {
	got := write(t, "github", sample(), Options{Prefix: "repo"})
	want := "::error file=repo/base/api.yaml,line=3,col=5,title=image-tag::container api runs api:latest, whose tag moves%0AName the release.%0Aapps/Deployment/shop/api\n"
	if !strings.HasPrefix(got, want) {
		t.Errorf("got:\n%s\nwant first:\n%s", got, want)
	}
	r := sample()
	r.Results[0].Place.File = "a,b:c%.yaml"
	if got := write(t, "github", r, Options{}); !strings.HasPrefix(got, "::error file=a%2Cb%3Ac%25.yaml,line=3") {
		t.Errorf("properties are not escaped: %s", got)
	}
}

func TestJUnit(t *testing.T) {
	text := write(t, "junit", sample(), Options{})
	var suites junitSuites
	if err := xml.Unmarshal([]byte(text), &suites); err != nil {
		t.Fatal(err)
	}
	if suites.Tests != 5 || suites.Failures != 2 || suites.Skipped != 2 {
		t.Errorf("%d tests, %d failures, %d skipped in:\n%s", suites.Tests, suites.Failures, suites.Skipped, text)
	}
	if err := xml.Unmarshal([]byte(write(t, "junit", sample(), Options{FailOn: check.Warning})), &suites); err != nil || suites.Failures != 3 {
		t.Errorf("%d failures from warnings on, %v", suites.Failures, err)
	}
	clean := &check.Report{Rules: sample().Rules}
	var passed junitSuites
	if err := xml.Unmarshal([]byte(write(t, "junit", clean, Options{})), &passed); err != nil || passed.Tests != 3 || passed.Failures != 0 {
		t.Errorf("a clean report has %d tests and %d failures, %v", passed.Tests, passed.Failures, err)
	}
}

func TestMarkdown(t *testing.T) {
	got := write(t, "markdown", sample(), Options{Prefix: "repo"})
	for _, want := range []string{
		"### belay check: 2 errors, 1 warning, 0 notes\n", "| error | `repo/base/api.yaml:3:5` | container api runs api:latest, whose tag moves<br>`apps/Deployment/shop/api`<br>Fix: Name the release. | [image-tag](",
		`no readiness probe \| &lt;b&gt;@` + "\u2060" + `team&lt;/b&gt;`, "<summary>not judged: 1</summary>",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in:\n%s", want, got)
		}
	}
}
