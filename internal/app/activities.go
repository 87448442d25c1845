package app

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
)

// watchActivities records what happens to applications, as their status tells it, and shows it to who sends notifications. The
// leader does; a replica that stands by sees the same.
func watchActivities(ctx context.Context, c cache.Cache, p parts) error {
	informer, err := c.GetInformer(ctx, &v1alpha1.Application{})
	if err != nil {
		return fmt.Errorf("watch applications: %w", err)
	}
	tell := func(was, is *v1alpha1.Application) {
		if !leads(p) {
			return
		}
		for _, a := range audit.Transitions(was, is, metav1.NewTime(time.Now())) {
			p.audit.Record(ctx, a)
		}
		switch {
		case !p.telling.Load(): // all are shown when it begins
		case was == nil:
			p.notify.Created(is)
		case is == nil:
			p.notify.Gone(was)
		default:
			p.notify.Changed(was, is)
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, isInInitialList bool) {
			if app, ok := obj.(*v1alpha1.Application); ok && !isInInitialList {
				tell(nil, app)
			}
		},
		UpdateFunc: func(before, after any) {
			was, ok := before.(*v1alpha1.Application)
			is, known := after.(*v1alpha1.Application)
			if ok && known && was.ResourceVersion != is.ResourceVersion {
				tell(was, is)
			}
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if app, ok := obj.(*v1alpha1.Application); ok {
				tell(app, nil)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watch applications: %w", err)
	}
	return nil
}
