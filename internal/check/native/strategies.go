package native

import (
	apiextensionsinstall "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	apiregistrationinstall "k8s.io/kube-aggregator/pkg/apis/apiregistration/install"
	"k8s.io/kube-aggregator/pkg/registry/apiservice"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/mutatingadmissionpolicy"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/mutatingadmissionpolicybinding"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/mutatingwebhookconfiguration"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/validatingadmissionpolicy"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/validatingadmissionpolicybinding"
	"k8s.io/kubernetes/pkg/registry/admissionregistration/validatingwebhookconfiguration"
	"k8s.io/kubernetes/pkg/registry/apps/controllerrevision"
	"k8s.io/kubernetes/pkg/registry/apps/daemonset"
	"k8s.io/kubernetes/pkg/registry/apps/deployment"
	"k8s.io/kubernetes/pkg/registry/apps/replicaset"
	"k8s.io/kubernetes/pkg/registry/apps/statefulset"
	"k8s.io/kubernetes/pkg/registry/autoscaling/horizontalpodautoscaler"
	"k8s.io/kubernetes/pkg/registry/batch/cronjob"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/kubernetes/pkg/registry/certificates/certificates"
	"k8s.io/kubernetes/pkg/registry/certificates/clustertrustbundle"
	"k8s.io/kubernetes/pkg/registry/coordination/lease"
	"k8s.io/kubernetes/pkg/registry/core/configmap"
	"k8s.io/kubernetes/pkg/registry/core/event"
	"k8s.io/kubernetes/pkg/registry/core/limitrange"
	"k8s.io/kubernetes/pkg/registry/core/namespace"
	"k8s.io/kubernetes/pkg/registry/core/node"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolume"
	"k8s.io/kubernetes/pkg/registry/core/persistentvolumeclaim"
	"k8s.io/kubernetes/pkg/registry/core/pod"
	"k8s.io/kubernetes/pkg/registry/core/podtemplate"
	"k8s.io/kubernetes/pkg/registry/core/replicationcontroller"
	"k8s.io/kubernetes/pkg/registry/core/resourcequota"
	"k8s.io/kubernetes/pkg/registry/core/secret"
	"k8s.io/kubernetes/pkg/registry/core/service"
	"k8s.io/kubernetes/pkg/registry/flowcontrol/flowschema"
	"k8s.io/kubernetes/pkg/registry/flowcontrol/prioritylevelconfiguration"
	"k8s.io/kubernetes/pkg/registry/networking/ingress"
	"k8s.io/kubernetes/pkg/registry/networking/ingressclass"
	"k8s.io/kubernetes/pkg/registry/networking/ipaddress"
	"k8s.io/kubernetes/pkg/registry/networking/networkpolicy"
	"k8s.io/kubernetes/pkg/registry/networking/servicecidr"
	"k8s.io/kubernetes/pkg/registry/node/runtimeclass"
	"k8s.io/kubernetes/pkg/registry/policy/poddisruptionbudget"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrole"
	"k8s.io/kubernetes/pkg/registry/rbac/clusterrolebinding"
	"k8s.io/kubernetes/pkg/registry/rbac/role"
	"k8s.io/kubernetes/pkg/registry/rbac/rolebinding"
	"k8s.io/kubernetes/pkg/registry/resource/deviceclass"
	"k8s.io/kubernetes/pkg/registry/resource/resourceclaim"
	"k8s.io/kubernetes/pkg/registry/resource/resourceclaimtemplate"
	"k8s.io/kubernetes/pkg/registry/resource/resourceslice"
	"k8s.io/kubernetes/pkg/registry/scheduling/priorityclass"
	"k8s.io/kubernetes/pkg/registry/storage/csidriver"
	"k8s.io/kubernetes/pkg/registry/storage/csinode"
	"k8s.io/kubernetes/pkg/registry/storage/csistoragecapacity"
	"k8s.io/kubernetes/pkg/registry/storage/storageclass"
	"k8s.io/kubernetes/pkg/registry/storage/volumeattachment"
	"k8s.io/kubernetes/pkg/registry/storage/volumeattributesclass"
	"k8s.io/kubernetes/pkg/registry/storagemigration/storagemigration"
)

// strategy is what the API server asks about an object of one kind before it stores it.
type strategy interface {
	rest.RESTCreateStrategy
	rest.RESTUpdateStrategy
}

// kind is a kind of the API server: its strategy, and the scheme that knows its versions.
type kind struct {
	strategy
	scheme *runtime.Scheme
}

// kinds are all kinds that the API server of Kubernetes 1.37 stores and that manifests may hold. Kinds that only ask
// something, such as TokenReview, have no strategy of their own.
func kinds() map[schema.GroupKind]kind {
	register()
	out := map[schema.GroupKind]kind{}
	for group, strategies := range builtIn() {
		for name, s := range strategies {
			out[schema.GroupKind{Group: group, Kind: name}] = kind{s, legacyscheme.Scheme}
		}
	}
	definitions := runtime.NewScheme()
	apiextensionsinstall.Install(definitions)
	out[schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}] = kind{customresourcedefinition.NewStrategy(definitions), definitions}
	services := runtime.NewScheme()
	apiregistrationinstall.Install(services)
	out[schema.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"}] = kind{apiservice.NewStrategy(services), services}
	return out
}

func builtIn() map[string]map[string]strategy {
	return map[string]map[string]strategy{
		"":     coreKinds(),
		"apps": {"ControllerRevision": controllerrevision.Strategy, "DaemonSet": daemonset.Strategy, "Deployment": deployment.Strategy, "ReplicaSet": replicaset.Strategy, "StatefulSet": statefulset.Strategy},
		"admissionregistration.k8s.io": {
			"MutatingAdmissionPolicy":          mutatingadmissionpolicy.NewStrategy(nil, anyResource{}),
			"MutatingAdmissionPolicyBinding":   mutatingadmissionpolicybinding.NewStrategy(nil, nil, anyResource{}),
			"MutatingWebhookConfiguration":     mutatingwebhookconfiguration.Strategy,
			"ValidatingAdmissionPolicy":        validatingadmissionpolicy.NewStrategy(nil, anyResource{}),
			"ValidatingAdmissionPolicyBinding": validatingadmissionpolicybinding.NewStrategy(nil, nil, anyResource{}),
			"ValidatingWebhookConfiguration":   validatingwebhookconfiguration.Strategy,
		},
		"autoscaling":                  {"HorizontalPodAutoscaler": horizontalpodautoscaler.Strategy},
		"batch":                        {"CronJob": cronjob.Strategy, "Job": job.Strategy},
		"certificates.k8s.io":          {"CertificateSigningRequest": certificates.Strategy, "ClusterTrustBundle": clustertrustbundle.Strategy},
		"coordination.k8s.io":          {"Lease": lease.Strategy},
		"discovery.k8s.io":             {"EndpointSlice": endpointSlices()},
		"flowcontrol.apiserver.k8s.io": {"FlowSchema": flowschema.Strategy, "PriorityLevelConfiguration": prioritylevelconfiguration.Strategy},
		"networking.k8s.io": {"Ingress": ingress.Strategy, "IngressClass": ingressclass.Strategy, "IPAddress": ipaddress.Strategy,
			"NetworkPolicy": networkpolicy.Strategy, "ServiceCIDR": servicecidr.Strategy},
		"node.k8s.io": {"RuntimeClass": runtimeclass.Strategy},
		"policy":      {"PodDisruptionBudget": poddisruptionbudget.Strategy},
		"rbac.authorization.k8s.io": {"ClusterRole": clusterrole.Strategy, "ClusterRoleBinding": clusterrolebinding.Strategy,
			"Role": role.Strategy, "RoleBinding": rolebinding.Strategy},
		"resource.k8s.io": {"DeviceClass": deviceclass.Strategy, "ResourceClaim": resourceclaim.NewStrategy(nil, nil),
			"ResourceClaimTemplate": resourceclaimtemplate.NewStrategy(nil), "ResourceSlice": resourceslice.Strategy},
		"scheduling.k8s.io": {"PriorityClass": priorityclass.Strategy},
		"storage.k8s.io": {"CSIDriver": csidriver.Strategy, "CSINode": csinode.Strategy, "CSIStorageCapacity": csistoragecapacity.Strategy,
			"StorageClass": storageclass.Strategy, "VolumeAttachment": volumeattachment.Strategy, "VolumeAttributesClass": volumeattributesclass.Strategy},
		"storagemigration.k8s.io": {"StorageVersionMigration": storagemigration.Strategy},
	}
}

func coreKinds() map[string]strategy {
	return map[string]strategy{
		"ConfigMap": configmap.Strategy, "Endpoints": endpoints(), "Event": event.Strategy, "LimitRange": limitrange.Strategy,
		"Namespace": namespace.Strategy, "Node": node.Strategy, "PersistentVolume": persistentvolume.Strategy,
		"PersistentVolumeClaim": persistentvolumeclaim.Strategy, "Pod": pod.Strategy, "PodTemplate": podtemplate.Strategy,
		"ReplicationController": replicationcontroller.Strategy, "ResourceQuota": resourcequota.Strategy, "Secret": secret.Strategy,
		"Service": service.Strategy, "ServiceAccount": serviceAccounts(),
	}
}

// anyResource implements resolver.ResourceResolver. It is only asked when somebody must be authorized, and nobody is here: what
// the author of a manifest may do is for the cluster to tell.
type anyResource struct{}

// Resolve implements resolver.ResourceResolver.
func (anyResource) Resolve(gvk schema.GroupVersionKind) (schema.GroupVersionResource, error) {
	return gvk.GroupVersion().WithResource(gvk.Kind), nil
}
