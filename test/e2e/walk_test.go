package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// walkSteps is the length of a random walk.
const walkSteps = 25

// TestWalk takes an application through random commits, random edits of its live objects, refreshes and crashes of belay. At
// the end it must be what a first deployment of the last commit makes of an empty namespace, to the last field and owner.
func TestWalk(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("BELAY_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("BELAY_SEED=%d", seed)
	w := walk{rand: rand.New(rand.NewPCG(seed, 1)), objects: map[string]string{}}
	cluster := harness.Shared(t)
	plane := cluster.Plane(t)
	ns := cluster.Namespace(t)
	repo := harness.NewRepo(t, w.commit())
	a := plane.App(t, ns, ns, repo.Source("app"), harness.SelfHeal, func(app *harness.Application) { app.Spec.SyncPolicy.Automated.AllowEmpty = true })
	a.Wait(t, harness.Synced(""))
	rev := ""
	for range walkSteps {
		switch w.rand.IntN(8) {
		case 0, 1, 2:
			rev = repo.Commit(t, "main", w.commit())
			a.Patch(t, `{"metadata":{"annotations":{"argocd.argoproj.io/refresh":"normal"}}}`)
		case 3, 4, 5:
			w.drift(t, a, ns)
		case 6:
			a.Refresh(t, []string{v1alpha1.RefreshNormal, v1alpha1.RefreshHard}[w.rand.IntN(2)])
		case 7:
			plane.Kill()
			plane.Start(t)
		}
	}
	a.Refresh(t, v1alpha1.RefreshNormal)
	a.Wait(t, harness.Synced(rev))

	fresh := cluster.Namespace(t)
	other := plane.App(t, fresh, fresh, repo.Source("app"), harness.SelfHeal)
	other.Wait(t, harness.Synced(rev))
	if d := cmp.Diff(inventory(t, cluster, fresh), inventory(t, cluster, ns)); d != "" {
		t.Errorf("after %s (-first deployment +after the walk):\n%s", strings.Join(w.steps, "; "), d)
	}
	expectNoOp(t, a)
}

// walk is a model of what Git holds.
type walk struct {
	rand    *rand.Rand
	objects map[string]string // by file
	steps   []string
}

// some returns a random subset of keys with random values.
func (w *walk) some(keys ...string) string {
	var out []string
	for _, k := range keys {
		if w.rand.IntN(3) > 0 {
			out = append(out, fmt.Sprintf("%s: 'v%d'", k, w.rand.IntN(3)))
		}
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// commit changes, adds and removes some files.
func (w *walk) commit() harness.Files {
	for range 1 + w.rand.IntN(6) {
		i := w.rand.IntN(8)
		meta := fmt.Sprintf("labels: %s, annotations: %s", w.some("a", "b"), w.some("e2e/x", "e2e/y"))
		switch w.rand.IntN(5) {
		case 0:
			delete(w.objects, fmt.Sprintf("app/c%d.yaml", i))
			delete(w.objects, fmt.Sprintf("app/s%d.yaml", i))
		case 1, 2:
			w.objects[fmt.Sprintf("app/c%d.yaml", i)] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d, %s}\ndata: %s\n", i, meta, w.some("k", "l", "m"))
		case 3:
			w.objects[fmt.Sprintf("app/s%d.yaml", i)] = fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: s%d, %s}\nspec:\n  selector: %s\n"+
				"  ports: [{name: a, port: %d}, {name: b, port: %d}]\n", i, meta, w.some("app", "tier"), 1000+w.rand.IntN(3), 2000+w.rand.IntN(3))
		case 4:
			w.objects[fmt.Sprintf("app/t%d.yaml", i)] = fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: t%d, %s}\nstringData: %s\n", i, meta, w.some("k", "l"))
		}
	}
	w.steps = append(w.steps, "commit")
	return harness.Files{"app/README": fmt.Sprint(w.rand.Uint64())}.With(pairs(w.objects)...)
}

func pairs(files map[string]string) []string {
	var out []string
	for name, content := range files {
		out = append(out, name, content)
	}
	return out
}

// drift deletes a live object or takes away what Git says of it, but for the mark of the application: without it, a commit
// that drops the object would leave it alone, which is how objects are released.
func (w *walk) drift(t *testing.T, a *harness.App, ns string) {
	t.Helper()
	resources := a.Get(t).Status.Resources
	if len(resources) == 0 {
		return
	}
	id := resourceID(resources[w.rand.IntN(len(resources))])
	u := a.Live(t, id)
	if u == nil {
		return // pruned meanwhile
	}
	how := w.rand.IntN(4)
	w.steps = append(w.steps, fmt.Sprintf("drift %d of %s %s", how, id.Kind, id.Name))
	switch how {
	case 0:
		a.TryRemove(t, id)
	case 1:
		a.TryEdit(t, id, func(u *unstructured.Unstructured) { u.SetLabels(nil) })
	case 2:
		a.TryEdit(t, id, func(u *unstructured.Unstructured) {
			u.SetAnnotations(map[string]string{v1alpha1.AnnotationTrackingID: u.GetAnnotations()[v1alpha1.AnnotationTrackingID]})
		})
	case 3:
		a.TryEdit(t, id, func(u *unstructured.Unstructured) {
			if id.Kind != "Service" {
				delete(u.Object, "data")
				return
			}
			unstructured.RemoveNestedField(u.Object, "spec", "selector")
		})
	}
}
