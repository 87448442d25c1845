package ssa_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/apply/ssa"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/sandbox"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

// kinds knows the resources of this test.
type kinds struct{}

func (kinds) Resource(gvk schema.GroupVersionKind) (schema.GroupVersionResource, bool, bool) {
	plural := map[string]string{
		"Deployment": "deployments", "Service": "services", "ConfigMap": "configmaps", "NetworkPolicy": "networkpolicies",
		"Ingress": "ingresses", "Role": "roles", "Secret": "secrets", "Namespace": "namespaces",
	}[gvk.Kind]
	return gvk.GroupVersion().WithResource(plural), gvk.Kind != "Namespace", plural != ""
}

func (kinds) RefreshDiscovery(context.Context) error { return nil }

type noCache struct{}

func (noCache) Observe(*unstructured.Unstructured)   {}
func (noCache) ObserveDeleted(object.Ref, types.UID) {}

func connect(t *testing.T) (dynamic.Interface, *ssa.Writer, string) {
	t.Helper()
	s := sandbox.Start(t)
	client, err := dynamic.NewForConfig(s.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	return client, ssa.New(client, kinds{}, noCache{}, 8), s.Namespace(t)
}

func manifests(t *testing.T, namespace string) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, text := range []string{`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {a: b}}
    spec:
      nodeSelector: {kubernetes.io/os: linux}
      containers:
      - name: web
        image: web:1
        args: [a, b]
        ports: [{containerPort: 80}, {name: metrics, containerPort: 9090}]
        env: [{name: A, value: "1"}, {name: B, valueFrom: {configMapKeyRef: {name: c, key: k}}}]
        resources: {limits: {cpu: 1000m, memory: 1Gi}, requests: {cpu: "0.5"}}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]`, `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: m, port: 9090, protocol: TCP}]}`, `
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data: {k: v, l: w}`, `
apiVersion: v1
kind: Secret
metadata: {name: s}
data: {k: dg==}`, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}]}]`, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: ing}
spec: {rules: [{host: web.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}`, `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: r}
rules: [{apiGroups: [""], resources: [pods], verbs: [get, list]}]`,
	} {
		j, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		u := &unstructured.Unstructured{}
		if err := u.UnmarshalJSON(j); err != nil {
			t.Fatal(err)
		}
		u.SetNamespace(namespace)
		out = append(out, u)
	}
	return out
}

// TestInSyncIsNeverWrong changes live objects at random as somebody else would, and asks for each state in which the
// local comparison is sure that nothing would change whether the API server agrees.
func TestInSyncIsNeverWrong(t *testing.T) {
	client, w, namespace := connect(t)
	const rounds = 60
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	sure, suspected, refused := 0, 0, 0
	for _, u := range manifests(t, namespace) {
		if _, err := w.Apply(t.Context(), u, apply.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		gvr, _, _ := kinds{}.Resource(u.GroupVersionKind())
		target := client.Resource(gvr).Namespace(namespace)
		for range rounds {
			live, err := target.Get(t.Context(), u.GetName(), metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			mutated := live.DeepCopy()
			what := mutate(rnd, mutated.Object)
			if _, err := target.Update(t.Context(), mutated, metav1.UpdateOptions{FieldManager: "somebody"}); err != nil {
				if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) && !apierrors.IsConflict(err) {
					t.Fatalf("%s: %v", what, err)
				}
				refused++
				continue
			}
			live, err = target.Get(t.Context(), u.GetName(), metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if check(t, w, u, object.NewLive(live), what) {
				sure++
			} else {
				suspected++
			}
			if rnd.IntN(3) == 0 { // start again from what Git says, now and then
				if _, err := w.Apply(t.Context(), u, apply.WriteOptions{}); err != nil && !fault.Is(err, fault.Invalid) {
					t.Fatal(err)
				}
			}
		}
	}
	t.Logf("%d states surely in sync, %d suspected, %d changes refused by the API server", sure, suspected, refused)
	if sure == 0 || suspected == 0 {
		t.Error("the changes did not reach both verdicts")
	}
}

// check reports whether the comparison was sure, and fails the test when it was and the server would change something.
func check(t *testing.T, w *ssa.Writer, desired *unstructured.Unstructured, live *object.Live, what string) bool {
	t.Helper()
	plan, err := diff.Compare(diff.Input{
		Targets: diff.Targets{Objects: []diff.Target{{Ref: object.RefOf(desired), Object: desired, Hash: object.Hash(desired.Object)}}},
		Live:    func(object.Ref) (*object.Live, bool) { return live, true },
		Memory:  diff.NewMemory(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Suspects()) > 0 {
		return false
	}
	predicted, err := w.Predict(t.Context(), desired, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, obj := range []*unstructured.Unstructured{predicted, live.Object} {
		unstructured.RemoveNestedField(obj.Object, "metadata", "resourceVersion")
		unstructured.RemoveNestedField(obj.Object, "metadata", "generation")
		unstructured.RemoveNestedField(obj.Object, "status")
	}
	if changes := diff.Fields(live.Object.Object, predicted.Object); len(changes) > 0 {
		data, _ := json.Marshal(changes)
		t.Errorf("after %s: the comparison was sure that nothing would change, the server would change %s", what, data)
	}
	return true
}

// mutate changes one random thing below spec, data, rules or the labels and annotations.
func mutate(rnd *rand.Rand, obj map[string]any) string {
	roots := []string{"spec", "data", "rules", "metadata"}
	for {
		root := roots[rnd.IntN(len(roots))]
		v, ok := obj[root]
		if !ok {
			continue
		}
		if root == "metadata" {
			meta := v.(map[string]any)
			labels, _ := meta["labels"].(map[string]any)
			if labels == nil {
				labels = map[string]any{}
				meta["labels"] = labels
			}
			return "metadata.labels" + change(rnd, labels)
		}
		at, path := v, root
		for {
			switch c := at.(type) {
			case map[string]any:
				if len(c) == 0 || rnd.IntN(4) == 0 {
					return path + change(rnd, c)
				}
				k := pick(rnd, c)
				if _, leaf := c[k].(string); leaf || c[k] == nil {
					return path + change(rnd, c)
				}
				at, path = c[k], path+"."+k
			case []any:
				if len(c) == 0 {
					return path + " (nothing)"
				}
				i := rnd.IntN(len(c))
				if s, leaf := c[i].(string); leaf {
					c[i] = s + "x"
					return fmt.Sprintf("%s[%d] changed", path, i)
				}
				at, path = c[i], fmt.Sprintf("%s[%d]", path, i)
			default:
				return path + " (nothing)"
			}
		}
	}
}

func change(rnd *rand.Rand, m map[string]any) string {
	if len(m) == 0 || rnd.IntN(2) == 0 {
		m["added"] = "eA=="
		return ": added a key"
	}
	k := pick(rnd, m)
	switch v := m[k].(type) {
	case string:
		m[k] = v + "1"
	case int64:
		m[k] = v + 1
	case bool:
		m[k] = !v
	default:
		delete(m, k)
		return "." + k + " removed"
	}
	return "." + k + " changed"
}

func pick(rnd *rand.Rand, m map[string]any) string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	// Maps have no order; the seed must mean the same every time.
	for i := range keys {
		for j := i + 1; j < len(keys); j++ {
			if keys[j] < keys[i] {
				keys[i], keys[j] = keys[j], keys[i]
			}
		}
	}
	return keys[rnd.IntN(len(keys))]
}
