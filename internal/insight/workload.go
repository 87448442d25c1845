package insight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/object"
)

// change is a field that differs.
type change = object.Change

func parseTime(text string) *metav1.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil
	}
	return moment(at)
}

// degraded tells of objects that have failed, the first one down to its pods.
func (e *explainer) degraded(ctx context.Context) *finding {
	if e.App.Status.Health.Status != v1alpha1.HealthDegraded {
		return nil
	}
	return e.unhealthy(ctx, v1alpha1.HealthDegraded)
}

// progressing tells what is waited for.
func (e *explainer) progressing(ctx context.Context) *finding {
	st := e.App.Status.Health
	if st.Status != v1alpha1.HealthProgressing {
		return nil
	}
	f := e.unhealthy(ctx, v1alpha1.HealthProgressing)
	if at := st.LastTransitionTime; at != nil {
		if since := e.now.Sub(at.Time).Round(time.Minute); since >= health.Deadline {
			f.sentence = fmt.Sprintf("No progress for %s: %s", span(since), f.sentence)
		}
	}
	return f
}

func span(d time.Duration) string {
	if d < 2*time.Hour {
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	if d < 48*time.Hour {
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func (e *explainer) suspended(ctx context.Context) *finding {
	if e.App.Status.Health.Status != v1alpha1.HealthSuspended {
		return nil
	}
	return e.unhealthy(ctx, v1alpha1.HealthSuspended)
}

func (e *explainer) unknown(ctx context.Context) *finding {
	if s := e.App.Status.Health.Status; s != v1alpha1.HealthUnknown && s != "" {
		return nil
	}
	if e.App.Status.ReconciledAt == nil {
		return &finding{status: string(v1alpha1.HealthUnknown), sentence: "The application has not been looked at yet.",
			next: []NextStep{{Text: "Look now", Command: e.command("get", "--refresh"), Action: "refresh"}}}
	}
	return e.unhealthy(ctx, v1alpha1.HealthUnknown)
}

// missing tells that nothing of the application is there.
func (e *explainer) missing(context.Context) *finding {
	st := e.App.Status
	if st.Health.Status != v1alpha1.HealthMissing {
		return nil
	}
	f := &finding{status: string(v1alpha1.HealthMissing), sentence: "None of the application's objects is in the cluster: it has not been synced yet.",
		next: []NextStep{{Text: "Review what a sync would create", Command: e.command("diff", ""), Action: "review"}, {Text: "Create them", Command: e.command("sync", "")}}}
	cause := Cause{Message: "it has not been synced yet"}
	if n := len(st.History); n > 0 {
		f.sentence = "None of the application's objects is in the cluster, although it was deployed: they were deleted."
		deployed := st.History[n-1].DeployedAt
		cause = Cause{Message: "its objects were deleted", Evidence: []Evidence{{Kind: "status", Text: "last deployment", Time: &deployed}}}
	}
	cause.Evidence = append(cause.Evidence, Evidence{Kind: "status", Text: firstOf(st.Health.Message, "health Missing"), Time: st.Health.LastTransitionTime})
	f.causes = []Cause{cause}
	return f
}

// unhealthy tells of the objects of a health, the first of which is looked into.
func (e *explainer) unhealthy(ctx context.Context, status v1alpha1.HealthStatusCode) *finding {
	f := &finding{status: string(status)}
	objects := e.blame(status)
	for n, b := range objects {
		if n == mostCauses {
			break
		}
		ref := resourceRef(b.Ref)
		ref.Version, ref.UID = b.Version, b.UID
		c := Cause{Object: &ref, Message: b.Ref.Kind + " " + b.Ref.Name + ": " + firstOf(b.Health.Message, string(status)),
			Evidence: []Evidence{{Kind: "status", Text: strings.TrimSuffix("health "+string(status)+": "+b.Health.Message, ": "), Time: b.Health.LastTransitionTime}}}
		if n == 0 {
			e.lookInto(ctx, b, &c, f)
		}
		f.causes = append(f.causes, c)
	}
	switch {
	case len(f.causes) == 0:
		f.sentence = firstOf(e.App.Status.Health.Message, "The health of the application is "+string(status)+".")
		f.causes = []Cause{{Message: f.sentence, Evidence: []Evidence{{Kind: "status", Text: "health " + string(status), Time: e.App.Status.Health.LastTransitionTime}}}}
	case len(objects) > 1:
		f.sentence = fmt.Sprintf("%s (and %d more %s)", f.causes[0].Message, len(objects)-1, status)
	default:
		f.sentence = f.causes[0].Message
	}
	if status == v1alpha1.HealthDegraded {
		f.next = append(f.next, e.rollback()...)
	}
	f.next = append(f.next, NextStep{Text: "See the objects and their pods", Command: e.command("get", "-o tree=detailed")})
	return f
}

// blame returns the objects of the application that have a health, workloads first.
func (e *explainer) blame(status v1alpha1.HealthStatusCode) []Node {
	var out []Node
	seen := map[object.Ref]bool{}
	for i := range e.App.Status.Resources {
		r := &e.App.Status.Resources[i]
		ref := object.Ref{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
		n := e.node(ref)
		n.Version = firstOf(n.Version, r.Version)
		if r.Health != nil {
			n.Health = *r.Health
		}
		if n.Health.Status == status && !r.Hook && !seen[ref] {
			seen[ref] = true
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b Node) int {
		return cmp.Or(cmp.Compare(rankOf(a.Ref), rankOf(b.Ref)), strings.Compare(a.Ref.String(), b.Ref.String()))
	})
	return out
}

// rankOf orders kinds by how often they are the cause of what the others show.
func rankOf(r object.Ref) int {
	if at := slices.Index([]string{"PersistentVolumeClaim", "StatefulSet", "Deployment", "DaemonSet", "Rollout", "ReplicaSet", "Job", "CronJob", "Pod"}, r.Kind); at >= 0 {
		return at
	}
	return 100
}

// node finds an object among the nodes.
func (e *explainer) node(ref object.Ref) Node {
	at := slices.IndexFunc(e.Nodes, func(n Node) bool { return n.Ref == ref })
	if at < 0 {
		return Node{Ref: ref}
	}
	return e.Nodes[at]
}

// below returns what an object owns, of a kind, over any number of owners, the newest first.
func (e *explainer) below(top Node, kind string) []Node {
	var out []Node
	reached := map[string]bool{top.UID: top.UID != ""}
	for grew := true; grew; {
		grew = false
		for _, n := range e.Nodes {
			if reached[n.UID] || !slices.ContainsFunc(n.Parents, func(p string) bool { return reached[p] }) {
				continue
			}
			reached[n.UID], grew = true, true
			if n.Ref.Kind == kind {
				out = append(out, n)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Node) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.Ref.String(), b.Ref.String()))
	})
	return out
}

// lookInto goes from an object down to what it is made of.
func (e *explainer) lookInto(ctx context.Context, n Node, c *Cause, f *finding) {
	if e.cluster == nil {
		return
	}
	pods := e.below(n, "Pod")
	if n.Ref.Kind == "Pod" {
		pods = []Node{n}
	}
	trouble, same := e.worstPod(ctx, pods)
	if trouble == nil {
		e.withoutPods(ctx, n, len(pods), c)
		return
	}
	c.Message = fmt.Sprintf("%s %s: %s", n.Ref.Kind, n.Ref.Name, trouble.text)
	if len(pods) > 1 {
		c.Message += fmt.Sprintf("; %d of %d pods", same, len(pods))
	}
	c.Evidence = append(trouble.evidence, c.Evidence...)
	if trouble.logs {
		ref := resourceRef(n.Ref)
		f.next = append(f.next, NextStep{Text: "Read the log", Command: e.logsCommand(ref, trouble.previous), Action: "logs"})
	}
}

// withoutPods looks for what the cluster tells of an object and of what it owns, where no pod is to blame: a quota, a webhook
// or a missing service account lets no pod come into being at all.
func (e *explainer) withoutPods(ctx context.Context, n Node, pods int, c *Cause) {
	for _, about := range append(e.below(n, "ReplicaSet"), n) {
		for _, ev := range e.warnings(ctx, about) {
			if pods == 0 && ev.Reason == "FailedCreate" || about.Ref == n.Ref {
				c.Message = fmt.Sprintf("%s %s: %s", n.Ref.Kind, n.Ref.Name, ev.Message)
				c.Evidence = append([]Evidence{eventEvidence(about, ev)}, c.Evidence...)
				return
			}
		}
	}
}

// warnings are the events about an object that tell of trouble, the latest first.
func (e *explainer) warnings(ctx context.Context, n Node) []Event {
	events, err := e.cluster.Events(ctx, n)
	if err != nil {
		return nil // evidence that cannot be read is left out
	}
	return slices.DeleteFunc(slices.Clone(events), func(ev Event) bool { return !ev.Warning })
}

func eventEvidence(n Node, ev Event) Evidence {
	return Evidence{Kind: "event", Text: fmt.Sprintf("%s %s: %s: %s", n.Ref.Kind, n.Ref.Name, ev.Reason, ev.Message), Time: moment(ev.Time)}
}
