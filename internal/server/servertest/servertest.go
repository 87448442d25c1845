// Package servertest is what tests of the server stand on: a test goes in; a namespace of a real cluster that serves Argo CD's
// kinds, and a client for it, come out.
package servertest

import (
	"context"
	"testing"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/config"
	"github.com/belaycd/belay/internal/sandbox"
)

// Patience is how long tests wait for what has to happen.
const Patience = time.Minute

// Cluster is a control plane's namespace.
type Cluster struct {
	t         *testing.T
	Sandbox   *sandbox.Sandbox
	Client    client.WithWatch
	Kube      kubernetes.Interface
	Namespace string
}

// New returns a namespace of the test binary's cluster.
func New(t *testing.T) *Cluster {
	t.Helper()
	c := &Cluster{t: t, Sandbox: sandbox.Start(t)}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientscheme.AddToScheme, v1alpha1.AddToScheme, apiextensions.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if c.Client, err = client.NewWithWatch(c.Sandbox.RESTConfig(), client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	if c.Kube, err = kubernetes.NewForConfig(c.Sandbox.RESTConfig()); err != nil {
		t.Fatal(err)
	}
	c.Namespace = c.Sandbox.Namespace(t)
	c.installCRDs()
	return c
}

func (c *Cluster) installCRDs() {
	c.t.Helper()
	documents, err := config.CRDs()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, data := range documents {
		var crd apiextensions.CustomResourceDefinition
		if err := yaml.Unmarshal(data, &crd); err != nil {
			c.t.Fatal(err)
		}
		if err := c.Client.Create(c.t.Context(), &crd); err != nil && !apierrors.IsAlreadyExists(err) {
			c.t.Fatal(err)
		}
	}
	// That a definition is established does not say yet that its kind is served.
	c.Eventually("Applications and projects are served", func(ctx context.Context) bool {
		return c.Client.List(ctx, &v1alpha1.ApplicationList{}, client.InNamespace(c.Namespace)) == nil &&
			c.Client.List(ctx, &v1alpha1.AppProjectList{}, client.InNamespace(c.Namespace)) == nil
	})
}

// Eventually waits until cond is true.
func (c *Cluster) Eventually(what string, cond func(context.Context) bool) {
	c.t.Helper()
	err := wait.PollUntilContextTimeout(c.t.Context(), 20*time.Millisecond, Patience, true, func(ctx context.Context) (bool, error) { return cond(ctx), nil })
	if err != nil {
		c.t.Fatalf("waiting until %s: %v", what, err)
	}
}

// App makes an Application; what change does not set is that of a small one.
func (c *Cluster) App(name string, change func(*v1alpha1.Application)) *v1alpha1.Application {
	c.t.Helper()
	app := &v1alpha1.Application{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: c.Namespace},
		Spec: v1alpha1.ApplicationSpec{
			Project:     v1alpha1.DefaultProjectName,
			Source:      &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/deploy.git", Path: "app", TargetRevision: "main"},
			Destination: v1alpha1.ApplicationDestination{Server: v1alpha1.InClusterServer, Namespace: c.Namespace},
		},
	}
	if change != nil {
		change(app)
	}
	if err := c.Client.Create(c.t.Context(), app); err != nil {
		c.t.Fatal(err)
	}
	return app
}

// Read reads an Application.
func (c *Cluster) Read(name string) *v1alpha1.Application {
	c.t.Helper()
	app := &v1alpha1.Application{}
	if err := c.Client.Get(c.t.Context(), client.ObjectKey{Namespace: c.Namespace, Name: name}, app); err != nil {
		c.t.Fatal(err)
	}
	return app
}
