package guide

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/internal/demo"
	"github.com/belaycd/belay/internal/sandbox"
	"github.com/belaycd/belay/test/e2e/harness"
)

// TestGivenCluster runs the demo on a cluster that is not its own, which it has to leave as it was.
func TestGivenCluster(t *testing.T) {
	box, belay := sandbox.Start(t), harness.Program(t)
	names := func() map[string]bool {
		list, err := box.Client().CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for _, ns := range list.Items {
			out[ns.Name] = true
		}
		return out
	}
	before := names()
	run := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
		defer cancel()
		out := &story{}
		err := demo.Run(ctx, demo.Config{
			Belay: belay, Dir: filepath.Join(t.TempDir(), "demo"), Kubeconfig: box.Kubeconfig(), Env: os.Environ(), Out: out,
		}, true)
		return out.String(), err
	}
	out, err := run()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, text := range []string{"callcenter-ai-dev      Synced     Healthy", "callcenter-ai-prod     OutOfSync"} {
		if !strings.Contains(out, text) {
			t.Errorf("%q is not in:\n%s", text, out)
		}
	}
	for name := range names() {
		if !before[name] {
			t.Errorf("namespace %s is left", name)
		}
	}
	raw := box.Client().Discovery().RESTClient().Get().AbsPath("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/applications.argoproj.io").Do(t.Context())
	if err := raw.Error(); !apierrors.IsNotFound(err) {
		t.Errorf("the definition of Applications is left: %v", err)
	}

	busy := "callcenter-prod"
	if _, err := box.Client().CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: busy}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if out, err := run(); err == nil || !strings.Contains(err.Error(), busy+" exists already") {
		t.Errorf("a cluster in use is taken: %v\n%s", err, out)
	}
	if !names()[busy] {
		t.Errorf("namespace %s, which was there before, is gone", busy)
	}
}
