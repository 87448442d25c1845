package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/test/e2e/harness"
)

// job is a Job that runs command; annotations are lines of YAML.
func job(name, command string, annotations ...string) string {
	text := "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: " + name + "\n  annotations:\n"
	for _, a := range annotations {
		text += "    " + a + "\n"
	}
	return text + "spec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n" +
		"      - {name: main, image: example.com/tool:1, command: [sh, -c, '" + command + "']}\n"
}

const hookOf = "argocd.argoproj.io/hook: "

// hooked is an application with hooks of all phases of a sync, in waves, around objects in waves, one of which asks before it
// is pruned.
func hooked(generation int) harness.Files {
	files := harness.Files{
		"app/check.yaml":   job("check", "sleep 0.3; echo checked", hookOf+"PreSync", "argocd.argoproj.io/sync-wave: '-1'"),
		"app/migrate.yaml": job("migrate", fmt.Sprintf("sleep 0.5; echo generation %d", generation), hookOf+"PreSync", "argocd.argoproj.io/hook-delete-policy: HookSucceeded"),
		"app/warm.yaml":    job("warm", "sleep 0.2", hookOf+"Sync"),
		"app/smoke.yaml":   job("smoke", "sleep 0.3", hookOf+"PostSync", "argocd.argoproj.io/hook-delete-policy: BeforeHookCreation"),
		"app/rescue.yaml":  job("rescue", "true", hookOf+"SyncFail"),
		"app/config.yaml":  configMap("settings", fmt.Sprintf("generation: '%d'", generation)),
		"app/late.yaml": strings.Replace(configMap("late", fmt.Sprintf("generation: '%d'", generation)), "{name: late}",
			"{name: late, annotations: {argocd.argoproj.io/sync-wave: '2'}}", 1),
	}
	if generation == 1 {
		files["app/asks.yaml"] = strings.Replace(configMap("asks", "a: b"), "{name: asks}",
			"{name: asks, annotations: {argocd.argoproj.io/sync-options: Prune=confirm}}", 1)
	}
	return files
}

// outcome is what a sync with hooks leaves: results, Jobs and ConfigMaps.
type hookOutcome struct {
	Results []string
	Jobs    []string
	Configs []string
	Runs    map[string]int // pods of each hook that ever were there at the end of a sync
}

func (h *hookOutcome) look(t *testing.T, cluster *harness.Cluster, ns string, app *harness.Application) {
	t.Helper()
	h.Results, h.Jobs, h.Configs = nil, nil, nil
	for _, r := range app.Status.OperationState.SyncResult.Resources {
		h.Results = append(h.Results, fmt.Sprintf("%s %s %s %s", r.SyncPhase, r.Name, r.Status, r.HookPhase))
	}
	for _, u := range list(t, cluster, ns, "batch/v1", "Job") {
		if u.GetDeletionTimestamp() != nil {
			continue // a sync that has succeeded does not wait until its hooks are gone
		}
		h.Jobs = append(h.Jobs, u.GetName()+" "+strings.Join(u.GetFinalizers(), ","))
	}
	for _, u := range list(t, cluster, ns, "v1", "ConfigMap") {
		if u.GetName() != "kube-root-ca.crt" {
			h.Configs = append(h.Configs, u.GetName()+" "+harness.JSON(u.Object["data"]))
		}
	}
}

func list(t *testing.T, cluster *harness.Cluster, ns, apiVersion, kind string) []unstructured.Unstructured {
	t.Helper()
	l := &unstructured.UnstructuredList{}
	l.SetAPIVersion(apiVersion)
	l.SetKind(kind + "List")
	if err := cluster.List(harness.Context(t), l, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	return l.Items
}

// TestHooksKilled: belay that is killed at any moment of a sync with hooks, waves and a confirmation, and started again, ends
// where an undisturbed one does, and runs no hook twice.
func TestHooksKilled(t *testing.T) {
	t.Parallel()
	cluster := harness.Shared(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var plain []hookOutcome
	var took time.Duration
	t.Run("undisturbed", func(t *testing.T) {
		started := time.Now()
		plain = syncHooksTwice(t, cluster, nil)
		took = time.Since(started) / 2
	})
	t.Logf("undisturbed: %s a sync; %s", took, harness.JSON(plain))
	for i := range 6 {
		at := func() time.Duration { return time.Duration((float64(i) + random.Float64()) / 6 * float64(took)) }
		delays := []time.Duration{at(), at()}
		t.Run(fmt.Sprintf("killed after %s and %s", delays[0].Round(time.Millisecond), delays[1].Round(time.Millisecond)), func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(plain, syncHooksTwice(t, cluster, delays)); d != "" {
				t.Errorf("after a killed sync (-undisturbed +killed):\n%s", d)
			}
		})
	}
}

// syncHooksTwice deploys two generations and returns what each of them left.
func syncHooksTwice(t *testing.T, cluster *harness.Cluster, kills []time.Duration) []hookOutcome {
	t.Helper()
	plane := cluster.Plane(t)
	ns := cluster.Namespace(t)
	repo := harness.NewRepo(t, hooked(1))
	a := plane.App(t, ns, ns, repo.Source("app"), harness.SelfHeal)
	seen := watchPods(t, cluster, ns)
	var out []hookOutcome
	for generation := 1; generation <= 2; generation++ {
		rev := ""
		if generation == 2 {
			rev = repo.Commit(t, "main", hooked(2))
			a.Patch(t, `{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`)
		}
		if len(kills) >= generation {
			time.Sleep(kills[generation-1]) // the point of the test is that it may happen at any time
			plane.Kill()
			plane.Start(t)
		}
		if generation == 2 {
			a.Wait(t, running("waiting for pruning confirmation of ConfigMap/"+ns+"/asks"))
			if len(kills) > 0 {
				plane.Kill()
				plane.Start(t)
			}
			a.Patch(t, fmt.Sprintf(`{"metadata":{"annotations":{"argocd.argoproj.io/deletion-approved":%q}}}`, time.Now().UTC().Format(time.RFC3339)))
		}
		app := a.Wait(t, harness.Healthy(rev))
		var h hookOutcome
		h.look(t, cluster, ns, app)
		h.Runs = seen()
		out = append(out, h)
	}
	return out
}

// watchPods counts the pods of each Job that appear in a namespace; the function that it returns tells the counts so far.
func watchPods(t *testing.T, cluster *harness.Cluster, ns string) func() map[string]int {
	t.Helper()
	pods := &unstructured.UnstructuredList{}
	pods.SetAPIVersion("v1")
	pods.SetKind("PodList")
	// Pods of deleted Jobs go with them, so that events count, not what is there at the end.
	w, err := cluster.WithWatch.Watch(context.WithoutCancel(t.Context()), pods, client.InNamespace(ns))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	seen := map[string]string{}
	return func() map[string]int {
		settled := time.After(500 * time.Millisecond)
		for {
			select {
			case e := <-w.ResultChan():
				if u, ok := e.Object.(*unstructured.Unstructured); ok {
					seen[string(u.GetUID())] = u.GetLabels()["batch.kubernetes.io/job-name"]
				}
			case <-settled:
				out := map[string]int{}
				for _, job := range seen {
					out[job]++
				}
				return out
			}
		}
	}
}
