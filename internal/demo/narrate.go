package demo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// sentence is one thing that happened, to an application.
type sentence struct {
	at        time.Time
	app, text string
}

// narrator turns changes of objects into sentences. It remembers what is needed to tell how long something took.
type narrator struct {
	apps map[string]*v1alpha1.Application
	// pending are drifted objects, by application and name, with the time of the first difference.
	pending map[string]time.Time
	pushes  map[string]push // by commit
	told    map[string]bool // application and commit whose deployment was told
}

func newNarrator() *narrator {
	return &narrator{apps: map[string]*v1alpha1.Application{}, pending: map[string]time.Time{}, pushes: map[string]push{}, told: map[string]bool{}}
}

// pushed tells of a push and of how Belay took the notification.
func (n *narrator) pushed(p push, err error) sentence {
	if p.After != "" {
		n.pushes[p.After] = p
	}
	text := "deleted"
	if p.After != "" {
		text = "is at " + n.commit(p.After)
	}
	text += "; Belay was told"
	if err != nil {
		text += fmt.Sprintf(": %v; it finds the commit with its next poll", err)
	}
	return sentence{p.At, "git push", "branch " + p.Branch + " " + text}
}

// tell returns what a change means; most mean nothing.
func (n *narrator) tell(e event) []sentence {
	var texts []string
	var app string
	if e.application {
		app, texts = n.application(e)
	} else {
		app, texts = n.managed(e)
	}
	var out []sentence
	for _, t := range texts {
		out = append(out, sentence{e.at, app, t})
	}
	return out
}

func (n *narrator) application(e event) (name string, texts []string) {
	if e.new == nil {
		delete(n.apps, e.old.GetName())
		return e.old.GetName(), []string{"the application is deleted"}
	}
	app := &v1alpha1.Application{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(e.new.Object, app); err != nil {
		return e.new.GetName(), []string{fmt.Sprintf("cannot be read: %v", err)}
	}
	before := n.apps[app.Name]
	n.apps[app.Name] = app
	if before == nil {
		return app.Name, nil
	}
	was, is := before.Status, app.Status
	if is.Sync.Revision != was.Sync.Revision && is.Sync.Revision != "" {
		texts = append(texts, "compares with "+n.commit(is.Sync.Revision))
	}
	texts = append(texts, n.operation(app.Name, e.at, was.OperationState, is.OperationState)...)
	if is.Sync.Status != was.Sync.Status {
		texts = append(texts, strings.TrimSuffix(fmt.Sprintf("%s, %s", is.Sync.Status, differing(is)), ", "))
	}
	if is.Health.Status != was.Health.Status {
		texts = append(texts, strings.TrimSuffix(fmt.Sprintf("%s: %s", is.Health.Status, is.Health.Message), ": "))
	}
	for _, c := range is.Conditions {
		if !slices.ContainsFunc(was.Conditions, func(o v1alpha1.ApplicationCondition) bool { return o.Type == c.Type && o.Message == c.Message }) {
			texts = append(texts, fmt.Sprintf("%s: %s", c.Type, c.Message))
		}
	}
	return app.Name, texts
}

func (n *narrator) operation(app string, at time.Time, was, is *v1alpha1.OperationState) []string {
	if is == nil || was != nil && was.Phase == is.Phase && was.StartedAt.Equal(&is.StartedAt) && was.Message == is.Message {
		return nil
	}
	rev := ""
	if is.SyncResult != nil {
		rev = is.SyncResult.Revision
	}
	if rev == "" && is.Operation.Sync != nil {
		rev = is.Operation.Sync.Revision
	}
	switch {
	case is.Phase == v1alpha1.OperationRunning && (was == nil || was.Phase.Completed()):
		return []string{fmt.Sprintf("sync to %s begins, %s", short(rev), by(is.Operation.InitiatedBy))}
	case is.Phase.Completed():
		text := fmt.Sprintf("sync to %s %s: %s", short(rev), strings.ToLower(string(is.Phase)), is.Message)
		if p, ok := n.pushes[rev]; ok && !n.told[app+rev] {
			text += fmt.Sprintf(" (%s after the push)", round(at.Sub(p.At)))
			n.told[app+rev] = true
		}
		return []string{text}
	}
	return nil
}

func by(who v1alpha1.OperationInitiator) string {
	if who.Automated {
		return "by itself"
	}
	return "asked for by " + or(who.Username, "somebody")
}

// differing names the objects that are not as Git has them.
func differing(s v1alpha1.ApplicationStatus) string {
	if s.Sync.Status != v1alpha1.SyncStatusOutOfSync {
		return ""
	}
	var names []string
	for _, r := range s.Resources {
		if r.Status == v1alpha1.SyncStatusOutOfSync {
			names = append(names, r.Kind+"/"+r.Name)
		}
	}
	return listOf(names, "to sync")
}

const maxNames = 3

func listOf(names []string, what string) string {
	if len(names) == 0 {
		return ""
	}
	if len(names) > maxNames {
		return fmt.Sprintf("%d objects %s", len(names), what)
	}
	return strings.Join(names, ", ") + " " + what
}

// managed tells of an object that belongs to an application, in the fields that Git decides about.
func (n *narrator) managed(e event) (app string, texts []string) {
	u := e.new
	if u == nil {
		u = e.old
	}
	app = owner(u)
	known := n.apps[app]
	if known == nil || len(known.Status.History) == 0 {
		return app, nil // not one of ours, or its first deployment, of which the summary tells
	}
	name := u.GetKind() + "/" + u.GetName()
	key := app + " " + name
	since, drifted := n.pending[key]
	switch {
	case e.new == nil:
		n.pending[key] = e.at
		return app, []string{name + " was deleted"}
	case e.old == nil && drifted:
		delete(n.pending, key)
		return app, []string{fmt.Sprintf("%s is back after %s", name, round(e.at.Sub(since)))}
	case e.old == nil:
		return app, []string{name + " was created"}
	}
	for _, c := range fieldChanges(e.old, e.new) {
		switch {
		case c.manager != belayManager:
			if !drifted {
				n.pending[key] = e.at
			}
			texts = append(texts, fmt.Sprintf("drift: %s changed %s of %s: %s -> %s%s", c.manager, c.path, name, c.before, c.after, keeps(known)))
		case drifted:
			delete(n.pending, key)
			texts = append(texts, fmt.Sprintf("%s: %s is back at %s after %s", name, c.path, c.after, round(e.at.Sub(since))))
		default:
			texts = append(texts, fmt.Sprintf("%s: %s: %s -> %s", name, c.path, c.before, c.after))
		}
	}
	return app, texts
}

// keeps says what is not undone by itself, and how to see it.
func keeps(app *v1alpha1.Application) string {
	if p := app.Spec.SyncPolicy; p != nil && p.Automated != nil && p.Automated.SelfHeal {
		return ""
	}
	return "; not undone by itself: belay app diff " + app.Name
}

// owner is the application that an object says it belongs to.
func owner(u *unstructured.Unstructured) string {
	id := u.GetAnnotations()[v1alpha1.AnnotationTrackingID]
	name, _, _ := strings.Cut(id, ":")
	_, name = object.SplitAppName(name, controlPlane)
	return name
}

func (n *narrator) commit(rev string) string {
	if p, ok := n.pushes[rev]; ok && len(p.Commits) > 0 {
		return fmt.Sprintf("%s %q", short(rev), p.Commits[len(p.Commits)-1].Subject)
	}
	return short(rev)
}

func short(rev string) string {
	if len(rev) == 40 {
		return rev[:7]
	}
	return rev
}

func round(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}
