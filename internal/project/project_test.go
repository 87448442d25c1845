package project

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

func parse(t *testing.T, spec string, clusters ...Cluster) *Project {
	t.Helper()
	p := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if err := yaml.UnmarshalStrict([]byte(spec), &p.Spec); err != nil {
		t.Fatalf("%v\n%s", err, spec)
	}
	return New(p, clusters...)
}

// verdict checks one answer: want is "" for allowed, or words that the refusal must have.
func verdict(t *testing.T, name string, err error, want string) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Errorf("%s: refused: %v", name, err)
		}
		return
	}
	if err == nil {
		t.Errorf("%s: allowed, want a refusal with %q", name, want)
		return
	}
	if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "shop") {
		t.Errorf("%s: %v (kind %v), want Denied with the project and %q", name, err, fault.KindOf(err), want)
	}
}

func TestPermitsSource(t *testing.T) {
	for _, c := range []struct{ name, spec, repo, want string }{
		{"nothing is allowed by default", `{}`, "https://git.example.com/a/b", "spec.sourceRepos is empty"},
		{"star allows all", `{sourceRepos: ["*"]}`, "git@git.example.com:a/b.git", ""},
		{"exact", `{sourceRepos: ["https://git.example.com/a/b"]}`, "https://git.example.com/A/b.git", ""},
		{"ssh in its two forms", `{sourceRepos: ["git@git.example.com:a/b.git"]}`, "ssh://git@git.example.com/a/b", ""},
		{"glob in scp form", `{sourceRepos: ["git@git.example.com:a/*"]}`, "git@git.example.com:a/b.git", ""},
		{"glob", `{sourceRepos: ["https://git.example.com/a/*"]}`, "https://git.example.com/a/b", ""},
		{"glob stops at slashes", `{sourceRepos: ["https://git.example.com/*"]}`, "https://git.example.com/a/b", "no rule of spec.sourceRepos matches (https://git.example.com/*)"},
		{"double star does not", `{sourceRepos: ["https://git.example.com/**"]}`, "https://git.example.com/a/b", ""},
		{"alternatives", `{sourceRepos: ["https://git.example.com/{a,b}/*"]}`, "https://git.example.com/b/c", ""},
		{"glob in the host", `{sourceRepos: ["https://*.example.com/a/b"]}`, "https://git.example.com/a/b", ""},
		{"host is not a prefix", `{sourceRepos: ["https://git.example.com/a/*"]}`, "https://git.example.com.evil.test/a/b", "no rule of"},
		{"deny beats allow", `{sourceRepos: ["*", "!https://git.example.com/a/*"]}`, "https://git.example.com/a/b", `the rule "!https://git.example.com/a/*"`},
		{"deny in any order", `{sourceRepos: ["!https://git.example.com/a/*", "*"]}`, "https://git.example.com/a/b.git/", "the rule"},
		{"deny leaves others", `{sourceRepos: ["!https://git.example.com/a/*"]}`, "https://git.example.com/c/d", ""},
		{"a rule that cannot be read allows nothing", `{sourceRepos: ["https://git.example.com/[a"]}`, "https://git.example.com/a", "no rule of"},
		{"a denial that cannot be read denies", `{sourceRepos: ["*", "!https://git.example.com/[a"]}`, "https://other.example.com/b", "cannot be read"},
		{"no URL", `{sourceRepos: ["*"]}`, "https://%zz", "no rule of"},
		{"many rules are cut", `{sourceRepos: [a, b, c, d, e, f, g]}`, "https://git.example.com/a/b", "(a, b, c, d, e and 2 more)"},
	} {
		verdict(t, c.name, parse(t, c.spec).PermitsSource(c.repo), c.want)
	}
}

func TestSourceMessagesHoldNoPassword(t *testing.T) {
	p := parse(t, `{sourceRepos: ["https://bob:canary@git.example.com/x", "!https://bob:canary@git.example.com/y", "!https://bob:canary@git.example.com/[z"]}`)
	for _, repo := range []string{"https://al:canary@git.example.com/a/b", "https://bob:canary@git.example.com/y"} {
		if err := p.PermitsSource(repo); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("PermitsSource(%s) = %v", repo, err)
		}
	}
}

func TestPermitsDestination(t *testing.T) {
	const own = "https://kubernetes.default.svc"
	for _, c := range []struct{ name, spec, server, cluster, namespace, want string }{
		{"nothing is allowed by default", `{}`, own, "in-cluster", "a", "spec.destinations is empty"},
		{"all", `{destinations: [{server: "*", namespace: "*"}]}`, own, "", "a", ""},
		{"exact server", `{destinations: [{server: "https://kubernetes.default.svc", namespace: a}]}`, own, "in-cluster", "a", ""},
		{"other namespace", `{destinations: [{server: "https://kubernetes.default.svc", namespace: a}]}`, own, "in-cluster", "b", "(server https://kubernetes.default.svc, namespace a)"},
		{"by name", `{destinations: [{name: in-cluster, namespace: "team-*"}]}`, own, "in-cluster", "team-a", ""},
		{"by another name", `{destinations: [{name: prod, namespace: "*"}]}`, own, "in-cluster", "a", "no rule of"},
		{"empty name selects no cluster", `{destinations: [{server: "https://a", namespace: "*"}]}`, own, "", "a", "no rule of"},
		{"namespace glob spans all", `{destinations: [{server: "https://*", namespace: "*-prod"}]}`, "https://10.0.0.1:6443", "x", "a-prod", ""},
		{"denied namespace", `{destinations: [{server: "*", namespace: "*"}, {server: "*", namespace: "!kube-system"}]}`, own, "", "kube-system", "spec.destinations[1] (server *, namespace !kube-system) refuses"},
		{"denied namespace in any order", `{destinations: [{server: "*", namespace: "!kube-*"}, {server: "*", namespace: "*"}]}`, own, "", "kube-public", "spec.destinations[0]"},
		{"all but one namespace", `{destinations: [{server: "*", namespace: "!kube-system"}]}`, own, "", "a", ""},
		{"denied server", `{destinations: [{server: "*", namespace: "*"}, {server: "!https://team1-*", namespace: "*"}]}`, "https://team1-x", "t", "a", "spec.destinations[1]"},
		{"other server", `{destinations: [{server: "*", namespace: "*"}, {server: "!https://team1-*", namespace: "*"}]}`, own, "t", "a", ""},
		{"denied name", `{destinations: [{server: "*", namespace: "*"}, {name: "!prod", namespace: "*"}]}`, own, "prod", "a", "spec.destinations[1]"},
		{"denial by name of a cluster without name", `{destinations: [{server: "*", namespace: "*"}, {name: "!prod", namespace: "*"}]}`, own, "", "a", "spec.destinations[1]"},
		{"denial that cannot be read", `{destinations: [{server: "*", namespace: "*"}, {server: "*", namespace: "!["}]}`, own, "", "a", "spec.destinations[1]"},
		{"only scoped clusters", `{destinations: [{server: "*", namespace: "*"}], permitOnlyProjectScopedClusters: true}`, own, "in-cluster", "a", "permitOnlyProjectScopedClusters"},
		{"a scoped cluster", `{destinations: [{server: "*", namespace: "*"}], permitOnlyProjectScopedClusters: true}`, "https://scoped", "", "a", ""},
		{"a scoped cluster outside of destinations", `{destinations: [{server: "https://b", namespace: "*"}], permitOnlyProjectScopedClusters: true}`, "https://scoped", "scoped", "a", "no rule of"},
	} {
		p := parse(t, c.spec, Cluster{Server: "https://scoped"})
		verdict(t, c.name, p.PermitsDestination(c.server, c.cluster, c.namespace), c.want)
	}
}

func TestPermitsKind(t *testing.T) {
	const rbac = "rbac.authorization.k8s.io"
	for _, c := range []struct {
		name, spec, group, kind, object string
		namespaced                      bool
		want                            string
	}{
		{"namespaced kinds are allowed by default", `{}`, "apps", "Deployment", "web", true, ""},
		{"cluster-scoped kinds are not", `{}`, rbac, "ClusterRole", "admin", false, "spec.clusterResourceWhitelist is empty"},
		{"cluster whitelist", `{clusterResourceWhitelist: [{group: "", kind: Namespace}]}`, "", "Namespace", "a", false, ""},
		{"cluster whitelist of another kind", `{clusterResourceWhitelist: [{group: "", kind: Namespace}]}`, rbac, "ClusterRole", "a", false, `(""/Namespace); add {group: "rbac.authorization.k8s.io", kind: ClusterRole}`},
		{"all cluster kinds", `{clusterResourceWhitelist: [{group: "*", kind: "*"}]}`, rbac, "ClusterRole", "a", false, ""},
		{"kind globs", `{clusterResourceWhitelist: [{group: "*.k8s.io", kind: "Cluster*"}]}`, rbac, "ClusterRole", "a", false, ""},
		{"by name", `{clusterResourceWhitelist: [{group: "", kind: Namespace, name: "team-*"}]}`, "", "Namespace", "team-a", false, ""},
		{"by another name", `{clusterResourceWhitelist: [{group: "", kind: Namespace, name: "team-*"}]}`, "", "Namespace", "kube-system", false, "no rule of"},
		{"blacklist beats", `{clusterResourceWhitelist: [{group: "*", kind: "*"}], clusterResourceBlacklist: [{group: "*", kind: ClusterRole}]}`, rbac, "ClusterRole", "a", false, `the rule "*"/ClusterRole in spec.clusterResourceBlacklist`},
		{"blacklist by name", `{clusterResourceWhitelist: [{group: "*", kind: "*"}], clusterResourceBlacklist: [{group: "", kind: Namespace, name: kube-system}]}`, "", "Namespace", "kube-system", false, "/kube-system in spec.clusterResourceBlacklist"},
		{"blacklist by another name", `{clusterResourceWhitelist: [{group: "*", kind: "*"}], clusterResourceBlacklist: [{group: "", kind: Namespace, name: kube-system}]}`, "", "Namespace", "a", false, ""},
		{"blacklist that cannot be read", `{clusterResourceWhitelist: [{group: "*", kind: "*"}], clusterResourceBlacklist: [{group: "*", kind: "["}]}`, "", "Namespace", "a", false, "spec.clusterResourceBlacklist"},
		{"blacklist of which one part cannot be read", `{clusterResourceWhitelist: [{group: "*", kind: "*"}], clusterResourceBlacklist: [{group: rbac, kind: "["}]}`, "", "Namespace", "a", false, ""},
		{"whitelist that cannot be read", `{clusterResourceWhitelist: [{group: "*", kind: "["}]}`, "", "Namespace", "a", false, "no rule of"},
		{"namespaced blacklist", `{namespaceResourceBlacklist: [{group: "", kind: ResourceQuota}]}`, "", "ResourceQuota", "q", true, "spec.namespaceResourceBlacklist"},
		{"namespaced whitelist", `{namespaceResourceWhitelist: [{group: apps, kind: Deployment}]}`, "apps", "Deployment", "q", true, ""},
		{"not in the namespaced whitelist", `{namespaceResourceWhitelist: [{group: apps, kind: Deployment}]}`, "", "Secret", "q", true, "spec.namespaceResourceWhitelist matches"},
		{"an empty namespaced whitelist allows none", `{namespaceResourceWhitelist: []}`, "", "Secret", "q", true, "spec.namespaceResourceWhitelist is empty"},
		{"lists of one scope say nothing of the other", `{clusterResourceWhitelist: [{group: "*", kind: "*"}], namespaceResourceWhitelist: []}`, "", "Secret", "q", true, "spec.namespaceResourceWhitelist is empty"},
	} {
		namespace := ""
		if c.namespaced {
			namespace = "prod"
		}
		verdict(t, c.name, parse(t, c.spec).PermitsKind(c.group, c.kind, c.object, namespace, c.namespaced), c.want)
	}
	err := parse(t, `{namespaceResourceWhitelist: []}`).PermitsKind("", "Secret", "db", "prod", true)
	if err == nil || !strings.HasPrefix(err.Error(), "resource :Secret prod/db is not permitted in project shop: ") {
		t.Errorf("message: %v", err)
	}
}

func TestPermitsSourceNamespace(t *testing.T) {
	for _, c := range []struct{ name, spec, namespace, want string }{
		{"the control plane's own", `{}`, "argocd", ""},
		{"not yet known", `{}`, "", ""},
		{"none by default", `{}`, "team", "spec.sourceNamespaces is empty"},
		{"exact", `{sourceNamespaces: [team]}`, "team", ""},
		{"glob", `{sourceNamespaces: ["team-*"]}`, "team-a", ""},
		{"no match", `{sourceNamespaces: ["team-*"]}`, "other", "(team-*)"},
		{"regular expression", `{sourceNamespaces: ["/^team-[0-9]+$/"]}`, "team-7", ""},
		{"no match of a regular expression", `{sourceNamespaces: ["/^team-[0-9]+$/"]}`, "team-a", "no rule"},
		{"regular expression that cannot be read", `{sourceNamespaces: ["/(/"]}`, "team-a", "no rule"},
	} {
		verdict(t, c.name, parse(t, c.spec).PermitsSourceNamespace(c.namespace, "argocd"), c.want)
	}
}

func TestDefaultAllowsEverything(t *testing.T) {
	p := New(Default("argocd"))
	for _, err := range []error{
		p.PermitsSource("https://git.example.com/a/b"),
		p.PermitsDestination("https://kubernetes.default.svc", "", "kube-system"),
		p.PermitsKind("rbac.authorization.k8s.io", "ClusterRole", "a", "", false),
		p.PermitsKind("apps", "Deployment", "a", "b", true),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if err := p.PermitsSourceNamespace("team", "argocd"); err == nil {
		t.Error("Applications of other namespaces may use the default project")
	}
	if found := p.Validate(valid()); len(found) > 0 {
		t.Errorf("conditions %v", found)
	}
}

// FuzzPatterns: no pattern of a project brings a check down, and one that denies everything else too never allows more.
func FuzzPatterns(f *testing.F) {
	for _, seed := range [][2]string{{"*", "a"}, {"!*", "a"}, {"{a,b", "a"}, {"[!a-", "b"}, {"**/{x,*{y,z}}", "q/x"}, {"/(a|/", "a"}, {"!https://a/{b,c}/*", "https://a/b/c"}, {"\\", ""}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		spec := v1alpha1.AppProjectSpec{
			SourceRepos:                []string{pattern},
			Destinations:               []v1alpha1.ApplicationDestination{{Server: pattern, Name: pattern, Namespace: pattern}},
			SourceNamespaces:           []string{pattern},
			ClusterResourceWhitelist:   []v1alpha1.ClusterResourceRestrictionItem{{Group: pattern, Kind: pattern, Name: pattern}},
			NamespaceResourceBlacklist: []metav1.GroupKind{{Group: pattern, Kind: pattern}},
			SyncWindows:                v1alpha1.SyncWindows{{Applications: []string{pattern}, Clusters: []string{pattern}}},
		}
		p := New(&v1alpha1.AppProject{Spec: spec})
		denied := spec
		denied.SourceRepos = append([]string{"!*"}, pattern)
		if New(&v1alpha1.AppProject{Spec: denied}).PermitsSource(value) == nil {
			t.Errorf("!* and %q allow %q", pattern, value)
		}
		_ = p.PermitsSource(value)                           // any answer is right as long as there is one
		_ = p.PermitsDestination(value, value, value)        //
		_ = p.PermitsKind(value, value, value, value, false) //
		_ = p.PermitsKind(value, value, value, value, true)  //
		_ = p.PermitsSourceNamespace(value, "argocd")        //
		app := valid()
		app.Name, app.Spec.Destination.Server = value, value
		app.Spec.Source.Path, app.Spec.Source.RepoURL = pattern, value
		p.Validate(app)
	})
}

func TestOrphans(t *testing.T) {
	no := false
	for _, tc := range []struct {
		reason   string
		settings *v1alpha1.OrphanedResourcesMonitorSettings
		want     bool
	}{
		{"nobody asks", nil, false},
		{"asked for", &v1alpha1.OrphanedResourcesMonitorSettings{}, true},
		{"shown elsewhere, not warned of", &v1alpha1.OrphanedResourcesMonitorSettings{Warn: &no}, false},
	} {
		if got := New(&v1alpha1.AppProject{Spec: v1alpha1.AppProjectSpec{OrphanedResources: tc.settings}}).WarnsOfOrphans(); got != tc.want {
			t.Errorf("%s: %v", tc.reason, got)
		}
	}
	p := New(&v1alpha1.AppProject{Spec: v1alpha1.AppProjectSpec{
		NamespaceResourceBlacklist: []metav1.GroupKind{{Group: "", Kind: "Secret"}},
		OrphanedResources: &v1alpha1.OrphanedResourcesMonitorSettings{Ignore: []v1alpha1.OrphanedResourceKey{
			{Kind: "ConfigMap", Name: "cache-*"}, {Group: "apps"}, {Group: "*.example.com", Kind: "*"},
		}},
	}})
	for _, tc := range []struct {
		group, kind, name string
		want              bool
	}{
		{"", "ConfigMap", "a", true}, {"", "ConfigMap", "cache-1", false}, {"", "ConfigMap", "kube-root-ca.crt", false},
		{"", "ServiceAccount", "default", false}, {"", "ServiceAccount", "a", true}, {"", "Secret", "a", false},
		{"apps", "Deployment", "a", false}, {"batch", "Job", "a", true}, {"x.example.com", "Thing", "a", false},
		{"", "Service", "kubernetes", true},
	} {
		if got := p.IsOrphan(tc.group, tc.kind, "shop", tc.name); got != tc.want {
			t.Errorf("%s/%s %s: %v", tc.group, tc.kind, tc.name, got)
		}
	}
	if p.IsOrphan("", "Service", "default", "kubernetes") {
		t.Error("the API server's own Service counts")
	}
}
