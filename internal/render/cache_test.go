package render_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/rendertest"
	"github.com/belaycd/belay/internal/source"
)

// counting counts the renders that reach it.
type counting struct {
	render.Renderer
	n atomic.Int64
}

func (c *counting) Render(ctx context.Context, files source.FS, spec render.Spec) (render.Manifests, error) {
	c.n.Add(1)
	return c.Renderer.Render(ctx, files, spec)
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newCache(t *testing.T) (*render.Cache, *counting, *clock) {
	t.Helper()
	inner, now := &counting{Renderer: newRenderer()}, &clock{time.Unix(0, 0)}
	return render.NewCache(inner, render.CacheOptions{Now: now.Now}), inner, now
}

func monorepo() map[string]string {
	cm := func(name string) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\n"
	}
	return map[string]string{
		"base/kustomization.yaml":              "resources: [cm.yaml]\n",
		"base/cm.yaml":                         cm("base"),
		"apps/kust/kustomization.yaml":         "resources: [../../base]\nnamePrefix: a-\n",
		"apps/plain/a.yaml":                    cm("plain"),
		"apps/plain/README.md":                 "read me",
		"apps/plain/sub/b.yaml":                cm("sub"),
		"apps/helm/Chart.yaml":                 "{apiVersion: v2, name: app, version: 0.1.0}",
		"apps/helm/templates/a.yaml":           cm("helm"),
		"values/common.yaml":                   "a: 1\n",
		"apps/other/a.yaml":                    cm("other"),
		"apps/missing/nothing":                 "",
		"apps/broken/a.yaml":                   "a: [",
		"apps/link/a.yaml":                     "-> ../../base/cm.yaml",
		"apps/unrelated/deep/down/here/a.yaml": cm("x"),
	}
}

func TestCacheReusesWhatItHasNotSeenChange(t *testing.T) {
	changed := func(s string) *string { return &s }
	for _, tc := range []struct {
		name     string
		source   v1alpha1.ApplicationSource
		change   map[string]*string
		rerender bool
	}{
		{"plain: elsewhere", v1alpha1.ApplicationSource{Path: "apps/plain"}, map[string]*string{"apps/other/a.yaml": changed("x"), "new/file": changed("")}, false},
		{"plain: content of a file that is no manifest", v1alpha1.ApplicationSource{Path: "apps/plain"}, map[string]*string{"apps/plain/README.md": changed("again")}, false},
		{"plain: below, not recursive", v1alpha1.ApplicationSource{Path: "apps/plain"}, map[string]*string{"apps/plain/sub/c.yaml": changed("a: b")}, false},
		{"plain: manifest", v1alpha1.ApplicationSource{Path: "apps/plain"}, map[string]*string{"apps/plain/a.yaml": changed("apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n")}, true},
		{"plain: new file", v1alpha1.ApplicationSource{Path: "apps/plain"}, map[string]*string{"apps/plain/b.yaml": changed("apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n")}, true},
		{"plain: becomes kustomize", v1alpha1.ApplicationSource{Path: "apps/plain"}, map[string]*string{"apps/plain/kustomization.yaml": changed("resources: [a.yaml]\n")}, true},
		{"plain: overrides appear", v1alpha1.ApplicationSource{Path: "apps/plain"}, map[string]*string{"apps/plain/.argocd-source.yaml": changed("directory: {recurse: true}\n")}, true},
		{"plain: through a link", v1alpha1.ApplicationSource{Path: "apps/link"}, map[string]*string{"base/cm.yaml": changed("apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n")}, true},
		{"kustomize: base", v1alpha1.ApplicationSource{Path: "apps/kust"}, map[string]*string{"base/cm.yaml": changed("apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n")}, true},
		{"kustomize: file beside", v1alpha1.ApplicationSource{Path: "apps/kust"}, map[string]*string{"base/other.yaml": changed("x"), "apps/kust/b.yaml": changed("x")}, false},
		{"kustomize: second kustomization", v1alpha1.ApplicationSource{Path: "apps/kust"}, map[string]*string{"base/Kustomization": changed("resources: [cm.yaml]\n")}, true},
		{"helm: template", v1alpha1.ApplicationSource{Path: "apps/helm"}, map[string]*string{"apps/helm/templates/b.yaml": changed("apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n")}, true},
		{"helm: elsewhere", v1alpha1.ApplicationSource{Path: "apps/helm"}, map[string]*string{"values/common.yaml": changed("a: 2\n")}, false},
		{"helm: value file outside of the chart", v1alpha1.ApplicationSource{Path: "apps/helm", Helm: &v1alpha1.ApplicationSourceHelm{ValueFiles: []string{"/values/*.yaml"}}}, map[string]*string{"values/common.yaml": changed("a: 2\n")}, true},
		{"helm: glob matches more", v1alpha1.ApplicationSource{Path: "apps/helm", Helm: &v1alpha1.ApplicationSourceHelm{ValueFiles: []string{"/values/*.yaml"}}}, map[string]*string{"values/more.yaml": changed("a: 2\n")}, true},
		{"helm: missing value file appears", v1alpha1.ApplicationSource{Path: "apps/helm", Helm: &v1alpha1.ApplicationSourceHelm{ValueFiles: []string{"late.yaml"}, IgnoreMissingValueFiles: true}}, map[string]*string{"apps/helm/late.yaml": changed("a: 2\n")}, true},
		{"error: elsewhere", v1alpha1.ApplicationSource{Path: "apps/broken"}, map[string]*string{"apps/other/a.yaml": changed("x")}, false},
		{"error: mended", v1alpha1.ApplicationSource{Path: "apps/broken"}, map[string]*string{"apps/broken/a.yaml": changed("apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n")}, true},
		{"error: missing path appears", v1alpha1.ApplicationSource{Path: "apps/late"}, map[string]*string{"apps/late/a.yaml": changed("apiVersion: v1\nkind: Secret\nmetadata: {name: b}\n")}, true},
		{"error: directory of a missing path loses a name", v1alpha1.ApplicationSource{Path: "apps/late"}, map[string]*string{"apps/other/a.yaml": nil}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cache, inner, _ := newCache(t)
			before := rendertest.Files(monorepo())
			after := before.With(tc.change)
			spec := input{AppName: "demo", Source: tc.source, Revision: "one"}.spec()
			first, firstErr := cache.Render(context.Background(), before, spec)

			spec.Revision = "two"
			reads := after.Reads.Load()
			_, found := cache.Lookup(after, spec)
			if found == tc.rerender {
				t.Errorf("Lookup says reusable: %v, want %v", found, !tc.rerender)
			}
			if n := after.Reads.Load() - reads; n != 0 {
				t.Errorf("Lookup read %d files", n)
			}
			second, secondErr := cache.Render(context.Background(), after, spec)
			if got := inner.n.Load() == 2; got != tc.rerender {
				t.Errorf("rendered again: %v, want %v", got, tc.rerender)
			}
			if !tc.rerender && (first.Key != second.Key || fmt.Sprint(firstErr) != fmt.Sprint(secondErr)) {
				t.Errorf("a different result without a render: %v, %v", firstErr, secondErr)
			}
			// Whatever the cache says must be what a render says.
			plain, plainErr := newRenderer().Render(context.Background(), after, spec)
			if plain.Key != second.Key || fmt.Sprint(plainErr) != fmt.Sprint(secondErr) {
				t.Errorf("cached %v %v, rendered %v %v", second.Key, secondErr, plain.Key, plainErr)
			}
		})
	}
}

func TestCacheRevisionCountsOnlyWhereItIsUsed(t *testing.T) {
	for _, tc := range []struct {
		value    string
		rerender bool
	}{{"$ARGOCD_APP_NAME", false}, {"${ARGOCD_APP_REVISION_SHORT}", true}, {"$ARGOCD_APP_SOURCE_TARGET_REVISION", true}, {"$$ARGOCD_APP_REVISION", false}} {
		cache, inner, _ := newCache(t)
		files := rendertest.Files(monorepo())
		src := v1alpha1.ApplicationSource{Path: "apps/helm", TargetRevision: "main", Helm: &v1alpha1.ApplicationSourceHelm{
			Parameters: []v1alpha1.HelmParameter{{Name: "a", Value: tc.value}},
		}}
		for _, revision := range []string{"one", "two", "one"} {
			if _, err := cache.Render(context.Background(), files, input{AppName: "demo", Source: src, Revision: revision}.spec()); err != nil {
				t.Fatal(err)
			}
		}
		want := int64(1)
		if tc.rerender {
			want = 2
		}
		if inner.n.Load() != want {
			t.Errorf("%s: %d renders, want %d", tc.value, inner.n.Load(), want)
		}
	}
}

func TestCacheKeepsErrorsForAWhile(t *testing.T) {
	cache, inner, now := newCache(t)
	files := rendertest.Files(monorepo())
	spec := input{AppName: "demo", Source: v1alpha1.ApplicationSource{Path: "apps/broken"}}.spec()
	for range 3 {
		if _, err := cache.Render(context.Background(), files, spec); !fault.Is(err, fault.Invalid) {
			t.Fatalf("error %v, want Invalid", err)
		}
	}
	if inner.n.Load() != 1 {
		t.Errorf("%d renders within the time, want 1", inner.n.Load())
	}
	now.now = now.now.Add(time.Hour)
	if _, found := cache.Lookup(files, spec); found {
		t.Error("an old error is still found")
	}
	if _, err := cache.Render(context.Background(), files, spec); err == nil || inner.n.Load() != 2 {
		t.Errorf("%d renders after it, want 2", inner.n.Load())
	}
	if s := cache.Stats(); s.Entries != 1 {
		t.Errorf("%d entries, want the new one alone", s.Entries)
	}
}

// function is a Renderer made of a function.
type function func(context.Context, source.FS, render.Spec) (render.Manifests, error)

func (f function) Render(ctx context.Context, files source.FS, spec render.Spec) (render.Manifests, error) {
	return f(ctx, files, spec)
}

func TestCacheDoesNotKeepPassingTrouble(t *testing.T) {
	for _, failure := range []error{context.Canceled, fault.New(fault.Transient, "slow disk"), errors.New("a defect")} {
		n := 0
		cache := render.NewCache(function(func(context.Context, source.FS, render.Spec) (render.Manifests, error) {
			n++
			return render.Manifests{}, failure
		}), render.CacheOptions{Now: time.Now})
		for range 2 {
			if _, err := cache.Render(context.Background(), rendertest.Files(nil), render.Spec{}); !errors.Is(err, failure) {
				t.Fatalf("error %v, want %v", err, failure)
			}
		}
		if n != 2 {
			t.Errorf("%v: %d renders, want 2", failure, n)
		}
	}
}

func TestCacheSharesEqualRenders(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	var n atomic.Int64
	cache := render.NewCache(function(func(ctx context.Context, _ source.FS, _ render.Spec) (render.Manifests, error) {
		if n.Add(1) == 1 {
			close(started)
		}
		select {
		case <-release:
			return render.Manifests{Key: "done"}, nil
		case <-ctx.Done():
			return render.Manifests{}, ctx.Err()
		}
	}), render.CacheOptions{})
	files := rendertest.Files(nil)
	first, leave := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() {
		_, err := cache.Render(first, files, render.Spec{})
		left <- err
	}()
	<-started
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if m, err := cache.Render(context.Background(), files, render.Spec{}); err != nil || m.Key != "done" {
				t.Errorf("%v %v", m, err)
			}
		}()
	}
	for cache.Stats().Shared < 8 {
		runtime.Gosched() // there is no event for "waits"
	}
	leave() // the caller that began the render does not end it for the others
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left got %v", err)
	}
	close(release)
	wg.Wait()
	if n.Load() != 1 {
		t.Errorf("%d renders, want 1", n.Load())
	}
}

func TestCacheStopsARenderThatNobodyWaitsFor(t *testing.T) {
	started, stopped := make(chan struct{}), make(chan struct{})
	cache := render.NewCache(function(func(ctx context.Context, _ source.FS, _ render.Spec) (render.Manifests, error) {
		close(started)
		<-ctx.Done()
		close(stopped)
		return render.Manifests{}, ctx.Err()
	}), render.CacheOptions{})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-started
		cancel()
	}()
	if _, err := cache.Render(ctx, rendertest.Files(nil), render.Spec{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-stopped
}

func TestCacheBounds(t *testing.T) {
	inner := &counting{Renderer: newRenderer()}
	cache := render.NewCache(inner, render.CacheOptions{MaxEntries: 3})
	files := rendertest.Files(monorepo())
	spec := func(i int) render.Spec {
		return input{AppName: fmt.Sprint("app", i), Source: v1alpha1.ApplicationSource{Path: "apps/plain"}}.spec()
	}
	for i := range 5 {
		if _, err := cache.Render(context.Background(), files, spec(i)); err != nil {
			t.Fatal(err)
		}
	}
	if s := cache.Stats(); s.Entries != 3 || s.Evicted != 2 || s.Bytes <= 0 {
		t.Errorf("stats %+v", s)
	}
	if _, found := cache.Lookup(files, spec(0)); found {
		t.Error("the oldest entry is still there")
	}
	if _, found := cache.Lookup(files, spec(4)); !found {
		t.Error("the newest entry is gone")
	}
	// One spec whose files change for ever keeps a few variants.
	for i := range 30 {
		content := fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c%d}\n", i)
		if _, err := cache.Render(context.Background(), files.With(map[string]*string{"apps/plain/a.yaml": &content}), spec(4)); err != nil {
			t.Fatal(err)
		}
	}
	if s := cache.Stats(); s.Entries > 3 {
		t.Errorf("stats %+v", s)
	}
	small := render.NewCache(inner, render.CacheOptions{MaxBytes: 100})
	if _, err := small.Render(context.Background(), files, spec(0)); err != nil || small.Stats().Entries != 0 {
		t.Errorf("%v, stats %+v", err, small.Stats())
	}
}

func TestLimit(t *testing.T) {
	// A clock of their own: whether a render is in time does not depend on how busy the machine is.
	t.Run("time", func(t *testing.T) { synctest.Test(t, testTimeLimit) })
	t.Run("turns", func(t *testing.T) { synctest.Test(t, testTurns) })
	t.Run("objects", func(t *testing.T) {
		files, spec := rendertest.Files(monorepo()), input{Source: v1alpha1.ApplicationSource{Path: "apps", Directory: &v1alpha1.ApplicationSourceDirectory{Recurse: true, Exclude: "{broken,helm,kust}*"}}}.spec()
		_, err := render.Limit(newRenderer(), render.LimitOptions{MaxObjects: 2}).Render(context.Background(), files, spec)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "more than 2") {
			t.Errorf("error %v", err)
		}
		_, err = render.Limit(newRenderer(), render.LimitOptions{MaxBytes: 200}).Render(context.Background(), files, spec)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "more than 200 bytes") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("panic", func(t *testing.T) {
		_, err := render.Limit(function(func(context.Context, source.FS, render.Spec) (render.Manifests, error) { panic("x") }), render.LimitOptions{}).
			Render(context.Background(), nil, render.Spec{})
		if !fault.Is(err, fault.Internal) {
			t.Errorf("error %v", err)
		}
	})
}

func testTimeLimit(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	endless := function(func(context.Context, source.FS, render.Spec) (render.Manifests, error) {
		<-release // ignores its context, as a template would
		return render.Manifests{}, nil
	})
	n := 0
	counted := function(func(ctx context.Context, files source.FS, spec render.Spec) (render.Manifests, error) {
		n++
		return render.Limit(endless, render.LimitOptions{Timeout: time.Millisecond, Concurrent: 2}).Render(ctx, files, spec)
	})
	cache := render.NewCache(counted, render.CacheOptions{Now: time.Now})
	for range 2 {
		_, err := cache.Render(context.Background(), rendertest.Files(nil), render.Spec{})
		if !fault.Is(err, fault.Transient) || !strings.Contains(err.Error(), "1ms") {
			t.Fatalf("error %v", err)
		}
	}
	if n != 1 {
		t.Errorf("what ran into the limit was tried %d times", n)
	}
}

func testTurns(t *testing.T) {
	release := make(chan struct{})
	limited := render.Limit(function(func(ctx context.Context, _ source.FS, spec render.Spec) (render.Manifests, error) {
		if spec.AppName == "endless" {
			<-release
		}
		return render.Manifests{Key: "done"}, nil
	}), render.LimitOptions{Timeout: time.Millisecond, Concurrent: 1})
	endless := render.Spec{AppName: "endless"}
	if _, err := limited.Render(context.Background(), nil, endless); err == nil {
		t.Fatal("no error")
	}
	if m, err := limited.Render(context.Background(), nil, render.Spec{}); err != nil || m.Key != "done" {
		t.Fatalf("one given-up render blocks all: %v", err)
	}
	// The second one keeps its turn: no more than Concurrent run beside the others.
	if _, err := limited.Render(context.Background(), nil, endless); err == nil {
		t.Fatal("no error")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if _, err := limited.Render(ctx, nil, render.Spec{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v, want to wait for a turn", err)
	}
	close(release)
	if _, err := limited.Render(context.Background(), nil, render.Spec{}); err != nil {
		t.Fatal(err)
	}
}

func TestCacheRendersAnewOnAHardRefresh(t *testing.T) {
	cache, inner, _ := newCache(t)
	files := rendertest.Files(monorepo())
	spec := input{AppName: "demo", Source: v1alpha1.ApplicationSource{Path: "apps/plain"}, Revision: "one"}.spec()
	for _, ctx := range []context.Context{t.Context(), t.Context(), render.Anew(t.Context()), t.Context()} {
		if _, err := cache.Render(ctx, files, spec); err != nil {
			t.Fatal(err)
		}
	}
	if n := inner.n.Load(); n != 2 {
		t.Errorf("%d renders, want 2: the first and the hard refresh", n)
	}
}
