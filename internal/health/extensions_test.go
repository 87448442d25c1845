package health

import "testing"

// TestExtensions: kinds of controllers that keep other conventions than those of kstatus.
func TestExtensions(t *testing.T) {
	const since = `lastTransitionTime: "2026-05-04T11:59:00Z"`
	const long = `lastTransitionTime: "2026-05-04T11:00:00Z"`
	run(t, "", []kase{
		{name: "certificate of which nobody knows", obj: `{apiVersion: cert-manager.io/v1, kind: Certificate, metadata: {name: a}}`, want: "Progressing: waiting for the controller of Certificate"},
		{name: "certificate is being issued", obj: `{apiVersion: cert-manager.io/v1, kind: Certificate, status: {conditions: [{type: Ready, status: "False", reason: DoesNotExist, ` + since + `}, {type: Issuing, status: "True"}]}}`, want: "Progressing: condition Ready is False: DoesNotExist"},
		{name: "certificate was not issued", obj: `{apiVersion: cert-manager.io/v1, kind: Certificate, status: {conditions: [{type: Ready, status: "False", ` + since + `}, {type: Issuing, status: "False", reason: Failed, message: the challenge failed}]}}`, want: "Degraded: condition Issuing is False: Failed: the challenge failed"},
		{name: "certificate that could not be renewed is still good", obj: `{apiVersion: cert-manager.io/v1, kind: Certificate, status: {conditions: [{type: Ready, status: "True"}, {type: Issuing, status: "False", reason: Failed}]}}`, want: "Healthy"},
		{name: "issuer", obj: `{apiVersion: cert-manager.io/v1, kind: ClusterIssuer, status: {conditions: [{type: Ready, status: "False", reason: ErrInitIssuer, ` + long + `}]}}`, want: "Degraded: condition Ready is False: ErrInitIssuer"},

		{name: "sealed secret", obj: `{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, status: {conditions: [{type: Synced, status: "True"}]}}`, want: "Healthy"},
		{name: "sealed secret of another key", obj: `{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, status: {conditions: [{type: Synced, status: "False", message: no key could decrypt secret}]}}`, want: "Degraded: condition Synced is False: no key could decrypt secret"},
		{name: "sealed secret just made", obj: `{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret}`, want: "Progressing: waiting for the SealedSecret to be unsealed"},

		{name: "gateway without a controller", obj: `{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, status: {conditions: [{type: Accepted, status: Unknown, reason: Pending, lastTransitionTime: "1970-01-01T00:00:00Z"}]}}`, want: "Progressing: condition Accepted is Unknown: Pending"},
		{name: "gateway without an address", obj: `{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, status: {conditions: [{type: Accepted, status: "True"}, {type: Programmed, status: "False", reason: AddressNotAssigned, ` + long + `}]}}`, want: "Degraded: condition Programmed is False: AddressNotAssigned"},
		{name: "gateway", obj: `{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, status: {conditions: [{type: Accepted, status: "True"}, {type: Programmed, status: "True"}]}}`, want: "Healthy"},
		{name: "route that nobody takes", obj: `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, status: {parents: []}}`, want: "Progressing: waiting for a gateway to accept the HTTPRoute"},
		{name: "route to nowhere", obj: `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, status: {parents: [{parentRef: {name: web}, conditions: [{type: Accepted, status: "True"}, {type: ResolvedRefs, status: "False", reason: BackendNotFound, ` + since + `}]}]}}`, want: "Progressing: gateway web: condition ResolvedRefs is False: BackendNotFound"},
		{name: "route", obj: `{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, status: {parents: [{conditions: [{type: Accepted, status: "True"}, {type: ResolvedRefs, status: "True"}]}]}}`, want: "Healthy"},
		{name: "route for an old spec", obj: `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {generation: 2}, status: {parents: [{parentRef: {name: web}, conditions: [{type: Accepted, status: "True", observedGeneration: 1}]}]}}`, want: "Progressing: gateway web: waiting for condition Accepted to be about the new spec"},

		{name: "kafka not ready", obj: `{apiVersion: kafka.strimzi.io/v1, kind: Kafka, status: {conditions: [{type: NotReady, status: "True", reason: Creating, ` + since + `}]}}`, want: "Progressing: condition NotReady is True: Creating"},
		{name: "kafka not ready for long", obj: `{apiVersion: kafka.strimzi.io/v1, kind: Kafka, status: {conditions: [{type: NotReady, status: "True", reason: InvalidResourceException, ` + long + `}]}}`, want: "Degraded: condition NotReady is True: InvalidResourceException"},
		{name: "kafka paused", obj: `{apiVersion: kafka.strimzi.io/v1, kind: KafkaTopic, status: {conditions: [{type: ReconciliationPaused, status: "True"}]}}`, want: "Suspended: condition ReconciliationPaused is True"},
		{name: "kafka", obj: `{apiVersion: kafka.strimzi.io/v1, kind: Kafka, status: {conditions: [{type: Ready, status: "True"}]}}`, want: "Healthy"},

		{name: "scaler of a wrong trigger", obj: `{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, status: {conditions: [{type: Ready, status: "False", reason: ScaledObjectCheckFailed}]}}`, want: "Degraded: condition Ready is False: ScaledObjectCheckFailed"},
		{name: "scaler paused", obj: `{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, status: {conditions: [{type: Ready, status: "True"}, {type: Paused, status: "True"}]}}`, want: "Suspended: condition Paused is True"},
		{name: "scaler at rest", obj: `{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, status: {conditions: [{type: Ready, status: "True"}, {type: Active, status: "False"}]}}`, want: "Healthy"},
		{name: "trigger authentication", obj: `{apiVersion: keda.sh/v1alpha1, kind: TriggerAuthentication}`, want: "none"},

		{name: "prometheus with pods missing", obj: `{apiVersion: monitoring.coreos.com/v1, kind: Prometheus, status: {conditions: [{type: Available, status: Degraded, reason: SomePodsNotReady, ` + long + `}]}}`, want: "Degraded: condition Available is Degraded: SomePodsNotReady"},
		{name: "prometheus of a broken spec", obj: `{apiVersion: monitoring.coreos.com/v1, kind: Prometheus, status: {conditions: [{type: Available, status: "True"}, {type: Reconciled, status: "False", reason: ReconciliationFailed}]}}`, want: "Degraded: condition Reconciled is False: ReconciliationFailed"},
		{name: "prometheus", obj: `{apiVersion: monitoring.coreos.com/v1, kind: Alertmanager, status: {conditions: [{type: Available, status: "True"}, {type: Reconciled, status: "True"}]}}`, want: "Healthy"},
		{name: "service monitor", obj: `{apiVersion: monitoring.coreos.com/v1, kind: ServiceMonitor}`, want: "none"},

		{name: "database in hibernation", obj: `{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, status: {conditions: [{type: Ready, status: "False", ` + long + `}, {type: cnpg.io/hibernation, status: "True"}]}}`, want: "Suspended: condition cnpg.io/hibernation is True"},
		{name: "database", obj: `{apiVersion: postgresql.cnpg.io/v1, kind: Cluster, status: {conditions: [{type: Ready, status: "True"}]}}`, want: "Healthy"},

		{name: "knative under way", obj: `{apiVersion: serving.knative.dev/v1, kind: Service, status: {conditions: [{type: Ready, status: Unknown, reason: Deploying}]}}`, want: "Progressing: condition Ready is Unknown: Deploying"},
		{name: "knative failed", obj: `{apiVersion: serving.knative.dev/v1, kind: Service, status: {conditions: [{type: Ready, status: "False", reason: RevisionFailed, ` + since + `}]}}`, want: "Degraded: condition Ready is False: RevisionFailed"},

		{name: "flux suspended", obj: `{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, spec: {suspend: true}, status: {conditions: [{type: Ready, status: "True"}]}}`, want: "Suspended: Kustomization is suspended"},
		{name: "flux stalled", obj: `{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, status: {conditions: [{type: Stalled, status: "True", reason: RetriesExceeded}]}}`, want: "Degraded: condition Stalled is True: RetriesExceeded"},

		{name: "crossplane cannot change it", obj: `{apiVersion: s3.aws.upbound.io/v1beta1, kind: Bucket, status: {conditions: [{type: Ready, status: "True"}, {type: Synced, status: "False", reason: ReconcileError, ` + long + `}]}}`, want: "Degraded: condition Synced is False: ReconcileError"},
		{name: "crossplane paused", obj: `{apiVersion: nop.crossplane.io/v1alpha1, kind: NopResource, status: {conditions: [{type: Synced, status: "False", reason: ReconcilePaused}]}}`, want: "Suspended: condition Synced is False: ReconcilePaused"},
		{name: "crossplane", obj: `{apiVersion: s3.aws.upbound.io/v1beta1, kind: Bucket, status: {conditions: [{type: Ready, status: "True"}, {type: Synced, status: "True"}]}}`, want: "Healthy"},
		{name: "crossplane provider", obj: `{apiVersion: pkg.crossplane.io/v1, kind: Provider, status: {conditions: [{type: Installed, status: "True"}, {type: Healthy, status: "False", reason: UnhealthyPackageRevision, ` + since + `}]}}`, want: "Progressing: condition Healthy is False: UnhealthyPackageRevision"},
		{name: "crossplane definition", obj: `{apiVersion: apiextensions.crossplane.io/v1, kind: CompositeResourceDefinition, status: {conditions: [{type: Established, status: "True"}]}}`, want: "Healthy"},
		{name: "crossplane lock", obj: `{apiVersion: pkg.crossplane.io/v1beta1, kind: Lock}`, want: "none"},

		{name: "analysis failed", obj: `{apiVersion: argoproj.io/v1alpha1, kind: AnalysisRun, status: {phase: Failed, message: too many errors}}`, want: "Degraded: too many errors"},
		{name: "analysis runs", obj: `{apiVersion: argoproj.io/v1alpha1, kind: AnalysisRun, status: {phase: Running}}`, want: "Progressing: AnalysisRun is running"},
		{name: "application set failed", obj: `{apiVersion: argoproj.io/v1alpha1, kind: ApplicationSet, status: {conditions: [{type: ErrorOccurred, status: "True", message: no such generator}, {type: ResourcesUpToDate, status: "False"}]}}`, want: "Degraded: condition ErrorOccurred is True: no such generator"},
		{name: "application set", obj: `{apiVersion: argoproj.io/v1alpha1, kind: ApplicationSet, status: {conditions: [{type: ErrorOccurred, status: "False"}, {type: ResourcesUpToDate, status: "True"}]}}`, want: "Healthy"},
		{name: "external secret", obj: `{apiVersion: external-secrets.io/v1, kind: ExternalSecret, status: {conditions: [{type: Ready, status: "False", reason: SecretSyncedError, ` + long + `}]}}`, want: "Degraded: condition Ready is False: SecretSyncedError"},
		{name: "conditions of a wrong type", obj: `{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, status: {conditions: true}}`, want: "Unknown: cannot judge: field status.conditions is a boolean, want a list"},
	})
}
