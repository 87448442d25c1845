package pipeline

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

type workflow struct {
	On          map[string]any    `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]struct {
		Permissions map[string]string `yaml:"permissions"`
		Steps       []step            `yaml:"steps"`
	} `yaml:"jobs"`
}

type step struct {
	Name string            `yaml:"name"`
	Uses string            `yaml:"uses"`
	With map[string]any    `yaml:"with"`
	If   string            `yaml:"if"`
	Env  map[string]string `yaml:"env"`
	Run  string            `yaml:"run"`
}

func readWorkflow(t *testing.T) workflow {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(example, ".github/workflows/gitops.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(data, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestGitHubIsNarrow holds the workflow against what a pull request from anybody may reach.
func TestGitHubIsNarrow(t *testing.T) {
	w := readWorkflow(t)
	if _, only := w.On["pull_request"]; !only || len(w.On) != 1 {
		t.Errorf("it runs on %v", w.On)
	}
	job := w.Jobs["gitops"]
	if d := cmp.Diff(map[string]string{"contents": "read", "pull-requests": "write", "security-events": "write"}, job.Permissions); d != "" || len(w.Permissions) != 0 || len(w.Jobs) != 1 {
		t.Errorf("rights: %v, %v\n%s", w.Permissions, job.Permissions, d)
	}
	for _, s := range job.Steps {
		if s.Uses != "" && !regexp.MustCompile(`^actions/checkout@[0-9a-f]{40}$`).MatchString(s.Uses) {
			t.Errorf("%s is no pinned checkout", s.Uses)
		}
		if s.Uses != "" && s.With["persist-credentials"] != false {
			t.Error("the checkout leaves its token behind")
		}
		if strings.Contains(s.Run, "${{") {
			t.Errorf("step %s: an expression in a script lets whoever names a branch write the script", s.Name)
		}
	}
}

// runner runs the steps of the job as GitHub's does.
type runner struct {
	t        *testing.T
	expr     map[string]string
	sameRepo bool
	scanning bool
	env      map[string]string
	outputs  map[string]string
	codes    map[string]int
}

func newRunner(t *testing.T, h *host, dir string) *runner {
	t.Helper()
	temp := t.TempDir()
	head, err := exec.Command("git", "-C", dir, "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{t: t, sameRepo: true, scanning: true, outputs: map[string]string{}, codes: map[string]int{}}
	r.expr = map[string]string{
		"${{ vars.BELAY_URL }}": h.URL + "/belay", "${{ vars.BELAY_SHA256 }}": sum(t, program(t)),
		"${{ github.token }}": token, "${{ github.event.pull_request.number }}": "7",
	}
	r.env = map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": temp, "RUNNER_TEMP": temp, "GITHUB_PATH": filepath.Join(temp, "path"), "GITHUB_STEP_SUMMARY": filepath.Join(temp, "summary.md"),
		"GITHUB_BASE_REF": "main", "GITHUB_SERVER_URL": "https://git.example.com", "GITHUB_REPOSITORY": "acme/callcenter", "GITHUB_RUN_ID": "42",
		"GITHUB_API_URL": h.URL + "/api", "GITHUB_SHA": strings.TrimSpace(string(head)), "GITHUB_REF": "refs/pull/7/merge",
	}
	return r
}

// wanted decides the conditions that the workflow has; one that is not known fails the test.
func (r *runner) wanted(condition string, failed bool) bool {
	switch condition {
	case "":
		return !failed
	case "${{ !cancelled() }}":
		return true
	case "${{ !cancelled() && github.event.pull_request.head.repo.full_name == github.repository }}":
		return r.sameRepo
	case "${{ !cancelled() && vars.CODE_SCANNING == 'true' && github.event.pull_request.head.repo.full_name == github.repository }}":
		return r.sameRepo && r.scanning
	}
	r.t.Fatalf("the test does not know the condition %s", condition)
	return false
}

func (r *runner) run(steps []step, dir string) {
	r.t.Helper()
	failed := false
	for _, s := range steps {
		if s.Run == "" || !r.wanted(s.If, failed) {
			continue
		}
		env := map[string]string{}
		for k, v := range r.env {
			env[k] = v
		}
		for k, v := range s.Env {
			value, known := r.expr[v]
			if !known {
				r.t.Fatalf("the test does not know the expression %s", v)
			}
			env[k] = value
		}
		r.outputs[s.Name], r.codes[s.Name] = shell(r.t, dir, s.Run, env)
		failed = failed || r.codes[s.Name] != 0
		if more, err := os.ReadFile(r.env["GITHUB_PATH"]); err == nil {
			r.env["PATH"] = strings.ReplaceAll(strings.TrimSpace(string(more)), "\n", ":") + ":/usr/local/bin:/usr/bin:/bin"
		}
	}
}

func bearer(h http.Header) bool { return h.Get("Authorization") == "Bearer "+token }

func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("the pipeline uses %s, which this machine does not have", p)
		}
	}
}

func TestGitHub(t *testing.T) {
	needs(t, "curl", "jq", "bash", "git", "sha256sum", "gzip", "base64")
	steps := readWorkflow(t).Jobs["gitops"].Steps
	dir := clone(t)
	h := serve(t, bearer)
	h.comment("User", "<!-- belay-preview -->\nI am not the pipeline.")
	r := newRunner(t, h, dir)
	r.run(steps, dir)
	for name, want := range map[string]int{"Install belay": 0, "Check": 1, "Preview": 0, "Summary": 0, "Comment": 0, "Upload to code scanning": 0} {
		if got, ran := r.codes[name]; !ran || got != want {
			t.Errorf("step %s: exit code %d, want %d (it ran: %t):\n%s", name, got, want, ran, r.outputs[name])
		}
	}
	if t.Failed() {
		t.FailNow()
	}
	if !regexp.MustCompile(`(?m)^::error file=infrastructure/k8s/[^,]+,line=\d+,.*title=image-tag::.*latest`).MatchString(r.outputs["Check"]) {
		t.Errorf("no annotation on the line of the image:\n%s", r.outputs["Check"])
	}
	summary, err := os.ReadFile(r.env["GITHUB_STEP_SUMMARY"])
	if err != nil || !strings.Contains(string(summary), "### belay check: ") || !strings.Contains(string(summary), "### GitOps preview") {
		t.Errorf("the summary is %q, %v", summary, err)
	}
	h.told(t, 1)
	if len(h.uploads) != 1 || h.uploads[0]["commit_sha"] != r.env["GITHUB_SHA"] || h.uploads[0]["ref"] != "refs/pull/7/merge" {
		t.Fatalf("uploads are %v", h.uploads)
	}
	packed, _ := h.uploads[0]["sarif"].(string)
	doc := sarif(t, packed)
	runs, _ := doc["runs"].([]any)
	if doc["version"] != "2.1.0" || len(runs) != 1 {
		t.Errorf("the upload is %v", doc)
	}
	// Pushed again: the same comment.
	newRunner(t, h, dir).run(steps, dir)
	h.told(t, 1)
	if last := h.requests[len(h.requests)-2]; !strings.HasPrefix(last, "PATCH ") {
		t.Errorf("the comment was not written anew: %v", h.requests)
	}
}

func TestGitHubFromAFork(t *testing.T) {
	needs(t, "curl", "jq", "bash", "git", "sha256sum")
	dir := clone(t)
	h := serve(t, func(http.Header) bool { return false })
	r := newRunner(t, h, dir)
	r.sameRepo = false
	r.run(readWorkflow(t).Jobs["gitops"].Steps, dir)
	if len(h.requests) != 0 || r.codes["Check"] != 1 || r.codes["Summary"] != 0 {
		t.Errorf("requests %v, exit codes %v", h.requests, r.codes)
	}
}

func TestGitHubRefusesAnotherProgram(t *testing.T) {
	needs(t, "curl", "bash", "git", "sha256sum")
	dir := clone(t)
	h := serve(t, bearer)
	r := newRunner(t, h, dir)
	r.expr["${{ vars.BELAY_SHA256 }}"] = strings.Repeat("0", 64)
	r.run(readWorkflow(t).Jobs["gitops"].Steps[:2], dir)
	if r.codes["Install belay"] == 0 {
		t.Error("a program with another checksum was installed")
	}
}
