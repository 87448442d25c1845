package policy_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/internal/check/native/admit"
	"github.com/belaycd/belay/internal/check/policy"
	"github.com/belaycd/belay/internal/render/rendertest"
)

// files reads an archive of testdata/cases.
func files(t *testing.T, name string) (policy.Options, string) {
	t.Helper()
	parsed, err := txtar.ParseFile("testdata/cases/" + name)
	if err != nil {
		t.Fatal(err)
	}
	out, want := map[string]string{}, ""
	for _, f := range parsed.Files {
		if f.Name == "want" {
			want = string(f.Data)
			continue
		}
		out[f.Name] = string(f.Data)
	}
	return policy.Options{Files: rendertest.Files(out)}, want
}

func TestCases(t *testing.T) {
	opts, want := files(t, "test.txtar")
	tests, err := policy.Test(t.Context(), admit.Server{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, o := range tests.Outcomes {
		result := "ok"
		if !o.Passed {
			result = "FAIL"
		}
		fmt.Fprintf(&got, "%s %s: want %s, got %s\n", result, o.Case, o.Want, o.Got)
		for _, said := range o.Said {
			fmt.Fprintf(&got, "  %s\n", said)
		}
	}
	for _, f := range tests.Flaws {
		fmt.Fprintf(&got, "%s: %s\n", f.Place, f.Text)
	}
	fmt.Fprintf(&got, "untested: %s\n", strings.Join(tests.Untested, ", "))
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}

// TestCasesUnread: a file with cases that says nothing, or something wrong, is never a pass.
func TestCasesUnread(t *testing.T) {
	const works = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: works}\nspec:\n" +
		"  matchConstraints: {resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}\n  validations: [{expression: \"true\"}]\n"
	const object = "object: {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}"
	for name, c := range map[string]struct{ cases, want string }{
		"no cases":       {"cases: []", "it has no cases"},
		"unknown field":  {"case: []", `unknown field "case"`},
		"no object":      {"cases: [{name: a, expect: allow}]", "neither object nor file"},
		"no expectation": {"cases: [{name: a, " + object + "}]", "one of allow, deny, warn, audit"},
		"no file":        {"cases: [{name: a, file: none.yaml, expect: allow}]", "none.yaml"},
		"both":           {"cases: [{name: a, file: none.yaml, " + object + ", expect: allow}]", "not in both"},
		"other old":      {"cases: [{name: a, " + object + ", old: {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}, expect: allow}]", "no old object"},
	} {
		opts := policy.Options{Files: rendertest.Files(map[string]string{policy.Dir + "/a.yaml": works, policy.Dir + "/a_test.yaml": c.cases})}
		if _, err := policy.Test(t.Context(), admit.Server{}, opts); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; wanted %q", name, err, c.want)
		}
	}
	for want, tree := range map[string]map[string]string{
		"no cases":    {policy.Dir + "/a.yaml": works},
		"no policies": {policy.Dir + "/a_test.yaml": "cases: [{expect: allow, " + object + "}]"},
	} {
		if _, err := policy.Test(t.Context(), admit.Server{}, policy.Options{Files: rendertest.Files(tree)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; wanted %q", err, want)
		}
	}
}

func TestLint(t *testing.T) {
	opts, want := files(t, "lint.txtar")
	flaws, err := policy.Lint(t.Context(), admit.Server{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, f := range flaws {
		f.Place.Column = 0
		fmt.Fprintf(&got, "%s: %s: %s\n", f.Place, f.Severity, f.Text)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("%s\n%s", diff, got.String())
	}
}

// TestVersions: a policy that uses what a version of Kubernetes does not have yet does not compile there. As in a cluster, what is
// new in a version is allowed in new policies from the version after it on.
func TestVersions(t *testing.T) {
	text := "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: works}\nspec:\n" +
		"  matchConstraints: {resourceRules: [{apiGroups: [\"\"], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}\n  validations: [{expression: \"isIP('10.0.0.1')\"}]\n"
	for version, want := range map[string]int{"1.29": 1, "1.30": 1, "1.31": 0, "1.37": 0, "v1.37.2": 0, "": 0} {
		flaws, err := policy.Lint(t.Context(), admit.Server{}, policy.Options{Files: rendertest.Files(map[string]string{policy.Dir + "/a.yaml": text}), KubeVersion: version})
		if err != nil || len(flaws) != want {
			t.Errorf("%s: %v, %v; wanted %d flaws", version, flaws, err, want)
		}
	}
	if _, err := policy.Lint(t.Context(), admit.Server{}, policy.Options{Files: rendertest.Files(map[string]string{policy.Dir + "/a.yaml": text}), KubeVersion: "new"}); err == nil {
		t.Error("new is a version")
	}
}

// TestExample keeps the policies of the example repository and their cases in step.
func TestExample(t *testing.T) {
	opts := policy.Options{Files: os.DirFS("../../../examples/callcenter")}
	tests, err := policy.Test(t.Context(), admit.Server{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range tests.Outcomes {
		if !o.Passed {
			t.Errorf("%+v", o)
		}
	}
	flaws, err := policy.Lint(t.Context(), admit.Server{}, opts)
	if err != nil || len(flaws)+len(tests.Flaws)+len(tests.Untested) > 0 {
		t.Errorf("%v %v %v %v", err, flaws, tests.Flaws, tests.Untested)
	}
}
