package settings

import (
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
)

// GlobalProject is an entry of globalProjects: the projects that the selector matches take over from the project of that name.
type GlobalProject struct {
	Name     string
	Selector labels.Selector
}

// globalProjects reads the entries. A field that is not known is refused: one that is misspelled would leave a selector that
// matches every project, and give them all what the global one allows.
func globalProjects(text string) ([]GlobalProject, error) {
	type entry struct {
		ProjectName   string               `json:"projectName"`
		LabelSelector metav1.LabelSelector `json:"labelSelector"`
	}
	var entries []entry
	if err := yaml.UnmarshalStrict([]byte(text), &entries); err != nil {
		return nil, err
	}
	var out []GlobalProject
	for i, e := range entries {
		if e.ProjectName == "" {
			return nil, fmt.Errorf("entry %d has no projectName", i+1)
		}
		s, err := metav1.LabelSelectorAsSelector(&e.LabelSelector)
		if err != nil {
			return nil, fmt.Errorf("entry %d, project %s: labelSelector: %w", i+1, clip(e.ProjectName), err)
		}
		out = append(out, GlobalProject{Name: e.ProjectName, Selector: s})
	}
	return out, nil
}

// GlobalsOf names the projects that p takes over from, in their order. None takes over from itself, and one that is taken over
// from gives what it says itself alone.
func (s *Settings) GlobalsOf(p *v1alpha1.AppProject) []string {
	var out []string
	for _, g := range s.GlobalProjects {
		if g.Name != p.Name && !slices.Contains(out, g.Name) && g.Selector.Matches(labels.Set(p.Labels)) {
			out = append(out, g.Name)
		}
	}
	return out
}

// IsGlobal reports whether projects may take over from the one of that name.
func (s *Settings) IsGlobal(name string) bool {
	return slices.ContainsFunc(s.GlobalProjects, func(g GlobalProject) bool { return g.Name == name })
}
