package network

import (
	"fmt"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// place is a namespace with what the repository puts into it.
type place struct {
	site     check.Site
	works    []work
	policies []policy
	// defined is the Namespace, nil if the repository does not define it.
	defined *check.Object
	// makers tells that the namespace holds objects of kinds that may make pods which are not seen here.
	makers bool
}

type work struct {
	object *check.Object
	labels map[string]any
	path   string
	host   bool
}

type policy struct {
	object          *check.Object
	selector        map[string]any
	all             bool // selects every pod
	ingress, egress bool // the directions that it isolates
}

// note puts an object to its place.
func note(places map[check.Site]*place, o *check.Object) {
	at := func() *place {
		site := o.Site()
		p, ok := places[site]
		if !ok {
			p = &place{site: site}
			places[site] = p
		}
		return p
	}
	if o.Ref.Group == "networking.k8s.io" && o.Ref.Kind == "NetworkPolicy" {
		p := at()
		p.policies = append(p.policies, read(o))
		return
	}
	if pod := check.PodOf(o.Unstructured); pod != nil {
		labels, _ := pod.Metadata["labels"].(map[string]any)
		host, _ := pod.Spec["hostNetwork"].(bool)
		p := at()
		p.works = append(p.works, work{object: o, labels: labels, path: pod.Path, host: host})
		return
	}
	if o.Ref.Group == "" && o.Ref.Kind == "Namespace" {
		site := o.Site()
		site.Namespace = o.Ref.Name
		p, ok := places[site]
		if !ok {
			p = &place{site: site}
			places[site] = p
		}
		p.defined = o
		return
	}
	if makesPods(o) {
		at().makers = true
	}
}

// makesPods reports whether an object is of a custom kind that is not known to make no pods.
func makesPods(o *check.Object) bool {
	g := o.Ref.Group
	if g == "" || !strings.Contains(g, ".") || strings.HasSuffix(g, ".k8s.io") {
		return g == "gateway.networking.k8s.io" && o.Ref.Kind == "Gateway"
	}
	switch g {
	case "external-secrets.io", "generators.external-secrets.io", "bitnami.com", "cert-manager.io", "kyverno.io", "argoproj.io", "keda.sh", "traefik.io", "monitoring.coreos.com":
		return slices.Contains([]string{"Rollout", "Workflow", "CronWorkflow", "ScaledJob", "Alertmanager", "Prometheus", "PrometheusAgent", "ThanosRuler"}, o.Ref.Kind)
	}
	return true
}

// otherPolicies reports whether an object is a policy on traffic of another kind than NetworkPolicy.
func otherPolicies(o *check.Object) bool {
	switch o.Ref.Kind {
	case "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy", "GlobalNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy":
		return true
	case "NetworkPolicy":
		return o.Ref.Group != "networking.k8s.io"
	}
	return false
}

func read(o *check.Object) policy {
	spec := check.MapAt(o.Object, "spec")
	p := policy{object: o, selector: check.MapAt(spec, "podSelector"), ingress: true, egress: spec["egress"] != nil}
	if p.selector == nil {
		p.selector = map[string]any{}
	}
	p.all = len(check.MapAt(p.selector, "matchLabels"))+len(check.ListAt(p.selector, "matchExpressions")) == 0
	if types := check.TextsAt(spec, "policyTypes"); len(types) > 0 {
		p.ingress, p.egress = slices.Contains(types, "Ingress"), slices.Contains(types, "Egress")
	}
	return p
}

// open returns the index of a rule that allows everything, -1 if there is none.
func (p *policy) open(direction string) int {
	return slices.IndexFunc(check.ListAt(p.object.Object, "spec", direction), func(r any) bool {
		rule, ok := r.(map[string]any)
		peers := "from"
		if direction == "egress" {
			peers = "to"
		}
		return ok && len(check.ListAt(rule, peers)) == 0 && len(check.ListAt(rule, "ports")) == 0
	})
}

func (p *place) judge(report func(check.Finding)) {
	var ingress, egress bool
	for i := range p.policies {
		if q := &p.policies[i]; q.all {
			ingress, egress = ingress || q.ingress && q.open("ingress") < 0, egress || q.egress && q.open("egress") < 0
		}
	}
	works := slices.DeleteFunc(slices.Clone(p.works), func(w work) bool { return w.host }) // no policy holds for the network of the node
	if len(works) > 0 && (!ingress || !egress) && p.site.Namespace != "" && !ofSystem(p.site.Namespace) {
		p.undenied(ingress, egress, works, report)
	}
	if len(p.policies) > 0 && !ingress {
		p.forgotten(works, report)
	}
	for i := range p.policies {
		q := &p.policies[i]
		if !p.makers && len(p.works) > 0 && !q.all && !slices.ContainsFunc(p.works, func(w work) bool { return check.Selects(q.selector, w.labels) }) {
			report(check.Finding{Rule: coverage, Object: q.object, Path: "spec.podSelector",
				Message: fmt.Sprintf("NetworkPolicy %s selects no pod: none of %d workloads in its namespace has %s", q.object.Ref.Name, len(p.works), terms(q.selector))})
		}
	}
	for _, d := range []struct {
		direction string
		denied    bool
	}{{"ingress", ingress}, {"egress", egress}} {
		if d.denied {
			p.reopened(d.direction, report)
		}
	}
}

// reopened reports the policies that allow everything in a namespace that denies it: one defect, however many there are, at the
// first of them.
func (p *place) reopened(direction string, report func(check.Finding)) {
	var first *check.Object
	var names []string
	for i := range p.policies {
		q := &p.policies[i]
		if isolates := direction == "ingress" && q.ingress || direction == "egress" && q.egress; !isolates || q.open(direction) < 0 {
			continue
		}
		names = append(names, q.object.Ref.Name)
		if first == nil || q.object.Ref.Less(first.Ref) {
			first = q.object
		}
	}
	if first == nil {
		return
	}
	slices.Sort(names)
	const most = 5
	if n := len(names); n > most {
		names = append(names[:most:most], fmt.Sprintf("%d more", n-most))
	}
	q := read(first)
	report(check.Finding{Rule: coverage, Object: first, Path: check.Join("spec", direction, check.Element(q.open(direction), "", "")),
		Message: fmt.Sprintf("the namespace denies %s by default, and is opened again for the pods of %s: a rule names neither peers nor ports", direction, strings.Join(names, ", "))})
}

// ofSystem reports whether a namespace belongs to Kubernetes itself.
func ofSystem(namespace string) bool {
	return namespace == "kube-system" || namespace == "kube-public" || namespace == "kube-node-lease"
}

// undenied reports a namespace without a default, at its definition or else at the first workload.
func (p *place) undenied(ingress, egress bool, works []work, report func(check.Finding)) {
	open := "both incoming and outgoing"
	switch {
	case ingress:
		open = "outgoing"
	case egress:
		open = "incoming"
	}
	object := p.defined
	for _, w := range works {
		if p.defined == nil && (object == nil || w.object.Ref.Less(object.Ref)) {
			object = w.object
		}
	}
	runs := "a workload"
	if len(works) > 1 {
		runs = fmt.Sprintf("%d workloads", len(works))
	}
	report(check.Finding{Rule: defaultDeny, Object: object, Path: "metadata.name",
		Message: fmt.Sprintf("namespace %s runs %s, and no NetworkPolicy denies %s traffic by default", p.site.Namespace, runs, open)})
}

// forgotten reports workloads that no policy selects, in a namespace where others are.
func (p *place) forgotten(works []work, report func(check.Finding)) {
	for _, w := range works {
		if kind := w.object.Ref.Kind; kind == "Job" || kind == "CronJob" || kind == "PodTemplate" {
			continue // nobody connects to these; what they may reach is a matter of the default
		}
		selected := slices.ContainsFunc(p.policies, func(q policy) bool { return q.ingress && check.Selects(q.selector, w.labels) })
		if !selected {
			report(check.Finding{Rule: coverage, Object: w.object, Path: check.Join(w.path, "metadata", "labels"),
				Message: fmt.Sprintf("no NetworkPolicy selects the pods of %s %s for incoming traffic, as others of the namespace are", w.object.Ref.Kind, w.object.Ref.Name)})
		}
	}
}

// terms writes a selector in short.
func terms(selector map[string]any) string {
	var out []string
	for k, v := range check.MapAt(selector, "matchLabels") {
		out = append(out, fmt.Sprintf("%s=%v", k, v))
	}
	slices.Sort(out)
	for _, e := range check.ListAt(selector, "matchExpressions") {
		e, _ := e.(map[string]any)
		out = append(out, fmt.Sprintf("%s %s %s", check.TextAt(e, "key"), check.TextAt(e, "operator"), strings.Join(check.TextsAt(e, "values"), "|")))
	}
	return strings.Join(out, ", ")
}
