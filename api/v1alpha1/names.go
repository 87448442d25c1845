package v1alpha1

import "strings"

// Annotations, labels and finalizers of the contract with Argo CD.
const (
	AnnotationTrackingID       = "argocd.argoproj.io/tracking-id"
	AnnotationInstallationID   = "argocd.argoproj.io/installation-id"
	AnnotationRefresh          = "argocd.argoproj.io/refresh"
	AnnotationSkipReconcile    = "argocd.argoproj.io/skip-reconcile"
	AnnotationSyncOptions      = "argocd.argoproj.io/sync-options"
	AnnotationCompareOptions   = "argocd.argoproj.io/compare-options"
	AnnotationSyncWave         = "argocd.argoproj.io/sync-wave"
	AnnotationHook             = "argocd.argoproj.io/hook"
	AnnotationHookDeletePolicy = "argocd.argoproj.io/hook-delete-policy"
	AnnotationHelmHook         = "helm.sh/hook"
	AnnotationHelmHookWeight   = "helm.sh/hook-weight"
	AnnotationHelmDeletePolicy = "helm.sh/hook-delete-policy"
	AnnotationHelmPolicy       = "helm.sh/resource-policy"
	AnnotationIgnoreHealth     = "argocd.argoproj.io/ignore-healthcheck"
	AnnotationDeletionApproved = "argocd.argoproj.io/deletion-approved"
	AnnotationMigrationManager = "argocd.argoproj.io/client-side-apply-migration-manager"
	AnnotationManifestPaths    = "argocd.argoproj.io/manifest-generate-paths"
	LabelInstance              = "app.kubernetes.io/instance"
	LabelSecretType            = "argocd.argoproj.io/secret-type"
	FinalizerResources         = "resources-finalizer.argocd.argoproj.io"
	FinalizerForeground        = "resources-finalizer.argocd.argoproj.io/foreground"
	FinalizerBackground        = "resources-finalizer.argocd.argoproj.io/background"
	FinalizerPostDelete        = "post-delete-finalizer.argocd.argoproj.io"
	FinalizerPreDelete         = "pre-delete-finalizer.argocd.argoproj.io"
	// FinalizerHook keeps a running hook until its outcome is recorded.
	FinalizerHook = "argocd.argoproj.io/hook-finalizer"

	// FieldManager is the field manager of every write to workloads, the one that Argo CD uses.
	FieldManager = "argocd-controller"
	// InClusterServer and InClusterName are the address and name of the cluster that Belay runs in.
	InClusterServer = "https://kubernetes.default.svc"
	InClusterName   = "in-cluster"
)

// Refresh levels, the values of AnnotationRefresh.
const (
	RefreshNormal = "normal"
	RefreshHard   = "hard"
)

// GetSources returns spec.sources, or spec.source alone, or nothing.
func (s *ApplicationSpec) GetSources() ApplicationSources {
	if len(s.Sources) > 0 {
		return s.Sources
	}
	if s.Source != nil {
		return ApplicationSources{*s.Source}
	}
	return nil
}

// IsOCI reports whether the source is an artifact of an OCI registry.
func (s *ApplicationSource) IsOCI() bool {
	return strings.HasPrefix(strings.ToLower(s.RepoURL), "oci://")
}

// IsRefOnly reports whether the source, one of several, gives the others files and has no manifests itself.
func (s *ApplicationSource) IsRefOnly() bool {
	return s.Ref != "" && s.Path == "" && s.Chart == "" && !s.IsOCI()
}

// ProjectName returns the project, "default" when none is named.
func (s *ApplicationSpec) ProjectName() string {
	if s.Project == "" {
		return DefaultProjectName
	}
	return s.Project
}

// IsAutomated reports whether syncs start by themselves.
func (p *SyncPolicy) IsAutomated() bool {
	return p != nil && p.Automated != nil && (p.Automated.Enabled == nil || *p.Automated.Enabled)
}

// Has reports whether the option, written Name=value, is set.
func (o SyncOptions) Has(option string) bool {
	for _, have := range o {
		if have == option {
			return true
		}
	}
	return false
}
