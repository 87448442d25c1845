package rendertest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
)

// Fixture is a renderer under test and files that it renders.
type Fixture struct {
	Renderer render.Renderer
	// Files at Path render to at least one object.
	Files map[string]string
	Path  string
	// Manifest names a file that the render of Path reads.
	Manifest string
	// Outward are files that, laid over Files, make the render want a process or the network; it must be refused.
	Outward []map[string]string
}

func (f Fixture) spec() render.Spec {
	return render.Spec{
		AppName: "demo", AppNamespace: "argocd", Project: "default", Namespace: "demo", Revision: "0123456789",
		Source: v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/demo.git", Path: f.Path}, KubeVersion: "1.37.2",
	}
}

func (f Fixture) files(changes map[string]string) *FS {
	all := map[string]string{}
	for name, content := range f.Files {
		all[name] = content
	}
	for name, content := range changes {
		all[name] = content
	}
	return Files(all)
}

// Run checks that a renderer keeps the contract of package render.
func Run(t *testing.T, f Fixture) {
	for name, test := range map[string]func(*testing.T, Fixture){
		"Renders": testRenders, "Deterministic": testDeterministic, "PathMissing": testPathMissing, "PathOutside": testPathOutside,
		"Cancelled": testCancelled, "LinkOutside": testLinkOutside, "Concurrent": testConcurrent, "Traced": testTraced,
		"NoProcessNoNetwork": testInside,
	} {
		t.Run(name, func(t *testing.T) { test(t, f) })
	}
}

func testRenders(t *testing.T, f Fixture) {
	out, err := f.Renderer.Render(context.Background(), f.files(nil), f.spec())
	if err != nil || len(out.Objects) == 0 {
		t.Fatalf("%d objects, error %v", len(out.Objects), err)
	}
	for _, u := range out.Objects {
		u.DeepCopy() // panics on values that decoded JSON does not have
	}
}

func testDeterministic(t *testing.T, f Fixture) {
	first, err := f.Renderer.Render(context.Background(), f.files(nil), f.spec())
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		again, err := f.Renderer.Render(context.Background(), f.files(nil), f.spec())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Fatalf("a second render differs: %s", diff)
		}
	}
}

func testPathMissing(t *testing.T, f Fixture) {
	f.Path += "-missing"
	if _, err := f.Renderer.Render(context.Background(), f.files(nil), f.spec()); err == nil || fault.Is(err, fault.Internal) {
		t.Errorf("error %v, want a kind other than Internal", err)
	}
}

func testPathOutside(t *testing.T, f Fixture) {
	for _, p := range []string{"../" + f.Path, "/etc", "a/../../b"} {
		spec := f.spec()
		spec.Source.Path = p
		if _, err := f.Renderer.Render(context.Background(), f.files(nil), spec); !fault.Is(err, fault.Denied) {
			t.Errorf("%s: error %v, want Denied", p, err)
		}
	}
}

func testCancelled(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := f.Renderer.Render(ctx, f.files(nil), f.spec()); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want Canceled", err)
	}
}

func testLinkOutside(t *testing.T, f Fixture) {
	outside := "-> " + "../../../../../../etc/passwd"
	_, err := f.Renderer.Render(context.Background(), f.files(map[string]string{f.Manifest: outside}), f.spec())
	if !fault.Is(err, fault.Denied) {
		t.Errorf("error %v, want Denied", err)
	}
}

func testConcurrent(t *testing.T, f Fixture) {
	files := f.files(nil)
	want, err := f.Renderer.Render(context.Background(), files, f.spec())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 4 {
				got, err := f.Renderer.Render(context.Background(), files, f.spec())
				if err != nil || !cmp.Equal(want.Objects, got.Objects) {
					t.Errorf("a concurrent render differs: %v", err)
				}
			}
		}()
	}
	wg.Wait()
}

// testTraced wants a render behind a cache to be found again: it looks at nothing besides the file tree.
func testTraced(t *testing.T, f Fixture) {
	cache := render.NewCache(f.Renderer, render.CacheOptions{})
	if _, err := cache.Render(context.Background(), f.files(nil), f.spec()); err != nil {
		t.Fatal(err)
	}
	spec := f.spec()
	spec.Revision = "fedcba9876"
	if _, ok := cache.Lookup(f.files(map[string]string{"unrelated": "x"}), spec); !ok {
		t.Error("a change elsewhere is not told from a change of the input")
	}
}

// testInside makes every program of the search path and every HTTP request through the default transport count.
func testInside(t *testing.T, f Fixture) {
	bin, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	for _, program := range []string{"git", "helm", "kustomize", "docker", "sh", "bash"} {
		script := "#!/bin/sh\necho \"$0 $*\" >> " + calls + "\nexit 1\n"
		if err := os.WriteFile(filepath.Join(bin, program), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	var dials atomic.Int64
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		t.Fatal("the default transport is not the usual one")
	}
	original := transport.DialContext
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		return nil, errors.New("no network in this test")
	}
	defer func() { transport.DialContext = original }()
	for _, changes := range append([]map[string]string{nil}, f.Outward...) {
		_, err := f.Renderer.Render(context.Background(), f.files(changes), f.spec())
		if changes != nil && !fault.Is(err, fault.Denied) && !fault.Is(err, fault.Invalid) {
			t.Errorf("%v: error %v, want Denied or Invalid", changes, err)
		}
		if n := dials.Load(); n != 0 {
			t.Errorf("%v: %d connections", changes, n)
		}
		if data, err := os.ReadFile(calls); err == nil {
			t.Fatalf("%v: processes were started:\n%s", changes, data)
		}
	}
}
