package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DefaultProjectName is the project of applications that name none.
const DefaultProjectName = "default"

// AppProject bounds what its applications may deploy, from where, to where and when, and who may act on them.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=appprojects,shortName=appproj;appprojs
type AppProject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec   AppProjectSpec   `json:"spec"`
	Status AppProjectStatus `json:"status,omitempty"`
}

// AppProjectList is a list of AppProjects.
//
// +kubebuilder:object:root=true
type AppProjectList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []AppProject `json:"items"`
}

// AppProjectSpec holds the bounds of a project. Patterns are globs; a leading "!" denies.
type AppProjectSpec struct {
	SourceRepos                     []string                               `json:"sourceRepos,omitempty"`
	Destinations                    []ApplicationDestination               `json:"destinations,omitempty"`
	Description                     string                                 `json:"description,omitempty"`
	Roles                           []ProjectRole                          `json:"roles,omitempty"`
	ClusterResourceWhitelist        []ClusterResourceRestrictionItem       `json:"clusterResourceWhitelist,omitempty"`
	NamespaceResourceBlacklist      []metav1.GroupKind                     `json:"namespaceResourceBlacklist,omitempty"`
	OrphanedResources               *OrphanedResourcesMonitorSettings      `json:"orphanedResources,omitempty"`
	SyncWindows                     SyncWindows                            `json:"syncWindows,omitempty"`
	NamespaceResourceWhitelist      []metav1.GroupKind                     `json:"namespaceResourceWhitelist,omitempty"`
	SignatureKeys                   []SignatureKey                         `json:"signatureKeys,omitempty"`
	ClusterResourceBlacklist        []ClusterResourceRestrictionItem       `json:"clusterResourceBlacklist,omitempty"`
	SourceNamespaces                []string                               `json:"sourceNamespaces,omitempty"`
	PermitOnlyProjectScopedClusters bool                                   `json:"permitOnlyProjectScopedClusters,omitempty"`
	DestinationServiceAccounts      []ApplicationDestinationServiceAccount `json:"destinationServiceAccounts,omitempty"`
	SourceIntegrity                 *SourceIntegrity                       `json:"sourceIntegrity,omitempty"`
}

// ClusterResourceRestrictionItem selects cluster-scoped objects by kind and, optionally, name (globs).
type ClusterResourceRestrictionItem struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Name  string `json:"name,omitempty"`
}

// ProjectRole is a role whose policies are bounded by the project.
type ProjectRole struct {
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Policies    []string   `json:"policies,omitempty"`
	JWTTokens   []JWTToken `json:"jwtTokens,omitempty"`
	Groups      []string   `json:"groups,omitempty"`
}

// JWTToken records an issued token; the token itself is not stored.
type JWTToken struct {
	IssuedAt  int64  `json:"iat"`
	ExpiresAt int64  `json:"exp,omitempty"`
	ID        string `json:"id,omitempty"`
}

// JWTTokens is a list of issued tokens.
type JWTTokens struct {
	Items []JWTToken `json:"items,omitempty"`
}

// OrphanedResourcesMonitorSettings switches on warnings about objects that no application owns.
type OrphanedResourcesMonitorSettings struct {
	Warn   *bool                 `json:"warn,omitempty"`
	Ignore []OrphanedResourceKey `json:"ignore,omitempty"`
}

// OrphanedResourceKey selects objects that are not reported as orphans (globs).
type OrphanedResourceKey struct {
	Group string `json:"group,omitempty"`
	Kind  string `json:"kind,omitempty"`
	Name  string `json:"name,omitempty"`
}

// SyncWindows is a list of windows.
type SyncWindows []*SyncWindow

// SyncWindow allows or denies syncs for Duration after each time of the cron Schedule.
type SyncWindow struct {
	Kind           string   `json:"kind,omitempty"`
	Schedule       string   `json:"schedule,omitempty"`
	Duration       string   `json:"duration,omitempty"`
	Applications   []string `json:"applications,omitempty"`
	Namespaces     []string `json:"namespaces,omitempty"`
	Clusters       []string `json:"clusters,omitempty"`
	ManualSync     bool     `json:"manualSync,omitempty"`
	TimeZone       string   `json:"timeZone,omitempty"`
	UseAndOperator bool     `json:"andOperator,omitempty"`
	Description    string   `json:"description,omitempty"`
	SyncOverrun    bool     `json:"syncOverrun,omitempty"`
}

// SignatureKey is the id of a GnuPG key that may sign commits.
type SignatureKey struct {
	KeyID string `json:"keyID"`
}

// ApplicationDestinationServiceAccount maps a destination (globs) to the service account that syncs impersonate.
type ApplicationDestinationServiceAccount struct {
	Server                string `json:"server"`
	Namespace             string `json:"namespace,omitempty"`
	DefaultServiceAccount string `json:"defaultServiceAccount"`
}

// SourceIntegrity holds signature requirements of sources.
type SourceIntegrity struct {
	Git *SourceIntegrityGit `json:"git,omitempty"`
}

// SourceIntegrityGit holds signature policies of Git repositories; the first matching one counts.
type SourceIntegrityGit struct {
	Policies []*SourceIntegrityGitPolicy `json:"policies,omitempty"`
}

// SourceIntegrityGitPolicy is one signature policy and the repositories that it covers.
type SourceIntegrityGitPolicy struct {
	Repos []SourceIntegrityGitPolicyRepo `json:"repos,omitempty"`
	GPG   *SourceIntegrityGitPolicyGPG   `json:"gpg,omitempty"`
}

// SourceIntegrityGitPolicyRepo selects repositories by URL glob.
type SourceIntegrityGitPolicyRepo struct {
	URL string `json:"url"`
}

// SourceIntegrityGitPolicyGPG says how far signatures are verified (none, head or strict) and by which keys.
type SourceIntegrityGitPolicyGPG struct {
	Mode string   `json:"mode"`
	Keys []string `json:"keys,omitempty"`
}

// AppProjectStatus records issued tokens by role.
type AppProjectStatus struct {
	JWTTokensByRole map[string]JWTTokens `json:"jwtTokensByRole,omitempty"`
}
