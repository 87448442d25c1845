package pods

import (
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
)

// machine is the life of one pod. It is a state machine without a clock, a goroutine or a network: advance moves it to a
// given time and says when it has to be moved again.
type machine struct {
	pod *core.Pod
	// config is what the containers read when they start.
	config  config
	address string
	began   time.Time
	backoff backoffPolicy

	inits, mains []*container
	// phase is empty until the pod has ended.
	phase           core.PodPhase
	reason, message string
	events          []event
	// reported is the missing volume that an event already told of.
	reported string
}

// event is something that a kubelet would report as a Kubernetes event.
type event struct {
	kind, reason, message string
}

// config holds the ConfigMaps and Secrets that the pod refers to, or says that one is missing.
type config struct {
	// missing describes the first absent object that must be there for a volume; the pod waits for it as a whole.
	missingVolume string
	// env are the variables of each container; missing says, by container, which reference cannot be resolved.
	env     map[string][]string
	missing map[string]string
}

// retryConfig is how often an absent ConfigMap or Secret is looked for.
const retryConfig = time.Second

func newMachine(pod *core.Pod, address string, backoff backoffPolicy, now time.Time) *machine {
	m := &machine{pod: pod, address: address, began: now, backoff: backoff}
	for i := range pod.Spec.InitContainers {
		m.inits = append(m.inits, newContainer(&pod.Spec.InitContainers[i], true))
	}
	for i := range pod.Spec.Containers {
		m.mains = append(m.mains, newContainer(&pod.Spec.Containers[i], false))
	}
	return m
}

// advance does everything that is due at now and returns when the next thing is due; the zero time means never.
func (m *machine) advance(now time.Time) time.Time {
	if m.phase != "" {
		return time.Time{}
	}
	var due schedule
	if m.overdue(now, &due) {
		return time.Time{}
	}
	if m.config.missingVolume != "" && m.untouched() {
		if m.reported != m.config.missingVolume {
			m.reported = m.config.missingVolume
			m.warn("FailedMount", m.config.missingVolume)
		}
		due.at(now.Add(retryConfig))
		return due.next
	}
	// Each step can make another one possible at the same time: a container without duration ends where it starts.
	for m.step(now) {
	}
	m.settle(now)
	if m.phase != "" {
		return time.Time{}
	}
	for _, c := range m.all() {
		due.at(c.due(m, now))
	}
	return due.next
}

// step starts, ends and restarts containers; it says whether anything changed.
func (m *machine) step(now time.Time) bool {
	changed := false
	for _, c := range m.all() {
		changed = c.end(m, now) || changed
	}
	for _, c := range m.inits {
		changed = c.begin(m, now) || changed
		if !c.passed(now) {
			return changed
		}
	}
	for _, c := range m.mains {
		changed = c.begin(m, now) || changed
	}
	return changed
}

// overdue ends a pod that has been active for longer than it may.
func (m *machine) overdue(now time.Time, due *schedule) bool {
	limit := m.pod.Spec.ActiveDeadlineSeconds
	if limit == nil {
		return false
	}
	deadline := m.began.Add(time.Duration(*limit) * time.Second)
	if now.Before(deadline) {
		due.at(deadline)
		return false
	}
	m.kill(now)
	m.phase, m.reason = core.PodFailed, "DeadlineExceeded"
	m.message = "Pod was active on the node longer than the specified deadline"
	return true
}

// settle ends the pod when its containers have ended for good.
func (m *machine) settle(now time.Time) {
	for _, c := range m.inits {
		if !c.sidecar && c.over(m) && c.exit != 0 {
			m.kill(now)
			m.phase = core.PodFailed
			return
		}
	}
	failed := false
	for _, c := range m.mains {
		if !c.over(m) {
			return
		}
		failed = failed || c.exit != 0
	}
	m.kill(now)
	m.phase = core.PodSucceeded
	if failed {
		m.phase = core.PodFailed
	}
}

// untouched says that no container has started yet: volumes are mounted once, before that.
func (m *machine) untouched() bool {
	for _, c := range m.all() {
		if c.state != waiting || c.last != nil {
			return false
		}
	}
	return true
}

// kill ends whatever still runs. Sidecars are told to stop and do so in good order; others are cut off.
func (m *machine) kill(now time.Time) {
	for _, c := range m.all() {
		switch {
		case c.state != running:
		case c.sidecar:
			c.finish(now, 0, "Completed")
		default:
			c.finish(now, exitKilled, "Error")
		}
	}
}

func (m *machine) all() []*container {
	all := make([]*container, 0, len(m.inits)+len(m.mains))
	return append(append(all, m.inits...), m.mains...)
}

func (m *machine) find(name string) *container {
	for _, c := range m.all() {
		if c.spec.Name == name {
			return c
		}
	}
	return nil
}

// update takes a new version of the pod. Images are the one part of a running container that may change: it is then
// started anew.
func (m *machine) update(pod *core.Pod, now time.Time) {
	m.pod = pod
	for i, c := range m.inits {
		c.update(&pod.Spec.InitContainers[i], now)
	}
	for i, c := range m.mains {
		c.update(&pod.Spec.Containers[i], now)
	}
}

func (m *machine) warn(reason, message string) {
	m.events = append(m.events, event{core.EventTypeWarning, reason, message})
}

// takeEvents returns the events since the last call.
func (m *machine) takeEvents() []event {
	events := m.events
	m.events = nil
	return events
}

func (m *machine) ref() string {
	return fmt.Sprintf("%s_%s(%s)", m.pod.Name, m.pod.Namespace, m.pod.UID)
}

// schedule keeps the earliest of the times that it is given.
type schedule struct{ next time.Time }

func (s *schedule) at(t time.Time) {
	if !t.IsZero() && (s.next.IsZero() || t.Before(s.next)) {
		s.next = t
	}
}
