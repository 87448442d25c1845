package insight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/internal/object"
)

// trouble is what is wrong with a pod.
type trouble struct {
	text     string
	evidence []Evidence
	// logs says that the log of a container tells more, and previous that it is the one of before the last restart.
	logs, previous bool
	// rank orders troubles: the lower, the nearer to the cause.
	rank int
}

// mostPods bounds how many pods of an object are read.
const mostPods = 5

// worstPod looks at the newest pods and returns the gravest trouble, and how many of all pods have it, as far as they were
// read.
func (e *explainer) worstPod(ctx context.Context, pods []Node) (worst *trouble, same int) {
	counts := map[string]int{}
	for _, n := range pods[:min(len(pods), mostPods)] {
		u, err := e.cluster.Read(ctx, n)
		if err != nil || u == nil {
			continue // it may be gone by now
		}
		t := e.trouble(ctx, n, u)
		if t == nil {
			continue
		}
		counts[t.text]++
		if worst == nil || t.rank < worst.rank {
			worst = t
		}
	}
	if worst == nil {
		return nil, 0
	}
	return worst, counts[worst.text]
}

// trouble says what is wrong with a pod; nil when nothing is.
func (e *explainer) trouble(ctx context.Context, n Node, u *unstructured.Unstructured) *trouble {
	var pod corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &pod); err != nil {
		return nil // the pod of another API group
	}
	statuses := append(slices.Clone(pod.Status.InitContainerStatuses), pod.Status.ContainerStatuses...)
	for _, look := range []func(context.Context, Node, *corev1.Pod, *corev1.ContainerStatus) *trouble{e.waits, e.ended} {
		for i := range statuses {
			if t := look(ctx, n, &pod, &statuses[i]); t != nil {
				return t
			}
		}
	}
	if t := e.unscheduled(ctx, n, &pod); t != nil {
		return t
	}
	if pod.Status.Phase == corev1.PodFailed {
		text := strings.TrimPrefix(pod.Status.Reason+": "+pod.Status.Message, ": ")
		return &trouble{rank: 3, text: "the pod failed: " + firstOf(text, "no reason is given"), evidence: []Evidence{podEvidence(n, "phase Failed: "+text)}}
	}
	for i := range pod.Status.ContainerStatuses {
		if t := e.unready(ctx, n, &pod, &pod.Status.ContainerStatuses[i]); t != nil {
			return t
		}
	}
	return e.stuck(ctx, n, &pod)
}

func podEvidence(n Node, text string) Evidence {
	return Evidence{Kind: "status", Text: "Pod " + n.Ref.Name + ": " + text}
}

// waits tells of a container that waits for something that does not pass by itself.
func (e *explainer) waits(ctx context.Context, n Node, _ *corev1.Pod, c *corev1.ContainerStatus) *trouble {
	w := c.State.Waiting
	if w == nil {
		return nil
	}
	t := &trouble{rank: 1, evidence: []Evidence{podEvidence(n, "container "+c.Name+" waits: "+strings.TrimSuffix(w.Reason+": "+w.Message, ": "))}}
	switch w.Reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull":
		t.text = "image pull failed: " + c.Image
		events := e.warnings(ctx, n)
		at := slices.IndexFunc(events, func(ev Event) bool { return ev.Reason == "Failed" && strings.Contains(ev.Message, "ull image") })
		switch {
		case at >= 0:
			t.evidence = append(t.evidence, eventEvidence(n, events[at]))
			t.text += ": " + pullCause(c.Image, events[at].Message)
		case w.Reason == "ErrImagePull" || w.Reason == "InvalidImageName":
			t.text += ": " + pullCause(c.Image, w.Message)
		}
	case "CrashLoopBackOff":
		end := c.LastTerminationState.Terminated
		t.text, t.logs, t.previous = "container "+c.Name+" crashes", true, true
		if end != nil {
			t.text += ": " + exit(end)
			t.evidence = append(t.evidence, podEvidence(n, fmt.Sprintf("container %s ended with %s, %d restarts", c.Name, exit(end), c.RestartCount)))
		}
		e.logLine(ctx, n, c.Name, true, t)
	default:
		if !strings.HasPrefix(w.Reason, "Err") && !strings.HasSuffix(w.Reason, "Error") && !strings.HasSuffix(w.Reason, "BackOff") {
			return nil
		}
		t.text = fmt.Sprintf("container %s cannot start: %s", c.Name, firstOf(w.Message, w.Reason))
	}
	return t
}

// pullCause takes what repeats the image off what the kubelet says of a pull.
func pullCause(image, message string) string {
	for _, mark := range []string{"desc = ", "code = Unknown desc = "} {
		if at := strings.LastIndex(message, mark); at >= 0 {
			message = message[at+len(mark):]
		}
	}
	if rest, found := strings.CutPrefix(message, "Failed to pull image "); found {
		if _, after, found := strings.Cut(rest, ": "); found {
			message = after
		}
	}
	return strings.TrimPrefix(message, image+": ")
}

// exit says how a container ended.
func exit(end *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d", end.ExitCode)
	if end.Reason != "" && end.Reason != "Error" && end.Reason != "Completed" {
		text += " (" + end.Reason + ")"
	}
	if end.Message != "" {
		text += ": " + strings.TrimSpace(end.Message)
	}
	return text
}

// ended tells of a container that ended badly and is not started again, or not yet.
func (e *explainer) ended(ctx context.Context, n Node, _ *corev1.Pod, c *corev1.ContainerStatus) *trouble {
	end, previous := c.State.Terminated, false
	if end == nil && !c.Ready && c.RestartCount > 0 {
		end, previous = c.LastTerminationState.Terminated, true
	}
	if end == nil || end.ExitCode == 0 && end.Reason != "OOMKilled" {
		return nil
	}
	t := &trouble{rank: 2, logs: true, previous: previous, text: fmt.Sprintf("container %s ended with %s", c.Name, exit(end)),
		evidence: []Evidence{podEvidence(n, fmt.Sprintf("container %s ended with %s, %d restarts", c.Name, exit(end), c.RestartCount))}}
	e.logLine(ctx, n, c.Name, previous, t)
	return t
}

// logLine adds the last line that a container wrote.
func (e *explainer) logLine(ctx context.Context, n Node, container string, previous bool, t *trouble) {
	line, err := e.cluster.LastLine(ctx, n, container, previous)
	if line = strings.TrimSpace(line); err != nil || line == "" {
		return // evidence that cannot be read is left out
	}
	t.text += ": " + line
	t.evidence = append(t.evidence, Evidence{Kind: "log", Text: "Pod " + n.Ref.Name + ", container " + container + ": " + line})
}

// unscheduled tells of a pod for which there is no node, or whose volume is not there.
func (e *explainer) unscheduled(ctx context.Context, n Node, pod *corev1.Pod) *trouble {
	for _, c := range pod.Status.Conditions {
		if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse {
			continue
		}
		ev := podEvidence(n, "not scheduled: "+c.Message)
		ev.Time = moment(c.LastTransitionTime.Time)
		t := &trouble{rank: 2, text: "no node takes the pod: " + firstOf(c.Message, c.Reason), evidence: []Evidence{ev}}
		if strings.Contains(c.Message, "PersistentVolumeClaim") || strings.Contains(c.Message, "persistentvolumeclaim") {
			e.volumes(ctx, pod, t)
		}
		return t
	}
	return nil
}

// volumes tells of the pod's claims that have no volume.
func (e *explainer) volumes(ctx context.Context, pod *corev1.Pod, t *trouble) {
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		n := e.node(object.Ref{Kind: "PersistentVolumeClaim", Namespace: pod.Namespace, Name: v.PersistentVolumeClaim.ClaimName})
		n.Version = firstOf(n.Version, "v1")
		u, err := e.cluster.Read(ctx, n)
		if err != nil || u == nil {
			t.evidence = append(t.evidence, Evidence{Kind: "status", Text: "PersistentVolumeClaim " + n.Ref.Name + " cannot be read"})
			continue
		}
		phase, _, err := unstructured.NestedString(u.Object, "status", "phase")
		if err != nil || phase == "Bound" {
			continue
		}
		t.text = "PersistentVolumeClaim " + n.Ref.Name + " has no volume yet (" + firstOf(phase, "Pending") + ")"
		t.evidence = append(t.evidence, Evidence{Kind: "status", Text: "PersistentVolumeClaim " + n.Ref.Name + ": " + firstOf(phase, "Pending")})
		n.UID = string(u.GetUID())
		if events := e.warnings(ctx, n); len(events) > 0 {
			t.text += ": " + events[0].Message
			t.evidence = append(t.evidence, eventEvidence(n, events[0]))
		}
		return
	}
}

// unready tells of a container that runs and is not ready.
func (e *explainer) unready(ctx context.Context, n Node, pod *corev1.Pod, c *corev1.ContainerStatus) *trouble {
	if c.Ready || c.State.Running == nil {
		return nil
	}
	t := &trouble{rank: 4, logs: true, text: "container " + c.Name + " runs and is not ready", evidence: []Evidence{podEvidence(n, "container "+c.Name+" is not ready")}}
	for _, ev := range e.warnings(ctx, n) {
		if ev.Reason == "Unhealthy" {
			t.text, t.rank = "container "+c.Name+": "+ev.Message, 3
			t.evidence = append(t.evidence, eventEvidence(n, ev))
			break
		}
	}
	for _, g := range pod.Status.Conditions {
		if g.Type == corev1.PodReady && g.Reason == "ReadinessGatesNotReady" {
			t.text = "a readiness gate is not met: " + g.Message
		}
	}
	return t
}

// stuck tells what the cluster says of a pod that does not come up: a volume that cannot be mounted, a sandbox that cannot be made.
func (e *explainer) stuck(ctx context.Context, n Node, pod *corev1.Pod) *trouble {
	if pod.Status.Phase != corev1.PodPending {
		return nil
	}
	events := e.warnings(ctx, n)
	if len(events) == 0 {
		return nil
	}
	return &trouble{rank: 3, text: events[0].Reason + ": " + events[0].Message, evidence: []Evidence{eventEvidence(n, events[0])}}
}
