package pods

import (
	"time"

	core "k8s.io/api/core/v1"
)

// starting says whether a container has yet to start, so that its configuration has to be read.
func (m *machine) starting() bool {
	if m.phase != "" {
		return false
	}
	for _, c := range m.all() {
		if c.state != running && !c.over(m) {
			return true
		}
	}
	return false
}

// stopTime is how long a pod that is being deleted still takes: nothing, unless a container is told to be slow; never
// longer than the grace period.
func (m *machine) stopTime(now time.Time) time.Duration {
	var slowest time.Duration
	for _, c := range m.all() {
		if chosen := choose(m.pod, c.spec); chosen.behaviour == slowStop && c.state == running {
			slowest = max(slowest, chosen.duration)
		}
	}
	if slowest == 0 || m.pod.DeletionTimestamp == nil || m.pod.DeletionGracePeriodSeconds == nil {
		return 0
	}
	// The deletion timestamp lies in the future, by the grace period.
	end := m.pod.DeletionTimestamp.Time
	asked := end.Add(-time.Duration(*m.pod.DeletionGracePeriodSeconds) * time.Second)
	if at := asked.Add(slowest); at.Before(end) {
		end = at
	}
	return max(end.Sub(now), 0)
}

// stop ends the pod because it is being deleted.
func (m *machine) stop(now time.Time) {
	if m.phase != "" {
		return
	}
	for _, c := range m.all() {
		c.end(m, now)
	}
	m.kill(now)
	m.phase = core.PodSucceeded
	for _, c := range m.mains {
		if c.state != ended || c.exit != 0 {
			m.phase = core.PodFailed
		}
	}
}
