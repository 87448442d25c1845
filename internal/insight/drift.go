package insight

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/project"
)

// outOfSync tells what differs, who made it differ, and why nobody puts it right.
func (e *explainer) outOfSync(context.Context) *finding {
	if e.App.Status.Sync.Status != v1alpha1.SyncStatusOutOfSync {
		return nil
	}
	f := &finding{status: string(v1alpha1.SyncStatusOutOfSync)}
	moved := e.moved()
	if e.Plan != nil {
		f.causes = e.differences(moved)
	}
	if len(f.causes) == 0 {
		f.causes = e.recorded()
	}
	count := len(f.causes)
	if e.Plan == nil {
		c := pending(e.App.Status.Resources)
		count = max(count, c.Create+c.Update+c.Delete)
	}
	switch {
	case moved != "" && count == 0:
		f.sentence = moved + "."
	case moved != "" && count == 1:
		f.sentence = fmt.Sprintf("%s; %s", moved, f.causes[0].Message)
	case moved != "":
		f.sentence = fmt.Sprintf("%s; %s would change, first of all %s", moved, objects(count), f.causes[0].Message)
	case count == 0:
		f.sentence = "Live objects differ from Git."
	case count == 1:
		f.sentence = f.causes[0].Message
	default:
		f.sentence = fmt.Sprintf("%s differ from Git; the first: %s", objects(count), f.causes[0].Message)
	}
	if standing := e.uncorrected(moved != ""); standing != nil {
		f.causes = append([]Cause{}, f.causes[:min(len(f.causes), mostCauses-1)]...)
		f.causes = append(f.causes, *standing)
	}
	f.next = []NextStep{
		{Text: "Review the differences", Command: e.command("diff", ""), Action: "review"},
		{Text: "Bring the cluster in step with Git", Command: e.command("sync", e.pruneFlag())},
	}
	return f
}

func objects(n int) string {
	if n == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", n)
}

// pruneFlag is what a sync needs where nothing but deletions is left.
func (e *explainer) pruneFlag() string {
	if c := pending(e.App.Status.Resources); c.Delete > 0 && c.Create+c.Update == 0 {
		return "--prune"
	}
	return ""
}

// moved says that Git has another commit than the one that was deployed; empty when it has not.
func (e *explainer) moved() string {
	st := e.App.Status
	at := MainSourceIndex(e.App)
	want := revisionAt(st.Sync.Revision, st.Sync.Revisions, at)
	if len(st.History) == 0 {
		return "The application has never been synced"
	}
	last := st.History[len(st.History)-1]
	have := revisionAt(last.Revision, last.Revisions, at)
	if want == "" || have == want {
		return ""
	}
	return fmt.Sprintf("Git is at %s while %s is deployed", Short(want), Short(have))
}

// differences are the objects of the plan that differ, those first that say most.
func (e *explainer) differences(moved string) []Cause {
	var items []*diff.Item
	for _, i := range e.Plan.Items {
		if !i.InSync() {
			items = append(items, i)
		}
	}
	slices.SortStableFunc(items, func(a, b *diff.Item) int { return cmp.Compare(weight(a), weight(b)) })
	out := make([]Cause, 0, len(items))
	for _, i := range items {
		ref := resourceRef(i.Ref)
		ref.Version = subject(i).GroupVersionKind().Version
		out = append(out, Cause{Object: &ref, Message: e.difference(i, moved), Evidence: e.fields(i)})
	}
	return out
}

// weight orders what differs: what is refused, what somebody else changed, updates, creations, deletions.
func weight(i *diff.Item) int {
	switch {
	case i.Forbidden != nil || i.Refused != nil:
		return 0
	case i.Action == diff.Update && intruder(i) != "":
		return 1
	case i.Action == diff.Update:
		return 2
	case i.Action == diff.Create:
		return 3
	}
	return 4
}

// intruder is who changed a field of the object past Git: a manager other than the one of syncs.
func intruder(i *diff.Item) string {
	for _, c := range i.Changes {
		if c.Manager != "" && c.Manager != v1alpha1.FieldManager && c.Live != nil {
			return c.Manager
		}
	}
	return ""
}

func (e *explainer) difference(i *diff.Item, moved string) string {
	name := i.Ref.Kind + " " + i.Ref.Name
	switch {
	case i.Forbidden != nil:
		return name + " is not permitted: " + i.Forbidden.Error()
	case i.Refused != nil:
		return name + " would be refused by the cluster: " + i.Refused.Error()
	}
	switch i.Action {
	case diff.Create:
		return name + " is not in the cluster"
	case diff.Delete:
		return name + " is no longer in Git and still in the cluster"
	case diff.Update, diff.None:
	}
	changes := mask.Changes(i.Ref, i.Changes, e.Masked...)
	if len(changes) == 0 {
		return name + " differs: " + i.Reason
	}
	slices.SortStableFunc(changes, func(a, b change) int { return cmp.Compare(foreign(a), foreign(b)) })
	c := changes[0]
	text := fmt.Sprintf("%s: %s is %s, Git has %s", name, c.Path, valueText(c.Live), valueText(c.Desired))
	if by := intruder(i); by != "" && moved == "" {
		text = fmt.Sprintf("%s was changed by %s: %s is %s, Git has %s", name, by, c.Path, valueText(c.Live), valueText(c.Desired))
	}
	if more := len(changes) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

func foreign(c change) int {
	if c.Manager != "" && c.Manager != v1alpha1.FieldManager {
		return 0
	}
	return 1
}

// fields are the fields that differ.
func (e *explainer) fields(i *diff.Item) []Evidence {
	var out []Evidence
	for _, c := range mask.Changes(i.Ref, i.Changes, e.Masked...) {
		if len(out) == mostEvidence {
			break
		}
		text := fmt.Sprintf("%s: %s -> %s", c.Path, valueText(c.Live), valueText(c.Desired))
		if c.Manager != "" {
			text += ", last written by " + c.Manager
		}
		ev := Evidence{Kind: "field", Text: text}
		if i.Live != nil {
			for _, m := range i.Live.Managers {
				if m.Name == c.Manager && m.Time != "" && m.Subresource == "" {
					ev.Time = parseTime(m.Time)
				}
			}
		}
		out = append(out, ev)
	}
	return out
}

// recorded are the objects that differ by what the last comparison wrote down.
func (e *explainer) recorded() []Cause {
	var out []Cause
	for i := range e.App.Status.Resources {
		r := &e.App.Status.Resources[i]
		if r.Status != v1alpha1.SyncStatusOutOfSync || r.Hook {
			continue
		}
		text := r.Kind + " " + r.Name + " differs from Git"
		switch {
		case r.RequiresPruning:
			text = r.Kind + " " + r.Name + " is no longer in Git and still in the cluster"
		case missing(r):
			text = r.Kind + " " + r.Name + " is not in the cluster"
		}
		ref := ResourceRef{Group: r.Group, Version: r.Version, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
		out = append(out, Cause{Object: &ref, Message: text, Evidence: []Evidence{{Kind: "status", Text: "sync status " + string(r.Status), Time: e.App.Status.ReconciledAt}}})
	}
	return out
}

// uncorrected says why nobody puts right what differs.
func (e *explainer) uncorrected(moved bool) *Cause {
	policy := e.App.Spec.SyncPolicy
	if c := e.conditionOf(v1alpha1.ConditionSyncError); c != nil {
		return &Cause{Message: "Automatic sync has stopped: " + c.Message, Evidence: []Evidence{{Kind: "condition", Text: string(c.Type) + ": " + c.Message, Time: c.LastTransitionTime}}}
	}
	if !policy.IsAutomated() {
		return &Cause{Message: "Syncs of this application are started by hand", Evidence: []Evidence{{Kind: "field", Text: "spec.syncPolicy.automated is not set"}}}
	}
	if v := e.Windows.Judge(project.Sync{}, e.now); !v.Allowed {
		return &Cause{Message: "Automatic syncs wait for a sync window: " + v.Why + again(v),
			Evidence: []Evidence{{Kind: "field", Text: "spec.syncWindows of AppProject " + e.App.Spec.ProjectName()}}}
	}
	c := pending(e.App.Status.Resources)
	switch {
	case !policy.Automated.Prune && c.Delete > 0 && c.Create+c.Update == 0:
		return &Cause{Message: "Automatic syncs of this application delete nothing", Evidence: []Evidence{{Kind: "field", Text: "spec.syncPolicy.automated.prune is not set"}}}
	case !policy.Automated.SelfHeal && !moved:
		return &Cause{Message: "Changes in the cluster are not put back by themselves", Evidence: []Evidence{{Kind: "field", Text: "spec.syncPolicy.automated.selfHeal is not set"}}}
	}
	return nil
}

// longestValue bounds a value in a sentence.
const longestValue = 80

// valueText writes a value in a sentence.
func valueText(v any) string {
	if v == nil {
		return "(absent)"
	}
	if s, ok := v.(string); ok && s != "" && !strings.ContainsAny(s, " \n\t") && len(s) <= longestValue {
		return s
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	if len(data) > longestValue {
		return strings.ToValidUTF8(string(data[:longestValue]), "") + "..."
	}
	return string(data)
}
