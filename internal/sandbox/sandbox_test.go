package sandbox_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/belaycd/belay/internal/sandbox"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

const (
	patience = time.Minute
	interval = 20 * time.Millisecond
)

// eventually polls until the check is true or patience ends.
func eventually(t *testing.T, what string, check func(ctx context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), interval, patience, true, check); err != nil {
		t.Fatalf("wait for %s: %v", what, err)
	}
}

func TestVersion(t *testing.T) {
	v, err := sandbox.Start(t).Client().Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(v.GitVersion, "v1.37.") || v.Major != "1" || v.Minor != "37" {
		t.Errorf("server version %s (%s.%s)", v.GitVersion, v.Major, v.Minor)
	}
}

func TestNodesAreReady(t *testing.T) {
	nodes, err := sandbox.Start(t).Client().CoreV1().Nodes().List(t.Context(), meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(nodes.Items) != 3 {
		t.Errorf("%d nodes", len(nodes.Items))
	}
	for _, node := range nodes.Items {
		for _, c := range node.Status.Conditions {
			if c.Type == core.NodeReady && c.Status != core.ConditionTrue {
				t.Errorf("node %s is not ready: %s", node.Name, c.Message)
			}
		}
	}
}

func TestJobs(t *testing.T) {
	s := sandbox.Start(t)
	namespace := s.Namespace(t)
	for _, test := range []struct {
		name, script string
		want         batch.JobConditionType
	}{
		{"works", "echo begin; sleep 1 && echo end", batch.JobComplete},
		{"fails", "echo begin; exit 3", batch.JobFailed},
	} {
		t.Run(test.name, func(t *testing.T) {
			once := int32(0)
			job := &batch.Job{
				ObjectMeta: meta.ObjectMeta{Name: test.name},
				Spec: batch.JobSpec{BackoffLimit: &once, Template: core.PodTemplateSpec{Spec: core.PodSpec{
					RestartPolicy: core.RestartPolicyNever,
					Containers:    []core.Container{{Name: "c", Image: "busybox", Command: []string{"sh", "-c", test.script}}},
				}}},
			}
			jobs := s.Client().BatchV1().Jobs(namespace)
			if _, err := jobs.Create(t.Context(), job, meta.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			eventually(t, string(test.want), func(ctx context.Context) (bool, error) {
				job, err := jobs.Get(ctx, test.name, meta.GetOptions{})
				if err != nil {
					return false, err
				}
				for _, c := range job.Status.Conditions {
					if c.Status == core.ConditionTrue && (c.Type == batch.JobComplete || c.Type == batch.JobFailed) {
						if c.Type != test.want {
							return false, fmt.Errorf("job is %s: %s", c.Type, c.Message)
						}
						return true, nil
					}
				}
				return false, nil
			})
		})
	}
}

func TestLogs(t *testing.T) {
	s := sandbox.Start(t)
	pods := s.Client().CoreV1().Pods(s.Namespace(t))
	talker := pod(pods, "talker", []string{"sh", "-c", "echo one; sleep 1; echo $WORD"}, core.EnvVar{Name: "WORD", Value: "two"})
	talker.spec.Spec.RestartPolicy = core.RestartPolicyNever
	create(t, talker)
	stream := func(options *core.PodLogOptions) (string, error) {
		body, err := pods.GetLogs("talker", options).Stream(t.Context())
		if err != nil {
			return "", err
		}
		defer body.Close() //nolint:errcheck // only read from
		text, err := io.ReadAll(body)
		return string(text), err
	}
	eventually(t, "followed log", func(context.Context) (bool, error) {
		text, err := stream(&core.PodLogOptions{Follow: true})
		return text == "one\ntwo\n", ignoreBadRequest(err)
	})
	one := int64(1)
	if text, err := stream(&core.PodLogOptions{TailLines: &one}); err != nil || text != "two\n" {
		t.Errorf("tail: %q, %v", text, err)
	}
}

// ignoreBadRequest drops the answer for a container that has not started.
func ignoreBadRequest(err error) error {
	if apierrors.IsBadRequest(err) {
		return nil
	}
	return err
}

func TestMissingConfigMapHoldsPod(t *testing.T) {
	s := sandbox.Start(t)
	namespace := s.Namespace(t)
	pods := s.Client().CoreV1().Pods(namespace)
	p := pod(pods, "p", nil)
	p.spec.Spec.Containers[0].EnvFrom = []core.EnvFromSource{{ConfigMapRef: &core.ConfigMapEnvSource{
		LocalObjectReference: core.LocalObjectReference{Name: "late"},
	}}}
	create(t, p)
	eventually(t, "CreateContainerConfigError", func(ctx context.Context) (bool, error) {
		return waitingFor(ctx, p, "CreateContainerConfigError")
	})
	_, err := s.Client().CoreV1().ConfigMaps(namespace).Create(t.Context(),
		&core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "late"}}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready pod", func(ctx context.Context) (bool, error) { return ready(ctx, p) })
}

func TestReadinessGate(t *testing.T) {
	s := sandbox.Start(t)
	pods := s.Client().CoreV1().Pods(s.Namespace(t))
	p := pod(pods, "p", nil)
	p.spec.Spec.ReadinessGates = []core.PodReadinessGate{{ConditionType: "example.com/open"}}
	create(t, p)
	eventually(t, "running pod", func(ctx context.Context) (bool, error) {
		got, err := pods.Get(ctx, "p", meta.GetOptions{})
		return err == nil && got.Status.Phase == core.PodRunning, err
	})
	if ok, err := ready(t.Context(), p); ok || err != nil {
		t.Fatalf("ready with a closed gate: %v, %v", ok, err)
	}
	patch := []byte(`{"status":{"conditions":[{"type":"example.com/open","status":"True"}]}}`)
	if _, err := pods.Patch(t.Context(), "p", "application/strategic-merge-patch+json", patch, meta.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready pod", func(ctx context.Context) (bool, error) { return ready(ctx, p) })
}

func TestStatefulSetWithStorage(t *testing.T) {
	s := sandbox.Start(t)
	sets := s.Client().AppsV1().StatefulSets(s.Namespace(t))
	labels, replicas := map[string]string{"app": "db"}, int32(2)
	set := &apps.StatefulSet{
		ObjectMeta: meta.ObjectMeta{Name: "db"},
		Spec: apps.StatefulSetSpec{
			Replicas: &replicas, ServiceName: "db", Selector: &meta.LabelSelector{MatchLabels: labels},
			Template: core.PodTemplateSpec{
				ObjectMeta: meta.ObjectMeta{Labels: labels},
				Spec:       core.PodSpec{Containers: []core.Container{{Name: "c", Image: "db"}}},
			},
			VolumeClaimTemplates: []core.PersistentVolumeClaim{{
				ObjectMeta: meta.ObjectMeta{Name: "data"},
				Spec: core.PersistentVolumeClaimSpec{
					AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
					Resources: core.VolumeResourceRequirements{
						Requests: core.ResourceList{core.ResourceStorage: resource.MustParse("1Gi")},
					},
				},
			}},
		},
	}
	if _, err := sets.Create(t.Context(), set, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready replicas", func(ctx context.Context) (bool, error) {
		set, err := sets.Get(ctx, "db", meta.GetOptions{})
		return err == nil && set.Status.ReadyReplicas == replicas, err
	})
}

func TestAddresses(t *testing.T) {
	s := sandbox.Start(t)
	namespace := s.Namespace(t)
	services, ingresses := s.Client().CoreV1().Services(namespace), s.Client().NetworkingV1().Ingresses(namespace)
	port := []core.ServicePort{{Port: 80}}
	for name, annotation := range map[string]string{"open": "", "held": "pending"} {
		_, err := services.Create(t.Context(), &core.Service{
			ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{"belay.dev/sandbox": annotation}},
			Spec:       core.ServiceSpec{Type: core.ServiceTypeLoadBalancer, Ports: port},
		}, meta.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
	backend := &networking.IngressBackend{Service: &networking.IngressServiceBackend{
		Name: "open", Port: networking.ServiceBackendPort{Number: 80},
	}}
	_, err := ingresses.Create(t.Context(), &networking.Ingress{
		ObjectMeta: meta.ObjectMeta{Name: "web"}, Spec: networking.IngressSpec{DefaultBackend: backend},
	}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "addresses", func(ctx context.Context) (bool, error) {
		service, err := services.Get(ctx, "open", meta.GetOptions{})
		if err != nil || len(service.Status.LoadBalancer.Ingress) == 0 {
			return false, err
		}
		ingress, err := ingresses.Get(ctx, "web", meta.GetOptions{})
		return err == nil && len(ingress.Status.LoadBalancer.Ingress) == 1, err
	})
	if held, err := services.Get(t.Context(), "held", meta.GetOptions{}); err != nil || len(held.Status.LoadBalancer.Ingress) > 0 {
		t.Errorf("a held service has addresses %v, %v", held.Status.LoadBalancer.Ingress, err)
	}
}

// namedPod is a pod to create.
type namedPod struct {
	pods podsClient
	spec *core.Pod
}

type podsClient interface {
	Create(ctx context.Context, pod *core.Pod, opts meta.CreateOptions) (*core.Pod, error)
	Get(ctx context.Context, name string, opts meta.GetOptions) (*core.Pod, error)
}

func pod(pods podsClient, name string, command []string, env ...core.EnvVar) namedPod {
	return namedPod{pods, &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: name},
		Spec:       core.PodSpec{Containers: []core.Container{{Name: "c", Image: "app:v1", Command: command, Env: env}}},
	}}
}

func create(t *testing.T, p namedPod) {
	t.Helper()
	if _, err := p.pods.Create(t.Context(), p.spec, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func ready(ctx context.Context, p namedPod) (bool, error) {
	got, err := p.pods.Get(ctx, p.spec.Name, meta.GetOptions{})
	if err != nil {
		return false, err
	}
	for _, c := range got.Status.Conditions {
		if c.Type == core.PodReady {
			return c.Status == core.ConditionTrue, nil
		}
	}
	return false, nil
}

func waitingFor(ctx context.Context, p namedPod, reason string) (bool, error) {
	got, err := p.pods.Get(ctx, p.spec.Name, meta.GetOptions{})
	if err != nil || len(got.Status.ContainerStatuses) == 0 || got.Status.ContainerStatuses[0].State.Waiting == nil {
		return false, err
	}
	return got.Status.ContainerStatuses[0].State.Waiting.Reason == reason, nil
}
