// Package insight explains: Applications, plans, live objects and events go in; what a person looks at comes out: rows of
// services and environments, a plan for review with warnings and a digest, why something is not as it should be, deployments
// that were, and what differs between two applications. The types are the JSON of Belay's own views, for the server and the
// command line alike.
package insight

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
)

// Commit names a revision and says what it is.
type Commit struct {
	Revision string `json:"revision"`
	// Subject is the first line of the message.
	Subject string       `json:"subject,omitempty"`
	Author  string       `json:"author,omitempty"`
	Date    *metav1.Time `json:"date,omitempty"`
	// URL shows the commit at the host of the repository; empty when the host is unknown.
	URL string `json:"url,omitempty"`
}

// Deployment is an application as the list and the matrix of services and environments show it.
type Deployment struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Project   string `json:"project"`
	// Service and Environment are row and column of the matrix: from the labels app.kubernetes.io/name and environment,
	// otherwise from the path or the name.
	Service     string            `json:"service"`
	Environment string            `json:"environment"`
	Labels      map[string]string `json:"labels,omitempty"`

	RepoURL        string `json:"repoURL"`
	Path           string `json:"path,omitempty"`
	Chart          string `json:"chart,omitempty"`
	TargetRevision string `json:"targetRevision,omitempty"`
	DestServer     string `json:"destServer,omitempty"`
	DestName       string `json:"destName,omitempty"`
	DestNamespace  string `json:"destNamespace,omitempty"`

	// Deployed is the last deployment, Wanted the commit that Git has now when it is another one and would change something.
	Deployed   *Commit      `json:"deployed,omitempty"`
	DeployedAt *metav1.Time `json:"deployedAt,omitempty"`
	// DeployedBy is a user's name, or "automated".
	DeployedBy string   `json:"deployedBy,omitempty"`
	Wanted     *Commit  `json:"wanted,omitempty"`
	Images     []string `json:"images,omitempty"`

	Sync   v1alpha1.SyncStatusCode   `json:"sync"`
	Health v1alpha1.HealthStatusCode `json:"health"`
	// Operation is the phase of the last or running operation.
	Operation v1alpha1.OperationPhase `json:"operation,omitempty"`
	// Pending is what a sync would change, by the last comparison.
	Pending PlanCounts `json:"pending"`
	// Problem is the first cause in one sentence when something is not as it should be.
	Problem  string `json:"problem,omitempty"`
	AutoSync bool   `json:"autoSync"`
	SelfHeal bool   `json:"selfHeal"`
	Prune    bool   `json:"prune"`
	// Window says why no sync is permitted now; empty when one is.
	Window  string      `json:"window,omitempty"`
	Created metav1.Time `json:"created"`
	// Can names what the caller may do with it: sync, rollback, override, update, delete, logs.
	Can []string `json:"can"`
}

// PlanCounts are numbers of objects.
type PlanCounts struct {
	Create int `json:"create"`
	Update int `json:"update"`
	Delete int `json:"delete"`
}

// Plan is what a sync would do, for review.
type Plan struct {
	Application string   `json:"application"`
	Namespace   string   `json:"namespace"`
	Revisions   []string `json:"revisions"`
	Commits     []Commit `json:"commits"`
	// Digest stands for all that the plan says but the time. A sync that names it is refused when the plan has become
	// another one.
	Digest  string          `json:"digest"`
	Counts  PlanCounts      `json:"counts"`
	Objects []PlannedObject `json:"objects"`
	// Unchanged is how many objects stay as they are; they are not listed.
	Unchanged int `json:"unchanged"`
	// Hooks run with the sync.
	Hooks    []PlannedHook `json:"hooks,omitempty"`
	Warnings []PlanWarning `json:"warnings"`
	// Window says why no sync is permitted now, and when one will be; empty when one is.
	Window string `json:"window,omitempty"`
}

// ResourceRef names an object in JSON.
type ResourceRef struct {
	Group     string `json:"group,omitempty"`
	Version   string `json:"version,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
}

// Ref is the identity of the object.
func (r ResourceRef) Ref() object.Ref {
	return object.Ref{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}

func resourceRef(r object.Ref) ResourceRef {
	return ResourceRef{Group: r.Group, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}
}

// PlannedObject is an object that a sync would touch.
type PlannedObject struct {
	ResourceRef `json:",inline"`
	// Action is create, update or delete; none for an object that would not change and is refused.
	Action string `json:"action"`
	Reason string `json:"reason,omitempty"`
	// Restarts says that pods would be replaced.
	Restarts bool          `json:"restarts,omitempty"`
	Wave     int           `json:"wave"`
	Changes  []FieldChange `json:"changes,omitempty"`
	// Live and Desired are the manifests as YAML, masked; empty where there is none.
	Live    string `json:"live,omitempty"`
	Desired string `json:"desired,omitempty"`
	// Refused is why the cluster or the project would refuse the object.
	Refused string `json:"refused,omitempty"`
}

// FieldChange is a field that would change. Values are YAML; empty with the flag unset means absent.
type FieldChange struct {
	Path       string `json:"path"`
	Live       string `json:"live,omitempty"`
	Desired    string `json:"desired,omitempty"`
	HasLive    bool   `json:"hasLive"`
	HasDesired bool   `json:"hasDesired"`
	// Manager last wrote the live value.
	Manager string `json:"manager,omitempty"`
}

// PlannedHook is a hook that a sync runs.
type PlannedHook struct {
	ResourceRef `json:",inline"`
	Phase       string `json:"phase"`
	Wave        int    `json:"wave"`
}

// PlanWarning is what a reviewer should know before saying yes.
type PlanWarning struct {
	// Severity is info, warning or danger; danger wants the name of the application typed.
	Severity string `json:"severity"`
	// Code is stable: PruneVolume, PruneNamespace, PruneCRD, Prune, ImmutableField, ScaleToZero, ImageDowngrade, Restart,
	// HookRuns, WindowClosed, Refused, SharedResource.
	Code    string       `json:"code"`
	Message string       `json:"message"`
	Object  *ResourceRef `json:"object,omitempty"`
}

// Why explains what is not as it should be: one cause, its evidence, what to do next.
type Why struct {
	// Status is the word that is explained: OutOfSync, Degraded, Failed, ...; empty when all is well.
	Status   string     `json:"status,omitempty"`
	Sentence string     `json:"sentence"`
	Causes   []Cause    `json:"causes"`
	Next     []NextStep `json:"next"`
}

// Cause is one of the causes, the first one being the one to look at.
type Cause struct {
	Object   *ResourceRef `json:"object,omitempty"`
	Message  string       `json:"message"`
	Evidence []Evidence   `json:"evidence,omitempty"`
}

// Evidence is where a cause was seen.
type Evidence struct {
	// Kind is condition, status, event, log or field.
	Kind string       `json:"kind"`
	Text string       `json:"text"`
	Time *metav1.Time `json:"time,omitempty"`
}

// NextStep is what to do: a command, or a page of the user interface.
type NextStep struct {
	Text    string `json:"text"`
	Command string `json:"command,omitempty"`
	// Action is review, rollback, logs, diff or refresh.
	Action string `json:"action,omitempty"`
}

// HistoryEntry is a deployment that was.
type HistoryEntry struct {
	ID         int64        `json:"id"`
	Revisions  []string     `json:"revisions"`
	Commits    []Commit     `json:"commits"`
	StartedAt  *metav1.Time `json:"startedAt,omitempty"`
	DeployedAt metav1.Time  `json:"deployedAt"`
	// Actor is a user's name, or "automated".
	Actor  string `json:"actor"`
	Reason string `json:"reason,omitempty"`
	// Current says that the application is at this deployment now.
	Current bool `json:"current,omitempty"`
}

// Comparison is what differs between what two applications render.
type Comparison struct {
	From    string          `json:"from"`
	To      string          `json:"to"`
	Commits []Commit        `json:"commits,omitempty"`
	Objects []PlannedObject `json:"objects"`
	// Same is how many objects are equal.
	Same int `json:"same"`
}
