package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// kills is how many runs are disturbed, each in a part of its own of the duration of a sync: once while everything is
// created and once while some of it changes and some is pruned.
const kills = 8

// TestKill: belay that is killed in the middle of a sync and started again ends where an undisturbed one does.
func TestKill(t *testing.T) {
	t.Parallel()
	cluster := harness.Shared(t)
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("BELAY_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("BELAY_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	var plain run
	t.Run("undisturbed", func(t *testing.T) { plain = deployTwice(t, cluster, nil) })
	t.Logf("undisturbed: created in %s, changed in %s", plain.created, plain.changed)
	for i := range kills {
		at := func(whole time.Duration) time.Duration {
			return time.Duration((float64(i) + random.Float64()) / kills * float64(whole))
		}
		first, second := at(plain.created), at(plain.changed)
		t.Run(fmt.Sprintf("killed after %s and %s", first.Round(time.Millisecond), second.Round(time.Millisecond)), func(t *testing.T) {
			t.Parallel()
			got := deployTwice(t, cluster, []time.Duration{first, second})
			if d := cmp.Diff(plain.objects, got.objects); d != "" {
				t.Errorf("objects after a killed sync (-undisturbed +killed):\n%s", d)
			}
		})
	}
}

// run is the outcome of a deployment and a change.
type run struct {
	created, changed time.Duration
	objects          map[string]string
}

// deployTwice creates an application of 200 objects in three waves, and then changes it. Where kills are given, belay is
// killed so long after the first commit was there to deploy, and after the second.
func deployTwice(t *testing.T, cluster *harness.Cluster, kills []time.Duration) run {
	t.Helper()
	plane := cluster.Plane(t)
	ns := cluster.Namespace(t)
	repo := harness.NewRepo(t, many(1))
	var out run
	disturb := func(n int) {
		if n < len(kills) {
			time.Sleep(kills[n]) // the point of the test is that it may happen at any time
			plane.Kill()
			plane.Start(t)
		}
	}

	started := time.Now()
	// As with Argo CD, two installations without an installationID tell their objects apart by the application's name alone.
	a := plane.App(t, ns, ns, repo.Source("app"), harness.SelfHeal)
	disturb(0)
	a.Wait(t, harness.Healthy(""))
	out.created = time.Since(started)

	rev := repo.Commit(t, "main", many(2))
	started = time.Now()
	a.Patch(t, `{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`)
	disturb(1)
	app := a.Wait(t, harness.Healthy(rev))
	out.changed = time.Since(started)

	if n := len(app.Status.History); n < 2 || app.Status.History[n-1].Revision != rev {
		t.Errorf("history has %d entries, want both commits: %s", n, harness.JSON(app.Status.History))
	}
	if st := app.Status.OperationState; st.Phase != v1alpha1.OperationSucceeded {
		t.Errorf("the last operation: %s", harness.Operation(app))
	}
	out.objects = inventory(t, cluster, ns)
	return out
}

// many is an application of 200 objects in three waves, of which the second waits for the health of the first.
// Generation 2 changes a third of the objects, drops ten and adds ten.
func many(generation int) harness.Files {
	files := harness.Files{}
	add := func(kind, name string, wave int, body string) {
		apiVersion := "v1"
		if kind == "Deployment" {
			apiVersion = "apps/v1"
		}
		files["app/"+strings.ToLower(kind)+"-"+name+".yaml"] = fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n"+
			"  labels: {app: many}\n  annotations: {argocd.argoproj.io/sync-wave: '%d'}\n%s", apiVersion, kind, name, wave, body)
	}
	for i := range 170 {
		if generation == 2 && i < 10 {
			continue
		}
		value := 1
		if i%3 == 0 {
			value = generation
		}
		add("ConfigMap", fmt.Sprintf("settings-%03d", i), i%3, fmt.Sprintf("data: {value: 'v%d'}\n", value))
	}
	for i := range 10 {
		add("Secret", fmt.Sprintf("secret-%03d", i), 0, fmt.Sprintf("stringData: {value: 's%d'}\n", generation))
		add("Service", fmt.Sprintf("svc-%03d", i), 1, fmt.Sprintf("spec: {selector: {app: web-%d}, ports: [{port: %d}]}\n", i, 8000+generation))
		add("ConfigMap", fmt.Sprintf("of-generation-%d-%03d", generation, i), 2, "data: {a: b}\n")
	}
	for i, wave := range []int{0, 1} {
		name := fmt.Sprintf("web-%d", i)
		add("Deployment", name, wave, fmt.Sprintf("spec:\n  replicas: 2\n  selector: {matchLabels: {app: %s}}\n  template:\n"+
			"    metadata: {labels: {app: %s}}\n    spec: {containers: [{name: web, image: 'example.com/web:%d'}]}\n", name, name, generation))
	}
	return files
}

// inventory returns the content of all objects of a namespace of the kinds in question, without what differs from
// namespace to namespace by nature.
func inventory(t *testing.T, cluster *harness.Cluster, ns string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, kind := range []string{"v1 ConfigMap", "v1 Secret", "v1 Service", "apps/v1 Deployment"} {
		apiVersion, kind, _ := strings.Cut(kind, " ")
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(apiVersion)
		list.SetKind(kind + "List")
		if err := cluster.List(harness.Context(t), list, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
		for _, u := range list.Items {
			if u.GetName() == "kube-root-ca.crt" {
				continue
			}
			delete(u.Object, "status")
			unstructured.RemoveNestedField(u.Object, "spec", "clusterIP")
			unstructured.RemoveNestedField(u.Object, "spec", "clusterIPs")
			annotations := u.GetAnnotations()
			delete(annotations, "deployment.kubernetes.io/revision")
			fields := ""
			for _, m := range u.GetManagedFields() {
				if m.Manager == v1alpha1.FieldManager {
					fields = string(m.Operation) + m.FieldsV1.GetRawString()
				}
			}
			text := harness.JSON(map[string]any{
				"spec": u.Object["spec"], "data": u.Object["data"], "labels": u.GetLabels(), "annotations": annotations, "owns": fields,
			})
			out[kind+" "+u.GetName()] = strings.ReplaceAll(text, ns, "NAMESPACE")
		}
	}
	return out
}

// TestOutage: the API server goes away in the middle of a sync and comes back with the state that it had.
func TestOutage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cluster, instance := harness.Launch(t, dir)
	plane := cluster.Plane(t)
	ns := cluster.Namespace(t)
	repo := harness.NewRepo(t, many(1))
	a := plane.App(t, "outage", ns, repo.Source("app"), harness.SelfHeal)
	harness.Eventually(t, "the sync has begun", func(context.Context) error {
		if n := len(inventory(t, cluster, ns)); n < 20 {
			return fmt.Errorf("%d objects", n)
		}
		return nil
	})
	if err := instance.Stop(); err != nil {
		t.Fatal(err)
	}
	harness.Boot(t, dir)
	select {
	case <-plane.Ended():
		t.Errorf("belay ended with the API server: %s", plane.LogTail())
		plane.Start(t)
	default:
	}
	app := a.Wait(t, harness.Healthy(""))
	if n := len(app.Status.History); n != 1 {
		t.Errorf("%d entries of history: %s", n, harness.JSON(app.Status.History))
	}
	if n := len(inventory(t, cluster, ns)); n != len(many(1)) {
		t.Errorf("%d objects, want %d", n, len(many(1)))
	}
	rev := repo.Commit(t, "main", many(2))
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, harness.Healthy(rev))
	if n := len(inventory(t, cluster, ns)); n != len(many(2)) {
		t.Errorf("%d objects, want %d", n, len(many(2)))
	}
}
