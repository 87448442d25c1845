// Package browser runs the release of production in a real browser: the programs and the pages go in; what a person would
// have seen go wrong comes out.
package browser

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/crypto/bcrypt"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/belaycd/belay/internal/demo"
	"github.com/belaycd/belay/internal/sandbox"
	"github.com/belaycd/belay/test/e2e/harness"
)

// needed demands a browser and Node.js, without which the test is skipped.
const needed = "BELAY_NEED_BROWSER"

const (
	startTimeout = 5 * time.Minute
	storyTimeout = 10 * time.Minute
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

// web is the source of the pages, with its packages installed.
func web(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../web")
	if err != nil {
		t.Fatal(err)
	}
	missing := ""
	if _, err := exec.LookPath("node"); err != nil {
		missing = "node"
	} else if _, err := exec.LookPath("chromium"); err != nil && os.Getenv("CHROMIUM") == "" {
		missing = "chromium (or CHROMIUM=/path/to/it)"
	} else if _, err := os.Stat(filepath.Join(dir, "node_modules", "playwright-core")); err != nil {
		missing = "web/node_modules (make ui)"
	}
	if missing == "" {
		return dir
	}
	if os.Getenv(needed) != "" {
		t.Fatalf("%s is set and %s is missing", needed, missing)
	}
	t.Skipf("%s is missing", missing)
	return ""
}

func TestProduction(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a cluster and a browser; skipped in short mode")
	}
	dir := web(t)
	box, belay := sandbox.Binary(t), harness.Program(t)
	home := t.TempDir()
	env := append(os.Environ(), "HOME="+home, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "KUBECONFIG=/dev/null")
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	d, err := demo.Start(ctx, demo.Config{Belay: belay, Sandbox: box, Dir: filepath.Join(home, "demo"), Env: env, Out: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := d.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	const reading = "reads-only-1"
	addReader(t, d.Kubeconfig(), reading)
	clone := filepath.Join(home, "callcenter")
	story, cancel := context.WithTimeout(t.Context(), storyTimeout)
	defer cancel()
	cmd := exec.CommandContext(story, "node", "e2e/production.mjs")
	cmd.Dir = dir
	cmd.Env = append(env, "BELAY_URL="+d.URL(), "BELAY_PASSWORD="+d.Password(), "READER_PASSWORD="+reading,
		fmt.Sprintf("RELEASE=git clone -q -b main %[1]s %[2]s && cd %[2]s && "+
			`sed -i '/agent-service$/,/newTag/ s/newTag: .*/newTag: v1.2.0/' infrastructure/k8s/overlays/prod/kustomization.yaml && `+
			"git -c user.name=Dev -c user.email=dev@example.com commit -qam 'feat: agent-service v1.2.0 to production' && git push -q origin main", d.CloneURL(), clone),
		fmt.Sprintf("DRIFT=%s app patch-resource callcenter-ai-prod --kubeconfig %s --kind Deployment --resource-name redis "+
			`--patch '{"spec":{"replicas":3}}' >/dev/null`, belay, d.Kubeconfig()))
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}

// addReader makes an account that may read everything and do nothing.
func addReader(t *testing.T, kubeconfig, password string) {
	t.Helper()
	log.SetLogger(logr.Discard()) // of the client
	rc, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(rc, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "argocd", Name: "argocd-secret"}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data["accounts.reader.password"] = hash
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]map[string]string{
		"argocd-cm":      {"accounts.reader": "login"},
		"argocd-rbac-cm": {"policy.csv": "g, reader, role:readonly\n"},
	} {
		config := &corev1.ConfigMap{}
		config.Namespace, config.Name = "argocd", name
		_, err := controllerutil.CreateOrUpdate(t.Context(), c, config, func() error {
			config.Labels = map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "argocd"}
			if config.Data == nil {
				config.Data = map[string]string{}
			}
			maps.Copy(config.Data, data)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
