package gitops

import (
	"fmt"
	"maps"
	"slices"

	"github.com/belaycd/belay/internal/check"
)

func selectorRule() check.Rule {
	return check.Rule{
		ID: "selector-mismatch", Title: "workload that does not select its own pods", Severity: check.Error,
		Why:       "The API server refuses a workload whose selector does not match the labels of its pod template, so that the sync fails.",
		Fix:       "Give the pod template the labels of the selector.",
		Standards: []string{"kube-linter mismatching-selector", "kube-score deployment-targeted-by-hpa"},
	}
}

func selectors(repo *check.Repository, report func(check.Finding)) {
	each(repo, func(o *check.Object) {
		switch o.GetKind() {
		case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
		default:
			return
		}
		if o.GroupVersionKind().Group != "apps" {
			return
		}
		labels, _ := field(o.Object, "spec", "template", "metadata", "labels").(map[string]any)
		wanted, _ := field(o.Object, "spec", "selector", "matchLabels").(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(wanted)) {
			if have, ok := labels[key]; !ok || have != wanted[key] {
				report(check.Finding{Rule: "selector-mismatch", Object: o, Path: check.Join("spec.selector.matchLabels", key),
					Message: fmt.Sprintf("%s selects pods with %s=%v, which its template does not have", kindName(o), key, wanted[key])})
			}
		}
	})
}
