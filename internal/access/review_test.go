package access

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/api/v1alpha1"
)

func TestReview(t *testing.T) {
	config := csvConfig(
		"p, role:lead, applications, sync, shop/*, allow",
		"p, role:lead, applications, delete, */*, deny",
		"g, leads, role:lead",
		"g, ops, proj:shop:deployer",
		"p, ci, applications, get, till/*, allow",
		"p, role:unused, logs, get, */*, allow",
		"p, proj:shop:deployer, logs, get, shop/*, allow")
	config.WithoutBuiltin = true
	config.Data["policy.default"] = "role:guest"
	config.Data["policy.a.csv"] = "p, role:guest, projects, get, *, allow"
	p, problems := New(config, []*v1alpha1.AppProject{shop(), projectWith("till")})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	show := func(options ReviewOptions) string {
		var b strings.Builder
		for _, g := range p.Review(options) {
			b.WriteString(strings.Join([]string{g.Kind, g.Subject, strings.Join(g.Via, ">"), g.Effect, g.Resource, g.Action, g.Object, strings.TrimPrefix(g.Place, "argocd-rbac-cm ")}, " | ") + "\n")
		}
		return b.String()
	}
	for _, tc := range []struct {
		name    string
		options ReviewOptions
		want    string
	}{
		{"all", ReviewOptions{Accounts: []string{"ci"}}, `
everybody | (everybody) | role:guest | allow | projects | get | * | policy.a.csv line 1
account | ci |  | allow | applications | get | till/* | policy.csv line 5
user or group | leads | role:lead | deny | applications | delete | */* | policy.csv line 2
user or group | leads | role:lead | allow | applications | sync | shop/* | policy.csv line 1
user or group | ops | proj:shop:deployer | allow | applications | get | shop/* | project shop role deployer policy 1
user or group | ops | proj:shop:deployer | allow | applications | sync | shop/* | project shop role deployer policy 2
user or group | ops | proj:shop:deployer | deny | applications | sync | shop/prod-* | project shop role deployer policy 3
user or group | ops | proj:shop:deployer | allow | logs | get | shop/* | policy.csv line 7
user or group | ops | proj:shop:deployer | allow | projects | get | shop | project shop role deployer
group | shop-team | proj:shop:deployer | allow | applications | get | shop/* | project shop role deployer policy 1
group | shop-team | proj:shop:deployer | allow | applications | sync | shop/* | project shop role deployer policy 2
group | shop-team | proj:shop:deployer | deny | applications | sync | shop/prod-* | project shop role deployer policy 3
group | shop-team | proj:shop:deployer | allow | logs | get | shop/* | policy.csv line 7
group | shop-team | proj:shop:deployer | allow | projects | get | shop | project shop role deployer
project role | proj:shop:deployer |  | allow | applications | get | shop/* | project shop role deployer policy 1
project role | proj:shop:deployer |  | allow | applications | sync | shop/* | project shop role deployer policy 2
project role | proj:shop:deployer |  | deny | applications | sync | shop/prod-* | project shop role deployer policy 3
project role | proj:shop:deployer |  | allow | logs | get | shop/* | policy.csv line 7
project role | proj:shop:deployer |  | allow | projects | get | shop | project shop role deployer
role without members | role:unused |  | allow | logs | get | */* | policy.csv line 6
`},
		{"one project", ReviewOptions{Project: "till"}, `
everybody | (everybody) | role:guest | allow | projects | get | * | policy.a.csv line 1
user or group | ci |  | allow | applications | get | till/* | policy.csv line 5
user or group | leads | role:lead | deny | applications | delete | */* | policy.csv line 2
role without members | role:unused |  | allow | logs | get | */* | policy.csv line 6
`},
		{"one subject", ReviewOptions{Subject: "somebody", Groups: []string{"leads", "proj:shop:deployer"}}, `
everybody | (everybody) | role:guest | allow | projects | get | * | policy.a.csv line 1
user or group | leads | role:lead | deny | applications | delete | */* | policy.csv line 2
user or group | leads | role:lead | allow | applications | sync | shop/* | policy.csv line 1
`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), show(tc.options)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestReviewAgreesWithDecide: what a review lists as allowed is decided so, unless a denial of the same subject stands in the
// review too.
func TestReviewAgreesWithDecide(t *testing.T) {
	p, _ := New(csvConfig("g, leads, role:admin", "p, leads, applications, delete, */*, deny", "g, till-team, role:readonly"), []*v1alpha1.AppProject{shop()})
	fill := strings.NewReplacer("*/*", "shop/x", "*", "x")
	for _, g := range p.Review(ReviewOptions{}) {
		object := fill.Replace(g.Object)
		got := p.DecideFor(g.Subject, fill.Replace(g.Resource), fill.Replace(g.Action), object)
		if g.Kind == KindGroup {
			got = p.Decide(Subject{Name: "x", Groups: []string{g.Subject}}, g.Resource, fill.Replace(g.Action), object)
		}
		want := g.Effect == "allow" && !(g.Subject == "leads" && g.Resource == Applications && g.Action == Delete)
		if got.Allowed != want {
			t.Errorf("%v is decided: %s", g, got)
		}
	}
}
