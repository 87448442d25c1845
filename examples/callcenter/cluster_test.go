package callcenter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/belaycd/belay/internal/sandbox"
)

// ready bounds the wait for pods that are simulated: seconds when all is well.
const ready = time.Minute

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

// TestCluster applies every overlay to a real API server, in a namespace that enforces the Pod Security Standard
// restricted, and waits until every pod is ready. Then it applies again: nothing may change.
func TestCluster(t *testing.T) {
	box := sandbox.Start(t)
	setup, cancel := context.WithTimeout(t.Context(), ready)
	defer cancel()
	warnings := &collector{}
	config := box.RESTConfig()
	config.WarningHandler = warnings
	c := newCluster(t, config)
	c.apply(setup, t, "", crds(t))
	c.waitEstablished(setup, t)
	for _, env := range environments {
		t.Run(env.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), ready)
			defer cancel()
			namespace := box.Namespace(t)
			enforce := []byte(`{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted","pod-security.kubernetes.io/warn":"restricted"}}}`)
			_, err := box.Client().CoreV1().Namespaces().Patch(ctx, namespace, types.MergePatchType, enforce, metav1.PatchOptions{})
			if err != nil {
				t.Fatal(err)
			}
			objects := build(t, overlays+env.name)
			c.apply(ctx, t, namespace, objects)
			waitForWorkloads(ctx, t, box, namespace)
			for _, u := range objects {
				before := c.get(ctx, t, namespace, u).GetGeneration()
				if after := c.apply(ctx, t, namespace, []*unstructured.Unstructured{u})[0].GetGeneration(); after != before {
					t.Errorf("%s/%s: a second apply changed the spec (generation %d -> %d)", u.GetKind(), u.GetName(), before, after)
				}
			}
		})
	}
	for _, text := range warnings.texts {
		t.Errorf("the API server warns: %s", text)
	}
}

// collector keeps warnings of the API server: deprecated versions, pods that the standard would refuse.
type collector struct{ texts []string }

func (c *collector) HandleWarningHeader(_ int, _ string, text string) {
	c.texts = append(c.texts, text)
}

type cluster struct {
	client dynamic.Interface
	mapper *restmapper.DeferredDiscoveryRESTMapper
}

func newCluster(t *testing.T, config *rest.Config) *cluster {
	t.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{client, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(kinds))}
}

// apply writes the objects by strict server-side apply and returns them as the server has them.
func (c *cluster) apply(ctx context.Context, t *testing.T, namespace string, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, u := range objects {
		data, err := json.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		live, err := c.resource(t, namespace, u).Patch(ctx, u.GetName(), types.ApplyPatchType, data,
			metav1.PatchOptions{FieldManager: "example", FieldValidation: metav1.FieldValidationStrict})
		if err != nil {
			t.Fatalf("apply %s/%s: %v", u.GetKind(), u.GetName(), err)
		}
		out = append(out, live)
	}
	return out
}

func (c *cluster) get(ctx context.Context, t *testing.T, namespace string, u *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	live, err := c.resource(t, namespace, u).Get(ctx, u.GetName(), metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return live
}

func (c *cluster) resource(t *testing.T, namespace string, u *unstructured.Unstructured) dynamic.ResourceInterface {
	t.Helper()
	gvk := u.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		t.Fatal(err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.client.Resource(mapping.Resource).Namespace(namespace)
	}
	return c.client.Resource(mapping.Resource)
}

func (c *cluster) waitEstablished(ctx context.Context, t *testing.T) {
	t.Helper()
	kinds := c.client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	for _, u := range crds(t) {
		err := wait.PollUntilContextCancel(ctx, 50*time.Millisecond, true, func(ctx context.Context) (bool, error) {
			live, err := kinds.Get(ctx, u.GetName(), metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
			for _, c := range conditions {
				if c, ok := c.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
					return true, nil
				}
			}
			return false, nil
		})
		if err != nil {
			t.Fatalf("wait for %s: %v", u.GetName(), err)
		}
	}
	c.mapper.Reset()
}

func crds(t *testing.T) []*unstructured.Unstructured { return build(t, "infrastructure/k8s/crds") }

// waitForWorkloads waits until every Deployment and StatefulSet has all its pods ready, and as many of them as its
// autoscaler wants at least.
func waitForWorkloads(ctx context.Context, t *testing.T, box *sandbox.Sandbox, namespace string) {
	t.Helper()
	var waiting []string
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		var err error
		waiting, err = unready(ctx, box, namespace)
		return len(waiting) == 0, err
	})
	if err != nil {
		t.Fatalf("wait for workloads: %v; not ready: %s%s", err, strings.Join(waiting, ", "), events(box, namespace))
	}
}

func unready(ctx context.Context, box *sandbox.Sandbox, namespace string) ([]string, error) {
	var out []string
	deployments, err := box.Client().AppsV1().Deployments(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	autoscalers, err := box.Client().AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	least := map[string]int32{}
	for _, a := range autoscalers.Items {
		least[a.Spec.ScaleTargetRef.Name] = *a.Spec.MinReplicas
	}
	for _, d := range deployments.Items {
		if !deployed(d) || *d.Spec.Replicas < least[d.Name] {
			out = append(out, "Deployment/"+d.Name)
		}
	}
	sets, err := box.Client().AppsV1().StatefulSets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	for _, s := range sets.Items {
		if s.Status.ObservedGeneration != s.Generation || s.Status.ReadyReplicas != *s.Spec.Replicas || s.Status.UpdatedReplicas != *s.Spec.Replicas {
			out = append(out, "StatefulSet/"+s.Name)
		}
	}
	return out, nil
}

func deployed(d appsv1.Deployment) bool {
	return d.Status.ObservedGeneration == d.Generation && d.Status.ReadyReplicas == *d.Spec.Replicas && d.Status.UpdatedReplicas == *d.Spec.Replicas
}

// events lists warnings of the namespace: why pods were not created or not scheduled.
func events(box *sandbox.Sandbox, namespace string) string {
	list, err := box.Client().CoreV1().Events(namespace).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		return "\n" + err.Error()
	}
	var out strings.Builder
	for _, e := range list.Items {
		if e.Type == corev1.EventTypeWarning {
			fmt.Fprintf(&out, "\n%s: %s", filepath.Join(e.InvolvedObject.Kind, e.InvolvedObject.Name), e.Message)
		}
	}
	return out.String()
}
