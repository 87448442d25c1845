package e2e

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// canary is a secret value. It has letters that JSON and URLs write in another way.
const canary = `canary"/<+&%5d41402abc4b2a76`

// forms are all the ways in which the canary could be written.
func forms() map[string]string {
	quoted, _ := json.Marshal(canary) // a string always encodes
	return map[string]string{
		"raw": canary, "JSON": strings.Trim(string(quoted), `"`), "URL query": url.QueryEscape(canary), "URL path": url.PathEscape(canary),
		"base64": base64.StdEncoding.EncodeToString([]byte(canary)), "base64url": base64.RawURLEncoding.EncodeToString([]byte(canary)),
	}
}

// TestCanary plants a secret wherever Belay holds some, asks every path of the API as an administrator, and looks for it in all
// answers and in the log.
func TestCanary(t *testing.T) {
	t.Parallel()
	w := serveBothWays(t)
	ns := w.plane.Cluster.Namespace(t)
	value, _ := json.Marshal(canary) // a string always encodes
	repo := harness.NewEmptyRepo(t, harness.RepoOptions{Username: "reader", Password: canary})
	manifests := harness.Txtar(clientsManifests).With("app/secret.yaml",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: "+string(value)+"}\n")
	repo.Commit(t, "main", manifests)
	credentials(t, w.plane, map[string]string{"type": "git", "url": repo.URL, "username": "reader", "password": canary})
	cluster := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster-far", Namespace: w.plane.Namespace, Labels: map[string]string{v1alpha1.LabelSecretType: "cluster"}},
		StringData: map[string]string{"name": "far", "server": "https://far.example.com", "config": `{"bearerToken":` + string(value) + `}`},
	}
	if err := w.plane.WithWatch.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	a := w.plane.App(t, "leaky", ns, v1alpha1.ApplicationSource{RepoURL: repo.URL, Path: "app", TargetRevision: "main"}, harness.SelfHeal)
	app := a.Wait(t, harness.Healthy(""))
	// The live value is another secret than the one in Git, so that a difference is shown.
	a.Change(t, func(app *harness.Application) { app.Spec.SyncPolicy = nil })
	w.plane.Edit(t, harness.Ref("v1", "Secret", ns, "login"), func(u *unstructured.Unstructured) {
		u.Object["data"] = map[string]any{"password": base64.StdEncoding.EncodeToString([]byte(canary + "!")), "more": base64.StdEncoding.EncodeToString([]byte(canary))}
	})
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, func(app *harness.Application) string {
		if s := app.Status.Sync.Status; s != v1alpha1.SyncStatusOutOfSync {
			return string(s)
		}
		return ""
	})

	c := w.signIn()
	_, data := c.ask("GET", "/swagger.json", nil)
	var api struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(data, &api); err != nil || len(api.Paths) < 40 {
		t.Fatalf("%d paths: %v", len(api.Paths), err)
	}
	for name, value := range map[string]string{"name": "leaky", "project": "default", "namespace": ns, "resourceName": "login", "kind": "Secret", "version": "v1",
		"group": "", "revision": app.Status.Sync.Revision, "podName": "web", "resource": "applications", "action": "get", "subresource": "default/leaky",
		"server": url.PathEscape("https://far.example.com"), "repo": url.PathEscape(repo.URL), "url": url.PathEscape(repo.URL)} {
		for path := range api.Paths {
			filled := strings.NewReplacer("{"+name+"}", value, "{"+name+"...}", value).Replace(path)
			if filled != path {
				api.Paths[filled] = api.Paths[path]
				delete(api.Paths, path)
			}
		}
	}
	query := "?name=leaky&appNamespace=&namespace=" + ns + "&resourceName=login&kind=Secret&version=v1&group=&from=web&to=web&q=login&repo=" +
		url.QueryEscape(repo.URL) + "&revision=" + app.Status.Sync.Revision + "&follow=false"
	answered, shown := 0, false
	for path, methods := range api.Paths {
		if _, ok := methods["get"]; !ok || strings.Contains(path, "/stream") || strings.Contains(path, "/logs") {
			continue
		}
		for _, q := range []string{"", query} {
			status, body := c.ask("GET", path+q, nil)
			if status == http.StatusOK {
				answered++
			}
			shown = shown || strings.Contains(path, "managed-resources") && strings.Contains(string(body), "login")
			for form, text := range forms() {
				if strings.Contains(string(body), text) {
					t.Errorf("GET %s%s shows the secret (%s)", path, q, form)
				}
			}
		}
	}
	if answered < 30 || !shown {
		t.Errorf("%d answers, of which one with the Secret: %v; the search proves little", answered, shown)
	}
	t.Logf("%d answers of %d paths", answered, len(api.Paths))
	log := w.plane.Log()
	if !strings.Contains(log, `"msg":"request"`) {
		t.Error("the log has no requests; the search proves little")
	}
	for form, text := range forms() {
		if i := strings.Index(log, text); i >= 0 {
			t.Errorf("the log has the secret (%s)", form)
		}
	}
}
