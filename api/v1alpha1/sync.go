package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SyncPolicy controls when syncs start by themselves and how they run.
type SyncPolicy struct {
	// Automated switches automatic syncs on; nil means manual.
	Automated *SyncPolicyAutomated `json:"automated,omitempty"`
	// SyncOptions are options such as CreateNamespace=true, see the sync options of Argo CD.
	SyncOptions SyncOptions `json:"syncOptions,omitempty"`
	// Retry controls retries of failed syncs; nil means none for manual and 5 for automated ones.
	Retry *RetryStrategy `json:"retry,omitempty"`
	// ManagedNamespaceMetadata is written to the namespace when CreateNamespace=true.
	ManagedNamespaceMetadata *ManagedNamespaceMetadata `json:"managedNamespaceMetadata,omitempty"`
}

// SyncPolicyAutomated controls automatic syncs.
type SyncPolicyAutomated struct {
	// Prune deletes objects that are no longer in Git.
	Prune bool `json:"prune,omitempty"`
	// SelfHeal syncs again when live objects drift.
	SelfHeal bool `json:"selfHeal,omitempty"`
	// AllowEmpty lets an automatic sync delete every object of the application.
	AllowEmpty bool `json:"allowEmpty,omitempty"`
	// Enabled set to false switches automation off and keeps the settings; nil means true.
	Enabled *bool `json:"enabled,omitempty"`
}

// SyncOptions is a list of Name=value options.
type SyncOptions []string

// ManagedNamespaceMetadata holds labels and annotations for the created namespace.
type ManagedNamespaceMetadata struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// RetryStrategy bounds and spaces retries of a failed sync.
type RetryStrategy struct {
	// Limit is the number of retries; negative means without limit.
	Limit int64 `json:"limit,omitempty"`
	// Backoff spaces the retries; nil means 5s doubling up to 3m.
	Backoff *Backoff `json:"backoff,omitempty"`
	// Refresh makes each retry resolve the revision again.
	Refresh bool `json:"refresh,omitempty"`
}

// Backoff is an exponential delay: Duration, then times Factor, at most MaxDuration.
type Backoff struct {
	Duration    string `json:"duration,omitempty"`
	Factor      *int64 `json:"factor,omitempty"`
	MaxDuration string `json:"maxDuration,omitempty"`
}

// Operation is a request to act, written to the top level of an Application and removed when done.
type Operation struct {
	Sync        *SyncOperation     `json:"sync,omitempty"`
	InitiatedBy OperationInitiator `json:"initiatedBy,omitempty"`
	Info        []*Info            `json:"info,omitempty"`
	Retry       RetryStrategy      `json:"retry,omitempty"`
}

// OperationInitiator says who asked for an operation.
type OperationInitiator struct {
	Username  string `json:"username,omitempty"`
	Automated bool   `json:"automated,omitempty"`
}

// SyncOperation asks for a sync, to a revision, of all or some objects.
type SyncOperation struct {
	// Revision overrides the source's targetRevision; empty means that.
	Revision     string                  `json:"revision,omitempty"`
	Prune        bool                    `json:"prune,omitempty"`
	DryRun       bool                    `json:"dryRun,omitempty"`
	SyncStrategy *SyncStrategy           `json:"syncStrategy,omitempty"`
	Resources    []SyncOperationResource `json:"resources,omitempty"`
	// Source overrides spec.source for this operation; a rollback uses it.
	Source *ApplicationSource `json:"source,omitempty"`
	// Manifests are local manifests in place of rendered ones.
	Manifests             []string           `json:"manifests,omitempty"`
	SyncOptions           SyncOptions        `json:"syncOptions,omitempty"`
	Sources               ApplicationSources `json:"sources,omitempty"`
	Revisions             []string           `json:"revisions,omitempty"`
	AutoHealAttemptsCount int64              `json:"autoHealAttemptsCount,omitempty"`
}

// SyncOperationResource selects one object for a partial sync.
type SyncOperationResource struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	// Exclude is used by command lines only and never stored.
	// +kubebuilder:validation:Optional
	Exclude bool `json:"-"`
}

// SyncStrategy chooses how objects are written.
type SyncStrategy struct {
	Apply *SyncStrategyApply `json:"apply,omitempty"`
	Hook  *SyncStrategyHook  `json:"hook,omitempty"`
}

// SyncStrategyApply writes objects without running hooks.
type SyncStrategyApply struct {
	Force bool `json:"force,omitempty"`
}

// SyncStrategyHook writes objects and runs hooks; it is the default.
type SyncStrategyHook struct {
	SyncStrategyApply `json:",inline"`
}

// OperationPhase is the state of an operation.
type OperationPhase string

// Phases of an operation.
const (
	OperationRunning     OperationPhase = "Running"
	OperationTerminating OperationPhase = "Terminating"
	OperationFailed      OperationPhase = "Failed"
	OperationError       OperationPhase = "Error"
	OperationSucceeded   OperationPhase = "Succeeded"
)

// Completed reports whether the operation has ended.
func (p OperationPhase) Completed() bool {
	return p == OperationFailed || p == OperationError || p == OperationSucceeded
}

// OperationState is the record of the running or last operation.
type OperationState struct {
	Operation  Operation            `json:"operation"`
	Phase      OperationPhase       `json:"phase"`
	Message    string               `json:"message,omitempty"`
	SyncResult *SyncOperationResult `json:"syncResult,omitempty"`
	StartedAt  metav1.Time          `json:"startedAt"`
	FinishedAt *metav1.Time         `json:"finishedAt,omitempty"`
	RetryCount int64                `json:"retryCount,omitempty"`
}

// SyncOperationResult is the outcome of a sync, object by object.
type SyncOperationResult struct {
	Resources                ResourceResults           `json:"resources,omitempty"`
	Revision                 string                    `json:"revision"`
	Source                   ApplicationSource         `json:"source,omitempty"`
	Sources                  ApplicationSources        `json:"sources,omitempty"`
	Revisions                []string                  `json:"revisions,omitempty"`
	ManagedNamespaceMetadata *ManagedNamespaceMetadata `json:"managedNamespaceMetadata,omitempty"`
}

// ResourceResults is a list of results.
type ResourceResults []*ResourceResult

// ResultCode is the outcome for one object.
type ResultCode string

// Result codes.
const (
	ResultSynced       ResultCode = "Synced"
	ResultSyncFailed   ResultCode = "SyncFailed"
	ResultPruned       ResultCode = "Pruned"
	ResultPruneSkipped ResultCode = "PruneSkipped"
)

// SyncPhase is the phase of a sync that a hook or object belongs to.
type SyncPhase string

// Sync phases, in order.
const (
	SyncPhasePreSync  SyncPhase = "PreSync"
	SyncPhaseSync     SyncPhase = "Sync"
	SyncPhasePostSync SyncPhase = "PostSync"
	SyncPhaseSyncFail SyncPhase = "SyncFail"
)

// HookType is the kind of hook that an object is: when in a sync, or in the deletion of the application, it runs.
type HookType string

// Hook types. Those that run in a sync bear the names of its phases.
const (
	HookPreSync    HookType = "PreSync"
	HookSync       HookType = "Sync"
	HookPostSync   HookType = "PostSync"
	HookSyncFail   HookType = "SyncFail"
	HookSkip       HookType = "Skip"
	HookPreDelete  HookType = "PreDelete"
	HookPostDelete HookType = "PostDelete"
)

// ResourceResult is the outcome of a sync for one object.
type ResourceResult struct {
	Group     string         `json:"group"`
	Version   string         `json:"version"`
	Kind      string         `json:"kind"`
	Namespace string         `json:"namespace"`
	Name      string         `json:"name"`
	Status    ResultCode     `json:"status,omitempty"`
	Message   string         `json:"message,omitempty"`
	HookType  HookType       `json:"hookType,omitempty"`
	HookPhase OperationPhase `json:"hookPhase,omitempty"`
	SyncPhase SyncPhase      `json:"syncPhase,omitempty"`
	Images    []string       `json:"images,omitempty"`
}
