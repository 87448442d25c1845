package workload

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/object"
)

// fixtures is how many pods the library ships, so that a test that finds none of them is seen.
const fixtures = 4500

// TestFixtures judges the pods that the library tests itself with: those of each level and version that pass have no finding of the
// level, and those that fail have one.
func TestFixtures(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "test", "testdata")
	names, err := filepath.Glob(filepath.Join(root, "*", "*", "*", "*.yaml"))
	if err != nil || len(names) < fixtures {
		t.Fatalf("%d fixtures in %s: %v", len(names), root, err)
	}
	checker := New()
	for _, name := range names {
		rel, _ := filepath.Rel(root, name)
		part := strings.Split(rel, string(filepath.Separator))
		level, version, want := part[0], strings.TrimPrefix(part[1], "v"), part[2]
		found, err := standardsOf(t, checker, name, version)
		if err != nil {
			t.Fatalf("%s: %v", rel, err)
		}
		if level == "baseline" {
			found = slices.DeleteFunc(found, func(id string) bool { return id == restrictedRule().ID })
		}
		if (len(found) > 0) != (want == "fail") {
			t.Errorf("%s: the API server says %s, the rules found %v", rel, want, found)
		}
	}
}

// standardsOf returns the rules on Pod Security that find something in a pod for a version of Kubernetes.
func standardsOf(t *testing.T, checker *Checker, file, version string) ([]string, error) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(data, &u.Object); err != nil {
		return nil, err
	}
	u.SetNamespace("fixtures")
	unit := &check.Unit{Name: "fixtures"}
	o := &check.Object{Unstructured: u, Ref: object.RefOf(u), Unit: unit}
	unit.Objects = []*check.Object{o}
	repo := &check.Repository{Units: []*check.Unit{unit}, KubeVersions: []string{version}}
	repo.Config.Profile = check.Restricted
	var found []string
	err = checker.Check(t.Context(), repo, func(f check.Finding) {
		if strings.HasPrefix(f.Rule, "pss-") || f.Rule == sensitiveHostPath().ID {
			found = append(found, f.Rule)
		}
		if f.Rule == unjudgedRule().ID {
			err = fmt.Errorf("not judged: %s", f.Message)
		}
	})
	return found, err
}
