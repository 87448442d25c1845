package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// TestServerActsAsTheAccount: with impersonation, what people read, change and delete through the API they can as far as the
// service account of the project can, and the refusal says what it lacks.
func TestServerActsAsTheAccount(t *testing.T) {
	t.Parallel()
	w := serveBothWays(t)
	repo := harness.NewRepo(t, harness.Txtar(clientsManifests))
	ns := w.plane.Cluster.Namespace(t)
	p := newProject(t, w.plane, "dev")
	p.Spec.DestinationServiceAccounts = []v1alpha1.ApplicationDestinationServiceAccount{{Server: "*", Namespace: ns, DefaultServiceAccount: "deployer"}}
	if err := w.plane.WithWatch.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	a := w.plane.App(t, "tenant", ns, repo.Source("app"), harness.SelfHeal, func(app *harness.Application) { app.Spec.Project = "dev" })
	a.Wait(t, harness.Healthy(""))
	a.Change(t, func(app *harness.Application) { app.Spec.SyncPolicy = nil })
	configure(t, w.plane, "argocd-cm", map[string]string{"application.sync.impersonation.enabled": "true"})

	admin := w.signIn()
	config := "/api/v1/applications/tenant/resource?group=&version=v1&kind=ConfigMap&resourceName=settings&namespace=" + ns
	// A right that was given or taken, and a setting, take a moment to be seen.
	until := func(method, path string, body any, status int, texts ...string) {
		t.Helper()
		harness.Eventually(t, fmt.Sprintf("%s %s: %d", method, path, status), func(context.Context) error {
			got, answer := admin.ask(method, path, body)
			for _, text := range texts {
				if !strings.Contains(string(answer), text) {
					return fmt.Errorf("%d %s; want %q in it", got, answer, text)
				}
			}
			if got != status {
				return fmt.Errorf("%d %s", got, answer)
			}
			return nil
		})
	}
	account := "ServiceAccount " + ns + "/deployer"
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "deployer"}}
	may := func(verbs ...string) {
		t.Helper()
		role.Rules = []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: verbs}}
		if err := w.plane.WithWatch.Update(t.Context(), role); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range []client.Object{role, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "deployer"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "deployer"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: "deployer"}},
	}} {
		if err := w.plane.WithWatch.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	until("GET", config, nil, http.StatusForbidden, "cannot get", account, "verbs: [get]")
	until("GET", "/api/v1/applications/tenant/events?resourceName=settings&resourceNamespace="+ns, nil, http.StatusForbidden, "cannot list", account)
	may("get")
	until("GET", config, nil, http.StatusOK, "blue")
	until("POST", config+"&patchType=application/merge-patch%2Bjson", `{"data":{"colour":"red"}}`, http.StatusForbidden, "cannot patch", account)
	until("DELETE", config, nil, http.StatusForbidden, "cannot delete", account, "verbs: [delete]")
	may("get", "patch", "delete")
	until("POST", config+"&patchType=application/merge-patch%2Bjson", `{"data":{"colour":"red"}}`, http.StatusOK, "red")
	until("DELETE", config, nil, http.StatusOK)

	// Nobody is named: nothing is done.
	p.Spec.DestinationServiceAccounts = nil
	if err := w.plane.WithWatch.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	deployment := "/api/v1/applications/tenant/resource?group=apps&version=v1&kind=Deployment&resourceName=web&namespace=" + ns
	until("DELETE", deployment, nil, http.StatusBadRequest, "no entry of spec.destinationServiceAccounts of AppProject dev")
	admin.call("GET", "/api/v1/applications/tenant/managed-resources", nil, `[.items[] | select(.kind == "Deployment")] | length == 1`)
}

// TestGlobalProjectsAreShown: the API and both ways of the command line say what a project takes over.
func TestGlobalProjectsAreShown(t *testing.T) {
	t.Parallel()
	w := serveBothWays(t)
	dev := newProject(t, w.plane, "dev")
	dev.Labels = map[string]string{"tier": "prod"}
	if err := w.plane.WithWatch.Update(t.Context(), dev); err != nil {
		t.Fatal(err)
	}
	base := newProject(t, w.plane, "base")
	base.Spec = v1alpha1.AppProjectSpec{NamespaceResourceBlacklist: []metav1.GroupKind{{Kind: "ResourceQuota"}},
		SyncWindows: v1alpha1.SyncWindows{{Kind: "deny", Schedule: "* * * * *", Duration: "1h", Applications: []string{"*"}}}}
	if err := w.plane.WithWatch.Update(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	configure(t, w.plane, "argocd-cm", map[string]string{"globalProjects": "- projectName: base\n  labelSelector: {matchLabels: {tier: prod}}\n"})
	admin := w.signIn()
	harness.Eventually(t, "the setting is seen", func(context.Context) error {
		if status, answer := admin.ask("GET", "/api/v1/projects/dev/globalprojects", nil); status != http.StatusOK || !strings.Contains(string(answer), "ResourceQuota") {
			return fmt.Errorf("%d %s", status, answer)
		}
		return nil
	})
	admin.call("GET", "/api/v1/projects/dev/detailed", nil,
		`(.globalProjects | map(.metadata.name)) == ["base"] and .project.spec.namespaceResourceBlacklist[0].kind == "ResourceQuota" and (.project.spec.syncWindows | length) == 1`)
	admin.call("GET", "/api/v1/projects/dev", nil, `.spec.namespaceResourceBlacklist == null`)
	admin.call("GET", "/api/v1/projects/base/globalprojects", nil, `.items == null`)
	w.login()
	for name, run := range map[string]func(...string) outcome{"over the cluster": w.cluster, "over the API": w.server} {
		got := run("proj", "get", "dev")
		for _, want := range []string{"Global Projects:", "base", "/ResourceQuota (of global project base)", "deny:* * * * *:1h (of global project base)"} {
			if got.code != 0 || !strings.Contains(got.stdout, want) {
				t.Errorf("%s: want %q in %s", name, want, got)
			}
		}
	}
}
