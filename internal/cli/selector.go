package cli

import (
	"fmt"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/glob"
	"github.com/belaycd/belay/internal/object"
)

// resourceFilter selects objects as --resource does: GROUP:KIND:NAME with globs, ! in front excludes.
type resourceFilter struct {
	include, exclude []resourcePattern
}

type resourcePattern struct {
	group, kind, namespace, name glob.Pattern
}

// parseResources reads --resource values.
func parseResources(values []string) (resourceFilter, error) {
	var f resourceFilter
	for _, value := range values {
		text, excluded := strings.CutPrefix(value, "!")
		parts := strings.Split(text, ":")
		if len(parts) < 3 {
			e := usageError("%q selects no object: it needs GROUP:KIND:NAME", value)
			e.Hint = "the group of core kinds is empty, as in :ConfigMap:settings; * matches everything"
			return f, e
		}
		p, err := patternOf(parts)
		if err != nil {
			return f, usageError("%q selects no object: %w", value, err)
		}
		if excluded {
			f.exclude = append(f.exclude, p)
		} else {
			f.include = append(f.include, p)
		}
	}
	return f, nil
}

// patternOf reads GROUP, KIND and the rest, which is NAME or NAMESPACE/NAME. Names of RBAC objects contain colons.
func patternOf(parts []string) (p resourcePattern, err error) {
	name := strings.Join(parts[2:], ":")
	namespace, rest, qualified := strings.Cut(name, "/")
	if qualified {
		name = rest
	} else {
		namespace = "*"
	}
	for into, text := range map[*glob.Pattern]string{&p.group: parts[0], &p.kind: parts[1], &p.namespace: namespace, &p.name: name} {
		if *into, err = glob.Compile(text); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (f resourceFilter) empty() bool { return len(f.include) == 0 && len(f.exclude) == 0 }

// matches reports whether the object is selected. With exclusions alone, everything else is.
func (f resourceFilter) matches(r object.Ref) bool {
	for _, p := range f.exclude {
		if p.matches(r) {
			return false
		}
	}
	if len(f.include) == 0 {
		return true
	}
	for _, p := range f.include {
		if p.matches(r) {
			return true
		}
	}
	return false
}

func (p resourcePattern) matches(r object.Ref) bool {
	return p.group.Match(r.Group) && p.kind.Match(r.Kind) && p.name.Match(r.Name) && p.namespace.Match(r.Namespace)
}

// resources returns the selected objects of an application.
func (f resourceFilter) resources(all []v1alpha1.ResourceStatus) []v1alpha1.ResourceStatus {
	var selected []v1alpha1.ResourceStatus
	for i := range all {
		if f.matches(refOf(&all[i])) {
			selected = append(selected, all[i])
		}
	}
	return selected
}

// states returns the selected rows.
func (f resourceFilter) states(all []resourceState) []resourceState {
	var selected []resourceState
	for _, s := range all {
		if f.matches(s.Ref) {
			selected = append(selected, s)
		}
	}
	return selected
}

// operationResources turns the selection into the resources of an operation.
func (f resourceFilter) operationResources(app *v1alpha1.Application) ([]v1alpha1.SyncOperationResource, error) {
	if f.empty() {
		return nil, nil
	}
	var selected []v1alpha1.SyncOperationResource
	for _, r := range f.resources(app.Status.Resources) {
		selected = append(selected, v1alpha1.SyncOperationResource{Group: r.Group, Kind: r.Kind, Name: r.Name, Namespace: r.Namespace})
	}
	if len(selected) == 0 {
		return nil, &Failure{Exit: ExitUsage, Code: "ResourceNotFound",
			Err:  fmt.Errorf("application %s has no object that --resource selects", qualified(app)),
			Hint: "belay app resources " + qualified(app)}
	}
	return selected, nil
}

// joinWords writes a list for people: a, b and c.
func joinWords(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}
