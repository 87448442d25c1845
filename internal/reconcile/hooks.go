package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// hookRun is what the hooks of the operation under way are named and marked by.
func (s *run) hookRun() apply.HookRun {
	return apply.HookRun{
		Revision: leading(s.state.SyncResult.Revision, s.state.SyncResult.Revisions), Started: s.state.StartedAt.Time, Attempt: s.state.RetryCount,
		Track:  s.track,
		Permit: func(ref object.Ref) error { return s.permits(s.dest, ref) },
	}
}

func (s *run) track(u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return s.Config.Tracking.Set(u, s.name, s.app.Spec.Destination.Namespace)
}

// terminate ends the operation: hooks that run are deleted, and none is held any more. What could not be ended is told; it
// is of no use to try for ever.
func (r *Reconciler) terminate(ctx context.Context, s *run, message string) {
	phase := v1alpha1.OperationFailed
	if err := r.endHooks(ctx, s); err != nil {
		phase, message = v1alpha1.OperationError, message+"; its hooks could not be ended: "+err.Error()
	}
	s.complete(phase, message)
}

// failed takes the failure of an attempt. Its hooks are held no longer: nobody looks after them any more.
func (r *Reconciler) failed(ctx context.Context, s *run, phase v1alpha1.OperationPhase, message string) {
	if found, err := r.seeHooks(ctx, s); found {
		if err == nil {
			err = apply.LetGo(ctx, s.applying(r.judgeOf(s)), s.dest.Writer)
		}
		if err != nil {
			message += "; its hooks are still held by the finalizer " + v1alpha1.FinalizerHook + ": " + err.Error()
		}
	}
	s.ended(phase, message)
}

// endHooks takes down the hooks that the operation has started.
func (r *Reconciler) endHooks(ctx context.Context, s *run) error {
	if found, err := r.seeHooks(ctx, s); !found || err != nil {
		return err
	}
	results, err := apply.Terminate(ctx, s.applying(r.judgeOf(s)), s.dest.Writer)
	s.state.SyncResult.Resources = results
	return err
}

// seeHooks brings the hooks of the operation into view and reports whether it has any.
func (r *Reconciler) seeHooks(ctx context.Context, s *run) (found bool, err error) {
	if s.state.SyncResult == nil {
		return false, nil
	}
	kinds := hookKinds(s.state.SyncResult.Resources)
	if len(kinds) == 0 {
		return false, nil
	}
	if s.dest == nil {
		if s.dest, err = r.destination(ctx, s); err != nil {
			return true, err
		}
	}
	if err := reachable(ctx, s.dest); err != nil {
		return true, err
	}
	return true, s.dest.Cluster.Manage(ctx, kinds...)
}

// hookKinds returns the kinds of the hooks among results.
func hookKinds(results v1alpha1.ResourceResults) []schema.GroupVersionKind {
	var out []schema.GroupVersionKind
	for _, r := range results {
		gvk := schema.GroupVersionKind{Group: r.Group, Version: r.Version, Kind: r.Kind}
		if r.HookType != "" && !slices.Contains(out, gvk) {
			out = append(out, gvk)
		}
	}
	return out
}

// hooksRun reports whether a hook of the operation has not ended.
func hooksRun(st *v1alpha1.OperationState) bool {
	return st.SyncResult != nil && slices.ContainsFunc(st.SyncResult.Resources, func(r *v1alpha1.ResourceResult) bool {
		return r.HookType != "" && r.HookPhase == v1alpha1.OperationRunning
	})
}

// holdForHooks makes the Application wait at its deletion for the hooks that its manifests have for that, as Argo CD does.
func (s *run) holdForHooks() {
	for _, of := range []struct {
		hook      v1alpha1.HookType
		finalizer string
	}{{v1alpha1.HookPreDelete, v1alpha1.FinalizerPreDelete}, {v1alpha1.HookPostDelete, v1alpha1.FinalizerPostDelete}} {
		wanted := slices.ContainsFunc(s.desired.targets.Hooks, func(u *unstructured.Unstructured) bool {
			return slices.Contains(diff.HookTypes(u), of.hook)
		})
		for _, f := range []string{of.finalizer, of.finalizer + cleanup} {
			has := slices.Contains(s.app.Finalizers, f)
			switch {
			case wanted && !has:
				s.app.Finalizers = append(s.app.Finalizers, f)
			case !wanted && has:
				s.dropFinalizer(f)
			}
		}
	}
}

// cleanup ends the finalizer that holds an Application until the hooks that have run are cleared away.
const cleanup = "/cleanup"

func (s *run) dropFinalizer(name string) {
	s.app.Finalizers = slices.DeleteFunc(slices.Clone(s.app.Finalizers), func(f string) bool { return f == name })
}

// hookRetryAfter is how long a hook of a deletion that failed stays, so that its log can be read, before it is run again.
const hookRetryAfter = time.Minute

// runDeletionHooks brings the hooks of one type one step further. The Application stays until they have succeeded.
func (r *Reconciler) runDeletionHooks(ctx context.Context, s *run, t v1alpha1.HookType, finalizer string) (waiting string, err error) {
	for _, st := range []stage{{"permit", r.permit}, {"resolve", r.resolve}, {"render", r.render}, {"read", r.read}} {
		if err := st.run(ctx, s); err != nil {
			return "", fmt.Errorf("%s hooks cannot be run: %w; to delete without them, remove %s from metadata.finalizers", t, s.explain(err), finalizer)
		}
	}
	s.found = nil // what the comparison would warn of is of no interest any more
	hooks, err := apply.NewHooks(s.desired.targets.Hooks, apply.HookRun{
		Revision: leading(s.origin.inRevisions()), Started: s.app.DeletionTimestamp.Time,
		Track: s.track, Permit: func(ref object.Ref) error { return s.permits(s.dest, ref) },
	}, t)
	if err != nil {
		return "", err
	}
	op := apply.Operation{Hooks: hooks, Healthy: r.judgeOf(s).healthy, Read: s.dest.Cluster.Get, Options: apply.Options{Propagation: "foreground"}}
	waiting, err = apply.RunHooks(ctx, op, s.failedFor(t) >= hookRetryAfter, s.dest.Writer)
	if err != nil {
		s.again(hookRetryAfter)
		return "", fmt.Errorf("%s%w; it is run again in a minute. To delete without it, remove %s from metadata.finalizers", failedHook(t), err, finalizer)
	}
	return waiting, nil
}

// failedHook begins the message about a hook that failed; failedFor finds it again.
func failedHook(t v1alpha1.HookType) string { return fmt.Sprintf("%s hook failed: ", t) }

// failedFor returns for how long the Application has told of a failed hook of the type.
func (s *run) failedFor(t v1alpha1.HookType) time.Duration {
	for _, c := range s.app.Status.Conditions {
		if c.Type == v1alpha1.ConditionDeletionError && strings.HasPrefix(c.Message, failedHook(t)) && c.LastTransitionTime != nil {
			return s.now.Sub(c.LastTransitionTime.Time)
		}
	}
	return 0
}

// cleanDeletionHooks clears away the hooks of one type that have run.
func (r *Reconciler) cleanDeletionHooks(ctx context.Context, s *run, t v1alpha1.HookType) (waiting string, err error) {
	hooks := slices.DeleteFunc(s.owned(s.dest), func(l *object.Live) bool { return !slices.Contains(diff.HookTypes(l.Object), t) })
	op := apply.Operation{Healthy: r.judgeOf(s).healthy, Read: s.dest.Cluster.Get, Options: apply.Options{Propagation: "foreground"}}
	return apply.CleanHooks(ctx, hooks, op, s.dest.Writer)
}
