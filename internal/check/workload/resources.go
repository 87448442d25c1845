package workload

import (
	"fmt"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

func resourcesRequests() rule {
	return rule{
		Rule: check.Rule{
			ID: "resources-requests", Title: "container without requests or memory limit", Severity: check.Error,
			Why: "Without requests the scheduler takes the container for nothing and fills the node past what it has; without a memory limit one leak takes the node's memory from its neighbours. " +
				"Defaults of a LimitRange in the repository, and requests and limits of the pod as a whole, count. Where the memory limit alone is missing, and for containers that run before the others, it is a warning.",
			Fix:       "Set resources.requests.cpu, resources.requests.memory and resources.limits.memory of the container to what was measured.",
			Standards: []string{"NSA C-0271", "kube-linter unset-memory-requirements", "kube-linter unset-cpu-requirements"},
		},
		judge: func(w *work, report reporter) {
			defaults := w.around.limitsOf(w.site)
			pod := check.MapAt(w.pod.Spec, "resources")
			for _, c := range w.running() {
				own := check.MapAt(c.Fields, "resources")
				has := func(kind, name string) bool {
					return check.At(own, kind, name) != nil || check.At(pod, kind, name) != nil
				}
				var missing, set []string
				weight := check.Off // that of the rule
				for _, name := range []string{"cpu", "memory"} {
					// a limit without a request is a request
					if !has("requests", name) && !has("limits", name) && !defaults.requests[name] {
						missing, set = append(missing, name+" request"), append(set, "requests."+name+": "+example(name))
					}
				}
				if len(missing) == 0 || c.Init && check.TextAt(c.Fields, "restartPolicy") != "Always" {
					weight = check.Warning // the scheduler is not misled, or for a moment only
				}
				if !has("limits", "memory") && !defaults.limits["memory"] {
					missing, set = append(missing, "memory limit"), append(set, "limits.memory: "+example("limit"))
				}
				if len(missing) > 0 {
					report(check.Finding{Severity: weight, Path: check.Join(c.Path, "resources"), Message: fmt.Sprintf("container %s has no %s", c.Name, and(missing)),
						Fix: fmt.Sprintf("Set in resources of container %s %s, or what it was measured to need.", c.Name, and(set))})
				}
			}
		},
	}
}

// example is a value to begin with.
func example(name string) string {
	return map[string]string{"cpu": "100m", "memory": "128Mi", "limit": "256Mi"}[name]
}

// and joins words as a sentence does.
func and(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func resourcesCPULimit() rule {
	return rule{
		Rule: check.Rule{
			ID: "resources-cpu-limit", Title: "container without a CPU limit", Severity: check.Off,
			Profiles: map[check.Profile]check.Severity{check.NSA: check.Warning},
			Why: "Without a limit a container may take all CPU that is idle. Many teams want that, as a limit throttles a container while the node has time to spare; " +
				"it is asked for where work of several owners shares nodes.",
			Fix:       "Set resources.limits.cpu of the container, such as 500m.",
			Standards: []string{"NSA C-0270"},
		},
		judge: func(w *work, report reporter) {
			if check.At(w.pod.Spec, "resources", "limits", "cpu") != nil || w.around.limitsOf(w.site).limits["cpu"] {
				return
			}
			for _, c := range w.running() {
				if check.At(c.Fields, "resources", "limits", "cpu") == nil {
					report(check.Finding{Path: check.Join(c.Path, "resources", "limits"), Message: fmt.Sprintf("container %s has no CPU limit", c.Name)})
				}
			}
		},
	}
}
