package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// TestComponents runs two servers and a controller. A token of one server is good at the other; a sync that one is asked for is done by
// the controller, and so is what a webhook tells. Without the controller the servers answer, and nothing is done.
func TestComponents(t *testing.T) {
	t.Parallel()
	w := serveBothWays(t, "--components", "server")
	// Only a webhook can tell of a commit in time.
	configure(t, w.plane, "argocd-cm", map[string]string{"timeout.reconciliation": "1h"})
	w.login()
	other := &ways{t: t, plane: w.plane, address: harness.FreeAddr(t), home: t.TempDir(), none: w.none}
	w.plane.Beside(t, "--components", "server", "--address", other.address)
	ns := w.plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	app := w.plane.App(t, "split", ns, repo.Source("app"))
	for _, at := range []*ways{w, other} {
		got := at.run(w.none, "", "app", "list", "-o", "name", "--server", at.address, "--plaintext", "--auth-token", w.savedToken())
		if got.code != 0 || !strings.HasSuffix(strings.TrimSpace(got.stdout), "split") {
			t.Fatalf("without a controller: %s", got)
		}
	}
	if seen := app.Get(t).Status; seen.ReconciledAt != nil {
		t.Fatal("a server has compared an application")
	}

	unanswered := harness.FreeAddr(t)
	controller := w.plane.Beside(t, "--components", "controller", "--leader-election", "--address", unanswered)
	if resp, err := http.Get("http://" + unanswered + "/healthz"); err == nil {
		resp.Body.Close()
		t.Errorf("the controller answers %s where a server would be", resp.Status)
	}
	if got := w.server("app", "sync", "split", "--timeout", "60"); got.code != 0 {
		t.Fatalf("%s\n%s", got, controller.LogTail())
	}
	app.Wait(t, harness.Healthy(""))

	rev := repo.Commit(t, "main", harness.Txtar(strings.ReplaceAll(some, "colour: blue", "colour: green")))
	push(t, "http://"+other.address+"/api/webhook", repo, rev)
	app.Wait(t, func(a *harness.Application) string {
		if a.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync || a.Status.Sync.Revision != rev {
			return "what the webhook told is not seen"
		}
		return ""
	})

	controller.Kill()
	if got := w.server("app", "get", "split", "-o", "name"); got.code != 0 {
		t.Errorf("after the controller's end: %s", got)
	}
}

// push tells of a commit to main as GitHub does.
func push(t *testing.T, to string, repo *harness.Repo, rev string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"ref": "refs/heads/main", "after": rev, "repository": map[string]any{"html_url": strings.TrimSuffix(repo.URL, ".git"), "clone_url": repo.URL, "default_branch": "main"},
	})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, to, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-GitHub-Event", "push")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("the webhook is answered with %s", resp.Status)
	}
}
