package demo

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/belaycd/belay/config"
	"github.com/belaycd/belay/examples/callcenter"
)

const (
	controlPlane  = "argocd"
	initialSecret = "argocd-initial-admin-secret"
	pollInterval  = 100 * time.Millisecond
	servedTimeout = 30 * time.Second
	// cleanTimeout bounds what is deleted from a cluster that stays.
	cleanTimeout = 90 * time.Second
)

// cluster is where the demo runs, and what it has put there.
type cluster struct {
	rest       *rest.Config
	client     dynamic.Interface
	kubeconfig string
	version    string
	// created is what was not there before, in the order of creation.
	created []*unstructured.Unstructured
}

func connect(kubeconfig string) (*cluster, error) {
	rc, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("load kubeconfig %s: %w", kubeconfig, err)
	}
	rc.QPS = -1
	rc.UserAgent = "belay-demo"
	rc.WarningHandler = rest.NoWarnings{} // Argo CD's finalizer has an old form, and the account is for other things
	rc.Timeout = 30 * time.Second
	d, err := discovery.NewDiscoveryClientForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of %s: %w", kubeconfig, err)
	}
	version, err := d.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("connect to the cluster of %s at %s: %w", kubeconfig, rc.Host, err)
	}
	c, err := dynamic.NewForConfig(rc)
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
		_, err := c.client.Resource(spaces()).Get(ctx, name, metav1.GetOptions{})
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
	if err := c.createOrKeep(ctx, namespace(controlPlane)); err != nil {
		return err
	}
	objects, err := controlObjects(repoURL)
	if err != nil {
		return err
	}
	for _, u := range objects {
		// An API server that has a definition may still take a moment to serve it.
		err := wait.PollUntilContextTimeout(ctx, pollInterval, servedTimeout, true, func(ctx context.Context) (bool, error) {
			err := c.create(ctx, u)
			if apierrors.IsNotFound(err) {
				return false, nil
			}
			return err == nil, err
		})
		if err != nil {
			return fmt.Errorf("create %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return nil
}

// create creates an object and remembers it.
func (c *cluster) create(ctx context.Context, u *unstructured.Unstructured) error {
	if _, err := c.resource(u).Create(ctx, u, metav1.CreateOptions{FieldManager: "belay-demo"}); err != nil {
		return err
	}
	c.created = append(c.created, u)
	return nil
}

func (c *cluster) createOrKeep(ctx context.Context, u *unstructured.Unstructured) error {
	if err := c.create(ctx, u); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return nil
}

func (c *cluster) established(ctx context.Context, crds []*unstructured.Unstructured) error {
	for _, crd := range crds {
		err := wait.PollUntilContextTimeout(ctx, pollInterval, servedTimeout, true, func(ctx context.Context) (bool, error) {
			live, err := c.resource(crd).Get(ctx, crd.GetName(), metav1.GetOptions{})
			if err != nil {
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
	return c.removeAll(ctx, c.createdOf("Application"))
}

// uninstall deletes what is left of what the demo created. Definitions stay when somebody else uses them by now.
func (c *cluster) uninstall(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cleanTimeout)
	defer cancel()
	var left []*unstructured.Unstructured
	for _, name := range namespaces() { // refuseUsed has seen that they were not there
		left = append(left, namespace(name))
	}
	left = append(left, c.createdOf("AppProject")...)
	err := c.removeAll(ctx, append(left, c.createdOf("Namespace")...))
	for _, crd := range c.createdOf("CustomResourceDefinition") {
		if !c.used(ctx, crd) {
			err = errors.Join(err, c.removeAll(ctx, []*unstructured.Unstructured{crd}))
		}
	}
	return err
}

func (c *cluster) createdOf(kind string) []*unstructured.Unstructured {
	var out []*unstructured.Unstructured
	for _, u := range c.created {
		if u.GetKind() == kind {
			out = append(out, u)
		}
	}
	return out
}

// used reports whether objects of a definition exist, or whether that cannot be told.
func (c *cluster) used(ctx context.Context, crd *unstructured.Unstructured) bool {
	// A definition has all of these, or the API server would not have taken it.
	group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	if len(versions) == 0 {
		return true
	}
	version, _ := versions[0].(map[string]any)["name"].(string)
	gvr := schema.GroupVersionResource{Group: group, Version: version, Resource: plural}
	list, err := c.client.Resource(gvr).List(ctx, metav1.ListOptions{Limit: 1})
	return err != nil || len(list.Items) > 0
}

// removeAll deletes objects and waits until they are gone.
func (c *cluster) removeAll(ctx context.Context, objects []*unstructured.Unstructured) error {
	var errs []error
	for _, u := range objects {
		err := c.resource(u).Delete(ctx, u.GetName(), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("delete %s %s: %w", u.GetKind(), u.GetName(), err))
		}
	}
	for _, u := range objects {
		err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
			_, err := c.resource(u).Get(ctx, u.GetName(), metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return true, nil
			}
			return false, err
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("wait until %s %s is deleted: %w", u.GetKind(), u.GetName(), err))
		}
	}
	return errors.Join(errs...)
}

func spaces() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
}

func namespace(name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
}

// resource is where objects of the four kinds are that the demo itself writes.
func (c *cluster) resource(u *unstructured.Unstructured) dynamic.ResourceInterface {
	gvk := u.GroupVersionKind()
	plural := map[string]string{"Namespace": "namespaces", "CustomResourceDefinition": "customresourcedefinitions",
		"AppProject": "appprojects", "Application": "applications"}[gvk.Kind]
	all := c.client.Resource(gvk.GroupVersion().WithResource(plural))
	if u.GetNamespace() != "" {
		return all.Namespace(u.GetNamespace())
	}
	return all
}

// adminPassword reads the password that Belay made for the account admin.
func (c *cluster) adminPassword(ctx context.Context) (string, error) {
	secrets := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	u, err := c.client.Resource(secrets).Namespace(controlPlane).Get(ctx, initialSecret, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("read the first password: %w", err)
	}
	encoded, _, _ := unstructured.NestedString(u.Object, "data", "password")
	password, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(password) == 0 {
		return "", fmt.Errorf("read the first password: Secret %s/%s holds none", controlPlane, initialSecret)
	}
	return string(password), nil
}
