package archtest

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryPackageHasALayer(t *testing.T) {
	for _, p := range packages(t) {
		if _, ok := layerOf(p.rel); !ok {
			t.Errorf("%s is in no layer: give it a rank in policy_test.go and a line in ARCHITECTURE.md", p.rel)
		}
	}
}

func TestImportDirection(t *testing.T) {
	for _, p := range packages(t) {
		for _, imported := range p.Imports {
			if to, ours := strings.CutPrefix(imported, module+"/"); ours {
				for _, problem := range direction(p.rel, to) {
					t.Error(problem)
				}
			}
		}
	}
}

// direction returns what is wrong with an import of one of our packages by another.
func direction(from, to string) []string {
	a, okA := layerOf(from)
	b, okB := layerOf(to)
	if !okA || !okB {
		return nil // TestEveryPackageHasALayer tells
	}
	var problems []string
	wrong := func(why string) { problems = append(problems, from+" imports "+to+": "+why) }
	for _, only := range importers() {
		if below(to, only.path) && !below(from, only.path) && !belowAny(from, only.parents) {
			wrong(only.reason)
		}
	}
	if a.rank == tool || belowAny(from, testSupport()) {
		return problems
	}
	if a.path != b.path {
		if b.rank >= a.rank && b.rank != tool {
			wrong("a package imports only packages of a smaller rank: " + a.reason)
		}
		if b.implementation(to) != "" && b.rank < tool && a.path != "internal/app" {
			wrong("only internal/app and tests import implementations")
		}
		return problems
	}
	implA, implB := a.implementation(from), b.implementation(to)
	switch {
	case a.path == "cmd":
		wrong("programs share nothing but internal/app")
	case implA == "" && implB != "":
		wrong("a stage does not know its implementations")
	case implA != implB && implB != "":
		wrong("implementations of a stage do not know each other")
	}
	return problems
}

// TestDirection proves that the rules can fail.
func TestDirection(t *testing.T) {
	for _, c := range []struct {
		from, to string
		allowed  bool
	}{
		{"internal/diff", "internal/object", true},
		{"internal/diff", "internal/live", true},
		{"internal/diff", "internal/apply", false},
		{"internal/controller", "internal/server", false},
		{"internal/server", "internal/cli", false},
		{"internal/source/git", "internal/source", true},
		{"internal/source/git", "internal/fault", true},
		{"internal/source/git", "internal/source/oci", false},
		{"internal/source/git", "internal/render", false},
		{"internal/source", "internal/source/git", false},
		{"internal/reconcile", "internal/source/git", false},
		{"internal/app", "internal/source/git", true},
		{"internal/app", "internal/sandbox", false},
		{"internal/app", "internal/source/sourcetest", false},
		{"internal/source/sourcetest", "internal/gitserver", true},
		{"internal/sandbox", "internal/sandbox/pki", true},
		{"internal/reconcile", "internal/app", false},
		{"internal/reconcile", "internal/gitserver", false},
		{"cmd/belay", "internal/app", true},
		{"cmd/belay", "internal/sandbox", false},
		{"cmd/belay-sandbox", "internal/sandbox/nodes", true},
		{"api/v1alpha1", "internal/fault", false},
	} {
		if got := direction(c.from, c.to); (len(got) == 0) != c.allowed {
			t.Errorf("%s imports %s: allowed %t, problems %q", c.from, c.to, c.allowed, got)
		}
	}
}

func TestFences(t *testing.T) {
	for _, p := range packages(t) {
		for _, f := range fences() {
			imports := p.Imports
			if f.within == nil { // forbidden in tests too
				imports = slices.Concat(p.Imports, p.TestImports, p.XTestImports)
			}
			for _, imported := range imports {
				if belowAny(imported, f.imports) && !belowAny(p.rel, f.within) {
					t.Errorf("%s imports %s, which only %s may: %s", p.rel, imported, strings.Join(f.within, ", "), f.reason)
				}
			}
		}
	}
}

func TestPurePackages(t *testing.T) {
	for _, p := range packages(t) {
		l, ok := layerOf(p.rel)
		if !ok || l.purity != pure || l.implementation(p.rel) != "" {
			continue
		}
		for _, imported := range p.Imports {
			if slices.Contains(forbiddenInPure(), imported) {
				t.Errorf("%s is pure and imports %s: %s", p.rel, imported, l.reason)
			}
		}
		for _, f := range p.files {
			for _, member := range uses(f.ast, "os") {
				if member != "Expand" {
					t.Errorf("%s is pure and uses os.%s: %s", f.rel, member, l.reason)
				}
			}
		}
	}
}

// TestAPIStandsAlone: other projects import the types without our dependencies.
func TestAPIStandsAlone(t *testing.T) {
	for _, p := range packages(t) {
		if !below(p.rel, "api") {
			continue
		}
		for _, imported := range p.Imports {
			first, _, _ := strings.Cut(imported, "/")
			if strings.Contains(first, ".") && !below(imported, "k8s.io/apimachinery") && !below(imported, "k8s.io/apiextensions-apiserver/pkg/apis") {
				t.Errorf("%s imports %s: only the standard library and apimachinery are allowed", p.rel, imported)
			}
		}
	}
}

// TestProductLinksNoServer: the checks use the API types of Kubernetes and what it knows of them. Its programs would add 100 MB and
// their flags to the product.
func TestProductLinksNoServer(t *testing.T) {
	out, err := goList("-e", "-deps", "./cmd/belay")
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		for _, program := range []string{"cmd", "plugin", "pkg/controlplane", "pkg/controller", "pkg/kubelet/server", "pkg/kubeapiserver/options", "pkg/kubeapiserver/authenticator", "pkg/kubeapiserver/authorizer", "pkg/scheduler/framework/plugins"} {
			if below(dep, "k8s.io/kubernetes/"+program) {
				t.Errorf("cmd/belay links %s", dep)
			}
		}
		if below(dep, module+"/internal/sandbox") || below(dep, "go.etcd.io/etcd/server") {
			t.Errorf("cmd/belay links %s", dep)
		}
	}
}
