package render

import (
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/source"
)

// Env is the build environment of one render: the ARGOCD_APP_* and KUBE_* variables of Argo CD
// (docs/user-guide/build-environment.md there).
type Env struct {
	vars       map[string]string
	onRevision func()
}

// revisionUser is implemented by file trees that want to know when a render looks at its revision.
type revisionUser interface{ usesRevision() }

// BuildEnv returns the environment of spec. Looking up a variable that holds a revision is noted in files, when
// files traces a render: such a render cannot be reused for another revision.
func BuildEnv(files source.FS, spec Spec) Env {
	revision := string(spec.Revision)
	e := Env{
		onRevision: func() {},
		vars: map[string]string{
			"ARGOCD_APP_NAME":                   spec.AppName,
			"ARGOCD_APP_NAMESPACE":              spec.Namespace,
			"ARGOCD_APP_PROJECT_NAME":           spec.Project,
			"ARGOCD_APP_REVISION":               revision,
			"ARGOCD_APP_REVISION_SHORT":         revision[:min(7, len(revision))],
			"ARGOCD_APP_REVISION_SHORT_8":       revision[:min(8, len(revision))],
			"ARGOCD_APP_SOURCE_REPO_URL":        spec.Source.RepoURL,
			"ARGOCD_APP_SOURCE_PATH":            path.Clean(spec.Source.Path),
			"ARGOCD_APP_SOURCE_TARGET_REVISION": spec.Source.TargetRevision,
			"KUBE_VERSION":                      strings.TrimPrefix(spec.KubeVersion, "v"),
			"KUBE_API_VERSIONS":                 strings.Join(spec.APIVersions, ","),
		},
	}
	if traced, ok := files.(revisionUser); ok {
		e.onRevision = traced.usesRevision
	}
	return e
}

// Expand replaces $NAME and ${NAME}; an unknown name gives nothing and $$ gives $.
func (e Env) Expand(s string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	return os.Expand(s, func(name string) string {
		if name == "$" {
			return "$"
		}
		if strings.Contains(name, "REVISION") {
			e.onRevision()
		}
		return e.vars[name]
	})
}

// All returns every variable, sorted by name. Whoever gets them all may look at those of the revision.
func (e Env) All() []v1alpha1.EnvEntry {
	e.onRevision()
	out := make([]v1alpha1.EnvEntry, 0, len(e.vars))
	for _, name := range slices.Sorted(maps.Keys(e.vars)) {
		out = append(out, v1alpha1.EnvEntry{Name: name, Value: e.vars[name]})
	}
	return out
}
