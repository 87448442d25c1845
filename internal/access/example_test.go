package access

import (
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestGuidedPolicy holds the policy of docs/how-to/access.md to what the page says of it.
func TestGuidedPolicy(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/access.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```yaml\n")
	text, _, closed := strings.Cut(rest, "```")
	var cm struct {
		Data map[string]string `json:"data"`
	}
	if err := yaml.Unmarshal([]byte(text), &cm); err != nil || !ok || !closed {
		t.Fatal("the page has no policy", err)
	}
	p, problems := New(Config{Data: cm.Data}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	dev, release, other := Subject{Name: "a", Groups: []string{"developers"}}, Subject{Name: "b", Groups: []string{"release-team"}}, Subject{Name: "c"}
	for _, tc := range []struct {
		who    Subject
		action string
		object string
		want   bool
	}{
		{dev, Sync, "shop-dev/web", true}, {dev, Sync, "shop-staging/web", true}, {dev, Sync, "shop-prod/web", false}, {dev, Get, "shop-prod/web", true},
		{release, Sync, "shop-prod/web", true}, {release, Rollback, "shop-prod/web", true}, {release, Delete, "shop-prod/web", false}, {release, "delete//Pod/x/y", "shop-prod/web", false},
		{release, Sync, "shop-dev/web", false}, {other, Get, "shop-prod/web", true}, {other, Sync, "shop-dev/web", false},
	} {
		if got := p.Decide(tc.who, Applications, tc.action, tc.object); got.Allowed != tc.want {
			t.Errorf("%s %s %s: %s", tc.who.Name, tc.action, tc.object, got)
		}
	}
	if !p.Allows(dev, Logs, Get, "shop-prod/web") {
		t.Error("developers read no logs")
	}
}
