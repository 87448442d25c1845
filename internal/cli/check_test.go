package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/preview"
)

// found is a judgement with one error, or none when the file has no :latest any more.
func found(ctx context.Context, opts CheckOptions) (*check.Report, error) {
	rule := check.Rule{ID: "image-tag", Title: "image without a fixed tag", Severity: check.Error, Why: "It moves.", Fix: "Name the release."}
	r := &check.Report{Rules: []check.Rule{rule}, Units: 1, Objects: 1}
	data, err := os.ReadFile(filepath.Join(opts.Root, "api.yaml"))
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(data), "v1beta1") {
		r.Results = []check.Result{{Rule: rule, Severity: check.Error, Message: "it is old", Fix: rule.Fix, Place: check.Place{File: "api.yaml", Line: 1, Column: 1}, Fingerprint: "f"}}
	}
	return r, nil
}

func runCheck(t *testing.T, env Env, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	env.Out, env.Err = &out, &errs
	code = Main(t.Context(), env, args)
	return out.String(), errs.String(), code
}

func TestCheckOutputs(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "api.yaml"), "apiVersion: batch/v1beta1 # old\nkind: CronJob\n")
	env := Env{Checker: found, Build: Build{Version: "1.2.3"}}
	sarif, summary := filepath.Join(dir, "out.sarif"), filepath.Join(dir, "summary.md")
	out, errs, code := runCheck(t, env, "check", dir, "-o", "github", "--output", "sarif="+sarif, "--output", "markdown="+summary)
	if code != 1 || errs != "" || !strings.HasPrefix(out, "::error file=api.yaml,line=1,") {
		t.Errorf("exit code %d, %q, %q", code, out, errs)
	}
	if text := read(t, sarif); !strings.Contains(text, `"version":"2.1.0"`) || !strings.Contains(text, `"version":"1.2.3"`) {
		t.Errorf("the file is %s", text)
	}
	if text := read(t, summary); !strings.HasPrefix(text, "### belay check: 1 error") {
		t.Errorf("the file is %s", text)
	}
	out, _, code = runCheck(t, env, "check", dir)
	if code != 1 || !strings.Contains(out, "    1 | apiVersion: batch/v1beta1 # old\n      | ^\n") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	if out, _, code := runCheck(t, env, "check", dir, "-o", "json"); code != 1 || !json.Valid([]byte(out)) {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	env.Checker = func(context.Context, CheckOptions) (*check.Report, error) {
		return nil, errors.New("no such directory")
	}
	_, errs, code = runCheck(t, env, "check", "x", "-o", "json", "-o", "sarif="+sarif)
	if want := `{"error":{"cause":"no such directory","code":"NotJudged","message":"judge x"}}` + "\n"; code != exitUnjudged || errs != want {
		t.Errorf("exit code %d, %s", code, errs)
	}
	for _, args := range [][]string{{"-o", "xml"}, {"-o", "json", "-o", "text"}, {"-o", "json="}, {"--dry-run"}, {"--fail-on", "off"}} {
		if _, errs, code := runCheck(t, env, append([]string{"check"}, args...)...); code != ExitUsage || errs == "" {
			t.Errorf("%v: exit code %d, %q", args, code, errs)
		}
	}
	env.Checker = found
	if _, _, code := runCheck(t, env, "check", dir, "-o", "json="+filepath.Join(dir, "missing", "x")); code != exitUnjudged {
		t.Errorf("a report that cannot be written: exit code %d", code)
	}
}

func TestCheckFix(t *testing.T) {
	dir := t.TempDir()
	const old = "# keep me\napiVersion: batch/v1beta1 # old\nkind: CronJob\nmetadata:\n  name: x\n"
	file := filepath.Join(dir, "api.yaml")
	write(t, file, old)
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "chart", "Chart.yaml"), "name: x\n")
	write(t, filepath.Join(dir, "chart", "templates", "job.yaml"), old)
	write(t, filepath.Join(dir, ".git", "job.yaml"), old)
	write(t, filepath.Join(dir, "secret.yaml"), "apiVersion: batch/v1beta1\nkind: CronJob\n---\nkind: Secret\nstringData:\n  a: LEAK\n")
	env := Env{Checker: found}
	_, errs, code := runCheck(t, env, "check", dir, "--fix", "--dry-run")
	if code != 1 || read(t, file) != old || !strings.Contains(errs, "-apiVersion: batch/v1beta1 # old\n+apiVersion: batch/v1 # old\n") || strings.Contains(errs, "LEAK") {
		t.Errorf("exit code %d:\n%s", code, errs)
	}
	_, errs, code = runCheck(t, env, "check", dir, "--fix")
	if code != 0 || !strings.Contains(errs, "2 files mended") {
		t.Errorf("exit code %d:\n%s", code, errs)
	}
	if d := cmp.Diff(strings.Replace(old, "v1beta1", "v1", 1), read(t, file)); d != "" {
		t.Error(d)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode of the file is not kept: %v, %v", info, err)
	}
	for _, name := range []string{"chart/templates/job.yaml", ".git/job.yaml"} {
		if read(t, filepath.Join(dir, name)) != old {
			t.Errorf("%s was changed", name)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, ".*.belay")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestMissingLabels(t *testing.T) {
	result := func(path string, line int) check.Result {
		return check.Result{Rule: check.Rule{ID: requiredLabels}, Path: path, Place: check.Place{File: "a.yaml", Line: line}}
	}
	got := missingLabels(&check.Report{Results: []check.Result{result(`metadata.labels["app.kubernetes.io/name"]`, 3), result("metadata.labels", 7), result("metadata.labels.team", 9), result("metadata.labels", 0)}})
	if n := len(got["a.yaml"]); n != 2 || got["a.yaml"][0].Line != 3 || got["a.yaml"][1].Line != 7 {
		t.Errorf("%v", got)
	}
}

func TestPreviewCommand(t *testing.T) {
	same := func(context.Context, PreviewOptions) (preview.Input, error) {
		return preview.Input{Head: &check.Repository{Base: &check.Repository{}}, BaseName: "main", HeadName: "topic"}, nil
	}
	removed := func(ctx context.Context, o PreviewOptions) (preview.Input, error) {
		in, err := same(ctx, o)
		in.Head.Base.Units = []*check.Unit{{Name: "overlays/dev"}}
		return in, err
	}
	broken := func(ctx context.Context, o PreviewOptions) (preview.Input, error) {
		in, err := same(ctx, o)
		in.Head.Units = []*check.Unit{{Name: "overlays/dev", Err: errors.New("no such file")}}
		return in, err
	}
	for name, c := range map[string]struct {
		previewer PreviewFunc
		args      []string
		code      int
		out       string
	}{
		"no change":             {same, []string{"--base", "main", "--exit-code"}, 0, "no change: main -> topic"},
		"change":                {removed, []string{"--base", "main"}, 0, "overlays/dev  removed"},
		"change, exit code":     {removed, []string{"--base", "main", "--exit-code"}, 1, "overlays/dev  removed"},
		"not rendered":          {broken, []string{"--base", "main"}, 2, "could not be rendered: no such file"},
		"markdown":              {removed, []string{"--base", "main", "-o", "markdown"}, 0, preview.Marker},
		"neither base nor live": {same, nil, ExitUsage, ""},
		"both":                  {same, []string{"--base", "main", "--live"}, ExitUsage, ""},
		"no engine":             {nil, []string{"--base", "main"}, 2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := runCheck(t, Env{Previewer: c.previewer}, append([]string{"preview"}, c.args...)...)
			if code != c.code || !strings.Contains(out, c.out) {
				t.Errorf("exit code %d, want %d:\n%s%s", code, c.code, out, errs)
			}
		})
	}
}

func TestPrefix(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for root, want := range map[string]string{".": "", "a/b/": "a/b", "./a": "a", "..": "", "../x": "", here: "", filepath.Join(here, "x"): "x", "/": ""} {
		if got := prefixOf(root); got != want {
			t.Errorf("prefixOf(%q) = %q, want %q", root, got, want)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
