package metrics

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func now() time.Time { return time.Date(2026, 11, 23, 8, 0, 30, 500_000_000, time.UTC) }

// worker is a running pod that became ready ten seconds ago.
func worker(containers ...core.Container) *core.Pod {
	pod := &core.Pod{
		ObjectMeta: meta.ObjectMeta{Namespace: "n", Name: "p", Labels: map[string]string{"app": "p"}},
		Spec:       core.PodSpec{NodeName: "node-1", Containers: containers},
		Status: core.PodStatus{Phase: core.PodRunning, Conditions: []core.PodCondition{{
			Type: core.PodReady, Status: core.ConditionTrue, LastTransitionTime: meta.NewTime(now().Add(-10 * time.Second)),
		}}},
	}
	for _, c := range containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, core.ContainerStatus{
			Name: c.Name, State: core.ContainerState{Running: &core.ContainerStateRunning{}},
		})
	}
	return pod
}

func container(name string, requests core.ResourceList) core.Container {
	return core.Container{Name: name, Resources: core.ResourceRequirements{Requests: requests}}
}

func resources(cpu, memory string) core.ResourceList {
	return core.ResourceList{core.ResourceCPU: resource.MustParse(cpu), core.ResourceMemory: resource.MustParse(memory)}
}

func annotated(pod *core.Pod, annotations map[string]string) *core.Pod {
	pod.Annotations = annotations
	return pod
}

func TestUsage(t *testing.T) {
	two := func() *core.Pod {
		return worker(container("a", resources("200m", "64Mi")), container("b", resources("1", "1Gi")))
	}
	always := core.ContainerRestartPolicyAlways
	sidecar := worker(container("a", resources("200m", "64Mi")))
	sidecar.Spec.InitContainers = []core.Container{container("setup", resources("4", "4Gi")), container("s", resources("20m", "2Mi"))}
	sidecar.Spec.InitContainers[1].RestartPolicy = &always
	for _, name := range []string{"setup", "s"} {
		sidecar.Status.InitContainerStatuses = append(sidecar.Status.InitContainerStatuses, core.ContainerStatus{
			Name: name, State: core.ContainerState{Running: &core.ContainerStateRunning{}},
		})
	}
	crashed := two()
	crashed.Status.ContainerStatuses[1].State = core.ContainerState{Waiting: &core.ContainerStateWaiting{}}
	whole := worker(container("a", resources("200m", "64Mi")), container("b", nil), container("c", nil))
	whole.Spec.Resources = &core.ResourceRequirements{Requests: core.ResourceList{core.ResourceCPU: resource.MustParse("1")}}

	for name, test := range map[string]struct {
		pod  *core.Pod
		want map[string][2]string
	}{
		"half of the request":    {two(), map[string][2]string{"a": {"100m", "32Mi"}, "b": {"500m", "512Mi"}}},
		"sidecar":                {sidecar, map[string][2]string{"s": {"10m", "1Mi"}, "a": {"100m", "32Mi"}}},
		"container that waits":   {crashed, map[string][2]string{"a": {"100m", "32Mi"}}},
		"no request":             {worker(container("a", nil)), map[string][2]string{"a": {"5m", "16Mi"}}},
		"request of the pod":     {whole, map[string][2]string{"a": {"100m", "32Mi"}, "b": {"200m", "16Mi"}, "c": {"200m", "16Mi"}}},
		"rounded down":           {worker(container("a", resources("1m", "1"))), map[string][2]string{"a": {"0", "0"}}},
		"annotation":             {annotated(two(), map[string]string{"belay.dev/sandbox-cpu": "250m", "belay.dev/sandbox-memory": "1Gi"}), map[string][2]string{"a": {"250m", "1Gi"}, "b": {"250m", "1Gi"}}},
		"share":                  {annotated(two(), map[string]string{"belay.dev/sandbox-cpu": "90%"}), map[string][2]string{"a": {"180m", "32Mi"}, "b": {"900m", "512Mi"}}},
		"one container":          {annotated(two(), map[string]string{"belay.dev/sandbox-cpu.b": " 2 ", "belay.dev/sandbox-cpu": "1m"}), map[string][2]string{"a": {"1m", "32Mi"}, "b": {"2", "512Mi"}}},
		"unreadable":             {annotated(two(), map[string]string{"belay.dev/sandbox-cpu": "much", "belay.dev/sandbox-memory": "-1Gi"}), map[string][2]string{"a": {"100m", "32Mi"}, "b": {"500m", "512Mi"}}},
		"unreadable of one":      {annotated(two(), map[string]string{"belay.dev/sandbox-cpu.a": "", "belay.dev/sandbox-cpu": "7m"}), map[string][2]string{"a": {"7m", "32Mi"}, "b": {"7m", "512Mi"}}},
		"share that is no share": {annotated(worker(container("a", resources("2", "2Gi"))), map[string]string{"belay.dev/sandbox-cpu": "NaN%", "belay.dev/sandbox-memory": "-5%"}), map[string][2]string{"a": {"1", "1Gi"}}},
	} {
		t.Run(name, func(t *testing.T) {
			metrics, ok := ofPod(test.pod, now())
			if !ok {
				t.Fatal("no metrics")
			}
			got := map[string][2]string{}
			for _, c := range metrics.Containers {
				got[c.Name] = [2]string{c.Usage.Cpu().String(), c.Usage.Memory().String()}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNothingRuns(t *testing.T) {
	for _, phase := range []core.PodPhase{core.PodPending, core.PodSucceeded, core.PodFailed, core.PodUnknown, ""} {
		pod := worker(container("a", nil))
		pod.Status.Phase = phase
		if got, ok := ofPod(pod, now()); ok {
			t.Errorf("a pod in phase %q has metrics %v", phase, got)
		}
	}
	waiting := worker(container("a", nil))
	waiting.Status.ContainerStatuses[0].State = core.ContainerState{}
	if got, ok := ofPod(waiting, now()); ok {
		t.Errorf("a pod without a running container has metrics %v", got)
	}
}

// TestWindow checks that a measurement never began before the pod was ready: the autoscaler would pass over it.
func TestWindow(t *testing.T) {
	for name, test := range map[string]struct {
		readyFor time.Duration
		want     time.Duration
	}{
		"young": {10 * time.Second, 10 * time.Second},
		"old":   {time.Hour, 15 * time.Second},
		"new":   {100 * time.Millisecond, 0},
		"ahead": {-time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			pod := worker(container("a", nil))
			pod.Status.Conditions[0].LastTransitionTime = meta.NewTime(now().Add(-test.readyFor))
			metrics, _ := ofPod(pod, now())
			if metrics.Window.Duration != test.want {
				t.Errorf("window %s, want %s", metrics.Window.Duration, test.want)
			}
			if want := now().Truncate(time.Second); !metrics.Timestamp.Time.Equal(want) {
				t.Errorf("timestamp %s, want %s", metrics.Timestamp, want)
			}
		})
	}
}

func TestNodeUsageIsTheSumOfItsPods(t *testing.T) {
	elsewhere := worker(container("a", resources("8", "8Gi")))
	elsewhere.Spec.NodeName = "node-2"
	ended := worker(container("a", resources("8", "8Gi")))
	ended.Status.Phase = core.PodSucceeded
	pods := []core.Pod{*worker(container("a", resources("1", "1Gi"))), *worker(container("b", resources("2", "2Gi"))), *elsewhere, *ended}
	got := ofNode(&core.Node{ObjectMeta: meta.ObjectMeta{Name: "node-1"}}, pods, now())
	if got.Usage.Cpu().String() != "1500m" || got.Usage.Memory().String() != "1536Mi" {
		t.Errorf("usage %v", got.Usage)
	}
}

func FuzzUsage(f *testing.F) {
	for _, text := range []string{"250m", "90%", "1e999", "-1", "%", "NaN%", "Inf%", "1e300%", "9999999999999E", "0x1p-2%"} {
		f.Add(text, int64(100))
	}
	f.Fuzz(func(t *testing.T, text string, request int64) {
		for _, m := range measures() {
			if used, ok := m.parse(text, max(request, 0)); ok && (used < 0 || used > most) {
				t.Errorf("%q of %d is %d", text, request, used)
			}
		}
	})
}
