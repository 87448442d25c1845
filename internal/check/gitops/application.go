package gitops

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/project"
)

func specRule() check.Rule {
	return check.Rule{
		ID: "application-spec", Title: "Application with fields that cannot work", Severity: check.Error,
		Why: "The controller refuses an Application without a source or a destination, or with fields that contradict each other; a misspelt option is ignored without a word.",
		Fix: "Correct the field that the message names.",
	}
}

func revisionRule() check.Rule {
	return check.Rule{
		ID: "application-revision", Title: "Application of a branch that does not exist", Severity: check.Warning,
		Why: "An application whose targetRevision is neither a branch, a tag nor a commit of its repository cannot be compared or synced.",
		Fix: "Correct spec.source.targetRevision, or push the branch or the tag first.",
	}
}

var (
	fieldOfSpec = regexp.MustCompile(`spec\.(?:source|sources\[\d+\]|destination|syncPolicy|project)[A-Za-z.]*[A-Za-z]`)
	commitName  = regexp.MustCompile(`^[0-9a-f]{7,64}$`)
)

func applications(repo *check.Repository, report func(check.Finding)) {
	for _, u := range repo.Units {
		if u.App == nil || u.Unchanged {
			continue
		}
		for _, c := range project.ValidateSpec(u.App) {
			f := check.Finding{Rule: "application-spec", Unit: u, Path: fieldOfSpec.FindString(c.Message), Message: fmt.Sprintf("Application %s: %s", u.App.Name, c.Message)}
			if c.Type == v1alpha1.ConditionSpecWarning {
				f.Severity = check.Warning
			}
			report(f)
		}
		if len(repo.Revisions) == 0 {
			continue
		}
		for i, src := range u.App.Spec.GetSources() {
			if !repo.IsHere(src.RepoURL) || src.Chart != "" || isKnown(repo, src.TargetRevision) {
				continue
			}
			path := "spec.source.targetRevision"
			if len(u.App.Spec.Sources) > 0 {
				path = fmt.Sprintf("spec.sources[%d].targetRevision", i)
			}
			report(check.Finding{Rule: "application-revision", Unit: u, Path: path, Message: fmt.Sprintf("Application %s follows %s, which is neither a branch nor a tag here", u.App.Name, src.TargetRevision)})
		}
	}
}

// isKnown reports whether a revision may exist: commits and ranges of versions are not looked for.
func isKnown(repo *check.Repository, revision string) bool {
	revision = strings.TrimPrefix(strings.TrimPrefix(revision, "refs/heads/"), "refs/tags/")
	return revision == "" || revision == "HEAD" || commitName.MatchString(revision) || strings.ContainsAny(revision, "*^~<>=| ") ||
		strings.HasPrefix(revision, "refs/") || slices.Contains(repo.Revisions, revision)
}

func scopesOf(repo *check.Repository) check.Scopes {
	custom := map[schema.GroupKind]bool{}
	each(repo, func(o *check.Object) {
		if gk, namespaced, ok := diff.DefinedKind(o.Unstructured); ok {
			custom[gk] = namespaced
		}
	})
	return check.NewScopes(custom)
}
