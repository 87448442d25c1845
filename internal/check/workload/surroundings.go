package workload

import (
	"cmp"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// surroundings is what the repository says of the places where workloads will live.
type surroundings struct {
	namespaces map[check.Site]map[string]any // labels
	limits     map[check.Site]limits
	services   map[check.Site][]map[string]any // selectors
	budgets    map[check.Site][]*check.Object
	scalers    map[check.Site][]*check.Object
	works      map[check.Site][]*check.Object
	accounts   map[account]bool // whether it says if its pods get a token
	bound      map[account]bool
	// boundNames are the names of bound accounts, for pods whose namespace is not known.
	boundNames map[string]bool
}

// account is a ServiceAccount; an empty name stands for all of the namespace, an empty namespace too for all there are.
type account struct{ namespace, name string }

// limits are the defaults of LimitRanges for containers.
type limits struct{ requests, limits map[string]bool }

// survey reads the whole repository once.
func survey(repo *check.Repository) *surroundings {
	s := &surroundings{namespaces: map[check.Site]map[string]any{}, limits: map[check.Site]limits{}, services: map[check.Site][]map[string]any{},
		budgets: map[check.Site][]*check.Object{}, scalers: map[check.Site][]*check.Object{}, works: map[check.Site][]*check.Object{},
		accounts: map[account]bool{}, bound: map[account]bool{}, boundNames: map[string]bool{}}
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			s.note(o)
		}
	}
	return s
}

func (s *surroundings) note(o *check.Object) {
	site := o.Site()
	switch o.Ref.Group + "/" + o.Ref.Kind {
	case "/Namespace":
		site.Namespace = o.Ref.Name
		s.namespace(site, o)
		if site.Cluster == "" {
			s.namespace(site.Anywhere(), o)
		}
	case "/LimitRange":
		s.limit(site, o)
		if site.Cluster == "" {
			s.limit(site.Anywhere(), o)
		}
	case "/Service":
		if selector := check.MapAt(o.Object, "spec", "selector"); len(selector) > 0 && serves(o) {
			s.services[site] = append(s.services[site], selector)
		}
	case "policy/PodDisruptionBudget":
		s.budgets[site] = append(s.budgets[site], o)
	case "autoscaling/HorizontalPodAutoscaler":
		s.scalers[site] = append(s.scalers[site], o)
	case "apps/Deployment", "apps/StatefulSet":
		s.works[site] = append(s.works[site], o)
	case "/ServiceAccount":
		id := account{o.Ref.Namespace, o.Ref.Name}
		s.accounts[id] = s.accounts[id] || o.Object["automountServiceAccountToken"] != nil
	case "rbac.authorization.k8s.io/RoleBinding", "rbac.authorization.k8s.io/ClusterRoleBinding":
		s.bind(o)
	}
}

// namespace keeps the labels; of two definitions the one that asks for more is kept.
func (s *surroundings) namespace(site check.Site, o *check.Object) {
	labels := check.MapAt(o.Object, "metadata", "labels")
	if known, ok := s.namespaces[site]; !ok || enforced(labels) > enforced(known) {
		s.namespaces[site] = labels
	}
}

// serves reports whether a Service has a port for requests, besides those that monitoring reads.
func serves(o *check.Object) bool {
	ports := check.ListAt(o.Object, "spec", "ports")
	for _, p := range ports {
		p, _ := p.(map[string]any)
		if !strings.Contains(check.TextAt(p, "name"), "metrics") {
			return true
		}
	}
	return len(ports) == 0
}

// granted reports whether the repository gives rights to the account of a workload.
func (s *surroundings) granted(site check.Site, name string) bool {
	return s.bound[account{site.Namespace, name}] || s.bound[account{namespace: site.Namespace}] || s.bound[account{}] || site.Namespace == "" && s.boundNames[name]
}

// limit adds the defaults for containers: a default limit is a default request too.
func (s *surroundings) limit(site check.Site, o *check.Object) {
	l, ok := s.limits[site]
	if !ok {
		l = limits{requests: map[string]bool{}, limits: map[string]bool{}}
		s.limits[site] = l
	}
	for _, item := range check.ListAt(o.Object, "spec", "limits") {
		item, _ := item.(map[string]any)
		if check.TextAt(item, "type") != "Container" {
			continue
		}
		for name := range check.MapAt(item, "default") {
			l.limits[name], l.requests[name] = true, true
		}
		for name := range check.MapAt(item, "defaultRequest") {
			l.requests[name] = true
		}
	}
}

// bind notes which ServiceAccounts are given rights.
func (s *surroundings) bind(o *check.Object) {
	for _, subject := range check.ListAt(o.Object, "subjects") {
		subject, _ := subject.(map[string]any)
		name := check.TextAt(subject, "name")
		switch check.TextAt(subject, "kind") {
		case "ServiceAccount":
			s.bound[account{cmp.Or(check.TextAt(subject, "namespace"), o.Ref.Namespace), name}] = true
			s.boundNames[name] = true
		case "Group":
			const all = "system:serviceaccounts"
			if name == all || name == "system:authenticated" {
				s.bound[account{}] = true
			} else if len(name) > len(all) && name[:len(all)+1] == all+":" {
				s.bound[account{namespace: name[len(all)+1:]}] = true
			}
		}
	}
}

// labelsOf returns the labels of the namespace of a site, nil if the repository does not define it.
func (s *surroundings) labelsOf(site check.Site) map[string]any {
	if labels, ok := s.namespaces[site]; ok {
		return labels
	}
	return s.namespaces[site.Anywhere()]
}

// limitsOf returns the defaults of a site.
func (s *surroundings) limitsOf(site check.Site) limits {
	if l, ok := s.limits[site]; ok {
		return l
	}
	return s.limits[site.Anywhere()]
}

// served reports whether a Service of the site sends requests to pods with these labels.
func (s *surroundings) served(site check.Site, labels map[string]any) bool {
	for _, selector := range s.services[site] {
		if contains(labels, selector) {
			return true
		}
	}
	return false
}

// contains reports whether labels have all that wanted has.
func contains(labels, wanted map[string]any) bool {
	for k, v := range wanted {
		if labels[k] != v {
			return false
		}
	}
	return true
}
