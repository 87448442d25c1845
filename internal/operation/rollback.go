package operation

import (
	"fmt"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
)

// Previous asks for the deployment before the present one.
const Previous = -1

// RollbackOptions are what a rollback may be asked for besides the deployment.
type RollbackOptions struct {
	Prune, DryRun bool
	Username      string
}

// Deployment finds a deployment in the history, or the one before the present.
func Deployment(app *v1alpha1.Application, id int64) (*v1alpha1.RevisionHistory, error) {
	history := app.Status.History
	hint := "belay app history " + qualified(app)
	if id == Previous {
		if len(history) < 2 {
			return nil, refuse(NoHistory, fault.NotFound, hint, "application %s should have at least two successful deployments", qualified(app))
		}
		return &history[len(history)-2], nil
	}
	for i := range history {
		if history[i].ID == id {
			return &history[i], nil
		}
	}
	return nil, refuse(NoHistory, fault.NotFound, hint, "application %s does not have deployment id %d in history", qualified(app), id)
}

// Rollback is a sync to the sources and revisions of an earlier deployment, without hooks. An application that syncs by
// itself is refused, because it would return at once.
func Rollback(app *v1alpha1.Application, to *v1alpha1.RevisionHistory, o RollbackOptions) (*v1alpha1.Operation, error) {
	if app.Spec.SyncPolicy.IsAutomated() && !o.DryRun {
		hint := fmt.Sprintf("switch it off first with: belay app set %s --sync-policy manual; or revert the commit in Git, which lasts", qualified(app))
		return nil, refuse(AutomatedSync, fault.Conflict, hint, "rollback cannot be initiated when auto-sync is enabled")
	}
	if to.Source.RepoURL == "" && len(to.Sources) == 0 {
		return nil, refuse(NoHistory, fault.NotFound, "", "deployment %d has no source on record", to.ID)
	}
	s := &v1alpha1.SyncOperation{
		Revision: to.Revision, Revisions: to.Revisions, Prune: o.Prune, DryRun: o.DryRun, Sources: to.Sources,
		SyncStrategy: &v1alpha1.SyncStrategy{Apply: &v1alpha1.SyncStrategyApply{}},
	}
	if len(to.Sources) == 0 {
		source := to.Source
		s.Source = &source
	}
	if app.Spec.SyncPolicy != nil {
		s.SyncOptions = app.Spec.SyncPolicy.SyncOptions
	}
	return &v1alpha1.Operation{Sync: s, InitiatedBy: v1alpha1.OperationInitiator{Username: o.Username}}, nil
}
