package cli

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/project"
)

// Review implements Insights.
func (c *Connection) Review(ctx context.Context, app *v1alpha1.Application, o ReviewOptions) (*insight.Plan, error) {
	back := o.Deployment != nil
	if back {
		app, o.Revisions = insight.At(app, o.Deployment)
	}
	found, err := c.compare(ctx, app, o.PlanOptions)
	if err != nil {
		return nil, err
	}
	in := insight.PlanInput{
		App: app, Revisions: found.Revisions, Plan: found.Plan, Hooks: found.Targets.Hooks, Conditions: found.Conditions,
		Operation: insight.SyncTo(app, found.Revisions, back), Masked: found.Masked,
	}
	if w, err := windowsFor(ctx, c, app); err == nil {
		in.Window = windowText(w.Judge(project.Sync{Manual: true}, c.now()))
	}
	return insight.NewPlan(in)
}

// compare runs the engine up to the comparison.
func (c *Connection) compare(ctx context.Context, app *v1alpha1.Application, opts PlanOptions) (found *Comparison, err error) {
	planner, err := c.Planner(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = firstError(err, planner.Close()) }()
	return planner.Compare(ctx, app, opts)
}

// windowText says why no sync is permitted, and when one will be.
func windowText(v project.Verdict) string {
	switch {
	case v.Allowed:
		return ""
	case v.Again.IsZero():
		return v.Why
	}
	return fmt.Sprintf("%s; again at %s", v.Why, v.Again.UTC().Format("2006-01-02 15:04 UTC"))
}

// Why implements Insights.
func (c *Connection) Why(ctx context.Context, app *v1alpha1.Application) (why *insight.Why, left []string, err error) {
	in := insight.WhyInput{App: app, Now: c.now(), ControlPlane: c.Namespace}
	if in.Windows, err = windowsFor(ctx, c, app); err != nil {
		left = append(left, "explained without sync windows: "+err.Error())
	}
	if app.Status.Sync.Status == v1alpha1.SyncStatusOutOfSync && c.planner != nil {
		found, err := c.compare(ctx, app, PlanOptions{})
		if err != nil {
			left = append(left, "explained without the fields that differ: "+err.Error())
		} else {
			in.Plan, in.Masked = found.Plan, found.Masked
		}
	}
	roots, _, err := treeOf(ctx, c, app)
	if err != nil {
		left = append(left, "explained without what the objects own: "+err.Error())
		return insight.Explain(ctx, in, nil), left, nil
	}
	in.Nodes = insightNodes(roots, "", nil)
	pods, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return nil, left, fmt.Errorf("connect to %s: %w", c.Config.Host, err)
	}
	return insight.Explain(ctx, in, &evidence{conn: c, pods: pods}), left, nil
}

// Activities implements Insights.
func (c *Connection) Activities(ctx context.Context, q audit.Query) (*audit.Page, error) {
	if c.audit == nil {
		return nil, &Failure{Exit: ExitAPI, Code: "NoAudit", Err: errors.New("this program was built without the record of activities")}
	}
	rctx, cancel := c.request(ctx)
	defer cancel()
	return c.audit(c).Activities(rctx, q, nil)
}

// insightNodes flattens a tree.
func insightNodes(nodes []*node, parent string, out []insight.Node) []insight.Node {
	for _, n := range nodes {
		flat := insight.Node{Ref: n.ref, Version: n.version, UID: string(n.uid), Created: n.created,
			Health: v1alpha1.HealthStatus{Status: v1alpha1.HealthStatusCode(n.health), Message: n.message}}
		if parent != "" {
			flat.Parents = []string{parent}
		}
		out = insightNodes(n.children, flat.UID, append(out, flat))
	}
	return out
}

// evidence implements insight.Cluster on the cluster of the kubeconfig.
type evidence struct {
	conn *Connection
	pods kubernetes.Interface
}

// Read implements insight.Cluster.
func (e *evidence) Read(ctx context.Context, n insight.Node) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(n.Ref.GroupKind().WithVersion(n.Version))
	rctx, cancel := e.conn.request(ctx)
	defer cancel()
	if err := e.conn.Client.Get(rctx, appKey{Namespace: n.Ref.Namespace, Name: n.Ref.Name}, u); err != nil {
		return nil, err
	}
	return u, nil
}

// Events implements insight.Cluster.
func (e *evidence) Events(ctx context.Context, n insight.Node) ([]insight.Event, error) {
	by := client.MatchingFields{"involvedObject.name": n.Ref.Name, "involvedObject.kind": n.Ref.Kind}
	if n.UID != "" {
		by = client.MatchingFields{"involvedObject.uid": n.UID}
	}
	var list corev1.EventList
	rctx, cancel := e.conn.request(ctx)
	defer cancel()
	if err := e.conn.Client.List(rctx, &list, client.InNamespace(n.Ref.Namespace), by); err != nil {
		return nil, err
	}
	return insight.EventsOf(list.Items), nil
}

// LastLine implements insight.Cluster.
func (e *evidence) LastLine(ctx context.Context, pod insight.Node, container string, previous bool) (string, error) {
	rctx, cancel := e.conn.request(ctx)
	defer cancel()
	stream, err := e.pods.CoreV1().Pods(pod.Ref.Namespace).GetLogs(pod.Ref.Name, insight.LastLines(container, previous)).Stream(rctx)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	return insight.LastLine(stream)
}
