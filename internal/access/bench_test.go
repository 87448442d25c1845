package access

import (
	"fmt"
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
)

// BenchmarkList filters a list of 5,000 applications in 100 projects with roles, for somebody with 20 groups.
func BenchmarkList(b *testing.B) {
	var projects []*v1alpha1.AppProject
	lines := []string{"p, role:dev, applications, get, project-1*/*, allow", "p, role:dev, applications, *, project-13/*, deny"}
	for i := range 100 {
		name := fmt.Sprintf("project-%d", i)
		projects = append(projects, projectWith(name, v1alpha1.ProjectRole{Name: "viewer", Groups: []string{fmt.Sprintf("group-%d", i)},
			Policies: []string{"p, proj:" + name + ":viewer, applications, get, " + name + "/*, allow"}}))
		lines = append(lines, fmt.Sprintf("p, role:r%d, applications, sync, %s/*, allow", i, name), fmt.Sprintf("g, group-%d, role:r%d", i, i))
	}
	lines = append(lines, "g, group-0, role:dev")
	s := Subject{Name: "somebody"}
	for i := range 20 {
		s.Groups = append(s.Groups, fmt.Sprintf("group-%d", i))
	}
	objects := make([]string, 5000)
	for i := range objects {
		objects[i] = fmt.Sprintf("project-%d/app-%d", i%100, i)
	}
	p, problems := New(csvConfig(lines...), projects)
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	for _, who := range []Subject{s, {Name: "admin"}} {
		b.Run(who.Name, func(b *testing.B) {
			seen := 0
			for b.Loop() {
				seen = 0
				for _, object := range objects {
					if p.Allows(who, Applications, Get, object) {
						seen++
					}
				}
			}
			if seen == 0 {
				b.Fatal("nothing is seen")
			}
		})
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			fresh, _ := New(csvConfig(lines...), projects)
			for _, object := range objects {
				fresh.Allows(s, Applications, Get, object)
			}
		}
	})
}
