package workload

import (
	"fmt"

	"github.com/belaycd/belay/internal/check"
)

func probes() rule {
	return rule{
		Rule: check.Rule{
			ID: "probes", Title: "pods behind a Service that cannot say when they are ready", Severity: check.Warning,
			Why: "Without a readiness probe a Service sends requests to a pod as soon as its process runs, and a rollout calls a broken release good. A liveness probe that asks the same at the same pace restarts pods " +
				"that are only busy, and all of them at once when what they depend on is down.",
			Fix:       "Add a readinessProbe that asks whether the program can answer. Let a livenessProbe ask for less, and be more patient: a higher failureThreshold.",
			Standards: []string{"kube-score pod-probes", "kube-linter no-readiness-probe"},
		},
		judge: judgeProbes,
	}
}

func judgeProbes(w *work, report reporter) {
	switch w.object.Ref.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController":
	default:
		return // a Job's pods come and go, and a Service before them is not what judges them
	}
	if !w.around.served(w.site, w.labels) {
		return
	}
	var serving *check.Container
	ready := false
	for _, c := range w.running() {
		if c.Init && check.TextAt(c.Fields, "restartPolicy") != "Always" {
			continue
		}
		readiness := check.MapAt(c.Fields, "readinessProbe")
		ready = ready || readiness != nil
		if serving == nil || len(check.ListAt(serving.Fields, "ports")) == 0 && len(check.ListAt(c.Fields, "ports")) > 0 {
			serving = &c
		}
		liveness := check.MapAt(c.Fields, "livenessProbe")
		if readiness == nil || liveness == nil || !sameQuestion(readiness, liveness) {
			continue
		}
		if l, r := patience(liveness), patience(readiness); l <= r {
			report(check.Finding{Path: check.Join(c.Path, "livenessProbe"),
				Message: fmt.Sprintf("container %s is restarted by the question that takes it out of service, after %d s of no answer; readiness gives up after %d s", c.Name, l, r),
				Fix:     fmt.Sprintf("Set livenessProbe.failureThreshold of container %s to %d or more, or let it ask something that does not depend on load.", c.Name, r/period(liveness)+1)})
		}
	}
	if !ready && serving != nil {
		report(check.Finding{Path: check.Join(serving.Path, "readinessProbe"), Message: fmt.Sprintf("container %s gets requests from a Service and has no readinessProbe", serving.Name)})
	}
}

// sameQuestion reports whether two probes do the same.
func sameQuestion(a, b map[string]any) bool {
	for _, handler := range []string{"httpGet", "tcpSocket", "grpc", "exec"} {
		if !equal(a[handler], b[handler]) {
			return false
		}
	}
	return true
}

func period(probe map[string]any) int64 {
	if n, ok := check.IntAt(probe, "periodSeconds"); ok && n > 0 {
		return n
	}
	return 10
}

// patience is after how many seconds of failure a probe acts.
func patience(probe map[string]any) int64 {
	if n, ok := check.IntAt(probe, "failureThreshold"); ok && n > 0 {
		return n * period(probe)
	}
	return 3 * period(probe)
}

// equal compares values of manifests.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			if w, ok := b[k]; !ok || !equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i, v := range a {
			if !equal(v, b[i]) {
				return false
			}
		}
		return true
	}
	return a == b
}
