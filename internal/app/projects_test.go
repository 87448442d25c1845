package app

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/settings"
)

// TestGuarded: what settings demand and cannot be had stops syncs, with the key and what to do.
func TestGuarded(t *testing.T) {
	accounts := []v1alpha1.ApplicationDestinationServiceAccount{{Server: "*", Namespace: "*", DefaultServiceAccount: "deployer"}}
	for _, tc := range []struct {
		reason   string
		data     map[string]string
		accounts []v1alpha1.ApplicationDestinationServiceAccount
		missing  []string
		want     []string
	}{
		{reason: "nothing"},
		{reason: "accounts that count", accounts: accounts, data: map[string]string{settings.ImpersonationKey: "true"}},
		{reason: "accounts without effect", accounts: accounts,
			want: []string{"SpecWarning: spec.destinationServiceAccounts of AppProject shop has no effect"}},
		{reason: "an unreadable setting", data: map[string]string{settings.ImpersonationKey: "maybe"},
			want: []string{"ComparisonError: no sync starts: application.sync.impersonation.enabled in ConfigMap argocd-cm cannot be read"}},
		{reason: "unreadable global projects", data: map[string]string{settings.GlobalProjectsKey: "base"},
			want: []string{"ComparisonError: no sync starts: globalProjects in ConfigMap argocd-cm cannot be read"}},
		{reason: "a global project that is missing", missing: []string{"base"},
			want: []string{"ComparisonError: no sync starts: by globalProjects in ConfigMap argocd-cm, AppProject shop takes over from AppProject base, which does not exist"}},
	} {
		s, _ := settings.Parse(tc.data, nil, nil)
		p := &v1alpha1.AppProject{ObjectMeta: metav1.ObjectMeta{Name: "shop"}, Spec: v1alpha1.AppProjectSpec{DestinationServiceAccounts: tc.accounts}}
		found := guarded{Project: project.New(p), settings: &s, missing: tc.missing}.Validate(&v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{
			Source: &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/a", Path: "."}, Destination: v1alpha1.ApplicationDestination{Name: "in-cluster"},
		}})
		var texts []string
		for _, c := range found {
			texts = append(texts, string(c.Type)+": "+c.Message)
		}
		if len(texts) != len(tc.want) {
			t.Errorf("%s: %q, want %q", tc.reason, texts, tc.want)
			continue
		}
		for i, want := range tc.want {
			if !strings.HasPrefix(texts[i], want) {
				t.Errorf("%s: %q, want %q", tc.reason, texts[i], want)
			}
		}
	}
}
