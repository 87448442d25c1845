package access

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

func csvConfig(lines ...string) Config {
	return Config{Data: map[string]string{"policy.csv": strings.Join(lines, "\n")}}
}

func projectWith(name string, roles ...v1alpha1.ProjectRole) *v1alpha1.AppProject {
	return &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.AppProjectSpec{Roles: roles}}
}

func shop() *v1alpha1.AppProject {
	return projectWith("shop", v1alpha1.ProjectRole{Name: "deployer", Groups: []string{"shop-team"}, Policies: []string{
		"p, proj:shop:deployer, applications, get, shop/*, allow",
		"p, proj:shop:deployer, applications, sync, shop/*, allow",
		"p, proj:shop:deployer, applications, sync, shop/prod-*, deny",
	}})
}

func TestAllows(t *testing.T) {
	user := func(name string, groups ...string) Subject { return Subject{Name: name, Groups: groups} }
	for _, tc := range []struct {
		name     string
		config   Config
		projects []*v1alpha1.AppProject
		subject  Subject
		request  string // resource action object
		want     bool
		place    string
	}{
		{name: "admin has all", subject: user("admin"), request: "applications sync shop/api", want: true, place: "built-in"},
		{name: "admin may run resource actions", subject: user("admin"), request: "applications action/apps/Deployment/restart shop/api", want: true, place: "built-in"},
		{name: "admin may delete one object", subject: user("admin"), request: "applications delete/apps/Deployment/ns/x shop/api", want: true, place: "built-in"},
		{name: "admin may open a terminal", subject: user("admin"), request: "exec create shop/api", want: true, place: "built-in"},
		{name: "admin may not invoke extensions", subject: user("admin"), request: "extensions invoke metrics", want: false},
		{name: "nobody else has anything", subject: user("eve"), request: "applications get shop/api"},
		{name: "nobody at all", request: "applications get shop/api"},
		{name: "default role", config: Config{Data: map[string]string{"policy.default": "role:readonly"}}, subject: user("eve"), request: "applications get shop/api", want: true, place: "built-in"},
		{name: "default role of somebody who has not signed in", config: Config{Data: map[string]string{"policy.default": "role:readonly"}}, request: "logs get shop/api", want: true, place: "built-in"},
		{name: "default role does no more", config: Config{Data: map[string]string{"policy.default": "role:readonly"}}, subject: user("eve"), request: "applications sync shop/api"},
		{name: "a denial does not take the default role away", config: Config{Data: map[string]string{"policy.default": "role:readonly", "policy.csv": "p, eve, applications, *, */*, deny"}},
			subject: user("eve"), request: "applications get shop/api", want: true, place: "built-in"},
		{name: "user line", config: csvConfig("# who", "", "p, dev, applications, get, shop/*, allow"), subject: user("dev"), request: "applications get shop/api", want: true, place: "argocd-rbac-cm policy.csv line 3"},
		{name: "another project", config: csvConfig("p, dev, applications, get, shop/*, allow"), subject: user("dev"), request: "applications get till/api"},
		{name: "a star takes slashes", config: csvConfig("p, dev, applications, get, shop/*, allow"), subject: user("dev"), request: "applications get shop/ns/api", want: true, place: "argocd-rbac-cm policy.csv line 1"},
		{name: "namespace in the object", config: csvConfig("p, dev, applications, get, shop/team-*/*, allow"), subject: user("dev"), request: "applications get shop/api"},
		{name: "deny wins over allow, before it", config: csvConfig("p, dev, applications, *, */*, deny", "p, dev, applications, get, */*, allow"), subject: user("dev"), request: "applications get a/b", place: "argocd-rbac-cm policy.csv line 1"},
		{name: "deny wins over allow, after it", config: csvConfig("p, dev, applications, get, */*, allow", "p, dev, applications, *, */*, deny"), subject: user("dev"), request: "applications get a/b", place: "argocd-rbac-cm policy.csv line 2"},
		{name: "deny of a role", config: csvConfig("p, dev, applications, get, */*, allow", "p, role:not, applications, *, */*, deny", "g, dev, role:not"), subject: user("dev"), request: "applications get a/b", place: "argocd-rbac-cm policy.csv line 2"},
		{name: "group", config: csvConfig("g, my-org:team, role:readonly"), subject: user("dev", "other", "my-org:team"), request: "clusters get https://x", want: true, place: "built-in"},
		{name: "a group without a role is nobody's concern", config: csvConfig("p, team, applications, get, */*, allow"), subject: user("dev", "team"), request: "applications get a/b"},
		{name: "a denial for one group does not bind another", config: csvConfig("p, role:no, applications, *, */*, deny", "g, a, role:no", "g, b, role:readonly"), subject: user("dev", "a", "b"), request: "applications get a/b", want: true, place: "built-in"},
		{name: "a group called admin is not the account", subject: user("dev", "admin"), request: "applications sync a/b"},
		{name: "a group called like a role", subject: user("dev", "role:admin"), request: "applications sync a/b"},
		{name: "somebody called like a role", subject: user("role:admin"), request: "applications sync a/b"},
		{name: "update of the application is not update of its objects", config: csvConfig("p, dev, applications, update, */*, allow"), subject: user("dev"), request: "applications update/apps/Deployment/ns/x a/b"},
		{name: "update of one kind", config: csvConfig("p, dev, applications, update/apps/Deployment/*, a/*, allow"), subject: user("dev"), request: "applications update/apps/Deployment/ns/x a/b", want: true, place: "argocd-rbac-cm policy.csv line 1"},
		{name: "alternatives in braces", config: csvConfig(`p, dev, applications, "{get,sync}", a/*, allow`), subject: user("dev"), request: "applications sync a/b", want: true, place: "argocd-rbac-cm policy.csv line 1"},
		{name: "regular expression", config: Config{Data: map[string]string{"policy.matchMode": "regex", "policy.csv": "p, dev, applications, ^(get|sync)$, ^shop/.*$, allow"}}, subject: user("dev"), request: "applications sync shop/b", want: true, place: "argocd-rbac-cm policy.csv line 1"},
		{name: "regular expressions leave built-in roles as they are", config: Config{Data: map[string]string{"policy.matchMode": "regex"}}, subject: user("admin"), request: "applications sync shop/b", want: true, place: "built-in"},
		{name: "further files", config: Config{Data: map[string]string{"policy.team.csv": "p, dev, logs, get, */*, allow"}}, subject: user("dev"), request: "logs get a/b", want: true, place: "argocd-rbac-cm policy.team.csv line 1"},
		{name: "role in role", config: csvConfig("g, dev, role:a", "g, role:a, role:b", "p, role:b, logs, get, */*, allow"), subject: user("dev"), request: "logs get a/b", want: true, place: "argocd-rbac-cm policy.csv line 3"},
		{name: "roles in a circle", config: csvConfig("g, dev, role:a", "g, role:a, role:b", "g, role:b, role:a"), subject: user("dev"), request: "logs get a/b"},

		{name: "group of a project role", projects: []*v1alpha1.AppProject{shop()}, subject: user("dev", "shop-team"), request: "applications sync shop/api", want: true, place: "project shop role deployer policy 2"},
		{name: "denied by a project role", projects: []*v1alpha1.AppProject{shop()}, subject: user("dev", "shop-team"), request: "applications sync shop/prod-api", place: "project shop role deployer policy 3"},
		{name: "sees the project", projects: []*v1alpha1.AppProject{shop()}, subject: user("dev", "shop-team"), request: "projects get shop", want: true, place: "project shop role deployer"},
		{name: "token of a role", projects: []*v1alpha1.AppProject{shop()}, subject: user("proj:shop:deployer"), request: "applications sync shop/api", want: true, place: "project shop role deployer policy 2"},
		{name: "token of a role elsewhere", config: csvConfig("p, proj:shop:deployer, applications, *, */*, allow"), projects: []*v1alpha1.AppProject{shop(), projectWith("till")}, subject: user("proj:shop:deployer"), request: "applications sync till/api"},
		{name: "groups of a token of a role", config: csvConfig("g, shop-team, role:admin"), projects: []*v1alpha1.AppProject{shop()}, subject: user("proj:shop:deployer", "shop-team"), request: "applications delete shop/api"},
		{name: "a line of argocd-rbac-cm denies a project role", config: csvConfig("p, proj:shop:deployer, applications, sync, shop/api, deny"), projects: []*v1alpha1.AppProject{shop()}, subject: user("dev", "shop-team"), request: "applications sync shop/api", place: "argocd-rbac-cm policy.csv line 1"},
		{name: "argocd-rbac-cm gives a project role", config: csvConfig("g, ops, proj:shop:deployer"), projects: []*v1alpha1.AppProject{shop()}, subject: user("dev", "ops"), request: "applications sync shop/api", want: true, place: "project shop role deployer policy 2"},
		{name: "argocd-rbac-cm puts somebody into a group of a project role", config: csvConfig("g, dev, shop-team"), projects: []*v1alpha1.AppProject{shop()}, subject: user("dev"), request: "applications sync shop/api", want: true, place: "project shop role deployer policy 2"},
		{name: "a role does not speak about other projects", projects: []*v1alpha1.AppProject{shop(), projectWith("till", v1alpha1.ProjectRole{Name: "x", Groups: []string{"t"}, Policies: []string{"p, proj:till:x, applications, get, shop/*, allow"}})},
			subject: user("dev", "t"), request: "applications get shop/api"},
		{name: "a role does not speak about others", projects: []*v1alpha1.AppProject{projectWith("till", v1alpha1.ProjectRole{Name: "x", Policies: []string{"p, dev, applications, get, till/*, allow"}})},
			subject: user("dev"), request: "applications get till/api"},
		{name: "a role gives no roles", projects: []*v1alpha1.AppProject{projectWith("till", v1alpha1.ProjectRole{Name: "x", Policies: []string{"g, dev, role:admin"}})},
			subject: user("dev"), request: "applications get till/api"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, _ := New(tc.config, tc.projects)
			f := strings.Fields(tc.request)
			got := p.Decide(tc.subject, f[0], f[1], f[2])
			if got.Allowed != tc.want || got.Place != tc.place {
				t.Errorf("got %s, want %t by %q", got, tc.want, tc.place)
			}
			if p.Allows(tc.subject, f[0], f[1], f[2]) != tc.want {
				t.Error("Allows says something else")
			}
		})
	}
}

// TestBrokenLines: a line that cannot be read is named, and nobody has more by it than without it.
func TestBrokenLines(t *testing.T) {
	const rest = "p, dev, applications, get, */*, allow\np, ops, applications, get, */*, allow"
	for _, tc := range []struct {
		line, want string
		dev, ops   bool // may still get applications
		closed     bool
	}{
		{`p, dev, applications, get`, "has 4 fields of 6", false, true, true},
		{`p, dev, applications, sync, a/b, allow, x`, "has 7 fields of 6", false, true, true},
		{`p, dev, applications, sync, a/b, dney`, `"dney" is neither allow nor deny`, true, true, true},
		{`p, dev, applications, get, */*, dney`, `"dney" is neither allow nor deny`, false, true, true},
		{`p, dev, applications, get, a/{b, deny`, "is not closed", false, true, true},
		{`p, dev, applications, sync, a/{b, allow`, "the line allows nothing", true, true, false},
		{`p, , applications, sync, */*, allow`, "names nobody", true, true, false},
		{`p, , applications, sync, */*, deny`, "everybody but the account admin", false, false, true},
		{`p`, "has 1 fields of 6", false, false, true},
		{`q, dev, applications, sync, */*, allow`, `begins with "q"`, false, false, true},
		{`p, "dev, applications, sync, */*, allow`, "cannot be read", false, false, true},
		{`g, dev`, "a line that gives a role", false, true, true},
		{`g, dev, role:x, y`, "a line that gives a role", false, true, true},
		{`p, dev, application, sync, */*, allow`, `there is no resource "application"`, true, true, false},
		{`p, dev, applications, write, */*, allow`, `there is no action "write"`, true, true, false},
		{`p, dev , applications, sync, */*, allow`, "ends with a blank", true, true, false},
	} {
		t.Run(tc.line, func(t *testing.T) {
			p, problems := New(csvConfig(rest, tc.line), nil)
			if len(problems) != 1 || !strings.Contains(problems[0].Error(), tc.want) || !strings.HasPrefix(problems[0].Error(), "argocd-rbac-cm policy.csv line 3: ") {
				t.Fatalf("problems are %v, want one with %q", problems, tc.want)
			}
			var problem *Problem
			if !errors.As(problems[0], &problem) || problem.Closed != tc.closed || problem.Text != tc.line {
				t.Errorf("problem is %#v", problem)
			}
			for name, want := range map[string]bool{"dev": tc.dev, "ops": tc.ops, "admin": true} {
				if got := p.Decide(Subject{Name: name}, Applications, Get, "a/b"); got.Allowed != want {
					t.Errorf("%s: %s", name, got)
				}
				if name != "admin" && p.Allows(Subject{Name: name}, Applications, Sync, "a/b") {
					t.Errorf("%s may sync", name)
				}
			}
		})
	}
}

func TestBrokenProjectRoles(t *testing.T) {
	broken := projectWith("till",
		v1alpha1.ProjectRole{Name: "x", Groups: []string{"t"}, Policies: []string{"p, proj:till:x, applications, get, till/*, allow", "p, proj:till:x, applications, sync, till/*"}},
		v1alpha1.ProjectRole{Name: "y", Groups: []string{"u", ""}, Policies: []string{"p, proj:till:y, applications, get, till/*, allow", "p, proj:till:y, applications, get, *, allow"}},
		v1alpha1.ProjectRole{Name: "a:b", Policies: []string{"p, a, applications, get, till/*, allow"}})
	p, problems := New(Config{}, []*v1alpha1.AppProject{broken, nil})
	var got []string
	for _, err := range problems {
		got = append(got, err.Error())
	}
	want := []string{
		`project till role x policy 2: "p, proj:till:x, applications, sync, till/*": a policy of a role is: p, proj:till:x, <resource>, <action>, till/<object>, <allow or deny>; until it is mended it denies everything to proj:till:x`,
		`project till role y policy 2: "p, proj:till:y, applications, get, *, allow": the object * is not in the project: it must begin with till/; the line allows nothing`,
		`project till role y: a group has no name`,
		`project till role a:b: the role's name cannot be used: it must hold none of : / ,`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if p.Allows(Subject{Name: "dev", Groups: []string{"t"}}, Applications, Get, "till/a") {
		t.Error("a role with a broken line allows")
	}
	if !p.Allows(Subject{Name: "dev", Groups: []string{"u"}}, Applications, Get, "till/a") {
		t.Error("a role is denied for a line of another")
	}
}

func TestSettings(t *testing.T) {
	p, problems := New(Config{Data: map[string]string{"scopes": "[groups, email]", "policy.default": "role:readonly"}}, nil)
	if d := cmp.Diff([]string{"groups", "email"}, p.Scopes()); d != "" || len(problems) != 0 || p.DefaultRole() != "role:readonly" {
		t.Error(d, problems)
	}
	p, problems = New(Config{Data: map[string]string{"scopes": "{", "policy.default": "role:nobody", "policy.matchMode": "prefix"}}, nil)
	if d := cmp.Diff([]string{"groups"}, p.Scopes()); d != "" || len(problems) != 3 {
		t.Error(d, problems)
	}
}

func TestConcurrentUse(t *testing.T) {
	p, _ := New(csvConfig("g, team, proj:shop:deployer"), []*v1alpha1.AppProject{shop()})
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 200 {
				s := Subject{Name: fmt.Sprintf("user-%d", (i+worker)%50), Groups: []string{"team"}}
				if !p.Allows(s, Applications, Get, "shop/api") || p.Allows(s, Applications, Delete, "shop/api") {
					t.Error("wrong answer")
				}
			}
			p.Review(ReviewOptions{})
		})
	}
	all.Wait()
}

// TestCacheIsBounded: names come from outside, and must not fill the memory.
func TestCacheIsBounded(t *testing.T) {
	p, _ := New(Config{}, nil)
	p.views.limit = 100
	for i := range 1000 {
		p.Allows(Subject{Name: fmt.Sprint(i)}, Applications, Get, "a/b")
	}
	if n := len(p.views.held); n > 100 || n == 0 {
		t.Errorf("%d views are held", n)
	}
}
