package insight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/health"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
)

// WhyInput is what an explanation is made of. Only App and Now are needed; the more is known, the nearer the cause.
type WhyInput struct {
	App *v1alpha1.Application
	Now time.Time
	// ControlPlane is the namespace whose applications are named without it in commands.
	ControlPlane string
	// Plan is what a sync would do now, to tell fields; nil when it is not known.
	Plan *diff.Plan
	// Nodes are the application's objects and what these own.
	Nodes []Node
	// Windows are the sync windows of the application.
	Windows project.Windows
	// Masked names annotations of Secrets whose values must not be shown.
	Masked []string
}

// Node is an object of an application, or one that such an object owns.
type Node struct {
	Ref     object.Ref
	Version string
	UID     string
	// Parents are the UIDs of its owners.
	Parents []string
	Created time.Time
	Health  v1alpha1.HealthStatus
}

// Event is what the cluster tells of an object.
type Event struct {
	Warning         bool
	Reason, Message string
	Time            time.Time
}

// Cluster reads what is told of the objects that are to blame. What it cannot read is left out of the explanation.
type Cluster interface {
	// Read returns an object as it is.
	Read(ctx context.Context, n Node) (*unstructured.Unstructured, error)
	// Events returns what the cluster tells of an object, the latest first.
	Events(ctx context.Context, n Node) ([]Event, error)
	// LastLine returns the last line that a container wrote, or that its run before the last restart did.
	LastLine(ctx context.Context, pod Node, container string, previous bool) (string, error)
}

// Explain says why an application is not as it should be. c may be nil.
func Explain(ctx context.Context, in WhyInput, c Cluster) *Why {
	w := &Why{Sentence: "All is well: what Git wants is in the cluster and healthy.", Causes: []Cause{}, Next: []NextStep{}}
	e := &explainer{WhyInput: in, cluster: c, now: in.Now}
	for _, find := range e.questions() {
		f := find(ctx)
		if f == nil {
			continue
		}
		if w.Status == "" {
			w.Status, w.Sentence, w.Next = f.status, health.Line(mask.Text(f.sentence)), f.next
		}
		for _, c := range f.causes {
			if !slices.ContainsFunc(w.Causes, func(have Cause) bool { return sameSight(&have, &c) }) {
				w.Causes = append(w.Causes, c)
			}
		}
	}
	if len(w.Causes) > mostCauses {
		w.Causes = w.Causes[:mostCauses]
	}
	for i := range w.Causes {
		w.Causes[i].Message = health.Line(mask.Text(w.Causes[i].Message))
		for j := range w.Causes[i].Evidence {
			w.Causes[i].Evidence[j].Text = health.Line(mask.Text(w.Causes[i].Evidence[j].Text))
		}
	}
	return w
}

// sameSight reports whether two causes are taken from the same evidence, which says the same thing twice.
func sameSight(a, b *Cause) bool {
	return len(a.Evidence) > 0 && len(b.Evidence) > 0 && a.Evidence[0].Kind == b.Evidence[0].Kind && a.Evidence[0].Text == b.Evidence[0].Text &&
		(a.Object == nil) == (b.Object == nil) && (a.Object == nil || a.Object.Ref() == b.Object.Ref())
}

// Problem is the first cause in one sentence when something is not as it should be, by what the Application itself says;
// empty when all is well, or on a good way.
func Problem(app *v1alpha1.Application, now time.Time) string {
	w := Explain(context.Background(), WhyInput{App: app, Now: now}, nil)
	switch w.Status {
	case "", string(v1alpha1.HealthSuspended), statusSyncing, statusDeleting:
		return ""
	case string(v1alpha1.HealthProgressing):
		if at := app.Status.Health.LastTransitionTime; at == nil || now.Sub(at.Time) < health.Deadline {
			return ""
		}
	}
	return w.Sentence
}

// Limits of an explanation.
const (
	mostCauses   = 10
	mostEvidence = 5
)

// Words for states that have none in Argo CD.
const (
	statusFailed   = "Failed"
	statusSyncing  = "Syncing"
	statusDeleting = "Deleting"
	statusBlocked  = "Blocked"
)

// finding is one thing that is not as it should be.
type finding struct {
	status   string
	sentence string
	causes   []Cause
	next     []NextStep
}

type explainer struct {
	WhyInput
	cluster Cluster
	now     time.Time
}

// questions are asked in this order; the first that finds something gives the sentence.
func (e *explainer) questions() []func(context.Context) *finding {
	return []func(context.Context) *finding{
		e.deleting, e.errors, e.blocked, e.failed, e.degraded, e.missing, e.outOfSync, e.progressing, e.syncing, e.suspended, e.unknown,
	}
}

func (e *explainer) deleting(context.Context) *finding {
	if e.App.DeletionTimestamp == nil {
		return nil
	}
	f := &finding{status: statusDeleting, sentence: "The application is being deleted; its objects go first."}
	for _, c := range e.App.Status.Conditions {
		if c.Type == v1alpha1.ConditionDeletionError {
			f.sentence = "The application cannot be deleted: " + c.Message
			f.causes = append(f.causes, conditionCause(c))
		}
	}
	f.next = []NextStep{{Text: "See what is left of it", Command: e.command("get", "-o tree")}}
	return f
}

// errors are those that stop comparisons and syncs.
func (e *explainer) errors(context.Context) *finding {
	for _, c := range e.App.Status.Conditions {
		switch c.Type {
		case v1alpha1.ConditionInvalidSpecError:
			return &finding{status: string(c.Type), sentence: "The application's own settings cannot work: " + c.Message, causes: []Cause{conditionCause(c)},
				next: []NextStep{{Text: "Correct the settings", Command: e.command("edit", "")}, {Text: "Look again", Command: e.command("get", "--refresh"), Action: "refresh"}}}
		case v1alpha1.ConditionComparisonError:
			return &finding{status: string(c.Type), sentence: "What Git wants cannot be compared with the cluster: " + c.Message, causes: []Cause{conditionCause(c)},
				next: []NextStep{
					{Text: "See what is rendered", Command: e.command("manifests", "")},
					{Text: "Look again, without any cache", Command: e.command("get", "--hard-refresh"), Action: "refresh"}}}
		case v1alpha1.ConditionUnknownError:
			return &finding{status: string(c.Type), sentence: "The application could not be worked on: " + c.Message, causes: []Cause{conditionCause(c)},
				next: []NextStep{{Text: "Look again", Command: e.command("get", "--hard-refresh"), Action: "refresh"}}}
		}
	}
	return nil
}

func conditionCause(c v1alpha1.ApplicationCondition) Cause {
	return Cause{Message: c.Message, Evidence: []Evidence{{Kind: "condition", Text: string(c.Type) + ": " + c.Message, Time: c.LastTransitionTime}}}
}

// blocked tells of an operation that a sync window holds up.
func (e *explainer) blocked(context.Context) *finding {
	op := e.App.Status.OperationState
	if op == nil || op.Phase.Completed() || !strings.Contains(op.Message, "blocked by sync window") {
		return nil
	}
	v := e.Windows.Judge(project.Sync{Manual: !op.Operation.InitiatedBy.Automated, Began: op.StartedAt.Time}, e.now)
	text := "The sync waits for a sync window"
	if v.Why != "" {
		text += ": " + v.Why + again(v)
	}
	started := op.StartedAt
	return &finding{status: statusBlocked, sentence: text + ".",
		causes: []Cause{{Message: op.Message, Evidence: []Evidence{{Kind: "status", Text: "operation " + string(op.Phase) + ": " + op.Message, Time: &started}}}},
		next: []NextStep{{Text: "See the windows of the project", Command: "belay proj windows list " + e.App.Spec.ProjectName()},
			{Text: "Give the sync up", Command: e.command("terminate-op", "")}}}
}

func again(v project.Verdict) string {
	if v.Again.IsZero() {
		return ""
	}
	return "; permitted again at " + v.Again.UTC().Format("2006-01-02 15:04 UTC")
}

// failed tells of a last operation that failed, while what it was to do is still not done.
func (e *explainer) failed(context.Context) *finding {
	st := e.App.Status
	op := st.OperationState
	if op == nil || op.Phase != v1alpha1.OperationFailed && op.Phase != v1alpha1.OperationError {
		return nil
	}
	if st.Sync.Status == v1alpha1.SyncStatusSynced && st.Health.Status == v1alpha1.HealthHealthy {
		return nil
	}
	f := &finding{status: statusFailed}
	first := op.Message
	if op.SyncResult != nil {
		for _, r := range op.SyncResult.Resources {
			if r == nil || r.Status != v1alpha1.ResultSyncFailed && r.HookPhase != v1alpha1.OperationFailed && r.HookPhase != v1alpha1.OperationError {
				continue
			}
			ref := ResourceRef{Group: r.Group, Version: r.Version, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
			what, step := r.Kind+" "+r.Name, e.command("get", "--show-operation")
			if r.HookType != "" {
				what = string(r.HookType) + " hook " + r.Name
				step = e.logsCommand(ref, false)
			}
			f.causes = append(f.causes, Cause{Object: &ref, Message: what + ": " + r.Message, Evidence: e.resultEvidence(op, r)})
			if len(f.causes) == 1 {
				first = what + ": " + r.Message
				f.next = append(f.next, NextStep{Text: "Look at it", Command: step, Action: actionOf(r)})
			}
		}
	}
	if len(f.causes) == 0 {
		f.causes = []Cause{{Message: op.Message, Evidence: []Evidence{{Kind: "status", Text: "operation " + string(op.Phase) + ": " + op.Message, Time: op.FinishedAt}}}}
	}
	f.sentence = fmt.Sprintf("The last sync%s failed: %s", toRevision(op), first)
	if c := e.conditionOf(v1alpha1.ConditionSyncError); c != nil {
		f.causes = append(f.causes, Cause{Message: "Automatic sync has stopped: an attempt that failed is not repeated until there is another commit",
			Evidence: []Evidence{{Kind: "condition", Text: string(c.Type) + ": " + c.Message, Time: c.LastTransitionTime}}})
	}
	f.next = append(f.next, NextStep{Text: "Review what is left to do", Command: e.command("diff", ""), Action: "review"},
		NextStep{Text: "Try again when the cause is mended", Command: e.command("sync", "")})
	f.next = append(f.next, e.rollback()...)
	return f
}

func actionOf(r *v1alpha1.ResourceResult) string {
	if r.HookType != "" {
		return "logs"
	}
	return ""
}

func (e *explainer) resultEvidence(op *v1alpha1.OperationState, r *v1alpha1.ResourceResult) []Evidence {
	word := string(r.Status)
	if word == "" {
		word = string(r.HookPhase)
	}
	return []Evidence{{Kind: "status", Text: fmt.Sprintf("sync of %s %s: %s: %s", r.Kind, r.Name, word, r.Message), Time: op.FinishedAt}}
}

func toRevision(op *v1alpha1.OperationState) string {
	if op.SyncResult == nil {
		return ""
	}
	revisions := revisionsOf(op.SyncResult.Revision, op.SyncResult.Revisions)
	if len(revisions) == 0 {
		return ""
	}
	words := make([]string, len(revisions))
	for i, r := range revisions {
		words[i] = Short(r)
	}
	return " to " + strings.Join(words, ", ")
}

func (e *explainer) conditionOf(t v1alpha1.ConditionType) *v1alpha1.ApplicationCondition {
	for i := range e.App.Status.Conditions {
		if e.App.Status.Conditions[i].Type == t {
			return &e.App.Status.Conditions[i]
		}
	}
	return nil
}

// syncing tells of an operation that is under way and waits for something.
func (e *explainer) syncing(context.Context) *finding {
	op := e.App.Status.OperationState
	switch {
	case e.App.Operation != nil && op == nil:
		return &finding{status: statusSyncing, sentence: "A sync was asked for, and the controller has not taken it up yet.",
			next: []NextStep{{Text: "Wait for it", Command: e.command("wait", "--operation")}}}
	case op == nil || op.Phase.Completed():
		return nil
	}
	started := op.StartedAt
	return &finding{status: statusSyncing, sentence: "A sync is under way: " + firstOf(op.Message, "it has just begun"),
		causes: []Cause{{Message: firstOf(op.Message, "it has just begun"), Evidence: []Evidence{{Kind: "status", Text: "operation " + string(op.Phase) + ": " + op.Message, Time: &started}}}},
		next:   []NextStep{{Text: "Wait for it", Command: e.command("wait", "--operation")}}}
}

// rollback offers the deployment before the last one, where that would stay.
func (e *explainer) rollback() []NextStep {
	if len(e.App.Status.History) < 2 || e.App.Spec.SyncPolicy.IsAutomated() {
		return nil
	}
	last := e.App.Status.History[len(e.App.Status.History)-2]
	return []NextStep{{Text: "Go back to deployment " + fmt.Sprint(last.ID) + " (" + Short(revisionAt(last.Revision, last.Revisions, MainSourceIndex(e.App))) + ")",
		Command: e.command("rollback", fmt.Sprint(last.ID)), Action: "rollback"}}
}

// command is a command line about the application.
func (e *explainer) command(verb, args string) string {
	name := e.App.Name
	if e.ControlPlane != "" && e.App.Namespace != e.ControlPlane {
		name = e.App.Namespace + "/" + name
	}
	return strings.TrimSpace("belay app " + verb + " " + name + " " + args)
}

func (e *explainer) logsCommand(ref ResourceRef, previous bool) string {
	args := "--kind " + ref.Kind + " --name " + ref.Name
	if previous {
		args += " --previous"
	}
	return e.command("logs", args)
}

func firstOf(texts ...string) string {
	at := slices.IndexFunc(texts, func(s string) bool { return s != "" })
	if at < 0 {
		return ""
	}
	return texts[at]
}

func moment(at time.Time) *metav1.Time {
	if at.IsZero() {
		return nil
	}
	t := metav1.NewTime(at)
	return &t
}
