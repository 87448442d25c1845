package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// workload is what is delivered: one repository, an overlay, a namespace and an Application each.
type workload struct {
	apps, objects int
	name          string // prefix of all that is created
	namespace     string // of the Applications
	repoURL       string
}

const label = "bench.belay.dev/workload"

func (w workload) selector() string    { return label + "=" + w.name }
func (w workload) app(i int) string    { return fmt.Sprintf("%s-%04d", w.name, i) }
func (w workload) appKey(i int) string { return w.namespace + "/" + w.app(i) }

// The last object of every application comes from the shared base; all others are files of its overlay.
func (w workload) shared(i int) string { return w.app(i) + "/shared" }
func (w workload) own(i, object int) string {
	return fmt.Sprintf("%s/settings-%02d", w.app(i), object)
}

func (w workload) appKeys() []string {
	out := make([]string, w.apps)
	for i := range out {
		out[i] = w.appKey(i)
	}
	return out
}

func (w workload) sharedKeys() []string {
	out := make([]string, w.apps)
	for i := range out {
		out[i] = w.shared(i)
	}
	return out
}

// path is where the file of an application's object stands in the repository.
func (w workload) path(i, object int) string {
	return fmt.Sprintf("apps/%s/settings-%02d.yaml", w.app(i), object)
}

const sharedPath = "base/shared/shared.yaml"

// write lays the repository out below dir.
func (w workload) write(dir string) error {
	files := map[string]string{
		"base/shared/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- shared.yaml\n",
		sharedPath:                       w.configMap("shared", "0"),
	}
	for i := range w.apps {
		var list strings.Builder
		for o := range w.objects - 1 {
			files[w.path(i, o)] = w.configMap(fmt.Sprintf("settings-%02d", o), "0")
			fmt.Fprintf(&list, "- settings-%02d.yaml\n", o)
		}
		files["apps/"+w.app(i)+"/kustomization.yaml"] = fmt.Sprintf("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"+
			"namespace: %s\nresources:\n- ../../base/shared\n%slabels:\n- pairs:\n    app.kubernetes.io/part-of: %s\n", w.app(i), list.String(), w.app(i))
	}
	for name, content := range files {
		if err := writeFile(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(name, content string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("write workload: %w", err)
	}
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		return fmt.Errorf("write workload: %w", err)
	}
	return nil
}

// configMap is a small object; token is what measures change and look for.
func (w workload) configMap(name, token string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata:
  name: %s
  labels:
    %s: %s
data:
  token: %q
  LOG_LEVEL: info
  FEATURE_FLAGS: "routing=on,survey=off,recording=on"
  application.yaml: |
    server:
      port: 8080
      timeout: 30s
    queue:
      name: calls
      workers: 4
`, name, label, w.name, token)
}

// limitObject is an object of the same size as those of the workload, as the limit measure writes it.
func (w workload) limitObject(namespace, name, token string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"namespace": namespace, "name": name, "labels": map[string]string{label: w.name + "-limit"}},
		"data": map[string]string{
			"token": token, "LOG_LEVEL": "info", "FEATURE_FLAGS": "routing=on,survey=off,recording=on",
			"application.yaml": "server:\n  port: 8080\n  timeout: 30s\nqueue:\n  name: calls\n  workers: 4\n",
		},
	})
}

// application is the Application number i.
func (w workload) application(i int) ([]byte, error) {
	return json.Marshal(map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
		"metadata": map[string]any{"name": w.app(i), "namespace": w.namespace, "labels": map[string]string{label: w.name}},
		"spec": map[string]any{
			"project":     "default",
			"source":      map[string]any{"repoURL": w.repoURL, "targetRevision": branch, "path": "apps/" + w.app(i)},
			"destination": map[string]any{"server": "https://kubernetes.default.svc", "namespace": w.app(i)},
			"syncPolicy": map[string]any{
				"automated":   map[string]any{"prune": true, "selfHeal": true},
				"syncOptions": []string{"CreateNamespace=true"},
			},
		},
	})
}
