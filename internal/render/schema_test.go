package render_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/render/rendertest"
)

// TestOwnSchemaStaysWithItsKustomization: the library keeps one OpenAPI schema for the process. A kustomization that
// brings its own must not change what others, rendered at the same time or later, come to.
func TestOwnSchemaStaysWithItsKustomization(t *testing.T) {
	renderer := newRenderer()
	var wg sync.WaitGroup
	for _, name := range []string{"kustomize-openapi", "kustomize-openapi-none", "kustomize-overlay"} {
		archive, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		repo, want := map[string]string{}, ""
		for _, f := range archive.Files {
			if rel, ok := strings.CutPrefix(f.Name, "repo/"); ok {
				repo[rel] = string(f.Data)
			}
			if f.Name == "want" {
				want = string(f.Data)
			}
		}
		path := "a"
		if name == "kustomize-overlay" {
			path = "overlays/dev"
		}
		spec := input{AppName: "demo", Source: v1alpha1.ApplicationSource{Path: path}}.spec()
		for range 2 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for range 3 {
					out, err := renderer.Render(context.Background(), rendertest.Files(repo), spec)
					if diff := cmp.Diff(want, format(t, out, err)); diff != "" {
						t.Errorf("%s: -want +got:\n%s", name, diff)
					}
				}
			}()
		}
	}
	wg.Wait()
}
