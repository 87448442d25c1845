package kubeapi

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// dropped are kinds whose Go types are gone, from the deprecation guide of Kubernetes.
func dropped() map[string]Kind {
	return map[string]Kind{
		"policy/v1beta1/PodSecurityPolicy":                                 {Deprecated: 21, Removed: 25},
		"extensions/v1beta1/PodSecurityPolicy":                             {Deprecated: 10, Removed: 16, Replacement: "policy/v1beta1/PodSecurityPolicy"},
		"autoscaling/v2beta1/HorizontalPodAutoscaler":                      {Deprecated: 22, Removed: 25, Replacement: "autoscaling/v2/HorizontalPodAutoscaler"},
		"autoscaling/v2beta2/HorizontalPodAutoscaler":                      {Deprecated: 23, Removed: 26, Replacement: "autoscaling/v2/HorizontalPodAutoscaler"},
		"batch/v2alpha1/CronJob":                                           {Deprecated: 8, Removed: 21, Replacement: "batch/v1/CronJob"},
		"apiextensions.k8s.io/v1beta1/CustomResourceDefinition":            {Deprecated: 16, Removed: 22, Replacement: "apiextensions.k8s.io/v1/CustomResourceDefinition"},
		"apiregistration.k8s.io/v1beta1/APIService":                        {Deprecated: 19, Removed: 22, Replacement: "apiregistration.k8s.io/v1/APIService"},
		"settings.k8s.io/v1alpha1/PodPreset":                               {Removed: 20},
		"flowcontrol.apiserver.k8s.io/v1alpha1/FlowSchema":                 {Removed: 21, Replacement: "flowcontrol.apiserver.k8s.io/v1/FlowSchema"},
		"networking.k8s.io/v1alpha1/ClusterCIDR":                           {Removed: 29},
		"flowcontrol.apiserver.k8s.io/v1alpha1/PriorityLevelConfiguration": {Removed: 21, Replacement: "flowcontrol.apiserver.k8s.io/v1/PriorityLevelConfiguration"},
	}
}

// addLifecycles adds what the types of Kubernetes say about when they were deprecated and removed.
func addLifecycles(api *API) {
	for gvk, typ := range scheme.Scheme.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal {
			continue
		}
		obj, err := scheme.Scheme.New(gvk)
		if err != nil || typ.NumField() < 2 || typ.Field(1).Name != "ObjectMeta" {
			continue
		}
		var found Kind
		if o, ok := obj.(interface{ APILifecycleDeprecated() (int, int) }); ok {
			_, found.Deprecated = o.APILifecycleDeprecated()
		}
		if o, ok := obj.(interface{ APILifecycleRemoved() (int, int) }); ok {
			_, found.Removed = o.APILifecycleRemoved()
		}
		if o, ok := obj.(interface {
			APILifecycleReplacement() schema.GroupVersionKind
		}); ok {
			r := o.APILifecycleReplacement()
			found.Replacement = r.Group + "/" + r.Version + "/" + strings.TrimSuffix(r.Kind, "List")
		}
		addLifecycle(api, gvk.Group+"/"+gvk.Version+"/"+gvk.Kind, found)
	}
	for key, kind := range dropped() {
		addLifecycle(api, key, kind)
	}
}

func addLifecycle(api *API, key string, found Kind) {
	kind := api.Kinds[key]
	switch {
	case found.Deprecated == 0 && found.Removed == 0:
		return
	case kind == nil && (found.Removed == 0 || found.Removed > api.Last):
		return // a kind that nobody creates
	case kind == nil:
		kind = &Kind{Span: Span{Until: found.Removed - 1}}
		api.Kinds[key] = kind
	}
	kind.Deprecated, kind.Removed, kind.Replacement = found.Deprecated, found.Removed, found.Replacement
}
