// Package operation decides what may be started on an Application: the application, and what is asked for, go in; the
// operation to write, as a merge patch, or the refusal comes out. It is the protocol of Argo CD: an operation is set where
// none is, and the record of the last one goes with it; a running one is ended by its phase.
package operation

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// Codes of refusals; they are stable.
const (
	Deleting      = "AppDeleting"
	InProgress    = "OperationInProgress"
	None          = "NoOperation"
	AutomatedSync = "AutomatedSync"
	NoHistory     = "NoHistory"
	SyncWindow    = "SyncWindow"
)

// Refusal says why an operation is not started, and what to do about it.
type Refusal struct {
	Code string
	// Hint names commands of belay; empty when there is none.
	Hint string
	err  error
}

func (r *Refusal) Error() string { return r.err.Error() }

// Unwrap gives the error of its kind: Conflict with the state of the application, Denied by a window, NotFound.
func (r *Refusal) Unwrap() error { return r.err }

func refuse(code string, kind fault.Kind, hint, format string, args ...any) error {
	return &Refusal{Code: code, Hint: hint, err: fault.New(kind, format, args...)}
}

// Start returns the merge patch that starts op, or the refusal of an application that has an operation or goes away. It
// holds for the state that was read: a writer adds that resourceVersion.
func Start(app *v1alpha1.Application, op *v1alpha1.Operation, now time.Time) (map[string]any, error) {
	if err := Busy(app, now); err != nil {
		return nil, err
	}
	data, err := json.Marshal(op)
	if err != nil {
		return nil, fmt.Errorf("encode operation: %w", err)
	}
	var value map[string]any
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, fmt.Errorf("encode operation: %w", err)
	}
	return map[string]any{"operation": value, "status": map[string]any{"operationState": nil}}, nil
}

// Busy refuses an application that is going away or has an operation, and says whose, since when, and what to do.
func Busy(app *v1alpha1.Application, now time.Time) error {
	if app.DeletionTimestamp != nil {
		return refuse(Deleting, fault.Conflict, "", "application %s is being deleted", qualified(app))
	}
	if app.Operation == nil {
		return nil
	}
	what := "an operation"
	if s := app.Operation.Sync; s != nil {
		what = "a sync"
		if s.DryRun {
			what = "a dry run"
		}
		if s.Revision != "" {
			what += " to " + short(s.Revision)
		}
	}
	text := fmt.Sprintf("another operation is already in progress on application %s: %s", qualified(app), what)
	if by := Initiator(app.Operation.InitiatedBy); by != "" {
		text += " by " + by
	}
	if st := app.Status.OperationState; st != nil && !st.StartedAt.IsZero() {
		text += fmt.Sprintf(", %s since %s ago", st.Phase, now.Sub(st.StartedAt.Time).Round(time.Second))
	} else {
		text += ", not yet taken up by the controller"
	}
	return refuse(InProgress, fault.Conflict,
		fmt.Sprintf("wait for it with: belay app wait %[1]s --operation, or end it with: belay app terminate-op %[1]s", qualified(app)), "%s", text)
}

// Terminate returns the merge patch that ends the running operation; the controller then does it. One that no controller has
// taken up yet is taken back. Nil means that it is ending already.
func Terminate(app *v1alpha1.Application) (map[string]any, error) {
	switch {
	case app.Operation == nil:
		return nil, refuse(None, fault.Conflict, "", "unable to terminate operation of application %s: no operation is in progress", qualified(app))
	case app.Status.OperationState == nil:
		return map[string]any{"operation": nil}, nil
	case app.Status.OperationState.Phase == v1alpha1.OperationTerminating:
		return nil, nil
	}
	return map[string]any{"status": map[string]any{"operationState": map[string]any{"phase": string(v1alpha1.OperationTerminating)}}}, nil
}

// Initiator says who started an operation.
func Initiator(i v1alpha1.OperationInitiator) string {
	if i.Automated {
		return "automated sync policy"
	}
	return i.Username
}

func qualified(app *v1alpha1.Application) string {
	if app.Namespace == "" {
		return app.Name
	}
	return app.Namespace + "/" + app.Name
}

// short is how people write a commit; other revisions stay as they are.
func short(revision string) string {
	if len(revision) != 40 && len(revision) != 64 {
		return revision
	}
	for _, c := range revision {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return revision
		}
	}
	return revision[:7]
}
