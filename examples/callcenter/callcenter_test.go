package callcenter_test

import (
	"bytes"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/examples/callcenter"
)

const overlays = "infrastructure/k8s/overlays/"

// environments says what the guide says of each: the branch it follows and whether it syncs by itself.
var environments = []struct {
	name, branch string
	automated    bool
}{
	{"dev", "develop", true},
	{"staging", "staging", true},
	{"prod", "main", false},
}

func TestOverlays(t *testing.T) {
	for _, env := range environments {
		t.Run(env.name, func(t *testing.T) {
			objects := build(t, overlays+env.name)
			checkLabels(t, objects)
			checkNoSecrets(t, objects)
			checkReferences(t, objects)
			pods := podTemplates(t, objects)
			if len(pods) != 8 {
				t.Errorf("%d workloads, want 8", len(pods))
			}
			for name, pod := range pods {
				checkPod(t, name, pod)
			}
			checkReplicas(t, env.name, objects)
			checkPolicies(t, objects, pods)
		})
	}
}

func TestApplications(t *testing.T) {
	var project v1alpha1.AppProject
	decode(t, "argocd/projects/callcenter-ai-project.yaml", &project)
	if !slices.Equal(project.Spec.SourceRepos, []string{callcenter.RepoURL}) {
		t.Errorf("project allows sources %q, want only %q", project.Spec.SourceRepos, callcenter.RepoURL)
	}
	for _, env := range environments {
		t.Run(env.name, func(t *testing.T) {
			var app v1alpha1.Application
			decode(t, "argocd/apps/callcenter-ai-"+env.name+".yaml", &app)
			spec := app.Spec
			if app.Name != "callcenter-ai-"+env.name || app.Namespace != "argocd" || spec.Project != project.Name {
				t.Errorf("identity is %s/%s in project %s", app.Namespace, app.Name, spec.Project)
			}
			if spec.Source == nil || spec.Source.RepoURL != callcenter.RepoURL || spec.Source.TargetRevision != env.branch ||
				spec.Source.Path != overlays+env.name {
				t.Errorf("source is %+v", spec.Source)
			}
			if spec.Destination.Namespace != "callcenter-"+env.name {
				t.Errorf("destination is %+v", spec.Destination)
			}
			if !slices.ContainsFunc(project.Spec.Destinations, func(d v1alpha1.ApplicationDestination) bool { return d == spec.Destination }) {
				t.Errorf("project does not allow destination %+v", spec.Destination)
			}
			if spec.SyncPolicy == nil {
				t.Fatal("no syncPolicy")
			}
			if auto := spec.SyncPolicy.Automated; (auto != nil) != env.automated || auto != nil && (!auto.Prune || !auto.SelfHeal) {
				t.Errorf("automated is %+v", auto)
			}
			if confirm := slices.Contains(spec.SyncPolicy.SyncOptions, "Prune=confirm"); confirm == env.automated {
				t.Errorf("syncOptions are %q", spec.SyncPolicy.SyncOptions)
			}
			for _, u := range build(t, spec.Source.Path) {
				gvk := u.GroupVersionKind()
				allowed := slices.ContainsFunc(project.Spec.NamespaceResourceWhitelist, func(gk metav1.GroupKind) bool {
					return gk.Group == gvk.Group && gk.Kind == gvk.Kind
				})
				if !allowed {
					t.Errorf("project does not allow %s", gvk.GroupKind())
				}
			}
		})
	}
}

// TestKustomizeStyle keeps fields out that kustomize v5 calls deprecated.
func TestKustomizeStyle(t *testing.T) {
	deprecated := regexp.MustCompile(`(?m)^(bases|commonLabels|patchesStrategicMerge|patchesJson6902|vars|imageTags|crds):`)
	seen := 0
	err := fs.WalkDir(callcenter.Files, "infrastructure", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "kustomization.yaml" {
			return err
		}
		seen++
		data, err := callcenter.Files.ReadFile(path)
		if field := deprecated.Find(data); field != nil {
			t.Errorf("%s uses the deprecated field %s", path, field)
		}
		return err
	})
	if err != nil || seen < 15 {
		t.Errorf("saw %d kustomizations, error %v", seen, err)
	}
}

func checkLabels(t *testing.T, objects []*unstructured.Unstructured) {
	for _, u := range objects {
		for _, label := range []string{"app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of", "environment"} {
			if u.GetLabels()[label] == "" {
				t.Errorf("%s/%s has no label %s", u.GetKind(), u.GetName(), label)
			}
		}
		// A label of a component of the kustomization would reach every object.
		const component = "app.kubernetes.io/component"
		pods, found, _ := unstructured.NestedString(u.Object, "spec", "template", "metadata", "labels", component)
		if found && pods != u.GetLabels()[component] {
			t.Errorf("%s/%s is labelled %s, its pods %s", u.GetKind(), u.GetName(), u.GetLabels()[component], pods)
		}
		if u.GetNamespace() != "" {
			t.Errorf("%s/%s names namespace %s, which is the Application's to say", u.GetKind(), u.GetName(), u.GetNamespace())
		}
	}
}

func checkNoSecrets(t *testing.T, objects []*unstructured.Unstructured) {
	for _, u := range objects {
		if u.GetKind() == "Secret" {
			t.Errorf("Secret %s is in Git", u.GetName())
		}
	}
}

// checkReferences checks that what a pod names (configuration, secrets, service account) is part of the overlay.
func checkReferences(t *testing.T, objects []*unstructured.Unstructured) {
	have := map[string]bool{}
	for _, u := range objects {
		have[u.GetKind()+"/"+u.GetName()] = true
	}
	need := func(by, ref string) {
		if !have[ref] {
			t.Errorf("%s refers to %s, which is not there", by, ref)
		}
	}
	for name, pod := range podTemplates(t, objects) {
		need(name, "ServiceAccount/"+pod.Spec.ServiceAccountName)
		for _, v := range pod.Spec.Volumes {
			if v.ConfigMap != nil {
				need(name, "ConfigMap/"+v.ConfigMap.Name)
			}
			if v.Secret != nil {
				need(name, "ExternalSecret/"+v.Secret.SecretName)
			}
		}
		for _, c := range pod.Spec.Containers {
			for _, from := range c.EnvFrom {
				need(name, "ConfigMap/"+from.ConfigMapRef.Name)
			}
			for _, env := range c.Env {
				if env.ValueFrom != nil && env.ValueFrom.SecretKeyRef != nil {
					need(name, "ExternalSecret/"+env.ValueFrom.SecretKeyRef.Name)
				}
			}
		}
	}
}

func checkPod(t *testing.T, name string, pod corev1.PodTemplateSpec) {
	spec := pod.Spec
	if sc := spec.SecurityContext; sc == nil || sc.RunAsNonRoot == nil || !*sc.RunAsNonRoot || sc.SeccompProfile == nil {
		t.Errorf("%s: the pod's security context is not restricted", name)
	}
	for _, c := range spec.Containers {
		for _, r := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			request, limit := c.Resources.Requests[r], c.Resources.Limits[r]
			if request.IsZero() || limit.IsZero() {
				t.Errorf("%s: container %s has no request or limit of %s", name, c.Name, r)
			}
		}
		if c.ReadinessProbe == nil || c.LivenessProbe == nil {
			t.Errorf("%s: container %s lacks a probe", name, c.Name)
		}
		if sc := c.SecurityContext; sc == nil || sc.AllowPrivilegeEscalation == nil || *sc.AllowPrivilegeEscalation ||
			sc.Capabilities == nil || !slices.Contains(sc.Capabilities.Drop, "ALL") ||
			sc.ReadOnlyRootFilesystem == nil || !*sc.ReadOnlyRootFilesystem {
			t.Errorf("%s: container %s has a security context that is not restricted", name, c.Name)
		}
		if !regexp.MustCompile(`^[a-z0-9.]+\.[a-z]+/.+:v?\d+(\.\d+)+$`).MatchString(c.Image) {
			t.Errorf("%s: image %s is not pinned to a registry and a version", name, c.Image)
		}
	}
}

// checkReplicas checks that a replica count has one owner: the manifest, or an autoscaler.
func checkReplicas(t *testing.T, env string, objects []*unstructured.Unstructured) {
	scaled := map[string]bool{}
	for _, u := range objects {
		if u.GetKind() == "HorizontalPodAutoscaler" {
			target, _, _ := unstructured.NestedString(u.Object, "spec", "scaleTargetRef", "name")
			scaled[target] = true
		}
	}
	if want := map[string]int{"dev": 0, "staging": 3, "prod": 3}[env]; len(scaled) != want {
		t.Errorf("%d autoscalers, want %d", len(scaled), want)
	}
	for _, u := range objects {
		if u.GetKind() != "Deployment" && u.GetKind() != "StatefulSet" {
			continue
		}
		_, fixed, _ := unstructured.NestedInt64(u.Object, "spec", "replicas")
		if fixed == scaled[u.GetName()] {
			t.Errorf("%s/%s: replicas in the manifest: %t, autoscaler: %t", u.GetKind(), u.GetName(), fixed, scaled[u.GetName()])
		}
	}
}

// checkPolicies checks that everything is denied by default and that each workload has a policy which selects it.
func checkPolicies(t *testing.T, objects []*unstructured.Unstructured, pods map[string]corev1.PodTemplateSpec) {
	selected := map[string]bool{}
	deny := false
	for _, u := range objects {
		if u.GetKind() != "NetworkPolicy" {
			continue
		}
		labels, _, _ := unstructured.NestedStringMap(u.Object, "spec", "podSelector", "matchLabels")
		deny = deny || len(labels) == 0 && u.GetName() == "default-deny"
		selected[labels["app.kubernetes.io/name"]] = true
	}
	if !deny {
		t.Error("no policy denies by default")
	}
	for name, pod := range pods {
		if !selected[pod.Labels["app.kubernetes.io/name"]] {
			t.Errorf("no NetworkPolicy selects %s", name)
		}
	}
}

func podTemplates(t *testing.T, objects []*unstructured.Unstructured) map[string]corev1.PodTemplateSpec {
	out := map[string]corev1.PodTemplateSpec{}
	for _, u := range objects {
		name := u.GetKind() + "/" + u.GetName()
		switch u.GroupVersionKind() {
		case schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}:
			var d appsv1.Deployment
			convert(t, u, &d)
			out[name] = d.Spec.Template
		case schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}:
			var s appsv1.StatefulSet
			convert(t, u, &s)
			out[name] = s.Spec.Template
		}
	}
	return out
}

// convert is strict: a misspelt field is an error.
func convert(t *testing.T, u *unstructured.Unstructured, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(u.Object, into, true); err != nil {
		t.Errorf("%s/%s: %v", u.GetKind(), u.GetName(), err)
	}
}

// build renders a kustomization of the repository from memory.
func build(t *testing.T, path string) []*unstructured.Unstructured {
	t.Helper()
	files := filesys.MakeFsInMemory()
	err := fs.WalkDir(callcenter.Files, "infrastructure", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := callcenter.Files.ReadFile(path)
		if err != nil {
			return err
		}
		return files.WriteFile(path, data)
	})
	if err != nil {
		t.Fatal(err)
	}
	result, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(files, path)
	if err != nil {
		t.Fatalf("build %s: %v", path, err)
	}
	data, err := result.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, data)
}

func parse(t *testing.T, data []byte) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	for {
		u := &unstructured.Unstructured{}
		err := dec.Decode(u)
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, u)
	}
}

func decode(t *testing.T, path string, into any) {
	t.Helper()
	data, err := callcenter.Files.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// TestReadme keeps the README's claim that one address has to be replaced in argocd/ true.
func TestReadme(t *testing.T) {
	host := regexp.MustCompile(`https?://[^\s"]+`)
	err := fs.WalkDir(callcenter.Files, "argocd", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := callcenter.Files.ReadFile(path)
		for _, url := range host.FindAllString(string(data), -1) {
			if url != callcenter.RepoURL && !strings.HasPrefix(url, v1alpha1.InClusterServer) {
				t.Errorf("%s names %s", path, url)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
