package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// project is a public project that is deployed as it stands.
type project struct {
	name, path, namespace string
	directory             *v1alpha1.ApplicationSourceDirectory
	// unhealthy says why the application does not become Healthy on a cluster whose pods are simulated; "" for those that do.
	unhealthy string
}

func corpus() []project {
	recurse := &v1alpha1.ApplicationSourceDirectory{Recurse: true}
	return []project{
		{name: "microservices-demo", path: "kustomize", namespace: "boutique",
			unhealthy: "an init container of the load generator asks the frontend over HTTP"},
		{name: "ingress-nginx", path: "deploy/static/provider/cloud", namespace: "ingress-nginx",
			unhealthy: "the controller mounts a Secret that a Job would make"},
		{name: "metallb", path: "config/native", namespace: "metallb-system",
			unhealthy: "the speakers mount a Secret that the controller would make"},
		{name: "strimzi", path: "install/cluster-operator", namespace: "myproject", directory: recurse},
		{name: "argo-rollouts", path: "manifests", namespace: "argo-rollouts", directory: recurse},
		{name: "cloudnative-pg", path: "releases", namespace: "cnpg-system", directory: recurse},
	}
}

// sharedAPI are two projects that both claim the APIService v1beta1.metrics.k8s.io: they are deployed one after the other.
func sharedAPI() []project {
	const noBackend = "its APIService has no backend: no container runs behind the Service"
	return []project{
		{name: "metrics-server", path: "manifests/base", namespace: "kube-system", unhealthy: noBackend},
		{name: "kube-prometheus", path: "manifests", namespace: "monitoring", unhealthy: noBackend,
			directory: &v1alpha1.ApplicationSourceDirectory{Recurse: true}},
	}
}

// TestCorpus deploys manifests of public projects. Each application becomes Synced, stays so, and a second sync writes
// nothing. The cluster is the test's own: webhooks without a backend and an APIService without one would hinder others.
func TestCorpus(t *testing.T) {
	t.Parallel()
	root := corpusRoot(t)
	cluster, _ := harness.Launch(t, "")
	plane := cluster.Plane(t)
	for _, p := range corpus() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			deploy(t, plane, root, p)
		})
	}
	t.Run("shared API", func(t *testing.T) {
		t.Parallel()
		for _, p := range sharedAPI() {
			a := deploy(t, plane, root, p)
			app := a.Get(t)
			a.Change(t, func(app *harness.Application) { app.Finalizers = []string{v1alpha1.FinalizerBackground} })
			plane.Remove(t, harness.Ref("argoproj.io/v1alpha1", "Application", plane.Namespace, a.Name))
			a.WaitGone(t)
			for _, r := range app.Status.Resources {
				// A namespace goes only when all APIs answer, which the one without a backend prevents; CRDs are never deleted.
				if r.Kind == "Namespace" || r.Kind == "CustomResourceDefinition" {
					continue
				}
				if u := a.Live(t, resourceID(r)); u != nil && u.GetDeletionTimestamp() == nil {
					t.Errorf("%s %s/%s is left", r.Kind, r.Namespace, r.Name)
				}
			}
		}
	})
}

// corpusRoot is a directory with a checkout of each project.
func corpusRoot(t *testing.T) string {
	root := os.Getenv("BELAY_CORPUS")
	if root == "" {
		root = filepath.FromSlash("../../../shared/corpus")
	}
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the manifests of public projects are not here (%v): set BELAY_CORPUS to a directory with a checkout of each", err)
	}
	return root
}

func deploy(t *testing.T, plane *harness.Plane, root string, p project) *harness.App {
	t.Helper()
	files := harness.Tree(t, filepath.Join(root, p.name))
	repo := harness.NewRepo(t, files)
	src := repo.Source(p.path)
	src.Directory = p.directory
	a := plane.App(t, p.name, p.namespace, src, harness.Options("CreateNamespace=true"))
	if st := a.Sync(t, v1alpha1.SyncOperation{SyncOptions: v1alpha1.SyncOptions{"CreateNamespace=true"}}); st.Phase != v1alpha1.OperationSucceeded {
		t.Fatalf("sync: %s: %s", st.Phase, st.Message)
	}
	settled := harness.Healthy("")
	if p.unhealthy != "" {
		settled = harness.Synced("")
	}
	a.Wait(t, settled)
	app := a.Wait(t, finishedJobs)
	t.Logf("%s: %d objects, %s; %s", p.name, len(app.Status.Resources), app.Status.Health.Status, harness.Conditions(app))

	for _, level := range []string{v1alpha1.RefreshNormal, v1alpha1.RefreshHard} {
		if missing := harness.Synced("")(a.Refresh(t, level)); missing != "" {
			t.Errorf("after a %s refresh: %s", level, missing)
		}
	}
	rev := repo.Commit(t, "main", files.With("NOTICE-of-test", "a commit that concerns no manifest\n"))
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, harness.Synced(rev))

	before := contents(t, a)
	st := a.Sync(t, v1alpha1.SyncOperation{SyncOptions: v1alpha1.SyncOptions{"CreateNamespace=true"}})
	if st.Phase != v1alpha1.OperationSucceeded || len(st.SyncResult.Resources) != len(app.Status.Resources) {
		t.Errorf("second sync: %s with %d results for %d objects: %s", st.Phase, len(st.SyncResult.Resources), len(app.Status.Resources), st.Message)
	}
	for _, r := range st.SyncResult.Resources {
		if r.Message != "unchanged" {
			t.Errorf("second sync of %s %s/%s: %s %q, want unchanged", r.Kind, r.Namespace, r.Name, r.Status, r.Message)
		}
	}
	if d := cmp.Diff(before, contents(t, a)); d != "" {
		t.Errorf("the second sync wrote (-before +after):\n%s", d)
	}
	a.Wait(t, harness.Synced(rev))

	// Under self-heal a phantom difference would be a sync without end.
	a.Change(t, harness.SelfHeal)
	for _, level := range []string{v1alpha1.RefreshHard, v1alpha1.RefreshNormal} {
		app = a.Refresh(t, level)
		if missing := harness.Synced(rev)(app); missing != "" {
			t.Errorf("under self-heal, after a %s refresh: %s", level, missing)
		}
		if by := app.Status.OperationState.Operation.InitiatedBy; by.Automated {
			t.Errorf("self-heal found something to heal: %s", harness.JSON(app.Status.OperationState.SyncResult.Resources))
		}
	}
	return a
}

// finishedJobs asks that Jobs with a TTL have left: that they are missing must not be a difference.
func finishedJobs(app *harness.Application) string {
	for _, r := range app.Status.Resources {
		if r.Kind == "Job" && (r.Health == nil || !strings.Contains(r.Health.Message, "removed by its ttlSecondsAfterFinished")) {
			return fmt.Sprintf("Job %s has not left: %s", r.Name, harness.JSON(r.Health))
		}
	}
	return harness.Synced("")(app)
}

// written is what tells that the controller wrote an object: its generation, and when it changed a field last. The
// resourceVersion would tell of status writes by the cluster's own controllers too, which go on all the time here.
type written struct {
	UID        string
	Generation int64
	Fields     string
	At         string
}

func contents(t *testing.T, a *harness.App) map[string]written {
	t.Helper()
	out := map[string]written{}
	for _, r := range a.Get(t).Status.Resources {
		u := a.Live(t, resourceID(r))
		if u == nil {
			continue
		}
		w := written{UID: string(u.GetUID()), Generation: u.GetGeneration()}
		for _, m := range u.GetManagedFields() {
			if m.Manager == v1alpha1.FieldManager && m.Time != nil {
				w.Fields, w.At = m.FieldsV1.GetRawString(), m.Time.String()
			}
		}
		out[r.Kind+" "+r.Namespace+"/"+r.Name] = w
	}
	return out
}

// TestFinishedJobs: Jobs that are done leave by their TTL. That is no difference, neither to the belay that saw them
// finish nor to one that starts later; a Job that changed in Git runs again.
func TestFinishedJobs(t *testing.T) {
	t.Parallel()
	plane := harness.Shared(t).Plane(t)
	ns := plane.Cluster.Namespace(t)
	const job = `
-- app/job.yaml --
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  ttlSecondsAfterFinished: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: migrate, image: example.com/migrate:$TAG, command: ["true"]}
-- app/config.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
`
	repo := harness.NewRepo(t, harness.Txtar(job, "TAG", "1"))
	a := plane.App(t, "jobs", ns, repo.Source("app"), harness.SelfHeal)
	id := harness.Ref("batch/v1", "Job", ns, "migrate")
	runs := 0
	seen := map[string]bool{}
	gone := func() {
		t.Helper()
		harness.Eventually(t, "the Job has run and is gone", func(context.Context) error {
			u := a.Live(t, id)
			if u != nil {
				seen[string(u.GetUID())] = true
				return errPresent(u)
			}
			if len(seen) == runs {
				return errNotYet
			}
			return nil
		})
		runs = len(seen)
	}
	gone()
	a.Wait(t, harness.Healthy(""))
	expectNoOp(t, a)

	plane.Kill()
	plane.Start(t)
	if missing := harness.Healthy("")(a.Refresh(t, v1alpha1.RefreshHard)); missing != "" {
		t.Errorf("after a restart: %s", missing)
	}
	if a.Live(t, id) != nil {
		t.Error("the finished Job ran again after a restart")
	}

	rev := repo.Commit(t, "main", harness.Txtar(job, "TAG", "2"))
	a.Refresh(t, v1alpha1.RefreshNormal)
	gone()
	a.Wait(t, harness.Healthy(rev))
	if n := len(a.Get(t).Status.History); n != 3 {
		t.Errorf("%d entries of history, want 3: two commits and one sync by hand", n)
	}
}

func errPresent(u *unstructured.Unstructured) error {
	return &jobError{harness.JSON(u.Object["status"])}
}

type jobError struct{ text string }

func (e *jobError) Error() string { return e.text }

var errNotYet = &jobError{"the Job was not seen"}
