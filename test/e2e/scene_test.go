package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// bystander is an application that must go on whatever happens to others.
type bystander struct {
	mu    sync.Mutex
	n     int
	files harness.Files
	repo  *harness.Repo
	app   *harness.App
}

func newBystander(t *testing.T, plane *harness.Plane) *bystander {
	t.Helper()
	b := &bystander{files: harness.Txtar(some)}
	b.repo = harness.NewRepo(t, b.files)
	b.app = plane.App(t, "bystander", plane.Cluster.Namespace(t), b.repo.Source("app"), harness.SelfHeal)
	b.app.Wait(t, harness.Healthy(""))
	return b
}

// goesOn makes a commit and waits until it is deployed.
func (b *bystander) goesOn(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	config := strings.Replace(b.files["app/config.yaml"], "blue", fmt.Sprintf("blue-%d", b.n), 1)
	rev := b.repo.Commit(t, "main", b.files.With("app/config.yaml", config))
	b.app.Refresh(t, v1alpha1.RefreshNormal)
	b.app.Wait(t, harness.Healthy(rev))
}

// scene is an application that was fine before something breaks it.
type scene struct {
	*harness.App
	name  string // of the application
	ns    string
	repo  *harness.Repo
	files harness.Files
	objs  []harness.ID
}

// newScene deploys the small application, automated with prune and self-heal: the policy under which a mistake would
// delete most.
func newScene(t *testing.T, plane *harness.Plane, name string) *scene {
	t.Helper()
	s := &scene{name: name, ns: plane.Cluster.Namespace(t), files: harness.Txtar(some)}
	s.repo = harness.NewRepo(t, s.files)
	s.App = plane.App(t, name, s.ns, s.repo.Source("app"), harness.SelfHeal, func(a *harness.Application) {
		a.Spec.SyncPolicy.Retry = &v1alpha1.RetryStrategy{Limit: 1, Backoff: &v1alpha1.Backoff{Duration: "100ms"}}
	})
	for _, r := range s.Wait(t, harness.Healthy("")).Status.Resources {
		s.objs = append(s.objs, resourceID(r))
	}
	return s
}

// push commits the files with some changed, and asks for a look.
func (s *scene) push(t *testing.T, nameContent ...string) string {
	t.Helper()
	rev := s.repo.Commit(t, "main", s.files.With(nameContent...))
	s.Refresh(t, v1alpha1.RefreshNormal)
	return rev
}

// expectKept asserts that everything that was deployed is still there.
func (s *scene) expectKept(t *testing.T) {
	t.Helper()
	for _, id := range s.objs {
		if u := s.Live(t, id); u == nil || u.GetDeletionTimestamp() != nil {
			t.Errorf("%s %s was deleted", id.Kind, id.Name)
		}
	}
}

// operationFails asks for an ended operation that did not succeed, with all of the texts in its message.
func operationFails(texts ...string) func(*harness.Application) string {
	return func(app *harness.Application) string {
		st := app.Status.OperationState
		if app.Operation != nil || st == nil || !st.Phase.Completed() || st.Phase == v1alpha1.OperationSucceeded {
			return "no failed operation: " + harness.Operation(app) + "\n" + harness.Conditions(app)
		}
		for _, text := range texts {
			if !strings.Contains(st.Message, text) {
				return fmt.Sprintf("no %q in: %s\n%s", text, harness.Operation(app), harness.Conditions(app))
			}
		}
		return ""
	}
}

// awaitRefusal waits until the cluster refuses a red ConfigMap.
func awaitRefusal(t *testing.T, plane *harness.Plane, ns string) {
	t.Helper()
	harness.Eventually(t, "red is refused", func(ctx context.Context) error {
		probe := harness.Object(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: probe, namespace: "+ns+"}\ndata: {colour: red}\n")
		if err := plane.WithWatch.Create(ctx, probe, client.DryRunAll); err != nil {
			return nil //nolint:nilerr // the refusal is what is waited for
		}
		return errors.New("it is accepted")
	})
}

func removeFinalizers(u *unstructured.Unstructured) { u.SetFinalizers(nil) }
