package settings

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

func TestGlobalsOf(t *testing.T) {
	const entries = `
- projectName: all
- projectName: eu
  labelSelector: {matchLabels: {region: eu}}
- projectName: strict
  labelSelector:
    matchExpressions:
    - {key: tier, operator: In, values: [prod, stage]}
- projectName: eu
  labelSelector: {matchLabels: {region: eu}}
`
	s, problems := Parse(map[string]string{GlobalProjectsKey: entries}, nil, nil)
	if len(problems)+len(s.Unread)+len(s.Pending) > 0 {
		t.Fatalf("problems %v, unread %v, pending %v", texts(problems), s.Unread, s.Pending)
	}
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   []string
	}{
		{"shop", nil, []string{"all"}},
		{"shop", map[string]string{"region": "eu"}, []string{"all", "eu"}},
		{"shop", map[string]string{"region": "us", "tier": "prod"}, []string{"all", "strict"}},
		{"shop", map[string]string{"region": "eu", "tier": "stage"}, []string{"all", "eu", "strict"}},
		{"all", nil, nil},
		{"eu", map[string]string{"region": "eu"}, []string{"all"}},
	} {
		p := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: c.name, Labels: c.labels}}
		if got := s.GlobalsOf(p); !slices.Equal(got, c.want) {
			t.Errorf("project %s %v takes over from %v, want %v", c.name, c.labels, got, c.want)
		}
	}
	if !s.IsGlobal("strict") || s.IsGlobal("shop") {
		t.Error("IsGlobal")
	}
}

// TestRestrictingKeysThatCannotBeRead: what they forbid is not known, and must not be taken for nothing.
func TestRestrictingKeysThatCannotBeRead(t *testing.T) {
	good := map[string]string{ImpersonationKey: "true", GlobalProjectsKey: "- projectName: base\n"}
	before, _ := Parse(good, nil, nil)
	for _, c := range []struct{ key, text, want string }{
		{GlobalProjectsKey, "projectName: base", "ConfigMap/argocd-cm key globalProjects"},
		{GlobalProjectsKey, "- labelSelector: {}", "entry 1 has no projectName"},
		{GlobalProjectsKey, "- projectName: base\n  labelSelectors: {matchLabels: {a: b}}", "labelSelectors"},
		{GlobalProjectsKey, "- projectName: base\n  labelSelector: {matchExpressions: [{key: a, operator: Is}]}", "entry 1, project base: labelSelector"},
		{ImpersonationKey, "yes", "ConfigMap/argocd-cm key application.sync.impersonation.enabled"},
	} {
		config := map[string]string{c.key: c.text}
		s, problems := Parse(config, nil, nil)
		if got := strings.Join(texts(problems), "\n"); !strings.Contains(got, c.want) || !slices.Equal(s.Unread, []string{c.key}) || c.key == ImpersonationKey && !s.Impersonation.Enabled {
			t.Errorf("%s %q: problems %q, unread %v", c.key, c.text, got, s.Unread)
		}
		s, problems = Parse(config, nil, &before)
		if len(problems) != 1 || len(s.Unread) > 0 || c.key == ImpersonationKey && !s.Impersonation.Enabled || c.key == GlobalProjectsKey && !s.IsGlobal("base") {
			t.Errorf("%s %q after a good value: problems %v, unread %v, %+v %+v", c.key, c.text, texts(problems), s.Unread, s.Impersonation, s.GlobalProjects)
		}
	}
	if s, _ := Parse(nil, nil, &before); s.Impersonation.Enabled || !s.Impersonation.Enforced || s.IsGlobal("base") || len(s.Unread) > 0 {
		t.Errorf("keys that were taken away: %+v", s)
	}
}
