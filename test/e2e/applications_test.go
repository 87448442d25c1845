package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/test/e2e/harness"
)

// sample is an application as teams run them: testdata/applications/<name>.txtar. Its comment says what is special about it.
type sample struct {
	name string
	// files are those of the repository: everything in the archive but the parts below.
	files harness.Files
	spec  sampleSpec
	// existing.yaml: objects that kubectl apply has made before.
	existing []*unstructured.Unstructured
}

// sampleSpec is sample.yaml.
type sampleSpec struct {
	Source            v1alpha1.ApplicationSource
	IgnoreDifferences v1alpha1.IgnoreDifferences
	SyncOptions       v1alpha1.SyncOptions
	// Others are writes of other controllers after the first sync. They are no difference.
	Others []write
	// Drift is a write that is one. It is healed.
	Drift write
}

// write is a merge patch of an object.
type write struct {
	APIVersion, Kind, Namespace, Name string
	// Manager is who writes.
	Manager, Subresource string
	Patch                json.RawMessage
}

func samples(t *testing.T, planeNamespace string) []*sample {
	t.Helper()
	files, err := filepath.Glob("testdata/applications/*.txtar")
	if err != nil || len(files) < 42 {
		t.Fatalf("%d applications in testdata: %v", len(files), err)
	}
	var out []*sample
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s := &sample{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), files: harness.Files{}}
		for _, f := range txtar.Parse(data).Files {
			text := strings.NewReplacer("$PLANE", planeNamespace, "$CR\n", "\r\n", "$LARGE", strings.Repeat("a line of a table\n    ", 30_000)).Replace(string(f.Data))
			switch f.Name {
			case "sample.yaml":
				if err := yaml.UnmarshalStrict([]byte(text), &s.spec); err != nil {
					t.Fatalf("%s: %v", file, err)
				}
			case "existing.yaml":
				for doc := range strings.SplitSeq(text, "\n---\n") {
					s.existing = append(s.existing, harness.Object(t, doc))
				}
			default:
				s.files[f.Name] = text
			}
		}
		if s.spec.Drift.Kind == "" {
			t.Fatalf("%s: sample.yaml has no drift", file)
		}
		out = append(out, s)
	}
	return out
}

// sideBySide is how many applications are worked on at once.
const sideBySide = 6

// TestApplications deploys applications in the shapes in which teams run them, side by side. Each is Synced after its first sync,
// after refreshes, after other controllers did their work and after a restart; a second sync writes nothing; and
// drift is found and healed. With those of TestCorpus they are fifty.
func TestApplications(t *testing.T) {
	t.Parallel()
	cluster, _ := harness.Launch(t, "")
	plane := cluster.Plane(t)
	// Kinds that are excluded by default may be deployed on purpose.
	cluster.Apply(t, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm, namespace: "+plane.Namespace+"}\ndata: {resource.exclusions: \"[{apiGroups: [nothing.example.com]}]\"}\n")
	plane.Kill()
	plane.Start(t)
	all := samples(t, plane.Namespace)
	apps := map[string]*harness.App{}
	for _, s := range all {
		apps[s.name] = s.create(t, plane)
	}
	each := func(phase string, f func(*testing.T, *sample, *harness.App)) {
		t.Run(phase, func(t *testing.T) {
			// They wait far more than they work, so that more of them run at once than there are processors.
			var group errgroup.Group
			group.SetLimit(sideBySide)
			for _, s := range all {
				group.Go(func() error {
					t.Run(s.name, func(t *testing.T) { f(t, s, apps[s.name]) })
					return nil
				})
			}
			_ = group.Wait() // each has failed by itself
		})
	}
	each("deployed", deployed)
	plane.Kill()
	plane.Start(t)
	each("after a restart", restarted)
}

// create makes the Application and what was there before it.
func (s *sample) create(t *testing.T, plane *harness.Plane) *harness.App {
	t.Helper()
	if len(s.existing) > 0 {
		plane.Apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+s.name+"}\n")
	}
	replace := []string{}
	for _, u := range s.existing {
		if u.GetNamespace() == "" {
			u.SetNamespace(s.name)
		}
		applied, err := json.Marshal(u.Object)
		if err != nil {
			t.Fatal(err)
		}
		u.SetAnnotations(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": string(applied)})
		if err := plane.Create(harness.Context(t), u, client.FieldOwner("kubectl-client-side-apply")); err != nil {
			t.Fatalf("%s: create %s %s: %v", s.name, u.GetKind(), u.GetName(), err)
		}
		replace = append(replace, "$UID_"+u.GetName(), string(u.GetUID()))
	}
	files := maps.Clone(s.files)
	for name, text := range files {
		files[name] = strings.NewReplacer(replace...).Replace(text)
	}
	repo := harness.NewRepo(t, files)
	src := s.spec.Source
	src.RepoURL, src.TargetRevision = repo.URL, "main"
	if src.Path == "" {
		src.Path = "app"
	}
	return plane.App(t, s.name, s.name, src, func(a *harness.Application) {
		a.Spec.IgnoreDifferences = s.spec.IgnoreDifferences
		a.Spec.SyncPolicy = &v1alpha1.SyncPolicy{SyncOptions: s.options()}
	})
}

func (s *sample) options() v1alpha1.SyncOptions {
	return append(v1alpha1.SyncOptions{"CreateNamespace=true"}, s.spec.SyncOptions...)
}

// deployed brings an application to its first sync and expects that nothing more is to be done, whatever others do.
func deployed(t *testing.T, s *sample, a *harness.App) {
	sync := func() *v1alpha1.OperationState {
		t.Helper()
		st := a.Sync(t, v1alpha1.SyncOperation{SyncOptions: s.options()})
		if st.Phase != v1alpha1.OperationSucceeded {
			t.Fatalf("sync: %s: %s", st.Phase, st.Message)
		}
		return st
	}
	first := sync()
	a.Wait(t, harness.Synced(""))
	for _, o := range s.spec.Others {
		o.apply(t, a, s.name)
	}
	for _, level := range []string{v1alpha1.RefreshNormal, v1alpha1.RefreshHard} {
		if missing := harness.Synced("")(a.Refresh(t, level)); missing != "" {
			t.Errorf("after a %s refresh: %s", level, missing)
		}
	}
	before := contents(t, a)
	second := sync()
	if got, want := len(second.SyncResult.Resources), len(first.SyncResult.Resources); got != want || got == 0 {
		t.Errorf("second sync: %d results, the first had %d", got, want)
	}
	for _, r := range second.SyncResult.Resources {
		if r.Message != "unchanged" {
			t.Errorf("second sync of %s %s/%s: %s %q, want unchanged", r.Kind, r.Namespace, r.Name, r.Status, r.Message)
		}
	}
	after := contents(t, a)
	maps.DeleteFunc(before, func(id string, _ written) bool { // Jobs with a TTL leave when they like
		_, there := after[id]
		return !there && strings.HasPrefix(id, "Job ")
	})
	if d := cmp.Diff(before, after); d != "" {
		t.Errorf("the second sync wrote (-before +after):\n%s", d)
	}
}

// restarted expects the same of a belay that has just started; then it heals drift.
func restarted(t *testing.T, s *sample, a *harness.App) {
	if missing := harness.Synced("")(a.Refresh(t, v1alpha1.RefreshNormal)); missing != "" {
		t.Errorf("after a restart: %s", missing)
	}
	a.Change(t, harness.SelfHeal)
	app := a.Refresh(t, v1alpha1.RefreshNormal)
	if missing := harness.Synced("")(app); missing != "" {
		t.Errorf("under self-heal: %s", missing)
	}
	if app.Status.OperationState.Operation.InitiatedBy.Automated {
		t.Fatalf("self-heal found something to heal: %s", harness.JSON(app.Status.OperationState.SyncResult.Resources))
	}
	drift := s.spec.Drift
	want := drift.read(t, a, s.name)
	drift.apply(t, a, s.name)
	harness.Eventually(t, "the drift is healed", func(context.Context) error {
		if got := drift.read(t, a, s.name); !reflect.DeepEqual(got, want) {
			return fmt.Errorf("%s %s is %s, want %s", drift.Kind, drift.Name, harness.JSON(got), harness.JSON(want))
		}
		return nil
	})
	a.Wait(t, harness.Synced(""))
	if missing := harness.Synced("")(a.Refresh(t, v1alpha1.RefreshNormal)); missing != "" {
		t.Errorf("after the drift was healed: %s", missing)
	}
}

func (w write) id(namespace string) harness.ID {
	if w.Namespace == "-" {
		namespace = ""
	} else if w.Namespace != "" {
		namespace = w.Namespace
	}
	return harness.Ref(w.APIVersion, w.Kind, namespace, w.Name)
}

// apply writes, and fails the test when that changes nothing.
func (w write) apply(t *testing.T, a *harness.App, namespace string) {
	t.Helper()
	before := a.Live(t, w.id(namespace))
	if before == nil {
		t.Fatalf("%s %s does not exist", w.Kind, w.Name)
	}
	u := before.DeepCopy()
	manager := w.Manager
	if manager == "" {
		manager = "kubectl-edit"
	}
	patch := client.RawPatch(types.MergePatchType, w.Patch)
	var err error
	if w.Subresource == "" {
		err = a.WithWatch.Patch(harness.Context(t), u, patch, client.FieldOwner(manager))
	} else {
		err = a.SubResource(w.Subresource).Patch(harness.Context(t), u, patch, client.FieldOwner(manager))
	}
	if err != nil {
		t.Fatalf("%s patches %s %s: %v", manager, w.Kind, w.Name, err)
	}
	if u.GetResourceVersion() == before.GetResourceVersion() {
		t.Fatalf("the patch of %s %s changes nothing", w.Kind, w.Name)
	}
}

// read returns what the object has of the fields in the patch.
func (w write) read(t *testing.T, a *harness.App, namespace string) any {
	t.Helper()
	u := a.Live(t, w.id(namespace))
	if u == nil {
		return nil
	}
	var patch any
	if err := json.Unmarshal(w.Patch, &patch); err != nil {
		t.Fatal(err)
	}
	return below(u.Object, patch)
}

// below returns the part of a value that a merge patch is about.
func below(value, patch any) any {
	fields, ok := patch.(map[string]any)
	if !ok {
		return value
	}
	out := map[string]any{}
	have, _ := value.(map[string]any)
	for k, p := range fields {
		if v, ok := have[k]; ok {
			out[k] = below(v, p)
		}
	}
	return out
}
