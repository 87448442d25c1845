package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// TestLimits: applications that are large, and clusters that refuse. The tests share one belay.
func TestLimits(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	for name, test := range map[string]func(*testing.T, *harness.Plane){
		"1000 objects":          testThousand,
		"a manifest of 5 MB":    testFiveMegabytes,
		"admission":             testAdmission,
		"terminating namespace": testTerminatingNamespace,
		"missing namespace":     testMissingNamespace,
		"repository comes back": testRepositoryComesBack,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, plane)
		})
	}
}

// How long 1,000 objects may take is measured beside the API server's own limit: "make bench" with --apps 1 --objects 1000.
func testThousand(t *testing.T, plane *harness.Plane) {
	files := harness.Files{}
	for i := range 1000 {
		files[fmt.Sprintf("app/part-%d/settings-%04d.yaml", i/100, i)] = configMap(fmt.Sprintf("settings-%04d", i), fmt.Sprintf("value: 'v%d'", i))
	}
	repo := harness.NewRepo(t, files)
	started := time.Now()
	a := plane.App(t, "thousand", plane.Cluster.Namespace(t), directory(repo, "app"), harness.SelfHeal)
	app := a.Wait(t, harness.Healthy(""))
	t.Logf("1,000 objects took %s", time.Since(started).Round(time.Millisecond))
	if n := len(app.Status.Resources); n != 1000 {
		t.Errorf("%d objects", n)
	}
	started = time.Now()
	rev := repo.Commit(t, "main", files.With("app/part-5/settings-0500.yaml", configMap("settings-0500", "value: changed")))
	a.Refresh(t, v1alpha1.RefreshNormal)
	app = a.Wait(t, harness.Healthy(rev))
	t.Logf("a change of one of them took %s", time.Since(started).Round(time.Millisecond))
	written := 0
	for _, r := range app.Status.OperationState.SyncResult.Resources {
		if r.Message != "unchanged" {
			written++
		}
	}
	if written != 1 {
		t.Errorf("a change of one object wrote %d", written)
	}
	expectNoOp(t, a)
}

func testFiveMegabytes(t *testing.T, plane *harness.Plane) {
	var docs []string
	for i := range 10 {
		docs = append(docs, configMap(fmt.Sprintf("large-%d", i), "text: '"+strings.Repeat("0123456789abcdef", 32<<10)+"'"))
	}
	repo := harness.NewRepo(t, harness.Files{"app/all.yaml": strings.Join(docs, "---\n")})
	a := plane.App(t, "five-megabytes", plane.Cluster.Namespace(t), repo.Source("app"), harness.SelfHeal)
	if n := len(a.Wait(t, harness.Healthy("")).Status.Resources); n != 10 {
		t.Errorf("%d objects, want 10", n)
	}
	expectNoOp(t, a)
}

// testAdmission: a policy of the cluster refuses one object. The message names the object and the policy, nothing else is
// applied, and nothing is deleted.
func testAdmission(t *testing.T, plane *harness.Plane) {
	s := newScene(t, plane, "admission")
	policy := "e2e-" + s.ns
	plane.Apply(t, fmt.Sprintf(`apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: %[1]s}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: %[2]s}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
  validations: [{expression: "!has(object.data) || !('colour' in object.data) || object.data.colour != 'red'", message: "red is not a colour for this house"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: %[1]s}
spec: {policyName: %[1]s, validationActions: [Deny]}
`, policy, s.ns))
	// A policy takes a moment to be in force: until a red ConfigMap is refused.
	awaitRefusal(t, plane, s.ns)
	rev := s.push(t, "app/config.yaml", configMap("settings", "colour: red"), "app/more.yaml", configMap("more", "a: b"), "app/secret.yaml", "")
	app := s.Wait(t, harness.Has(v1alpha1.ConditionSyncError, "ConfigMap/"+s.ns+"/settings", "red is not a colour for this house", policy))
	t.Log(harness.Conditions(app))
	if app.Status.Sync.Revision != rev || app.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync {
		t.Errorf("%s at %s", app.Status.Sync.Status, app.Status.Sync.Revision)
	}
	s.expectKept(t)
	if s.Live(t, harness.Ref("v1", "ConfigMap", s.ns, "more")) != nil {
		t.Error("half of a sync was applied although the rehearsal failed")
	}
	s.Wait(t, operationFails("settings", "red is not a colour"))
	rev = s.push(t, "app/config.yaml", configMap("settings", "colour: green"))
	s.Wait(t, harness.Healthy(rev))
}

func testTerminatingNamespace(t *testing.T, plane *harness.Plane) {
	ns := plane.Cluster.Namespace(t)
	// The finalizer keeps the namespace terminating.
	plane.Apply(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: holds, namespace: "+ns+", finalizers: [e2e.example.com/hold]}\n")
	plane.Remove(t, harness.Ref("v1", "Namespace", "", ns))
	a := plane.App(t, "terminating", ns, harness.NewRepo(t, harness.Txtar(some)).Source("app"), harness.SelfHeal, harness.Options("CreateNamespace=true"),
		func(app *harness.Application) {
			app.Spec.SyncPolicy.Retry = &v1alpha1.RetryStrategy{Limit: -1, Backoff: &v1alpha1.Backoff{Duration: "300ms", MaxDuration: "300ms"}}
		})
	a.Wait(t, running("waiting for the deletion of Namespace"))
	plane.Edit(t, harness.Ref("v1", "ConfigMap", ns, "holds"), removeFinalizers)
	a.Wait(t, harness.Healthy(""))
}

func testMissingNamespace(t *testing.T, plane *harness.Plane) {
	const missing = "e2e-missing-namespace"
	repo := harness.NewRepo(t, harness.Txtar(some))
	a := plane.App(t, "missing-namespace", missing, repo.Source("app"), harness.SelfHeal, func(app *harness.Application) {
		app.Spec.SyncPolicy.Retry = &v1alpha1.RetryStrategy{Limit: 0}
	})
	t.Log(harness.Conditions(a.Wait(t, harness.Has(v1alpha1.ConditionSyncError, missing, "not found", "CreateNamespace=true"))))
	a.Change(t, harness.Options("CreateNamespace=true"))
	a.Sync(t, v1alpha1.SyncOperation{SyncOptions: v1alpha1.SyncOptions{"CreateNamespace=true"}})
	a.Wait(t, harness.Healthy(""))
	plane.Remove(t, harness.Ref("v1", "Namespace", "", missing))
}

// testRepositoryComesBack: a repository that is away for a while is found again without anybody asking.
func testRepositoryComesBack(t *testing.T, plane *harness.Plane) {
	s := newScene(t, plane, "comes-back")
	s.repo.Away(t, true)
	s.Refresh(t, v1alpha1.RefreshNormal)
	s.Wait(t, harness.Has(v1alpha1.ConditionComparisonError, "repo.git", "does not exist"))
	s.repo.Away(t, false)
	rev := s.repo.Commit(t, "main", s.files.With("app/config.yaml", configMap("settings", "colour: green")))
	s.Wait(t, harness.Healthy(rev))
}
