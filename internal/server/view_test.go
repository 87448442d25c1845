package server

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
)

func sha(letter string) string { return strings.Repeat(letter, 40) }

func settingsMap(colour string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: " + colour + "}\n"
}

// refused checks the kind and the words of a refusal, and that nothing was started.
func (b *viewBench) refused(err error, kind fault.Kind, words ...string) {
	b.t.Helper()
	if !fault.Is(err, kind) {
		b.t.Fatalf("error %v of kind %v, want %v", err, fault.KindOf(err), kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			b.t.Errorf("%q is not in %q", w, err)
		}
	}
	if op := b.Read("web").Operation; op != nil {
		b.t.Errorf("an operation was started: %+v", op)
	}
}

func TestPlanSync(t *testing.T) {
	b := newViewBench(t)
	b.app("web", nil)
	b.git.commit(sha("a"), settingsMap("blue"))
	b.apply(settingsMap("blue"), v1alpha1.FieldManager)
	b.git.commit(sha("b"), settingsMap("green")+"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n")
	admin := b.as("admin")

	plan := func() *Plan {
		t.Helper()
		p, err := b.server.Plan(admin, &PlanQuery{Name: "web"})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := plan()
	if p.Counts != (PlanCounts{Create: 1, Update: 1}) || !slices.Equal(p.Revisions, []string{sha("b")}) || p.Commits[0].Subject != "change b" {
		t.Fatalf("plan: %+v", p)
	}
	if again := plan(); again.Digest != p.Digest {
		t.Errorf("the same plan has the digests %s and %s", p.Digest, again.Digest)
	}
	request := func(p *Plan) *PlanSyncRequest {
		return &PlanSyncRequest{Name: "web", Digest: p.Digest, Revisions: p.Revisions, Reason: "Ticket 7"}
	}

	_, err := b.server.PlanSync(b.as("reader"), request(p))
	b.refused(err, fault.Denied, "permission denied")
	_, err = b.server.PlanSync(admin, &PlanSyncRequest{Name: "web", Revisions: p.Revisions})
	b.refused(err, fault.Invalid, "digest")

	// Somebody changes a live object: what is new is told.
	b.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {x: z}\n", "kubectl")
	_, err = b.server.PlanSync(admin, request(p))
	b.refused(err, fault.Conflict, "gone: create ConfigMap/"+b.Namespace+"/more", "review it again")

	// Git moves on.
	p = plan()
	b.git.commit(sha("c"), settingsMap("red"))
	_, err = b.server.PlanSync(admin, request(p))
	b.refused(err, fault.Conflict, "the revision was bbbbbbb and is ccccccc now")

	// The windows close.
	p = plan()
	b.window(&v1alpha1.SyncWindow{Kind: "deny", Schedule: "* * * * *", Duration: "24h", Applications: []string{"*"}})
	_, err = b.server.PlanSync(admin, request(p))
	b.refused(err, fault.Denied, "blocked by sync window")
	if closed := plan(); closed.Window == "" || closed.Digest != p.Digest {
		t.Errorf("a closed window: %q, digest %s, want %s", closed.Window, closed.Digest, p.Digest)
	}
	b.window(nil)

	app, err := b.server.PlanSync(admin, request(p))
	if err != nil {
		t.Fatal(err)
	}
	op := b.Read("web").Operation
	if op == nil || op.Sync.Revision != sha("c") || op.InitiatedBy.Username != "admin" || insight.Reason(op) != "Ticket 7" || app.Name != "web" {
		t.Fatalf("operation: %+v", op)
	}
	if _, err = b.server.PlanSync(admin, request(p)); !fault.Is(err, fault.Conflict) {
		t.Errorf("a second sync beside it: %v", err)
	}
	b.recorded(audit.KindSync, "failure", "success", "denied", "failure", "failure", "failure")
	b.recorded(audit.KindDenied, "denied")
}

// window gives the project one window, or none.
func (b *viewBench) window(w *v1alpha1.SyncWindow) {
	b.t.Helper()
	p := &v1alpha1.AppProject{}
	p.Name, p.Namespace = "default", b.Namespace
	if w != nil {
		p.Spec.SyncWindows = v1alpha1.SyncWindows{w}
	}
	have := p.DeepCopy()
	if err := b.Client.Get(b.t.Context(), client.ObjectKeyFromObject(p), have); err != nil {
		b.t.Fatal(err)
	}
	have.Spec = p.Spec
	if err := b.Client.Update(b.t.Context(), have); err != nil {
		b.t.Fatal(err)
	}
}

// recorded checks the outcomes of a kind, the latest first.
func (b *viewBench) recorded(kind string, outcomes ...string) {
	b.t.Helper()
	if err := b.record.Flush(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	page, err := b.server.Activities(b.as("admin"), &ActivityQuery{Kind: kind})
	if err != nil {
		b.t.Fatal(err)
	}
	var got []string
	for _, a := range page.Items {
		got = append(got, a.Outcome)
		if a.Address != "192.0.2.7" || a.Actor == "" {
			b.t.Errorf("who and from where is not recorded: %+v", a)
		}
	}
	if !slices.Equal(got, outcomes) {
		b.t.Errorf("recorded of %s: %v, want %v", kind, got, outcomes)
	}
}

func TestPlanRollback(t *testing.T) {
	b := newViewBench(t)
	b.git.commit(sha("a"), settingsMap("blue"))
	b.git.commit(sha("b"), settingsMap("green"))
	b.apply(settingsMap("green"), v1alpha1.FieldManager)
	b.app("web", func(app *v1alpha1.Application) {
		now := metav1.NewTime(time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC))
		for i, r := range []string{sha("a"), sha("b")} {
			app.Status.History = append(app.Status.History, v1alpha1.RevisionHistory{ID: int64(i), Revision: r, DeployedAt: now, DeployStartedAt: &now, Source: *app.Spec.Source,
				InitiatedBy: v1alpha1.OperationInitiator{Username: "grace"}})
		}
	})
	admin := b.as("admin")
	p, err := b.server.Plan(admin, &PlanQuery{Name: "web", History: "0"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Counts != (PlanCounts{Update: 1}) || !slices.Equal(p.Revisions, []string{sha("a")}) {
		t.Fatalf("plan of going back: %+v", p)
	}
	_, err = b.server.PlanRollback(admin, &PlanRollbackRequest{Name: "web", ID: 7, Digest: p.Digest})
	b.refused(err, fault.NotFound, "no deployment with id 7")
	_, err = b.server.PlanRollback(admin, &PlanRollbackRequest{Name: "web", ID: 1, Digest: p.Digest})
	b.refused(err, fault.Conflict)
	if _, err = b.server.PlanRollback(admin, &PlanRollbackRequest{Name: "web", Digest: p.Digest, Reason: "it fails"}); err != nil {
		t.Fatal(err)
	}
	op := b.Read("web").Operation
	if op == nil || op.Sync.Revision != sha("a") || op.Sync.Source == nil || op.Sync.SyncStrategy.Apply == nil || insight.Reason(op) != "it fails" {
		t.Errorf("operation: %+v", op)
	}
	b.recorded(audit.KindRollback, "success", "failure")

	history, err := b.server.History(b.as("reader"), &HistoryQuery{Name: "web"})
	if err != nil || len(history.Items) != 2 || history.Items[0].ID != 1 || !history.Items[0].Current || history.Items[0].Actor != "grace" ||
		history.Items[1].Commits[0].Subject != "change a" || history.Items[1].Commits[0].URL == "" {
		t.Errorf("history: %+v, %v", history, err)
	}
}

// TestViews: what is shown of two applications whose Deployment somebody changed in the cluster.
func TestViews(t *testing.T) {
	b := newViewBench(t)
	web := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 3, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: \"reg.example.com/web:1.4.0\"}]}}}\n"
	b.git.commit(sha("a"), web)
	b.apply(web, v1alpha1.FieldManager)
	b.apply(strings.Replace(web, "replicas: 3", "replicas: 5", 1), "kubectl-edit")
	for _, name := range []string{"web-dev", "web-production"} {
		b.app(name, func(app *v1alpha1.Application) {
			app.Spec.Source.Path = "web/overlays/" + strings.TrimPrefix(name, "web-")
			app.Status.Sync = v1alpha1.SyncStatus{Status: v1alpha1.SyncStatusOutOfSync, Revision: sha("a")}
			app.Status.Health.Status = v1alpha1.HealthHealthy
			app.Status.History = v1alpha1.RevisionHistories{{Revision: sha("a"), DeployedAt: metav1.Now(), Source: *app.Spec.Source}}
			app.Status.Resources = []v1alpha1.ResourceStatus{{Group: "apps", Version: "v1", Kind: "Deployment", Namespace: b.Namespace, Name: "web", Status: v1alpha1.SyncStatusOutOfSync}}
		})
	}
	reader := b.as("reader")

	why, err := b.server.Why(reader, &WhyQuery{Name: "web-dev"})
	if err != nil || why.Status != "OutOfSync" || !strings.Contains(why.Sentence, "Deployment web was changed by kubectl-edit: spec.replicas is 5, Git has 3") {
		t.Errorf("why: %+v, %v", why, err)
	}
	list, err := b.server.Deployments(reader, &DeploymentQuery{})
	if err != nil || len(list.Items) != 2 || !slices.Equal(list.Environments, []string{"dev", "production"}) {
		t.Fatalf("deployments: %+v, %v", list, err)
	}
	d := list.Items[0]
	if d.Service != "web" || d.Environment != "dev" || d.Deployed.Subject != "change a" || d.Pending.Update != 1 || !slices.Equal(d.Can, []string{"logs"}) || d.Problem == "" {
		t.Errorf("row: %+v", d)
	}
	compared, err := b.server.Compare(reader, &CompareQuery{From: "web-dev", To: "web-production"})
	if err != nil || compared.Same != 1 || len(compared.Objects) != 0 {
		t.Errorf("comparison: %+v, %v", compared, err)
	}
	b.Eventually("a pod is there and found", func(context.Context) bool {
		found, err := b.server.Search(reader, &SearchQuery{Text: "web-"})
		return err == nil && slices.ContainsFunc(found.Items, func(h SearchHit) bool { return h.Object != nil && h.Object.Kind == "Pod" })
	})
	me, err := b.server.Me(b.as("admin"), &MeQuery{})
	if err != nil || !me.LoggedIn || !me.CanCreate {
		t.Errorf("me: %+v, %v", me, err)
	}
	if me, err = b.server.Me(reader, &MeQuery{}); err != nil || me.CanCreate {
		t.Errorf("reader: %+v, %v", me, err)
	}
}

// TestViewsDenied: who has not signed in, or may see nothing, learns nothing.
func TestViewsDenied(t *testing.T) {
	b := newViewBench(t)
	b.git.commit(sha("a"), settingsMap("blue"))
	b.app("web", nil)
	for name, tt := range map[string]struct {
		ctx  context.Context
		kind fault.Kind
	}{"unknown": {t.Context(), fault.Unauthenticated}, "nobody": {b.as("nobody"), fault.Denied}} {
		s := b.server
		calls := map[string]func() error{
			"Plan":     func() error { _, err := s.Plan(tt.ctx, &PlanQuery{Name: "web"}); return err },
			"PlanSync": func() error { _, err := s.PlanSync(tt.ctx, &PlanSyncRequest{Name: "web", Digest: "x"}); return err },
			"PlanRollback": func() error {
				_, err := s.PlanRollback(tt.ctx, &PlanRollbackRequest{Name: "web", Digest: "x"})
				return err
			},
			"Why":     func() error { _, err := s.Why(tt.ctx, &WhyQuery{Name: "web"}); return err },
			"History": func() error { _, err := s.History(tt.ctx, &HistoryQuery{Name: "web"}); return err },
			"Compare": func() error { _, err := s.Compare(tt.ctx, &CompareQuery{From: "web", To: "web"}); return err },
		}
		for method, call := range calls {
			if err := call(); !fault.Is(err, tt.kind) {
				t.Errorf("%s of %s: %v, want %v", method, name, err, tt.kind)
			}
		}
	}
	b.record.Record(t.Context(), Activity{Kind: audit.KindSync, Application: "web", Namespace: b.Namespace, Project: "default", Text: "x"})
	b.record.Record(t.Context(), Activity{Kind: audit.KindLogin, Actor: "admin", Text: "signed in"})
	if err := b.record.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"nobody": 0, "reader": 1, "admin": 2} {
		page, err := b.server.Activities(b.as(name), &ActivityQuery{Text: "x"})
		if name == "admin" {
			page, err = b.server.Activities(b.as(name), &ActivityQuery{})
		}
		if err != nil || len(page.Items) < want || name != "admin" && len(page.Items) != want {
			t.Errorf("activities that %s sees: %+v, %v, want %d", name, page, err, want)
		}
		found, err := b.server.Search(b.as(name), &SearchQuery{Text: "web"})
		if err != nil || (len(found.Items) > 0) != (want > 0) {
			t.Errorf("what %s finds: %+v, %v", name, found, err)
		}
		list, err := b.server.Deployments(b.as(name), &DeploymentQuery{})
		if err != nil || (len(list.Items) > 0) != (want > 0) {
			t.Errorf("deployments that %s sees: %+v, %v", name, list, err)
		}
	}
	if _, err := b.server.Activities(t.Context(), &ActivityQuery{}); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("activities of nobody: %v", err)
	}
}
