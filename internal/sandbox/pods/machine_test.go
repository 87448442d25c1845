package pods

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// start is when every pod of these tests begins.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// after is a point of a pod's life and what its status says then: "PHASE ready=BOOL" and a word per container.
type after struct {
	seconds float64
	want    string
}

func TestMachine(t *testing.T) {
	tests := []struct {
		name string
		pod  *core.Pod
		life []after
	}{
		{"ready by default", always(sh("")), []after{{0, "Running ready=true c:running+"}}},
		{"job that works", never(sh("sleep 2; echo done")), []after{
			{0, "Running ready=true c:running+"}, {1.9, "Running ready=true c:running+"}, {2, "Succeeded ready=false c:Completed(0)"}}},
		{"job that fails", never(sh("exit 3")), []after{{0, "Failed ready=false c:Error(3)"}}},
		{"on failure until it works", onFailure(sh("exit 1")), []after{
			{0, "Running ready=false c:CrashLoopBackOff r1"}, {0.9, "Running ready=false c:CrashLoopBackOff r1"},
			{1, "Running ready=false c:CrashLoopBackOff r2"}, {3, "Running ready=false c:CrashLoopBackOff r3"},
			{7, "Running ready=false c:CrashLoopBackOff r4"}}},
		{"on failure that works", onFailure(sh("sleep 1")), []after{{1, "Succeeded ready=false c:Completed(0)"}}},
		{"server that ends well is restarted", always(sh("sleep 1")), []after{
			{0, "Running ready=true c:running+"}, {1, "Running ready=true c:running+ r1"}, {2, "Running ready=false c:CrashLoopBackOff r1"},
			{3, "Running ready=true c:running+ r2"}}},
		{"bad command", always(command("/bad-command")), []after{{0, "Running ready=false c:CrashLoopBackOff r1"}}},
		{"bad command, never", never(command("/bad-command")), []after{{0, "Failed ready=false c:StartError(128)"}}},
		{"crash loop by tag", always(image("app:v1-crash-loop")), []after{{0, "Running ready=false c:CrashLoopBackOff r1"}}},
		{"pull error by tag", always(image("registry:5000/app:image-pull-error")), []after{
			{0, "Pending ready=false c:ErrImagePull"}, {1, "Pending ready=false c:ImagePullBackOff"}, {30, "Pending ready=false c:ImagePullBackOff"}}},
		{"slow start by annotation", annotated(always(sh("")), "slow-start=4s"), []after{
			{0, "Pending ready=false c:ContainerCreating"}, {3.9, "Pending ready=false c:ContainerCreating"}, {4, "Running ready=true c:running+"}}},
		{"out of memory, never", annotated(never(sh("")), "out-of-memory"), []after{{0, "Failed ready=false c:OOMKilled(137)"}}},
		{"never ready", annotated(always(sh("")), "never-ready"), []after{{0, "Running ready=false c:running-"}, {99, "Running ready=false c:running-"}}},
		{"readiness delay", always(probed(func(c *core.Container) {
			c.ReadinessProbe = &core.Probe{InitialDelaySeconds: 3, PeriodSeconds: 2, SuccessThreshold: 2}
		})), []after{{0, "Running ready=false c:running-"}, {4.9, "Running ready=false c:running-"}, {5, "Running ready=true c:running+"}}},
		{"readiness command fails", always(probed(func(c *core.Container) { c.ReadinessProbe = execProbe("false") })),
			[]after{{0, "Running ready=false c:running-"}, {99, "Running ready=false c:running-"}}},
		{"startup probe holds readiness", always(probed(func(c *core.Container) {
			c.StartupProbe = &core.Probe{InitialDelaySeconds: 5}
			c.ReadinessProbe = &core.Probe{InitialDelaySeconds: 1}
		})), []after{{4, "Running ready=false c:running-"}, {5, "Running ready=true c:running+"}}},
		{"liveness command fails", always(probed(func(c *core.Container) {
			c.LivenessProbe = execProbe("exit", "1")
			c.LivenessProbe.FailureThreshold, c.LivenessProbe.PeriodSeconds = 3, 2
		})), []after{{3.9, "Running ready=true c:running+"}, {4, "Running ready=true c:running+ r1"}}},
		{"init containers in order", withInits(always(sh("")), initContainer("i", "sleep 1"), initContainer("j", "sleep 1")), []after{
			{0, "Pending ready=false i:running- j:PodInitializing c:PodInitializing"},
			{1, "Pending ready=false i:Completed(0) j:running- c:PodInitializing"},
			{2, "Running ready=true i:Completed(0) j:Completed(0) c:running+"}}},
		{"init container fails, never", withInits(never(sh("")), initContainer("i", "exit 2")), []after{
			{0, "Failed ready=false i:Error(2) c:PodInitializing"}}},
		{"init container fails, always", withInits(always(sh("")), initContainer("i", "exit 2")), []after{
			{0, "Pending ready=false i:CrashLoopBackOff c:PodInitializing r1"}}},
		{"sidecar ends with the job", withInits(never(sh("sleep 1")), sidecar("s")), []after{
			{0, "Running ready=true s:running+ c:running+"}, {1, "Succeeded ready=false s:Completed(0) c:Completed(0)"}}},
		{"deadline", deadline(always(sh("")), 3), []after{
			{2.9, "Running ready=true c:running+"}, {3, "Failed ready=false c:Error(137) DeadlineExceeded"}}},
		{"closed gate", gated(always(sh("")), ""), []after{{0, "Running ready=false c:running+"}}},
		{"open gate", gated(always(sh("")), core.ConditionTrue), []after{{0, "Running ready=true c:running+"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(test.pod, "10.64.0.1", backoffDefaults(), start)
			for _, point := range test.life {
				now := start.Add(time.Duration(point.seconds * float64(time.Second)))
				runUntil(m, now)
				if diff := cmp.Diff(point.want, summary(m.status(now, "127.0.0.1"))); diff != "" {
					t.Fatalf("after %vs: %s", point.seconds, diff)
				}
			}
		})
	}
}

// runUntil lets the machine do everything at the time at which it is due, as a queue would.
func runUntil(m *machine, now time.Time) {
	at := m.began
	for {
		next := m.advance(at)
		if next.IsZero() || next.After(now) {
			break
		}
		at = next
	}
	m.advance(now)
}

// TestAdoptEqualsLive interrupts lives at every half second: a machine made anew from the status must go on to the same
// end as one that was never interrupted.
func TestAdoptEqualsLive(t *testing.T) {
	pods := map[string]*core.Pod{
		"job": never(sh("sleep 2; echo done; exit 4")), "server": always(sh("")), "slow crash": always(sh("sleep 1; exit 1")),
		"init": withInits(never(sh("sleep 1")), initContainer("i", "sleep 1"), sidecar("s")),
	}
	for name, pod := range pods {
		for half := range 8 {
			cut := start.Add(time.Duration(half) * time.Second / 2)
			end := start.Add(5 * time.Second)
			m := newMachine(pod, "10.64.0.1", backoffDefaults(), start)
			runUntil(m, cut)
			left := pod.DeepCopy()
			left.Status = m.status(cut, "127.0.0.1")
			adopted := adopt(left, backoffDefaults(), config{})
			adopted.advance(cut)
			for at := cut; !at.After(end); at = at.Add(100 * time.Millisecond) {
				adopted.advance(at)
			}
			runUntil(m, end)
			want, got := summary(m.status(end, "")), summary(adopted.status(end, ""))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, cut after %s: %s", name, cut.Sub(start), diff)
			}
		}
	}
}

func TestMissingConfigHoldsOnlyItsContainer(t *testing.T) {
	m := newMachine(always(sh("")), "10.64.0.1", backoffDefaults(), start)
	m.config.missing = map[string]string{"c": `configmap "x" not found`}
	next := m.advance(start)
	if got := summary(m.status(start, "")); got != "Pending ready=false c:CreateContainerConfigError" {
		t.Error(got)
	}
	m.config.missing = nil
	m.advance(next)
	if got := summary(m.status(next, "")); got != "Running ready=true c:running+" {
		t.Error(got)
	}
}

func TestStatusIsStable(t *testing.T) {
	pod := always(sh("exit 1"))
	m := newMachine(pod, "10.64.0.1", backoffDefaults(), start)
	m.advance(start)
	pod.Status = m.status(start, "127.0.0.1")
	m.advance(start.Add(time.Millisecond))
	patch, err := statusPatch(pod, m.status(start.Add(time.Millisecond), "127.0.0.1"))
	if err != nil || patch != nil {
		t.Errorf("a second look writes %s, %v", patch, err)
	}
}

func TestLogs(t *testing.T) {
	m := newMachine(always(sh("echo a; sleep 1; echo b; sleep 1; exit 1")), "10.64.0.1", backoffDefaults(), start)
	text := func(seconds float64, previous bool) string {
		now := start.Add(time.Duration(seconds * float64(time.Second)))
		runUntil(m, now)
		o, err := m.find("c").output(m, now, previous)
		if err != nil {
			return err.Error()
		}
		var lines []string
		for _, line := range o.lines {
			lines = append(lines, line.text)
		}
		return strings.Join(lines, " ")
	}
	for _, test := range []struct {
		seconds  float64
		previous bool
		want     string
	}{
		{0, false, "a"},
		{0, true, `previous terminated container "c" in pod "p" not found`},
		{1, false, "a b"},
		{2, false, "a"}, // the restart is immediate the first time
		{2, true, "a b"},
		{4, false, "a b"}, // waiting for the second restart
	} {
		if diff := cmp.Diff(test.want, text(test.seconds, test.previous)); diff != "" {
			t.Errorf("after %vs, previous %v: %s", test.seconds, test.previous, diff)
		}
	}
}

// summary is a status in one line.
func summary(s core.PodStatus) string {
	words := []string{string(s.Phase)}
	for _, c := range s.Conditions {
		if c.Type == core.PodReady {
			words = append(words, fmt.Sprintf("ready=%v", c.Status == core.ConditionTrue))
		}
	}
	restarts := int32(0)
	for _, c := range append(append([]core.ContainerStatus{}, s.InitContainerStatuses...), s.ContainerStatuses...) {
		restarts += c.RestartCount
		word := ""
		switch {
		case c.State.Running != nil && c.Ready:
			word = "running+"
		case c.State.Running != nil:
			word = "running-"
		case c.State.Waiting != nil:
			word = c.State.Waiting.Reason
		case c.State.Terminated != nil:
			word = fmt.Sprintf("%s(%d)", c.State.Terminated.Reason, c.State.Terminated.ExitCode)
		}
		words = append(words, c.Name+":"+word)
	}
	if restarts > 0 {
		words = append(words, fmt.Sprintf("r%d", restarts))
	}
	if s.Reason != "" {
		words = append(words, s.Reason)
	}
	return strings.Join(words, " ")
}

func command(argv ...string) core.Container {
	return core.Container{Name: "c", Image: "app:v1", Command: argv}
}

// sh is a container that runs a script; an empty one leaves the program to the image.
func sh(text string) core.Container {
	if text == "" {
		return command()
	}
	return command("sh", "-c", text)
}

func image(name string) core.Container { return core.Container{Name: "c", Image: name} }

func probed(set func(*core.Container)) core.Container {
	c := sh("")
	set(&c)
	return c
}

func execProbe(argv ...string) *core.Probe {
	return &core.Probe{ProbeHandler: core.ProbeHandler{Exec: &core.ExecAction{Command: argv}}}
}

func podOf(c core.Container, policy core.RestartPolicy) *core.Pod {
	return &core.Pod{
		ObjectMeta: meta.ObjectMeta{Name: "p", Namespace: "n", UID: "u"},
		Spec:       core.PodSpec{Containers: []core.Container{c}, RestartPolicy: policy},
	}
}

func always(c core.Container) *core.Pod    { return podOf(c, core.RestartPolicyAlways) }
func never(c core.Container) *core.Pod     { return podOf(c, core.RestartPolicyNever) }
func onFailure(c core.Container) *core.Pod { return podOf(c, core.RestartPolicyOnFailure) }

func annotated(pod *core.Pod, value string) *core.Pod {
	pod.Annotations = map[string]string{Annotation: value}
	return pod
}

func deadline(pod *core.Pod, seconds int64) *core.Pod {
	pod.Spec.ActiveDeadlineSeconds = &seconds
	return pod
}

func gated(pod *core.Pod, status core.ConditionStatus) *core.Pod {
	pod.Spec.ReadinessGates = []core.PodReadinessGate{{ConditionType: "example.com/gate"}}
	if status != "" {
		pod.Status.Conditions = []core.PodCondition{{Type: "example.com/gate", Status: status}}
	}
	return pod
}

func withInits(pod *core.Pod, inits ...core.Container) *core.Pod {
	pod.Spec.InitContainers = inits
	return pod
}

func initContainer(name, text string) core.Container {
	c := sh(text)
	c.Name = name
	return c
}

func sidecar(name string) core.Container {
	restart := core.ContainerRestartPolicyAlways
	return core.Container{Name: name, Image: "app:v1", RestartPolicy: &restart}
}
