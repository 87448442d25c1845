package operation

import (
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Finalizers keeps foreign finalizers and has the one of the wanted cascade. Policy is foreground, background or orphan.
func Finalizers(have []string, cascade bool, policy string) []string {
	want := []string{}
	for _, f := range have {
		if f != v1alpha1.FinalizerResources && !strings.HasPrefix(f, v1alpha1.FinalizerResources+"/") {
			want = append(want, f)
		}
	}
	switch {
	case !cascade:
		// Without the objects, the hooks around their deletion have nothing to do.
		return slices.DeleteFunc(want, func(f string) bool {
			return strings.HasPrefix(f, v1alpha1.FinalizerPreDelete) || strings.HasPrefix(f, v1alpha1.FinalizerPostDelete)
		})
	case policy == "orphan":
		return want
	case policy == "background":
		return append(want, v1alpha1.FinalizerBackground)
	}
	return append(want, v1alpha1.FinalizerResources)
}
