package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/belaycd/belay/test/e2e/harness"
)

// TestPreviewLive compares a working copy with the cluster: first nothing differs, then what was edited, added and taken out of it is
// told. Nothing is written, and no value of a Secret is shown.
func TestPreviewLive(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	w := &ways{t: t, plane: plane, none: t.TempDir()}
	ns := plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(some))
	app := plane.App(t, "previewed", ns, repo.Source("app"), harness.SelfHeal)
	app.Wait(t, harness.Healthy(""))

	copied := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command("git", "clone", "-q", repo.Dir, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	edit := func(name, text string) {
		t.Helper()
		name = filepath.Join(copied, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit("apps/previewed.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: previewed, namespace: "+plane.Namespace+"}\nspec:\n"+
		"  project: default\n  source: {repoURL: "+repo.URL+", path: app, targetRevision: main}\n  destination: {server: 'https://kubernetes.default.svc', namespace: "+ns+"}\n")
	if got := w.cluster("preview", "--live", "--exit-code", copied); got.code != 0 || !strings.Contains(got.stdout, "no change: live -> ") {
		t.Errorf("the copy is what was deployed: %s", got)
	}

	edit("app/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, labels: {tier: front}}\ndata: {colour: green, size: \"3\"}\n")
	edit("app/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: b}\n")
	edit("app/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {token: canary-new}\n")
	if err := os.Remove(filepath.Join(copied, "app/service.yaml")); err != nil {
		t.Fatal(err)
	}
	got := w.cluster("preview", "--live", "--exit-code", copied)
	if got.code != 1 || strings.Contains(got.String(), "canary") || strings.Contains(got.String(), "not-a-secret") {
		t.Error(got)
	}
	for _, line := range []string{
		"+ ConfigMap/" + ns + "/more: missing in the cluster", "~ ConfigMap/" + ns + "/settings: data.colour differs",
		"~ Secret/" + ns + "/token: data.token differs", "- Service/" + ns + "/web: no longer in Git", "-  colour: blue", "+  colour: green",
		": 1 to create, 2 to change, 1 to delete, 0 with pods restarted",
	} {
		if !strings.Contains(got.stdout, line) {
			t.Errorf("%q is missing", line)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
	if data := plane.Live(t, harness.Ref("v1", "ConfigMap", ns, "settings")).Object["data"].(map[string]any); data["colour"] != "blue" {
		t.Errorf("the preview wrote: %v", data)
	}
}
