package apply

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
)

// AnnotationRun records on a hook's object which run of it that is, so that a process that takes up an operation knows
// a hook that it has started from one of an earlier sync, and does not start it twice.
const AnnotationRun = "belay.dev/hook-run"

// Hook is one hook of an operation, ready to be created.
type Hook struct {
	Type   v1alpha1.HookType
	Object *unstructured.Unstructured
	// Forbidden is the project's refusal.
	Forbidden error
}

// HookRun is what the names and marks of hooks depend on.
type HookRun struct {
	// Revision is the commit that is synced.
	Revision string
	// Started is when the operation began (for the deletion of an application: its deletionTimestamp).
	Started time.Time
	// Attempt counts retries from 0; each runs the hooks again.
	Attempt int64
	// Track marks an object as the application's.
	Track func(*unstructured.Unstructured) (*unstructured.Unstructured, error)
	// Permit is the project's verdict on an object; nil permits.
	Permit func(object.Ref) error
}

// NewHooks makes of the hooks in the manifests those of one operation, one for each of the types asked for. A hook with
// generateName gets a name that is the same whenever the operation is taken up again.
func NewHooks(manifests []*unstructured.Unstructured, run HookRun, types ...v1alpha1.HookType) ([]Hook, error) {
	var out []Hook
	for _, m := range manifests {
		for _, t := range diff.HookTypes(m) {
			if !slices.Contains(types, t) {
				continue
			}
			u := m.DeepCopy()
			if u.GetName() == "" {
				u.SetName(u.GetGenerateName() + run.suffix(t))
				unstructured.RemoveNestedField(u.Object, "metadata", "generateName")
			}
			if !slices.Contains(u.GetFinalizers(), v1alpha1.FinalizerHook) {
				u.SetFinalizers(append(u.GetFinalizers(), v1alpha1.FinalizerHook))
			}
			u, err := run.Track(u)
			if err != nil {
				return nil, fmt.Errorf("mark hook %s: %w", object.RefOf(u), err)
			}
			annotations := u.GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[AnnotationRun] = run.mark(t)
			u.SetAnnotations(annotations)
			h := Hook{Type: t, Object: u}
			if run.Permit != nil {
				h.Forbidden = run.Permit(object.RefOf(u))
			}
			out = append(out, h)
		}
	}
	return out, nil
}

// suffix ends a generated name: <revision>-<type>-<start>, in lower case, as with Argo CD.
func (r HookRun) suffix(t v1alpha1.HookType) string {
	rev := r.Revision
	if len(rev) > 7 {
		rev = rev[:7]
	}
	return strings.ToLower(fmt.Sprintf("%s-%s-%d", rev, t, r.Started.Unix()))
}

func (r HookRun) mark(t v1alpha1.HookType) string {
	return strings.Join([]string{string(t), strconv.FormatInt(r.Started.Unix(), 10), strconv.FormatInt(r.Attempt, 10)}, "/")
}

// SyncHooks are the types of hooks that run in a sync.
func SyncHooks() []v1alpha1.HookType {
	return []v1alpha1.HookType{v1alpha1.HookPreSync, v1alpha1.HookSync, v1alpha1.HookPostSync, v1alpha1.HookSyncFail}
}

// startedBy reports whether the live object is this very run of the hook.
func (h *Hook) startedBy(l *object.Live) bool {
	return l.Object.GetAnnotations()[AnnotationRun] == h.Object.GetAnnotations()[AnnotationRun]
}

// deletePolicy is when the object of a hook is deleted.
type deletePolicy string

const (
	beforeCreation deletePolicy = "BeforeHookCreation"
	hookSucceeded  deletePolicy = "HookSucceeded"
	hookFailed     deletePolicy = "HookFailed"
)

// deletes reports whether the hook has the policy: by Argo CD's annotation or by Helm's. One with none is deleted before it
// is created the next time.
func deletes(u *unstructured.Unstructured, policy deletePolicy) bool {
	have := policies(u)
	if len(have) == 0 {
		return policy == beforeCreation
	}
	return slices.Contains(have, policy)
}

func withoutPolicy(u *unstructured.Unstructured) bool { return len(policies(u)) == 0 }

func policies(u *unstructured.Unstructured) []deletePolicy {
	var have []deletePolicy
	for _, w := range strings.Split(u.GetAnnotations()[v1alpha1.AnnotationHookDeletePolicy], ",") {
		switch p := deletePolicy(strings.TrimSpace(w)); p {
		case beforeCreation, hookSucceeded, hookFailed:
			have = append(have, p)
		}
	}
	for _, w := range strings.Split(u.GetAnnotations()[v1alpha1.AnnotationHelmDeletePolicy], ",") {
		switch strings.TrimSpace(w) {
		case "before-hook-creation":
			have = append(have, beforeCreation)
		case "hook-succeeded":
			have = append(have, hookSucceeded)
		case "hook-failed":
			have = append(have, hookFailed)
		}
	}
	return have
}

// outcome says where a hook stands by the health of its object, as Argo CD does: an object without health is done once it
// is there, and what cannot be judged has failed.
func outcome(l *object.Live, healthy HealthFunc) (v1alpha1.OperationPhase, string) {
	status, message, ok := healthy(l)
	switch {
	case !ok || status == v1alpha1.HealthHealthy:
		return v1alpha1.OperationSucceeded, message
	case status == v1alpha1.HealthDegraded || status == v1alpha1.HealthUnknown:
		return v1alpha1.OperationFailed, message
	case l.Object.GetDeletionTimestamp() != nil:
		return v1alpha1.OperationFailed, "was deleted before it ended"
	}
	return v1alpha1.OperationRunning, message
}
