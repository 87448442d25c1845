package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// world is as much of a cluster as hooks need: objects with finalizers, and Jobs that end as their annotation "ends" says
// (well, badly) after they were looked at once. What the API server makes of all this is tested end to end.
type world struct {
	mu      sync.Mutex
	objects map[object.Ref]*unstructured.Unstructured
	looks   map[object.Ref]int
	made    map[string]int // by name: how many objects of that name there were
	log     []string
	crash   int // counts down at every write; at 0 the process is gone
	serial  int
}

// errCrashed is what a dead process would not live to see: nothing that follows from it is stored.
var errCrashed = errors.New("crashed")

func newWorld() *world {
	return &world{objects: map[object.Ref]*unstructured.Unstructured{}, looks: map[object.Ref]int{}, made: map[string]int{}, crash: -1}
}

func (w *world) write(what string) error {
	if w.crash == 0 {
		return errCrashed
	}
	w.crash = max(w.crash-1, -1)
	w.log = append(w.log, what)
	return nil
}

func (w *world) Apply(_ context.Context, u *unstructured.Unstructured, o WriteOptions) (*object.Live, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o.DryRun {
		return object.NewLive(u.DeepCopy()), nil
	}
	if err := w.write("apply " + u.GetName()); err != nil {
		return nil, err
	}
	ref := object.RefOf(u)
	u = u.DeepCopy()
	if old := w.objects[ref]; old != nil {
		u.SetUID(old.GetUID())
	} else {
		w.serial++
		u.SetUID(types.UID(fmt.Sprint(w.serial)))
		w.made[u.GetName()]++
		w.looks[ref] = 0
	}
	w.objects[ref] = u
	return object.NewLive(u.DeepCopy()), nil
}

func (w *world) Delete(_ context.Context, l *object.Live, _ string, _ bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.write("delete " + l.Object.GetName()); err != nil {
		return err
	}
	u := w.objects[l.Ref()]
	if u == nil || u.GetUID() != l.Object.GetUID() {
		return nil
	}
	if len(u.GetFinalizers()) > 0 {
		u.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(1, 0)})
		return nil
	}
	delete(w.objects, l.Ref())
	return nil
}

func (w *world) Release(_ context.Context, l *object.Live, finalizer string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.write("release " + l.Object.GetName()); err != nil {
		return err
	}
	u := w.objects[l.Ref()]
	if u == nil {
		return nil
	}
	u.SetFinalizers(slices.DeleteFunc(u.GetFinalizers(), func(f string) bool { return f == finalizer }))
	if u.GetDeletionTimestamp() != nil && len(u.GetFinalizers()) == 0 {
		delete(w.objects, l.Ref())
	}
	return nil
}

func (w *world) AwaitKind(context.Context, schema.GroupKind, []string) error { return nil }

func (w *world) read(ref object.Ref) (*object.Live, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u := w.objects[ref]
	if u == nil {
		return nil, false
	}
	return object.NewLive(u.DeepCopy()), true
}

func (w *world) health(l *object.Live) (v1alpha1.HealthStatusCode, string, bool) {
	ends, has := l.Object.GetAnnotations()["ends"]
	if !has {
		return "", "", false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks[l.Ref()]++
	switch {
	case ends == "never" || w.looks[l.Ref()] < 3:
		return v1alpha1.HealthProgressing, "Job is running", true
	case ends == "badly":
		return v1alpha1.HealthDegraded, "exit 1", true
	}
	return v1alpha1.HealthHealthy, "", true
}

// job is a hook; annotations are written key=value.
func job(name, hook string, annotations ...string) *unstructured.Unstructured {
	u := obj("Job", name)
	a := map[string]string{v1alpha1.AnnotationHook: hook, "ends": "well"}
	for _, s := range annotations {
		k, v, _ := strings.Cut(s, "=")
		a[map[string]string{"wave": v1alpha1.AnnotationSyncWave, "policy": v1alpha1.AnnotationHookDeletePolicy}[k]] = v
		if k == "ends" {
			a["ends"] = v
		}
	}
	delete(a, "")
	u.SetAnnotations(a)
	return u
}

// sync drives an operation to its end as the controller does, storing results at each step and checkpoint, and taking it
// up again after each crash. It returns how it ended.
type syncer struct {
	w         *world
	manifests []*unstructured.Unstructured
	hooks     []*unstructured.Unstructured
	stored    []*v1alpha1.ResourceResult
	opts      Options
	waits     []string
}

func (s *syncer) operation(t *testing.T) Operation {
	t.Helper()
	hooks, err := NewHooks(s.hooks, HookRun{
		Revision: "0123456789abcdef", Started: time.Unix(1000, 0),
		Track: func(u *unstructured.Unstructured) (*unstructured.Unstructured, error) { return u, nil },
	}, SyncHooks()...)
	if err != nil {
		t.Fatal(err)
	}
	plan := &diff.Plan{}
	for _, m := range s.manifests {
		item := create(m)
		if live, found := s.w.read(item.Ref); found {
			item.Action, item.Live = diff.None, live
		}
		plan.Items = append(plan.Items, item)
	}
	return Operation{
		Plan: plan, Hooks: hooks, Options: s.opts, Earlier: s.stored, Healthy: s.w.health, Read: s.w.read,
		Checkpoint: func(r []*v1alpha1.ResourceResult) {
			if s.w.crash != 0 {
				s.stored = r
			}
		},
	}
}

func (s *syncer) step(t *testing.T) (p Progress, dead bool) {
	t.Helper()
	p = Step(t.Context(), s.operation(t), s.w)
	if s.w.crash == 0 {
		s.w.crash = -1
		return p, true
	}
	s.stored = p.Results
	return p, false
}

func (s *syncer) run(t *testing.T) Progress {
	t.Helper()
	for range 60 {
		p, dead := s.step(t)
		switch {
		case dead:
		case p.Phase != v1alpha1.OperationRunning:
			return p
		default:
			s.waits = append(s.waits, p.Message)
		}
	}
	t.Fatalf("the operation does not end; it waited: %q", s.waits)
	return Progress{}
}

// states returns what became of everything: <phase> <name> <hook phase>.
func states(results []*v1alpha1.ResourceResult) []string {
	var out []string
	for _, r := range results {
		out = append(out, fmt.Sprintf("%s %s %s", r.SyncPhase, r.Name, r.HookPhase))
	}
	slices.Sort(out)
	return out
}

func (w *world) names() []string {
	var out []string
	for ref := range w.objects {
		out = append(out, ref.Name)
	}
	slices.Sort(out)
	return out
}

func TestHooks(t *testing.T) {
	for _, tc := range []struct {
		reason           string
		manifests, hooks []*unstructured.Unstructured
		there            []*unstructured.Unstructured
		opts             Options
		phase            v1alpha1.OperationPhase
		message          string
		states           []string
		left             []string // names of what is there afterwards
		order            []string // of the writes, those of hooks' finalizers left out
	}{
		{reason: "phases come one after the other, waves in them",
			manifests: []*unstructured.Unstructured{obj("ConfigMap", "c"), obj("ConfigMap", "late", "wave:1")},
			hooks: []*unstructured.Unstructured{job("after", "PostSync"), job("second", "PreSync", "wave=5"), job("first", "PreSync", "wave=-5"),
				job("rescue", "SyncFail"), job("never", "Skip"), job("beside", "Sync")},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (no more tasks)",
			states: []string{"PostSync after Succeeded", "PreSync first Succeeded", "PreSync second Succeeded", "Sync beside Succeeded",
				"Sync c Succeeded", "Sync late Succeeded"},
			left:  []string{"after", "beside", "c", "first", "late", "second"},
			order: []string{"apply first", "apply second", "apply c", "apply beside", "apply late", "apply after"}},
		{reason: "a hook that fails ends the sync before anything is applied, and the SyncFail hooks run",
			manifests: []*unstructured.Unstructured{obj("ConfigMap", "c")},
			hooks:     []*unstructured.Unstructured{job("migrate", "PreSync", "ends=badly", "policy=HookFailed"), job("tell", "SyncFail", "policy=HookSucceeded")},
			phase:     v1alpha1.OperationFailed, message: "one or more synchronization tasks completed unsuccessfully, reason: batch/Job/shop/migrate exit 1",
			states: []string{"PreSync migrate Failed", "SyncFail tell Succeeded"},
			left:   []string{"tell"}, order: []string{"apply migrate", "apply tell", "delete migrate"}},
		{reason: "a SyncFail hook that fails too is told of",
			manifests: []*unstructured.Unstructured{obj("ConfigMap", "c")},
			hooks:     []*unstructured.Unstructured{job("migrate", "PreSync", "ends=badly"), job("tell", "SyncFail", "ends=badly")},
			phase:     v1alpha1.OperationFailed,
			message: "one or more synchronization tasks completed unsuccessfully, reason: batch/Job/shop/migrate exit 1; " +
				"one or more SyncFail hooks failed, reason: batch/Job/shop/tell exit 1",
			states: []string{"PreSync migrate Failed", "SyncFail tell Failed"}, left: []string{"migrate", "tell"},
			order: []string{"apply migrate", "apply tell"}},
		{reason: "what an earlier sync left is deleted before the hook is created again",
			there: []*unstructured.Unstructured{job("migrate", "PreSync")},
			hooks: []*unstructured.Unstructured{job("migrate", "PreSync", "policy=HookSucceeded,BeforeHookCreation")},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (no more tasks)",
			states: []string{"PreSync migrate Succeeded"}, order: []string{"delete migrate", "apply migrate", "delete migrate"}},
		{reason: "a hook of two phases runs twice",
			hooks: []*unstructured.Unstructured{job("check", "PreSync,PostSync")},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (no more tasks)",
			states: []string{"PostSync check Succeeded", "PreSync check Succeeded"}, left: []string{"check"},
			order: []string{"apply check", "delete check", "apply check"}},
		{reason: "a partial sync and the strategy apply run none", opts: Options{NoHooks: true},
			manifests: []*unstructured.Unstructured{obj("ConfigMap", "c")}, hooks: []*unstructured.Unstructured{job("migrate", "PreSync")},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)",
			states: []string{"Sync c Running"}, left: []string{"c"}, order: []string{"apply c"}},
		{reason: "the namespace of a hook is made in the hook's phase",
			manifests: []*unstructured.Unstructured{obj("Namespace", "shop"), obj("ConfigMap", "c")}, hooks: []*unstructured.Unstructured{job("migrate", "PreSync")},
			phase: v1alpha1.OperationSucceeded, message: "successfully synced (all tasks run)",
			states: []string{"PreSync migrate Succeeded", "PreSync shop Succeeded", "Sync c Running"}, left: []string{"c", "migrate", "shop"},
			order: []string{"apply shop", "apply migrate", "apply c"}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			undisturbed := func() *syncer {
				w := newWorld()
				for _, u := range tc.there {
					w.objects[object.RefOf(u)] = u.DeepCopy()
				}
				return &syncer{w: w, manifests: tc.manifests, hooks: tc.hooks, opts: tc.opts}
			}
			s := undisturbed()
			p := s.run(t)
			if p.Phase != tc.phase || p.Message != tc.message {
				t.Errorf("ended %s %q, want %s %q", p.Phase, p.Message, tc.phase, tc.message)
			}
			if d := cmp.Diff(tc.states, states(p.Results)); d != "" {
				t.Errorf("results (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tc.left, s.w.names()); d != "" {
				t.Errorf("what is left (-want +got):\n%s", d)
			}
			order := slices.DeleteFunc(slices.Clone(s.w.log), func(l string) bool { return strings.HasPrefix(l, "release") })
			if d := cmp.Diff(tc.order, order); d != "" {
				t.Errorf("writes (-want +got):\n%s", d)
			}
			for ref, u := range s.w.objects {
				if slices.Contains(u.GetFinalizers(), v1alpha1.FinalizerHook) {
					t.Errorf("%s is still held", ref)
				}
			}
			// A process that dies at any write, and another that takes the operation up, come to the same end, and no hook
			// runs more often.
			for at := range s.w.log {
				k := undisturbed()
				k.w.crash = at
				q := k.run(t)
				if q.Phase != p.Phase || q.Message != p.Message {
					t.Errorf("killed at %q: ended %s %q", s.w.log[at], q.Phase, q.Message)
				}
				if d := cmp.Diff(states(p.Results), states(q.Results)); d != "" {
					t.Errorf("killed at %q: results (-undisturbed +killed):\n%s", s.w.log[at], d)
				}
				if d := cmp.Diff(s.w.names(), k.w.names()); d != "" {
					t.Errorf("killed at %q: what is left (-undisturbed +killed):\n%s", s.w.log[at], d)
				}
				if d := cmp.Diff(s.w.made, k.w.made); d != "" {
					t.Errorf("killed at %q: objects made (-undisturbed +killed):\n%s", s.w.log[at], d)
				}
			}
		})
	}
}

// TestHookThatNeverEnds is waited for, and a termination deletes it.
func TestHookThatNeverEnds(t *testing.T) {
	s := &syncer{w: newWorld(), hooks: []*unstructured.Unstructured{job("stuck", "PreSync", "ends=never"), job("before", "PreSync", "wave=-1")}}
	var p Progress
	for range 10 {
		p, _ = s.step(t)
	}
	if want := "waiting for completion of hook batch/Job/shop/stuck (Job is running) (PreSync, wave 0)"; p.Phase != v1alpha1.OperationRunning || p.Message != want {
		t.Errorf("%s %q, want %q", p.Phase, p.Message, want)
	}
	results, err := Terminate(t.Context(), s.operation(t), s.w)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"PreSync before Succeeded", "PreSync stuck Failed"}, states(results)); d != "" {
		t.Errorf("results (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"before"}, s.w.names()); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}
}

// TestLetGo: what runs when the operation is given up goes on, held by nobody.
func TestLetGo(t *testing.T) {
	s := &syncer{w: newWorld(), hooks: []*unstructured.Unstructured{job("migrate", "PreSync", "ends=never")}}
	s.step(t)
	if err := LetGo(t.Context(), s.operation(t), s.w); err != nil {
		t.Fatal(err)
	}
	live, found := s.w.read(object.RefOf(job("migrate", "")))
	if !found || len(live.Object.GetFinalizers()) > 0 || live.Object.GetDeletionTimestamp() != nil {
		t.Errorf("found %v, writes %v", found, s.w.log)
	}
}

// TestHookDeletedByHand: somebody deletes a hook that runs.
func TestHookDeletedByHand(t *testing.T) {
	s := &syncer{w: newWorld(), hooks: []*unstructured.Unstructured{job("stuck", "PreSync", "ends=never")}}
	s.step(t)
	live, _ := s.w.read(object.RefOf(job("stuck", "")))
	if err := s.w.Delete(t.Context(), live, "", false); err != nil {
		t.Fatal(err)
	}
	p := s.run(t)
	if p.Phase != v1alpha1.OperationFailed || !strings.HasSuffix(p.Message, "batch/Job/shop/stuck was deleted before it ended") {
		t.Errorf("%s %q", p.Phase, p.Message)
	}
}

func TestNewHooks(t *testing.T) {
	u := job("", "PreSync,PostSync")
	u.SetGenerateName("migrate-")
	run := HookRun{Revision: "0123456789abcdef", Started: time.Unix(1700000000, 0),
		Track: func(u *unstructured.Unstructured) (*unstructured.Unstructured, error) { return u, nil }}
	hooks, err := NewHooks([]*unstructured.Unstructured{u}, run, SyncHooks()...)
	if err != nil || len(hooks) != 2 {
		t.Fatalf("%d hooks, %v", len(hooks), err)
	}
	if got, want := hooks[0].Object.GetName(), "migrate-0123456-presync-1700000000"; got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	if u.GetName() != "" || len(u.GetFinalizers()) > 0 {
		t.Error("the manifest was changed")
	}
	if hooks[1].Object.GetName() != "migrate-0123456-postsync-1700000000" || hooks[1].Object.GetFinalizers()[0] != v1alpha1.FinalizerHook {
		t.Errorf("second hook: %v", hooks[1].Object)
	}
}

// TestDeletionHooks: hooks outside a sync keep their state in their objects alone.
func TestDeletionHooks(t *testing.T) {
	run := HookRun{Revision: "0123456789abcdef", Started: time.Unix(1000, 0),
		Track: func(u *unstructured.Unstructured) (*unstructured.Unstructured, error) { return u, nil }}
	manifests := []*unstructured.Unstructured{job("drain", "PreDelete", "wave=-1"), job("backup", "PreDelete", "policy=HookFailed"), job("migrate", "PreSync")}
	w := newWorld()
	op := func() Operation {
		hooks, err := NewHooks(manifests, run, v1alpha1.HookPreDelete)
		if err != nil {
			t.Fatal(err)
		}
		return Operation{Hooks: hooks, Healthy: w.health, Read: w.read}
	}
	var waits []string
	for range 20 {
		waiting, err := RunHooks(t.Context(), op(), false, w)
		if err != nil {
			t.Fatal(err)
		}
		if waiting == "" {
			break
		}
		waits = append(waits, waiting)
	}
	if d := cmp.Diff([]string{"backup", "drain"}, w.names()); d != "" || w.log[0] != "apply drain" {
		t.Errorf("hooks (-want +got):\n%s%v, waits %v", d, w.log, waits)
	}
	live := func() (out []*object.Live) {
		for ref := range w.objects {
			l, _ := w.read(ref)
			out = append(out, l)
		}
		return out
	}
	if waiting, err := CleanHooks(t.Context(), live(), op(), w); err != nil || waiting != "" {
		t.Errorf("waiting %q, %v", waiting, err)
	}
	// backup stays: it is deleted only when it failed. drain has no policy.
	if d := cmp.Diff([]string{"backup"}, w.names()); d != "" {
		t.Errorf("what is left (-want +got):\n%s", d)
	}

	w = newWorld()
	manifests = []*unstructured.Unstructured{job("drain", "PreDelete", "ends=badly")}
	var err error
	for range 10 {
		if _, err = RunHooks(t.Context(), op(), false, w); err != nil {
			break
		}
	}
	if err == nil || err.Error() != "batch/Job/shop/drain exit 1" {
		t.Errorf("error %v", err)
	}
	if waiting, err := RunHooks(t.Context(), op(), true, w); err != nil || !strings.Contains(waiting, "another try of hook batch/Job/shop/drain") || len(w.objects) != 0 {
		t.Errorf("another try: waiting %q, %v, left %v", waiting, err, w.names())
	}
}
