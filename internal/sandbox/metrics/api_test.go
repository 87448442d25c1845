package metrics_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	registration "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/kube-aggregator/pkg/apis/apiregistration/v1/helper"
	"k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/typed/apiregistration/v1"
	metricsclient "k8s.io/metrics/pkg/client/clientset/versioned"

	"github.com/belaycd/belay/internal/sandbox"
)

func TestMain(m *testing.M) { os.Exit(sandbox.Main(m)) }

const (
	// patience covers three rounds of the autoscaler, which looks every 15 seconds.
	patience = time.Minute
	interval = 50 * time.Millisecond
	apiName  = "v1beta1.metrics.k8s.io"
)

func eventually(t *testing.T, what string, check func(ctx context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), interval, patience, true, check); err != nil {
		t.Fatalf("wait for %s: %v", what, err)
	}
}

func TestAutoscaler(t *testing.T) {
	s := sandbox.Start(t)
	t.Parallel()
	namespace := s.Namespace(t)
	createDeployment(t, s.Client(), namespace, 3)
	utilization := int32(70)
	autoscalers := s.Client().AutoscalingV2().HorizontalPodAutoscalers(namespace)
	_, err := autoscalers.Create(t.Context(), &autoscaling.HorizontalPodAutoscaler{
		ObjectMeta: meta.ObjectMeta{Name: "web"},
		Spec: autoscaling.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			MaxReplicas:    8,
			Metrics: []autoscaling.MetricSpec{{Type: autoscaling.ResourceMetricSourceType, Resource: &autoscaling.ResourceMetricSource{
				Name:   core.ResourceCPU,
				Target: autoscaling.MetricTarget{Type: autoscaling.UtilizationMetricType, AverageUtilization: &utilization},
			}}},
		},
	}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "ScalingActive", func(ctx context.Context) (bool, error) {
		h, err := autoscalers.Get(ctx, "web", meta.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, c := range h.Status.Conditions {
			if c.Type == autoscaling.ScalingActive && c.Status != core.ConditionTrue {
				return false, fmt.Errorf("%s: %s", c.Reason, c.Message) // it must work at the first try
			}
		}
		return len(h.Status.CurrentMetrics) > 0 && h.Status.CurrentMetrics[0].Resource != nil, nil
	})
	h, err := autoscalers.Get(t.Context(), "web", meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := *h.Status.CurrentMetrics[0].Resource.Current.AverageUtilization; got != 50 || h.Status.DesiredReplicas != 3 {
		t.Errorf("utilization %d%%, %d replicas wanted", got, h.Status.DesiredReplicas)
	}

	// 140 % of the request is twice the target.
	annotatePods(t, s.Client(), namespace, "belay.dev/sandbox-cpu", "140%")
	deployments := s.Client().AppsV1().Deployments(namespace)
	eventually(t, "more replicas", func(ctx context.Context) (bool, error) {
		d, err := deployments.Get(ctx, "web", meta.GetOptions{})
		return err == nil && *d.Spec.Replicas == 6, err
	})
}

func createDeployment(t *testing.T, client kubernetes.Interface, namespace string, replicas int32) {
	t.Helper()
	labels := map[string]string{"app": "web"}
	deployments := client.AppsV1().Deployments(namespace)
	_, err := deployments.Create(t.Context(), &apps.Deployment{
		ObjectMeta: meta.ObjectMeta{Name: "web"},
		Spec: apps.DeploymentSpec{
			Replicas: &replicas, Selector: &meta.LabelSelector{MatchLabels: labels},
			Template: core.PodTemplateSpec{
				ObjectMeta: meta.ObjectMeta{Labels: labels},
				Spec: core.PodSpec{Containers: []core.Container{{Name: "c", Image: "web", Resources: core.ResourceRequirements{
					Requests: core.ResourceList{
						core.ResourceCPU: resource.MustParse("200m"), core.ResourceMemory: resource.MustParse("64Mi"),
					},
				}}}},
			},
		},
	}, meta.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "ready pods", func(ctx context.Context) (bool, error) {
		d, err := deployments.Get(ctx, "web", meta.GetOptions{})
		return err == nil && d.Status.ReadyReplicas == replicas, err
	})
}

func annotatePods(t *testing.T, client kubernetes.Interface, namespace, name, value string) {
	t.Helper()
	pods, err := client.CoreV1().Pods(namespace).List(t.Context(), meta.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	patch := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%q}}}`, name, value)
	for _, pod := range pods.Items {
		_, err := client.CoreV1().Pods(namespace).Patch(t.Context(), pod.Name, types.MergePatchType, patch, meta.PatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestRead(t *testing.T) {
	s := sandbox.Start(t)
	t.Parallel()
	namespace := s.Namespace(t)
	createDeployment(t, s.Client(), namespace, 2)
	pending := &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: "pending", Annotations: map[string]string{"belay.dev/sandbox": "image-pull-error"}},
		Spec:       core.PodSpec{Containers: []core.Container{{Name: "c", Image: "app"}}},
	}
	if _, err := s.Client().CoreV1().Pods(namespace).Create(t.Context(), pending, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	api := readerOf(t, s.RESTConfig())
	list := func(options meta.ListOptions) []string {
		t.Helper()
		list, err := api.MetricsV1beta1().PodMetricses(namespace).List(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, m := range list.Items {
			if m.Timestamp.IsZero() || m.Window.Duration < 0 || m.Containers[0].Usage.Cpu().String() != "100m" {
				t.Errorf("metrics %+v", m)
			}
			names = append(names, m.Name)
		}
		return names
	}
	all := list(meta.ListOptions{})
	if len(all) != 2 || slices.Contains(all, "pending") {
		t.Fatalf("metrics of %v", all)
	}
	for name, test := range map[string]struct {
		options meta.ListOptions
		want    int
	}{
		"label":       {meta.ListOptions{LabelSelector: "app=web"}, 2},
		"other label": {meta.ListOptions{LabelSelector: "app!=web"}, 0},
		"name":        {meta.ListOptions{FieldSelector: "metadata.name=" + all[0]}, 1},
	} {
		if got := list(test.options); len(got) != test.want {
			t.Errorf("%s: metrics of %v", name, got)
		}
	}
	pods := api.MetricsV1beta1().PodMetricses(namespace)
	if one, err := pods.Get(t.Context(), all[0], meta.GetOptions{}); err != nil || one.Labels["app"] != "web" {
		t.Errorf("metrics of one pod: %+v, %v", one, err)
	}
	for _, name := range []string{"pending", "none"} {
		if _, err := pods.Get(t.Context(), name, meta.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("metrics of %s: error %v", name, err)
		}
	}
	nodes, err := api.MetricsV1beta1().NodeMetricses().List(t.Context(), meta.ListOptions{})
	if err != nil || len(nodes.Items) != 3 {
		t.Fatalf("metrics of %d nodes, %v", len(nodes.Items), err)
	}
	if _, err := api.MetricsV1beta1().NodeMetricses().Get(t.Context(), "none", meta.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("metrics of no node: error %v", err)
	}
}

// TestOnlyTheAggregatorMayAsk speaks to the server as any program on the machine can.
func TestOnlyTheAggregatorMayAsk(t *testing.T) {
	s := sandbox.Start(t)
	registered, err := registrations(t, s.RESTConfig()).Get(t.Context(), apiName, meta.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	direct := s.RESTConfig() // the administrator's certificate is of another authority
	direct.Host = fmt.Sprintf("https://127.0.0.1:%d", *registered.Spec.Service.Port)
	if _, err := readerOf(t, direct).MetricsV1beta1().NodeMetricses().List(t.Context(), meta.ListOptions{}); err == nil {
		t.Error("the administrator may ask the server directly")
	}
}

// TestLife starts a second cluster beside the shared one, again and again: healthy discovery from the first moment, a port
// that changes, a registration that somebody took over, and one that is gone.
func TestLife(t *testing.T) {
	options := sandbox.Options{Binary: sandbox.Binary(t), DataDir: t.TempDir(), Kubeconfig: filepath.Join(t.TempDir(), "kc"), Nodes: 1}
	var port int32
	run := func(check func(*registration.APIService, aggregator.APIServiceInterface)) {
		t.Helper()
		instance, err := sandbox.Launch(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := instance.Stop(); err != nil {
				t.Error(err)
			}
		}()
		config, err := clientcmd.BuildConfigFromFlags("", options.Kubeconfig)
		if err != nil {
			t.Fatal(err)
		}
		apis := registrations(t, config)
		present, err := apis.Get(t.Context(), apiName, meta.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if present.Spec.Service.Name == "belay-sandbox-metrics" {
			discover(t, config)
			if _, err := readerOf(t, config).MetricsV1beta1().NodeMetricses().Get(t.Context(), "node-1", meta.GetOptions{}); err != nil {
				t.Error(err)
			}
		}
		check(present, apis)
	}
	run(func(first *registration.APIService, _ aggregator.APIServiceInterface) {
		port = *first.Spec.Service.Port
	})
	run(func(second *registration.APIService, apis aggregator.APIServiceInterface) {
		if *second.Spec.Service.Port == port {
			t.Log("the port happens to be the same") // which is no error, but then nothing was shown
		}
		// As the manifests of metrics-server and kube-prometheus do it.
		foreign := []byte(`{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{"name":"` + apiName + `"},"spec":{
			"group":"metrics.k8s.io","version":"v1beta1","groupPriorityMinimum":100,"versionPriority":100,
			"insecureSkipTLSVerify":true,"service":{"name":"metrics-server","namespace":"kube-system"}}}`)
		force := true
		_, err := apis.Patch(t.Context(), apiName, types.ApplyPatchType, foreign, meta.PatchOptions{FieldManager: "someone", Force: &force})
		if err != nil {
			t.Error(err)
		}
	})
	run(func(third *registration.APIService, apis aggregator.APIServiceInterface) {
		if third.Spec.Service.Name != "metrics-server" {
			t.Errorf("a registration that somebody took over was changed to %s", third.Spec.Service.Name)
		}
		if err := apis.Delete(t.Context(), apiName, meta.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	run(func(fourth *registration.APIService, _ aggregator.APIServiceInterface) {
		if !helper.IsAPIServiceConditionTrue(fourth, registration.Available) {
			t.Error("the metrics API is not available")
		}
	})
}

// discover asks in both ways that clients have.
func discover(t *testing.T, config *rest.Config) {
	t.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, legacy := range []bool{false, true} {
		client.UseLegacyDiscovery = legacy
		_, lists, err := client.ServerGroupsAndResources()
		if err != nil {
			t.Errorf("discovery (legacy: %t): %v", legacy, err)
		}
		if !slices.ContainsFunc(lists, func(l *meta.APIResourceList) bool {
			return l.GroupVersion == "metrics.k8s.io/v1beta1" && len(l.APIResources) == 2
		}) {
			t.Errorf("discovery (legacy: %t) does not list the metrics API", legacy)
		}
	}
}

func readerOf(t *testing.T, config *rest.Config) metricsclient.Interface {
	t.Helper()
	client, err := metricsclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func registrations(t *testing.T, config *rest.Config) aggregator.APIServiceInterface {
	t.Helper()
	client, err := clientset.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client.ApiregistrationV1().APIServices()
}
