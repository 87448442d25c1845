// Package settings reads Argo CD's configuration: the data of its ConfigMaps and Secrets go in; typed settings, and the
// problems found, come out. It is pure, knows no client, and nothing that it returns shows a secret when printed.
package settings

import (
	"fmt"
	"slices"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render"
)

// Names of the ConfigMaps.
const (
	ConfigMapName     = "argocd-cm"
	ParamsName        = "argocd-cmd-params-cm"
	KnownHostsName    = "argocd-ssh-known-hosts-cm"
	TLSCertsName      = "argocd-tls-certs-cm"
	knownHostsDataKey = "ssh_known_hosts"
)

// Settings are what argocd-cm and argocd-cmd-params-cm say. They must not be changed.
type Settings struct {
	Tracking object.Tracking

	// Reconciliation is how often repositories are asked for new commits, plus up to Jitter; 0 means never.
	Reconciliation, Jitter time.Duration
	// HardReconciliation is how often manifests are rendered anew without a new commit; 0 means never.
	HardReconciliation time.Duration

	// Resources says which kinds are left alone.
	Resources Filter
	// IgnoreDifferences are the rules for every application, IgnoreUpdates those for live changes that start nothing: those of
	// their own, and those of IgnoreDifferences unless Compare says otherwise.
	IgnoreDifferences, IgnoreUpdates v1alpha1.IgnoreDifferences
	Compare                          Compare
	// KnownTypes are fields of custom kinds that hold values of Kubernetes' own types.
	KnownTypes []KnownType
	// Scripts are Lua sources by kind; see Customization.
	Scripts []Customization

	Render render.Options
	// OCIMediaTypes are the media types of layers from which manifests are read.
	OCIMediaTypes []string

	// WithoutSubmodules leaves the submodules of Git repositories empty.
	WithoutSubmodules bool

	// URL is the address of the user interface.
	URL string
	// Impersonation makes syncs run as the service account that the project names.
	Impersonation Impersonation
	// GlobalProjects are the projects that others take over from; see GlobalsOf.
	GlobalProjects []GlobalProject
	// MaskedAnnotations of Secrets are shown as stars.
	MaskedAnnotations []string

	// ApplicationNamespaces are further namespaces with Applications: globs, or regular expressions between slashes.
	ApplicationNamespaces []string
	Controller            Controller

	// Pending names the keys that are set and have no effect yet, sorted.
	Pending []string
	// Unread names the keys that restrict what may be deployed, and whose value cannot be read while there is none that last
	// took: what they forbid is not known.
	Unread []string

	// good holds the texts that could be read last, by ConfigMap and key.
	good map[string]string
}

// Impersonation is application.sync.impersonation.
type Impersonation struct {
	Enabled bool
	// Enforced refuses what no service account is named for; otherwise it is done with the rights of Belay itself.
	Enforced bool
}

// Keys of argocd-cm that restrict what may be deployed.
const (
	ImpersonationKey  = "application.sync.impersonation.enabled"
	GlobalProjectsKey = "globalProjects"
)

// Compare is resource.compareoptions.
type Compare struct {
	IgnoreStatus StatusRule
	// IgnoreAggregatedRoles leaves the rules of aggregated ClusterRoles out.
	IgnoreAggregatedRoles bool
	// IgnoreDifferencesOnUpdates makes ignoreDifferences count for IgnoreUpdates too.
	IgnoreDifferencesOnUpdates bool
}

// StatusRule says of which kinds the status field is left out of comparisons.
type StatusRule string

// Status rules.
const (
	IgnoreStatusOfAll  StatusRule = "all"
	IgnoreStatusOfCRDs StatusRule = "crd"
	IgnoreStatusOfNone StatusRule = "none"
)

// Controller holds the keys controller.* of argocd-cmd-params-cm.
type Controller struct {
	StatusProcessors, OperationProcessors, Parallelism int
	// SelfHealTimeout is a fixed delay before self-heal; when 0, the backoff applies.
	SelfHealTimeout, SelfHealBackoff, SelfHealBackoffCap time.Duration
	SelfHealBackoffFactor                                int
	// SyncTimeout ends a sync that takes longer; 0 means never.
	SyncTimeout time.Duration
	// JQTimeout bounds each jq expression of ignoreDifferences.
	JQTimeout time.Duration
	// ServerSideDiff asks the API server for every comparison.
	ServerSideDiff bool
	// PersistHealth writes the health of each object into the Application.
	PersistHealth bool
}

// Default returns the settings of an empty configuration, those of Argo CD.
func Default() Settings {
	return Settings{
		Reconciliation: 120 * time.Second,
		Jitter:         60 * time.Second,
		Tracking:       object.Tracking{Method: object.ByAnnotation},
		Resources:      Filter{exclusions: shippedExclusions()},
		Impersonation:  Impersonation{Enforced: true},
		Compare:        Compare{IgnoreStatus: IgnoreStatusOfAll, IgnoreDifferencesOnUpdates: true},
		OCIMediaTypes: []string{
			"application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
			"application/vnd.cncf.helm.chart.content.v1.tar+gzip",
		},
		Render: render.Options{HelmValuesFileSchemes: []string{"http", "https"}},
		Controller: Controller{
			StatusProcessors: 20, OperationProcessors: 10, Parallelism: 20,
			SelfHealBackoff: 2 * time.Second, SelfHealBackoffFactor: 3, SelfHealBackoffCap: 300 * time.Second,
			JQTimeout: time.Second,
		},
	}
}

// Problem is a value that cannot be read. What was in force before stays in force, or else the default.
type Problem struct {
	// Object is ConfigMap/<name> or Secret/<name>; Key is the key in its data.
	Object, Key string
	// Line is the line within the value, 0 when it has only one or none is known.
	Line int
	// Reason never holds a secret.
	Reason string
}

// Error makes a Problem an error; it names ConfigMap, key and line.
func (p Problem) Error() string {
	where := p.Object
	if p.Key != "" {
		where += " key " + p.Key
	}
	if p.Line > 0 {
		where += fmt.Sprintf(" line %d", p.Line)
	}
	return where + ": " + p.Reason
}

// Parse reads the data of argocd-cm (config) and argocd-cmd-params-cm (params). For a value that cannot be read, the one
// that last took counts if there is one. Problems are sorted.
func Parse(config, params map[string]string, last *Settings) (Settings, []Problem) {
	out := Default()
	out.good = map[string]string{}
	main := newReader(ConfigMapName, config, &out, last)
	readConfig(main, &out)
	readCustomizations(main, &out)
	readPending(config, &out)
	for _, key := range []string{ImpersonationKey, GlobalProjectsKey} {
		if _, set := config[key]; set && !main.knows(key) {
			out.Unread = append(out.Unread, key)
		}
	}
	if slices.Contains(out.Unread, ImpersonationKey) {
		out.Impersonation.Enabled = true // the narrower of what may be meant
	}
	cmd := newReader(ParamsName, params, &out, last)
	readParams(cmd, &out)
	return out, sorted(append(main.problems, cmd.problems...))
}

func readConfig(r *reader, s *Settings) {
	value(r, "application.resourceTrackingMethod", &s.Tracking.Method, object.ParseMethod)
	value(r, "application.instanceLabelKey", &s.Tracking.InstanceLabel, labelKey)
	value(r, "installationID", &s.Tracking.InstallationID, trimmed)
	value(r, "timeout.reconciliation", &s.Reconciliation, duration)
	value(r, "timeout.reconciliation.jitter", &s.Jitter, duration)
	value(r, "timeout.hard.reconciliation", &s.HardReconciliation, duration)
	value(r, "resource.exclusions", &s.Resources.exclusions, selections)
	value(r, "resource.inclusions", &s.Resources.inclusions, selections)
	value(r, "resource.compareoptions", &s.Compare, compare)
	value(r, "kustomize.buildOptions", &s.Render.KustomizeBuildOptions, trimmed)
	value(r, "helm.valuesFileSchemes", &s.Render.HelmValuesFileSchemes, commaList)
	value(r, "helm.enable", &s.Render.DisableHelm, disabled)
	value(r, "kustomize.enable", &s.Render.DisableKustomize, disabled)
	value(r, "jsonnet.enable", &s.Render.DisableJsonnet, disabled)
	value(r, "url", &s.URL, webAddress)
	value(r, ImpersonationKey, &s.Impersonation.Enabled, boolean)
	value(r, "application.sync.impersonation.enforced", &s.Impersonation.Enforced, boolean)
	value(r, GlobalProjectsKey, &s.GlobalProjects, globalProjects)
	value(r, "resource.sensitive.mask.annotations", &s.MaskedAnnotations, commaList)
}

func readParams(r *reader, s *Settings) {
	c := &s.Controller
	value(r, "application.namespaces", &s.ApplicationNamespaces, namespaces)
	value(r, "controller.status.processors", &c.StatusProcessors, positive)
	value(r, "controller.operation.processors", &c.OperationProcessors, positive)
	value(r, "controller.kubectl.parallelism.limit", &c.Parallelism, positive)
	value(r, "controller.self.heal.timeout.seconds", &c.SelfHealTimeout, seconds)
	value(r, "controller.self.heal.backoff.timeout.seconds", &c.SelfHealBackoff, seconds)
	value(r, "controller.self.heal.backoff.factor", &c.SelfHealBackoffFactor, positive)
	value(r, "controller.self.heal.backoff.cap.seconds", &c.SelfHealBackoffCap, seconds)
	value(r, "controller.sync.timeout.seconds", &c.SyncTimeout, seconds)
	value(r, "controller.ignore.normalizer.jq.timeout", &c.JQTimeout, duration)
	value(r, "controller.diff.server.side", &c.ServerSideDiff, boolean)
	value(r, "controller.resource.health.persist", &c.PersistHealth, boolean)
	value(r, "reposerver.max.combined.directory.manifests.size", &s.Render.MaxDirectoryBytes, size)
	value(r, "reposerver.enable.git.submodule", &s.WithoutSubmodules, disabled)
	value(r, "reposerver.oci.layer.media.types", &s.OCIMediaTypes, commaList)
}
