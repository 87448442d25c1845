package project

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
)

func appProject(t *testing.T, name, spec string) *v1alpha1.AppProject {
	t.Helper()
	p := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatalf("%v\n%s", err, spec)
	}
	return p
}

// TestInherit asks what is permitted both ways: of a project that inherits, and of one whose lists were merged, as Argo CD does.
func TestInherit(t *testing.T) {
	const server = "https://kubernetes.default.svc"
	kind := func(group, kind string, namespaced bool) func(*Project) error {
		return func(p *Project) error { return p.PermitsKind(group, kind, "x", "", namespaced) }
	}
	repo := func(url string) func(*Project) error {
		return func(p *Project) error { return p.PermitsSource(url) }
	}
	to := func(namespace string) func(*Project) error {
		return func(p *Project) error { return p.PermitsDestination(server, "in-cluster", namespace) }
	}
	for _, c := range []struct {
		name, own, base, more string // base and more are the global projects
		ask                   func(*Project) error
		want                  string // "" for allowed
		origin                string // what only Inherit can say
	}{
		{name: "a source more", own: `{sourceRepos: ["https://git.example.com/a"]}`, base: `{sourceRepos: ["https://git.example.com/b"]}`, ask: repo("https://git.example.com/b")},
		{name: "its own source stays", own: `{sourceRepos: ["https://git.example.com/a"]}`, base: `{sourceRepos: ["https://git.example.com/b"]}`, ask: repo("https://git.example.com/a")},
		{name: "a denied source", own: `{sourceRepos: ["*"]}`, base: `{sourceRepos: ["!https://git.example.com/b"]}`, ask: repo("https://git.example.com/b"),
			want: "refuses it", origin: `in spec.sourceRepos of the global AppProject base refuses it`},
		{name: "a destination more", own: `{destinations: [{server: "*", namespace: a}]}`, base: `{destinations: [{server: "*", namespace: b}]}`, ask: to("b")},
		{name: "a denied destination", own: `{destinations: [{server: "*", namespace: "*"}]}`, base: `{destinations: [{server: "*", namespace: x}, {server: "*", namespace: "!kube-system"}]}`, ask: to("kube-system"),
			want: "refuses it", origin: "spec.destinations[1] of the global AppProject base"},
		{name: "a cluster kind more", own: `{}`, base: `{clusterResourceWhitelist: [{group: "", kind: Namespace}]}`, ask: kind("", "Namespace", false)},
		{name: "no other cluster kind", own: `{}`, base: `{clusterResourceWhitelist: [{group: "", kind: Namespace}]}`, ask: kind("", "Node", false), want: "no rule of"},
		{name: "a denied cluster kind", own: `{clusterResourceWhitelist: [{group: "*", kind: "*"}]}`, base: `{clusterResourceBlacklist: [{group: "", kind: Node}]}`, ask: kind("", "Node", false),
			want: "Blacklist", origin: "spec.clusterResourceBlacklist of the global AppProject base refuses it; remove the object or change that rule in AppProject base"},
		{name: "a denied namespaced kind", own: `{}`, base: `{namespaceResourceBlacklist: [{group: "", kind: ResourceQuota}]}`, ask: kind("", "ResourceQuota", true), want: "Blacklist"},
		{name: "a whitelist restricts a project without one", own: `{}`, base: `{namespaceResourceWhitelist: [{group: apps, kind: "*"}]}`, ask: kind("", "ConfigMap", true), want: "no rule of"},
		{name: "a whitelist of both", own: `{namespaceResourceWhitelist: [{group: "", kind: ConfigMap}]}`, base: `{namespaceResourceWhitelist: [{group: apps, kind: "*"}]}`, ask: kind("apps", "Deployment", true)},
		{name: "no whitelist of either allows all", own: `{}`, base: `{}`, ask: kind("", "ConfigMap", true)},
		{name: "an empty whitelist of the base restricts nobody", own: `{}`, base: `{namespaceResourceWhitelist: []}`, ask: kind("", "ConfigMap", true)},
		{name: "its own empty whitelist stays", own: `{namespaceResourceWhitelist: []}`, base: `{}`, ask: kind("", "ConfigMap", true), want: "is empty"},
		{name: "two global projects", own: `{clusterResourceWhitelist: [{group: "*", kind: "*"}]}`, base: `{}`, more: `{clusterResourceBlacklist: [{group: "", kind: Node}]}`, ask: kind("", "Node", false),
			want: "Blacklist", origin: "of the global AppProject more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			own, globals := appProject(t, "shop", c.own), []*v1alpha1.AppProject{appProject(t, "base", c.base)}
			if c.more != "" {
				globals = append(globals, appProject(t, "more", c.more))
			}
			err := c.ask(New(own).Inherit(globals...))
			verdict(t, "inherited", err, c.want)
			verdict(t, "merged", c.ask(New(Merge(own, globals...))), c.want)
			if c.origin != "" && err != nil && !strings.Contains(err.Error(), c.origin) {
				t.Errorf("%v; want it to say %q", err, c.origin)
			}
		})
	}
}

func TestInheritLeavesTheProjectAlone(t *testing.T) {
	own := appProject(t, "shop", `{destinations: [{server: "*", namespace: a}], syncWindows: []}`)
	p := New(own)
	base := appProject(t, "base", `{destinations: [{server: "*", namespace: b}], sourceNamespaces: [team], destinationServiceAccounts: [{server: "*", namespace: "*", defaultServiceAccount: admin}]}`)
	one, two := p.Inherit(base), p.Inherit(appProject(t, "other", `{destinations: [{server: "*", namespace: c}]}`))
	for _, q := range []struct {
		p    *Project
		ns   string
		want string
	}{{p, "b", "no rule"}, {one, "b", ""}, {one, "c", "no rule"}, {two, "c", ""}, {two, "b", "no rule"}} {
		verdict(t, "namespace "+q.ns, q.p.PermitsDestination("https://x", "", q.ns), q.want)
	}
	if err := one.PermitsSourceNamespace("team", "argocd"); err == nil {
		t.Error("source namespaces were taken over")
	}
	if user, err := one.ServiceAccount("https://x", "a", "argocd"); err == nil {
		t.Errorf("service accounts were taken over: %s", user)
	}
	Merge(own, base)
	if len(own.Spec.Destinations) != 1 {
		t.Errorf("Merge changed the project: %v", own.Spec.Destinations)
	}
}

func TestInheritWindows(t *testing.T) {
	app := valid()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	deny := `{syncWindows: [{kind: deny, schedule: "* * * * *", duration: 1h, applications: ["*"]}]}`
	if v := parse(t, `{}`).Inherit(appProject(t, "base", deny)).Window(app, Sync{Manual: true}, now); v.Allowed {
		t.Error("the deny window of the global project does not count")
	}
	allowOther := `{syncWindows: [{kind: allow, schedule: "0 0 29 2 *", duration: 1s, applications: ["*"]}]}`
	if v := parse(t, allowOther).Inherit(appProject(t, "base", `{syncWindows: [{kind: allow, schedule: "* * * * *", duration: 1h, applications: ["*"]}]}`)).Window(app, Sync{}, now); !v.Allowed {
		t.Errorf("the open allow window of the global project does not count: %s", v.Why)
	}
	broken := parse(t, deny).Inherit(appProject(t, "base", `{syncWindows: [{kind: deny, schedule: "no", duration: 1h, applications: ["*"]}]}`))
	if err := broken.Windows(app).Invalid(); err == nil || !strings.Contains(err.Error(), "spec.syncWindows[0] of AppProject base") {
		t.Errorf("a broken window of the global project: %v", err)
	}
}
