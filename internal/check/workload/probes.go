package workload

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// probes judges readiness and liveness; what is found of liveness goes by a rule of its own.
func probes() rule {
	return rule{
		Rule: check.Rule{
			ID: "probes", Title: "pods behind a Service that cannot say when they are ready", Severity: check.Warning,
			Why: "Without a readiness probe a Service sends requests to a pod as soon as its process runs, and a rollout calls a broken release good. " +
				"Services whose ports are all for metrics do not count.",
			Fix:       "Add a readinessProbe that asks whether the program can answer.",
			Standards: []string{"kube-score pod-probes", "kube-linter no-readiness-probe"},
		},
		judge: judgeReadiness,
	}
}

func liveness() rule {
	return rule{
		Rule: check.Rule{
			ID: "probes-liveness", Title: "liveness probe that restarts pods which are only busy", Severity: check.Note,
			Profiles:  map[check.Profile]check.Severity{check.Restricted: check.Warning},
			Why:       "A liveness probe that asks the same as the readiness probe, at the same pace, restarts pods that have just been taken out of service, and all of them at once when what they depend on is down.",
			Fix:       "Let the livenessProbe ask for less, and be more patient: a higher failureThreshold.",
			Standards: []string{"kube-score pod-probes"},
		},
		judge: judgeLiveness,
	}
}

// staying are the containers that run as long as the pod, of workloads that a Service sends requests to. A Job's pods come and go.
func (w *work) staying() []check.Container {
	switch w.object.Ref.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController":
	default:
		return nil
	}
	if !w.around.served(w.site, w.labels) {
		return nil
	}
	return slices.DeleteFunc(w.running(), func(c check.Container) bool { return c.Init && check.TextAt(c.Fields, "restartPolicy") != "Always" })
}

// judgeReadiness asks for one probe in a pod: the pod is ready when all its containers are.
func judgeReadiness(w *work, report reporter) {
	var serving *check.Container
	for _, c := range w.staying() {
		if check.MapAt(c.Fields, "readinessProbe") != nil {
			return
		}
		if serving == nil || cmp.Or(-cmp.Compare(ports(&c), ports(serving)), strings.Compare(c.Name, serving.Name)) < 0 {
			serving = &c
		}
	}
	if serving != nil {
		report(check.Finding{Path: check.Join(serving.Path, "readinessProbe"), Message: fmt.Sprintf("container %s gets requests from a Service and has no readinessProbe", serving.Name)})
	}
}

// ports is 1 for a container that names ports, and 0 otherwise.
func ports(c *check.Container) int { return min(1, len(check.ListAt(c.Fields, "ports"))) }

func judgeLiveness(w *work, report reporter) {
	for _, c := range w.staying() {
		ready, live := check.MapAt(c.Fields, "readinessProbe"), check.MapAt(c.Fields, "livenessProbe")
		if ready == nil || live == nil || !sameQuestion(ready, live) {
			continue
		}
		if l, r := patience(live), patience(ready); l <= r {
			report(check.Finding{Path: check.Join(c.Path, "livenessProbe"),
				Message: fmt.Sprintf("container %s is restarted by the question that takes it out of service, after %d s of no answer; readiness gives up after %d s", c.Name, l, r),
				Fix:     fmt.Sprintf("Set livenessProbe.failureThreshold of container %s to %d or more, or let it ask something that does not depend on load.", c.Name, r/period(live)+1)})
		}
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
