package network

import (
	"fmt"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

func judgeService(o *check.Object, report func(check.Finding)) {
	tell := func(path, format string, args ...any) {
		report(check.Finding{Rule: serviceExposed, Object: o, Path: path, Message: fmt.Sprintf(format, args...)})
	}
	spec := check.MapAt(o.Object, "spec")
	if ips := check.TextsAt(spec, "externalIPs"); len(ips) > 0 {
		tell("spec.externalIPs", "Service %s takes the traffic to %s in the whole cluster", o.Ref.Name, strings.Join(ips, ", "))
	}
	kind := check.TextAt(spec, "type")
	if kind != "NodePort" && kind != "LoadBalancer" || internal(o) || kind == "LoadBalancer" && len(check.ListAt(spec, "loadBalancerSourceRanges")) > 0 {
		return
	}
	for i, p := range check.ListAt(spec, "ports") {
		p, _ := p.(map[string]any)
		port, _ := check.IntAt(p, "port")
		target, _ := check.IntAt(p, "targetPort")
		if port == 22 || target == 22 {
			tell(check.Join("spec", "ports", check.Element(i, "name", check.TextAt(p, "name"))), "Service %s of type %s opens SSH: port %d to %d", o.Ref.Name, kind, port, target)
			return
		}
	}
	tell("spec.type", "Service %s is open to the outside of the cluster: its type is %s", o.Ref.Name, kind)
}

// internal reports whether an annotation of one of the large providers keeps a balancer inside.
func internal(o *check.Object) bool {
	for key, value := range check.MapAt(o.Object, "metadata", "annotations") {
		value, _ := value.(string)
		switch key {
		case "service.beta.kubernetes.io/azure-load-balancer-internal", "service.beta.kubernetes.io/aws-load-balancer-internal", "service.beta.kubernetes.io/openstack-internal-load-balancer":
			if value != "" && value != "false" {
				return true
			}
		case "service.beta.kubernetes.io/aws-load-balancer-scheme", "networking.gke.io/load-balancer-type", "cloud.google.com/load-balancer-type":
			if strings.EqualFold(value, "internal") {
				return true
			}
		}
	}
	return false
}

func judgeIngress(o *check.Object, report func(check.Finding)) {
	tell := func(rule, path, format string, args ...any) {
		report(check.Finding{Rule: rule, Object: o, Path: path, Message: fmt.Sprintf(format, args...)})
	}
	annotations := check.MapAt(o.Object, "metadata", "annotations")
	for key := range annotations {
		domain, name, _ := strings.Cut(key, "/")
		if (strings.Contains(domain, "nginx") || strings.HasPrefix(domain, "haproxy")) && (strings.HasSuffix(name, "-snippet") || strings.HasSuffix(name, "-snippets")) {
			tell(ingressSnippet, check.Join("metadata.annotations", key), "Ingress %s writes into the proxy's configuration: %s", o.Ref.Name, key)
		}
	}
	covered := map[string]bool{}
	for _, t := range check.ListAt(o.Object, "spec", "tls") {
		t, _ := t.(map[string]any)
		hosts := check.TextsAt(t, "hosts")
		for _, h := range hosts {
			covered[h] = true
		}
		if len(hosts) == 0 {
			covered[""] = true
		}
	}
	// the certificate of a cloud's balancer is named by an annotation
	elsewhere := annotations["alb.ingress.kubernetes.io/certificate-arn"] != nil || annotations["networking.gke.io/managed-certificates"] != nil ||
		annotations["ingress.gcp.kubernetes.io/pre-shared-cert"] != nil || annotations["appgw.ingress.kubernetes.io/appgw-ssl-certificate"] != nil
	for i, r := range check.ListAt(o.Object, "spec", "rules") {
		r, _ := r.(map[string]any)
		host := check.TextAt(r, "host")
		at := check.Join("spec", "rules", check.Element(i, "host", host), "host")
		if host == "" {
			tell(ingressAnyHost, at, "Ingress %s takes requests for every host", o.Ref.Name)
		}
		_, parent, _ := strings.Cut(host, ".")
		if !elsewhere && !covered[host] && !covered[""] && !covered["*."+parent] {
			tell(ingressTLS, at, "Ingress %s serves %s without TLS", o.Ref.Name, either(host, "every host"))
		}
	}
}

func either(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
