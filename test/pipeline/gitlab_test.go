package pipeline

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

type gitlabJob struct {
	Rules        []map[string]string `yaml:"rules"`
	BeforeScript []string            `yaml:"before_script"`
	Script       []string            `yaml:"script"`
}

func TestGitLab(t *testing.T) {
	needs(t, "curl", "jq", "bash", "git", "sha256sum")
	data, err := os.ReadFile(filepath.Join(example, ".gitlab-ci.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var jobs map[string]gitlabJob
	if err := yaml.Unmarshal(data, &jobs); err != nil {
		t.Fatal(err)
	}
	job := jobs["gitops"]
	if len(job.Rules) != 1 || job.Rules[0]["if"] != `$CI_PIPELINE_SOURCE == "merge_request_event"` {
		t.Errorf("it runs when %v", job.Rules)
	}
	dir := clone(t)
	h := serve(t, func(head http.Header) bool { return head.Get("PRIVATE-TOKEN") == token })
	h.comment("User", "Looks good.")
	env := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": t.TempDir(), "CI_PROJECT_DIR": dir, "BELAY_URL": h.URL + "/belay", "BELAY_SHA256": sum(t, program(t)),
		"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_JOB_URL": "https://git.example.com/job/1", "BELAY_COMMENT_TOKEN": token,
		"CI_API_V4_URL": h.URL + "/api", "CI_PROJECT_ID": "3", "CI_MERGE_REQUEST_IID": "7",
	}
	script := "set -o pipefail\n" + strings.Join(append(job.BeforeScript, job.Script...), "\n")
	for range 2 { // the second push writes the same comment anew
		out, code := shell(t, dir, script, env)
		if code != 1 || !strings.Contains(out, "image-tag") {
			t.Fatalf("exit code %d, want 1 for the finding:\n%s", code, out)
		}
		h.told(t, 1)
	}
	if _, err := os.Stat(filepath.Join(dir, ".belay-ci/junit.xml")); err != nil {
		t.Error(err)
	}
	delete(env, "BELAY_COMMENT_TOKEN")
	before := len(h.requests)
	if out, code := shell(t, dir, script, env); code != 1 || len(h.requests) != before {
		t.Errorf("without a token: exit code %d, %v\n%s", code, h.requests[before:], out)
	}
}
