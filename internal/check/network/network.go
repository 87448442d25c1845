// Package network judges who can reach what: Services, Ingresses and NetworkPolicies of a repository go in, with the pods that they
// are about; findings on what is open come out.
package network

import (
	"context"

	"github.com/belaycd/belay/internal/check"
)

// Checker implements check.Checker.
type Checker struct{}

// IDs of the rules.
const (
	serviceExposed = "service-exposed"
	ingressTLS     = "ingress-tls"
	ingressAnyHost = "ingress-wildcard"
	ingressSnippet = "ingress-snippet"
	defaultDeny    = "netpol-default-deny"
	coverage       = "netpol-coverage"
)

// Rules implements check.Checker.
func (Checker) Rules() []check.Rule {
	return []check.Rule{
		{ID: serviceExposed, Title: "Service that is open to the outside", Severity: check.Warning,
			Why: "NodePort opens a port on every node and LoadBalancer an address of its own, past the Ingress with its TLS, names and limits. With externalIPs a Service takes traffic that is meant for others (CVE-2020-8554). " +
				"A balancer that an annotation makes internal, or that names its sources, is not reported.",
			Fix:       "Use type: ClusterIP and an Ingress or a Gateway. Where the Service is the way in, limit it with loadBalancerSourceRanges, or say so in an exception.",
			Standards: []string{"kube-linter exposed-services", "kube-linter ssh-port", "CVE-2020-8554"}},
		{ID: ingressTLS, Title: "Ingress without TLS", Severity: check.Warning,
			Why:       "Passwords, cookies and answers travel in the clear, and anyone on the way can change them.",
			Fix:       "List the host in spec.tls[].hosts, with a secretName.",
			Standards: []string{"polaris tlsSettingsMissing", "gatekeeper httpsonly", "NSA C-0263"}},
		{ID: ingressAnyHost, Title: "Ingress for every host", Severity: check.Warning,
			Why:       "A rule without a host takes requests for names that nobody else has claimed, and on many controllers shadows rules of other teams.",
			Fix:       "Name the host: spec.rules[].host.",
			Standards: []string{"gatekeeper disallowwildcardingress", "NSA C-0059"}},
		{ID: ingressSnippet, Title: "Ingress that writes the proxy's configuration", Severity: check.Warning,
			Why:       "A snippet runs as the Ingress controller, which can read the Secrets of the whole cluster (CVE-2021-25742). Controllers refuse it by default since then.",
			Fix:       "Remove the annotation, and use one that is made for the purpose, or the controller's ConfigMap.",
			Standards: []string{"CVE-2021-25742", "NSA C-0059"}},
		{ID: defaultDeny, Title: "namespace that is open by default", Severity: check.Warning,
			Why: "Without a NetworkPolicy that selects all pods and allows nothing, every pod that no other policy selects talks to everything, and every pod of the cluster to it. " +
				"One finding a namespace; a repository with policies of another kind, such as CiliumNetworkPolicy, is not judged.",
			Fix:       "Add a NetworkPolicy with podSelector: {} and policyTypes: [Ingress, Egress] and no rules, and one that allows DNS.",
			Standards: []string{"CIS 5.3.2", "NSA C-0030", "NSA C-0260"}},
		{ID: coverage, Title: "NetworkPolicy that does not do what it seems to", Severity: check.Warning,
			Why: "A workload that the policies of its namespace forget is open while its neighbours are not; a rule without peers and ports takes a default of deny back; a policy that selects no pod protects none, " +
				"most often for a label that was mistyped.",
			Fix:       "Make podSelector match the labels of the pods, and name peers and ports in each rule.",
			Standards: []string{"kube-score pod-networkpolicy", "kube-score networkpolicy-targets-pod", "kube-linter non-isolated-pod", "NSA C-0054"}},
	}
}

// Check implements check.Checker.
func (Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	places := map[check.Site]*place{}
	foreign := false
	for _, u := range repo.Units {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, o := range u.Objects {
			switch o.Ref.Group + "/" + o.Ref.Kind {
			case "/Service":
				judgeService(o, report)
			case "networking.k8s.io/Ingress":
				judgeIngress(o, report)
			}
			foreign = foreign || otherPolicies(o)
			note(places, o)
		}
	}
	if foreign { // what those allow is not known here, so that nothing can be said of what is open
		return nil
	}
	for _, p := range places {
		p.judge(report)
	}
	return nil
}
