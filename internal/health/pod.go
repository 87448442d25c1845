package health

import (
	"fmt"
	"strings"
)

// pod judges by phase. A pod that is restarted for ever is Degraded as soon as a container cannot start; one that
// ends by itself (restartPolicy OnFailure or Never: Jobs and hooks) is Progressing until it has ended, because its
// start may still succeed after somebody had called it failed.
func pod(in input) Result {
	forever := in.text("spec", "restartPolicy") == "Always" || in.text("spec", "restartPolicy") == ""
	containers := in.list("status", "containerStatuses")
	if forever {
		if stuck := in.stuck(containers); stuck != "" {
			return degraded("%s", stuck)
		}
	}
	switch phase := in.text("status", "phase"); phase {
	case "Pending", "":
		return progressing("%s", in.pendingCause(containers))
	case "Succeeded":
		return healthy("%s", in.text("status", "message"))
	case "Failed":
		return degraded("%s", in.failedCause(containers))
	case "Running":
		if !forever {
			return progressing("Pod is running")
		}
		return in.running(containers)
	default:
		return unknown("Pod phase is %s: %s", phase, orElse(in.text("status", "message"), "the node does not report"))
	}
}

func (in input) running(containers []map[string]any) Result {
	ready := in.conditions()["Ready"]
	if ready.isTrue() {
		return healthy("%s", in.text("status", "message"))
	}
	for _, c := range containers {
		f := in.part(c)
		if last := f.object("lastState", "terminated"); last != nil && !f.truth("ready") {
			return degraded("container %q restarts: it %s", f.text("name"), in.ended(last))
		}
	}
	return progressing("%s", orElse(unready(in, containers), "Pod is not ready"))
}

// stuck names every container that waits for a reason that does not pass by itself.
func (in input) stuck(containers []map[string]any) string {
	var found []string
	for _, c := range containers {
		f := in.part(c)
		reason := f.text("state", "waiting", "reason")
		if strings.HasPrefix(reason, "Err") || strings.HasSuffix(reason, "Error") || strings.HasSuffix(reason, "BackOff") {
			found = append(found, in.waiting(f, reason))
		}
	}
	return strings.Join(found, "; ")
}

// waiting says why a container waits. The message of a back-off holds the delay, which changes with each attempt, so
// the cause is taken from where it is stable: the last exit for a crash, the pull error for an image.
func (in input) waiting(f *fields, reason string) string {
	name, message := f.text("name"), f.text("state", "waiting", "message")
	switch reason {
	case "CrashLoopBackOff":
		text := fmt.Sprintf("container %q waits: CrashLoopBackOff", name)
		if last := f.object("lastState", "terminated"); last != nil {
			text += ": it " + in.ended(last)
		}
		return text
	case "ErrImagePull", "ImagePullBackOff":
		// The two alternate for the same trouble; one name for both keeps the message still.
		text := fmt.Sprintf("container %q waits: ImagePullBackOff: cannot pull image %q", name, f.text("image"))
		if cause := pullError(reason, message); cause != "" {
			text += ": " + cause
		}
		return text
	}
	text := fmt.Sprintf("container %q waits: %s", name, reason)
	if message != "" && !strings.Contains(message, "back-off") {
		text += ": " + message
	}
	return text
}

// pullError returns what the registry said: all of an ErrImagePull message, and the part of a back-off message that
// repeats it.
func pullError(reason, message string) string {
	if reason == "ErrImagePull" {
		return message
	}
	_, cause, _ := strings.Cut(message, "ErrImagePull: ")
	return cause
}

// ended says how a container ended.
func (in input) ended(terminated map[string]any) string {
	f := in.part(terminated)
	text := fmt.Sprintf("ended with exit code %d", f.count("exitCode"))
	if reason := f.text("reason"); reason != "" && reason != "Error" && reason != "Completed" {
		text += " (" + reason + ")"
	}
	if message := f.text("message"); message != "" {
		text += ": " + message
	}
	return text
}

// pendingCause says what a pod waits for: a node, an init container, an image.
func (in input) pendingCause(containers []map[string]any) string {
	if c := in.conditions()["PodScheduled"]; c.isFalse() {
		return "Pod is not scheduled: " + orElse(c.cause(), "no reason given")
	}
	for _, c := range append(in.list("status", "initContainerStatuses"), containers...) {
		f := in.part(c)
		reason := f.text("state", "waiting", "reason")
		if reason != "" && reason != "PodInitializing" && reason != "ContainerCreating" {
			return in.waiting(f, reason)
		}
	}
	return orElse(in.text("status", "message"), "Pod is starting")
}

// failedCause says why a pod failed: what the kubelet says, or else the first container that ended badly.
func (in input) failedCause(containers []map[string]any) string {
	reason, message := in.text("status", "reason"), in.text("status", "message")
	if message != "" {
		return strings.TrimPrefix(reason+": "+message, ": ")
	}
	for _, c := range append(in.list("status", "initContainerStatuses"), containers...) {
		f := in.part(c)
		end := f.object("state", "terminated")
		if end == nil {
			continue
		}
		if e := in.part(end); e.count("exitCode") != 0 || e.text("reason") == "OOMKilled" {
			return fmt.Sprintf("container %q %s", f.text("name"), in.ended(end))
		}
	}
	return orElse(reason, "Pod failed")
}

// unready names the containers that run and are not ready.
func unready(in input, containers []map[string]any) string {
	var names []string
	for _, c := range containers {
		if f := in.part(c); !f.truth("ready") {
			names = append(names, fmt.Sprintf("%q", f.text("name")))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "containers not ready: " + strings.Join(names, ", ")
}
