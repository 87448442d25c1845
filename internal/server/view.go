package server

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/insight"
)

// The views below are Belay's own, served under /api/belay/v1. Times are RFC 3339.

// RevisionMetadata is what a commit says of itself; also of Application.RevisionMetadata.
type RevisionMetadata struct {
	Author  string      `json:"author,omitempty"`
	Date    metav1.Time `json:"date,omitempty"`
	Tags    []string    `json:"tags,omitempty"`
	Message string      `json:"message,omitempty"`
}

// The views are made by packages insight and audit, for the server and the command line alike.
type (
	// Commit names a revision and says what it is.
	Commit = insight.Commit
	// Deployment is an application as the list and the matrix of services and environments show it.
	Deployment = insight.Deployment
	// PlanCounts are numbers of objects.
	PlanCounts = insight.PlanCounts
	// Plan is what a sync would do, for review.
	Plan = insight.Plan
	// ResourceRef names an object in JSON.
	ResourceRef = insight.ResourceRef
	// PlannedObject is an object that a sync would touch.
	PlannedObject = insight.PlannedObject
	// FieldChange is a field that would change.
	FieldChange = insight.FieldChange
	// PlannedHook is a hook that a sync runs.
	PlannedHook = insight.PlannedHook
	// PlanWarning is what a reviewer should know before saying yes.
	PlanWarning = insight.PlanWarning
	// Why explains what is not as it should be.
	Why = insight.Why
	// Cause is one of the causes, the first one being the one to look at.
	Cause = insight.Cause
	// Evidence is where a cause was seen.
	Evidence = insight.Evidence
	// NextStep is what to do: a command, or a page of the user interface.
	NextStep = insight.NextStep
	// HistoryEntry is a deployment that was.
	HistoryEntry = insight.HistoryEntry
	// Comparison is what differs between what two applications render.
	Comparison = insight.Comparison
	// Activity is something that happened to an application, or that somebody did.
	Activity = audit.Activity
	// ActivityQuery selects activities, the latest first.
	ActivityQuery = audit.Query
	// ActivityList is a page of activities.
	ActivityList = audit.Page
)

// DeploymentList are all deployments that the caller may see.
type DeploymentList struct {
	Items []Deployment `json:"items"`
	// Environments are the columns of the matrix, in their order.
	Environments []string `json:"environments"`
	// Cursor is where the stream goes on from.
	Cursor string `json:"cursor"`
}

// PlanSyncRequest syncs exactly what was reviewed.
type PlanSyncRequest struct {
	Name         string `path:"name" json:"-"`
	AppNamespace string `query:"appNamespace" json:"-"`
	// Digest is the plan's. A plan that has become another one is a Conflict, and nothing is started.
	Digest    string   `json:"digest"`
	Revisions []string `json:"revisions"`
	Prune     bool     `json:"prune,omitempty"`
	// Reason is kept in operation.info.
	Reason string `json:"reason,omitempty"`
	// Objects are those to sync; empty means all.
	Objects []ResourceRef `json:"objects,omitempty"`
	// Override says that the plan is of other revisions than those that the application follows.
	Override bool `json:"override,omitempty"`
}

// HistoryList are the deployments, the latest first.
type HistoryList struct {
	Items []HistoryEntry `json:"items"`
}

// Me is who the caller is and what the user interface may offer.
type Me struct {
	LoggedIn  bool     `json:"loggedIn"`
	Username  string   `json:"username,omitempty"`
	Groups    []string `json:"groups,omitempty"`
	Issuer    string   `json:"issuer,omitempty"`
	CanCreate bool     `json:"canCreate"`
}
