package access

import (
	"strings"
	"testing"

	"github.com/belaycd/belay/api/v1alpha1"
)

// FuzzPolicy: any text as a policy is read in bounds; the account admin keeps its rights unless a line that can be read takes them;
// a line more that allows nothing never gives anybody more; and problems name their line.
func FuzzPolicy(f *testing.F) {
	for _, text := range []string{
		"p, dev, applications, get, */*, allow", "g, dev, role:admin", "p, dev, applications, get, {, deny", "# x\n\n  p,a", `p, "a", b, c, d, allow`,
		"p, role:readonly, *, *, *, deny", "g, admin, role:x\np, role:x, *, *, *, deny", "p, dev, applications, get, \xff, allow", "g, a, b\ng, b, a",
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, regex bool) {
		if len(text) > 4096 {
			return
		}
		data := map[string]string{"policy.csv": text}
		if regex {
			data["policy.matchMode"] = "regex"
		}
		role := v1alpha1.ProjectRole{Name: "r", Groups: []string{"team"}, Policies: strings.Split(text, "\n")}
		p, problems := New(Config{Data: data}, []*v1alpha1.AppProject{projectWith("shop", role)})
		for _, err := range problems {
			if problem, ok := err.(*Problem); !ok || problem.Place == "" || problem.Reason == "" {
				t.Errorf("a problem without place or reason: %v", err)
			}
		}
		// Nobody else than the policy's own words may speak of another project.
		alone, _ := New(Config{}, []*v1alpha1.AppProject{projectWith("shop", role)})
		for _, s := range []Subject{{Name: "proj:shop:r"}, {Name: "dev", Groups: []string{"team"}}, {}} {
			if alone.Allows(s, Applications, Sync, "till/api") || alone.Allows(s, Clusters, Get, "https://cluster") || alone.Allows(s, Projects, Get, "till") {
				t.Errorf("%v has rights outside of the project by %q", s, text)
			}
		}
		first := p.Review(ReviewOptions{})
		if again := p.Review(ReviewOptions{}); len(first) != len(again) {
			t.Error("two reviews differ")
		}
		for _, name := range []string{"admin", "dev", "team"} {
			d := p.Decide(Subject{Name: name, Groups: []string{"team"}}, Applications, Get, "shop/api")
			if d.Allowed && d.Line == "" {
				t.Errorf("%s is allowed by no line", name)
			}
			if name == "admin" && !d.Allowed && !strings.Contains(text, "deny") && !strings.Contains(text, "admin") && !strings.Contains(text, "role:") {
				t.Errorf("admin is locked out: %s", d)
			}
		}
	})
}
