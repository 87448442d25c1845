package pods

import (
	"time"

	core "k8s.io/api/core/v1"

	"github.com/belaycd/belay/internal/sandbox/pods/script"
)

// The API server fills these in; they stand here for probes of pods that never passed it, as in tests.
const (
	defaultPeriod  = 10
	defaultTimeout = 1
)

// probes are the outcomes of a container's probes, known when it starts: a probe succeeds unless it is a command that
// fails. Times are zero if the event never comes.
type probes struct {
	startedAt time.Time
	// startupAt and readyAt are when the container counts as started and as ready.
	startupAt, readyAt time.Time
	// unready says that the readiness probe fails for ever, killAt that a startup or liveness probe ends the container.
	unready bool
	killAt  time.Time
	killWhy string
}

func newProbes(m *machine, c *container) probes {
	p := probes{startedAt: c.startedAt, startupAt: c.startedAt, readyAt: c.startedAt}
	env := m.config.env[c.spec.Name]
	if probe := c.spec.StartupProbe; probe != nil {
		if fails(probe, env) {
			p.startupAt, p.readyAt = time.Time{}, time.Time{}
			p.killAt, p.killWhy = failedAt(c.startedAt, probe), "Startup probe failed"
			return p
		}
		p.startupAt = c.startedAt.Add(seconds(probe.InitialDelaySeconds))
		p.readyAt = p.startupAt
	}
	if probe := c.spec.ReadinessProbe; probe != nil {
		first := later(p.startupAt, c.startedAt.Add(seconds(probe.InitialDelaySeconds)))
		p.readyAt = first.Add(seconds((max(probe.SuccessThreshold, 1) - 1) * period(probe)))
		if fails(probe, env) {
			p.readyAt, p.unready = time.Time{}, true
		}
	}
	if probe := c.spec.LivenessProbe; probe != nil && fails(probe, env) {
		p.killAt, p.killWhy = failedAt(p.startupAt, probe), "Liveness probe failed"
	}
	return p
}

func (p probes) startedUp(now time.Time) bool {
	return !p.startupAt.IsZero() && !now.Before(p.startupAt)
}

func (p probes) ready(now time.Time) bool { return !p.readyAt.IsZero() && !now.Before(p.readyAt) }

func (p probes) kills() (at time.Time, why string) { return p.killAt, p.killWhy }

// due is the next time after now at which an outcome shows.
func (p probes) due(now time.Time) time.Time {
	var s schedule
	for _, t := range []time.Time{p.startupAt, p.readyAt, p.killAt} {
		if t.After(now) {
			s.at(t)
		}
	}
	return s.next
}

// fails says whether a probe fails. Only commands can: there is nothing that a network probe could reach.
func fails(probe *core.Probe, env []string) bool {
	if probe.Exec == nil {
		return false
	}
	result := script.Predict(script.Command{Argv: probe.Exec.Command, Env: env, FilesExist: true})
	timeout := seconds(max(probe.TimeoutSeconds, defaultTimeout))
	return result.StartError != "" || !result.Ends || result.Exit != 0 || result.After > timeout
}

// failedAt is when a probe that always fails has failed often enough.
func failedAt(start time.Time, probe *core.Probe) time.Time {
	return start.Add(seconds(probe.InitialDelaySeconds + (max(probe.FailureThreshold, 1)-1)*period(probe)))
}

func period(probe *core.Probe) int32 {
	if probe.PeriodSeconds == 0 {
		return defaultPeriod
	}
	return probe.PeriodSeconds
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
