package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// rowOf reads a row of a table back, as the pages do.
func rowOf(t *DeploymentTable, i int) Deployment {
	r, text := &t.Rows, func(n int) string { return t.Texts[n] }
	list := func(n int) []string {
		out := []string{}
		for _, each := range t.Lists[n] {
			out = append(out, text(each))
		}
		return out
	}
	at := func(n int) *metav1.Time {
		if n == 0 {
			return nil
		}
		parsed, _ := time.Parse(time.RFC3339, text(n))
		return &metav1.Time{Time: parsed}
	}
	commit := func(n int) *Commit {
		if n == 0 {
			return nil
		}
		c := &Commit{Revision: text(t.Commits.Revision[n]), Subject: text(t.Commits.Subject[n]), Author: text(t.Commits.Author[n]), Date: at(t.Commits.Date[n])}
		if host := text(t.Commits.Host[n]); host != "" {
			c.URL = host + c.Revision
		}
		return c
	}
	d := Deployment{
		Name: text(r.Name[i]), Namespace: text(r.Namespace[i]), Project: text(r.Project[i]), Service: text(r.Service[i]), Environment: text(r.Environment[i]),
		RepoURL: text(r.RepoURL[i]), Path: text(r.Path[i]), Chart: text(r.Chart[i]), TargetRevision: text(r.TargetRevision[i]),
		DestServer: text(r.DestServer[i]), DestName: text(r.DestName[i]), DestNamespace: text(r.DestNamespace[i]),
		Deployed: commit(r.Deployed[i]), DeployedAt: at(r.DeployedAt[i]), DeployedBy: text(r.DeployedBy[i]), Wanted: commit(r.Wanted[i]),
		Sync: v1alpha1.SyncStatusCode(text(r.Sync[i])), Health: v1alpha1.HealthStatusCode(text(r.Health[i])), Operation: v1alpha1.OperationPhase(text(r.Operation[i])),
		Pending: PlanCounts{Create: r.Create[i], Update: r.Update[i], Delete: r.Delete[i]}, Problem: text(r.Problem[i]),
		AutoSync: r.Policy[i]&1 != 0, SelfHeal: r.Policy[i]&2 != 0, Prune: r.Policy[i]&4 != 0, Window: text(r.Window[i]), Can: list(r.Can[i]),
	}
	if created := at(r.Created[i]); created != nil {
		d.Created = *created
	}
	if images := list(r.Images[i]); len(images) > 0 {
		d.Images = images
	}
	if labels := list(r.Labels[i]); len(labels) > 0 {
		d.Labels = map[string]string{}
		for j := 0; j < len(labels); j += 2 {
			d.Labels[labels[j]] = labels[j+1]
		}
	}
	return d
}

func manyDeployments() *DeploymentList {
	at := func(hours int) *metav1.Time {
		return &metav1.Time{Time: time.Date(2027, 3, 1, hours, 0, 0, 0, time.UTC)}
	}
	shared := &Commit{Revision: strings.Repeat("a", 40), Subject: "raise the limit", Author: "Ana Example", Date: at(1), URL: "https://git.example.com/deploy/commit/" + strings.Repeat("a", 40)}
	full := Deployment{
		Name: "shop-prod", Namespace: "argocd", Project: "retail", Service: "shop", Environment: "production", Labels: map[string]string{"team": "retail", "tier": "1"},
		RepoURL: "https://git.example.com/deploy.git", Path: "apps/shop", TargetRevision: "main", DestServer: "https://k8s.example.com", DestName: "eu", DestNamespace: "shop",
		Deployed: shared, DeployedAt: at(2), DeployedBy: "bo", Wanted: &Commit{Revision: "1.2.0"}, Images: []string{"web:1", "proxy:2"},
		Sync: v1alpha1.SyncStatusOutOfSync, Health: v1alpha1.HealthDegraded, Operation: v1alpha1.OperationFailed, Pending: PlanCounts{Create: 1, Update: 2, Delete: 3},
		Problem: "Job migrate: deadline exceeded", AutoSync: true, SelfHeal: false, Prune: true, Window: "closed", Created: *at(0), Can: []string{"sync", "logs"},
	}
	second := full
	second.Name, second.Wanted, second.Images, second.Labels, second.Window, second.AutoSync = "shop-dev", nil, nil, nil, "", false
	second.Chart, second.Path, second.Can = "shop", "", []string{}
	bare := Deployment{Name: "new", Namespace: "argocd", Project: "default", Sync: v1alpha1.SyncStatusUnknown, Health: v1alpha1.HealthUnknown, Can: []string{}}
	return &DeploymentList{Items: []Deployment{full, second, bare}, Environments: []string{"dev", "production"}, Cursor: "17"}
}

func TestDeploymentTableHoldsTheRows(t *testing.T) {
	list := manyDeployments()
	table := deploymentTable(list)
	for i, want := range list.Items {
		if diff := cmp.Diff(want, rowOf(table, i)); diff != "" {
			t.Errorf("%s (-list +table):\n%s", want.Name, diff)
		}
	}
	if got := len(table.Commits.Revision); got != 3 {
		t.Errorf("%d commits: one that two rows share is there once, beside none and the wanted one", got)
	}
	if table.Cursor != "17" || len(table.Environments) != 2 {
		t.Errorf("cursor %q, environments %q", table.Cursor, table.Environments)
	}
}

// TestDeploymentTableHasEveryField fails when a row gets a field that the table lacks: a page would show it after an event of
// the stream, and not before.
func TestDeploymentTableHasEveryField(t *testing.T) {
	names := func(value any) map[string]bool {
		data, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]any{}
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		out := map[string]bool{}
		for name := range fields {
			out[name] = true
		}
		return out
	}
	list := manyDeployments()
	row := list.Items[0]
	row.Chart = "shop"
	want := names(row)
	for _, name := range []string{"pending", "autoSync", "selfHeal", "prune"} {
		delete(want, name)
	}
	for _, name := range []string{"create", "update", "delete", "policy"} {
		want[name] = true
	}
	if diff := cmp.Diff(want, names(deploymentTable(list).Rows)); diff != "" {
		t.Errorf("fields of a row and columns of the table (-row +table):\n%s", diff)
	}
}

func TestTreeTableHoldsTheNodes(t *testing.T) {
	at := metav1.NewTime(time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC))
	set := NodeRef{Group: "apps", Version: "v1", Kind: "ReplicaSet", Namespace: "shop", Name: "web-1", UID: "u1"}
	tree := &ApplicationTree{
		Nodes: []ResourceNode{
			{NodeRef: NodeRef{Version: "v1", Kind: "Pod", Namespace: "shop", Name: "web-1-a", UID: "u2"}, ParentRefs: []NodeRef{set}, Images: []string{"web:1"}, ResourceVersion: "7",
				Info: []InfoItem{{"Node", "n1"}, {"Containers", "1/1"}}, Health: &v1alpha1.HealthStatus{Status: v1alpha1.HealthDegraded, Message: "crashes"}, CreatedAt: &at},
			{NodeRef: set},
		},
		OrphanedNodes: []ResourceNode{{NodeRef: NodeRef{Version: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "old", UID: "u3"}}},
	}
	table := treeTable(tree)
	c, text := &table.Nodes, func(n int) string { return table.Texts[n] }
	list := func(n int) string {
		var words []string
		for _, each := range table.Lists[n] {
			words = append(words, text(each))
		}
		return strings.Join(words, " ")
	}
	var got []string
	for i := range c.Name {
		got = append(got, strings.Join([]string{text(c.Group[i]), text(c.Version[i]), text(c.Kind[i]), text(c.Namespace[i]), text(c.Name[i]), text(c.UID[i]), list(c.Parents[i]),
			text(c.CreatedAt[i]), text(c.ResourceVersion[i]), text(c.Health[i]), text(c.HealthMessage[i]), list(c.Images[i]), list(c.Info[i])}, "|"))
	}
	want := []string{
		"|v1|Pod|shop|web-1-a|u2|u1|2027-03-01T00:00:00Z|7|Degraded|crashes|web:1|Node n1 Containers 1/1",
		"apps|v1|ReplicaSet|shop|web-1|u1|||||||",
		"|v1|ConfigMap|shop|old|u3|||||||",
	}
	if diff := cmp.Diff(want, got); diff != "" || table.Orphaned != 1 {
		t.Errorf("%d orphaned; nodes (-want +got):\n%s", table.Orphaned, diff)
	}
}

// BenchmarkDeploymentTable is what a list of 5,000 rows costs the server once it has them: as rows, and by columns.
func BenchmarkDeploymentTable(b *testing.B) {
	list := manyDeployments()
	for i := range 5000 {
		d := list.Items[i%2]
		d.Name, d.Path = fmt.Sprintf("shop-%d", i), fmt.Sprintf("apps/shop-%d", i)
		d.Deployed = &Commit{Revision: fmt.Sprintf("%040d", i), Subject: "raise the limit", Author: "Ana Example", Date: d.DeployedAt, URL: fmt.Sprintf("https://git.example.com/deploy/commit/%040d", i)}
		list.Items = append(list.Items, d)
	}
	for name, value := range map[string]func() any{"rows": func() any { return list }, "columns": func() any { return deploymentTable(list) }} {
		b.Run(name, func(b *testing.B) {
			size := 0
			for b.Loop() {
				data, err := json.Marshal(value())
				if err != nil {
					b.Fatal(err)
				}
				size = len(data)
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}
