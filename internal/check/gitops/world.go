package gitops

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// world is all that one cluster gets from the repository.
type world struct {
	namespaces map[string]*namespace
	// partial says that a part of it is elsewhere or could not be rendered, so that nothing can be said to be missing.
	partial bool
}

// namespace is what stands in one namespace.
type namespace struct {
	objects map[string]bool // kind/name
	pods    []map[string]any
	// operated says that there are objects of other kinds, whose controllers may make anything.
	operated bool
	// secrets says that Secrets of the namespace come from here.
	secrets bool
	// words are the arguments of programs: one that is told the name of an object may make it.
	words []string
}

// worldsOf sorts what is rendered by cluster. What no Application deploys belongs to all of them.
func worldsOf(repo *check.Repository) map[string]*world {
	worlds := map[string]*world{"": {namespaces: map[string]*namespace{}}}
	for _, u := range repo.Units {
		if c := cluster(u); worlds[c] == nil {
			worlds[c] = &world{namespaces: map[string]*namespace{}}
		}
	}
	for c, w := range worlds {
		for _, u := range repo.Units {
			if c != "" && u.App != nil && cluster(u) != c {
				continue
			}
			if u.Err != nil || u.Skipped != "" || u.Err == nil && len(u.Objects) == 0 && !u.Unchanged && u.App == nil {
				w.miss(u)
			}
			for _, o := range u.Objects {
				w.add(o)
			}
		}
	}
	return worlds
}

// miss notes a unit of which the objects are not known: its namespace may hold anything.
func (w *world) miss(u *check.Unit) {
	if u.Namespace == "" {
		w.partial = w.partial || u.App != nil
		return
	}
	w.namespace(u.Namespace).operated = true
}

func (w *world) namespace(name string) *namespace {
	ns := w.namespaces[name]
	if ns == nil {
		ns = &namespace{objects: map[string]bool{}}
		w.namespaces[name] = ns
	}
	return ns
}

func (w *world) add(o *check.Object) {
	ns := w.namespace(o.GetNamespace())
	ns.objects[o.GetKind()+"/"+o.GetName()] = true
	switch group := o.GroupVersionKind().Group; group {
	case "external-secrets.io":
		if o.GetKind() == "ExternalSecret" {
			ns.makes(or(text(o.Object, "spec", "target", "name"), o.GetName()))
		}
	case "bitnami.com":
		ns.makes(or(text(o.Object, "spec", "template", "metadata", "name"), o.GetName()))
	case "cert-manager.io":
		ns.makes(text(o.Object, "spec", "secretName"))
	case "monitoring.coreos.com":
		ns.operated = ns.operated || slices.Contains([]string{"Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler"}, o.GetKind())
	case "argoproj.io", "kustomize.config.k8s.io", "gateway.networking.k8s.io", "":
		ns.secrets = ns.secrets || o.GetKind() == "Secret"
	default:
		ns.operated = ns.operated || strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io")
	}
	if o.GetKind() == "StatefulSet" {
		for _, c := range list(o.Object, "spec", "volumeClaimTemplates") {
			for i := range 10 {
				ns.objects[fmt.Sprintf("PersistentVolumeClaim/%s-%s-%d", text(c, "metadata", "name"), o.GetName(), i)] = true
			}
		}
	}
	pod := check.PodOf(o.Unstructured)
	if pod == nil {
		return
	}
	if labels, ok := pod.Metadata["labels"].(map[string]any); ok {
		ns.pods = append(ns.pods, labels)
	}
	for _, c := range pod.Containers() {
		for _, word := range slices.Concat(list(c.Fields, "args"), list(c.Fields, "command")) {
			if s, ok := word.(string); ok {
				ns.words = append(ns.words, s)
			}
		}
		for _, e := range list(c.Fields, "env") {
			if s := text(e, "value"); s != "" {
				ns.words = append(ns.words, s)
			}
		}
	}
}

func (n *namespace) makes(secret string) {
	n.secrets = true
	n.objects["Secret/"+secret] = true
}

// has reports whether what a reference names may be there: what Kubernetes itself, an operator or a program of the namespace
// makes counts, and so do Secrets where none of them comes from here.
func (w *world) has(r reference) bool {
	ns := w.namespaces[r.from.GetNamespace()]
	if ns == nil || w.partial || ns.objects[r.key()] || strings.HasPrefix(r.from.GetNamespace(), "kube-") {
		return true
	}
	switch r.kind {
	case "ServiceAccount":
		if r.name == "default" {
			return true
		}
	case "ConfigMap":
		if r.name == "kube-root-ca.crt" || ns.operated {
			return true
		}
	case "Secret":
		if ns.operated || !ns.secrets {
			return true
		}
	case "Service", "PersistentVolumeClaim":
		if ns.operated {
			return true
		}
	}
	return slices.ContainsFunc(ns.words, func(word string) bool { return strings.Contains(word, r.name) })
}

// contains reports whether labels hold all that is wanted.
func contains(labels, wanted map[string]any) bool {
	for key, value := range wanted {
		if labels[key] != value {
			return false
		}
	}
	return true
}

func sorted(labels map[string]any) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, fmt.Sprintf("%s=%v", key, labels[key]))
	}
	return strings.Join(out, ",")
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}
