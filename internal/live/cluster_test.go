package live_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/live"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/sandbox"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

const patience = time.Minute

var (
	configMap  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	deployment = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
)

func byLabel(u *unstructured.Unstructured) (string, bool) {
	app := u.GetLabels()["app"]
	return app, app != ""
}

// fixture is a running cache over a real API server.
type fixture struct {
	t   testing.TB
	c   *live.Cluster
	dyn dynamic.Interface

	mu     sync.Mutex
	events []live.Event
}

func run(t testing.TB, conf live.Config) *fixture {
	t.Helper()
	conf.Owner = byLabel
	conf.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	f := &fixture{t: t, c: live.New(conf)}
	f.c.Subscribe(func(e live.Event) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.events = append(f.events, e)
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var err error
	if f.dyn, err = dynamic.NewForConfig(conf.REST); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) ready() *fixture {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	if err := f.c.Ready(ctx); err != nil {
		f.t.Fatal(err)
	}
	return f
}

func (f *fixture) manage(kinds ...schema.GroupVersionKind) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	if err := f.c.Manage(ctx, kinds...); err != nil {
		f.t.Fatal(err)
	}
}

// until polls, because what it waits for may be anything, not only an event.
func (f *fixture) until(what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("not in %s: %s", patience, what)
		}
	}
}

func (f *fixture) eventsOf(ref object.Ref) []live.Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []live.Event
	for _, e := range f.events {
		if e.Ref == ref {
			out = append(out, e)
		}
	}
	return out
}

func (f *fixture) apply(u *unstructured.Unstructured) *unstructured.Unstructured {
	f.t.Helper()
	k, ok := f.c.Kind(u.GroupVersionKind().GroupKind(), u.GroupVersionKind().Version)
	if !ok {
		f.t.Fatalf("%s is not served", u.GroupVersionKind())
	}
	out, err := f.dyn.Resource(k.GVR()).Namespace(u.GetNamespace()).Apply(context.Background(), u.GetName(), u,
		metav1.ApplyOptions{FieldManager: "test", Force: true})
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

func cm(ns, name, app, value string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"k": value},
	}}
	u.SetNamespace(ns)
	u.SetName(name)
	if app != "" {
		u.SetLabels(map[string]string{"app": app})
	}
	return u
}

func cmRef(ns, name string) object.Ref {
	return object.Ref{Kind: "ConfigMap", Namespace: ns, Name: name}
}

func data(l *object.Live) string {
	v, _, _ := unstructured.NestedString(l.Object.Object, "data", "k")
	return v
}

func TestFollowsARealCluster(t *testing.T) {
	s := sandbox.Start(t)
	f := run(t, live.Config{REST: s.RESTConfig()}).ready()
	ns := s.Namespace(t)

	if f.c.Version() == "" || !strings.HasPrefix(f.c.Version(), "v1.") {
		t.Errorf("version %q", f.c.Version())
	}
	if all := strings.Join(f.c.APIVersions(), " "); !strings.Contains(all, " apps/v1 ") || !strings.Contains(all, " apps/v1/Deployment ") {
		t.Errorf("api versions: %s", all)
	}

	f.apply(cm(ns, "a", "shop", "1"))
	ref := cmRef(ns, "a")
	f.until("metadata arrives", func() bool { _, ok := f.c.Get(ref); return ok })
	l, _ := f.c.Get(ref)
	if !l.Partial || data(l) != "" || l.Object.GetLabels()["app"] != "shop" || l.Object.GetUID() == "" {
		t.Errorf("before Manage: %+v", l.Object.Object)
	}

	f.manage(configMap)
	l, ok := f.c.Get(ref)
	if !ok || l.Partial || data(l) != "1" || len(l.Managers) != 1 || l.Managers[0].Name != "test" {
		t.Errorf("after Manage: %+v %+v", l.Object.Object, l.Managers)
	}
	if _, found, _ := unstructured.NestedFieldNoCopy(l.Object.Object, "metadata", "managedFields"); found {
		t.Error("managedFields are still in the object")
	}
	if owned := f.c.Owned("shop"); len(owned) != 1 || owned[0].Ref() != ref {
		t.Errorf("owned: %v", owned)
	}
	if root, ok := f.c.Get(cmRef(ns, "kube-root-ca.crt")); !ok || root.Partial {
		t.Errorf("an object that no application owns: %v", root)
	}
	if err := f.c.Synced(configMap.GroupKind()); err != nil {
		t.Error(err)
	}

	f.apply(cm(ns, "a", "shop", "2"))
	f.until("the update arrives", func() bool { l, _ := f.c.Get(ref); return data(l) == "2" })
	if err := f.dyn.Resource(configMaps).Namespace(ns).Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	f.until("the deletion arrives", func() bool { _, ok := f.c.Get(ref); return !ok })
	var got []string
	f.until("its event too", func() bool {
		got = nil
		for _, e := range f.eventsOf(ref) {
			got = append(got, fmt.Sprint(e.Kind, " ", e.App, " ", e.Old != nil, " ", e.New != nil))
		}
		return len(got) >= 3
	})
	if diff := cmp.Diff([]string{"Added shop false true", "Updated shop true true", "Deleted shop true false"}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if err := f.c.Healthy(); err != nil {
		t.Error(err)
	}
	t.Logf("%+v", f.c.Stats())
}

func TestOwnWritesAreSeenAtOnce(t *testing.T) {
	s := sandbox.Start(t)
	f := run(t, live.Config{REST: s.RESTConfig()}).ready()
	f.manage(configMap)
	ns := s.Namespace(t)
	for i := range 100 {
		value := fmt.Sprint(i)
		out := f.apply(cm(ns, "a", "shop", value))
		f.c.Observe(out)
		l, ok := f.c.Get(cmRef(ns, "a"))
		if !ok || data(l) != value {
			t.Fatalf("after write %d: %v", i, l)
		}
		if i%10 != 9 {
			continue
		}
		if err := f.dyn.Resource(configMaps).Namespace(ns).Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		f.c.ObserveDeleted(cmRef(ns, "a"), out.GetUID())
		if _, ok := f.c.Get(cmRef(ns, "a")); ok {
			t.Fatalf("after delete %d it is still there", i)
		}
	}
	f.until("all events are in", func() bool {
		events := f.eventsOf(cmRef(ns, "a"))
		return len(events) > 0 && events[len(events)-1].Kind == live.Deleted && len(events) == 110
	})
	if _, ok := f.c.Get(cmRef(ns, "a")); ok {
		t.Error("a late event brought it back")
	}
}

func TestSubscriptionsEnd(t *testing.T) {
	s := sandbox.Start(t)
	f := run(t, live.Config{REST: s.RESTConfig()}).ready()
	ns := s.Namespace(t)
	calls := map[string]int{}
	var mu sync.Mutex
	cancels := map[string]func(){}
	for _, who := range []string{"first", "second"} {
		cancels[who] = f.c.Subscribe(func(e live.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Ref == cmRef(ns, "a") {
				calls[who]++
			}
		})
	}
	heard := func(who string) int {
		mu.Lock()
		defer mu.Unlock()
		return calls[who]
	}
	f.apply(cm(ns, "a", "", "1"))
	f.until("both hear of it", func() bool { return heard("first") == 1 && heard("second") == 1 })
	cancels["first"]()
	cancels["first"]()
	f.apply(cm(ns, "a", "", "2"))
	f.until("one hears of it", func() bool { return heard("second") == 2 })
	if heard("first") != 1 {
		t.Error("called after cancel")
	}
}

func TestChildren(t *testing.T) {
	s := sandbox.Start(t)
	f := run(t, live.Config{REST: s.RESTConfig()}).ready()
	f.manage(deployment)
	ns := s.Namespace(t)
	d := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "web", "namespace": ns, "labels": map[string]any{"app": "shop"}},
		"spec": map[string]any{
			"replicas": int64(2), "selector": map[string]any{"matchLabels": map[string]any{"x": "y"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"x": "y"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "c", "image": "nginx"}}},
			},
		},
	}}
	out := f.apply(d)
	count := func(uid types.UID) (n int) {
		for _, rs := range f.c.Children(uid) {
			n += len(f.c.Children(rs.Object.GetUID()))
		}
		return n
	}
	f.until("two pods below a replica set", func() bool { return count(out.GetUID()) == 2 })
	if n := len(f.c.Namespace(ns)); n < 4 {
		t.Errorf("%d objects in the namespace", n)
	}
	f.until("the deployment is available", func() bool {
		l, ok := f.c.Get(object.Ref{Group: "apps", Kind: "Deployment", Namespace: ns, Name: "web"})
		n, _, _ := unstructured.NestedInt64(l.Object.Object, "status", "availableReplicas")
		return ok && n == 2
	})
}

// Writes go on all the time while kinds turn from metadata to full objects; the cache must show each of them and the
// events must lead from one to the next.
func TestPromotionUnderWritesLosesNothing(t *testing.T) {
	s := sandbox.Start(t)
	ns := s.Namespace(t)
	for round := range 5 {
		f := run(t, live.Config{REST: s.RESTConfig()}).ready()
		stop := make(chan struct{})
		var writers sync.WaitGroup
		last := make([]string, 4)
		for w := range last {
			writers.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					name := fmt.Sprintf("o%d-%d", w, i%3)
					if i%7 == 6 {
						if err := f.dyn.Resource(configMaps).Namespace(ns).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
							t.Errorf("delete: %v", err)
							return
						}
						continue
					}
					if u := f.apply(cm(ns, name, ns, fmt.Sprint(i))); u != nil {
						last[w] = u.GetResourceVersion()
					}
				}
			})
		}
		f.until("writes run", func() bool { return len(f.c.Owned(ns)) >= 4 })
		start := time.Now()
		f.manage(configMap)
		t.Logf("promotion took %s", time.Since(start))
		for _, l := range f.c.Owned(ns) {
			if l.Partial {
				t.Errorf("round %d: %s is partial after Manage", round, l.Ref())
			}
		}
		close(stop)
		writers.Wait()
		want := map[string]string{}
		items, err := f.dyn.Resource(configMaps).Namespace(ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + ns})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range items.Items {
			want[u.GetName()] = u.GetResourceVersion()
		}
		f.until("the cache agrees with the server", func() bool {
			got := map[string]string{}
			for _, l := range f.c.Owned(ns) {
				got[l.Object.GetName()] = l.Object.GetResourceVersion()
			}
			return cmp.Equal(want, got)
		})
		f.replay(ns, want)
	}
}

// replay follows the events of one namespace from nothing and compares where they lead.
func (f *fixture) replay(ns string, want map[string]string) {
	f.t.Helper()
	at := map[object.Ref]string{}
	version := func(l *object.Live) string { return l.Object.GetResourceVersion() }
	step := func() bool {
		clear(at)
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, e := range f.events {
			if e.Ref.Namespace != ns || e.Ref.Kind != "ConfigMap" || e.App != ns {
				continue
			}
			if e.Old == nil && at[e.Ref] != "" || e.Old != nil && at[e.Ref] != version(e.Old) {
				f.t.Fatalf("%s of %s does not start from the last state, %q", e.Kind, e.Ref, at[e.Ref])
			}
			delete(at, e.Ref)
			if e.New != nil {
				at[e.Ref] = version(e.New)
			}
		}
		got := map[string]string{}
		for ref, v := range at {
			got[ref.Name] = v
		}
		return cmp.Equal(want, got)
	}
	f.until("the events lead to the server's state", step)
}

func TestUnknownExcludedAndForbidden(t *testing.T) {
	s := sandbox.Start(t)

	user := s.RESTConfig()
	user.Impersonate = rest.ImpersonationConfig{UserName: "reader-of-" + s.Namespace(t)}
	allow(t, s, user.Impersonate.UserName, "configmaps", "services")

	f := run(t, live.Config{
		REST:    user,
		Exclude: func(group, kind string) bool { return kind == "Service" },
	}).ready()
	kinds := map[schema.GroupVersionKind]fault.Kind{
		{Version: "v1", Kind: "Secret"}:                         fault.Denied,
		{Version: "v1", Kind: "Service"}:                        fault.Invalid,
		{Version: "v1", Kind: "Binding"}:                        fault.Invalid,
		{Group: "example.com", Version: "v1", Kind: "Cat"}:      fault.NotFound,
		{Group: "apps", Version: "v1beta1", Kind: "Deployment"}: fault.NotFound,
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for gvk, want := range kinds {
		if err := f.c.Manage(ctx, gvk); !fault.Is(err, want) {
			t.Errorf("Manage(%s): %v, want kind %s", gvk, err, want)
		}
		if err := f.c.Synced(gvk.GroupKind()); err == nil {
			t.Errorf("Synced(%s) is nil", gvk)
		}
	}
	if err := f.c.Manage(ctx, configMap, schema.GroupVersionKind{Version: "v1", Kind: "Secret"}); err == nil || !strings.Contains(err.Error(), "Secret") {
		t.Errorf("one of two kinds: %v", err)
	}
	if err := f.c.Synced(configMap.GroupKind()); err != nil {
		t.Errorf("the other one: %v", err)
	}
	if err := f.c.Healthy(); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("Healthy with a managed kind that is forbidden: %v", err)
	}
	if n := len(f.c.Stats().Warnings); n < 10 {
		t.Errorf("%d warnings", n)
	}

	// The right comes: the kind is read without a restart.
	allow(t, s, user.Impersonate.UserName, "secrets")
	f.until("secrets are read", func() bool {
		if err := f.c.RefreshDiscovery(ctx); err != nil {
			t.Fatal(err)
		}
		return f.c.Synced(schema.GroupKind{Kind: "Secret"}) == nil
	})
	f.manage(schema.GroupVersionKind{Version: "v1", Kind: "Secret"})
}

func TestNamespaced(t *testing.T) {
	s := sandbox.Start(t)
	in, out := s.Namespace(t), s.Namespace(t)
	f := run(t, live.Config{REST: s.RESTConfig(), Namespaces: []string{in}}).ready()
	f.manage(configMap)
	f.apply(cm(out, "a", "shop", "1"))
	f.apply(cm(in, "a", "shop", "1"))
	f.until("the namespace is followed", func() bool { _, ok := f.c.Get(cmRef(in, "a")); return ok })
	if _, ok := f.c.Get(cmRef(out, "a")); ok {
		t.Error("another namespace is followed too")
	}
	if err := f.c.Synced(schema.GroupKind{Kind: "Namespace"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("cluster-scoped kinds: %v", err)
	}
}

func TestReadyTellsWhatIsMissing(t *testing.T) {
	f := run(t, live.Config{REST: &rest.Config{Host: "127.0.0.1:1"}})
	f.until("the server was asked", func() bool { err := f.c.Healthy(); return err != nil && strings.Contains(err.Error(), "refused") })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := f.c.Ready(ctx); !fault.Is(err, fault.Transient) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Ready: %v", err)
	}
	if err := f.c.Manage(ctx, configMap); !fault.Is(err, fault.Transient) {
		t.Errorf("Manage: %v", err)
	}
	if err := f.c.Synced(configMap.GroupKind()); err == nil {
		t.Error("Synced is nil")
	}
	bad := live.New(live.Config{REST: &rest.Config{Host: "127.0.0.1:1", TLSClientConfig: rest.TLSClientConfig{CAFile: "/does/not/exist"}}})
	for _, err := range []error{bad.Run(t.Context()), bad.Ready(t.Context()), bad.Manage(t.Context(), configMap), bad.Healthy()} {
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("a config that cannot work: %v", err)
		}
	}
	bad.Observe(cm("n", "a", "", ""))
	bad.ObserveDeleted(cmRef("n", "a"), "u")
}
