package demo

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// event is one change of an object, at the time when it arrived here.
type event struct {
	at          time.Time
	old, new    *unstructured.Unstructured // old is nil for a new object, new for a deleted one
	application bool                       // whether it is an Application
}

// maxEvents is how many changes may wait to be told.
const maxEvents = 4096

func applications() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}
}

// managedKinds are those that the example's project permits.
func managedKinds() []schema.GroupVersionResource {
	return []schema.GroupVersionResource{
		{Version: "v1", Resource: "configmaps"}, {Version: "v1", Resource: "services"}, {Version: "v1", Resource: "serviceaccounts"},
		{Group: "apps", Version: "v1", Resource: "deployments"}, {Group: "apps", Version: "v1", Resource: "statefulsets"},
		{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
		{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
		{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
		{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
		{Group: "external-secrets.io", Version: "v1", Resource: "externalsecrets"},
		{Group: "external-secrets.io", Version: "v1", Resource: "secretstores"},
	}
}

// watch streams changes of applications and of what they manage until ctx ends.
func watch(ctx context.Context, rc *rest.Config) (<-chan event, error) {
	client, err := dynamic.NewForConfig(rc)
	if err != nil {
		return nil, fmt.Errorf("watch the cluster: %w", err)
	}
	events := make(chan event, maxEvents)
	factory := dynamicinformer.NewDynamicSharedInformerFactory(client, 0)
	for _, gvr := range append(managedKinds(), applications()) {
		isApp := gvr == applications()
		send := func(old, now any) {
			e := event{at: time.Now(), application: isApp}
			e.old, _ = old.(*unstructured.Unstructured) // nil when there is none
			e.new, _ = now.(*unstructured.Unstructured)
			select {
			case events <- e:
			case <-ctx.Done():
			}
		}
		_, err := factory.ForResource(gvr).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(now any) { send(nil, now) },
			UpdateFunc: send,
			DeleteFunc: func(old any) {
				if gone, ok := old.(cache.DeletedFinalStateUnknown); ok {
					old = gone.Obj
				}
				send(old, nil)
			},
		})
		if err != nil {
			return nil, fmt.Errorf("watch %s: %w", gvr.Resource, err)
		}
	}
	factory.Start(ctx.Done())
	for gvr, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return nil, fmt.Errorf("watch %s: %w", gvr.Resource, context.Cause(ctx))
		}
	}
	return events, nil
}
