package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/status"
)

// remove ends a deleted Application: with the resources finalizer its objects go first, in reverse waves, and the
// finalizer after them. A destination that is not registered any more has nothing that could be deleted.
func (r *Reconciler) remove(ctx context.Context, s *run) Result {
	propagation, cascade := cascading(s.app.Finalizers)
	if !cascade {
		return s.report()
	}
	if err := r.removeObjects(ctx, s, propagation); err != nil {
		s.condition(v1alpha1.ConditionDeletionError, "%s", err)
		s.again(retryAfter)
		res := s.report()
		res.Err = err
		return res
	}
	return s.report()
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
	dest, err := r.Destinations.Destination(ctx, s.app.Spec.Destination)
	if fault.Is(err, fault.NotFound) {
		s.dropFinalizers()
		return nil
	}
	if err != nil {
		return err
	}
	if err := dest.Cluster.Ready(ctx); err != nil {
		return fmt.Errorf("cluster %s is not reachable, so its objects cannot be deleted: %w", dest.Server, err)
	}
	var left []*object.Live
	for _, l := range s.Config.managed(dest.Cluster.Owned(s.name)) {
		if deletable(l) {
			left = append(left, l)
		}
	}
	if len(left) == 0 {
		s.dropFinalizers()
		return nil
	}
	if waiting := unconfirmed(left, s.app); waiting != "" {
		s.condition(v1alpha1.ConditionDeletionError, "%s", waiting)
		s.again(time.Minute)
		return nil
	}
	s.again(5 * time.Second) // events come first
	for _, l := range lastWave(left) {
		if l.Object.GetDeletionTimestamp() != nil {
			continue
		}
		if err := dest.Writer.Delete(ctx, l, propagation, false); err != nil {
			return err
		}
	}
	return nil
}

// deletable reports whether the cascade takes the object: not what its owner takes care of, what asks to stay, nor
// Applications' own definitions.
func deletable(l *object.Live) bool {
	o := l.Object
	if len(o.GetOwnerReferences()) > 0 || o.GetAnnotations()[v1alpha1.AnnotationHelmPolicy] == "keep" {
		return false
	}
	return !slices.Contains(options(o.GetAnnotations()), "Delete=false")
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
		if slices.Contains(options(l.Object.GetAnnotations()), "Delete=confirm") {
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
