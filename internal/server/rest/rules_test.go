package rest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/server"
	"github.com/belaycd/belay/internal/server/rest"
)

// refused is what an answer says that is an error.
func (r reply) refused(t *testing.T, status, code int, says string) {
	t.Helper()
	var p rest.Problem
	if err := json.Unmarshal(r.body, &p); err != nil || r.status != status || p.Code != code || !strings.Contains(p.Error, says) {
		t.Errorf("status %d, %s; want %d with code %d and %q", r.status, r.body, status, code, says)
	}
}

func TestOperationRules(t *testing.T) {
	b := newBench(t)
	b.fixture("x")
	automated := func(a *v1alpha1.Application) {
		a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{}}
		a.Status.History = history()
	}
	b.App("auto", automated)
	closed := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "closed", Namespace: b.Namespace}, Spec: v1alpha1.AppProjectSpec{
		SourceRepos: []string{"*"}, Destinations: []v1alpha1.ApplicationDestination{{Server: "*", Namespace: "*"}},
		SyncWindows: v1alpha1.SyncWindows{{Kind: "deny", Schedule: "* * * * *", Duration: "1h", Applications: []string{"*"}}},
	}}
	if err := b.Client.Create(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	b.App("shut", func(a *v1alpha1.Application) { a.Spec.Project = "closed"; a.Status.History = history() })
	b.App("many", func(a *v1alpha1.Application) {
		a.Spec.Sources = v1alpha1.ApplicationSources{*a.Spec.Source, {RepoURL: "https://git.example.com/values.git", TargetRevision: "main", Ref: "values"}}
		a.Spec.Source = nil
	})
	post := func(path string, body any) reply { return b.as("admin", "POST", "/api/v1/applications/"+path, body) }

	post("auto/rollback", obj{"id": 1}).refused(t, 400, 9, "rollback cannot be initiated when auto-sync is enabled")
	post("auto/sync", obj{"revision": "v1"}).refused(t, 400, 9, "cannot sync to v1")
	post("auto/sync", obj{"manifests": []string{"{}"}}).refused(t, 400, 9, "local manifests")
	post("auto/sync", obj{"revision": "v1", "dryRun": true}).is(t, 200)
	post("shut/sync", obj{}).refused(t, 403, 7, "blocked by sync window")
	post("shut/rollback", obj{"id": 1}).refused(t, 403, 7, "blocked by sync window")
	post("shop/rollback", obj{"id": 99}).refused(t, 404, 5, "does not have deployment id 99")
	b.as("proj:dev:deployer", "POST", "/api/v1/applications/shop/sync", obj{"manifests": []string{"{}"}}).refused(t, 403, 7, "override")
	post("many/sync", obj{"revisions": []string{"v2"}, "sourcePositions": []int{3}}).refused(t, 400, 3, "source position 3")
	post("many/sync", obj{"revisions": []string{"v2"}, "sourcePositions": []int{2}}).is(t, 200)
	if op := b.Read("many").Operation; op == nil || !slices.Equal(op.Sync.Revisions, []string{"main", "v2"}) {
		t.Errorf("operation is %+v", op)
	}
	post("shop/rollback", obj{"id": 0}).is(t, 200)
	if op := b.Read("shop").Operation; op == nil || op.Sync.Revision != history()[0].Revision || op.Sync.SyncStrategy.Apply == nil {
		t.Errorf("operation is %+v", op)
	}
}

// operators may get, sync, and one of them something else besides.
type operators struct{}

func (operators) Allows(c server.Caller, resource, action, _ string) bool {
	return resource == "applications" && (action == "get" || action == "sync" && c.Name != "returner" || action == "override" && c.Name == "overrider" || action == "rollback" && c.Name == "returner")
}

// TestRightsBesidesSync: argocd-cm may ask for the right to override where a revision is named, and for that of going back.
func TestRightsBesidesSync(t *testing.T) {
	b := newBench(t, func(b *bench, _ *rest.Options) { b.server.Access = operators{} })
	b.fixture("x")
	post := func(user, path string, body any) reply { return b.as(user, "POST", path, body) }
	const app, own = "/api/v1/applications/shop/", "/api/belay/v1/applications/shop/"
	back := obj{"id": 1, "digest": "another"}
	post("syncer", own+"rollback", back).refused(t, 409, 10, "another one")
	post("returner", own+"rollback", back).refused(t, 403, 7, "applications, sync")
	post("syncer", app+"sync", obj{"revision": "v1"}).is(t, 200)
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "argocd-cm", Namespace: b.Namespace}, Data: map[string]string{
		"application.sync.requireOverridePrivilegeForRevisionSync": "true", "server.rbac.rollback.enforce.enable": "true",
	}}
	if err := b.Client.Create(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	b.fixture("x")
	post("syncer", app+"sync", obj{"revision": "v1"}).refused(t, 403, 7, "applications, override")
	post("syncer", own+"sync", obj{"digest": "another", "override": true, "revisions": []string{"v1"}}).refused(t, 403, 7, "applications, override")
	post("overrider", own+"sync", obj{"digest": "another", "override": true, "revisions": []string{"v1"}}).refused(t, 409, 10, "another one")
	post("overrider", app+"sync", obj{"revision": "v1"}).is(t, 200)
	b.fixture("x")
	post("syncer", app+"sync", obj{"revision": "main"}).is(t, 200) // that of the application
	b.fixture("x")
	post("syncer", app+"sync", obj{}).is(t, 200)
	b.fixture("x")
	post("syncer", app+"rollback", obj{"id": 1}).refused(t, 403, 7, "applications, rollback")
	post("syncer", own+"rollback", back).refused(t, 403, 7, "applications, rollback")
	post("returner", own+"rollback", back).refused(t, 409, 10, "another one")
	post("returner", app+"rollback", obj{"id": 1}).is(t, 200)
}

// TestLinks fills the templates of argocd-cm in, and none with what is secret.
func TestLinks(t *testing.T) {
	b := newBench(t)
	b.fixture("not-a-canary")
	b.credentials("not-a-canary")
	var cm corev1.ConfigMap
	if err := b.Client.Get(t.Context(), types.NamespacedName{Namespace: b.Namespace, Name: "argocd-cm"}, &cm); err != nil {
		t.Fatal(err)
	}
	cm.Data["application.links"] = `
- title: Logs
  url: https://logs.example.com/?app={{.application.metadata.name}}&project={{.project.metadata.name}}&cluster={{.cluster.name}}
  description: all lines
  icon.class: fa-book
- {title: hidden, url: 'https://logs.example.com', if: 'application.spec.project != "dev"'}
- {title: broken, url: 'https://logs.example.com/{{.x'}
`
	cm.Data["resource.links"] = `
- {title: Object, url: 'https://logs.example.com/{{.resource.kind}}/{{.resource.metadata.name}}/{{.app.metadata.name}}'}
- {title: Data, url: 'https://logs.example.com/?{{.resource.data | toJson | urlquery}}&{{.resource.metadata.annotations | toJson | urlquery}}', if: resource.kind == "Secret"}
`
	cm.Data["project.links"] = `[{title: Audit, url: 'https://audit.example.com/{{.project.metadata.name}}'}]`
	if err := b.Client.Update(t.Context(), &cm); err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		t.Helper()
		return string(b.as("reader", "GET", path, nil).is(t, 200).body)
	}
	want := `{"items":[{"title":"Logs","url":"https://logs.example.com/?app=shop\u0026project=dev\u0026cluster=in-cluster","description":"all lines","iconClass":"fa-book"}]}`
	if got := read("/api/v1/applications/shop/links"); got != want {
		t.Errorf("links of the application: %s", got)
	}
	if got := read("/api/v1/projects/dev/links"); got != `{"items":[{"title":"Audit","url":"https://audit.example.com/dev"}]}` {
		t.Errorf("links of the project: %s", got)
	}
	object := "/api/v1/applications/shop/resource/links?version=v1&namespace=" + b.Namespace
	if got := read(object + "&kind=ConfigMap&resourceName=settings"); !strings.Contains(got, `"https://logs.example.com/ConfigMap/settings/shop"`) || strings.Contains(got, "Data") {
		t.Errorf("links of an object: %s", got)
	}
	got := read(object + "&kind=Secret&resourceName=db")
	if !strings.Contains(got, `"title":"Data"`) || !strings.Contains(got, "password") {
		t.Errorf("links of a Secret: %s", got)
	}
	for form, text := range forms("not-a-canary") {
		if strings.Contains(got, text) {
			t.Errorf("a link has the secret (%s): %s", form, got)
		}
	}
	if n := strings.Count(b.log.String(), "link not used"); n != 1 {
		t.Errorf("a broken link was told of %d times", n)
	}
	read("/api/v1/applications/shop/links")
	if n := strings.Count(b.log.String(), "link not used"); n != 1 {
		t.Errorf("a broken link was told of %d times", n)
	}
}

// TestRefresh asks for a comparison, plays the controller that makes it, and gets the state after it.
func TestRefresh(t *testing.T) {
	b := newBench(t)
	b.App("shop", nil)
	done := make(chan reply)
	go func() { done <- b.as("admin", "GET", "/api/v1/applications/shop?refresh=hard", nil) }()
	b.Eventually("the annotation is there", func(context.Context) bool {
		return b.Read("shop").Annotations[v1alpha1.AnnotationRefresh] == "hard"
	})
	app := b.Read("shop")
	delete(app.Annotations, v1alpha1.AnnotationRefresh)
	app.Status.Sync.Status = v1alpha1.SyncStatusSynced
	if err := b.Client.Update(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.Application
	(<-done).is(t, 200).into(t, &got)
	if got.Status.Sync.Status != v1alpha1.SyncStatusSynced {
		t.Errorf("the answer is from before the comparison: %+v", got.Status.Sync)
	}
}

func TestApplicationRules(t *testing.T) {
	b := newBench(t)
	b.fixture("x")
	app := func(name, project, repo string) obj {
		return obj{"metadata": obj{"name": name}, "spec": obj{"project": project, "source": obj{"repoURL": repo, "path": "app"},
			"destination": obj{"server": v1alpha1.InClusterServer, "namespace": b.Namespace}}}
	}
	const repo = "https://git.example.com/deploy.git"
	const all = "/api/v1/applications"
	b.as("admin", "POST", all, app("new", "dev", repo)).is(t, 200)
	b.as("admin", "POST", all, app("new", "dev", repo)).is(t, 200) // the same is no change
	b.as("admin", "POST", all, app("new", "dev", repo+"2")).refused(t, 400, 3, "use upsert flag")
	b.as("admin", "POST", all+"?upsert=true", app("new", "dev", repo+"2")).is(t, 200)
	if got := b.Read("new").Spec.Source.RepoURL; got != repo+"2" {
		t.Errorf("upsert left %s", got)
	}
	b.as("admin", "POST", all, app("bad", "missing", repo)).refused(t, 400, 3, "references project missing which does not exist")
	b.as("admin", "POST", all, app("bad", "empty", repo)).refused(t, 400, 3, "is not permitted in project")
	b.as("admin", "POST", all+"?validate=false", app("bad", "empty", repo)).refused(t, 400, 3, "is not permitted in project")
	b.as("proj:dev:deployer", "GET", all+"/nothing", nil).refused(t, 403, 7, "permission denied")
	b.as("admin", "GET", all+"/nothing", nil).refused(t, 404, 5, "does not exist")
	b.as("admin", "GET", all+"/new?appNamespace=kube-system", nil).refused(t, 403, 7, "permission denied")
	b.as("admin", "GET", all+"/new?project=default", nil).refused(t, 403, 7, "permission denied")

	// A patch reaches neither status nor operation: they have rights of their own.
	patch := `{"operation":{"sync":{}},"status":{"sync":{"status":"Synced"}},"metadata":{"labels":{"a":"b"}}}`
	b.as("admin", "PATCH", all+"/new", obj{"patch": patch, "patchType": "merge"}).is(t, 200)
	if got := b.Read("new"); got.Operation != nil || got.Status.Sync.Status != "" || got.Labels["a"] != "b" {
		t.Errorf("after the patch: %+v", got)
	}
	b.as("admin", "PATCH", all+"/new", obj{"patch": `[{"op":"replace","path":"/metadata/name","value":"x"}]`}).refused(t, 400, 3, "cannot change the name")

	b.as("admin", "DELETE", all+"/new?cascade=false&propagationPolicy=background", nil).refused(t, 400, 3, "no meaning without cascade")
	b.as("admin", "DELETE", all+"/new?propagationPolicy=background", nil).is(t, 200)
	if got := b.Read("new"); got.DeletionTimestamp == nil || !slices.Contains(got.Finalizers, v1alpha1.FinalizerBackground) {
		t.Errorf("after the deletion: %+v", got.ObjectMeta)
	}
}

func TestObjectRules(t *testing.T) {
	b := newBench(t)
	b.fixture("x")
	in := "&namespace=" + b.Namespace
	const path = "/api/v1/applications/shop/resource"
	// What is no object of the application is out of reach, whatever may be done to the application.
	other := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: b.Namespace}}
	if err := b.Client.Create(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "DELETE"} {
		b.as("admin", method, path+"?version=v1&kind=ConfigMap&resourceName=other"+in, nil).refused(t, 404, 5, "is no object of application shop")
	}
	b.as("admin", "GET", path+"?version=v1&kind=Secret&resourceName=argocd-secret"+in, nil).refused(t, 404, 5, "is no object of application shop")

	b.as("admin", "POST", path+"/actions?"+aDeployment+in, `"resume"`).refused(t, 404, 5, "has no action")
	b.as("admin", "POST", path+"/actions?"+aDeployment+in, `"pause"`).is(t, 200)
	var actions server.ResourceActionsListResponse
	b.as("admin", "GET", path+"/actions?"+aDeployment+in, nil).is(t, 200).into(t, &actions)
	got := map[string]bool{}
	for _, a := range actions.Actions {
		got[a.Name] = !a.Disabled
	}
	if !got["resume"] || got["pause"] || got["restart"] || !got["scale"] {
		t.Errorf("actions of a paused Deployment: %v", got)
	}
	scale := obj{"group": "apps", "version": "v1", "kind": "Deployment", "resourceName": "web", "namespace": b.Namespace, "action": "scale",
		"resourceActionParameters": []any{obj{"name": "replicas", "value": "-1"}}}
	b.as("admin", "POST", path+"/actions/v2", scale).refused(t, 400, 3, "replicas")
	b.as("admin", "POST", path+"/actions?group=batch&version=v1&kind=CronJob&resourceName=nightly"+in, `"create-job"`).is(t, 200)
	var jobs batchv1.JobList
	if err := b.Client.List(t.Context(), &jobs, client.InNamespace(b.Namespace)); err != nil {
		t.Fatal(err)
	}
	if len(jobs.Items) != 1 || len(jobs.Items[0].OwnerReferences) != 1 || jobs.Items[0].OwnerReferences[0].Name != "nightly" {
		t.Errorf("jobs: %+v", jobs.Items)
	}
}

// objectRights are a caller who may update the application shop, and a caller who may patch its ConfigMap settings alone.
type objectRights struct{}

func (objectRights) Allows(c server.Caller, resource, action, object string) bool {
	if resource != "applications" || object != "dev/shop" {
		return false
	}
	switch c.Name {
	case "owner":
		return action == "get" || action == "update" || action == "delete"
	case "tuner":
		return action == "get" || strings.HasPrefix(action, "update//ConfigMap/") && strings.HasSuffix(action, "/settings")
	}
	return false
}

func TestFineGrainedRights(t *testing.T) {
	b := newBench(t, func(b *bench, _ *rest.Options) { b.server.Access = objectRights{} })
	b.fixture("x")
	path := "/api/v1/applications/shop/resource?namespace=" + b.Namespace + "&"
	patch := `"{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"`
	b.as("tuner", "POST", path+aConfigMap, patch).is(t, 200)
	b.as("tuner", "POST", path+aDeployment, patch).refused(t, 403, 7, "update/apps/Deployment/"+b.Namespace+"/web")
	b.as("tuner", "DELETE", path+aConfigMap, nil).refused(t, 403, 7, "delete//ConfigMap/")
	b.as("owner", "POST", path+aConfigMap, patch).refused(t, 403, 7, "update//ConfigMap/")
	b.credentials("x")
	var cm corev1.ConfigMap
	if err := b.Client.Get(t.Context(), types.NamespacedName{Namespace: b.Namespace, Name: "argocd-cm"}, &cm); err != nil {
		t.Fatal(err)
	}
	cm.Data["server.rbac.disableApplicationFineGrainedRBACInheritance"] = "false"
	if err := b.Client.Update(t.Context(), &cm); err != nil {
		t.Fatal(err)
	}
	b.as("owner", "POST", path+aConfigMap, patch).is(t, 200)
}

// projectRights are a caller who may change projects, and no clusters or repositories.
type projectRights struct{}

func (projectRights) Allows(_ server.Caller, resource, _, _ string) bool {
	return resource == "projects"
}

func TestProjectRules(t *testing.T) {
	b := newBench(t, func(b *bench, _ *rest.Options) { b.server.Access = projectRights{} })
	b.fixture("x")
	spec := obj{"sourceRepos": []string{"*"}, "destinations": []any{obj{"server": "*", "namespace": "*"}}}
	put := func(change func(obj)) reply {
		s := obj{}
		for k, v := range spec {
			s[k] = v
		}
		change(s)
		return b.as("lead", http.MethodPut, "/api/v1/projects/dev", obj{"project": obj{"metadata": obj{"name": "dev"}, "spec": s}})
	}
	role := func(policies ...string) func(obj) {
		return func(s obj) { s["roles"] = []any{obj{"name": "ci", "policies": policies}} }
	}
	put(func(s obj) { s["description"] = "new" }).is(t, 200)
	put(role("p, proj:dev:ci, applications, sync, dev/*, allow")).is(t, 200)
	put(role("p, proj:dev:ci, applications, sync, */*, allow")).refused(t, 400, 3, "its object must be in the project")
	put(role("p, role:admin, applications, sync, dev/*, allow")).refused(t, 400, 3, "its subject must be proj:dev:ci")
	put(role("g, proj:dev:ci, role:admin")).refused(t, 400, 3, "must be of the form")
	put(func(s obj) { s["syncWindows"] = []any{obj{"kind": "deny", "schedule": "never", "duration": "1h"}} }).refused(t, 400, 3, "window")
	put(func(s obj) { s["sourceRepos"] = []string{"*", "https://other.example.com/x"} }).refused(t, 403, 7, "repositories, update")
	put(func(s obj) {
		s["destinations"] = []any{obj{"server": "*", "namespace": "*"}, obj{"server": "https://far.example.com", "namespace": "*"}}
	}).refused(t, 403, 7, "clusters, update")
	put(func(s obj) { s["clusterResourceWhitelist"] = []any{obj{"group": "*", "kind": "*"}} }).refused(t, 403, 7, "clusters, update")
	b.as("lead", "DELETE", "/api/v1/projects/dev", nil).refused(t, 400, 3, "referenced by 1 applications")
	b.as("lead", "DELETE", "/api/v1/projects/default", nil).refused(t, 404, 5, "does not exist")
	b.as("lead", "DELETE", "/api/v1/projects/empty", nil).is(t, 200)
}

func TestBadge(t *testing.T) {
	b := newBench(t)
	b.App("shop", func(a *v1alpha1.Application) {
		a.Status.Sync.Status, a.Status.Health.Status = v1alpha1.SyncStatusSynced, v1alpha1.HealthHealthy
	})
	if got := b.as("", "GET", "/api/badge?name=shop", nil).is(t, 200); strings.Contains(string(got.body), "Synced") {
		t.Errorf("a badge without permission: %s", got.body)
	}
	b.credentials("x")
	got := b.as("", "GET", "/api/badge?name=shop", nil).is(t, 200)
	if text := string(got.body); !strings.Contains(text, "Healthy") || !strings.Contains(text, "Synced") || got.header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("badge %s", text)
	}
	// Of what does not exist it tells as of what is not known.
	if text := string(b.as("", "GET", "/api/badge?name=%3Cscript%3E", nil).is(t, 200).body); !strings.Contains(text, "Unknown") || strings.Contains(text, "script") {
		t.Errorf("badge %s", text)
	}
	if text := string(b.as("", "GET", "/api/badge?project=default", nil).is(t, 200).body); !strings.Contains(text, "Healthy") {
		t.Errorf("badge %s", text)
	}
}
