package apply

import (
	"sort"
	"strings"
	"sync"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// results collects what happened to each object of an operation; it is safe for concurrent use.
type results struct {
	mu    sync.Mutex
	byRef map[object.Ref]*v1alpha1.ResourceResult
	tell  func(*v1alpha1.ResourceResult)
}

func newResults(earlier []*v1alpha1.ResourceResult, tell func(*v1alpha1.ResourceResult)) *results {
	r := &results{byRef: make(map[object.Ref]*v1alpha1.ResourceResult, len(earlier)), tell: tell}
	for _, e := range earlier {
		r.byRef[object.Ref{Group: e.Group, Kind: e.Kind, Namespace: e.Namespace, Name: e.Name}] = e
	}
	return r
}

// finished reports whether an earlier step of the operation did the task. An object that differs again since is done
// again: what counts is the cluster.
func (r *results) finished(t *Task) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.byRef[t.Ref]
	if !ok || e.Status == v1alpha1.ResultSyncFailed {
		return false
	}
	return t.InSync() || t.prune() && e.Status != v1alpha1.ResultSynced
}

func (r *results) done(t *Task, code v1alpha1.ResultCode, message string) {
	r.put(t, code, message, v1alpha1.OperationRunning)
}

func (r *results) fail(t *Task, err error) {
	r.put(t, v1alpha1.ResultSyncFailed, err.Error(), v1alpha1.OperationFailed)
}

func (r *results) put(t *Task, code v1alpha1.ResultCode, message string, phase v1alpha1.OperationPhase) {
	version := t.subject().GroupVersionKind().Version
	res := &v1alpha1.ResourceResult{
		Group: t.Ref.Group, Version: version, Kind: t.Ref.Kind, Namespace: t.Ref.Namespace, Name: t.Ref.Name,
		Status: code, Message: short(message), SyncPhase: v1alpha1.SyncPhaseSync, HookPhase: phase,
		Images: object.Images(t.subject()),
	}
	if code == v1alpha1.ResultPruned {
		res.HookPhase = v1alpha1.OperationSucceeded
	}
	r.mu.Lock()
	r.byRef[t.Ref] = res
	r.mu.Unlock()
	if r.tell != nil {
		r.tell(res)
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
	refs := make([]object.Ref, 0, len(r.byRef))
	for ref := range r.byRef {
		refs = append(refs, ref)
	}
	sort.Slice(refs, func(a, b int) bool { return refs[a].Less(refs[b]) })
	out := make([]*v1alpha1.ResourceResult, len(refs))
	for i, ref := range refs {
		out[i] = r.byRef[ref]
	}
	return out
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
