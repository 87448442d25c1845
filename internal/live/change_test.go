package live_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/live"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/sandbox"
)

var crds = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

// crd defines the kind Cat of a group, served at the versions, of which the first is stored.
func crd(group string, versions ...string) *unstructured.Unstructured {
	var vs []any
	for i, v := range versions {
		vs = append(vs, map[string]any{
			"name": v, "served": true, "storage": i == 0,
			"schema": map[string]any{"openAPIV3Schema": map[string]any{
				"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
		})
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "cats." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced", "versions": vs,
			"names": map[string]any{"kind": "Cat", "listKind": "CatList", "plural": "cats", "singular": "cat"},
		},
	}}
}

func established(u *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Established" && m["status"] == "True" {
			return true
		}
	}
	return false
}

func TestKindsComeAndGo(t *testing.T) {
	s := sandbox.Start(t)
	f := run(t, live.Config{REST: s.RESTConfig()}).ready()
	ns := s.Namespace(t)
	group := "g" + strings.ReplaceAll(ns, "-", "") + ".example.com"
	cat := schema.GroupVersionKind{Group: group, Version: "v1", Kind: "Cat"}
	if err := f.c.Synced(cat.GroupKind()); !fault.Is(err, fault.NotFound) {
		t.Errorf("before: %v", err)
	}

	f.apply(crd(group, "v1"))
	f.until("it is established", func() bool {
		u, err := f.dyn.Resource(crds).Get(t.Context(), "cats."+group, metav1.GetOptions{})
		return err == nil && established(u)
	})
	start := time.Now()
	f.until("the kind is known", func() bool { _, ok := f.c.Kind(cat.GroupKind(), "v1"); return ok })
	t.Logf("known %s after Established", time.Since(start))
	f.manage(cat)
	t.Logf("managed %s after Established", time.Since(start))
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1", "kind": "Cat", "spec": map[string]any{"lives": int64(9)},
		"metadata": map[string]any{"name": "tom", "namespace": ns, "labels": map[string]any{"app": "zoo"}},
	}}
	f.apply(u)
	ref := object.RefOf(u)
	f.until("the object is there", func() bool { l, ok := f.c.Get(ref); return ok && !l.Partial })

	// A second version: Git asks for it, and the server prefers it.
	f.apply(crd(group, "v1", "v2"))
	v2 := schema.GroupVersionKind{Group: group, Version: "v2", Kind: "Cat"}
	f.until("the second version is known", func() bool { _, ok := f.c.Kind(cat.GroupKind(), "v2"); return ok })
	f.manage(v2)
	if l, ok := f.c.Get(ref); !ok || l.Object.GetAPIVersion() != group+"/v2" {
		t.Errorf("after asking for v2: %v", l)
	}
	f.manage(cat, v2)
	if k, _ := f.c.Kind(cat.GroupKind(), ""); k.Version != "v2" || len(k.Versions) != 2 {
		t.Errorf("kind: %+v", k)
	}

	if err := f.dyn.Resource(crds).Delete(t.Context(), "cats."+group, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	f.until("the kind is gone", func() bool { _, ok := f.c.Kind(cat.GroupKind(), ""); return !ok })
	f.until("its watch too", func() bool { return fault.Is(f.c.Synced(cat.GroupKind()), fault.NotFound) })
	if _, ok := f.c.Get(ref); ok {
		t.Error("the object is still there")
	}
	f.until("subscribers heard of it", func() bool {
		events := f.eventsOf(ref)
		return len(events) > 1 && events[len(events)-1].Kind == live.Deleted
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.c.Manage(ctx, v2); !fault.Is(err, fault.NotFound) {
		t.Errorf("Manage afterwards: %v", err)
	}

	// The kinds were asked for before, so that they are followed in full from the start when they come back.
	// Observe says so before the watch does, and Manage waits until the server is done with the definition.
	f.c.Observe(f.apply(crd(group, "v1")))
	f.manage(cat)
}

// sandboxBinary is where sandbox.Start has it.
func sandboxBinary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(sandbox.BinaryVariable); path != "" {
		return path
	}
	path, err := filepath.Abs("../../bin/belay-sandbox")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// While the API server is away and after it is back nothing may look deleted, and what happens then must be seen.
func TestServerRestart(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a cluster; skipped in short mode")
	}
	sandbox.Start(t) // for the binary alone: it is built when need be
	dir := t.TempDir()
	launch := func() (*sandbox.Instance, *rest.Config) {
		i, err := sandbox.Launch(context.Background(), sandbox.Options{Binary: sandboxBinary(t), DataDir: dir, Nodes: 1})
		if err != nil {
			t.Fatal(err)
		}
		conf, err := clientcmd.BuildConfigFromFlags("", i.Kubeconfig())
		if err != nil {
			t.Fatal(err)
		}
		conf.QPS = -1
		return i, conf
	}
	instance, conf := launch()
	defer func() { _ = instance.Stop() }()
	f := run(t, live.Config{REST: conf, MaxBackoff: time.Second}).ready()
	group := "restart.example.com"
	cat := schema.GroupVersionKind{Group: group, Version: "v1", Kind: "Cat"}
	f.apply(crd(group, "v1"))
	f.until("the kind is known", func() bool { _, ok := f.c.Kind(cat.GroupKind(), "v1"); return ok })
	f.manage(configMap, cat)
	const n = 50
	for i := range n {
		f.apply(cm("default", fmt.Sprint("o", i), "shop", "1"))
		f.apply(&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": group + "/v1", "kind": "Cat",
			"metadata": map[string]any{"name": fmt.Sprint("c", i), "namespace": "default", "labels": map[string]any{"app": "shop"}},
		}})
	}
	f.until("all are cached", func() bool { return len(f.c.Owned("shop")) == 2*n })
	f.mu.Lock()
	f.events = nil
	f.mu.Unlock()

	if err := instance.Stop(); err != nil {
		t.Fatal(err)
	}
	f.until("the cache says that it is out of date", func() bool { return f.c.Healthy() != nil })
	t.Log(f.c.Healthy())
	if len(f.c.Owned("shop")) != 2*n || f.c.Synced(configMap.GroupKind()) != nil {
		t.Errorf("while away: %d objects, %v", len(f.c.Owned("shop")), f.c.Synced(configMap.GroupKind()))
	}
	instance, _ = launch()
	defer func() { _ = instance.Stop() }()
	f.apply(cm("default", "o0", "shop", "2"))
	f.until("the cache follows again", func() bool {
		l, ok := f.c.Get(cmRef("default", "o0"))
		return ok && data(l) == "2"
	})
	f.until("all watches are back", func() bool { return f.c.Healthy() == nil && len(f.c.Stats().Warnings) == 0 })
	if err := f.c.RefreshDiscovery(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(f.c.Owned("shop")); got != 2*n {
		t.Errorf("%d objects, want %d", got, 2*n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		if e.App != "" && e.Kind != live.Updated {
			t.Errorf("%s %s", e.Kind, e.Ref)
		}
		if e.Kind == live.Deleted && e.Ref.Kind != "Lease" && e.Ref.Kind != "Event" {
			t.Logf("deleted: %s", e.Ref)
		}
	}
}

// gate stands between the cache and a real API server and can make parts of it unreachable, or answer with less.
type gate struct {
	*httputil.ReverseProxy
	broken atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]

	mu   sync.Mutex
	open map[*http.Request]context.CancelFunc
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if broken := g.broken.Load(); broken != nil && (*broken)(w, r) {
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	g.mu.Lock()
	g.open[r] = cancel
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.open, r)
	}()
	g.ReverseProxy.ServeHTTP(w, r.WithContext(ctx))
}

// cut ends all requests that are under way, watches above all.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, cancel := range g.open {
		cancel()
	}
}

func (g *gate) answer(fn func(w http.ResponseWriter, r *http.Request) bool) { g.broken.Store(&fn) }

func newGate(t *testing.T, conf *rest.Config) (*gate, *rest.Config) {
	t.Helper()
	target, err := url.Parse(conf.Host)
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{ReverseProxy: httputil.NewSingleHostReverseProxy(target), open: map[*http.Request]context.CancelFunc{}}
	if g.Transport, err = rest.TransportFor(conf); err != nil {
		t.Fatal(err)
	}
	g.FlushInterval = -1
	g.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	srv := httptest.NewServer(g)
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	return g, &rest.Config{Host: srv.URL, QPS: -1}
}

// Discovery that breaks, or that leaves kinds out, takes nothing away.
func TestDiscoveryFailureDeletesNothing(t *testing.T) {
	s := sandbox.Start(t)
	g, conf := newGate(t, s.RESTConfig())
	f := run(t, live.Config{REST: conf}).ready()
	ns := s.Namespace(t)
	f.manage(configMap, deployment)
	f.apply(cm(ns, "a", ns, "1"))
	f.until("it is cached", func() bool { return len(f.c.Owned(ns)) == 1 })
	kinds := f.c.Stats().Kinds

	discovery := func(r *http.Request) bool { return r.URL.Path == "/api" || r.URL.Path == "/apis" }
	check := func(what string) {
		t.Helper()
		if got := f.c.Stats(); got.Kinds != kinds || len(f.c.Owned(ns)) != 1 {
			t.Errorf("%s: %d kinds, want %d; %d objects", what, got.Kinds, kinds, len(f.c.Owned(ns)))
		}
		for _, gvk := range []schema.GroupVersionKind{configMap, deployment} {
			if err := f.c.Synced(gvk.GroupKind()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		for _, e := range f.eventsOf(cmRef(ns, "a")) {
			if e.Kind == live.Deleted {
				t.Errorf("%s: deleted", what)
			}
		}
	}
	g.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if discovery(r) {
			http.Error(w, "no", http.StatusServiceUnavailable)
		}
		return discovery(r)
	})
	if err := f.c.RefreshDiscovery(t.Context()); err == nil {
		t.Error("no error from a discovery that failed")
	}
	check("discovery fails")

	empty := func(contentType, body string) {
		g.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if discovery(r) {
				w.Header().Set("Content-Type", contentType)
				_, _ = io.WriteString(w, body)
			}
			return discovery(r)
		})
	}
	const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
	empty(aggregated, `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[]}`)
	if err := f.c.RefreshDiscovery(t.Context()); err == nil {
		t.Error("no error from a discovery without kinds")
	}
	check("discovery is empty")

	empty(aggregated, `{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","items":[{"metadata":{"name":"batch"},"versions":[
	 {"version":"v1","freshness":"Current","resources":[{"resource":"jobs","responseKind":{"group":"batch","version":"v1","kind":"Job"},"scope":"Namespaced","verbs":["list","watch"]}]}]}]}`)
	if err := f.c.RefreshDiscovery(t.Context()); err != nil {
		t.Error(err)
	}
	check("discovery leaves most out")
	if n := len(f.c.Stats().Warnings); n < 20 {
		t.Errorf("%d warnings", n)
	}

	empty("text/html", "<html>")
	if err := f.c.RefreshDiscovery(t.Context()); err == nil {
		t.Error("no error from a discovery that is no JSON")
	}
	check("discovery is nonsense")

	g.answer(func(http.ResponseWriter, *http.Request) bool { return false })
	if err := f.c.RefreshDiscovery(t.Context()); err != nil {
		t.Error(err)
	}
	check("discovery works again")
	if w := f.c.Stats().Warnings; len(w) != 0 {
		t.Errorf("warnings: %v", w)
	}
}

// A list that fails, is cut off or refused later on leaves what is known.
func TestBrokenListsDeleteNothing(t *testing.T) {
	s := sandbox.Start(t)
	g, conf := newGate(t, s.RESTConfig())
	f := run(t, live.Config{REST: conf, MaxBackoff: 50 * time.Millisecond, DeniedRetry: 50 * time.Millisecond}).ready()
	ns := s.Namespace(t)
	f.manage(configMap)
	f.apply(cm(ns, "a", ns, "1"))
	f.until("it is cached", func() bool { return len(f.c.Owned(ns)) == 1 })

	const secret = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"%s","code":%d,"message":"no"}`
	var hits atomic.Int64
	for what, reply := range map[string]func(w http.ResponseWriter){
		"forbidden": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintf(w, secret, "Forbidden", 403)
		},
		"not found": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, secret, "NotFound", 404)
		},
		"gone": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusGone)
			fmt.Fprintf(w, secret, "Expired", 410)
		},
		"unavailable": func(w http.ResponseWriter) { http.Error(w, "no", http.StatusServiceUnavailable) },
		"cut off": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"9999999"},"items":[`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
	} {
		hits.Store(0)
		g.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/configmaps") || r.URL.Query().Get("limit") == "1" {
				return false
			}
			hits.Add(1)
			reply(w)
			return true
		})
		g.cut()
		f.until(what+" was met", func() bool { return hits.Load() > 3 })
		if l, ok := f.c.Get(cmRef(ns, "a")); !ok || data(l) != "1" {
			t.Errorf("%s: the object is gone", what)
		}
		if what == "forbidden" {
			f.until("no conclusions are drawn", func() bool { return fault.Is(f.c.Synced(configMap.GroupKind()), fault.Denied) })
		}
		f.until(what+" shows", func() bool { return f.c.Healthy() != nil })
		g.answer(func(http.ResponseWriter, *http.Request) bool { return false })
		f.until("all is well after "+what, func() bool {
			return f.c.Healthy() == nil && f.c.Synced(configMap.GroupKind()) == nil
		})
		for _, e := range f.eventsOf(cmRef(ns, "a")) {
			if e.Kind == live.Deleted {
				t.Errorf("%s: deleted", what)
			}
		}
	}
	f.apply(cm(ns, "a", ns, "2"))
	f.until("the cache follows again", func() bool { l, _ := f.c.Get(cmRef(ns, "a")); return data(l) == "2" })
}

// What happened while the cache was cut off is made up for by the next list.
func TestMissedChangesAreReported(t *testing.T) {
	s := sandbox.Start(t)
	g, conf := newGate(t, s.RESTConfig())
	f := run(t, live.Config{REST: conf, MaxBackoff: 50 * time.Millisecond}).ready()
	ns := s.Namespace(t)
	f.manage(configMap)
	f.apply(cm(ns, "goes", ns, "1"))
	f.apply(cm(ns, "changes", ns, "1"))
	f.until("both are cached", func() bool { return len(f.c.Owned(ns)) == 2 })

	g.answer(func(w http.ResponseWriter, r *http.Request) bool {
		away := r.URL.Query().Get("watch") != "" || r.URL.Query().Get("resourceVersion") != ""
		if away {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return away
	})
	g.cut()
	f.until("it is cut off", func() bool { return f.c.Healthy() != nil })
	if err := f.dyn.Resource(configMaps).Namespace(ns).Delete(t.Context(), "goes", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	f.apply(cm(ns, "changes", ns, "2"))
	f.apply(cm(ns, "comes", ns, "1"))
	if len(f.c.Owned(ns)) != 2 {
		t.Error("the cache is not cut off")
	}
	g.answer(func(http.ResponseWriter, *http.Request) bool { return false })
	f.until("all is made up for", func() bool {
		_, gone := f.c.Get(cmRef(ns, "goes"))
		l, _ := f.c.Get(cmRef(ns, "changes"))
		_, came := f.c.Get(cmRef(ns, "comes"))
		return !gone && data(l) == "2" && came
	})
	for name, want := range map[string]live.EventKind{"goes": live.Deleted, "changes": live.Updated, "comes": live.Added} {
		f.until(name+" has its event", func() bool {
			events := f.eventsOf(cmRef(ns, name))
			return len(events) > 0 && events[len(events)-1].Kind == want
		})
	}
}
