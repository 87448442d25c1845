package insight

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

func renderedOf(t *testing.T, name, environment, manifests string) Rendered {
	t.Helper()
	out := Rendered{Name: name, Environment: environment}
	for doc := range strings.SplitSeq(strings.TrimSpace(manifests), "\n") {
		var m map[string]any
		readYAML(t, []byte(doc), &m)
		u := manifestOf(m)
		out.Targets.Objects = append(out.Targets.Objects, diff.Target{Ref: object.RefOf(u), Object: u})
	}
	return out
}

func TestCompare(t *testing.T) {
	from := renderedOf(t, "web-dev", "dev", `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: web-dev, annotations: {argocd.argoproj.io/tracking-id: "web-dev:apps/Deployment:web-dev/web"}}, spec: {replicas: 1}}
{apiVersion: v1, kind: Service, metadata: {name: web-dev, namespace: web-dev, labels: {app.kubernetes.io/instance: web-dev}}, spec: {type: ClusterIP}}
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings-2222222222, namespace: web-dev}, data: {mode: slow}}
{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: web-dev}, data: {a: aHVudGVyMg==}}
{apiVersion: v1, kind: ConfigMap, metadata: {name: debug, namespace: web-dev}}`)
	to := renderedOf(t, "web-prod", "prod", `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: web-prod, annotations: {argocd.argoproj.io/tracking-id: "web-prod:apps/Deployment:web-prod/web"}}, spec: {replicas: 3}}
{apiVersion: v1, kind: Service, metadata: {name: web-prod, namespace: web-prod, labels: {app.kubernetes.io/instance: web-prod}}, spec: {type: ClusterIP}}
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings-bbbbbbbbbb, namespace: web-prod}, data: {mode: fast}}
{apiVersion: v1, kind: Secret, metadata: {name: key, namespace: web-prod}, data: {a: aHVudGVyMw==}}
{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web, namespace: web-prod}}`)
	c, err := Compare(from, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range c.Objects {
		line := o.Action + " " + o.Kind + " " + o.Name
		for _, f := range o.Changes {
			line += fmt.Sprintf(" %s:%s->%s", f.Path, f.Live, f.Desired)
		}
		got = append(got, line)
		if strings.Contains(o.Live+o.Desired, "aHVudGVy") {
			t.Errorf("a secret is shown:\n%s%s", o.Live, o.Desired)
		}
	}
	want := []string{
		"delete ConfigMap debug",
		"update ConfigMap settings-bbbbbbbbbb data.mode:slow->fast",
		"update Secret key data.a:++++++++->+++++++++",
		"update Deployment web spec.replicas:1->3",
		"create HorizontalPodAutoscaler web",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if c.Same != 1 {
		t.Errorf("%d objects are the same, want the Service alone", c.Same)
	}
	same, err := Compare(from, from, nil)
	if err != nil || len(same.Objects) != 0 || same.Same != 5 {
		t.Errorf("an application differs from itself: %+v, %v", same, err)
	}
	back, err := Compare(to, from, nil)
	if err != nil || len(back.Objects) != len(c.Objects) || back.Same != c.Same {
		t.Errorf("the other way round: %+v, %v", back, err)
	}
}

func TestHistory(t *testing.T) {
	app := named("web", "web")
	started := at(9)
	app.Status.History = v1alpha1.RevisionHistories{
		{ID: 3, Revision: sha("a"), DeployedAt: at(1), DeployStartedAt: &metav1.Time{Time: at(0).Time}, Source: *app.Spec.Source, InitiatedBy: v1alpha1.OperationInitiator{Automated: true}},
		{ID: 4, Revisions: []string{sha("b"), "1.2.3"}, DeployedAt: at(10), DeployStartedAt: &started,
			Sources:     v1alpha1.ApplicationSources{{RepoURL: "https://github.com/o/r"}, {RepoURL: "https://charts.example.com", Chart: "db"}},
			InitiatedBy: v1alpha1.OperationInitiator{Username: "admin"}},
	}
	app.Status.OperationState = &v1alpha1.OperationState{StartedAt: started, Operation: v1alpha1.Operation{Info: []*v1alpha1.Info{{Name: "reason", Value: "Ticket 7"}}}}
	got := History(&app, map[int64]string{at(0).Unix(): "first"})
	if len(got) != 2 || got[0].ID != 4 || !got[0].Current || got[0].Reason != "Ticket 7" || got[0].Actor != "admin" || got[1].Reason != "first" || got[1].Actor != Automated || got[1].Current {
		t.Errorf("history: %+v", got)
	}
	if got[0].Commits[0].URL != "https://github.com/o/r/commit/"+sha("b") || got[0].Commits[1].URL != "" {
		t.Errorf("commits: %+v", got[0].Commits)
	}
	then, revisions := At(&app, &app.Status.History[0])
	if op := SyncTo(then, revisions, true); op.Revision != sha("a") || op.Source == nil || op.SyncStrategy.Apply == nil {
		t.Errorf("going back: %+v", op)
	}
	then, revisions = At(&app, &app.Status.History[1])
	if op := SyncTo(then, revisions, false); !slices.Equal(op.Revisions, []string{sha("b"), "1.2.3"}) || op.Revision != "" || op.SyncStrategy.Hook == nil {
		t.Errorf("a sync of several sources: %+v", op)
	}
}

func TestSearch(t *testing.T) {
	web, api := named("web", "web"), named("webapi", "api")
	web.Status.Resources = []v1alpha1.ResourceStatus{{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: "voice", Name: "agent"}}
	api.Status.Resources = []v1alpha1.ResourceStatus{{Version: "v1", Kind: "Service", Namespace: "voice", Name: "old-agent"}}
	web.Status.Summary.Images = []string{"reg.example.com/agent:1"}
	web.Status.History = v1alpha1.RevisionHistories{{Revision: sha("c")}}
	apps := []v1alpha1.Application{api, web}
	for text, want := range map[string][]string{
		"web":    {"application web", "application webapi"},
		"agent":  {"resource apps/Deployment/voice/agent", "resource Service/voice/old-agent", "image reg.example.com/agent:1"},
		"cccccc": {"commit " + sha("c")},
		"ccc":    nil,
		"nobody": nil,
	} {
		var got []string
		for _, h := range Search(apps, text) {
			got = append(got, h.Kind+" "+h.Text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", text, d)
		}
	}
	if order := LikelyOwners(apps, "agent-7d9f-x"); !slices.Equal(order, []int{1, 0}) {
		t.Errorf("applications to look into: %v", order)
	}
}
