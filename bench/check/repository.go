package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// manifests are the ten objects of an application, by the name of their file.
func manifests() map[string]string {
	return map[string]string{
		"deployment": `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app.kubernetes.io/name: web}
spec:
  replicas: 2
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      serviceAccountName: web
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      containers:
      - name: app
        image: registry.example.com/web:1.0.0
        ports: [{name: http, containerPort: 8080}]
        envFrom:
        - configMapRef: {name: web}
        readinessProbe:
          httpGet: {path: /ready, port: http}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities: {drop: [ALL]}
        resources:
          requests: {cpu: 100m, memory: 64Mi}
          limits: {memory: 64Mi}
`,
		"service":        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  selector: {app: web}\n  ports: [{port: 80, targetPort: http}]\n",
		"configmap":      "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {level: info}\n",
		"serviceaccount": "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n",
		"ingress":        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\nspec:\n  tls: [{hosts: [web.example.com]}]\n  defaultBackend: {service: {name: web, port: {number: 80}}}\n",
		"autoscaler":     "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: web}\nspec:\n  maxReplicas: 3\n  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}\n",
		"budget":         "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec:\n  maxUnavailable: 1\n  selector: {matchLabels: {app: web}}\n",
		"role":           "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: web}\nrules: [{apiGroups: [\"\"], resources: [configmaps], verbs: [get]}]\n",
		"rolebinding":    "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: web}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}\nsubjects: [{kind: ServiceAccount, name: web}]\n",
		"networkpolicy":  "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: web}\nspec:\n  podSelector: {}\n  policyTypes: [Ingress, Egress]\n",
	}
}

func application(i int) string { return fmt.Sprintf("app-%04d", i) }

func write(name, content string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(content), 0o644)
}

// makePlain writes all objects of all applications as they are deployed, one a file. A fault, if not empty, takes the place of the
// rule that a disruption budget has, so that each application has a finding.
func makePlain(dir string, apps int, fault string) error {
	for i := range apps {
		for name, text := range manifests() {
			text = strings.Replace(text, "metadata: {name: web}", "metadata: {name: web, namespace: "+application(i)+"}", 1)
			text = strings.Replace(text, "metadata:\n  name: web\n", "metadata:\n  name: web\n  namespace: "+application(i)+"\n", 1)
			if fault != "" {
				text = strings.Replace(text, "maxUnavailable: 1", fault, 1)
			}
			if err := write(filepath.Join(dir, application(i), name+".yaml"), text); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeFleet makes a repository with an overlay, a namespace and an Application for each application, and a branch that changes
// some of them.
func makeFleet(ctx context.Context, dir string, o options) error {
	kustomization := "resources:\n"
	for _, name := range slices.Sorted(maps.Keys(manifests())) {
		kustomization += "- " + name + ".yaml\n"
		if err := write(filepath.Join(dir, "base", name+".yaml"), manifests()[name]); err != nil {
			return err
		}
	}
	if err := write(filepath.Join(dir, "base", "kustomization.yaml"), kustomization); err != nil {
		return err
	}
	for i := range o.apps {
		name := application(i)
		for file, text := range map[string]string{
			"apps/" + name + "/kustomization.yaml": overlay(name, "1.0.0"),
			"apps/" + name + "/patch.yaml":         fmt.Sprintf("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: %d}\n", i%5+1),
			"argocd/" + name + ".yaml": fmt.Sprintf("apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: %s, namespace: argocd}\nspec:\n  project: default\n"+
				"  source: {repoURL: \"https://git.example.com/fleet.git\", path: apps/%s, targetRevision: HEAD}\n"+
				"  destination: {server: \"https://kubernetes.default.svc\", namespace: %s}\n", name, name, name),
		} {
			if err := write(filepath.Join(dir, file), text); err != nil {
				return err
			}
		}
	}
	if err := git(ctx, dir, "init", "--quiet", "--initial-branch=main", "."); err != nil {
		return err
	}
	if err := commit(ctx, dir); err != nil {
		return err
	}
	if err := git(ctx, dir, "checkout", "--quiet", "-b", "change"); err != nil {
		return err
	}
	for i := range min(o.changed, o.apps) {
		name := application(i * (o.apps / o.changed))
		if err := write(filepath.Join(dir, "apps", name, "kustomization.yaml"), overlay(name, "latest")); err != nil {
			return err
		}
	}
	return commit(ctx, dir)
}

func overlay(name, tag string) string {
	return fmt.Sprintf("namespace: %s\nresources: [../../base]\nimages:\n- name: registry.example.com/web\n  newTag: %s\npatches:\n- path: patch.yaml\n", name, tag)
}

// touchBase changes what all applications are made of.
func touchBase(dir string) error {
	return write(filepath.Join(dir, "base", "configmap.yaml"), strings.Replace(manifests()["configmap"], "info", "debug", 1))
}

func commit(ctx context.Context, dir string) error {
	if err := git(ctx, dir, "add", "--all"); err != nil {
		return err
	}
	return git(ctx, dir, "commit", "--quiet", "--message", "Change")
}

func git(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-c", "user.name=Bench", "-c", "user.email=bench@example.com"}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
