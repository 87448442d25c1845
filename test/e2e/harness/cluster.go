// Package harness sets up end-to-end tests: a test goes in; a Kubernetes API server with Belay's definitions, running
// belay processes, Git repositories over HTTP and bounded waits come out.
package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/config"
	"github.com/belaycd/belay/internal/app"
	"github.com/belaycd/belay/internal/sandbox"
)

// Limit bounds every wait and every request of a test.
const Limit = 60 * time.Second

// fieldManager is the name under which tests write.
const fieldManager = "e2e"

// Cluster is an API server that serves Belay's definitions.
type Cluster struct {
	Kubeconfig string
	REST       *rest.Config
	client.WithWatch
	// Belay is the path of the program under test.
	Belay string
}

// Shared returns the cluster that the tests of this binary share.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	box := sandbox.Start(t)
	c := connect(t, box.Kubeconfig(), box.RESTConfig())
	c.install(t)
	return c
}

// Given returns a cluster that is there already. Where install is set, Belay's definitions are put into it and a Plane can
// be started for it; else it is left as it is, and Served names the control plane that works there.
func Given(t testing.TB, kubeconfig string, install bool) *Cluster {
	t.Helper()
	rc, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	rc.QPS = -1
	c := connect(t, kubeconfig, rc)
	if install {
		c.install(t)
	}
	return c
}

// Launch starts a cluster for this test alone, which ends with it. Where dir is not empty, it keeps its state there, so that
// it can be stopped and launched again.
func Launch(t testing.TB, dir string) (*Cluster, *sandbox.Instance) {
	t.Helper()
	instance := Boot(t, dir)
	rc, err := clientcmd.BuildConfigFromFlags("", instance.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	rc.QPS = -1
	c := connect(t, instance.Kubeconfig(), rc)
	c.install(t)
	return c, instance
}

// Boot starts a cluster process, which ends with the test at the latest.
func Boot(t testing.TB, dir string) *sandbox.Instance {
	t.Helper()
	instance, err := sandbox.Launch(context.Background(), sandbox.Options{Binary: sandbox.Binary(t), DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = instance.Stop() }) // how it ended is the business of whoever stopped it
	return instance
}

func connect(t testing.TB, kubeconfig string, rc *rest.Config) *Cluster {
	t.Helper()
	scheme, err := app.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{Kubeconfig: kubeconfig, REST: rc}
	if c.WithWatch, err = client.NewWithWatch(rc, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	return c
}

// install builds the program under test and makes the cluster serve what it works on.
func (c *Cluster) install(t testing.TB) {
	t.Helper()
	c.Belay = Program(t)
	crds, err := config.CRDs()
	if err != nil {
		t.Fatal(err)
	}
	for _, crd := range crds {
		c.Apply(t, string(crd))
	}
	Eventually(t, "Applications are served", func(ctx context.Context) error {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(schema.GroupVersionKind{Group: "argoproj.io", Version: "v1alpha1", Kind: "ApplicationList"})
		return c.List(ctx, list)
	})
}

// Program returns the path of belay: that of $BELAY_BIN, else one that is built from this checkout. To find that there is nothing to
// build costs a second: a Cluster knows the path already.
func Program(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("BELAY_BIN"); path != "" {
		return path
	}
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("find the module: %v", err)
	}
	// One place for a checkout: an up-to-date program is not linked again.
	path := filepath.Join(filepath.Dir(strings.TrimSpace(string(module))), "bin", "e2e", "belay")
	build := exec.Command("go", "build", "-o", path, "github.com/belaycd/belay/cmd/belay")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build belay: %v\n%s", err, out)
	}
	return path
}

// Context returns a context that ends with the test or after Limit.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	t.Cleanup(cancel)
	return ctx
}

// Apply writes the objects of a YAML stream by server-side apply.
func (c *Cluster) Apply(t testing.TB, manifests string) {
	t.Helper()
	for _, doc := range strings.Split(manifests, "\n---\n") {
		u := Object(t, doc)
		if len(u.Object) == 0 {
			continue
		}
		err := c.WithWatch.Apply(Context(t), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(fieldManager), client.ForceOwnership)
		if err != nil {
			t.Fatalf("apply %s %s: %v", u.GetKind(), u.GetName(), err)
		}
	}
}

// Object reads a YAML document.
func Object(t testing.TB, doc string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
		t.Fatalf("read manifest: %v\n%s", err, doc)
	}
	return u
}

// ID names an object: apiVersion and kind, namespace and name.
type ID struct{ APIVersion, Kind, Namespace, Name string }

// Ref makes an ID.
func Ref(apiVersion, kind, namespace, name string) ID { return ID{apiVersion, kind, namespace, name} }

func (id ID) empty() *unstructured.Unstructured {
	u := &unstructured.Unstructured{}
	u.SetAPIVersion(id.APIVersion)
	u.SetKind(id.Kind)
	u.SetNamespace(id.Namespace)
	u.SetName(id.Name)
	return u
}

// Live returns an object, nil when there is none.
func (c *Cluster) Live(t testing.TB, id ID) *unstructured.Unstructured {
	t.Helper()
	u := id.empty()
	err := c.WithWatch.Get(Context(t), client.ObjectKeyFromObject(u), u)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		t.Fatalf("read %s %s/%s: %v", id.Kind, id.Namespace, id.Name, err)
	}
	return u
}

// Edit changes an object as a person with kubectl edit would.
func (c *Cluster) Edit(t testing.TB, id ID, change func(u *unstructured.Unstructured)) {
	t.Helper()
	if !c.TryEdit(t, id, change) {
		t.Fatalf("edit %s %s/%s: it does not exist", id.Kind, id.Namespace, id.Name)
	}
}

// TryEdit is Edit of an object that may be gone; it reports whether there was one.
func (c *Cluster) TryEdit(t testing.TB, id ID, change func(u *unstructured.Unstructured)) bool {
	t.Helper()
	ctx := Context(t)
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		u := id.empty()
		if err := c.WithWatch.Get(ctx, client.ObjectKeyFromObject(u), u); err != nil {
			return err
		}
		change(u)
		return c.WithWatch.Update(ctx, u, client.FieldOwner("kubectl-edit"))
	})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatalf("edit %s %s/%s: %v", id.Kind, id.Namespace, id.Name, err)
	}
	return err == nil
}

// Remove deletes an object as a person with kubectl delete would.
func (c *Cluster) Remove(t testing.TB, id ID) {
	t.Helper()
	if !c.TryRemove(t, id) {
		t.Fatalf("delete %s %s/%s: it does not exist", id.Kind, id.Namespace, id.Name)
	}
}

// TryRemove is Remove of an object that may be gone; it reports whether there was one.
func (c *Cluster) TryRemove(t testing.TB, id ID) bool {
	t.Helper()
	err := c.WithWatch.Delete(Context(t), id.empty(), client.PropagationPolicy(metav1.DeletePropagationBackground))
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatalf("delete %s %s/%s: %v", id.Kind, id.Namespace, id.Name, err)
	}
	return err == nil
}

// Namespace makes a namespace named after the test, and waits until pods can be created in it.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	return c.NamespaceFor(t, t.Name())
}

// NamespaceFor is Namespace with another name than the test's.
func (c *Cluster) NamespaceFor(t testing.TB, purpose string) string {
	t.Helper()
	ns := &unstructured.Unstructured{}
	ns.SetAPIVersion("v1")
	ns.SetKind("Namespace")
	ns.SetGenerateName(label(purpose) + "-")
	if err := c.Create(Context(t), ns); err != nil {
		t.Fatalf("create namespace: %v", err)
	}
	name := ns.GetName()
	t.Cleanup(func() {
		// The cluster goes away with the test binary anyhow, so an error does no harm.
		_ = c.WithWatch.Delete(context.Background(), ID{APIVersion: "v1", Kind: "Namespace", Name: name}.empty())
	})
	Eventually(t, "namespace "+name+" has its service account", func(ctx context.Context) error {
		sa := Ref("v1", "ServiceAccount", name, "default").empty()
		return c.WithWatch.Get(ctx, client.ObjectKeyFromObject(sa), sa)
	})
	return name
}

// label turns the name of a test into the beginning of a DNS label.
func label(test string) string {
	out := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '-'
	}, test)
	return strings.Trim(out[:min(len(out), 40)], "-")
}

// Eventually calls f until it returns nil; after Limit the test fails with the last error.
func Eventually(t testing.TB, what string, f func(ctx context.Context) error) {
	t.Helper()
	if err := until(t.Context(), f); err != nil {
		t.Fatalf("wait until %s: %v", what, err)
	}
}

// pollEvery is how often Eventually looks.
const pollEvery = 20 * time.Millisecond

func until(ctx context.Context, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", Limit, err)
		}
	}
}
