package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	annotationLastChange = "endpoints.kubernetes.io/last-change-trigger-time"
	podsNamed            = 3 // how many pods a message names
)

// service judges whether a Service leads to a ready pod. One that selects nothing is healthy with a warning: it may
// wait for pods that another application brings.
func service(in input) Result {
	switch in.text("spec", "type") {
	case "ExternalName":
		return healthy("")
	case "LoadBalancer":
		if !in.hasAddress() {
			return progressing("waiting for a load balancer address")
		}
	}
	if len(in.object("spec", "selector")) == 0 || in.truth("spec", "publishNotReadyAddresses") || in.sig == nil {
		return healthy("")
	}
	slices, known := in.sig.EndpointSlices(in.obj.GetNamespace(), in.obj.GetName())
	if !known {
		return healthy("")
	}
	found := in.endpoints(slices)
	switch {
	case found.ready > 0:
		return healthy("")
	case found.total == 0:
		return healthy("warning: no running pod matches the selector")
	}
	return in.overdue(found.since, "none of %d endpoints is ready%s", found.total, found.names())
}

// endpoints is what the EndpointSlices of one Service say together.
type endpoints struct {
	ready, total int
	pods         []string
	since        time.Time // the last change of any of them
}

func (in input) endpoints(all []*unstructured.Unstructured) endpoints {
	var out endpoints
	seen := map[string]bool{} // a dual-stack pod is in one slice per address family
	for _, slice := range all {
		if slice == nil {
			continue
		}
		f := &fields{root: slice.Object}
		out.since = latest(out.since, changed(slice))
		for i, item := range f.list("endpoints") {
			e := f.part(item)
			// The API says that an unknown "ready" means ready.
			ready := e.get("conditions", "ready") == nil || e.truth("conditions", "ready")
			if e.truth("conditions", "terminating") {
				continue
			}
			name := e.text("targetRef", "name")
			key := name
			if key == "" {
				key = fmt.Sprintf("%s#%d", slice.GetName(), i)
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			out.total++
			if ready {
				out.ready++
			} else if name != "" {
				out.pods = append(out.pods, name)
			}
		}
	}
	if out.since.IsZero() {
		out.since = in.obj.GetCreationTimestamp().Time
	}
	slices.Sort(out.pods)
	return out
}

// changed returns when the pods behind a slice last became ready or unready, as the EndpointSlice controller notes it.
func changed(slice *unstructured.Unstructured) time.Time {
	if t, err := time.Parse(time.RFC3339, slice.GetAnnotations()[annotationLastChange]); err == nil {
		return t
	}
	return slice.GetCreationTimestamp().Time
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (e endpoints) names() string {
	if len(e.pods) == 0 {
		return ""
	}
	if more := len(e.pods) - podsNamed; more > 0 {
		return fmt.Sprintf(": not ready: Pods %s and %d more", strings.Join(e.pods[:podsNamed], ", "), more)
	}
	return ": not ready: Pods " + strings.Join(e.pods, ", ")
}

// ingress is healthy when it leads somewhere. An address is published by few Ingress controllers, so that its absence
// is told and not judged.
func ingress(in input) Result {
	backend := in.object("spec", "defaultBackend")
	if backend == nil {
		backend = in.object("spec", "backend") // extensions/v1beta1
	}
	if backend == nil && len(in.list("spec", "rules")) == 0 {
		return degraded("Ingress has neither rules nor a default backend")
	}
	if !in.hasAddress() {
		return healthy("no controller has published an address yet")
	}
	return healthy("")
}

// hasAddress reports whether status.loadBalancer holds an IP or a host name.
func (in input) hasAddress() bool {
	for _, item := range in.list("status", "loadBalancer", "ingress") {
		f := in.part(item)
		if f.text("ip") != "" || f.text("hostname") != "" {
			return true
		}
	}
	return false
}

func apiService(in input) Result {
	c, ok := in.conditions()["Available"]
	switch {
	case !ok:
		return progressing("waiting for the API server to look at the APIService")
	case c.isTrue():
		return healthy("")
	}
	return progressing("%s", c)
}
