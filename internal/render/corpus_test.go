package render_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render/rendertest"
)

// TestCorpus renders the manifests of public projects when they are there: beside the checkout or in BELAY_CORPUS.
func TestCorpus(t *testing.T) {
	root := os.Getenv("BELAY_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	if _, err := os.Stat(root); err != nil {
		t.Skipf("no corpus: set BELAY_CORPUS to a folder with kube-prometheus, metallb and the others (%v)", err)
	}
	renderer := newRenderer()
	for _, tc := range []struct {
		project, path string
		recurse       bool
		objects       int // at least
		denied        string
	}{
		{project: "kube-prometheus", path: "manifests", recurse: true, objects: 100},
		{project: "microservices-demo", path: "kustomize", objects: 30},
		{project: "microservices-demo", path: "kubernetes-manifests", objects: 30},
		{project: "microservices-demo", path: "kustomize/tests/memorystore-with-all-components", objects: 30},
		{project: "microservices-demo", path: "kustomize/tests/service-mesh-istio-with-all-components", objects: 30},
		{project: "ingress-nginx", path: "deploy/static/provider/cloud", objects: 15},
		{project: "metallb", path: "config/native", objects: 20},
		{project: "metallb", path: "config/frr", objects: 20},
		{project: "metallb", path: "config/frr-k8s", denied: "remote reference"},
		{project: "metrics-server", path: "manifests/base", objects: 5},
		{project: "metrics-server", path: "manifests/overlays/release-ha", objects: 5},
		{project: "strimzi", path: "install/cluster-operator", objects: 20},
		{project: "argo-rollouts", path: "manifests", objects: 10},
		{project: "cloudnative-pg", path: "releases", objects: 10},
	} {
		t.Run(tc.project+"/"+tc.path, func(t *testing.T) {
			files, err := rendertest.Dir(filepath.Join(root, tc.project))
			if err != nil {
				t.Fatal(err)
			}
			src := v1alpha1.ApplicationSource{Path: tc.path}
			if tc.recurse {
				src.Directory = &v1alpha1.ApplicationSourceDirectory{Recurse: true}
			}
			start := time.Now()
			out, err := renderer.Render(context.Background(), files, input{AppName: "demo", Namespace: "demo", Source: src}.spec())
			if tc.denied != "" {
				if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), tc.denied) {
					t.Errorf("error %v, want Denied with %q", err, tc.denied)
				}
				return
			}
			if err != nil || len(out.Objects) < tc.objects {
				t.Errorf("%d objects, want %d or more; error %v", len(out.Objects), tc.objects, err)
			}
			t.Logf("%s, %d objects in %s", out.Type, len(out.Objects), time.Since(start).Round(time.Millisecond))
		})
	}
}
