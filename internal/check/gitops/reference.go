package gitops

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

func referenceRule() check.Rule {
	return check.Rule{
		ID: "dangling-ref", Title: "reference to something that is not deployed", Severity: check.Warning,
		Why:       "A pod that mounts a ConfigMap, a Secret or a claim that does not exist does not start; a Service, an Ingress or an autoscaler without its target does nothing.",
		Fix:       "Correct the name, or add the object to what the cluster gets. For a ConfigMap or Secret that may be missing set optional: true.",
		Standards: []string{"kube-linter non-existent-service-account", "kube-linter dangling-service", "kube-linter dangling-ingress", "kube-linter dangling-horizontalpodautoscaler"},
	}
}

// reference is one object that names another one of its namespace.
type reference struct {
	from       *check.Object
	path       string
	kind, name string
}

func (r reference) key() string { return r.kind + "/" + r.name }

// references judges each namespace of each cluster as a whole. A directory that no Application deploys may meet anything.
func references(repo *check.Repository, report func(check.Finding)) {
	worlds := worldsOf(repo)
	each(repo, func(o *check.Object) {
		if o.Unit.Context {
			return
		}
		w := worlds[cluster(o.Unit)]
		for _, r := range referencesOf(o) {
			if r.name != "" && !strings.Contains(r.name, "$(") && !w.has(r) {
				report(check.Finding{Rule: "dangling-ref", Object: o, Path: r.path, Message: fmt.Sprintf("%s refers to %s %s, which nothing here deploys", kindName(o), r.kind, r.name)})
			}
		}
		if labels := danglingSelector(o, w); labels != "" {
			report(check.Finding{Rule: "dangling-ref", Object: o, Path: "spec.selector", Message: fmt.Sprintf("%s selects pods with %s, which nothing here makes", kindName(o), labels)})
		}
	})
}

// referencesOf lists what an object needs by name.
func referencesOf(o *check.Object) (out []reference) {
	add := func(path, kind, name string) { out = append(out, reference{o, path, kind, name}) }
	switch o.GroupVersionKind().Group + "/" + o.GetKind() {
	case "networking.k8s.io/Ingress":
		backend := func(path string, from any) {
			add(check.Join(path, "service", "name"), "Service", text(from, "service", "name"))
		}
		backend("spec.defaultBackend", field(o.Object, "spec", "defaultBackend"))
		for i, rule := range list(o.Object, "spec", "rules") {
			for j, p := range list(rule, "http", "paths") {
				backend("spec.rules["+strconv.Itoa(i)+"].http.paths["+strconv.Itoa(j)+"].backend", field(p, "backend"))
			}
		}
	case "autoscaling/HorizontalPodAutoscaler":
		if kind := text(o.Object, "spec", "scaleTargetRef", "kind"); kind == "Deployment" || kind == "StatefulSet" || kind == "ReplicaSet" {
			add("spec.scaleTargetRef.name", kind, text(o.Object, "spec", "scaleTargetRef", "name"))
		}
	case "rbac.authorization.k8s.io/RoleBinding":
		if text(o.Object, "roleRef", "kind") == "Role" {
			add("roleRef.name", "Role", text(o.Object, "roleRef", "name"))
		}
		for i, s := range list(o.Object, "subjects") {
			if ns := text(s, "namespace"); text(s, "kind") == "ServiceAccount" && (ns == "" || ns == o.GetNamespace()) {
				add("subjects["+strconv.Itoa(i)+"].name", "ServiceAccount", text(s, "name"))
			}
		}
	}
	if pod := check.PodOf(o.Unstructured); pod != nil {
		out = append(out, referencesOfPod(o, pod)...)
	}
	return out
}

func referencesOfPod(o *check.Object, pod *check.Pod) (out []reference) {
	spec := check.Join(pod.Path, "spec")
	add := func(path, kind, name string, optional any) {
		if optional != true {
			out = append(out, reference{o, path, kind, name})
		}
	}
	add(spec+".serviceAccountName", "ServiceAccount", text(pod.Spec, "serviceAccountName"), nil)
	for i, v := range list(pod.Spec, "volumes") {
		at := check.Join(spec, "volumes", check.Element(i, "name", text(v, "name")))
		add(at+".configMap.name", "ConfigMap", text(v, "configMap", "name"), field(v, "configMap", "optional"))
		add(at+".secret.secretName", "Secret", text(v, "secret", "secretName"), field(v, "secret", "optional"))
		add(at+".persistentVolumeClaim.claimName", "PersistentVolumeClaim", text(v, "persistentVolumeClaim", "claimName"), nil)
		for j, s := range list(v, "projected", "sources") {
			from := at + ".projected.sources[" + strconv.Itoa(j) + "]"
			add(from+".configMap.name", "ConfigMap", text(s, "configMap", "name"), field(s, "configMap", "optional"))
			add(from+".secret.name", "Secret", text(s, "secret", "name"), field(s, "secret", "optional"))
		}
	}
	for _, c := range pod.Containers() {
		for i, e := range list(c.Fields, "env") {
			at := check.Join(c.Path, "env", check.Element(i, "name", text(e, "name")), "valueFrom")
			add(at+".configMapKeyRef.name", "ConfigMap", text(e, "valueFrom", "configMapKeyRef", "name"), field(e, "valueFrom", "configMapKeyRef", "optional"))
			add(at+".secretKeyRef.name", "Secret", text(e, "valueFrom", "secretKeyRef", "name"), field(e, "valueFrom", "secretKeyRef", "optional"))
		}
		for i, e := range list(c.Fields, "envFrom") {
			at := check.Join(c.Path, "envFrom", "["+strconv.Itoa(i)+"]")
			add(at+".configMapRef.name", "ConfigMap", text(e, "configMapRef", "name"), field(e, "configMapRef", "optional"))
			add(at+".secretRef.name", "Secret", text(e, "secretRef", "name"), field(e, "secretRef", "optional"))
		}
	}
	return out
}

// danglingSelector returns the labels of a Service or a disruption budget that select nothing.
func danglingSelector(o *check.Object, w *world) string {
	var wanted map[string]any
	switch o.GroupVersionKind().Group + "/" + o.GetKind() {
	case "/Service":
		wanted, _ = field(o.Object, "spec", "selector").(map[string]any)
	case "policy/PodDisruptionBudget":
		wanted, _ = field(o.Object, "spec", "selector", "matchLabels").(map[string]any)
		if len(list(o.Object, "spec", "selector", "matchExpressions")) > 0 {
			return ""
		}
	}
	ns := w.namespaces[o.GetNamespace()]
	if len(wanted) == 0 || ns == nil || ns.operated || w.partial {
		return ""
	}
	for _, labels := range ns.pods {
		if contains(labels, wanted) {
			return ""
		}
	}
	return sorted(wanted)
}
