package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReferenceIsComplete finds names in the code that users meet and that the page about them does not have.
func TestReferenceIsComplete(t *testing.T) {
	for _, tc := range []struct {
		source, pattern, page string
		least                 int
		except                string
	}{
		{"internal/app/metrics.go", `"(argocd_[a-z_]+)"`, "docs/reference/metrics.md", 8, ""},
		{"internal/settings/settings.go", `value\(\w+, "([A-Za-z.]+)"`, "docs/reference/settings.md", 25, ""},
		{"internal/settings/repository.go", `d\.\w+\("([A-Za-z]+)"\)`, "docs/reference/settings.md", 20, ""},
		{"internal/app/environment.go", `get\("([a-z.]+)"\)`, "docs/reference/settings.md", 6, ""},
		{"api/v1alpha1/names.go", `= "((?:argocd\.argoproj\.io|helm\.sh|app\.kubernetes\.io|[a-z-]+finalizer)[A-Za-z./-]*)"`,
			"docs/reference/annotations.md", 15, "resources-finalizer.argocd.argoproj.io/foreground"},
		// The last two are Argo CD's; nothing sets them here.
		{"api/v1alpha1/status.go", `ConditionType = "([A-Za-z]+)"`, "docs/runbooks/README.md", 8, "UnknownError OrphanedResourceWarning"},
	} {
		page := read(t, filepath.Join(repository, tc.page))
		found := regexp.MustCompile(tc.pattern).FindAllStringSubmatch(read(t, filepath.Join(repository, tc.source)), -1)
		if len(found) < tc.least {
			t.Errorf("%s: %d names found, want at least %d: has the code moved?", tc.source, len(found), tc.least)
		}
		for _, m := range found {
			if !strings.Contains(page, m[1]) && !strings.Contains(" "+tc.except+" ", " "+m[1]+" ") {
				t.Errorf("%s: %s of %s is not there", tc.page, m[1], tc.source)
			}
		}
	}
}
