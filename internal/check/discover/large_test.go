package discover_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/checktest"
	"github.com/belaycd/belay/internal/check/discover"
	"github.com/belaycd/belay/internal/render/rendertest"
)

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: "

func load(t *testing.T, files map[string]string, base map[string]string, opts discover.Options) *check.Repository {
	t.Helper()
	opts.Renderer, opts.Revision = checktest.Renderer(), "local"
	var before *discover.Base
	if base != nil {
		before = &discover.Base{Files: rendertest.Files(base), Revision: "base"}
	}
	repo, err := discover.Load(t.Context(), rendertest.Files(files), before, opts)
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

// TestManyFiles: a directory of more names than a glob can hold is read whole.
func TestManyFiles(t *testing.T) {
	files := map[string]string{}
	for i := range 500 {
		files[fmt.Sprintf("manifests/a-rather-long-name-of-a-file-%d.yaml", i)] = fmt.Sprintf("%sa-%d\n", configMap, i)
	}
	repo := load(t, files, nil, discover.Options{})
	if u := repo.Unit("manifests"); u == nil || u.Err != nil || len(u.Objects) != 500 {
		t.Errorf("%+v", u)
	}
}

// TestHostileFiles: what cannot be read is said, within bounds.
func TestHostileFiles(t *testing.T) {
	repo := load(t, map[string]string{
		"a/large.yaml":  configMap + "large\ndata:\n  a: \"" + strings.Repeat("x", 11<<20) + "\"\n",
		"a/bomb.yaml":   configMap + "bomb\ndata:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n  b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n  c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n  d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n  e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n  f: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
		"a/binary.yaml": "apiVersion: v1\x00kind: x",
		"a/out.yaml":    "-> ../../etc/passwd",
		"a/gone.yaml":   "-> none.yaml",
		"a/good.yaml":   configMap + "good\n",
	}, nil, discover.Options{})
	broken := map[string]string{}
	for _, u := range repo.Unreadable {
		broken[u.Place.File] = u.Why
	}
	if !strings.Contains(broken["a/large.yaml"], "11 MiB") || !strings.Contains(broken["a/bomb.yaml"], "aliases") || len(broken) != 2 {
		t.Errorf("unreadable: %q", broken)
	}
	if u := repo.Unit("a"); u == nil || len(u.Objects) != 1 {
		t.Errorf("the good file: %+v", u)
	}
	for name, why := range map[string]string{"a/out.yaml": "leaves", "a/gone.yaml": "does not exist"} {
		if u := repo.Unit(name); u == nil || !strings.Contains(u.Skipped, why) {
			t.Errorf("%s: %+v", name, u)
		}
	}
}

func application(name, path, namespace string) string {
	return fmt.Sprintf(`apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: %s}
spec:
  project: default
  source: {repoURL: "https://git.example.com/shop.git", path: %s}
  destination: {server: "https://kubernetes.default.svc", namespace: %s}
`, name, path, namespace)
}

// TestAgainstBase: what differs is rendered on both sides, what shares a namespace or a definition with it too, and the rest not
// at all. A change of a base concerns all that use it.
func TestAgainstBase(t *testing.T) {
	files := map[string]string{
		"base/kustomization.yaml": "resources: [cm.yaml]\n", "base/cm.yaml": configMap + "base\n",
		"crds/crd.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.example.com}\nspec: {group: example.com, scope: Cluster, names: {kind: A}}\n",
	}
	for _, n := range []string{"a", "b", "c", "d"} {
		files["apps/"+n+".yaml"] = application(n, n, "ns-"+n)
		files[n+"/kustomization.yaml"] = "resources: [../base]\nnameSuffix: -" + n + "\n"
	}
	files["apps/d.yaml"] = application("d", "d", "ns-a")      // beside a
	files["c/kustomization.yaml"] = "resources: [cm.yaml]\n"  // of its own
	files["c/cm.yaml"] = configMap + "c\n  namespace: ns-a\n" // into the namespace of a
	files["apps/e.yaml"], files["e/cm.yaml"] = application("e", "e", "ns-e"), configMap+"e\n"
	changed := func(changes map[string]string) map[string]string {
		out := map[string]string{}
		for k, v := range files {
			out[k] = v
		}
		for k, v := range changes {
			out[k] = v
		}
		return out
	}
	for name, c := range map[string]struct {
		changes  map[string]string
		rendered string
	}{
		"nothing":     {nil, "apps crds"},
		"one":         {map[string]string{"a/kustomization.yaml": "resources: [../base]\nnameSuffix: -changed\n"}, "a apps c crds d"},
		"its spec":    {map[string]string{"apps/e.yaml": application("e", "e", "ns-f")}, "apps crds e"},
		"the base":    {map[string]string{"base/cm.yaml": configMap + "other\n"}, "a apps b c crds d"},
		"a new file":  {map[string]string{"e/more.yaml": configMap + "more\n"}, "apps crds e"},
		"a new app":   {map[string]string{"apps/f.yaml": application("f", "f", "ns-f"), "f/cm.yaml": configMap + "f\n"}, "apps crds f"},
		"not a usage": {map[string]string{"README.md": "x"}, "apps crds"},
	} {
		repo := load(t, changed(c.changes), files, discover.Options{})
		var rendered []string
		for _, u := range repo.Units {
			if !u.Unchanged {
				rendered = append(rendered, u.Name)
			}
			if before := repo.Base.Unit(u.Name); before != nil && before.Unchanged != u.Unchanged {
				t.Errorf("%s: %s is rendered on one side alone", name, u.Name)
			}
		}
		if got := strings.Join(rendered, " "); got != c.rendered {
			t.Errorf("%s: rendered %q, want %q", name, got, c.rendered)
		}
	}
}
