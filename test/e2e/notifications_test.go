package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/test/e2e/harness"
)

// receiver is a service that gets messages.
type receiver struct {
	mu sync.Mutex
	// got are the bodies of what was taken, in the order in which they came.
	got []string
	// down is how many requests are still refused, as by a service that is away.
	down int
	// wrong are requests without the token.
	wrong int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case strings.HasPrefix(req.URL.Path, "/closed"):
		w.WriteHeader(http.StatusUnauthorized)
	case err != nil || req.URL.Path != "/hooks/events" || req.Method != http.MethodPost || req.Header.Get("Authorization") != "Bearer "+canary:
		r.wrong++
		w.WriteHeader(http.StatusUnauthorized)
	case r.down > 0:
		r.down--
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		r.got = append(r.got, string(body))
	}
}

// waitFor waits until all these came, in this order, and returns an error of what came besides.
func (r *receiver) waitFor(t *testing.T, lines ...string) {
	t.Helper()
	harness.Eventually(t, strings.Join(lines, ", "), func(context.Context) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.wrong > 0 {
			t.Fatalf("%d requests came to another place, or without the token", r.wrong)
		}
		if !slices.Equal(r.got, lines) {
			return fmt.Errorf("got %q", r.got)
		}
		return nil
	})
	r.mu.Lock()
	r.got = nil
	r.mu.Unlock()
}

func (r *receiver) refuse(requests int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = requests
}

// TestNotifications: what happens to an application is told once each, also what happens while Belay is away and while the service
// is down; the token of the service appears nowhere.
func TestNotifications(t *testing.T) {
	t.Parallel()
	w := serveBothWays(t)
	plane, hook := w.plane, &receiver{}
	address := harness.Serve(t, hook).URL
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: plane.Namespace, Name: notify.SecretName}, Data: map[string][]byte{"token": []byte(canary)}}
	if err := plane.WithWatch.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{
		"service.webhook.hook":   "url: " + address + "/hooks\nheaders:\n- {name: Authorization, value: Bearer $token}\n",
		"service.webhook.closed": "url: " + address + "/closed\nheaders:\n- {name: X, value: $token}\n",
	}
	for _, name := range []string{"created", "deleted", "deployed", "recovered", "sync-failed", "sync-succeeded", "health-degraded"} {
		body := name + " {{.app.metadata.name}}"
		if name == "deployed" {
			body += " {{(call .repo.GetCommitMetadata .commit).Message}}"
		}
		settings["template.app-"+name] = "message: unused\nwebhook:\n  hook:\n    method: POST\n    path: /events\n    body: '" + body + "'\n"
	}
	configure(t, plane, notify.ConfigMapName, settings)
	sendsNotifications(t, plane)

	repo := harness.NewEmptyRepo(t, harness.RepoOptions{})
	first := repo.CommitAs(t, "main", "Begin", harness.Files{"app/a.yaml": configMap("a", "x: '1'")})
	ns := plane.Cluster.Namespace(t)
	a := plane.App(t, "told", ns, repo.Source("app"), harness.SelfHeal, func(app *v1alpha1.Application) {
		app.Spec.SyncPolicy.Retry = &v1alpha1.RetryStrategy{} // none
		app.Annotations = map[string]string{"notifications.argoproj.io/subscribe.on-sync-failed.closed": ""}
		for _, trigger := range []string{"on-created", "on-deleted", "on-deployed", "on-recovered", "on-sync-failed", "on-health-degraded"} {
			app.Annotations["notifications.argoproj.io/subscribe."+trigger+".hook"] = ""
		}
	})
	a.Wait(t, harness.Healthy(first))
	hook.waitFor(t, "created told", "deployed told Begin")

	w.triesOut(t, hook)
	if status, data := w.signIn().ask("GET", "/api/v1/notifications/services", nil); status != http.StatusOK || string(data) != `{"items":[{"name":"closed"},{"name":"hook"}]}` {
		t.Errorf("services: %d %q", status, data)
	}

	// A sync that fails; the second service takes nothing, which is told in the record and once in the log.
	repo.CommitAs(t, "main", "Break", harness.Files{"app/a.yaml": configMap("a", "x: [not, a, text]")})
	a.Refresh(t, v1alpha1.RefreshNormal)
	hook.waitFor(t, "sync-failed told")
	harness.Eventually(t, "the record has what could not be told", func(context.Context) error {
		_, data := w.signIn().ask("GET", "/api/belay/v1/activities?kind=notification&application=told", nil)
		var page audit.Page
		if err := json.Unmarshal(data, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			if item.Outcome == audit.Failure && strings.Contains(item.Text, "on-sync-failed could not be told to closed") && strings.Contains(item.Text, "401") {
				return nil
			}
		}
		return fmt.Errorf("%s", data)
	})

	// While the service is down messages wait, and keep their order.
	hook.refuse(2)
	repo.CommitAs(t, "main", "Degrade", harness.Files{"app/a.yaml": configMap("a", "x: '2'"), "app/job.yaml": job("fails", "exit 1")})
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, func(app *harness.Application) string {
		if app.Status.Health.Status != v1alpha1.HealthDegraded {
			return string(app.Status.Health.Status)
		}
		return ""
	})
	mended := repo.CommitAs(t, "main", "Mend", harness.Files{"app/a.yaml": configMap("a", "x: '3'")})
	a.Change(t, func(app *harness.Application) {
		harness.Automated(v1alpha1.SyncPolicyAutomated{Prune: true, SelfHeal: true})(app)
	})
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, harness.Healthy(mended))
	hook.waitFor(t, "health-degraded told", "deployed told Mend", "recovered told")

	// What happens while Belay is away is told when it is back, and nothing else.
	harness.Eventually(t, "the record of what was sent is written", func(context.Context) error {
		app := a.Get(t)
		record, history := app.Annotations[notify.AnnotationNotified], app.Status.History
		latest := fmt.Sprintf("%d:on-deployed:", history[len(history)-1].ID)
		if !strings.Contains(record, latest) || strings.Contains(record, `"on-health-degraded`) || strings.Contains(record, `"on-recovered`) {
			return fmt.Errorf("it is %s", record)
		}
		return nil
	})
	plane.Kill()
	again := repo.CommitAs(t, "main", "Again", harness.Files{"app/a.yaml": configMap("a", "x: '4'")})
	plane.Start(t)
	a.Wait(t, harness.Healthy(again))
	hook.waitFor(t, "deployed told Again")

	plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, a.Name))
	a.WaitGone(t)
	hook.waitFor(t, "deleted told")
	for name, form := range forms() {
		if strings.Contains(plane.Log(), form) {
			t.Errorf("the log has the token (%s)", name)
		}
	}
}

// triesOut asks the command line what would be told, and has it tell.
func (w *ways) triesOut(t *testing.T, hook *receiver) {
	t.Helper()
	for _, test := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"trigger", "get"}, 0, []string{"on-sync-failed", "app-sync-failed", "app.status?.operationState?.phase in ['Error', 'Failed']"}},
		{[]string{"trigger", "get", "on-out-of-sync", "-o", "yaml"}, 0, []string{"for: 5m"}},
		{[]string{"trigger", "get", "nothing"}, 20, []string{"there is no trigger nothing", "on-created"}},
		{[]string{"trigger", "run", "on-created", "told"}, 0, []string{"true"}},
		{[]string{"trigger", "run", "on-sync-failed", "told"}, 0, []string{"false"}},
		{[]string{"trigger", "run", "on-created", "nobody"}, 20, []string{"nobody"}},
		{[]string{"template", "get", "-o", "name"}, 0, []string{"app-deployed\n"}},
		{[]string{"template", "notify", "app-out-of-sync", "told"}, 0, []string{"told is out of sync with Git"}},
		{[]string{"template", "notify", "app-deployed", "told", "--recipient", "console:hook"}, 0, []string{"body: deployed told Begin", "path: /events"}},
		{[]string{"template", "notify", "app-deployed", "told", "--recipient", "pager:x"}, 20, []string{"there is no service pager", "closed, hook"}},
		{[]string{"template", "notify", "app-deployed", "told", "--recipient", "closed"}, 20, []string{"send to closed", "401"}},
		{[]string{"template", "notify", "app-deployed", "told", "--recipient", "hook:"}, 0, []string{"sent to hook"}},
		{[]string{"template", "get", "--secret", ":empty"}, 0, []string{"warning", "service.webhook.hook", "there is no $token"}},
	} {
		got := w.cluster(append([]string{"admin", "notifications"}, test.args...)...)
		for _, text := range test.says {
			if got.code != test.code || !strings.Contains(got.stdout+got.stderr, text) {
				t.Errorf("%v: %s\nwant code %d and %q", test.args, got, test.code, text)
			}
		}
		if strings.Contains(got.stdout+got.stderr, canary) {
			t.Errorf("%v prints the token", test.args)
		}
	}
	hook.waitFor(t, "deployed told Begin")
}

// sendsNotifications waits until applications that are made count as new.
func sendsNotifications(t *testing.T, plane *harness.Plane) {
	t.Helper()
	logs(t, plane, "notifications are sent from here")
}

func logs(t *testing.T, plane *harness.Plane, text string) {
	t.Helper()
	harness.Eventually(t, "the log says "+text, func(context.Context) error {
		if !strings.Contains(plane.Log(), text) {
			return errors.New("not yet")
		}
		return nil
	})
}

// TestNotificationsBesideArgoCD: while Argo CD tells, Belay does not; then it goes on, and does not tell what was told.
func TestNotificationsBesideArgoCD(t *testing.T) {
	t.Parallel()
	plane, hook := harness.Shared(t).Prepared(t), &receiver{}
	other := fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata: {name: argocd-notifications-controller, namespace: %s, labels: {app.kubernetes.io/name: argocd-notifications-controller}}
spec:
  replicas: 1
  selector: {matchLabels: {app: teller}}
  template: {metadata: {labels: {app: teller}}, spec: {containers: [{name: teller, image: example.com/n:1}]}}
`, plane.Namespace)
	plane.Cluster.Apply(t, other)
	configure(t, plane, notify.ConfigMapName, map[string]string{
		"service.webhook.hook":  "url: " + harness.Serve(t, hook).URL + "/hooks\nheaders:\n- {name: Authorization, value: 'Bearer " + canary + "'}\n",
		"subscriptions":         "- {recipients: [hook], triggers: [on-deployed]}",
		"template.app-deployed": "webhook: {hook: {method: POST, path: /events, body: '{{.app.metadata.name}} {{len .app.status.history}}'}}",
	})
	plane.Start(t)
	logs(t, plane, "kubectl -n "+plane.Namespace+" scale deployment argocd-notifications-controller --replicas=0")
	repo := harness.NewRepo(t, harness.Files{"app/a.yaml": configMap("a", "x: '1'")})
	a := plane.App(t, "told-by-argo-cd", plane.Cluster.Namespace(t), repo.Source("app"), harness.SelfHeal)
	a.Wait(t, harness.Healthy(""))
	plane.Cluster.Apply(t, strings.Replace(other, "replicas: 1", "replicas: 0", 1))
	sendsNotifications(t, plane)
	second := repo.Commit(t, "main", harness.Files{"app/a.yaml": configMap("a", "x: '2'")})
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, harness.Healthy(second))
	hook.waitFor(t, "told-by-argo-cd 2")
}
