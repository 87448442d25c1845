package health

import (
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
)

func volumeClaim(in input) Result {
	switch phase := in.text("status", "phase"); phase {
	case "Bound":
		return healthy("")
	case "Pending", "":
		return progressing("PersistentVolumeClaim is waiting to be bound")
	case "Lost":
		return degraded("PersistentVolumeClaim has lost volume %q", in.text("spec", "volumeName"))
	default:
		return unknown("PersistentVolumeClaim phase is %s", phase)
	}
}

// namespace has no health of its own; only its end shows.
func namespace(in input) Result {
	if in.text("status", "phase") == "Terminating" {
		return progressing("Namespace is terminating")
	}
	return none()
}

// autoscaler judges whether the HorizontalPodAutoscaler can read its metrics and set the scale.
func autoscaler(in input) Result {
	conds := in.conditions()
	able, hasAble := conds["AbleToScale"]
	active, hasActive := conds["ScalingActive"]
	switch {
	case able.isFalse() && strings.HasPrefix(able.Reason, "Failed"):
		return degraded("%s", able)
	case active.isFalse() && active.Reason == "ScalingDisabled":
		return healthy("scaling is off: %s", active.cause())
	case active.isFalse() && (strings.HasPrefix(active.Reason, "Failed") || strings.HasPrefix(active.Reason, "Invalid")):
		return degraded("%s", active)
	case !hasAble && !hasActive:
		return progressing("waiting for the autoscaler's first look")
	case able.isTrue() || active.isTrue():
		return healthy("")
	}
	return progressing("waiting to autoscale")
}

func disruptionBudget(in input) Result {
	if !in.observed() {
		return progressing("waiting for the disruption controller to see the new spec")
	}
	if c := in.conditions()["DisruptionAllowed"]; c.isFalse() && c.Reason == "SyncFailed" {
		return degraded("%s", c)
	}
	if have, want := in.count("status", "currentHealthy"), in.count("status", "desiredHealthy"); have < want {
		return progressing("%d of %d pods that the budget asks for are healthy", have, want)
	}
	return healthy("")
}

func customResourceDefinition(in input) Result {
	conds := in.conditions()
	if c := conds["Terminating"]; c.isTrue() {
		return progressing("%s", c)
	}
	if c := conds["NamesAccepted"]; c.isFalse() {
		return degraded("%s", c)
	}
	if c := conds["NonStructuralSchema"]; c.isTrue() {
		return degraded("%s", c)
	}
	switch c := conds["Established"]; {
	case c.isTrue():
		return healthy("")
	case c.isFalse() && c.Reason != "Installing":
		return degraded("%s", c)
	case c.Status != "":
		return progressing("%s", c)
	}
	return progressing("waiting for the CustomResourceDefinition to be established")
}

// application takes over the health that the child Application reports for itself.
func application(in input) Result {
	code := v1alpha1.HealthStatusCode(in.text("status", "health", "status"))
	if code == "" {
		return none()
	}
	if rank(code) == rank(v1alpha1.HealthUnknown) && code != v1alpha1.HealthUnknown {
		return unknown("the Application reports the health %q, which is none", string(code))
	}
	return Result{Status: code, Message: rootCause(Line(in.text("status", "health", "message")))}
}

// rootCause leaves out the Applications by which a child explains its health, and how many more there are: the parent names
// the child, and what is left is the cause. In a circle of Applications the message would grow with each round.
func rootCause(message string) string {
	for strings.HasPrefix(message, v1alpha1.Group+"/"+v1alpha1.ApplicationKind+"/") {
		_, rest, explained := strings.Cut(message, ": ")
		if !explained {
			return ""
		}
		message = rest
	}
	if at := strings.LastIndex(message, " (and "); at >= 0 && strings.HasSuffix(message, ")") {
		message = message[:at]
	}
	return message
}

func rollout(in input) Result {
	if !in.observedText() {
		return progressing("waiting for the Rollout controller to see the new spec")
	}
	if c := in.conditions()["InvalidSpec"]; c.isTrue() {
		return degraded("%s", c)
	}
	message := in.text("status", "message")
	switch phase := in.text("status", "phase"); phase {
	case "Healthy":
		return healthy("%s", message)
	case "Paused":
		return suspended("%s", orElse(message, "Rollout is paused"))
	case "Degraded":
		return degraded("%s", orElse(message, "Rollout is degraded"))
	case "Progressing", "":
		return progressing("%s", orElse(message, "Rollout is progressing"))
	default:
		return unknown("Rollout phase is %s", phase)
	}
}

// observedText is observed for Rollouts, whose status.observedGeneration is a string and may be a hash of old.
func (in input) observedText() bool {
	seen, isText := in.get("status", "observedGeneration").(string)
	if !isText {
		return in.observed()
	}
	n, ok := parseInt(seen)
	return !ok || n >= in.count("metadata", "generation")
}

func workflow(in input) Result {
	message := in.text("status", "message")
	switch phase := in.text("status", "phase"); phase {
	case "Succeeded":
		return healthy("%s", message)
	case "Failed", "Error":
		return degraded("%s", orElse(message, "Workflow phase is "+phase))
	case "", "Pending", "Running":
		return progressing("%s", orElse(message, "Workflow is running"))
	default:
		return unknown("Workflow phase is %s", phase)
	}
}
