package insight

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

func named(name, path string, labels ...string) v1alpha1.Application {
	app := v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "argocd", Labels: map[string]string{}}}
	for _, l := range labels {
		k, v, _ := strings.Cut(l, "=")
		app.Labels[k] = v
	}
	app.Spec.Source = &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/deploy.git", Path: path}
	return app
}

func TestPlaces(t *testing.T) {
	tests := map[string]struct {
		naming Naming
		apps   []v1alpha1.Application
		want   []string // service/environment/name
		order  []string
	}{
		"labels": {
			apps: []v1alpha1.Application{
				named("x1", "", "app.kubernetes.io/name=web", "environment=production"),
				named("x2", "", "app.kubernetes.io/name=web", "environment=dev")},
			want: []string{"web/dev/x2", "web/production/x1"}, order: []string{"dev", "production"},
		},
		"labels of their own": {
			naming: Naming{ServiceLabel: "team/service", EnvironmentLabel: "stage", Environments: []string{"blue", "green"}},
			apps:   []v1alpha1.Application{named("x1", "", "team/service=web", "stage=green"), named("x2", "", "team/service=web", "stage=blue")},
			want:   []string{"web/blue/x2", "web/green/x1"}, order: []string{"blue", "green"},
		},
		"overlays, as in the guide": {
			apps: []v1alpha1.Application{
				named("callcenter-ai-prod", "infrastructure/k8s/overlays/production"),
				named("callcenter-ai-staging", "infrastructure/k8s/overlays/staging"),
				named("callcenter-ai-dev", "infrastructure/k8s/overlays/dev")},
			want:  []string{"callcenter-ai/dev/callcenter-ai-dev", "callcenter-ai/staging/callcenter-ai-staging", "callcenter-ai/production/callcenter-ai-prod"},
			order: []string{"dev", "staging", "production"},
		},
		"environments that nobody knows": {
			apps:  []v1alpha1.Application{named("web-emea", "web/envs/emea"), named("web-prod", "web/envs/prod"), named("web-dev", "web/envs/dev")},
			want:  []string{"web/dev/web-dev", "web/emea/web-emea", "web/prod/web-prod"},
			order: []string{"dev", "emea", "prod"},
		},
		"names that do not agree": {
			apps: []v1alpha1.Application{named("alpha", "services/web/overlays/dev"), named("beta", "services/web/overlays/production")},
			want: []string{"web/dev/alpha", "web/production/beta"}, order: []string{"dev", "production"},
		},
		"names that do not agree, and a path that says nothing": {
			apps: []v1alpha1.Application{named("alpha", "k8s/overlays/dev"), named("beta", "k8s/overlays/production")},
			want: []string{"deploy/dev/alpha", "deploy/production/beta"}, order: []string{"dev", "production"},
		},
		"names alone": {
			apps: []v1alpha1.Application{named("web-prod", "web"), named("web-dev", "web"), named("tool", "tool"), named("dev", "d")},
			want: []string{"dev//dev", "tool//tool", "web/dev/web-dev", "web/prod/web-prod"}, order: []string{"dev", "prod"},
		},
		"one environment in two spellings": {
			apps:  []v1alpha1.Application{named("web-prod", "web"), named("api-production", "api"), named("db-prd", "db", "environment=prod")},
			want:  []string{"api/prod/api-production", "db/prod/db-prd", "web/prod/web-prod"},
			order: []string{"prod"},
		},
		"a label for the environment alone": {
			apps: []v1alpha1.Application{named("web-prod", "web", "environment=production")},
			want: []string{"web/production/web-prod"}, order: []string{"production"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rows, order := Deployments(tt.apps, tt.naming, at(0).Time)
			var got []string
			for _, r := range rows {
				got = append(got, fmt.Sprintf("%s/%s/%s", r.Service, r.Environment, r.Name))
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("rows (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.order, order); d != "" {
				t.Errorf("environments (-want +got):\n%s", d)
			}
		})
	}
}

func at(minute int) metav1.Time {
	return metav1.NewTime(time.Date(2026, 11, 3, 10, minute, 0, 0, time.UTC))
}

func sha(letter string) string { return strings.Repeat(letter, 40) }

func TestDeployment(t *testing.T) {
	app := named("web-prod", "web/overlays/prod")
	app.Spec.Source.RepoURL = "https://robot:hunter2@git.example.com/deploy.git"
	app.Spec.SyncPolicy = &v1alpha1.SyncPolicy{Automated: &v1alpha1.SyncPolicyAutomated{SelfHeal: true}}
	app.Status = v1alpha1.ApplicationStatus{
		Sync:   v1alpha1.SyncStatus{Status: v1alpha1.SyncStatusOutOfSync, Revision: sha("b")},
		Health: v1alpha1.AppHealthStatus{Status: v1alpha1.HealthHealthy},
		History: v1alpha1.RevisionHistories{
			{ID: 0, Revision: sha("0"), DeployedAt: at(1)},
			{ID: 1, Revision: sha("a"), DeployedAt: at(2), InitiatedBy: v1alpha1.OperationInitiator{Username: "admin"}}},
		Summary: v1alpha1.ApplicationSummary{Images: []string{"reg.example.com/web:1"}},
		Resources: []v1alpha1.ResourceStatus{
			{Kind: "A", Status: v1alpha1.SyncStatusOutOfSync},
			{Kind: "B", Status: v1alpha1.SyncStatusOutOfSync, RequiresPruning: true},
			{Kind: "C", Status: v1alpha1.SyncStatusOutOfSync, Health: &v1alpha1.HealthStatus{Status: v1alpha1.HealthMissing}},
			{Kind: "D", Status: v1alpha1.SyncStatusSynced}, {Kind: "E", Hook: true}},
	}
	rows, _ := Deployments([]v1alpha1.Application{app}, Naming{}, at(0).Time)
	got := rows[0]
	got.Problem = "" // has tests of its own
	deployed := at(2)
	want := Deployment{
		Name: "web-prod", Namespace: "argocd", Project: "default", Service: "web", Environment: "prod", Labels: map[string]string{},
		RepoURL: "https://robot:xxxxx@git.example.com/deploy.git", Path: "web/overlays/prod",
		Deployed: &Commit{Revision: sha("a")}, DeployedAt: &deployed, DeployedBy: "admin", Wanted: &Commit{Revision: sha("b")},
		Images: []string{"reg.example.com/web:1"}, Sync: "OutOfSync", Health: "Healthy",
		Pending: PlanCounts{Create: 1, Update: 1, Delete: 1}, AutoSync: true, SelfHeal: true, Can: []string{},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("row (-want +got):\n%s", d)
	}
	app.Status.Sync.Status = v1alpha1.SyncStatusSynced
	if rows, _ := Deployments([]v1alpha1.Application{app}, Naming{}, at(0).Time); rows[0].Wanted != nil {
		t.Errorf("a synced application wants %v, although that would change nothing", rows[0].Wanted)
	}
	empty, _ := Deployments([]v1alpha1.Application{{}}, Naming{}, at(0).Time)
	if empty[0].Sync != v1alpha1.SyncStatusUnknown || empty[0].Health != v1alpha1.HealthUnknown || empty[0].Deployed != nil {
		t.Errorf("an application that was never looked at: %+v", empty[0])
	}
}

func TestCommitURL(t *testing.T) {
	a := sha("a")
	for repo, want := range map[string]string{
		"https://github.com/o/r.git":                    "https://github.com/o/r/commit/" + a,
		"git@github.com:o/r.git":                        "https://github.com/o/r/commit/" + a,
		"ssh://git@gitlab.example.com:2222/g/s/r":       "https://gitlab.example.com/g/s/r/-/commit/" + a,
		"https://user:token@gitea.example.com:3000/o/r": "https://gitea.example.com:3000/o/r/commit/" + a,
		"https://bitbucket.org/o/r":                     "https://bitbucket.org/o/r/commits/" + a,
		"https://git.example.com/o/r":                   "",
		"file:///srv/github/r":                          "",
		"/srv/github":                                   "",
		"":                                              "",
	} {
		if got := CommitURL(repo, a); got != want {
			t.Errorf("CommitURL(%q) = %q, want %q", repo, got, want)
		}
	}
	if got := CommitURL("https://github.com/o/r", "main"); got != "" {
		t.Errorf("a branch is no commit, and has the address %q", got)
	}
}
