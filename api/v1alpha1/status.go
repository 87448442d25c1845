package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ApplicationStatus is what the controller last saw and did.
type ApplicationStatus struct {
	Resources            []ResourceStatus        `json:"resources,omitempty"`
	Sync                 SyncStatus              `json:"sync,omitempty"`
	Health               AppHealthStatus         `json:"health,omitempty"`
	History              RevisionHistories       `json:"history,omitempty"`
	Conditions           []ApplicationCondition  `json:"conditions,omitempty"`
	ReconciledAt         *metav1.Time            `json:"reconciledAt,omitempty"`
	OperationState       *OperationState         `json:"operationState,omitempty"`
	ObservedAt           *metav1.Time            `json:"observedAt,omitempty"`
	SourceType           ApplicationSourceType   `json:"sourceType,omitempty"`
	Summary              ApplicationSummary      `json:"summary,omitempty"`
	ResourceHealthSource string                  `json:"resourceHealthSource,omitempty"`
	SourceTypes          []ApplicationSourceType `json:"sourceTypes,omitempty"`
	ControllerNamespace  string                  `json:"controllerNamespace,omitempty"`
	SourceHydrator       SourceHydratorStatus    `json:"sourceHydrator,omitempty"`
}

// ApplicationSourceType says how a source becomes manifests.
type ApplicationSourceType string

// Source types.
const (
	SourceTypeHelm      ApplicationSourceType = "Helm"
	SourceTypeKustomize ApplicationSourceType = "Kustomize"
	SourceTypeDirectory ApplicationSourceType = "Directory"
	SourceTypePlugin    ApplicationSourceType = "Plugin"
)

// SyncStatusCode says whether live objects match Git.
type SyncStatusCode string

// Sync status codes.
const (
	SyncStatusUnknown   SyncStatusCode = "Unknown"
	SyncStatusSynced    SyncStatusCode = "Synced"
	SyncStatusOutOfSync SyncStatusCode = "OutOfSync"
)

// SyncStatus is the result of the last comparison.
type SyncStatus struct {
	Status     SyncStatusCode `json:"status"`
	ComparedTo ComparedTo     `json:"comparedTo,omitempty"`
	Revision   string         `json:"revision,omitempty"`
	Revisions  []string       `json:"revisions,omitempty"`
}

// ComparedTo is the input of the last comparison.
type ComparedTo struct {
	Source            ApplicationSource      `json:"source,omitempty"`
	Destination       ApplicationDestination `json:"destination"`
	Sources           ApplicationSources     `json:"sources,omitempty"`
	IgnoreDifferences IgnoreDifferences      `json:"ignoreDifferences,omitempty"`
}

// HealthStatusCode is the health of an object or application.
type HealthStatusCode string

// Health status codes, from best to worst.
const (
	HealthHealthy     HealthStatusCode = "Healthy"
	HealthSuspended   HealthStatusCode = "Suspended"
	HealthProgressing HealthStatusCode = "Progressing"
	HealthMissing     HealthStatusCode = "Missing"
	HealthDegraded    HealthStatusCode = "Degraded"
	HealthUnknown     HealthStatusCode = "Unknown"
)

// HealthStatus is the health of one object and why.
type HealthStatus struct {
	Status             HealthStatusCode `json:"status,omitempty"`
	Message            string           `json:"message,omitempty"`
	LastTransitionTime *metav1.Time     `json:"lastTransitionTime,omitempty"`
}

// AppHealthStatus is the health of an application: the worst of its objects.
type AppHealthStatus struct {
	Status             HealthStatusCode `json:"status,omitempty"`
	Message            string           `json:"message,omitempty"`
	LastTransitionTime *metav1.Time     `json:"lastTransitionTime,omitempty"`
}

// ResourceStatus is the sync and health status of one object of the application.
type ResourceStatus struct {
	Group                        string         `json:"group,omitempty"`
	Version                      string         `json:"version,omitempty"`
	Kind                         string         `json:"kind,omitempty"`
	Namespace                    string         `json:"namespace,omitempty"`
	Name                         string         `json:"name,omitempty"`
	Status                       SyncStatusCode `json:"status,omitempty"`
	Health                       *HealthStatus  `json:"health,omitempty"`
	Hook                         bool           `json:"hook,omitempty"`
	RequiresPruning              bool           `json:"requiresPruning,omitempty"`
	SyncWave                     int64          `json:"syncWave,omitempty"`
	RequiresDeletionConfirmation bool           `json:"requiresDeletionConfirmation,omitempty"`
}

// RevisionHistories is the list of successful full syncs, oldest first.
type RevisionHistories []RevisionHistory

// RevisionHistory is one successful full sync.
type RevisionHistory struct {
	Revision        string             `json:"revision,omitempty"`
	DeployedAt      metav1.Time        `json:"deployedAt"`
	ID              int64              `json:"id"`
	Source          ApplicationSource  `json:"source,omitempty"`
	DeployStartedAt *metav1.Time       `json:"deployStartedAt,omitempty"`
	Sources         ApplicationSources `json:"sources,omitempty"`
	Revisions       []string           `json:"revisions,omitempty"`
	InitiatedBy     OperationInitiator `json:"initiatedBy,omitempty"`
}

// ApplicationSummary holds links and images of the live objects.
type ApplicationSummary struct {
	ExternalURLs []string `json:"externalURLs,omitempty"`
	Images       []string `json:"images,omitempty"`
	IsAppOfApps  bool     `json:"isAppOfApps,omitempty"`
}

// ConditionType is the type of an application condition.
type ConditionType string

// Condition types. Those that end in Error stop syncs; those that end in Warning do not.
const (
	ConditionDeletionError           ConditionType = "DeletionError"
	ConditionInvalidSpecError        ConditionType = "InvalidSpecError"
	ConditionComparisonError         ConditionType = "ComparisonError"
	ConditionSyncError               ConditionType = "SyncError"
	ConditionUnknownError            ConditionType = "UnknownError"
	ConditionSharedResourceWarning   ConditionType = "SharedResourceWarning"
	ConditionRepeatedResourceWarning ConditionType = "RepeatedResourceWarning"
	ConditionExcludedResourceWarning ConditionType = "ExcludedResourceWarning"
	ConditionOrphanedResourceWarning ConditionType = "OrphanedResourceWarning"
	// ConditionSpecWarning names fields that are not acted on; Argo CD has no such type.
	ConditionSpecWarning ConditionType = "SpecWarning"
)

// ApplicationCondition is one problem or warning of an application.
type ApplicationCondition struct {
	Type               ConditionType `json:"type"`
	Message            string        `json:"message"`
	LastTransitionTime *metav1.Time  `json:"lastTransitionTime,omitempty"`
}

// SourceHydratorStatus is the state of the hydrator.
type SourceHydratorStatus struct {
	LastSuccessfulOperation *SuccessfulHydrateOperation `json:"lastSuccessfulOperation,omitempty"`
	CurrentOperation        *HydrateOperation           `json:"currentOperation,omitempty"`
}

// SuccessfulHydrateOperation is the last hydration that succeeded.
type SuccessfulHydrateOperation struct {
	DrySHA         string         `json:"drySHA,omitempty"`
	HydratedSHA    string         `json:"hydratedSHA,omitempty"`
	SourceHydrator SourceHydrator `json:"sourceHydrator,omitempty"`
}

// HydrateOperation is the running or last hydration.
type HydrateOperation struct {
	StartedAt      metav1.Time    `json:"startedAt,omitempty"`
	FinishedAt     *metav1.Time   `json:"finishedAt,omitempty"`
	Phase          string         `json:"phase"`
	Message        string         `json:"message"`
	DrySHA         string         `json:"drySHA,omitempty"`
	HydratedSHA    string         `json:"hydratedSHA,omitempty"`
	SourceHydrator SourceHydrator `json:"sourceHydrator,omitempty"`
}
