package app

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/cli"
)

// checkout writes files to a directory and makes a repository of it, a commit for every message.
func checkout(t *testing.T, files map[string]string, messages ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	git("init", "-q", "-b", "main")
	git("add", "-A")
	for _, m := range messages {
		git("commit", "-q", "--allow-empty", "-m", m)
	}
	return dir
}

const podYAML = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: app\n    image: registry.example.com/app:latest\n    env:\n    - name: DB_PASSWORD\n      value: opensesame\n"

func found(r *check.Report) map[string]string {
	out := map[string]string{}
	for _, x := range r.Results {
		out[x.Rule.ID] = x.Place.String() + " " + x.Message
	}
	return out
}

// TestCheckInputs runs belay check with all that is given besides the tree.
func TestCheckInputs(t *testing.T) {
	dir := checkout(t, map[string]string{"app/pod.yaml": podYAML}, "feat: a", "oops", "fix: b\n\nbody")
	title := "no type"
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	opts := cli.CheckOptions{Root: dir, CheckInputs: cli.CheckInputs{Commits: "HEAD", Title: &title, Now: now}}
	report, err := Check(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	got := found(report)
	if m := got["commit-message"]; !strings.Contains(m, "it has no type") {
		t.Errorf("%q", got)
	}
	if m := got["secret-in-env"]; !strings.HasPrefix(m, "app/pod.yaml:") || strings.Contains(m, "opensesame") {
		t.Errorf("%q", m)
	}
	if got["image-not-scanned"] != "" {
		t.Error("nobody asked for evidence")
	}

	baseline := filepath.Join(t.TempDir(), "baseline.json")
	if _, err := Check(t.Context(), cli.CheckOptions{Root: dir, CheckInputs: cli.CheckInputs{WriteBaseline: baseline, Now: now}}); err != nil {
		t.Fatal(err)
	}
	report, err = Check(t.Context(), cli.CheckOptions{Root: dir, CheckInputs: cli.CheckInputs{Baseline: baseline, Now: now}})
	if err != nil || report.Worst() != check.Off || len(report.Suppressed) == 0 {
		t.Errorf("%v %+v", err, report)
	}
}

// TestCheckInputsRefused: what cannot be read is an error that names it, never a clean report.
func TestCheckInputsRefused(t *testing.T) {
	dir := checkout(t, map[string]string{"app/pod.yaml": podYAML}, "feat: a")
	other := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(other, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "check.yaml")
	if err := os.WriteFile(broken, []byte("profil: default\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		opts cli.CheckOptions
		want string
	}{
		"Range":    {cli.CheckOptions{CheckInputs: cli.CheckInputs{Commits: "nowhere..HEAD"}}, "read the commits nowhere..HEAD: fatal: "},
		"Option":   {cli.CheckOptions{CheckInputs: cli.CheckInputs{Commits: "--output=x"}}, `"--output=x" is no range`},
		"Baseline": {cli.CheckOptions{CheckInputs: cli.CheckInputs{Baseline: "nowhere.json"}}, "--write-baseline nowhere.json makes one"},
		"Evidence": {cli.CheckOptions{CheckInputs: cli.CheckInputs{Evidence: []string{other}}}, "other.json: read the report: it is none of"},
		"Config":   {cli.CheckOptions{Config: broken}, "check.yaml:1:1: unknown field \"profil\""},
	} {
		tc.opts.Root = dir
		if r, err := Check(t.Context(), tc.opts); err == nil || !strings.Contains(err.Error(), tc.want) || r != nil {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// TestEvidenceRequired: settings that ask for evidence get a finding for every image without.
func TestEvidenceRequired(t *testing.T) {
	dir := checkout(t, map[string]string{"app/pod.yaml": podYAML, check.ConfigFile: "evidence: {required: true}\n"}, "feat: a")
	report, err := Check(t.Context(), cli.CheckOptions{Root: dir})
	if err != nil || !strings.Contains(found(report)["image-not-scanned"], "app/pod.yaml:7") {
		t.Errorf("%v %v", err, report)
	}
}

// TestChangeCannotWaiveItself: with a base, an exception and a milder severity that come with the change do not count for a rule that
// cannot be waived, and nothing of its commits is taken for known.
func TestChangeCannotWaiveItself(t *testing.T) {
	dir := checkout(t, map[string]string{check.ConfigFile: "nonWaivable: [secret-in-env]\n", "app/pod.yaml": strings.Replace(podYAML, "opensesame", "$(OTHER)", 1)}, "feat: a")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("app/pod.yaml", podYAML)
	for name, config := range map[string]string{
		"Nothing":   "nonWaivable: [secret-in-env]\n",
		"Forgotten": "profile: default\n",
		"Severity":  "severities: {secret-in-env: off}\n",
		"Override":  "overrides: [{units: ['**'], severities: {secret-in-env: note}}]\n",
		"Exception": "exceptions: [{rule: secret-in-env, kind: Pod, reason: r, owner: o}]\n",
	} {
		write(check.ConfigFile, config)
		for _, file := range []string{"", filepath.Join(dir, check.ConfigFile)} {
			report, err := Check(t.Context(), cli.CheckOptions{Root: dir, Base: "main", Config: file, CheckInputs: cli.CheckInputs{Commits: "main"}})
			if err != nil {
				t.Fatal(err)
			}
			if report.Worst() != check.Error || !strings.Contains(found(report)["secret-in-env"], "DB_PASSWORD") {
				t.Errorf("%s %q: %v", name, file, found(report))
			}
		}
	}
	git := exec.CommandContext(t.Context(), "git", "-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "oops", "--allow-empty")
	if out, err := git.CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	report, err := Check(t.Context(), cli.CheckOptions{Root: dir, Base: "HEAD~1", CheckInputs: cli.CheckInputs{Commits: "HEAD~1..HEAD"}})
	if err != nil || found(report)["commit-message"] == "" {
		t.Errorf("%v %v", err, found(report))
	}
}
