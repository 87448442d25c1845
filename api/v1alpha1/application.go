package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Application says which manifests of which repository belong in which cluster and namespace.
// It has no status subresource: clients write spec, operation and status in one update, as with Argo CD.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=applications,shortName=app;apps
// +kubebuilder:printcolumn:name="Sync Status",type=string,JSONPath=`.status.sync.status`
// +kubebuilder:printcolumn:name="Health Status",type=string,JSONPath=`.status.health.status`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.sync.revision`,priority=10
// +kubebuilder:printcolumn:name="Project",type=string,JSONPath=`.spec.project`,priority=10
type Application struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec      ApplicationSpec   `json:"spec"`
	Status    ApplicationStatus `json:"status,omitempty"`
	Operation *Operation        `json:"operation,omitempty"`
}

// ApplicationList is a list of Applications.
//
// +kubebuilder:object:root=true
type ApplicationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`

	Items []Application `json:"items"`
}

// ApplicationSpec is the desired state: what, from where, to where, and how it is kept in step.
type ApplicationSpec struct {
	// Source is the single source; ignored when Sources is not empty.
	Source *ApplicationSource `json:"source,omitempty"`
	// Destination is the cluster and namespace that receive the manifests.
	Destination ApplicationDestination `json:"destination"`
	// Project names the AppProject that bounds this application; empty means "default".
	Project string `json:"project"`
	// SyncPolicy controls when and how syncs run; nil means manual syncs without options.
	SyncPolicy *SyncPolicy `json:"syncPolicy,omitempty"`
	// IgnoreDifferences lists fields that are left out of the comparison.
	IgnoreDifferences IgnoreDifferences `json:"ignoreDifferences,omitempty"`
	// Info is shown to users and not acted on.
	Info []Info `json:"info,omitempty"`
	// RevisionHistoryLimit bounds status.history; nil means 10, 0 means none.
	RevisionHistoryLimit *int64 `json:"revisionHistoryLimit,omitempty"`
	// Sources is the multi-source form; it overrides Source.
	Sources ApplicationSources `json:"sources,omitempty"`
	// SourceHydrator renders dry manifests into a hydrated branch.
	SourceHydrator *SourceHydrator `json:"sourceHydrator,omitempty"`
}

// ApplicationSources is an ordered list of sources; on equal objects the last one wins.
type ApplicationSources []ApplicationSource

// ApplicationSource names a repository, a revision of it and how its content becomes manifests.
type ApplicationSource struct {
	RepoURL        string                      `json:"repoURL"`
	Path           string                      `json:"path,omitempty"`
	TargetRevision string                      `json:"targetRevision,omitempty"`
	Helm           *ApplicationSourceHelm      `json:"helm,omitempty"`
	Kustomize      *ApplicationSourceKustomize `json:"kustomize,omitempty"`
	Directory      *ApplicationSourceDirectory `json:"directory,omitempty"`
	Plugin         *ApplicationSourcePlugin    `json:"plugin,omitempty"`
	// Chart is the chart name when RepoURL is a Helm repository.
	Chart string `json:"chart,omitempty"`
	// Ref names this source for $ref/path value files of the other sources.
	Ref string `json:"ref,omitempty"`
	// Name is a label for command lines.
	Name string `json:"name,omitempty"`
	// TagPrefix limits a semver constraint to tags that begin with it.
	TagPrefix string `json:"tagPrefix,omitempty"`
}

// ApplicationSourceHelm holds the options of a chart render (`helm template`).
type ApplicationSourceHelm struct {
	ValueFiles              []string            `json:"valueFiles,omitempty"`
	Parameters              []HelmParameter     `json:"parameters,omitempty"`
	ReleaseName             string              `json:"releaseName,omitempty"`
	Values                  string              `json:"values,omitempty"`
	FileParameters          []HelmFileParameter `json:"fileParameters,omitempty"`
	Version                 string              `json:"version,omitempty"`
	PassCredentials         bool                `json:"passCredentials,omitempty"`
	IgnoreMissingValueFiles bool                `json:"ignoreMissingValueFiles,omitempty"`
	SkipCrds                bool                `json:"skipCrds,omitempty"`
	// +kubebuilder:pruning:PreserveUnknownFields
	ValuesObject         *runtime.RawExtension `json:"valuesObject,omitempty"`
	Namespace            string                `json:"namespace,omitempty"`
	KubeVersion          string                `json:"kubeVersion,omitempty"`
	APIVersions          []string              `json:"apiVersions,omitempty"`
	SkipTests            bool                  `json:"skipTests,omitempty"`
	SkipSchemaValidation bool                  `json:"skipSchemaValidation,omitempty"`
}

// HelmParameter is one --set (or --set-string with ForceString).
type HelmParameter struct {
	Name        string `json:"name,omitempty"`
	Value       string `json:"value,omitempty"`
	ForceString bool   `json:"forceString,omitempty"`
}

// HelmFileParameter is one --set-file.
type HelmFileParameter struct {
	Name string `json:"name,omitempty"`
	Path string `json:"path,omitempty"`
}

// ApplicationSourceKustomize holds overrides that are laid over the kustomization at the path.
type ApplicationSourceKustomize struct {
	NamePrefix string `json:"namePrefix,omitempty"`
	NameSuffix string `json:"nameSuffix,omitempty"`
	// Images are overrides of the form [old_name=]new_name[:tag][@digest].
	Images                    KustomizeImages   `json:"images,omitempty"`
	CommonLabels              map[string]string `json:"commonLabels,omitempty"`
	Version                   string            `json:"version,omitempty"`
	CommonAnnotations         map[string]string `json:"commonAnnotations,omitempty"`
	ForceCommonLabels         bool              `json:"forceCommonLabels,omitempty"`
	ForceCommonAnnotations    bool              `json:"forceCommonAnnotations,omitempty"`
	Namespace                 string            `json:"namespace,omitempty"`
	CommonAnnotationsEnvsubst bool              `json:"commonAnnotationsEnvsubst,omitempty"`
	Replicas                  KustomizeReplicas `json:"replicas,omitempty"`
	Patches                   []KustomizePatch  `json:"patches,omitempty"`
	Components                []string          `json:"components,omitempty"`
	IgnoreMissingComponents   bool              `json:"ignoreMissingComponents,omitempty"`
	LabelWithoutSelector      bool              `json:"labelWithoutSelector,omitempty"`
	LabelIncludeTemplates     bool              `json:"labelIncludeTemplates,omitempty"`
	KubeVersion               string            `json:"kubeVersion,omitempty"`
	APIVersions               []string          `json:"apiVersions,omitempty"`
}

// KustomizeImage is an image override: [old_name=]new_name[:tag][@digest].
type KustomizeImage string

// KustomizeImages is a list of image overrides.
type KustomizeImages []KustomizeImage

// KustomizeReplica overrides the replica count of the workload of that name.
type KustomizeReplica struct {
	Name  string             `json:"name"`
	Count intstr.IntOrString `json:"count"`
}

// KustomizeReplicas is a list of replica overrides.
type KustomizeReplicas []KustomizeReplica

// KustomizePatch is one inline or file patch with its target.
type KustomizePatch struct {
	Path    string             `json:"path,omitempty"`
	Patch   string             `json:"patch,omitempty"`
	Target  *KustomizeSelector `json:"target,omitempty"`
	Options map[string]bool    `json:"options,omitempty"`
}

// KustomizeSelector picks the objects that a patch applies to; names are regular expressions.
type KustomizeSelector struct {
	KustomizeResID     `json:",inline"`
	AnnotationSelector string `json:"annotationSelector,omitempty"`
	LabelSelector      string `json:"labelSelector,omitempty"`
}

// KustomizeResID identifies an object by kind, name and namespace.
type KustomizeResID struct {
	KustomizeGvk `json:",inline"`
	Name         string `json:"name,omitempty"`
	Namespace    string `json:"namespace,omitempty"`
}

// KustomizeGvk identifies a kind.
type KustomizeGvk struct {
	Group   string `json:"group,omitempty"`
	Version string `json:"version,omitempty"`
	Kind    string `json:"kind,omitempty"`
}

// ApplicationSourceDirectory holds the options of a plain directory of manifests.
type ApplicationSourceDirectory struct {
	Recurse bool                     `json:"recurse,omitempty"`
	Jsonnet ApplicationSourceJsonnet `json:"jsonnet,omitempty"`
	Exclude string                   `json:"exclude,omitempty"`
	Include string                   `json:"include,omitempty"`
}

// ApplicationSourceJsonnet holds the inputs of .jsonnet files.
type ApplicationSourceJsonnet struct {
	ExtVars []JsonnetVar `json:"extVars,omitempty"`
	TLAs    []JsonnetVar `json:"tlas,omitempty"`
	Libs    []string     `json:"libs,omitempty"`
}

// JsonnetVar is one variable; with Code it is an expression, otherwise a string.
type JsonnetVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Code  bool   `json:"code,omitempty"`
}

// ApplicationSourcePlugin selects a config management plugin and its inputs.
type ApplicationSourcePlugin struct {
	Name       string                             `json:"name,omitempty"`
	Env        []EnvEntry                         `json:"env,omitempty"`
	Parameters []ApplicationSourcePluginParameter `json:"parameters,omitempty"`
}

// EnvEntry is one environment variable.
type EnvEntry struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ApplicationSourcePluginParameter is a plugin parameter: one of string, map or array.
type ApplicationSourcePluginParameter struct {
	Name   string            `json:"name,omitempty"`
	String *string           `json:"string,omitempty"`
	Map    map[string]string `json:"map,omitempty"`
	Array  []string          `json:"array,omitempty"`
}

// SourceHydrator renders DrySource and commits the result to a branch that is then synced.
type SourceHydrator struct {
	DrySource  DrySource  `json:"drySource"`
	SyncSource SyncSource `json:"syncSource"`
	HydrateTo  *HydrateTo `json:"hydrateTo,omitempty"`
}

// DrySource is the repository with unrendered manifests.
type DrySource struct {
	RepoURL        string                      `json:"repoURL"`
	TargetRevision string                      `json:"targetRevision"`
	Path           string                      `json:"path"`
	Helm           *ApplicationSourceHelm      `json:"helm,omitempty"`
	Kustomize      *ApplicationSourceKustomize `json:"kustomize,omitempty"`
	Directory      *ApplicationSourceDirectory `json:"directory,omitempty"`
	Plugin         *ApplicationSourcePlugin    `json:"plugin,omitempty"`
}

// SyncSource is the branch and path that hydrated manifests are synced from.
type SyncSource struct {
	RepoURL      string `json:"repoURL,omitempty"`
	TargetBranch string `json:"targetBranch"`
	Path         string `json:"path"`
}

// HydrateTo is the branch that hydrated manifests are written to.
type HydrateTo struct {
	TargetBranch string `json:"targetBranch"`
}

// ApplicationDestination is a cluster, by exactly one of Server and Name, and a namespace in it.
type ApplicationDestination struct {
	Server    string `json:"server,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
}

// Info is a name and a value (often a link) for people.
type Info struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// IgnoreDifferences is a list of rules that leave fields out of the comparison.
type IgnoreDifferences []ResourceIgnoreDifferences

// ResourceIgnoreDifferences selects objects (globs) and the fields of them to ignore.
type ResourceIgnoreDifferences struct {
	Group                 string   `json:"group,omitempty"`
	Kind                  string   `json:"kind"`
	Name                  string   `json:"name,omitempty"`
	Namespace             string   `json:"namespace,omitempty"`
	JSONPointers          []string `json:"jsonPointers,omitempty"`
	JQPathExpressions     []string `json:"jqPathExpressions,omitempty"`
	ManagedFieldsManagers []string `json:"managedFieldsManagers,omitempty"`
}
