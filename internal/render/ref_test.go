package render_test

import (
	"context"
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/rendertest"
)

// TestCacheTracesOtherSources: of another source's repository counts what value files were read from it, and no more.
func TestCacheTracesOtherSources(t *testing.T) {
	changed := func(s string) *string { return &s }
	values := map[string]string{"prod.yaml": "a: 1\n", "dev.yaml": "a: 2\n", "more/x.yaml": "b: 1\n"}
	use := func(files ...string) v1alpha1.ApplicationSource {
		return v1alpha1.ApplicationSource{Path: "apps/helm", Helm: &v1alpha1.ApplicationSourceHelm{ValueFiles: files, IgnoreMissingValueFiles: true}}
	}
	for _, tc := range []struct {
		name     string
		source   v1alpha1.ApplicationSource
		change   map[string]*string
		ref      func(*render.Ref)
		rerender bool
	}{
		{"a file that is read", use("$values/prod.yaml"), map[string]*string{"prod.yaml": changed("a: 3\n")}, nil, true},
		{"a file that is not", use("$values/prod.yaml"), map[string]*string{"dev.yaml": changed("a: 3\n"), "new.yaml": changed("")}, nil, false},
		{"no file is read", use(), map[string]*string{"prod.yaml": changed("a: 3\n")}, nil, false},
		{"a glob finds more", use("$values/more/*.yaml"), map[string]*string{"more/y.yaml": changed("b: 2\n")}, nil, true},
		{"a glob finds less", use("$values/more/*.yaml"), map[string]*string{"more/x.yaml": nil}, nil, true},
		{"a missing file appears", use("$values/late.yaml"), map[string]*string{"late.yaml": changed("b: 2\n")}, nil, true},
		{"another repository of equal content", use("$values/prod.yaml"), nil, func(r *render.Ref) { r.RepoURL = "https://git.example.com/other" }, false},
		{"another repository of other content at a revision of the same name", use("$values/prod.yaml"), map[string]*string{"prod.yaml": changed("a: 3\n")},
			func(r *render.Ref) { r.RepoURL, r.Revision = "https://git.example.com/other", "one" }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cache, inner, _ := newCache(t)
			files, before := rendertest.Files(monorepo()), rendertest.Files(values)
			after := before.With(tc.change)
			spec := input{AppName: "demo", Source: tc.source, Revision: "chart"}.spec()
			spec.Refs = render.Refs{"values": {RepoURL: "https://git.example.com/values", Revision: "one", Files: before}}
			if _, err := cache.Render(context.Background(), files, spec); err != nil {
				t.Fatal(err)
			}
			moved := render.Ref{RepoURL: "https://git.example.com/values", Revision: "two", Files: after}
			if tc.ref != nil {
				tc.ref(&moved)
			}
			spec.Refs = render.Refs{"values": moved}
			_, found := cache.Lookup(files, spec)
			if found == tc.rerender {
				t.Errorf("Lookup says reusable: %v, want %v", found, !tc.rerender)
			}
			if n := after.Reads.Load(); n != 0 {
				t.Errorf("Lookup read %d files", n)
			}
			second, err := cache.Render(context.Background(), files, spec)
			if err != nil {
				t.Fatal(err)
			}
			if got := inner.n.Load() == 2; got != tc.rerender {
				t.Errorf("rendered again: %v, want %v", got, tc.rerender)
			}
			// Whatever the cache says must be what a render says.
			if plain, err := newRenderer().Render(context.Background(), files, spec); err != nil || plain.Key != second.Key {
				t.Errorf("cached %v, rendered %v %v", second.Key, plain.Key, err)
			}
		})
	}
}

// TestCacheKnowsWhichSourcesThereAre: a name that appears makes an error of before a render.
func TestCacheKnowsWhichSourcesThereAre(t *testing.T) {
	cache, _, _ := newCache(t)
	files := rendertest.Files(monorepo())
	spec := input{AppName: "demo", Revision: "chart", Source: v1alpha1.ApplicationSource{
		Path: "apps/helm", Helm: &v1alpha1.ApplicationSourceHelm{ValueFiles: []string{"$values/prod.yaml"}}}}.spec()
	if _, err := cache.Render(context.Background(), files, spec); err == nil {
		t.Fatal("a name that no source has passes")
	}
	spec.Refs = render.Refs{"values": {Revision: "one", Files: rendertest.Files(map[string]string{"prod.yaml": "a: 1\n"})}}
	if _, err := cache.Render(context.Background(), files, spec); err != nil {
		t.Errorf("the error of before is kept: %v", err)
	}
}
