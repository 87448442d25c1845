package apply

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// results collects what happened to each object of an operation; it is safe for concurrent use.
type results struct {
	mu   sync.Mutex
	of   map[resultKey]*v1alpha1.ResourceResult
	tell func(list func() []*v1alpha1.ResourceResult)
}

// resultKey tells results apart: one manifest may be a hook of several phases.
type resultKey struct {
	ref   object.Ref
	phase v1alpha1.SyncPhase
}

func (t *Task) key() resultKey { return resultKey{t.Ref, t.Phase} }

func keyOf(r *v1alpha1.ResourceResult) resultKey {
	phase := r.SyncPhase
	if phase == "" {
		phase = v1alpha1.SyncPhaseSync
	}
	return resultKey{object.Ref{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}, phase}
}

func newResults(earlier []*v1alpha1.ResourceResult, tell func(func() []*v1alpha1.ResourceResult)) *results {
	r := &results{of: make(map[resultKey]*v1alpha1.ResourceResult, len(earlier)), tell: tell}
	for _, e := range earlier {
		r.of[keyOf(e)] = e
	}
	return r
}

func (r *results) get(t *Task) *v1alpha1.ResourceResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[t.key()]
}

// finished reports whether an earlier step of the operation did the task. An object that differs again since is done
// again: what counts is the cluster.
func (r *results) finished(t *Task) bool {
	e := r.get(t)
	if e == nil || e.Status == v1alpha1.ResultSyncFailed {
		return false
	}
	return t.InSync() || t.prune() && e.Status != v1alpha1.ResultSynced
}

// pruned reports whether the deletion of the task's object was asked for.
func (r *results) pruned(t *Task) bool {
	e := r.get(t)
	return e != nil && e.Status == v1alpha1.ResultPruned
}

func (r *results) done(t *Task, code v1alpha1.ResultCode, message string) {
	r.put(t, code, message, v1alpha1.OperationRunning)
}

func (r *results) fail(t *Task, err error) {
	r.put(t, v1alpha1.ResultSyncFailed, err.Error(), v1alpha1.OperationFailed)
}

// hook records where a hook stands whose object is in the cluster.
func (r *results) hook(t *Task, phase v1alpha1.OperationPhase, message string) {
	r.put(t, v1alpha1.ResultSynced, message, phase)
}

// settled records that an object is healthy after it was written: what happens to it later does not concern the operation.
func (r *results) settled(t *Task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.of[t.key()]; e != nil && e.HookPhase == v1alpha1.OperationRunning {
		next := *e
		next.HookPhase = v1alpha1.OperationSucceeded
		r.of[t.key()] = &next
	}
}

// hookPhase returns where a hook stands, "" for one that has not been started.
func (r *results) hookPhase(t *Task) v1alpha1.OperationPhase {
	if e := r.get(t); e != nil {
		return e.HookPhase
	}
	return ""
}

func (r *results) put(t *Task, code v1alpha1.ResultCode, message string, phase v1alpha1.OperationPhase) {
	version := t.subject().GroupVersionKind().Version
	res := &v1alpha1.ResourceResult{
		Group: t.Ref.Group, Version: version, Kind: t.Ref.Kind, Namespace: t.Ref.Namespace, Name: t.Ref.Name,
		Status: code, Message: short(message), SyncPhase: t.Phase, HookPhase: phase,
		Images: object.Images(t.subject()),
	}
	if t.Hook != nil {
		res.HookType = t.Hook.Type
	}
	if code == v1alpha1.ResultPruned {
		res.HookPhase = v1alpha1.OperationSucceeded
	}
	r.mu.Lock()
	r.of[t.key()] = res
	r.mu.Unlock()
	if r.tell != nil {
		r.tell(r.list)
	}
}

// longest bounds one message: results of all objects are stored in one Application.
const longest = 2000

func short(message string) string {
	if len(message) <= longest {
		return message
	}
	return strings.ToValidUTF8(message[:longest], "") + " (shortened)"
}

func (r *results) list() []*v1alpha1.ResourceResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := slices.SortedFunc(maps.Keys(r.of), func(a, b resultKey) int {
		switch {
		case a.phase != b.phase:
			return phaseOrder(a.phase) - phaseOrder(b.phase)
		case a.ref.Less(b.ref):
			return -1
		}
		return 1
	})
	out := make([]*v1alpha1.ResourceResult, len(keys))
	for i, k := range keys {
		out[i] = r.of[k]
	}
	return out
}

// failed reports whether a task went wrong in this step or an earlier one, hooks of the phase SyncFail apart: those run
// because something went wrong before.
func (r *results) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, e := range r.of {
		if key.phase != v1alpha1.SyncPhaseSyncFail && bad(e) {
			return true
		}
	}
	return false
}

func bad(e *v1alpha1.ResourceResult) bool {
	return e.Status == v1alpha1.ResultSyncFailed || e.HookPhase == v1alpha1.OperationFailed || e.HookPhase == v1alpha1.OperationError
}

// verdict is the message of a sync that failed: what went wrong first, and what went wrong with its SyncFail hooks.
func (r *results) verdict() string {
	var refused, unsuccessful, rescue string
	for _, e := range r.list() {
		switch {
		case !bad(e):
		case e.SyncPhase == v1alpha1.SyncPhaseSyncFail:
			rescue = firstOf(rescue, reason(e))
		case e.Status == v1alpha1.ResultSyncFailed:
			refused = firstOf(refused, e.Message)
		default:
			unsuccessful = firstOf(unsuccessful, reason(e))
		}
	}
	message := "one or more objects failed to apply, reason: " + refused
	if refused == "" {
		message = "one or more synchronization tasks completed unsuccessfully, reason: " + unsuccessful
	}
	if rescue != "" {
		message += "; one or more SyncFail hooks failed, reason: " + rescue
	}
	return message
}

func firstOf(have, otherwise string) string {
	if have != "" {
		return have
	}
	return otherwise
}

// reason tells of a task that was carried out and came to nothing good.
func reason(e *v1alpha1.ResourceResult) string {
	if e.Status == v1alpha1.ResultSyncFailed {
		return e.Message
	}
	return fmt.Sprintf("%s %s", keyOf(e).ref, e.Message)
}

// causes returns the first failure as a suffix of a message.
func (r *results) causes() string {
	for _, e := range r.list() {
		if e.Status == v1alpha1.ResultSyncFailed {
			return ", reason: " + e.Message
		}
	}
	return ""
}
