package render_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/rendertest"
)

// FuzzOverride: whatever .argocd-source.yaml says, it neither breaks the process nor changes where content comes from.
func FuzzOverride(f *testing.F) {
	for _, s := range []string{"", "directory: {recurse: true}", "path: ../..\nchart: x", "kustomize: null", "[1]", "helm: {valuesObject: {a: 1}}", "&a [*a]", "{", "plugin: {name: x}", "directory: {include: '{a,[b'}"} {
		f.Add([]byte(s))
	}
	renderer := newRenderer()
	f.Fuzz(func(t *testing.T, data []byte) {
		files := rendertest.Files(map[string]string{"app/.argocd-source.yaml": string(data), "app/a.yaml": configMap})
		out, err := renderer.Render(context.Background(), files, render.Spec{AppName: "a", Source: v1alpha1.ApplicationSource{Path: "app"}})
		if err != nil && fault.Is(err, fault.Internal) {
			t.Fatalf("internal error: %v", err)
		}
		if err == nil && len(out.Objects) > 1 {
			t.Fatalf("%d objects", len(out.Objects))
		}
	})
}

// FuzzKustomization: whatever a kustomization says, no program runs, nothing is dialled, and it ends.
func FuzzKustomization(f *testing.F) {
	for _, changes := range kustomizeFixture().Outward {
		f.Add([]byte(changes["app/kustomization.yaml"]))
	}
	f.Add([]byte("resources: [user@host/a/b]\n"))
	f.Add([]byte("resources: [.]\ntransformers: [.]\n"))
	f.Add([]byte("components: [../app]\npatches: [{patch: '[]', target: {name: '['}}]\n"))
	f.Setenv("PATH", f.TempDir()) // without git the library cannot clone, and says so
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		f.Fatal("the default transport is not the usual one")
	}
	errDialled := errors.New("dialled in a render")
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errDialled }
	fixture := kustomizeFixture()
	f.Fuzz(func(t *testing.T, data []byte) {
		files := map[string]string{}
		for name, content := range fixture.Files {
			files[name] = content
		}
		files["app/kustomization.yaml"] = string(data)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := fixture.Renderer.Render(ctx, rendertest.Files(files), render.Spec{Source: v1alpha1.ApplicationSource{Path: "app"}})
		if err == nil {
			return
		}
		if fault.Is(err, fault.Internal) || fault.Is(err, fault.Transient) {
			t.Fatalf("%v", err)
		}
		if text := err.Error(); containsAny(text, errDialled.Error(), "no 'git' program", "executable file not found") {
			t.Fatalf("it got out: %v", err)
		}
	})
}

func containsAny(text string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(text, p) {
			return true
		}
	}
	return false
}
