// Package gitops judges what single manifests do not show: the objects of all applications of a repository go in; findings on
// objects that two claim, that refer to nothing, that a merge deletes, that a project forbids or that wait for each other come out.
package gitops

import (
	"context"

	"github.com/belaycd/belay/internal/check"
)

// Checker implements check.Checker.
type Checker struct{}

// New returns the Checker of all rules on applications and how their objects belong together.
func New() *Checker { return &Checker{} }

// Rules implements check.Checker.
func (*Checker) Rules() []check.Rule {
	return []check.Rule{
		duplicateRule(), referenceRule(), selectorRule(), destructiveRule(), projectRule(), unknownProjectRule(), specRule(), revisionRule(),
		waveRule(), annotationRule(),
	}
}

// Check implements check.Checker.
func (*Checker) Check(ctx context.Context, repo *check.Repository, report func(check.Finding)) error {
	for _, judge := range []func(*check.Repository, func(check.Finding)){duplicates, references, selectors, destructive, projects, applications, waves, annotations} {
		if err := ctx.Err(); err != nil {
			return err
		}
		judge(repo, report)
	}
	return nil
}

// each visits all rendered objects.
func each(repo *check.Repository, visit func(*check.Object)) {
	for _, u := range repo.Units {
		for _, o := range u.Objects {
			visit(o)
		}
	}
}

// metadataMap returns the labels or annotations of an object without copying them.
func metadataMap(o *check.Object, field string) map[string]any {
	metadata, _ := o.Object["metadata"].(map[string]any)
	values, _ := metadata[field].(map[string]any)
	return values
}

func annotation(o *check.Object, key string) string {
	text, _ := metadataMap(o, "annotations")[key].(string)
	return text
}

// field returns what is at a path of keys, nil if there is nothing.
func field(from any, keys ...string) any {
	for _, k := range keys {
		fields, _ := from.(map[string]any)
		from = fields[k]
	}
	return from
}

func text(from any, keys ...string) string {
	s, _ := field(from, keys...).(string)
	return s
}

func list(from any, keys ...string) []any {
	l, _ := field(from, keys...).([]any)
	return l
}

// kindName names an object without its namespace: the same defect in several overlays is told in the same words.
func kindName(o *check.Object) string { return o.GetKind() + " " + o.GetName() }

// label names an object for people.
func label(o *check.Object) string {
	if ns := o.GetNamespace(); ns != "" {
		return o.GetKind() + " " + ns + "/" + o.GetName()
	}
	return o.GetKind() + " " + o.GetName()
}
