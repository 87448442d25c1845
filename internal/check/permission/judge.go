package permission

import (
	"fmt"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// teller reports on one object.
type teller func(rule string, severity check.Severity, path, format string, args ...any)

func tellerOf(o *check.Object, report func(check.Finding)) teller {
	return func(rule string, severity check.Severity, path, format string, args ...any) {
		report(check.Finding{Rule: rule, Severity: severity, Object: o, Path: path, Message: fmt.Sprintf(format, args...)})
	}
}

// judgeRole looks at each rule of a role. A wildcard is one defect, not one for each thing that it includes.
func judgeRole(o *check.Object, scopes map[role]scope, report func(check.Finding)) {
	far, tell := reachOf(o, scopes), tellerOf(o, report)
	where := map[reach]string{inNamespace: "in a namespace", unbound: "wherever the role is bound", everywhere: "in every namespace"}[far]
	who := o.Ref.Kind + " " + o.Ref.Name
	for i, g := range grants(o) {
		at := check.Join("rules", check.Element(i, "", ""))
		if judgeWildcard(&g, far, who, at, tell) {
			continue
		}
		judgeEscalation(&g, who, at, tell)
		named := len(g.names) > 0
		if verbs := g.may("get", "list", "watch"); g.covers("", "secrets") && len(verbs) > 0 && !named && !aggregated(o) {
			id, severity := secrets, check.Off
			switch far {
			case everywhere:
				severity = check.Error
			case inNamespace:
				id = ownSecrets
			}
			tell(id, severity, at, "%s may %s all Secrets %s", who, strings.Join(verbs, ", "), where)
		}
		if g.covers("", "pods") && len(g.may("create")) > 0 && far != inNamespace {
			tell(podCreate, check.Off, at, "%s may create pods %s", who, where)
		}
		for _, sub := range []string{"pods/exec", "pods/attach", "pods/portforward"} {
			if verbs := g.may("create", "get"); g.covers("", sub) && len(verbs) > 0 && !aggregated(o) {
				tell(exec, check.Off, at, "%s may %s %s %s", who, strings.Join(verbs, ", "), sub, where)
			}
		}
		if !named {
			judgeSensitive(&g, who, at, tell)
		}
	}
}

// aggregated reports whether a role is a part of admin or edit, which have Secrets and exec anyway.
func aggregated(o *check.Object) bool {
	labels := check.MapAt(o.Object, "metadata", "labels")
	return labels[group+"/aggregate-to-admin"] == "true" || labels[group+"/aggregate-to-edit"] == "true"
}

// judgeWildcard reports a wildcard that includes built-in kinds, and whether there is one.
func judgeWildcard(g *grant, r reach, who, at string, tell teller) bool {
	any := func(list []string) bool { return slices.Contains(list, "*") }
	if len(g.urls) > 0 && any(g.urls) && any(g.verbs) {
		tell(wildcard, check.Off, check.Join(at, "nonResourceURLs"), "%s may use every path of the API server", who)
		return true
	}
	builtIn := any(g.groups) || slices.ContainsFunc(g.groups, isBuiltIn)
	if !builtIn || len(g.resources) == 0 {
		return false
	}
	weight := check.Off // that of the rule
	if r == inNamespace {
		weight = check.Warning
	}
	groups := strings.Join(quoted(g.groups), ", ")
	switch {
	case any(g.resources) && any(g.verbs):
		tell(wildcard, weight, check.Join(at, "resources"), "%s may do everything with all kinds of the groups %s", who, groups)
	case any(g.resources) && writes(g):
		tell(wildcard, weight, check.Join(at, "resources"), "%s may %s all kinds of the groups %s", who, strings.Join(g.verbs, ", "), groups)
	case any(g.resources):
		if !g.covers("", "secrets") {
			weight = check.Warning
		}
		tell(wildcard, weight, check.Join(at, "resources"), "%s may %s all kinds of the groups %s", who, strings.Join(g.verbs, ", "), groups)
	case any(g.verbs) && len(g.names) == 0 && dangerous(g):
		tell(wildcard, weight, check.Join(at, "verbs"), "%s may do everything with %s of the groups %s", who, strings.Join(g.resources, ", "), groups)
	case any(g.verbs):
		tell(wildcard, check.Warning, check.Join(at, "verbs"), "%s may do everything with %s of the groups %s", who, strings.Join(g.resources, ", "), groups)
	default:
		return false
	}
	return true
}

// quoted makes the empty name of the core group visible.
func quoted(groups []string) (out []string) {
	for _, g := range groups {
		if g == "" {
			g = `""`
		}
		out = append(out, g)
	}
	return out
}

// isBuiltIn reports whether a group is one of Kubernetes itself. Extensions of the project, such as metrics.k8s.io, are not.
func isBuiltIn(group string) bool {
	switch group {
	case "", "apps", "autoscaling", "batch", "policy", "extensions", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io",
		"authentication.k8s.io", "authorization.k8s.io", "certificates.k8s.io", "networking.k8s.io", "node.k8s.io", "rbac.authorization.k8s.io", "storage.k8s.io":
		return true
	}
	return false
}

func writes(g *grant) bool {
	return len(g.may("create", "update", "patch", "delete", "deletecollection")) > 0
}

// dangerous reports whether all verbs on a resource lead to more rights.
func dangerous(g *grant) bool {
	for _, r := range [][2]string{{"", "secrets"}, {"", "serviceaccounts"}, {"", "pods"}, {"", "nodes"}, {"rbac.authorization.k8s.io", "roles"}, {"rbac.authorization.k8s.io", "clusterroles"},
		{"rbac.authorization.k8s.io", "rolebindings"}, {"rbac.authorization.k8s.io", "clusterrolebindings"}, {"certificates.k8s.io", "certificatesigningrequests"}} {
		if g.covers(r[0], r[1]) {
			return true
		}
	}
	return false
}

func judgeEscalation(g *grant, who, at string, tell teller) {
	if len(g.names) > 0 {
		return
	}
	for _, r := range []string{"roles", "clusterroles"} {
		if verbs := g.may("escalate", "bind"); g.covers(group, r) && len(verbs) > 0 {
			tell(escalate, check.Off, check.Join(at, "verbs"), "%s may %s any of %s", who, strings.Join(verbs, ", "), r)
		}
	}
	for _, r := range [][2]string{{"", "users"}, {"", "groups"}, {"", "serviceaccounts"}} {
		if g.covers(r[0], r[1]) && len(g.may("impersonate")) > 0 {
			tell(escalate, check.Off, check.Join(at, "verbs"), "%s may act as any of %s", who, r[1])
		}
	}
}

// judgeSensitive reports grants that lead to others by a way of their own.
func judgeSensitive(g *grant, who, at string, tell teller) {
	var may, leads []string
	for _, s := range []struct {
		group, resource string
		verbs           []string
		leads           string
	}{
		{"", "nodes/proxy", []string{"get", "create"}, "speak to the kubelet of every node"},
		{"", "serviceaccounts/token", []string{"create"}, "make tokens of any ServiceAccount"},
		{"", "persistentvolumes", []string{"create"}, "create PersistentVolumes, and with them mount any path of a node"},
		{"certificates.k8s.io", "certificatesigningrequests/approval", []string{"update", "patch"}, "approve certificates"},
		{"certificates.k8s.io", "signers", []string{"approve", "sign"}, "approve or sign certificates of any signer"},
		{"admissionregistration.k8s.io", "validatingwebhookconfigurations", []string{"create", "update", "patch"}, "put webhooks before every write"},
		{"admissionregistration.k8s.io", "mutatingwebhookconfigurations", []string{"create", "update", "patch"}, "put webhooks before every write"},
	} {
		if verbs := g.may(s.verbs...); g.covers(s.group, s.resource) && len(verbs) > 0 {
			may, leads = append(may, strings.Join(verbs, ", ")+" "+s.resource), append(leads, s.leads)
		}
	}
	if len(may) > 0 {
		tell(sensitive, check.Off, at, "%s may %s: it can %s", who, strings.Join(may, "; "), strings.Join(slices.Compact(leads), "; "))
	}
}

func judgeBinding(o *check.Object, report func(check.Finding)) {
	tell := tellerOf(o, report)
	if check.TextAt(o.Object, "roleRef", "name") == "cluster-admin" && check.TextAt(o.Object, "roleRef", "kind") == "ClusterRole" {
		if o.Ref.Kind == "ClusterRoleBinding" {
			tell(clusterAdmin, check.Off, "roleRef.name", "%s may do everything in the cluster: %s binds cluster-admin", subjects(o), o.Ref.Name)
		} else {
			tell(clusterAdmin, check.Warning, "roleRef.name", "%s may do everything in namespace %s: %s binds cluster-admin", subjects(o), o.Ref.Namespace, o.Ref.Name)
		}
	}
	for i, s := range check.ListAt(o.Object, "subjects") {
		s, _ := s.(map[string]any)
		kind, name := check.TextAt(s, "kind"), check.TextAt(s, "name")
		at := check.Join("subjects", check.Element(i, "", ""), "name")
		granted := check.TextAt(o.Object, "roleRef", "name")
		switch {
		case kind == "Group" && name == "system:masters":
			tell(clusterAdmin, check.Off, at, "%s names the group system:masters, which may do everything", o.Ref.Name)
		case kind == "Group" && name == "system:unauthenticated", kind == "User" && name == "system:anonymous":
			if granted != "system:public-info-viewer" { // the version and the health of the server, as Kubernetes itself grants
				tell(anonymous, check.Off, at, "%s grants %s to %s, which is everybody", o.Ref.Name, granted, name)
			}
		case kind == "ServiceAccount" && name == "default":
			tell(defaultSA, check.Off, at, "%s grants %s to the default ServiceAccount, which every pod without another one has", o.Ref.Name, granted)
		}
	}
}

// subjects names who is bound.
func subjects(o *check.Object) string {
	var names []string
	for _, s := range check.ListAt(o.Object, "subjects") {
		s, _ := s.(map[string]any)
		names = append(names, subject(s, o.Ref.Namespace))
	}
	if len(names) == 0 {
		return "nobody yet"
	}
	return strings.Join(names, ", ")
}

func subject(s map[string]any, namespace string) string {
	name := check.TextAt(s, "name")
	if ns := check.TextAt(s, "namespace"); ns != "" {
		name = ns + "/" + name
	} else if check.TextAt(s, "kind") == "ServiceAccount" && namespace != "" {
		name = namespace + "/" + name
	}
	return check.TextAt(s, "kind") + " " + name
}
