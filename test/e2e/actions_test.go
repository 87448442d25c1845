package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/test/e2e/harness"
)

const actionManifests = `
-- app/deployment.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: registry.example.com/web:1.0}
-- app/config.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
-- app/secret.yaml --
apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: canary-of-the-actions}
-- app/job.yaml --
apiVersion: batch/v1
kind: Job
metadata: {name: long}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: main, image: registry.example.com/job:1.0, command: [sh, -c, "sleep 86400"]}
`

// customActions are what a team writes into argocd-cm.
const (
	configActions = `discovery.lua: |
  local actions = {}
  actions["paint"] = {displayName = "Paint it", iconClass = "fa fa-brush", params = {{name = "colour", default = "green"}}}
  actions["paint-blue"] = {disabled = obj.data.colour == "blue"}
  actions["copy"] = {}
  actions["both"] = {}
  actions["steal"] = {}
  actions["loop"] = {}
  actions["rename"] = {}
  actions["elsewhere"] = {}
  actions["role"] = {}
  return actions
definitions:
- name: paint
  action.lua: |
    obj.data.colour = actionParams["colour"]
    return obj
- name: paint-blue
  action.lua: |
    obj.data.colour = "blue"
    return obj
- name: copy
  action.lua: |
    local made = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = obj.metadata.name .. "-copy"}, data = obj.data}
    return {{operation = "create", resource = made}}
- name: both
  action.lua: |
    local web = {apiVersion = "apps/v1", kind = "Deployment", metadata = {name = "web", namespace = obj.metadata.namespace, annotations = {touched = "yes"}}}
    obj.data.touched = "yes"
    return {{operation = "patch", resource = obj}, {operation = "patch", resource = web}}
- name: steal
  action.lua: |
    return {{operation = "patch", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "stranger", namespace = obj.metadata.namespace}, data = {a = "b"}}}}
- name: loop
  action.lua: |
    while true do end
- name: rename
  action.lua: |
    obj.metadata.name = "other"
    return obj
- name: elsewhere
  action.lua: |
    return {{operation = "create", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "x", namespace = "kube-system"}}}}
- name: role
  action.lua: |
    return {{operation = "patch", resource = obj}, {operation = "create", resource = {apiVersion = "rbac.authorization.k8s.io/v1", kind = "Role", metadata = {name = "x"}}}}
`
	secretActions = `discovery.lua: |
  return {label = {}, tell = {}, take = {}}
definitions:
- name: label
  action.lua: |
    obj.metadata.labels = obj.metadata.labels or {}
    obj.metadata.labels.seen = tostring(obj.data.password ~= nil)
    return obj
- name: tell
  action.lua: |
    error("it is " .. obj.data.password)
- name: take
  action.lua: |
    return {{operation = "create", resource = {apiVersion = "v1", kind = "ConfigMap", metadata = {name = "taken"}, data = {password = obj.data.password}}}}
`
	jobActions = `mergeBuiltinActions: true
discovery.lua: |
  return {mark = {}}
definitions:
- name: mark
  action.lua: |
    obj.metadata.annotations = obj.metadata.annotations or {}
    obj.metadata.annotations.marked = "yes"
    return obj
`
)

// TestResourceActions runs custom and built-in actions in both ways and over REST, refuses what is not permitted, and finds every
// run in the record.
func TestResourceActions(t *testing.T) {
	t.Parallel()
	w := serveBothWays(t)
	project := newProject(t, w.plane, "dev", "p, proj:dev:deployer, applications, get, dev/*, allow",
		"p, proj:dev:deployer, applications, action//ConfigMap/paint, dev/*, allow")
	project.Spec.NamespaceResourceBlacklist = []metav1.GroupKind{{Group: "rbac.authorization.k8s.io", Kind: "Role"}}
	if err := w.plane.WithWatch.Update(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	configure(t, w.plane, "argocd-cm", map[string]string{
		"resource.customizations.actions.ConfigMap": configActions, "resource.customizations.actions.Secret": secretActions,
		"resource.customizations.actions.batch_Job":        jobActions,
		"resource.customizations.actions.apps_StatefulSet": "discovery.lua: [",
	})
	w.login()
	ns := w.plane.Cluster.Namespace(t)
	repo := harness.NewRepo(t, harness.Txtar(actionManifests))
	app := w.plane.App(t, "acting", ns, repo.Source("app"), harness.SelfHeal, func(a *harness.Application) { a.Spec.Project = "dev" })
	app.Wait(t, harness.Synced(""))
	app.Change(t, func(a *harness.Application) { a.Spec.SyncPolicy = nil })
	w.plane.Apply(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stranger, namespace: "+ns+"}\n")
	s := &actionScene{ways: w, ns: ns, admin: w.signIn()}
	s.admin.untilKnown(s.admin.token, true)
	s.painter = &restClient{t: t, address: w.address, token: w.token("proj", "role", "create-token", "dev", "deployer", "--token-only")}
	s.painter.untilKnown(s.painter.token, true)

	t.Run("lists", func(t *testing.T) { s.in(t).lists() })
	t.Run("custom", func(t *testing.T) { s.in(t).custom() })
	t.Run("built in", func(t *testing.T) { s.in(t).builtin() })
	t.Run("refused", func(t *testing.T) { s.in(t).refusals() })
	t.Run("secrets", func(t *testing.T) { s.in(t).secrets() })
	t.Run("record", func(t *testing.T) { s.in(t).record() })
	if log := w.plane.Log(); !strings.Contains(log, "key resource.customizations.actions.apps_StatefulSet line 1") {
		t.Errorf("the log does not name the bad setting:\n%s", w.plane.LogTail())
	}
}

type actionScene struct {
	*ways
	ns             string
	admin, painter *restClient
}

func (s *actionScene) in(t *testing.T) *actionScene {
	c := *s
	c.ways = s.ways.in(t)
	admin, painter := *s.admin, *s.painter
	admin.t, painter.t = t, t
	c.admin, c.painter = &admin, &painter
	return &c
}

func (s *actionScene) live(apiVersion, kind, name string) *unstructured.Unstructured {
	s.t.Helper()
	return s.plane.Live(s.t, harness.Ref(apiVersion, kind, s.ns, name))
}

// runs asks over REST.
func (s *actionScene) runs(c *restClient, group, version, kind, name, action string, params ...obj) (int, string) {
	s.t.Helper()
	status, body := c.ask("POST", "/api/v1/applications/acting/resource/actions/v2", obj{"namespace": s.ns, "resourceName": name, "group": group,
		"version": version, "kind": kind, "action": action, "resourceActionParameters": params})
	return status, string(body)
}

func (s *actionScene) lists() {
	got := s.same("app", "actions", "list", "acting", "--kind", "ConfigMap", "-o", "wide")
	for _, want := range []string{"GROUP  KIND", "DISABLED", "paint-blue  true", "colour=green", "Paint it"} {
		if !strings.Contains(got.stdout, want) {
			s.t.Errorf("no %q in %s", want, got)
		}
	}
	got = s.same("app", "actions", "list", "acting", "--kind", "Job", "--out", "json")
	var listed []struct {
		Group, Kind, Name, Action string
		Disabled                  bool
	}
	if err := json.Unmarshal([]byte(got.stdout), &listed); err != nil || len(listed) != 4 || listed[0].Action != "mark" || listed[1].Action != "resume" || !listed[1].Disabled {
		s.t.Errorf("%v: %+v", err, listed)
	}
	s.same("app", "actions", "list", "acting")
	s.admin.call("GET", "/api/v1/applications/acting/resource/actions?version=v1&kind=ConfigMap&resourceName=settings&namespace="+s.ns, nil,
		`[.actions[] | select(.name == "paint")][0] == {"name": "paint", "displayName": "Paint it", "iconClass": "fa fa-brush", "params": [{"name": "colour", "default": "green"}]}`)
}

// custom runs scripts by the command line in both ways and over REST.
func (s *actionScene) custom() {
	t := s.t
	colour := func(want string) {
		t.Helper()
		if got, _, _ := unstructured.NestedString(s.live("v1", "ConfigMap", "settings").Object, "data", "colour"); got != want {
			t.Errorf("the colour is %q, not %q", got, want)
		}
	}
	act := func(run func(args ...string) outcome, action string, more ...string) outcome {
		t.Helper()
		return run(append([]string{"app", "actions", "run", "acting", action, "--kind", "ConfigMap", "--resource-name", "settings"}, more...)...)
	}
	if got := act(s.server, "paint", "--param", "colour=ultramarine"); got.code != 0 || !strings.Contains(got.stdout, "settings' changed by paint\n") {
		t.Error(got)
	}
	colour("ultramarine")
	if got := act(s.cluster, "paint", "--param", "colour=yellow"); got.code != 0 {
		t.Error(got)
	}
	colour("yellow")
	if status, body := s.runs(s.painter, "", "v1", "ConfigMap", "settings", "paint"); status != http.StatusOK || body != "{}" {
		t.Errorf("%d %s", status, body)
	}
	colour("green") // the default of the parameter
	if got := act(s.server, "paint-blue"); got.code != 0 {
		t.Error(got)
	}
	colour("blue")
	for _, run := range []func(...string) outcome{s.server, s.cluster} {
		if got := act(run, "copy"); got.code != 0 {
			t.Error(got)
		}
		if copied := s.live("v1", "ConfigMap", "settings-copy"); copied == nil {
			t.Error("there is no copy")
		}
		s.plane.Remove(t, harness.Ref("v1", "ConfigMap", s.ns, "settings-copy"))
		if got := act(run, "both"); got.code != 0 {
			t.Error(got)
		}
		if note := s.live("apps/v1", "Deployment", "web").GetAnnotations()["touched"]; note != "yes" {
			t.Errorf("the other object was not patched: %q", note)
		}
	}
}

func (s *actionScene) builtin() {
	t := s.t
	run := []string{"app", "actions", "run", "acting"}
	for i, by := range []func(...string) outcome{s.server, s.cluster} {
		replicas := []string{"3", "2"}[i]
		if got := by(append(run, "scale", "--kind", "Deployment", "--param", "replicas="+replicas)...); got.code != 0 {
			t.Error(got)
		}
		if n, _, _ := unstructured.NestedInt64(s.live("apps/v1", "Deployment", "web").Object, "spec", "replicas"); n != int64(3-i) {
			t.Errorf("%d replicas", n)
		}
	}
	if status, body := s.runs(s.admin, "apps", "v1", "Deployment", "web", "restart"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	if note, _, _ := unstructured.NestedString(s.live("apps/v1", "Deployment", "web").Object, "spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt"); note == "" {
		t.Error("it was not restarted")
	}
	if got := s.server(append(run, "mark", "--kind", "Job")...); got.code != 0 {
		t.Error(got)
	}
	harness.Eventually(t, "the job has begun", func(context.Context) error {
		if begun, _, _ := unstructured.NestedString(s.live("batch/v1", "Job", "long").Object, "status", "startTime"); begun == "" {
			return fmt.Errorf("it has no start time")
		}
		return nil
	})
	if got := s.server(append(run, "terminate", "--kind", "Job")...); got.code != 0 {
		t.Error(got)
	}
	status, _, _ := unstructured.NestedFieldNoCopy(s.live("batch/v1", "Job", "long").Object, "status")
	if !strings.Contains(harness.JSON(status), "FailureTarget") {
		t.Errorf("the job was not terminated: %s", harness.JSON(status))
	}
}

// refusals are the same in both ways, with the object and the reason.
func (s *actionScene) refusals() {
	t := s.t
	for action, want := range map[string]string{
		"steal":     "only objects of the application can be patched",
		"loop":      "the script takes more than 1000000 steps",
		"rename":    "the script changes metadata.name",
		"elsewhere": "and not in kube-system",
		"role":      "is not permitted in project dev",
		"fly":       `has no action "fly" now: it has both, copy`,
	} {
		for way, run := range map[string]func(...string) outcome{"server": s.server, "cluster": s.cluster} {
			got := run("app", "actions", "run", "acting", action, "--kind", "ConfigMap", "--resource-name", "settings")
			if got.code != 20 || !strings.Contains(got.stderr, want) || !strings.Contains(got.stderr, "ConfigMap/"+s.ns+"/settings") || !strings.Contains(got.stderr, "hint:") {
				t.Errorf("%s over the %s: %s", action, way, got)
			}
		}
	}
	if status, body := s.runs(s.painter, "", "v1", "ConfigMap", "settings", "copy"); status != http.StatusForbidden || !strings.Contains(body, "action//ConfigMap/copy") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := s.runs(s.painter, "apps", "v1", "Deployment", "web", "restart"); status != http.StatusForbidden {
		t.Errorf("%d %s", status, body)
	}
	if status, body := s.runs(s.admin, "", "v1", "ConfigMap", "stranger", "paint"); status != http.StatusNotFound {
		t.Errorf("%d %s", status, body)
	}
	// What was given as a parameter is nobody's business when it comes to nothing.
	for _, action := range []string{"restart", "fly"} {
		if got := s.server("app", "actions", "run", "acting", action, "--kind", "Deployment", "--param", "token=ultramarine"); got.code != 20 {
			t.Error(got)
		}
	}
	for _, args := range [][]string{{"scale", "--kind", "Deployment", "--param", "n"}, {"restart"}} {
		if got := s.server(append([]string{"app", "actions", "run", "acting"}, args...)...); got.code != 2 {
			t.Error(got)
		}
	}
}

// secrets: a script changes a Secret without having seen it.
func (s *actionScene) secrets() {
	t := s.t
	for _, run := range []func(...string) outcome{s.server, s.cluster} {
		for action, code := range map[string]int{"label": 0, "tell": 20, "take": 20} {
			got := run("app", "actions", "run", "acting", action, "--kind", "Secret", "--resource-name", "db")
			if got.code != code {
				t.Errorf("%s: %s", action, got)
			}
			if strings.Contains(got.String(), "canary-of-the-actions") || strings.Contains(got.String(), "Y2FuYXJ5LW9mLXRoZS1hY3Rpb25z") {
				t.Errorf("%s shows the value: %s", action, got)
			}
		}
	}
	live := s.live("v1", "Secret", "db")
	password, _, _ := unstructured.NestedString(live.Object, "data", "password")
	if live.GetLabels()["seen"] != "true" || password != "Y2FuYXJ5LW9mLXRoZS1hY3Rpb25z" {
		t.Errorf("labels %v, password %q", live.GetLabels(), password)
	}
}

// record looks for every run over the server.
func (s *actionScene) record() {
	t := s.t
	runs := func() string {
		got := s.server("audit", "--app", "acting", "--kind", audit.KindAction, "-o", "json", "--limit", "100")
		var page audit.Page
		if err := json.Unmarshal([]byte(got.stdout), &page); err != nil || got.code != 0 {
			t.Fatalf("%v: %s", err, got)
		}
		var lines []string
		for _, a := range page.Items {
			lines = append(lines, a.Actor+" "+a.Outcome+" "+a.Text)
		}
		return strings.Join(lines, "\n")
	}
	for _, want := range []string{
		"admin success ran paint of ConfigMap/" + s.ns + "/settings with colour: patched ConfigMap/" + s.ns + "/settings",
		"admin success ran copy of ConfigMap/" + s.ns + "/settings: created ConfigMap/" + s.ns + "/settings-copy",
		"admin success ran scale of apps/Deployment/" + s.ns + "/web with replicas=3",
		"admin failure ran loop of", "admin failure ran rename of", "admin denied ran role of", "admin denied ran elsewhere of",
		"admin failure ran restart of apps/Deployment/" + s.ns + "/web with token", "admin failure ran fly of apps/Deployment/" + s.ns + "/web with token",
		"proj:dev:deployer success ran paint of", "admin failure ran tell of Secret/" + s.ns + "/db",
	} {
		harness.Eventually(t, want+" is in the record", func(context.Context) error {
			if all := runs(); !strings.Contains(all, want) {
				return fmt.Errorf("no %q in\n%s", want, all)
			}
			return nil
		})
	}
	whole := s.server("audit", "-o", "json", "--limit", "500")
	for _, secret := range []string{"canary-of-the-actions", "Y2FuYXJ5LW9mLXRoZS1hY3Rpb25z", "ultramarine"} {
		if strings.Contains(whole.stdout, secret) || strings.Contains(s.plane.Log(), secret) {
			t.Errorf("the record or the log has %q", secret)
		}
	}
	if !strings.Contains(whole.stdout, "action//ConfigMap/copy") {
		t.Errorf("what was denied is not in the record: %s", whole)
	}
}
