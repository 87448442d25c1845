package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
)

// draft is one reconciliation's view of what the server has stored.
type draft struct {
	// app is the Application as it was read, but with the operation, its state and the resourceVersion as they were
	// written last. What others change meanwhile is never compared with, and so never undone.
	app *v1alpha1.Application
	// overtaken says that somebody replaced the operation that was worked on: theirs counts.
	overtaken bool
}

func newDraft(app *v1alpha1.Application) *draft {
	copied := *app
	return &draft{app: &copied}
}

// write patches what the reconciliation changed; an unchanged application costs no request.
func (c *Controller) write(ctx context.Context, e *entry, d *draft, after *v1alpha1.Application, refreshed bool) error {
	if unchanged(d.app, after) {
		return nil
	}
	if !only(d.app, after) || refreshed {
		now := metav1.NewTime(c.Now().Truncate(time.Second))
		after.Status.ReconciledAt = &now
	}
	err := c.put(ctx, e, d, after)
	if tooLarge(err) && slim(after) {
		c.Log.Warn("the Application is too large to store; results of single objects are left out", "application", after.Namespace+"/"+after.Name)
		err = c.put(ctx, e, d, after)
	}
	return err
}

// tooLarge reports whether the server, or the store behind it, takes no object of that size.
func tooLarge(err error) bool {
	return err != nil && (apierrors.IsRequestEntityTooLargeError(err) || strings.Contains(err.Error(), "request is too large"))
}

// slim takes out of an Application what it can do without: the results of objects that did not fail. It reports whether
// there was anything to take. An Application that cannot be stored would be worked on again and again.
func slim(app *v1alpha1.Application) bool {
	state := app.Status.OperationState
	if state == nil || state.SyncResult == nil {
		return false
	}
	const most = 100
	var kept v1alpha1.ResourceResults
	for _, r := range state.SyncResult.Resources {
		if r.Status == v1alpha1.ResultSyncFailed && len(kept) < most {
			kept = append(kept, r)
		}
	}
	left := len(state.SyncResult.Resources) - len(kept)
	if left == 0 {
		return false
	}
	next, result := state.DeepCopy(), *state.SyncResult
	result.Resources = kept
	next.SyncResult = &result
	next.Message = fmt.Sprintf("%s (results of %d objects are left out: the Application would be too large to store)", state.Message, left)
	app.Status.OperationState = next
	return true
}

// progress writes the state of an operation that is still running, and reports whether it may go on. A failure is only
// logged: the next one may get through.
func (c *Controller) progress(ctx context.Context, e *entry, d *draft, st *v1alpha1.OperationState) (goOn bool) {
	if d.overtaken {
		return false
	}
	after := *d.app
	op := st.Operation
	after.Status.OperationState, after.Operation = st, &op
	if err := c.put(ctx, e, d, &after); err != nil {
		c.Log.Warn("write progress", "application", d.app.Name, "error", err.Error())
		d.app = uncertain(&after)
	}
	return !d.overtaken && !terminating(d.app)
}

// putTries bounds the attempts to write beside others who write to the same Application.
const putTries = 5

// put writes the difference of d and after. As long as only our own fields are concerned nobody can be in the way. The
// operation and its state are written by others too (a new operation, a termination), so they are written over what
// was seen alone.
func (c *Controller) put(ctx context.Context, e *entry, d *draft, after *v1alpha1.Application) error {
	data, err := mergePatch(d.app, after)
	if err != nil {
		return err
	}
	patch, err := decodePatch(data)
	if err != nil {
		return err
	}
	if d.overtaken {
		dropOperation(patch)
	}
	version := d.app.ResourceVersion
	for try := 1; ; try++ {
		if concernsOperation(patch) || concernsFinalizers(patch) {
			within(patch, "metadata")["resourceVersion"] = version
		}
		if data, err = json.Marshal(patch); err != nil {
			return fmt.Errorf("encode status patch: %w", err)
		}
		out := &v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: after.Namespace, Name: after.Name}}
		err = c.Client.Patch(ctx, out, client.RawPatch(types.MergePatchType, data))
		if err == nil {
			e.latest = out
			next := *d.app
			next.Operation, next.Status.OperationState, next.ResourceVersion = out.Operation, out.Status.OperationState, out.ResourceVersion
			d.app = &next
			return nil
		}
		if !apierrors.IsConflict(err) || try == putTries {
			return err
		}
		var fresh v1alpha1.Application
		if err := c.Reader.Get(ctx, client.ObjectKeyFromObject(after), &fresh); err != nil {
			return err
		}
		if fresh.UID != d.app.UID {
			return apierrors.NewNotFound(v1alpha1.GroupVersion().WithResource("applications").GroupResource(), after.Name)
		}
		d.overtaken = giveWay(patch, d.app, &fresh) || d.overtaken
		if !slices.Equal(fresh.Finalizers, d.app.Finalizers) {
			delete(within(patch, "metadata"), "finalizers") // that change wakes us, and then they are judged anew
		}
		version = fresh.ResourceVersion
	}
}

// giveWay changes a patch that was made for seen so that it undoes nothing of what others asked for in fresh: another
// operation, or the termination of this one. It reports whether there is another operation.
func giveWay(patch map[string]any, seen, fresh *v1alpha1.Application) (overtaken bool) {
	if fresh.Operation != nil && !equality.Semantic.DeepEqual(fresh.Operation, seen.Operation) {
		dropOperation(patch)
		return true
	}
	if status, ok := patch["status"].(map[string]any); ok && terminating(fresh) {
		if state, ok := status["operationState"].(map[string]any); ok {
			if phase, _ := state["phase"].(string); !v1alpha1.OperationPhase(phase).Completed() {
				state["phase"] = string(v1alpha1.OperationTerminating)
			}
		}
	}
	return false
}

func concernsOperation(patch map[string]any) bool {
	if _, ok := patch["operation"]; ok {
		return true
	}
	status, _ := patch["status"].(map[string]any)
	_, ok := status["operationState"]
	return ok
}

// concernsFinalizers: they are a list, which a patch replaces as a whole, so that it must have been made for what is there.
func concernsFinalizers(patch map[string]any) bool {
	meta, _ := patch["metadata"].(map[string]any)
	_, ok := meta["finalizers"]
	return ok
}

func dropOperation(patch map[string]any) {
	delete(patch, "operation")
	if meta, ok := patch["metadata"].(map[string]any); ok {
		delete(meta, "resourceVersion")
	}
	if status, ok := patch["status"].(map[string]any); ok {
		delete(status, "operationState")
	}
}

// within returns the object of that name in a patch, made where there is none.
func within(patch map[string]any, name string) map[string]any {
	m, ok := patch[name].(map[string]any)
	if !ok {
		m = map[string]any{}
		patch[name] = m
	}
	return m
}

func decodePatch(data []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var patch map[string]any
	if err := dec.Decode(&patch); err != nil {
		return nil, fmt.Errorf("read status patch: %w", err)
	}
	return patch, nil
}

// uncertain returns app with an operation state that nobody can have: a patch from there names every field of the state,
// those that are not set as well, and so is right whether the last write got through or not.
func uncertain(app *v1alpha1.Application) *v1alpha1.Application {
	out := *app
	out.Status.OperationState = &v1alpha1.OperationState{
		Phase: "?", Message: "?", RetryCount: -1, FinishedAt: &metav1.Time{Time: time.Unix(0, 0)},
		SyncResult: &v1alpha1.SyncOperationResult{Revision: "?", Revisions: []string{"?"}, Sources: v1alpha1.ApplicationSources{{}}},
	}
	return &out
}
