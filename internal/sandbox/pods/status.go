package pods

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// status draws the pod's status at now from the machine's state. What others own in the present status (readiness gates,
// PodScheduled, DisruptionTarget, the QoS class) is kept.
func (m *machine) status(now time.Time, hostAddress string) core.PodStatus {
	s := *m.pod.Status.DeepCopy()
	s.ObservedGeneration = m.pod.Generation
	began := meta.NewTime(m.began)
	s.StartTime = &began
	s.HostIP, s.HostIPs = hostAddress, []core.HostIP{{IP: hostAddress}}
	address := m.address
	if m.pod.Spec.HostNetwork {
		address = hostAddress
	}
	s.PodIP, s.PodIPs = address, []core.PodIP{{IP: address}}
	s.InitContainerStatuses, s.ContainerStatuses = nil, nil
	initialized := m.initialized(now)
	for _, c := range m.inits {
		s.InitContainerStatuses = append(s.InitContainerStatuses, c.status(m, now, true))
	}
	for _, c := range m.mains {
		s.ContainerStatuses = append(s.ContainerStatuses, c.status(m, now, initialized))
	}
	s.Phase, s.Reason, s.Message = m.currentPhase(initialized), m.reason, m.message
	m.setConditions(&s, initialized, now)
	return s
}

func (m *machine) initialized(now time.Time) bool {
	if m.phase == core.PodSucceeded {
		return true
	}
	return !slices.ContainsFunc(m.inits, func(c *container) bool { return !c.passed(now) && !(c.sidecar && m.phase != "") })
}

// currentPhase follows the kubelet: Running from the first start of a main container on, also between restarts.
func (m *machine) currentPhase(initialized bool) core.PodPhase {
	if m.phase != "" {
		return m.phase
	}
	if !initialized {
		return core.PodPending
	}
	for _, c := range m.mains {
		if c.state == waiting && c.last == nil {
			return core.PodPending
		}
	}
	return core.PodRunning
}

func (m *machine) setConditions(s *core.PodStatus, initialized bool, now time.Time) {
	unready := namesOf(s.ContainerStatuses, func(c core.ContainerStatus) bool { return c.Ready })
	sidecars := slices.DeleteFunc(slices.Clone(s.InitContainerStatuses), func(c core.ContainerStatus) bool {
		return !m.find(c.Name).sidecar
	})
	unready = append(unready, namesOf(sidecars, func(c core.ContainerStatus) bool { return c.Ready })...)

	set := func(kind core.PodConditionType, ok bool, reason, message string) {
		if ok {
			reason, message = "", ""
		}
		setCondition(s, core.PodCondition{
			Type: kind, Status: conditionStatus(ok), Reason: reason, Message: message, ObservedGeneration: m.pod.Generation,
		}, now)
	}
	done := m.phase == core.PodSucceeded
	set(core.PodReadyToStartContainers, m.phase == "" && (m.config.missingVolume == "" || !m.untouched()), "", "")
	setInitialized(m, s, initialized, now)
	reason, message := "ContainersNotReady", fmt.Sprintf("containers with unready status: [%s]", strings.Join(unready, " "))
	switch {
	case done:
		reason, message = "PodCompleted", ""
	case m.phase == core.PodFailed:
		reason, message = "PodFailed", ""
	}
	ready := len(unready) == 0 && m.phase == "" && initialized
	set(core.ContainersReady, ready, reason, message)
	if closed := m.closedGates(s); ready && len(closed) > 0 {
		ready, reason = false, "ReadinessGatesNotReady"
		message = strings.Join(closed, ", ")
	}
	set(core.PodReady, ready, reason, message)
}

func setInitialized(m *machine, s *core.PodStatus, initialized bool, now time.Time) {
	condition := core.PodCondition{
		Type: core.PodInitialized, Status: conditionStatus(initialized), ObservedGeneration: m.pod.Generation,
	}
	switch {
	case m.phase == core.PodSucceeded:
		condition.Reason = "PodCompleted"
	case !initialized:
		names := []string{}
		for _, c := range m.inits {
			if !c.passed(now) {
				names = append(names, c.spec.Name)
			}
		}
		condition.Reason = "ContainersNotInitialized"
		condition.Message = fmt.Sprintf("containers with incomplete status: [%s]", strings.Join(names, " "))
	}
	setCondition(s, condition, now)
}

// closedGates lists the readiness gates that do not yet let the pod be ready.
func (m *machine) closedGates(s *core.PodStatus) []string {
	var closed []string
	for _, gate := range m.pod.Spec.ReadinessGates {
		i := slices.IndexFunc(s.Conditions, func(c core.PodCondition) bool { return c.Type == gate.ConditionType })
		switch {
		case i < 0:
			closed = append(closed, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", gate.ConditionType))
		case s.Conditions[i].Status != core.ConditionTrue:
			closed = append(closed, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %s", gate.ConditionType, s.Conditions[i].Status))
		}
	}
	return closed
}

// status draws the status of one container. Before its turn a container shows PodInitializing.
func (c *container) status(m *machine, now time.Time, turn bool) core.ContainerStatus {
	s := core.ContainerStatus{Name: c.spec.Name, Image: c.spec.Image, RestartCount: c.restarts}
	if c.last != nil {
		s.LastTerminationState.Terminated = c.last.terminated(c.id(m, -1))
	}
	started := false
	switch c.state {
	case waiting:
		reason := c.reason
		if reason == "" {
			reason = reasonCreating
			if len(m.inits) > 0 && (!turn || c.init) {
				reason = reasonPodInit
			}
		}
		s.State.Waiting = &core.ContainerStateWaiting{Reason: reason, Message: c.message}
		if c.last != nil {
			s.ContainerID, s.ImageID = c.id(m, -1), c.imageID()
		}
	case running:
		started = c.probes.startedUp(now)
		s.State.Running = &core.ContainerStateRunning{StartedAt: meta.NewTime(c.startedAt)}
		// An ordinary init container is ready when it has done its work.
		task := c.init && !c.sidecar
		s.Ready = !task && started && c.probes.ready(now) && choose(m.pod, c.spec).behaviour != neverReady
		s.ContainerID, s.ImageID = c.id(m, 0), c.imageID()
	case ended:
		current := run{c.startedAt, c.endedAt, c.exit, c.reason, c.message, c.program}
		s.State.Terminated = current.terminated(c.id(m, 0))
		s.Ready = c.init && c.exit == 0
		s.ContainerID, s.ImageID = c.id(m, 0), c.imageID()
	}
	s.Started = &started
	return s
}

func (r *run) terminated(id string) *core.ContainerStateTerminated {
	return &core.ContainerStateTerminated{
		ExitCode: int32(r.exit), Reason: r.reason, Message: r.message, ContainerID: id,
		StartedAt: meta.NewTime(r.startedAt), FinishedAt: meta.NewTime(r.endedAt),
	}
}

// lastWords is the termination message: the end of the log, if the container asks for that and has failed.
func (c *container) lastWords() string {
	if c.spec.TerminationMessagePolicy != core.TerminationMessageFallbackToLogsOnError || c.exit == 0 {
		return ""
	}
	lines := linesUntil(c.program, c.endedAt.Sub(c.startedAt))
	var text strings.Builder
	for _, line := range lines[max(0, len(lines)-80):] {
		text.WriteString(line.Text + "\n")
	}
	words := text.String()
	return words[max(0, len(words)-2048):]
}

// id is stable for a run: the present one, or one before it.
func (c *container) id(m *machine, offset int32) string {
	return fmt.Sprintf("sandbox://%x", sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", m.pod.UID, c.spec.Name, c.generation()+offset)))
}

// generation counts the runs of the container, also while it waits for the next one.
func (c *container) generation() int32 {
	if c.state == waiting && c.last != nil {
		return c.restarts + 1
	}
	return c.restarts
}

func (c *container) imageID() string {
	return fmt.Sprintf("%s@sha256:%x", c.spec.Image, sha256.Sum256([]byte(c.spec.Image)))
}

func namesOf(statuses []core.ContainerStatus, except func(core.ContainerStatus) bool) []string {
	var names []string
	for _, s := range statuses {
		if !except(s) {
			names = append(names, s.Name)
		}
	}
	return names
}

func conditionStatus(ok bool) core.ConditionStatus {
	if ok {
		return core.ConditionTrue
	}
	return core.ConditionFalse
}

func setCondition(s *core.PodStatus, c core.PodCondition, now time.Time) {
	i := slices.IndexFunc(s.Conditions, func(old core.PodCondition) bool { return old.Type == c.Type })
	if i < 0 {
		c.LastTransitionTime = meta.NewTime(now)
		s.Conditions = append(s.Conditions, c)
		return
	}
	c.LastTransitionTime, c.LastProbeTime = s.Conditions[i].LastTransitionTime, s.Conditions[i].LastProbeTime
	if s.Conditions[i].Status != c.Status {
		c.LastTransitionTime = meta.NewTime(now)
	}
	s.Conditions[i] = c
}
