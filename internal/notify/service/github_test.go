package service

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
)

// gitHubServer keeps deployments and comments as GitHub does.
type gitHubServer struct {
	recorder
	state       sync.Mutex
	deployments []string // references
	comments    map[int]string
	pulls       []int
	merged      bool // answers 202 to a deployment
}

func (g *gitHubServer) handle(w http.ResponseWriter, r *http.Request) {
	g.state.Lock()
	defer g.state.Unlock()
	all := g.requests()
	var body map[string]any
	_ = json.Unmarshal([]byte(all[len(all)-1].Body), &body)
	path, ok := strings.CutPrefix(r.URL.Path, "/api/v3/repos/example/shop")
	if !ok || r.Header.Get("Accept") != "application/vnd.github+json" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	switch {
	case r.Method == http.MethodGet && path == "/deployments":
		found := []object{}
		for i, ref := range g.deployments {
			if ref == r.URL.Query().Get("ref") {
				found = append(found, object{"id": i + 1})
			}
		}
		answer(200, found)
	case path == "/deployments" && g.merged:
		answer(202, object{"message": "Auto-merged main into topic"})
	case path == "/deployments":
		g.deployments = append(g.deployments, body["ref"].(string))
		answer(201, object{"id": len(g.deployments)})
	case r.Method == http.MethodGet && strings.HasSuffix(path, "/pulls"):
		found := []object{}
		for _, n := range g.pulls {
			found = append(found, object{"number": n})
		}
		answer(200, found)
	case r.Method == http.MethodGet && strings.HasSuffix(path, "/comments"):
		g.listComments(r, answer)
	case strings.HasPrefix(path, "/issues/comments/"):
		var id int
		_, _ = fmt.Sscanf(path, "/issues/comments/%d", &id)
		g.comments[id] = body["body"].(string)
		answer(200, object{})
	case strings.HasSuffix(path, "/comments"):
		g.comments[len(g.comments)+1] = body["body"].(string)
		answer(201, object{})
	default:
		answer(201, object{})
	}
}

func (g *gitHubServer) listComments(r *http.Request, answer func(int, any)) {
	var page, size int
	_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
	_, _ = fmt.Sscan(r.URL.Query().Get("per_page"), &size)
	found := []object{}
	for id := (page-1)*size + 1; id <= page*size && g.comments[id] != ""; id++ {
		found = append(found, object{"id": id, "body": g.comments[id]})
	}
	answer(200, found)
}

func newGitHubServer(t *testing.T) (*gitHubServer, notify.Service) {
	t.Helper()
	g := &gitHubServer{comments: map[int]string{}}
	server := serve(t, g.record(g.handle))
	return g, build(t, "github", "", "enterpriseBaseURL: "+server.URL+"/\nappID: 12\ninstallationID: '34'\nprivateKey: key")
}

// forCommit is a message about a commit of example/shop.
func forCommit(text string, part object) notify.Message {
	m := message(text, "github", part)
	m.Repository, m.Revision = "git@github.com:example/shop.git", "abc123"
	return m
}

func (g *gitHubServer) lines() []string {
	var out []string
	for _, r := range g.requests() {
		out = append(out, strings.Replace(r.Line, "/api/v3/repos/example/shop", "", 1))
	}
	return out
}

func TestGitHubStatus(t *testing.T) {
	g, s := newGitHubServer(t)
	long := strings.Repeat("ä", 200)
	sent(t, s, forCommit(long, object{"status": object{"state": "success\n", "label": "cd/shop", "targetURL": "https://cd.example.com"}}), "")
	line, body, header := g.last(t)
	same(t, line, "POST /api/v3/repos/example/shop/statuses/abc123")
	same(t, body, object{"state": "success", "context": "cd/shop", "target_url": "https://cd.example.com", "description": strings.Repeat("ä", 137) + "..."})
	same(t, []string{header.Get("Authorization"), header.Get("X-Github-Api-Version")}, []string{"Bearer " + canary2, "2022-11-28"})

	part := object{"repoURLPath": "https://github.com/example/shop", "revisionPath": "def", "status": object{"state": "failure"}}
	sent(t, s, forCommit("x", part), "")
	line, body, _ = g.last(t)
	same(t, line, "POST /api/v3/repos/example/shop/statuses/def")
	same(t, body, object{"state": "failure", "description": "x"})
}

func TestGitHubDeployment(t *testing.T) {
	g, s := newGitHubServer(t)
	m := forCommit("done", object{"deployment": object{"state": "success", "environment": "production", "environmentURL": "https://shop.example.com",
		"logURL": "https://cd.example.com", "requiredContexts": []any{}, "autoMerge": "false"}})
	sent(t, s, m, "")
	sent(t, s, m, "")
	same(t, g.lines(), []string{
		"GET /deployments?environment=production&ref=abc123", "POST /deployments", "POST /deployments/1/statuses",
		"GET /deployments?environment=production&ref=abc123", "POST /deployments/1/statuses"})
	same(t, any(decoded(t, g.requests()[1].Body)), any(object{"ref": "abc123", "environment": "production", "auto_merge": false, "transient_environment": false,
		"required_contexts": []any{}}))
	_, body, _ := g.last(t)
	same(t, body, object{"state": "success", "environment": "production", "environment_url": "https://shop.example.com", "log_url": "https://cd.example.com", "description": "done"})

	g, s = newGitHubServer(t)
	sent(t, s, forCommit("", object{"deployment": object{"state": "success", "reference": "v1"}}), "")
	same(t, g.deployments, []string{"v1"})
	same(t, any(decoded(t, g.requests()[1].Body)), any(object{"ref": "v1", "auto_merge": true, "transient_environment": false}))
	g.merged = true
	wantFault(t, s.Send(t.Context(), forCommit("", object{"deployment": object{"state": "success"}}), ""), fault.Transient, "set autoMerge to false")
}

func TestGitHubComments(t *testing.T) {
	g, s := newGitHubServer(t)
	g.pulls = []int{7}
	sent(t, s, forCommit("", object{"pullRequestComment": object{"content": "one"}}), "")
	for i := range 150 {
		g.comments[i+1] = "talk"
	}
	for _, content := range []string{"two", "three"} {
		sent(t, s, forCommit("", object{"pullRequestComment": object{"content": content, "commentTag": "shop"}}), "")
	}
	same(t, []any{len(g.comments), g.comments[151]}, []any{151, "three\n<!-- argocd-notifications shop -->"})

	sent(t, s, forCommit("", object{"pullRequestComment": object{"content": strings.Repeat("x", 70000), "commentTag": "shop"}}), "")
	if c := g.comments[151]; len(c) > 65536 || !strings.HasSuffix(c, "...\n<!-- argocd-notifications shop -->") {
		t.Errorf("%d bytes", len(c))
	}
	g.pulls = nil
	before := len(g.requests())
	sent(t, s, forCommit("", object{"pullRequestComment": object{"content": "one"}}), "")
	same(t, len(g.requests()), before+1)
}

func TestGitHubCheckRunAndDispatch(t *testing.T) {
	g, s := newGitHubServer(t)
	sent(t, s, forCommit("", object{"checkRun": object{"name": "cd", "details_url": "https://cd.example.com", "conclusion": "success", "started_at": "2026-01-02T03:04:05Z",
		"completed_at": "<no value>", "output": object{"title": "T", "summary": "S", "text": "X"}}}), "")
	line, body, _ := g.last(t)
	same(t, line, "POST /api/v3/repos/example/shop/check-runs")
	same(t, body, object{"name": "cd", "head_sha": "abc123", "external_id": "argocd-notifications", "details_url": "https://cd.example.com", "status": "completed",
		"conclusion": "success", "started_at": "2026-01-02T03:04:05Z", "output": object{"title": "T", "summary": "S", "text": "X"}})
	sent(t, s, forCommit("", object{"repositoryDispatch": object{"event_type": "deployed", "client_payload": `{"app": "shop"}`}}), "")
	line, body, _ = g.last(t)
	same(t, line, "POST /api/v3/repos/example/shop/dispatches")
	same(t, body, object{"event_type": "deployed", "client_payload": object{"app": "shop"}})
}

// What is wrong is found before anything is sent: half a report helps nobody.
func TestGitHubParts(t *testing.T) {
	g, s := newGitHubServer(t)
	status := object{"state": "success"}
	for want, part := range map[string]object{
		"names no repository": {"repoURL": "https://github.com/", "revision": "a", "status": status},
		"revisionPath names no commit: the application has not been synced": {"repoURL": "https://github.com/a/b", "revision": "", "status": status},
		"revisionPath names no commit":                                      {"repoURL": "https://github.com/a/b", "revisionPath": "<no value>", "status": status},
		"has none of status, deployment":                                    {"repoURL": "https://github.com/a/b", "revision": "a"},
		"status.state is missing":                                           {"repoURL": "https://github.com/a/b", "revision": "a", "status": object{"label": "x"}},
		"deployment.state is missing":                                       {"repoURL": "https://github.com/a/b", "revision": "a", "status": status, "deployment": object{"state": "<no value>"}},
		"deployment.autoMerge is neither":                                   {"repoURL": "https://github.com/a/b", "revision": "a", "deployment": object{"state": "x", "autoMerge": "si"}},
		"pullRequestComment.content is missing":                             {"repoURL": "https://github.com/a/b", "revision": "a", "pullRequestComment": object{}},
		"checkRun.conclusion is missing, though":                            {"repoURL": "https://github.com/a/b", "revision": "a", "checkRun": object{"name": "x", "status": "completed"}},
		"checkRun.started_at is no time such as":                            {"repoURL": "https://github.com/a/b", "revision": "a", "checkRun": object{"name": "x", "started_at": "noon"}},
		"repositoryDispatch.client_payload is no JSON":                      {"repoURL": "https://github.com/a/b", "revision": "a", "repositoryDispatch": object{"event_type": "x", "client_payload": "{"}},
		"status is no map":                                                  {"repoURL": "https://github.com/a/b", "revision": "a", "status": "success"},
	} {
		wantFault(t, s.Send(t.Context(), message("x", "github", part), ""), fault.Invalid, want)
	}
	wantFault(t, s.Send(t.Context(), notify.Message{Text: "x"}, ""), fault.Invalid, "has no github part")
	if len(g.requests()) != 0 {
		t.Errorf("something was sent: %v", g.lines())
	}
}

func TestGitHubToken(t *testing.T) {
	var asked GitHubApp
	with := env()
	with.GitHubToken = func(_ context.Context, app GitHubApp) (string, error) {
		asked = app
		return "", fault.New(fault.Denied, "the app is suspended")
	}
	s, err := New("github", "", []byte("appID: '12'\ninstallationID: 34\nprivateKey: |\n  a\n  b\nenterpriseBaseURL: https://ghe.example.com"), with)
	if err != nil {
		t.Fatal(err)
	}
	m := forCommit("", object{"status": object{"state": "success"}})
	wantFault(t, s.Send(t.Context(), m, ""), fault.Denied, "github: the app is suspended")
	if want := (GitHubApp{12, 34, "a\nb", "https://ghe.example.com/api/v3", "git@github.com:example/shop.git"}); asked != want {
		t.Errorf("asked for the token of another app: %+v", asked.Repository)
	}
	if text := fmt.Sprintf("%v %+v %#v", asked, asked, asked); text != "*** *** ***" {
		t.Error("a printed app shows its key")
	}
	for options, want := range map[string]string{
		"privateKey: canary": "appID is missing; installationID is missing",
		"privateKey: canary\nappID: canary\ninstallationID: 1":                                "appID is no whole number",
		"privateKey: canary\nappID: 0\ninstallationID: 1":                                     "appID is no positive number",
		"appID: 1\ninstallationID: 1":                                                         "privateKey is missing",
		"privateKey: canary\nappID: 1\ninstallationID: 1\nenterpriseBaseURL: ghe.example.com": "enterpriseBaseURL is no address",
	} {
		_, err := New("github", "", []byte(options), with)
		wantFault(t, err, fault.Invalid, want)
		if contains(err.Error(), "canary") {
			t.Error(err)
		}
	}
}

func TestGitHubAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"https://github.com/example/shop.git":      "example/shop",
		"https://github.com/example/shop/":         "example/shop",
		"https://u:p@ghe.example.com/example/shop": "example/shop",
		"git@github.com:example/shop.git":          "example/shop",
		"ssh://git@github.com:22/example/shop.git": "example/shop",
		"https://github.com/example":               "",
		"https://github.com/../x":                  "",
		"https://github.com/example/..":            "",
		"oci":                                      "",
	} {
		same(t, repositoryOf(address), want)
	}
	for base, want := range map[string]string{
		"https://ghe.example.com":         "https://ghe.example.com/api/v3",
		"https://ghe.example.com/":        "https://ghe.example.com/api/v3",
		"https://ghe.example.com/api/v3/": "https://ghe.example.com/api/v3",
		"https://api.example.ghe.com":     "https://api.example.ghe.com",
	} {
		u, err := parseAddress(base)
		if err != nil {
			t.Fatal(err)
		}
		same(t, enterpriseAPI(u).String(), want)
	}
}

// GitHub refuses with 403 who asks too often.
func TestGitHubLimits(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.WriteHeader(http.StatusForbidden)
	})
	s := build(t, "github", "", "enterpriseBaseURL: "+server.URL+"\nappID: 1\ninstallationID: 1\nprivateKey: k")
	wantFault(t, s.Send(t.Context(), forCommit("", object{"status": object{"state": "success"}}), ""), fault.Transient, "403")
}
