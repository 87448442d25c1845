package live

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func group(name string, versions ...string) *metav1.APIGroup {
	g := &metav1.APIGroup{Name: name}
	for _, v := range versions {
		gv := schema.GroupVersion{Group: name, Version: v}.String()
		g.Versions = append(g.Versions, metav1.GroupVersionForDiscovery{GroupVersion: gv, Version: v})
	}
	if len(g.Versions) > 0 {
		g.PreferredVersion = g.Versions[0]
	}
	return g
}

// list makes resources of kinds "plural:Kind"; "-" before it means that it cannot be watched.
func list(gv string, resources ...string) *metav1.APIResourceList {
	l := &metav1.APIResourceList{GroupVersion: gv}
	for _, r := range resources {
		verbs := metav1.Verbs{"get", "list", "watch"}
		if r[0] == '-' {
			r, verbs = r[1:], metav1.Verbs{"create"}
		}
		for i := range r {
			if r[i] == ':' {
				l.APIResources = append(l.APIResources, metav1.APIResource{Name: r[:i], Kind: r[i+1:], Namespaced: true, Verbs: verbs})
			}
		}
	}
	return l
}

var hpa = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}

func sample() *catalog {
	return newCatalog(
		[]*metav1.APIGroup{group("", "v1"), group("autoscaling", "v2", "v1"), group("metrics.k8s.io", "v1beta1")},
		[]*metav1.APIResourceList{
			list("v1", "pods:Pod", "-pods/log:Pod", "-bindings:Binding"),
			list("autoscaling/v1", "hpas:HorizontalPodAutoscaler"),
			list("autoscaling/v2", "-odd:HorizontalPodAutoscaler", "hpas:HorizontalPodAutoscaler"),
			list("metrics.k8s.io/v1beta1", "pods:PodMetrics"),
		}, nil)
}

func TestCatalogLookup(t *testing.T) {
	c := sample()
	k, ok := c.lookup(hpa, "")
	if !ok || k.Version != "v2" || k.Resource != "hpas" || k.Preferred != "v2" {
		t.Errorf("preferred: %+v", k)
	}
	if diff := cmp.Diff([]string{"v2", "v1"}, k.Versions); diff != "" {
		t.Error(diff)
	}
	if k, ok := c.lookup(hpa, "v1"); !ok || k.GVR() != (schema.GroupVersionResource{Group: "autoscaling", Version: "v1", Resource: "hpas"}) {
		t.Errorf("v1: %+v", k)
	}
	if _, ok := c.lookup(hpa, "v2beta2"); ok {
		t.Error("v2beta2 is not served")
	}
	want := []string{"autoscaling/v1", "autoscaling/v1/HorizontalPodAutoscaler", "autoscaling/v2",
		"autoscaling/v2/HorizontalPodAutoscaler", "metrics.k8s.io/v1beta1", "metrics.k8s.io/v1beta1/PodMetrics",
		"v1", "v1/Binding", "v1/Pod"}
	if diff := cmp.Diff(want, c.apiVersions()); diff != "" {
		t.Errorf("apiVersions (-want +got):\n%s", diff)
	}
	for d, want := range map[declaration]bool{
		{name: "pods."}: true, {name: "hpas.autoscaling"}: true, {name: "cats.example.com"}: false,
		{service: true, name: "v1."}: true, {service: true, name: "v1beta1.metrics.k8s.io"}: true,
		{service: true, name: "v1.metrics.k8s.io"}: false,
	} {
		if got := c.reflects(d); got != want {
			t.Errorf("reflects(%v) = %v", d, got)
		}
	}
}

func TestVersionChoice(t *testing.T) {
	c := sample()
	for _, test := range []struct {
		asked []string
		want  string
	}{
		{nil, "v2"},
		{[]string{"v1"}, "v1"},
		{[]string{"v2"}, "v2"},
		{[]string{"v1", "v2"}, "v2"},
		{[]string{"v2beta2"}, "v2"},
		{[]string{"v2beta2", "v1"}, "v1"},
	} {
		asked := map[string]bool{}
		for _, v := range test.asked {
			asked[v] = true
		}
		if k, ok := c.choose(hpa, asked); !ok || k.Version != test.want {
			t.Errorf("asked %v: %s, want %s", test.asked, k.Version, test.want)
		}
	}
	if _, ok := c.choose(schema.GroupKind{Kind: "Binding"}, nil); ok {
		t.Error("Binding cannot be watched")
	}
	if _, ok := c.choose(schema.GroupKind{Kind: "Cat"}, nil); ok {
		t.Error("Cat does not exist")
	}
}

// A part of discovery that fails takes nothing away.
func TestFailedPartsAreKept(t *testing.T) {
	old := sample()
	metrics := schema.GroupVersion{Group: "metrics.k8s.io", Version: "v1beta1"}
	v2 := schema.GroupVersion{Group: "autoscaling", Version: "v2"}
	fresh := newCatalog(
		[]*metav1.APIGroup{group("", "v1"), group("autoscaling", "v1"), group("metrics.k8s.io")},
		[]*metav1.APIResourceList{list("v1", "pods:Pod"), list("autoscaling/v1", "hpas:HorizontalPodAutoscaler")},
		map[schema.GroupVersion]error{metrics: errors.New("stale"), v2: errors.New("stale")})
	fresh.keep(old)
	if k, ok := fresh.lookup(schema.GroupKind{Group: "metrics.k8s.io", Kind: "PodMetrics"}, "v1beta1"); !ok || !k.watchable() {
		t.Errorf("PodMetrics: %+v", k)
	}
	k, _ := fresh.lookup(hpa, "")
	if diff := cmp.Diff([]string{"v2", "v1"}, k.Versions); diff != "" || k.Preferred != "v2" {
		t.Errorf("preferred %s, versions (-want +got):\n%s", k.Preferred, diff)
	}
	if _, ok := fresh.lookup(schema.GroupKind{Kind: "Binding"}, ""); ok {
		t.Error("Binding, which the server left out of an answer without failures, was kept")
	}
	if fresh.reflects(declaration{service: true, name: "v1beta1.metrics.k8s.io"}) {
		t.Error("a failed APIService counts as described")
	}
	if len(fresh.failed) != 2 {
		t.Errorf("failed: %v", fresh.failed)
	}
	// The old catalog is shared with readers.
	if diff := cmp.Diff(sample().kinds, old.kinds); diff != "" {
		t.Errorf("the old catalog was changed:\n%s", diff)
	}
}
