package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// historyLimit is the length of status.history when spec.revisionHistoryLimit is not set.
const historyLimit = 10

// History appends a successful full sync and drops the oldest entries beyond the limit. Ids grow by one and are never
// used again.
func History(old v1alpha1.RevisionHistories, op *v1alpha1.OperationState, limit *int64, at metav1.Time) v1alpha1.RevisionHistories {
	id := int64(0)
	if n := len(old); n > 0 {
		id = old[n-1].ID + 1
	}
	started := op.StartedAt
	out := append(append(v1alpha1.RevisionHistories{}, old...), v1alpha1.RevisionHistory{
		ID: id, Revision: op.SyncResult.Revision, Revisions: op.SyncResult.Revisions,
		Source: op.SyncResult.Source, Sources: op.SyncResult.Sources,
		DeployedAt: at, DeployStartedAt: &started, InitiatedBy: op.Operation.InitiatedBy,
	})
	keep := int64(historyLimit)
	if limit != nil {
		keep = max(*limit, 0)
	}
	if n := int64(len(out)); n > keep {
		out = out[n-keep:]
	}
	return out
}
