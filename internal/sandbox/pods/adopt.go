package pods

import (
	"time"

	core "k8s.io/api/core/v1"
)

// adopt takes over a pod that an earlier run of the sandbox left behind: its containers go on where they were, as if the
// machine had not been off, and end at the time at which they would have ended.
func adopt(pod *core.Pod, backoff backoffPolicy, read config) *machine {
	m := newMachine(pod, pod.Status.PodIP, backoff, pod.Status.StartTime.Time)
	m.config = read
	if pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodFailed {
		m.phase, m.reason, m.message = pod.Status.Phase, pod.Status.Reason, pod.Status.Message
	}
	for _, s := range append(append([]core.ContainerStatus{}, pod.Status.InitContainerStatuses...), pod.Status.ContainerStatuses...) {
		if c := m.find(s.Name); c != nil {
			c.adopt(m, s)
		}
	}
	return m
}

func (c *container) adopt(m *machine, s core.ContainerStatus) {
	c.restarts, c.quick = s.RestartCount, int(s.RestartCount)
	if t := s.LastTerminationState.Terminated; t != nil {
		last := finished(t)
		last.program, _ = c.predict(m)
		c.last = &last
	}
	switch {
	case s.State.Running != nil:
		c.state, c.startedAt = running, s.State.Running.StartedAt.Time
		c.program, c.fateReason = c.predict(m)
		c.probes = newProbes(m, c)
	case s.State.Terminated != nil:
		t := finished(s.State.Terminated)
		c.state, c.startedAt, c.endedAt = ended, t.startedAt, t.endedAt
		c.exit, c.reason, c.message = t.exit, t.reason, t.message
		c.program, _ = c.predict(m)
	case s.State.Waiting != nil:
		c.reason, c.message = s.State.Waiting.Reason, s.State.Waiting.Message
		c.wanted = m.began
		if c.reason == reasonCrashLoop && c.last != nil {
			c.notBefore = c.last.endedAt.Add(m.backoff.delay(c.quick))
			c.quick++
		}
	}
}

func finished(t *core.ContainerStateTerminated) run {
	return run{
		startedAt: t.StartedAt.Time, endedAt: t.FinishedAt.Time, exit: int(t.ExitCode), reason: t.Reason, message: t.Message,
	}
}

// backoffDefaults are short, so that a test sees several restarts in seconds; a kubelet starts at ten seconds.
func backoffDefaults() backoffPolicy {
	return backoffPolicy{base: time.Second, limit: 5 * time.Minute, reset: 10 * time.Minute}
}
