package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/config"
	"github.com/belaycd/belay/examples/callcenter"
)

const (
	controlPlane = "argocd"
	pollInterval = 100 * time.Millisecond
	// cleanTimeout bounds what is deleted from a cluster that stays.
	cleanTimeout = 90 * time.Second
)

// cluster is where the demo runs, and what it has put there.
type cluster struct {
	rest       *rest.Config
	client     client.Client
	kubeconfig string
	version    string
	// created is what was not there before, in the order of creation.
	created []client.Object
}

func connect(kubeconfig string) (*cluster, error) {
	rc, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig %s: %w", kubeconfig, err)
	}
	rc.QPS = -1
	rc.UserAgent = "belay-demo"
	rc.Timeout = 30 * time.Second
	d, err := discovery.NewDiscoveryClientForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of %s: %w", kubeconfig, err)
	}
	version, err := d.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of %s at %s: %w", kubeconfig, rc.Host, err)
	}
	c, err := client.New(rc, client.Options{})
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of %s: %w", kubeconfig, err)
	}
	// Watches have no end; only requests have.
	rc = rest.CopyConfig(rc)
	rc.Timeout = 0
	return &cluster{rest: rc, client: c, kubeconfig: kubeconfig, version: version.GitVersion}, nil
}

func namespaces() []string {
	return []string{"callcenter-dev", "callcenter-staging", "callcenter-prod"}
}

// refuseUsed keeps the demo away from a cluster where something has its names.
func (c *cluster) refuseUsed(ctx context.Context) error {
	for _, name := range namespaces() {
		var ns corev1.Namespace
		err := c.client.Get(ctx, types.NamespacedName{Name: name}, &ns)
		if err == nil {
			return fmt.Errorf("namespace %s exists already in the cluster of %s: the demo does not touch it; delete it or use another cluster", name, c.kubeconfig)
		}
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("look at namespace %s: %w", name, err)
		}
	}
	return nil
}

// install puts the definitions, the namespace of the control plane, the project and the applications into the cluster.
func (c *cluster) install(ctx context.Context, repoURL string) error {
	crds, err := definitions()
	if err != nil {
		return err
	}
	for _, crd := range crds {
		if err := c.createOrKeep(ctx, crd); err != nil {
			return err
		}
	}
	if err := c.established(ctx, crds); err != nil {
		return err
	}
	ns := &unstructured.Unstructured{}
	ns.SetAPIVersion("v1")
	ns.SetKind("Namespace")
	ns.SetName(controlPlane)
	if err := c.createOrKeep(ctx, ns); err != nil {
		return err
	}
	objects, err := controlObjects(repoURL)
	if err != nil {
		return err
	}
	for _, u := range objects {
		if err := c.client.Create(ctx, u); err != nil {
			return fmt.Errorf("create %s %s: %w", u.GetKind(), u.GetName(), err)
		}
		c.created = append(c.created, u)
	}
	return nil
}

func (c *cluster) createOrKeep(ctx context.Context, u *unstructured.Unstructured) error {
	switch err := c.client.Create(ctx, u); {
	case apierrors.IsAlreadyExists(err):
		return nil
	case err != nil:
		return fmt.Errorf("create %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	c.created = append(c.created, u)
	return nil
}

func (c *cluster) established(ctx context.Context, crds []*unstructured.Unstructured) error {
	for _, crd := range crds {
		err := wait.PollUntilContextTimeout(ctx, pollInterval, 30*time.Second, true, func(ctx context.Context) (bool, error) {
			live := crd.DeepCopy()
			if err := c.client.Get(ctx, client.ObjectKeyFromObject(crd), live); err != nil {
				return false, err
			}
			conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions") // absent until it is established
			return slices.ContainsFunc(conditions, func(v any) bool {
				m, ok := v.(map[string]any)
				return ok && m["type"] == "Established" && m["status"] == "True"
			}), nil
		})
		if err != nil {
			return fmt.Errorf("wait for CustomResourceDefinition %s: %w", crd.GetName(), err)
		}
	}
	return nil
}

// definitions are Belay's own and those that the example needs where no External Secrets Operator is.
func definitions() ([]*unstructured.Unstructured, error) {
	docs, err := config.CRDs()
	if err != nil {
		return nil, err
	}
	secrets, err := callcenter.Files.ReadFile("infrastructure/k8s/crds/external-secrets.yaml")
	if err != nil {
		return nil, err
	}
	return decode(append(docs, secrets)...)
}

// controlObjects are the example's project and applications, the project first.
func controlObjects(repoURL string) ([]*unstructured.Unstructured, error) {
	var docs [][]byte
	for _, dir := range []string{"argocd/projects", "argocd/apps"} {
		entries, err := fs.ReadDir(callcenter.Files, dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			data, err := callcenter.Files.ReadFile(dir + "/" + e.Name())
			if err != nil {
				return nil, err
			}
			docs = append(docs, bytes.ReplaceAll(data, []byte(callcenter.RepoURL), []byte(repoURL)))
		}
	}
	return decode(docs...)
}

func decode(docs ...[]byte) ([]*unstructured.Unstructured, error) {
	var out []*unstructured.Unstructured
	for _, data := range docs {
		d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
		for {
			u := &unstructured.Unstructured{}
			err := d.Decode(&u.Object)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("read a manifest of the example: %w", err)
			}
			if len(u.Object) > 0 {
				out = append(out, u)
			}
		}
	}
	return out, nil
}

// uninstallApplications deletes the applications while Belay can still remove what two of them own.
func (c *cluster) uninstallApplications(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	var errs []error
	var apps []client.Object
	for _, o := range slices.Backward(c.created) {
		if o.GetObjectKind().GroupVersionKind().Kind != "Application" {
			continue
		}
		apps = append(apps, o)
		errs = append(errs, c.remove(ctx, o))
	}
	for _, o := range apps {
		errs = append(errs, c.gone(ctx, o))
	}
	return errors.Join(errs...)
}

// uninstall deletes what is left of what the demo created. Definitions stay when somebody else uses them by now.
func (c *cluster) uninstall(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	var errs []error
	var spaces []client.Object
	for _, name := range namespaces() { // refuseUsed has seen that they were not there
		spaces = append(spaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	for _, o := range slices.Backward(c.created) {
		switch o.GetObjectKind().GroupVersionKind().Kind {
		case "Namespace":
			spaces = append(spaces, o)
		case "CustomResourceDefinition": // last
		default:
			errs = append(errs, c.remove(ctx, o))
		}
	}
	for _, o := range spaces {
		errs = append(errs, c.remove(ctx, o))
	}
	for _, o := range spaces {
		errs = append(errs, c.gone(ctx, o))
	}
	for _, o := range slices.Backward(c.created) {
		if u, ok := o.(*unstructured.Unstructured); ok && u.GetKind() == "CustomResourceDefinition" && !c.used(ctx, u) {
			errs = append(errs, c.remove(ctx, o))
		}
	}
	return errors.Join(errs...)
}

// used reports whether objects of a definition exist, or whether that cannot be told.
func (c *cluster) used(ctx context.Context, crd *unstructured.Unstructured) bool {
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")        // a definition has all
	kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind") // of them: the API
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")   // server took it
	if len(versions) == 0 {
		return true
	}
	version, _ := versions[0].(map[string]any)["name"].(string)
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: version, Kind: kind + "List"})
	err := c.client.List(ctx, list, client.Limit(1))
	return err != nil || len(list.Items) > 0
}

func (c *cluster) remove(ctx context.Context, o client.Object) error {
	err := c.client.Delete(ctx, o.DeepCopyObject().(client.Object)) // a copy of a client.Object is one
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete %s: %w", o.GetName(), err)
	}
	return nil
}

func (c *cluster) gone(ctx context.Context, o client.Object) error {
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		err := c.client.Get(ctx, client.ObjectKeyFromObject(o), o.DeepCopyObject().(client.Object)) // as in remove
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("wait until %s is deleted: %w", o.GetName(), err)
	}
	return nil
}
