package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/fault"
)

const (
	before = "1111111111111111111111111111111111111111"
	after  = "2222222222222222222222222222222222222222"
	zeros  = "0000000000000000000000000000000000000000"
)

func secrets() Secrets {
	return Secrets{GitHub: "hub", GitLab: "lab", Gogs: "gogs", BitbucketUUID: "{uuid}", BitbucketServer: "server",
		AzureUsername: "ann", AzurePassword: "pass"}
}

func mac(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

// sample is a request of one host, signed with secrets().
type sample struct {
	headers map[string]string
	body    string
	want    Event
}

func (s sample) header() http.Header {
	h := http.Header{}
	for k, v := range s.headers {
		h.Set(k, v)
	}
	return h
}

const (
	githubBody = `{"ref":"refs/heads/main","before":"` + before + `","after":"` + after + `","forced":false,
"repository":{"html_url":"https://github.com/o/r","clone_url":"https://github.com/o/r.git","ssh_url":"git@github.com:o/r.git","default_branch":"main"},
"commits":[{"added":["b"],"modified":["a"],"removed":[]},{"modified":["a"],"removed":["c"]}]}`
	gitlabBody = `{"object_kind":"push","ref":"refs/heads/main","before":"` + before + `","after":"` + after + `","total_commits_count":1,
"project":{"web_url":"https://gitlab.example.com/g/r","git_http_url":"https://gitlab.example.com/g/r.git","git_ssh_url":"git@gitlab.example.com:g/r.git","default_branch":"main"},
"commits":[{"added":[],"modified":["x"],"removed":[]}]}`
	bitbucketBody = `{"push":{"changes":[{"old":{"type":"branch","name":"main","target":{"hash":"` + before + `"}},"new":{"type":"branch","name":"main","target":{"hash":"` + after + `"}}},
{"old":null,"new":{"type":"tag","name":"v1","target":{"hash":"` + after + `"}}},{"old":{"type":"branch","name":"gone","target":{"hash":"` + before + `"}},"new":null}]},
"repository":{"links":{"html":{"href":"https://bitbucket.org/o/r"}},"mainbranch":{"name":"main"}}}`
	serverBody = `{"changes":[{"ref":{"id":"refs/heads/main"},"fromHash":"` + before + `","toHash":"` + after + `"}],
"repository":{"links":{"clone":[{"href":"ssh://git@bb.example.com:7999/p/r.git","name":"ssh"},{"href":"https://bb.example.com/scm/p/r.git","name":"http"}]}}}`
	azureBody = `{"eventType":"git.push","resource":{"refUpdates":[{"name":"refs/heads/main","oldObjectId":"` + before + `","newObjectId":"` + after + `"}],
"repository":{"remoteUrl":"https://dev.azure.com/o/p/_git/r","defaultBranch":"refs/heads/main"}}}`
)

func samples() map[string]sample {
	moved := []Change{{"refs/heads/main", before, after}}
	github := Event{Provider: "github", DefaultBranch: "main", Changes: moved, Files: []string{"a", "b", "c"},
		RepoURLs: []string{"https://github.com/o/r", "https://github.com/o/r.git", "git@github.com:o/r.git"}}
	gogs := github
	gogs.Provider = "gogs"
	form := "payload=" + url.QueryEscape(githubBody)
	return map[string]sample{
		"github": {map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + mac("hub", githubBody)}, githubBody, github},
		"github form": {map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256=" + mac("hub", form),
			"Content-Type": "application/x-www-form-urlencoded"}, form, github},
		"gogs": {map[string]string{"X-Gogs-Event": "push", "X-GitHub-Event": "push", "X-Gogs-Signature": mac("gogs", githubBody)}, githubBody, gogs},
		"gitea": {map[string]string{"X-Gitea-Event": "push", "X-Gogs-Event": "push", "X-GitHub-Event": "push",
			"X-Gitea-Signature": mac("gogs", githubBody)}, githubBody, gogs},
		"gitlab": {map[string]string{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "lab"}, gitlabBody, Event{Provider: "gitlab",
			DefaultBranch: "main", Changes: moved, Files: []string{"x"},
			RepoURLs: []string{"https://gitlab.example.com/g/r", "https://gitlab.example.com/g/r.git", "git@gitlab.example.com:g/r.git"}}},
		"bitbucket": {map[string]string{"X-Hook-UUID": "{uuid}", "X-Event-Key": "repo:push"}, bitbucketBody, Event{Provider: "bitbucket",
			DefaultBranch: "main", RepoURLs: []string{"https://bitbucket.org/o/r"},
			Changes: []Change{{"refs/heads/main", before, after}, {"refs/tags/v1", "", after}, {"refs/heads/gone", before, ""}}}},
		"bitbucket server": {map[string]string{"X-Event-Key": "repo:refs_changed", "X-Hub-Signature": "sha256=" + mac("server", serverBody)}, serverBody,
			Event{Provider: "bitbucket-server", Changes: moved,
				RepoURLs: []string{"ssh://git@bb.example.com:7999/p/r.git", "https://bb.example.com/scm/p/r.git"}}},
		"azure": {map[string]string{"X-Vss-ActivityId": "1", "Authorization": "Basic YW5uOnBhc3M="}, azureBody, Event{Provider: "azure-devops",
			DefaultBranch: "main", Changes: moved, RepoURLs: []string{"https://dev.azure.com/o/p/_git/r"}}},
	}
}

func TestParse(t *testing.T) {
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			for _, sec := range []Secrets{secrets(), {}} { // where no secret is configured everybody may send
				got, err := Parse(s.header(), []byte(s.body), sec)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Errorf("event (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestParseRefusesWhoDoesNotKnowTheSecret(t *testing.T) {
	proofs := []string{"X-Hub-Signature-256", "X-Hub-Signature", "X-Gogs-Signature", "X-Gitea-Signature", "X-Gitlab-Token", "Authorization"}
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) {
			wrong := secrets()
			wrong.GitHub, wrong.GitLab, wrong.Gogs, wrong.BitbucketServer = "no", "no", "no", "no"
			wrong.BitbucketUUID, wrong.AzurePassword = "{no}", "no"
			refused := func(why string, h http.Header, body string, sec Secrets) {
				t.Helper()
				e, err := Parse(h, []byte(body), sec)
				if !fault.Is(err, fault.Denied) || !e.Empty() {
					t.Errorf("%s: %v, %v; want Denied", why, e, err)
				}
				if strings.Contains(fmt.Sprint(err), mac(sec.GitHub, body)) {
					t.Errorf("%s: the error tells the right signature", why)
				}
			}
			refused("other secret", s.header(), s.body, wrong)
			bare := s.header()
			for _, p := range proofs {
				bare.Del(p)
			}
			if name != "bitbucket" { // its proof is what tells it from others
				refused("no proof", bare, s.body, secrets())
			}
			for _, p := range proofs {
				if bare.Get(p) == "" && s.header().Get(p) != "" {
					garbled := s.header()
					garbled.Set(p, "zzzz")
					refused("garbled proof", garbled, s.body, secrets())
				}
			}
			if strings.Contains(s.header().Get("X-Hub-Signature-256")+s.header().Get("X-Gogs-Signature")+
				s.header().Get("X-Gitea-Signature")+s.header().Get("X-Hub-Signature"), mac(secrets().GitHub, s.body)[:8]) {
				refused("changed body", s.header(), s.body+" ", secrets())
			}
		})
	}
}

func TestParseOtherEvents(t *testing.T) {
	for name, s := range map[string]sample{
		"ping":                  {map[string]string{"X-GitHub-Event": "ping"}, `{"zen":"..."}`, Event{}},
		"issue":                 {map[string]string{"X-Gitea-Event": "issues"}, `{}`, Event{}},
		"merge request":         {map[string]string{"X-Gitlab-Event": "Merge Request Hook"}, `{"object_kind":"merge_request"}`, Event{}},
		"pull request":          {map[string]string{"X-Hook-UUID": "x", "X-Event-Key": "pullrequest:created"}, `{}`, Event{}},
		"server ping":           {map[string]string{"X-Event-Key": "diagnostics:ping"}, `{"test":true}`, Event{}},
		"work item":             {map[string]string{"X-Vss-ActivityId": "x"}, `{"eventType":"workitem.created"}`, Event{}},
		"push without an URL":   {map[string]string{"X-GitHub-Event": "push"}, `{"ref":"refs/heads/main"}`, Event{}},
		"empty changes in push": {map[string]string{"X-Hook-UUID": "x", "X-Event-Key": "repo:push"}, `{"push":{"changes":[{}]}}`, Event{}},
		"deleted branch": {map[string]string{"X-GitHub-Event": "push"},
			`{"ref":"refs/heads/x","before":"` + before + `","after":"` + zeros + `","repository":{"html_url":"https://h/r"},"commits":[]}`,
			Event{Provider: "github", RepoURLs: []string{"https://h/r"}, Changes: []Change{{"refs/heads/x", before, ""}}}},
		"forced push": {map[string]string{"X-GitHub-Event": "push"},
			`{"ref":"refs/heads/x","before":"` + before + `","after":"` + after + `","forced":true,"repository":{"html_url":"https://h/r"},"commits":[{"added":["a"]}]}`,
			Event{Provider: "github", RepoURLs: []string{"https://h/r"}, Changes: []Change{{"refs/heads/x", before, after}}}},
		"new tag": {map[string]string{"X-GitHub-Event": "create"},
			`{"ref":"v1","ref_type":"tag","repository":{"html_url":"https://h/r"}}`,
			Event{Provider: "github", RepoURLs: []string{"https://h/r"}, Changes: []Change{{"refs/tags/v1", "", ""}}}},
		"cut list of commits": {map[string]string{"X-Gitlab-Event": "Push Hook"},
			strings.Replace(gitlabBody, `count":1`, `count":21`, 1),
			Event{Provider: "gitlab", DefaultBranch: "main", Changes: []Change{{"refs/heads/main", before, after}},
				RepoURLs: samples()["gitlab"].want.RepoURLs}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(s.header(), []byte(s.body), Secrets{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseBadInput(t *testing.T) {
	long := `{"ref":"refs/heads/x","before":"` + before + `","after":"` + after + `","repository":{"html_url":"https://h/r"},"commits":[{"added":["` +
		strings.Repeat(`x","`, 1) + `y"]}]}`
	for name, c := range map[string]sample{
		"no known header": {nil, "{}", Event{}},
		"not JSON":        {map[string]string{"X-GitHub-Event": "push"}, "hello", Event{}},
		"empty body":      {map[string]string{"X-GitHub-Event": "push"}, "", Event{}},
		"a list":          {map[string]string{"X-Gitlab-Event": "Push Hook"}, "[]", Event{}},
		"cut off":         {map[string]string{"X-GitHub-Event": "push"}, long[:len(long)/2], Event{}},
		"wrong types":     {map[string]string{"X-GitHub-Event": "push"}, `{"ref":7}`, Event{}},
		"deep nesting":    {map[string]string{"X-GitHub-Event": "push"}, strings.Repeat(`{"a":`, 1_000_000), Event{}},
		"form without payload": {map[string]string{"X-GitHub-Event": "push", "Content-Type": "application/x-www-form-urlencoded"},
			"other=1", Event{}},
		"garbled form": {map[string]string{"X-GitHub-Event": "push", "Content-Type": "application/x-www-form-urlencoded"},
			"payload=%zz", Event{}},
	} {
		t.Run(name, func(t *testing.T) {
			if e, err := Parse(c.header(), []byte(c.body), Secrets{}); !fault.Is(err, fault.Invalid) || !e.Empty() {
				t.Errorf("Parse = %v, %v; want Invalid", e, err)
			}
		})
	}
	if _, err := ReadBody(strings.NewReader("12345"), 4); !fault.Is(err, fault.Invalid) {
		t.Errorf("ReadBody above the limit: %v", err)
	}
	if data, err := ReadBody(strings.NewReader("1234"), 4); err != nil || string(data) != "1234" {
		t.Errorf("ReadBody at the limit = %q, %v", data, err)
	}
	if said := fmt.Sprintf("%v %+v %#v", secrets(), secrets(), secrets()); strings.Contains(said, "lab") {
		t.Errorf("printed secrets: %s", said)
	}
}

func TestManyFilesAreUnknownFiles(t *testing.T) {
	var names []string
	for i := range maxList + 1 {
		names = append(names, fmt.Sprintf("%q", fmt.Sprint(i)))
	}
	body := strings.Replace(githubBody, `"b"`, strings.Join(names, ","), 1)
	e, err := Parse(http.Header{"X-Github-Event": {"push"}}, []byte(body), Secrets{})
	if err != nil || e.Empty() || e.Files != nil {
		t.Errorf("%d files, %v; want none, which means unknown", len(e.Files), err)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		event, app string
		want       bool
	}{
		{"https://github.com/o/r", "https://github.com/o/r", true},
		{"https://github.com/o/r", "https://github.com/O/R.git", true},
		{"https://github.com/o/r", "https://github.com/o/r/", true},
		{"https://github.com/o/r", "https://user:pass@github.com/o/r", true},
		{"https://github.com/o/r", "git@github.com:o/r.git", true},
		{"https://github.com/o/r", "git@github.com:/o/r.git", true},
		{"https://github.com/o/r", "ssh://git@github.com/o/r", true},
		{"https://github.com/o/r", "ssh://git@github.com:22/o/r", true},
		{"https://github.com/o/r", "ssh://git@ssh.github.com:443/o/r.git", true},
		{"https://bitbucket.org/o/r", "git@altssh.bitbucket.org:o/r", true},
		{"https://git.example.com:8443/o/r", "https://git.example.com/o/r", true},
		{"https://dev.azure.com/o/p/_git/r", "git@ssh.dev.azure.com:v3/o/p/r", true},
		{"https://dev.azure.com/o/my%20p/_git/r", "https://dev.azure.com/o/my p/_git/r", true},
		{"https://github.com/o/r", "https://github.com/o/r2", false},
		{"https://github.com/o/r", "https://github.com/o/r/sub", false},
		{"https://github.com/o/r", "https://github.com.example.com/o/r", false},
		{"https://github.com/o/r", "https://example.com/github.com/o/r", false},
		{"https://github.com/o/r", "https://xgithub.com/o/r", false},
		{"https://github.com/o/r", "https://githubxcom/o/r", false},
		{"https://github.com/o/r", "", false},
		{"", "", false},
		{"https://github.com", "https://github.com", false},
	} {
		if got := (Event{RepoURLs: []string{"https://other.example.com/x", c.event}}).Matches(c.app); got != c.want {
			t.Errorf("event of %q matches %q: %v, want %v", c.event, c.app, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range samples() {
		for k := range s.headers {
			f.Add(k, s.headers[k], s.body, "https://github.com/o/r")
		}
	}
	f.Fuzz(func(t *testing.T, header, value, body, repoURL string) {
		h := http.Header{}
		h.Set(header, value)
		e, err := Parse(h, []byte(body), Secrets{})
		if err != nil && !e.Empty() {
			t.Errorf("an event besides the error %v", err)
		}
		if len(e.Changes) > maxList || len(e.Files) > maxList {
			t.Errorf("%d changes, %d files", len(e.Changes), len(e.Files))
		}
		e.Matches(repoURL)
		if _, err := Parse(h, []byte(body), secrets()); err == nil && !e.Empty() && value != "lab" && value != "{uuid}" {
			t.Errorf("accepted without a proof: %q: %q", header, value)
		}
	})
}
