package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/status"
)

// remove brings the deletion of an Application one step further: PreDelete hooks, with the resources finalizer its objects in
// reverse waves, PostDelete hooks. The finalizer of each part goes when the part is done, and is written before the next one
// begins. A destination that is not registered any more has nothing that could be deleted.
func (r *Reconciler) remove(ctx context.Context, s *run) Result {
	waiting, err := r.removeNext(ctx, s)
	switch {
	case err != nil:
		s.condition(v1alpha1.ConditionDeletionError, "%s", err)
		s.again(retryAfter)
	case waiting != "":
		// Events come first; these looks are for telling what takes long, and for what gives no event.
		if left := s.app.DeletionTimestamp.Add(hangsAfter).Sub(s.now.Time); left > 0 {
			s.again(left)
			break
		}
		s.condition(v1alpha1.ConditionDeletionError, "%s", waiting)
		s.again(30 * time.Second)
	}
	res := s.report()
	res.Err = err
	return res
}

// removeNext takes up the first part of the deletion whose finalizer is still there.
func (r *Reconciler) removeNext(ctx context.Context, s *run) (waiting string, err error) {
	if st := s.app.Status.OperationState; st != nil && !st.Phase.Completed() {
		s.state = st.DeepCopy()
		r.terminate(ctx, s, "Operation terminated: the application is being deleted")
	}
	propagation, cascade := cascading(s.app.Finalizers)
	if !cascade && !slices.ContainsFunc(s.app.Finalizers, ofHooks) {
		return "", nil
	}
	dest, err := r.destination(ctx, s)
	if fault.Is(err, fault.NotFound) {
		s.dropFinalizers()
		s.app.Finalizers = slices.DeleteFunc(s.app.Finalizers, ofHooks)
		return "", nil
	}
	if err != nil {
		return "", err
	}
	s.dest = dest
	if waiting, found, err := r.removeHooks(ctx, s, v1alpha1.HookPreDelete, v1alpha1.FinalizerPreDelete); found {
		return waiting, err
	}
	if cascade {
		return "", r.removeObjects(ctx, s, propagation)
	}
	waiting, _, err = r.removeHooks(ctx, s, v1alpha1.HookPostDelete, v1alpha1.FinalizerPostDelete)
	return waiting, err
}

// ofHooks reports whether a finalizer waits for hooks of the deletion.
func ofHooks(finalizer string) bool {
	for _, f := range []string{v1alpha1.FinalizerPreDelete, v1alpha1.FinalizerPostDelete} {
		if finalizer == f || finalizer == f+cleanup {
			return true
		}
	}
	return false
}

// removeHooks runs the hooks of one type, or clears them away, whatever is next. It reports whether a finalizer for that was
// found.
func (r *Reconciler) removeHooks(ctx context.Context, s *run, t v1alpha1.HookType, finalizer string) (waiting string, found bool, err error) {
	next := finalizer
	switch {
	case slices.Contains(s.app.Finalizers, finalizer):
		waiting, err = r.runDeletionHooks(ctx, s, t, finalizer)
	case slices.Contains(s.app.Finalizers, finalizer+cleanup):
		next = finalizer + cleanup
		if err = s.seeObjects(ctx); err == nil {
			waiting, err = r.cleanDeletionHooks(ctx, s, t)
		}
	default:
		return "", false, nil
	}
	if err == nil && waiting == "" {
		s.dropFinalizer(next)
	}
	return waiting, true, err
}

// seeObjects makes sure that the objects of the application are in view: what cannot be seen would be left behind.
func (s *run) seeObjects(ctx context.Context) error {
	if s.Project == nil {
		return fault.New(fault.Invalid, "project %s does not exist, so it is not known which objects may be deleted; "+
			"create it, or remove the finalizers to keep them", s.app.Spec.ProjectName())
	}
	if err := reachable(ctx, s.dest); err != nil {
		return err
	}
	return s.inView(s.dest.Cluster)
}

// cascading returns the propagation policy of the resources finalizer and whether there is one.
func cascading(finalizers []string) (propagation string, ok bool) {
	for _, f := range finalizers {
		switch f {
		case v1alpha1.FinalizerResources, v1alpha1.FinalizerForeground:
			return "foreground", true
		case v1alpha1.FinalizerBackground:
			return "background", true
		}
	}
	return "", false
}

func (r *Reconciler) removeObjects(ctx context.Context, s *run, propagation string) error {
	dest := s.dest
	if err := s.seeObjects(ctx); err != nil {
		return err
	}
	left := slices.DeleteFunc(s.owned(dest), func(l *object.Live) bool { return !deletable(l, s.app) })
	if len(left) == 0 {
		s.dropFinalizers()
		return nil
	}
	if s.nobody != nil {
		return s.nobody
	}
	if waiting := unconfirmed(left, s.app); waiting != "" {
		s.condition(v1alpha1.ConditionDeletionError, "%s", waiting)
		s.again(time.Minute)
		return nil
	}
	s.again(5 * time.Second) // events come first
	var errs []error         // one that cannot be deleted does not keep the others
	for _, l := range lastWave(left) {
		if slices.Contains(l.Object.GetFinalizers(), v1alpha1.FinalizerHook) {
			errs = append(errs, dest.Writer.Release(ctx, l, v1alpha1.FinalizerHook))
		}
		if l.Object.GetDeletionTimestamp() == nil {
			errs = append(errs, dest.Writer.Delete(ctx, l, propagation, false))
		}
	}
	if held := hanging(left, s.now.Time); held != "" {
		s.condition(v1alpha1.ConditionDeletionError, "%s", held)
	}
	return errors.Join(errs...)
}

// hangsAfter is how long a deletion may take before it is told what it waits for.
const hangsAfter = 5 * time.Second

// hanging names the first object whose deletion takes long, and what holds it.
func hanging(left []*object.Live, now time.Time) string {
	var held []*object.Live
	for _, l := range left {
		if at := l.Object.GetDeletionTimestamp(); at != nil && now.Sub(at.Time) >= hangsAfter {
			held = append(held, l)
		}
	}
	if len(held) == 0 {
		return ""
	}
	more := ""
	if len(held) > 1 {
		more = fmt.Sprintf(" and %d more", len(held)-1)
	}
	reason := "its grace period or its node"
	if f := held[0].Object.GetFinalizers(); len(f) > 0 {
		reason = fmt.Sprintf("finalizers %s; their controllers have to remove them", strings.Join(f, ", "))
	}
	return fmt.Sprintf("waiting for the deletion of %s%s, held by %s", held[0].Ref(), more, reason)
}

// deletable reports whether the cascade takes the object: not what its owner takes care of, nor what asks to stay, nor the
// hooks of the deletion itself.
func deletable(l *object.Live, app *v1alpha1.Application) bool {
	o := l.Object
	for _, t := range diff.HookTypes(o) {
		if t == v1alpha1.HookPreDelete || t == v1alpha1.HookPostDelete {
			return false
		}
	}
	return len(o.GetOwnerReferences()) == 0 && o.GetAnnotations()[v1alpha1.AnnotationHelmPolicy] != "keep" &&
		deletePolicy(l, app) != "false"
}

// deletePolicy returns the value of the sync option Delete: the object's own, else the application's, else "".
func deletePolicy(l *object.Live, app *v1alpha1.Application) string {
	all := options(l.Object.GetAnnotations())
	if p := app.Spec.SyncPolicy; p != nil {
		all = append(all, p.SyncOptions...)
	}
	for _, o := range all {
		if v, ok := strings.CutPrefix(o, "Delete="); ok {
			return v
		}
	}
	return ""
}

func options(annotations map[string]string) []string {
	parts := strings.Split(annotations[v1alpha1.AnnotationSyncOptions], ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// unconfirmed names the objects whose deletion waits for a person.
func unconfirmed(left []*object.Live, app *v1alpha1.Application) string {
	var names []string
	for _, l := range left {
		if deletePolicy(l, app) == "confirm" {
			names = append(names, l.Ref().String())
		}
	}
	if len(names) == 0 {
		return ""
	}
	at, err := time.Parse(time.RFC3339, app.Annotations[v1alpha1.AnnotationDeletionApproved])
	if err == nil && !at.Before(app.DeletionTimestamp.Time) {
		return ""
	}
	return fmt.Sprintf("waiting for deletion confirmation of %s; set annotation %s to the present time to confirm",
		strings.Join(names, ", "), v1alpha1.AnnotationDeletionApproved)
}

// lastWave returns the objects of the highest wave: what was applied last goes first.
func lastWave(left []*object.Live) []*object.Live {
	top := apply.Wave(left[0].Object)
	for _, l := range left {
		top = max(top, apply.Wave(l.Object))
	}
	var out []*object.Live
	for _, l := range left {
		if apply.Wave(l.Object) == top {
			out = append(out, l)
		}
	}
	return out
}

func (s *run) dropFinalizers() {
	s.app.Finalizers = slices.DeleteFunc(s.app.Finalizers, func(f string) bool {
		return f == v1alpha1.FinalizerResources || f == v1alpha1.FinalizerForeground || f == v1alpha1.FinalizerBackground
	})
	s.app.Status.Conditions = status.Conditions(s.app.Status.Conditions, nil, status.Evaluated(), s.now)
}
