package e2e

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// failure is a mistake in Git or in a spec: it is told in a condition that says what, where and what to do; nothing is
// deleted; and when it is mended, the application goes on.
type failure struct {
	name string
	// change is applied to the repository: names and contents in turn, "" for a file that is taken away.
	change []string
	// spec is applied to the Application.
	spec func(s *scene, app *harness.Application)
	// do is anything else.
	do        func(t *testing.T, s *scene)
	condition v1alpha1.ConditionType
	texts     []string
}

// TestFailures shares one belay. A bystander shows after every failure that others go on.
func TestFailures(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	other := newBystander(t, plane)
	failures := append(contentFailures(), specFailures()...)
	failures = append(failures, repositoryFailures()...)
	t.Cleanup(func() { expectNoSecrets(t, plane) })
	for i, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t, plane, fmt.Sprintf("failure-%d", i))
			good := s.Get(t).Spec
			if f.spec != nil {
				s.Change(t, func(app *harness.Application) { f.spec(s, app) })
			}
			if f.do != nil {
				f.do(t, s)
			}
			if f.change != nil {
				s.push(t, f.change...)
			}
			app := s.Wait(t, harness.Has(f.condition, f.texts...))
			t.Log(harness.Conditions(app))
			hides(t, app, "not-a-secret", "another-secret", "pass-of-nobody")
			if f.condition == v1alpha1.ConditionComparisonError || f.condition == v1alpha1.ConditionInvalidSpecError {
				if app.Status.Sync.Status != v1alpha1.SyncStatusUnknown {
					t.Errorf("sync status %s, want Unknown: nothing was compared", app.Status.Sync.Status)
				}
			}
			s.expectKept(t)
			other.goesOn(t)
			s.expectKept(t)

			s.Change(t, func(app *harness.Application) { app.Spec = good })
			rev := s.repo.ForcePush(t, "main", s.files.With("mended", f.name))
			s.Refresh(t, v1alpha1.RefreshNormal)
			s.Wait(t, harness.Healthy(rev))
		})
	}
}

// expectNoSecrets asserts that nothing of the Secrets at hand is in what belay wrote about all these failures.
func expectNoSecrets(t *testing.T, plane *harness.Plane) {
	t.Helper()
	log := plane.Log()
	if len(log) < 1000 {
		t.Errorf("the log is too short to tell anything: %q", log)
	}
	for _, secret := range []string{"not-a-secret", "another-secret", "pass-of-nobody"} {
		for _, text := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))} {
			if strings.Contains(log, text) {
				t.Errorf("the log holds the secret %q", text)
			}
		}
	}
}

// hides fails when a condition or message holds one of the values that the Secret of the test has.
func hides(t *testing.T, app *harness.Application, values ...string) {
	t.Helper()
	text := harness.JSON(app.Status)
	for _, v := range values {
		if strings.Contains(text, v) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(v))) {
			t.Errorf("the status holds the secret %q", v)
		}
	}
}

const kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"

func configMap(name, data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {" + data + "}\n"
}

// bomb is YAML of a few lines whose aliases stand for a billion values.
func bomb() string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\ndata:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return b.String()
}

// contentFailures are mistakes in files.
func contentFailures() []failure {
	none := []string{"app/config.yaml", "", "app/deployment.yaml", "", "app/service.yaml", "", "app/secret.yaml", ""}
	return []failure{
		{name: "path is gone", change: append([]string{"README", "moved"}, none...),
			condition: v1alpha1.ConditionComparisonError, texts: []string{"app"}},
		{name: "path is empty", change: append([]string{"app/README", "moved"}, none...),
			condition: v1alpha1.ConditionSyncError, texts: []string{"wipe out all resources", "allowEmpty"}},
		{name: "broken YAML", change: []string{"app/broken.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: [a\n"},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"app/broken.yaml:3"}},
		{name: "YAML without kind", change: []string{"app/broken.yaml", "apiVersion: v1\nmetadata: {name: a}\n"},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"app/broken.yaml", "kind"}},
		{name: "object without name", change: []string{"app/broken.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n"},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"app/broken.yaml", "name"}},
		{name: "alias bomb", change: []string{"app/bomb.yaml", bomb()},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"app/bomb.yaml"}},
		{name: "manifests beyond the limit", change: []string{"app/huge.yaml", configMap("huge", "a: \""+strings.Repeat("x", 11<<20)+"\"")},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"app"}},
		{name: "link out of the repository", change: []string{"app/link.yaml", harness.LinkTo + "../../../../../../etc/hostname"},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"app/link.yaml"}},
		{name: "kustomization with a missing file",
			change:    []string{"app/kustomization.yaml", kustomization + "resources: [config.yaml, absent.yaml]\n"},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"absent.yaml"}},
		{name: "kustomization with an unknown field",
			change:    []string{"app/kustomization.yaml", kustomization + "resuorces: [config.yaml]\n"},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"app", "Kustomization", "resuorces"}},
		{name: "kustomization with a remote base",
			change:    []string{"app/kustomization.yaml", kustomization + "resources: [\"https://git.example.com/base.git?ref=v1\"]\n"},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"git.example.com"}},
		{name: "chart with a broken template", change: append([]string{
			"app/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n",
			"app/templates/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Values.missing.name }}\n"}, none...),
			condition: v1alpha1.ConditionComparisonError, texts: []string{"templates/config.yaml", ":4"}},
		{name: "kind unknown to the cluster",
			change:    []string{"app/widget.yaml", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n"},
			condition: v1alpha1.ConditionSyncError, texts: []string{"Widget", "CustomResourceDefinition"}},
		{name: "field that the schema does not have",
			change:    []string{"app/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndatum: {a: b}\n"},
			condition: v1alpha1.ConditionSyncError, texts: []string{"ConfigMap", "settings", "datum"}},
		{name: "Secret that is no Secret",
			change:    []string{"app/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\ndata: {token: not-a-secret}\n"},
			condition: v1alpha1.ConditionSyncError, texts: []string{"Secret", "token"}},
		{name: "Secret with a number",
			change:    []string{"app/secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {token: 8151623}\n"},
			condition: v1alpha1.ConditionComparisonError, texts: []string{"Secret", "token", "stringData.token", "string"}},
		{name: "immutable field",
			change:    []string{"app/deployment.yaml", strings.ReplaceAll(harness.Txtar(some)["app/deployment.yaml"], "app: web", "app: other")},
			condition: v1alpha1.ConditionSyncError, texts: []string{"Deployment", "web", "selector", "immutable", "Force=true"}},
		{name: "namespace that does not exist",
			change:    []string{"app/config.yaml", strings.Replace(harness.Txtar(some)["app/config.yaml"], "name: settings", "name: settings\n  namespace: nowhere", 1)},
			condition: v1alpha1.ConditionSyncError, texts: []string{"nowhere"}},
		{name: "object of 5 MB", change: []string{"app/large.yaml", configMap("large", "a: \""+strings.Repeat("x", 5<<20)+"\"")},
			condition: v1alpha1.ConditionSyncError, texts: []string{"ConfigMap", "large"}},
	}
}

// specFailures are mistakes in Applications and their projects.
func specFailures() []failure {
	invalid := v1alpha1.ConditionInvalidSpecError
	return []failure{
		{name: "path outside of the repository", condition: invalid, texts: []string{"spec.source.path", "../app", "leaves the repository"},
			spec: func(_ *scene, app *harness.Application) { app.Spec.Source.Path = "../app" }},
		{name: "two destinations", condition: invalid, texts: []string{"name", "server", "remove one"},
			spec: func(_ *scene, app *harness.Application) { app.Spec.Destination.Name = "in-cluster" }},
		{name: "no destination", condition: invalid, texts: []string{"spec.destination.server"},
			spec: func(_ *scene, app *harness.Application) { app.Spec.Destination.Server = "" }},
		{name: "unknown cluster", condition: invalid, texts: []string{"https://cluster.example.com"},
			spec: func(_ *scene, app *harness.Application) { app.Spec.Destination.Server = "https://cluster.example.com" }},
		{name: "two types of source", condition: invalid, texts: []string{"helm", "kustomize", "spec.source"},
			spec: func(_ *scene, app *harness.Application) {
				app.Spec.Source.Helm = &v1alpha1.ApplicationSourceHelm{ReleaseName: "a"}
				app.Spec.Source.Kustomize = &v1alpha1.ApplicationSourceKustomize{NamePrefix: "a-"}
			}},
		{name: "no source", condition: invalid, texts: []string{"spec.source"},
			spec: func(_ *scene, app *harness.Application) { app.Spec.Source = nil }},
		{name: "project that does not exist", condition: invalid, texts: []string{"project nobody", "does not exist", "create it"},
			spec: func(_ *scene, app *harness.Application) { app.Spec.Project = "nobody" }},
		{name: "source that the project forbids", condition: invalid, texts: []string{"127.0.0.1", "repo.git"},
			spec: func(s *scene, app *harness.Application) { app.Spec.Project = s.name },
			do:   inProject("sourceRepos: ['https://git.example.com/*']", "destinations: [{server: '*', namespace: '*'}]")},
		{name: "destination that the project forbids", condition: invalid, texts: []string{"destination"},
			spec: func(s *scene, app *harness.Application) { app.Spec.Project = s.name },
			do:   inProject("sourceRepos: ['*']", "destinations: [{server: '*', namespace: elsewhere}]")},
		{name: "kind that the project forbids", condition: v1alpha1.ConditionSyncError, texts: []string{"Secret", "token"},
			spec:   func(s *scene, app *harness.Application) { app.Spec.Project = s.name },
			do:     inProject("sourceRepos: ['*']", "destinations: [{server: '*', namespace: '*'}]", "namespaceResourceBlacklist: [{group: '', kind: Secret}]"),
			change: []string{"app/secret.yaml", strings.Replace(harness.Txtar(some)["app/secret.yaml"], "not-a-secret", "another-secret", 1)}},
		{name: "cluster-wide kind that the project forbids", condition: v1alpha1.ConditionSyncError, texts: []string{"ClusterRole"},
			spec: func(s *scene, app *harness.Application) { app.Spec.Project = s.name },
			do:   inProject("sourceRepos: ['*']", "destinations: [{server: '*', namespace: '*'}]"),
			change: []string{"app/role.yaml",
				"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: everything}\nrules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]\n"}},
		{name: "revision that does not exist", condition: v1alpha1.ConditionComparisonError, texts: []string{"no-such-branch", "repo.git"},
			spec: func(_ *scene, app *harness.Application) { app.Spec.Source.TargetRevision = "no-such-branch" }},
		{name: "commit that does not exist", condition: v1alpha1.ConditionComparisonError, texts: []string{"0123456789"},
			spec: func(_ *scene, app *harness.Application) {
				app.Spec.Source.TargetRevision = "0123456789012345678901234567890123456789"
			}},
	}
}

// inProject makes a project, named after the application, with lines of its spec.
func inProject(lines ...string) func(t *testing.T, s *scene) {
	return func(t *testing.T, s *scene) {
		t.Helper()
		s.Apply(t, fmt.Sprintf("apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: %s, namespace: %s}\nspec:\n  %s\n",
			s.name, s.Namespace, strings.Join(lines, "\n  ")))
		s.Refresh(t, v1alpha1.RefreshNormal)
	}
}

// repositoryFailures are repositories that are away, closed or damaged.
func repositoryFailures() []failure {
	unreadable := v1alpha1.ConditionComparisonError
	return []failure{
		{name: "repository that does not answer", condition: unreadable, texts: []string{"127.0.0.1:1/gone.git"},
			spec: func(_ *scene, app *harness.Application) { app.Spec.Source.RepoURL = "http://127.0.0.1:1/gone.git" }},
		{name: "repository that does not exist", condition: unreadable, texts: []string{"absent.git", "does not exist"},
			spec: func(s *scene, app *harness.Application) { app.Spec.Source.RepoURL = s.repo.Server.URL + "/absent.git" }},
		{name: "repository that asks for credentials", condition: unreadable, texts: []string{"repo.git", "asks for credentials"},
			do: func(t *testing.T, s *scene) {
				closed := harness.NewEmptyRepo(t, harness.RepoOptions{Username: "someone", Password: "pass-of-nobody"})
				closed.Commit(t, "main", s.files)
				s.Change(t, func(app *harness.Application) { app.Spec.Source.RepoURL = closed.URL })
			}},
		{name: "repository without commits", condition: unreadable, texts: []string{"main"},
			do: func(t *testing.T, s *scene) {
				empty := harness.NewEmptyRepo(t, harness.RepoOptions{})
				s.Change(t, func(app *harness.Application) { app.Spec.Source.RepoURL = empty.URL })
			}},
		{name: "repository that lost an object", condition: unreadable, texts: []string{"repo.git"},
			do: func(t *testing.T, s *scene) {
				s.repo.Commit(t, "main", s.files.With("app/config.yaml", configMap("settings", "colour: lost")))
				s.repo.Lose(t, "main:app/config.yaml")
				s.Refresh(t, v1alpha1.RefreshNormal)
			}},
	}
}
