package demo

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/source/webhook"
)

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return u
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: callcenter-dev
  annotations: {argocd.argoproj.io/tracking-id: "callcenter-ai-dev:apps/Deployment:callcenter-dev/web"}
  managedFields:
  - manager: argocd-controller
    operation: Apply
    fieldsV1: {"f:spec": {REPLICAS "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}}}}}}}
  OTHER
spec:
  replicas: COUNT
  template: {spec: {containers: [{name: side, image: other}, {name: web, image: IMAGE}]}}
`

func web(t *testing.T, owned bool, count, image string) *unstructured.Unstructured {
	t.Helper()
	replicas, other := `"f:replicas": {},`, ""
	if !owned {
		replicas = ""
		other = `- {manager: kubectl, operation: Update, subresource: scale, fieldsV1: {"f:spec": {"f:replicas": {}}}}`
	}
	return parse(t, strings.NewReplacer("REPLICAS", replicas, "OTHER", other, "COUNT", count, "IMAGE", image).Replace(deployment))
}

func TestFieldChanges(t *testing.T) {
	git := web(t, true, "1", "web:1")
	for name, c := range map[string]struct {
		before, after *unstructured.Unstructured
		want          []fieldChange
	}{
		"nothing":   {git, git, nil},
		"by hand":   {git, web(t, false, "5", "web:1"), []fieldChange{{"spec.replicas", "1", "5", "kubectl"}}},
		"put back":  {web(t, false, "5", "web:1"), git, []fieldChange{{"spec.replicas", "5", "1", belayManager}}},
		"a release": {git, web(t, true, "1", "web:2"), []fieldChange{{`spec.template.spec.containers[name="web"].image`, "web:1", "web:2", belayManager}}},
		"not Git's": {web(t, false, "5", "web:1"), web(t, false, "6", "web:1"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			if d := cmp.Diff(c.want, fieldChanges(c.before, c.after), cmp.AllowUnexported(fieldChange{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func application(t *testing.T, sync, health, operation string) event {
	t.Helper()
	return event{application: true, new: parse(t, `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: callcenter-ai-dev, namespace: argocd}
spec: {project: p, destination: {}, syncPolicy: {automated: {selfHeal: true}}}
status:
  sync: {status: `+sync+`, revision: "1111111111111111111111111111111111111111"}
  health: {status: `+health+`}
  history: [{id: 0, revision: a, deployedAt: "2026-11-23T00:00:00Z"}]
  operationState: {operation: {initiatedBy: {automated: true}}, `+operation+`}
`)}
}

func TestNarrator(t *testing.T) {
	n := newNarrator()
	start := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	at := func(ms int, e event) event {
		e.at = start.Add(time.Duration(ms) * time.Millisecond)
		return e
	}
	git, drifted := web(t, true, "1", "web:1"), web(t, false, "5", "web:1")
	const old = `phase: Succeeded, startedAt: "2026-11-23T09:00:00Z"`
	const now = `phase: Succeeded, startedAt: "2026-11-23T10:00:00Z", message: done, syncResult: {revision: "1111111111111111111111111111111111111111"}`
	n.pushed(push{Branch: "develop", After: strings.Repeat("1", 40), At: start, Commits: []commit{{Subject: "feat: x"}}}, nil)
	var got []string
	for _, e := range []event{
		at(0, event{new: git}), // not known yet to belong to an application
		at(0, application(t, "OutOfSync", "Healthy", old)),
		at(10, application(t, "Synced", "Progressing", now)),
		at(20, event{old: git, new: drifted}),
		at(104, event{old: drifted, new: git}),
		at(200, event{old: git}),
		at(230, event{new: git}),
		at(300, application(t, "Synced", "Healthy", now)),
	} {
		for _, s := range n.tell(e) {
			got = append(got, s.app+" "+s.text)
		}
	}
	want := []string{
		"callcenter-ai-dev sync to 1111111 succeeded: done (10ms after the push)",
		"callcenter-ai-dev Synced",
		"callcenter-ai-dev Progressing",
		"callcenter-ai-dev drift: kubectl changed spec.replicas of Deployment/web: 1 -> 5",
		"callcenter-ai-dev Deployment/web: spec.replicas is back at 1 after 84ms",
		"callcenter-ai-dev Deployment/web was deleted",
		"callcenter-ai-dev Deployment/web is back after 30ms",
		"callcenter-ai-dev Healthy",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestPublish pushes to the repository and lets the reader of real notifications judge what is posted.
func TestPublish(t *testing.T) {
	type received struct {
		event webhook.Event
		err   error
	}
	posted := make(chan received, 1)
	receiver := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		e, err := webhook.Parse(r.Header, body, webhook.Secrets{})
		posted <- received{e, err}
	})
	dir := t.TempDir()
	repo, err := publish(t.Context(), dir, os.Environ())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.close() })
	told := make(chan pushed, 1)
	repo.announce(newHook(receiver), func(p push, err error) { told <- pushed{p, err} })

	clone := git{dir: filepath.Join(dir, "clone"), env: os.Environ()}
	steps := git{dir: dir, env: os.Environ()}
	if _, err := steps.run(t.Context(), "clone", "-q", "-c", "user.name=You", "-c", "user.email=you@example.com", repo.url, "clone"); err != nil {
		t.Fatal(err)
	}
	app, err := os.ReadFile(filepath.Join(clone.dir, "argocd/apps/callcenter-ai-dev.yaml"))
	if err != nil || !strings.Contains(string(app), "repoURL: "+repo.url+"\n") {
		t.Errorf("the application does not name the repository: %v\n%s", err, app)
	}
	if err := os.WriteFile(filepath.Join(clone.dir, "README.md"), []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"commit", "-qam", "docs: new"}, {"push", "-q", "origin", "develop"}} {
		if _, err := clone.run(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case p := <-told:
		if p.err != nil || p.push.Branch != "develop" || len(p.push.Commits) != 1 || p.push.Commits[0].Subject != "docs: new" {
			t.Errorf("told of %+v, %v", p.push, p.err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing is told of the push")
	}
	got := <-posted
	if got.err != nil || !got.event.Matches(repo.url) || !cmp.Equal(got.event.Files, []string{"README.md"}) {
		t.Errorf("the notification is read as %+v, %v", got.event, got.err)
	}
}

func TestHookFailure(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	if err := newHook(url).send(t.Context(), "http://127.0.0.1/x.git", push{Branch: "b"}); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a refusal is taken as %v", err)
	}
	body, err := json.Marshal(payload("http://127.0.0.1/x.git", push{Branch: "b", Before: "1"}))
	if err != nil || strings.Contains(string(body), `"commits":null`) {
		t.Errorf("payload of a deletion: %s, %v", body, err)
	}
}

func TestTakeDirectory(t *testing.T) {
	take := func(dir string) (*Demo, error) {
		d := &Demo{cfg: Config{Dir: dir}, out: newPrinter(io.Discard, false)}
		return d, d.takeDirectory()
	}
	foreign := t.TempDir()
	precious := filepath.Join(foreign, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := take(foreign); err == nil {
		t.Error("a directory that holds something else is taken")
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
	dir := filepath.Join(t.TempDir(), "new", "demo")
	first, err := take(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := take(dir); err == nil || !strings.Contains(err.Error(), "another demo") {
		t.Errorf("two demos share a directory: %v", err)
	}
	if err := first.end(); err != nil {
		t.Fatal(err)
	}
	second, err := take(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "left")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what an earlier demo left is still there: %v", err)
	}
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is not removed: %v", err)
	}
}

func TestCheckGit(t *testing.T) {
	for version, ok := range map[string]bool{"2.39.5": true, "2.31.0 (some build)": true, "3.0.0": true, "2.30.9": false, "1.8.3": false, "junk": false} {
		bin := t.TempDir()
		script := "#!/bin/sh\necho git version '" + version + "'\n"
		if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		if _, err := checkGit(t.Context(), os.Environ()); (err == nil) != ok {
			t.Errorf("git %s: %v", version, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := checkGit(t.Context(), os.Environ()); err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("without git: %v", err)
	}
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
