package object

import (
	"sort"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Images returns the container images that a workload's pods run, sorted and without repetition.
func Images(u *unstructured.Unstructured) []string {
	if u == nil {
		return nil
	}
	seen := map[string]bool{}
	for _, path := range [][]string{
		{"spec"},
		{"spec", "template", "spec"},
		{"spec", "jobTemplate", "spec", "template", "spec"},
	} {
		for _, list := range []string{"containers", "initContainers"} {
			field := make([]string, 0, len(path)+1)
			field = append(append(field, path...), list)
			containers, _, err := unstructured.NestedFieldNoCopy(u.Object, field...)
			if err != nil {
				continue
			}
			elements, _ := containers.([]any)
			for _, c := range elements {
				if m, ok := c.(map[string]any); ok {
					if image, ok := m["image"].(string); ok && image != "" {
						seen[image] = true
					}
				}
			}
		}
	}
	if len(seen) == 0 {
		return nil
	}
	out := make([]string, 0, len(seen))
	for i := range seen {
		out = append(out, i)
	}
	sort.Strings(out)
	return out
}
