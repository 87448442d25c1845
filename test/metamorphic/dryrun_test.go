package metamorphic

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/internal/app"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/sandbox"
)

// TestServerDryRun: the cluster says what only it can know, nothing is written to it, and no value of a Secret is told.
func TestServerDryRun(t *testing.T) {
	cluster := sandbox.Start(t)
	namespace := cluster.Namespace(t)
	dir := t.TempDir()
	manifests := strings.ReplaceAll(`
apiVersion: v1
kind: ConfigMap
metadata: {name: fine, namespace: NAMESPACE}
data: {a: b}
---
apiVersion: v1
kind: Pod
metadata: {name: urgent, namespace: NAMESPACE}
spec:
  priorityClassName: most-urgent
  containers: [{name: urgent, image: "registry.example/urgent:1"}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: early, namespace: not-there-yet}
---
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: NAMESPACE}
data: {password: hunter2!}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: unknown, namespace: NAMESPACE}
`, "NAMESPACE", namespace)
	if err := os.WriteFile(filepath.Join(dir, "all.yaml"), []byte(manifests), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, asked := range []bool{true, false} {
		opts := cli.CheckOptions{Root: dir}
		if asked {
			opts.Cluster = cluster.RESTConfig()
		}
		r, err := app.Check(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, result := range r.Results {
			if strings.Contains(result.Message, "hunter2") {
				t.Errorf("the value of a Secret is told: %s", result.Message)
			}
			if strings.HasPrefix(result.Rule.ID, "server-") {
				got = append(got, result.Rule.ID+" "+result.Objects[0].Name)
			}
		}
		slices.Sort(got)
		want := []string{"server-refused token", "server-refused unknown", "server-refused urgent", "server-unasked early"}
		if !asked {
			want = nil
		}
		if !slices.Equal(got, want) {
			t.Errorf("asked: %v: found %q, want %q", asked, got, want)
		}
	}
	list, err := cluster.Client().CoreV1().ConfigMaps(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		if list.Items[i].Name == "fine" {
			t.Error("the dry run has written an object")
		}
	}
}
