package metamorphic

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/native"
	"github.com/belaycd/belay/internal/kubeapi"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/sandbox"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

// mutations is how many are tried, seed from what they are made.
const (
	mutations = 1000
	seed      = 1
)

// TestNative: whatever the native rules pass, the API server takes, and whatever they refuse, it refuses; both by server-side
// apply, as Belay writes, in a dry run.
func TestNative(t *testing.T) {
	cluster := sandbox.Start(t)
	namespace := cluster.Namespace(t)
	client, err := dynamic.NewForConfig(cluster.RESTConfig())
	if err != nil {
		t.Fatal(err)
	}
	api, err := kubeapi.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{client: client, api: api, namespace: namespace, checker: native.New()}
	seeds := manifests(t, s)
	if len(seeds) < 40 {
		t.Fatalf("only %d manifests to start from", len(seeds))
	}
	t.Run("create", func(t *testing.T) { s.compare(t, seeds, mutations, nil) })
	t.Run("change", func(t *testing.T) {
		var kept []*unstructured.Unstructured
		for _, u := range seeds {
			if !slices.Contains(changeable(), u.GetKind()) || slices.ContainsFunc(kept, func(k *unstructured.Unstructured) bool { return same(k, u) }) {
				continue
			}
			if err := s.apply(t.Context(), u, false); err != nil {
				t.Fatalf("apply %s %s: %v", u.GetKind(), u.GetName(), err)
			}
			kept = append(kept, u)
		}
		s.compare(t, kept, mutations/2, func(u *unstructured.Unstructured) *unstructured.Unstructured {
			return kept[slices.IndexFunc(kept, func(k *unstructured.Unstructured) bool { return same(k, u) })]
		})
	})
}

// changeable are kinds whose objects the cluster itself leaves as they are, but for what it adds to each of them.
func changeable() []string {
	return []string{"Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "Service", "ConfigMap", "Secret", "Role", "RoleBinding", "HorizontalPodAutoscaler",
		"PodDisruptionBudget", "NetworkPolicy", "Ingress", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "PriorityClass", "IngressClass"}
}

func same(a, b *unstructured.Unstructured) bool {
	return a.GroupVersionKind() == b.GroupVersionKind() && a.GetName() == b.GetName()
}

// compare mutates manifests and compares what rules and API server say; before is what an object is in the cluster, if it is.
func (s *server) compare(t *testing.T, seeds []*unstructured.Unstructured, n int, before func(*unstructured.Unstructured) *unstructured.Unstructured) {
	r := rand.New(rand.NewPCG(seed, 1))
	var passed, refused, alike int
	for i := range n {
		u := seeds[r.IntN(len(seeds))].DeepCopy()
		change := mutate(r, u, seeds)
		var was *unstructured.Unstructured
		if before != nil {
			was = before(u)
		}
		offline, online := s.check(t, u, was), s.apply(t.Context(), u, true)
		if was != nil && online == nil {
			// What is there already may lend a manifest what it lacks: a Service that is headless needs no ports and stays headless. In
			// Git it has to be good for a cluster that has nothing yet, too.
			other := u.DeepCopy()
			other.SetName(u.GetName() + "n")
			online = s.apply(t.Context(), other, true)
		}
		if online != nil && dependsOnCluster(online) || strings.Contains(offline, "an integer of 32 bits") {
			continue // server-side apply cuts large numbers off: the API server refuses them from everybody else
		}
		if offline == "" {
			passed++
		} else {
			refused++
		}
		if (offline == "") == (online == nil) {
			alike++
			continue
		}
		t.Errorf("mutation %d of %s %s: %s\n  offline: %s\n  server:  %v", i, u.GetKind(), u.GetName(), change, or(offline, "passes"), online)
	}
	t.Logf("%d mutations of %d manifests: %d pass, %d are refused, %d alike", passed+refused, len(seeds), passed, refused, alike)
	if passed < n/10 || refused < n/10 {
		t.Errorf("the mutations are lopsided: %d pass, %d are refused", passed, refused)
	}
}

func or(text, empty string) string {
	if text == "" {
		return empty
	}
	return text
}

type server struct {
	client    dynamic.Interface
	api       *kubeapi.API
	namespace string
	checker   *native.Checker
}

// check returns what the rules refuse, empty if they pass.
func (s *server) check(t *testing.T, u, was *unstructured.Unstructured) string {
	t.Helper()
	repo := repository(u)
	if was != nil {
		repo.Base = repository(was)
	}
	var mu sync.Mutex
	var found []string
	err := s.checker.Check(t.Context(), repo, func(f check.Finding) {
		mu.Lock()
		defer mu.Unlock()
		if f.Rule == "schema-native" || f.Rule == "update-immutable" {
			found = append(found, f.Message)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return strings.Join(found, "; ")
}

// repository is one with a single object.
func repository(u *unstructured.Unstructured) *check.Repository {
	unit := &check.Unit{Name: "mutations"}
	unit.Objects = []*check.Object{{Unstructured: u.DeepCopy(), Ref: object.RefOf(u), Unit: unit}}
	return &check.Repository{Units: []*check.Unit{unit}}
}

// apply asks the API server by server-side apply.
func (s *server) apply(ctx context.Context, u *unstructured.Unstructured, dry bool) error {
	gvk := u.GroupVersionKind()
	kind := s.api.Kind(gvk)
	data, err := json.Marshal(u.Object)
	if err != nil {
		return err
	}
	resource := s.client.Resource(schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: kind.Plural})
	force := true
	opts := metav1.PatchOptions{Force: &force, FieldManager: "metamorphic"}
	if dry {
		opts.DryRun = []string{metav1.DryRunAll}
	}
	if kind.Namespaced {
		_, err = resource.Namespace(s.namespace).Patch(ctx, u.GetName(), types.ApplyPatchType, data, opts)
	} else {
		_, err = resource.Patch(ctx, u.GetName(), types.ApplyPatchType, data, opts)
	}
	return err
}

// dependsOnCluster reports whether the API server refuses what only it can know: addresses and ports that it gives, objects that
// it looks up.
func dependsOnCluster(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	text := err.Error()
	for _, part := range []string{
		"provided IP is not in the valid range", "provided port is not in the valid range", "provided port is already allocated", "failed to allocate", "is not configured on this cluster",
		"no PriorityClass with name", "service account", "StorageClass", "RuntimeClass", "pod rejected",
	} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// named returns a name that is as random as its text: objects of the cluster must not be met.
func named(text string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return fmt.Sprintf("m%x", h.Sum32())
}
