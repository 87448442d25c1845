package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

func replicas() rule {
	return rule{
		Rule: check.Rule{
			ID: "replicas-pdb", Title: "service that one lost node takes down", Severity: check.Off,
			Why: "One replica is down whenever its node is; two on one node too, and without a PodDisruptionBudget a drain takes both at once. The rule is off in every profile, as not everything needs to be always there: " +
				"switch it on for the clusters of production.",
			Fix:       "Run two replicas or more, spread them with topologySpreadConstraints over kubernetes.io/hostname, and add a PodDisruptionBudget with maxUnavailable: 1.",
			Standards: []string{"kube-score deployment-has-poddisruptionbudget", "polaris deploymentMissingReplicas"},
		},
		judge: func(w *work, report reporter) {
			if kind := w.object.Ref.Kind; kind != "Deployment" && kind != "StatefulSet" {
				return
			}
			n := w.around.least(w.object)
			switch {
			case n == 0:
			case n == 1:
				report(check.Finding{Path: "spec.replicas", Message: "one replica runs, or may after scaling down"})
			default:
				covered := false
				for _, b := range w.around.budgets[w.site] {
					covered = covered || check.Selects(check.MapAt(b.Object, "spec", "selector"), w.labels)
				}
				if !covered {
					report(check.Finding{Path: "spec.replicas", Message: fmt.Sprintf("%d replicas run, and no PodDisruptionBudget selects them", n)})
				}
				if len(check.ListAt(w.pod.Spec, "topologySpreadConstraints")) == 0 && check.MapAt(w.pod.Spec, "affinity", "podAntiAffinity") == nil {
					report(check.Finding{Path: check.Join(w.pod.Path, "spec", "topologySpreadConstraints"), Message: fmt.Sprintf("nothing keeps the %d replicas on different nodes", n)})
				}
			}
		},
	}
}

// least is the number of replicas that may be all there are: that of the manifest, or the least of its autoscaler.
func (s *surroundings) least(o *check.Object) int64 {
	for _, scaler := range s.scalers[o.Site()] {
		target := check.MapAt(scaler.Object, "spec", "scaleTargetRef")
		if check.TextAt(target, "kind") == o.Ref.Kind && check.TextAt(target, "name") == o.Ref.Name {
			if n, ok := check.IntAt(scaler.Object, "spec", "minReplicas"); ok {
				return n
			}
			return 1
		}
	}
	if n, ok := check.IntAt(o.Object, "spec", "replicas"); ok {
		return n
	}
	return 1
}

func blockingBudgetRule() check.Rule {
	return check.Rule{
		ID: "pdb-blocks-drain", Title: "PodDisruptionBudget that lets no pod go", Severity: check.Warning,
		Why:       "A budget that never allows an eviction stops every drain of a node: upgrades of the cluster hang until somebody removes it.",
		Fix:       "Set maxUnavailable: 1 in place of minAvailable, and run two replicas or more.",
		Standards: []string{"kube-linter pdb-max-unavailable", "kube-linter pdb-min-available"},
	}
}

func judgeBudget(s *surroundings, o *check.Object, report func(check.Finding)) {
	tell := func(field, format string, args ...any) {
		report(check.Finding{Rule: blockingBudgetRule().ID, Object: o, Path: "spec." + field, Message: fmt.Sprintf(format, args...)})
	}
	spec := check.MapAt(o.Object, "spec")
	if v, ok := spec["maxUnavailable"]; ok {
		if share(v, 100) == 0 {
			tell("maxUnavailable", "no pod may be evicted: maxUnavailable is %v", v)
		}
		return
	}
	v, ok := spec["minAvailable"]
	if !ok {
		return
	}
	if text, _ := v.(string); text == "100%" {
		tell("minAvailable", "no pod may be evicted: minAvailable is 100%%")
		return
	}
	var total int64
	var names []string
	for _, w := range s.works[o.Site()] {
		if check.Selects(check.MapAt(spec, "selector"), check.MapAt(w.Object, "spec", "template", "metadata", "labels")) {
			total += s.least(w)
			names = append(names, w.Ref.Kind+"/"+w.Ref.Name)
		}
	}
	slices.Sort(names)
	if needed := share(v, total); total > 0 && needed >= total {
		tell("minAvailable", "no pod may be evicted: minAvailable is %v, and %s may run no more than %d", v, and(names), total)
	}
}

// share returns a number or a percentage of total, rounded up; -1 if it is neither.
func share(v any, total int64) int64 {
	if n, ok := check.IntAt(map[string]any{"v": v}, "v"); ok {
		return n
	}
	text, _ := v.(string)
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return -1
	}
	if percent {
		return (n*total + 99) / 100
	}
	return n
}
