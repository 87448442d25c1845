package render_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/rendertest"
	"github.com/belaycd/belay/internal/source"
)

// tenConfigMaps is an application of the load test: an overlay with 10 ConfigMaps, one of them from a shared base.
func tenConfigMaps() map[string]string {
	files := map[string]string{
		"base/kustomization.yaml": "resources: [shared.yaml]\n",
		"base/shared.yaml":        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\ndata: {level: info, region: eu}\n",
	}
	kustomization := "namespace: app-1\nnamePrefix: app-1-\nlabels: [{pairs: {team: voice}}]\nresources:\n- ../../base\n"
	for i := range 9 {
		name := fmt.Sprintf("cm%d.yaml", i)
		kustomization += "- " + name + "\n"
		files["apps/one/"+name] = fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-%d\n  labels:\n    app: one\ndata:\n  a: \"1\"\n  b: |\n    some longer text\n    in lines\n", i)
		files["plain/"+name] = files["apps/one/"+name]
		files["chart/templates/"+name] = files["apps/one/"+name] + "  release: {{ .Release.Name }}\n"
	}
	files["apps/one/kustomization.yaml"] = kustomization
	files["chart/Chart.yaml"] = "{apiVersion: v2, name: app, version: 0.1.0}"
	files["chart/values.yaml"] = "a: 1\n"
	return files
}

func benchmark(b *testing.B, renderer render.Renderer, path string) {
	files := rendertest.Files(tenConfigMaps())
	spec := input{AppName: "demo", Revision: "one", Source: v1alpha1.ApplicationSource{Path: path}}.spec()
	if _, err := renderer.Render(context.Background(), files, spec); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := renderer.Render(context.Background(), files, spec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPlain(b *testing.B)     { benchmark(b, newRenderer(), "plain") }
func BenchmarkKustomize(b *testing.B) { benchmark(b, newRenderer(), "apps/one") }
func BenchmarkHelm(b *testing.B)      { benchmark(b, newRenderer(), "chart") }

// BenchmarkCacheHit: the same revision again.
func BenchmarkCacheHit(b *testing.B) {
	benchmark(b, render.NewCache(newRenderer(), render.CacheOptions{}), "apps/one")
}

// BenchmarkCacheHitElsewhere: every time another revision that differs elsewhere. The file tree in memory hashes
// content to name it, which a real one does not, so ids are kept here.
func BenchmarkCacheHitElsewhere(b *testing.B) {
	cache := render.NewCache(newRenderer(), render.CacheOptions{})
	files := &remembered{FS: rendertest.Files(tenConfigMaps()), ids: map[string]string{}}
	spec := input{AppName: "demo", Revision: "one", Source: v1alpha1.ApplicationSource{Path: "apps/one"}}.spec()
	if _, err := cache.Render(context.Background(), files, spec); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	revisions := [...]source.Revision{"a", "b"}
	for i := 0; b.Loop(); i++ {
		spec.Revision = revisions[i%2] // alternating: the shortcut for one revision does not help
		if _, ok := cache.Lookup(files, spec); !ok {
			b.Fatal("not found")
		}
	}
}

type remembered struct {
	*rendertest.FS
	ids map[string]string
}

func (r *remembered) ContentID(name string) (string, error) {
	if id, ok := r.ids[name]; ok {
		return id, nil
	}
	id, err := r.FS.ContentID(name)
	r.ids[name] = id
	return id, err
}
