package cli_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// installObjects prints an installation and parts it into objects.
func (b *bench) installObjects(args ...string) []*unstructured.Unstructured {
	b.t.Helper()
	var objects []*unstructured.Unstructured
	for _, doc := range strings.Split(b.run(append([]string{"install"}, args...)...).ok(b.t).stdout, "---\n") {
		if strings.TrimSpace(doc) == "" {
			continue
		}
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			b.t.Fatal(err)
		}
		objects = append(objects, u)
	}
	return objects
}

// TestInstallIsAccepted applies every object of an installation on the server side, as a trial.
func TestInstallIsAccepted(t *testing.T) {
	b := newBench(t)
	objects := b.installObjects("--image", "example/belay:1")
	for _, u := range objects {
		data, err := u.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		err = b.client.Patch(t.Context(), u, client.RawPatch(types.ApplyPatchType, data), client.DryRunAll, client.ForceOwnership,
			client.FieldOwner("test"), client.FieldValidation(metav1.FieldValidationStrict))
		if err != nil {
			t.Errorf("%s %s: %v", u.GetKind(), u.GetName(), err)
			continue
		}
		if ns := u.GetNamespace(); ns != "" && ns != b.namespace {
			t.Errorf("%s %s is in namespace %s", u.GetKind(), u.GetName(), ns)
		}
		if u.GetKind() == "Secret" || u.GetKind() == "ConfigMap" {
			if u.Object["data"] != nil || u.Object["stringData"] != nil {
				t.Errorf("%s %s would overwrite settings", u.GetKind(), u.GetName())
			}
		}
	}
	if len(objects) < 12 {
		t.Errorf("%d objects only", len(objects))
	}
}

func TestInstallFitsTogether(t *testing.T) {
	b := newBench(t)
	var deployment appsv1.Deployment
	services := map[string]corev1.Service{}
	for _, u := range b.installObjects("--image", "example/belay:1", "--name", "belay", "--replicas", "2") {
		switch u.GetKind() {
		case "Deployment":
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &deployment); err != nil {
				t.Fatal(err)
			}
		case "Service":
			var s corev1.Service
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &s); err != nil {
				t.Fatal(err)
			}
			services[s.Name] = s
		}
	}
	container := deployment.Spec.Template.Spec.Containers[0]
	if deployment.Name != "belay" || *deployment.Spec.Replicas != 2 || container.Image != "example/belay:1" {
		t.Errorf("deployment %s, %d replicas of %s", deployment.Name, *deployment.Spec.Replicas, container.Image)
	}
	pod := labels.Set(deployment.Spec.Template.Labels)
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil || !selector.Matches(pod) {
		t.Errorf("the Deployment does not select its pods: %v", err)
	}
	ports := map[string]int32{}
	for _, p := range container.Ports {
		ports[p.Name] = p.ContainerPort
	}
	if ports["metrics"] != 8082 {
		t.Errorf("ports %v", ports)
	}
	for name, s := range services {
		if !labels.SelectorFromSet(s.Spec.Selector).Matches(pod) {
			t.Errorf("service %s selects no pod", name)
		}
		for _, p := range s.Spec.Ports {
			if _, ok := ports[p.TargetPort.String()]; !ok {
				t.Errorf("service %s points at port %s, which does not exist", name, p.TargetPort.String())
			}
		}
	}
	for _, name := range []string{"belay", "argocd-metrics"} {
		if _, ok := services[name]; !ok {
			t.Errorf("no service %s", name)
		}
	}
	for _, probe := range []*corev1.Probe{container.LivenessProbe, container.ReadinessProbe, container.StartupProbe} {
		if probe == nil || ports[probe.HTTPGet.Port.String()] == 0 {
			t.Errorf("probe %+v", probe)
		}
	}
	if sc := container.SecurityContext; *sc.AllowPrivilegeEscalation || !*sc.ReadOnlyRootFilesystem {
		t.Errorf("security context %+v", sc)
	}
	b.run("install", "--name", "Not A Name").exits(t, 2)
	b.run("install", "--replicas", "-1").exits(t, 2)
}
