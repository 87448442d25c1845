package pods

import (
	"fmt"
	"time"

	core "k8s.io/api/core/v1"

	"github.com/belaycd/belay/internal/sandbox/pods/script"
)

type state int

const (
	waiting state = iota
	running
	ended
)

const (
	exitKilled     = 137 // 128 + SIGKILL
	exitStartError = 128
)

// Reasons of a waiting container, as a kubelet words them.
const (
	reasonCreating   = "ContainerCreating"
	reasonPodInit    = "PodInitializing"
	reasonConfig     = "CreateContainerConfigError"
	reasonPull       = "ErrImagePull"
	reasonPullAgain  = "ImagePullBackOff"
	reasonCrashLoop  = "CrashLoopBackOff"
	reasonOOM        = "OOMKilled"
	reasonStartError = "StartError"
)

// pullRetry is how long ErrImagePull shows before it becomes ImagePullBackOff; after each pullBackOff the container looks
// again whether it is still told to fail.
const (
	pullRetry   = time.Second
	pullBackOff = 10 * time.Second
)

// backoffPolicy is the delay before a restart: none before the first, base before the second, then twice as long each
// time; a run of reset length starts over.
type backoffPolicy struct {
	base, limit, reset time.Duration
}

// container is one container of a pod. Its fields are facts; the status is drawn from them.
type container struct {
	spec          *core.Container
	init, sidecar bool

	state           state
	reason, message string // of waiting and ended
	// notBefore holds a waiting container back; wanted is when it was first asked to start.
	notBefore, wanted  time.Time
	startedAt, endedAt time.Time
	exit               int
	program            script.Result
	// fate is how the program ends, if not as predicted.
	fateReason string
	probes     probes
	restarts   int32
	// quick counts restarts after runs that were too short to clear the back-off.
	quick int
	last  *run
}

// run is a finished run of a container.
type run struct {
	startedAt, endedAt time.Time
	exit               int
	reason, message    string
	program            script.Result
}

func newContainer(spec *core.Container, init bool) *container {
	sidecar := init && spec.RestartPolicy != nil && *spec.RestartPolicy == core.ContainerRestartPolicyAlways
	return &container{spec: spec, init: init, sidecar: sidecar}
}

// policy is the restart policy that holds for this container.
func (c *container) policy(m *machine) core.RestartPolicy {
	if c.spec.RestartPolicy != nil {
		return core.RestartPolicy(*c.spec.RestartPolicy)
	}
	if c.init && m.pod.Spec.RestartPolicy == core.RestartPolicyAlways {
		return core.RestartPolicyOnFailure
	}
	return m.pod.Spec.RestartPolicy
}

// over says that the container has ended and will not be started again.
func (c *container) over(m *machine) bool {
	if c.state != ended {
		return false
	}
	switch c.policy(m) {
	case core.RestartPolicyNever:
		return true
	case core.RestartPolicyOnFailure:
		return c.exit == 0
	default:
		return false
	}
}

// passed says whether the containers after this init container may start.
func (c *container) passed(now time.Time) bool {
	if c.sidecar {
		return c.state == running && c.probes.startedUp(now)
	}
	return c.state == ended && c.exit == 0
}

// begin starts the container if it is its time, and says whether anything changed.
func (c *container) begin(m *machine, now time.Time) bool {
	switch {
	case c.state == running || c.over(m):
		return false
	case c.state == ended:
		c.await(m, now)
		return true
	case now.Before(c.notBefore):
		return false
	}
	if c.wanted.IsZero() {
		c.wanted = now
	}
	if held, changed := c.held(m, now); held {
		return changed
	}
	c.run(m, now)
	return true
}

// await puts an ended container in line for its restart.
func (c *container) await(m *machine, now time.Time) {
	last := run{c.startedAt, c.endedAt, c.exit, c.reason, c.message, c.program}
	c.last = &last
	if c.endedAt.Sub(c.startedAt) >= m.backoff.reset {
		c.quick = 0
	}
	delay := m.backoff.delay(c.quick)
	c.quick++
	c.state, c.reason, c.message, c.notBefore = waiting, reasonCreating, "", c.endedAt.Add(delay)
	if delay > 0 {
		c.reason = reasonCrashLoop
		c.message = fmt.Sprintf("back-off %s restarting failed container=%s pod=%s", delay, c.spec.Name, m.ref())
		if c.notBefore.After(now) {
			m.warn("BackOff", fmt.Sprintf("Back-off restarting failed container %s in pod %s", c.spec.Name, m.ref()))
		}
	}
}

// held says whether something keeps the container from starting: its image, a delay, or its configuration.
func (c *container) held(m *machine, now time.Time) (held, changed bool) {
	before := [2]string{c.reason, c.message}
	defer func() { changed = before != [2]string{c.reason, c.message} }()
	switch chosen := choose(m.pod, c.spec); chosen.behaviour {
	case imagePullError:
		c.failPull(m, now)
		return true, false
	case slowStart:
		if ready := c.wanted.Add(chosen.duration); c.restarts == 0 && now.Before(ready) {
			c.reason, c.message, c.notBefore = reasonCreating, "", ready
			return true, false
		}
	}
	if missing := m.config.missing[c.spec.Name]; missing != "" {
		c.reason, c.message, c.notBefore = reasonConfig, missing, now.Add(retryConfig)
		if before[0] != reasonConfig {
			m.warn("Failed", "Error: "+missing)
		}
		return true, false
	}
	return false, false
}

func (c *container) failPull(m *machine, now time.Time) {
	if c.reason == reasonPull {
		c.reason = reasonPullAgain
		c.message = fmt.Sprintf("Back-off pulling image %q: %s: %s", c.spec.Image, reasonPull, c.message)
		c.notBefore = now.Add(pullBackOff)
		m.warn("BackOff", fmt.Sprintf("Back-off pulling image %q", c.spec.Image))
		return
	}
	if c.reason == reasonPullAgain {
		c.notBefore = now.Add(pullBackOff)
		return
	}
	c.reason, c.notBefore = reasonPull, now.Add(pullRetry)
	c.message = fmt.Sprintf("failed to pull and unpack image %q: failed to resolve reference %q: %s: not found",
		c.spec.Image, c.spec.Image, c.spec.Image)
	m.warn("Failed", fmt.Sprintf("Failed to pull image %q: %s", c.spec.Image, c.message))
}

// run starts the program: from here on its output and its end are known.
func (c *container) run(m *machine, now time.Time) {
	if c.last != nil {
		c.restarts++
	}
	c.state, c.startedAt, c.reason, c.message, c.fateReason = running, now, "", "", ""
	c.program, c.fateReason = c.predict(m)
	c.probes = newProbes(m, c)
	if c.program.StartError != "" {
		c.finish(now, exitStartError, reasonStartError)
		c.message = "failed to create containerd task: failed to create shim task: OCI runtime create failed: " + c.program.StartError
		m.warn("Failed", "Error: "+c.message)
		return
	}
	if c.probes.unready || choose(m.pod, c.spec).behaviour == neverReady {
		m.warn("Unhealthy", fmt.Sprintf("Readiness probe failed for container %s", c.spec.Name))
	}
}

// predict says what the container's program will do, and why it ends if that is not its own doing.
func (c *container) predict(m *machine) (result script.Result, fate string) {
	env := m.config.env[c.spec.Name]
	switch choose(m.pod, c.spec).behaviour {
	case crashLoop:
		return script.Result{Ends: true, Exit: 1, Lines: []script.Line{{Text: "belay-sandbox: crash-loop was chosen for this container"}}}, ""
	case outOfMemory:
		return script.Result{Ends: true, Exit: exitKilled}, reasonOOM
	}
	result = script.Predict(script.Command{
		Argv: commandLine(c.spec, env), Env: env,
		Serves: c.sidecar || !c.init && c.policy(m) == core.RestartPolicyAlways,
	})
	if result.Unknown && len(result.Lines) == 0 {
		result.Lines = []script.Line{{Text: fmt.Sprintf("belay-sandbox: container %s is simulated; no program of image %s runs", c.spec.Name, c.spec.Image)}}
	}
	return result, ""
}

// end ends a running container whose time has come, and says whether it did.
func (c *container) end(m *machine, now time.Time) bool {
	if c.state != running {
		return false
	}
	if at, why := c.probes.kills(); !at.IsZero() && !now.Before(at) && (!c.program.Ends || at.Before(c.startedAt.Add(c.program.After))) {
		m.warn("Unhealthy", why)
		c.finish(at, exitKilled, "Error")
		return true
	}
	at := c.startedAt.Add(c.program.After)
	if !c.program.Ends || now.Before(at) {
		return false
	}
	reason := c.fateReason
	switch {
	case reason != "":
	case c.program.Exit == 0:
		reason = "Completed"
	default:
		reason = "Error"
	}
	c.finish(at, c.program.Exit, reason)
	return true
}

func (c *container) finish(at time.Time, exit int, reason string) {
	c.state, c.endedAt, c.exit, c.reason = ended, at, exit, reason
	c.message = c.lastWords()
}

// due is when the container has to be looked at again.
func (c *container) due(m *machine, now time.Time) time.Time {
	var s schedule
	switch c.state {
	case waiting:
		if c.notBefore.After(now) {
			s.at(c.notBefore)
		}
	case running:
		if c.program.Ends {
			s.at(c.startedAt.Add(c.program.After))
		}
		s.at(c.probes.due(now))
	case ended:
		if !c.over(m) {
			s.at(now)
		}
	}
	return s.next
}

// update takes a new version of the container's specification.
func (c *container) update(spec *core.Container, now time.Time) {
	changed := c.spec.Image != spec.Image
	c.spec = spec
	if !changed {
		return
	}
	switch c.state {
	case running:
		c.finish(now, 0, "Completed")
		c.quick = 0
	case waiting:
		c.notBefore = time.Time{}
	}
}

func (p backoffPolicy) delay(restarts int) time.Duration {
	if restarts == 0 {
		return 0
	}
	delay := p.base
	for range restarts - 1 {
		if delay *= 2; delay >= p.limit {
			return p.limit
		}
	}
	return delay
}
