package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/audit/configmap"
	"github.com/belaycd/belay/internal/cli"
)

// OpenAudit returns the record of activities for the command line.
func OpenAudit(now func() time.Time) cli.AuditFunc {
	return func(conn *cli.Connection) audit.Log {
		return configmap.New(configmap.Options{Client: conn.Client, Reader: conn.Client, Namespace: conn.Namespace, Now: now, Log: slog.New(slog.DiscardHandler)})
	}
}

// newAudit returns the record that this process appends to.
func newAudit(cfg Config, mgr ctrl.Manager) *configmap.Store {
	host, err := os.Hostname()
	if err != nil {
		host = "belay"
	}
	return configmap.New(configmap.Options{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Namespace: cfg.Namespace, Now: time.Now, Log: cfg.Log,
		Writer: fmt.Sprintf("%s/%d/%d", host, os.Getpid(), time.Now().UnixNano()),
	})
}

// withoutRecord leaves the ConfigMaps of the record out of the cache: nobody reads them there, they are large, and each write
// would have the settings read again.
func withoutRecord() (map[client.Object]cache.ByObject, error) {
	absent, err := labels.NewRequirement(configmap.Label, selection.DoesNotExist, nil)
	if err != nil {
		return nil, fmt.Errorf("select ConfigMaps: %w", err)
	}
	return map[client.Object]cache.ByObject{&corev1.ConfigMap{}: {Label: labels.NewSelector().Add(*absent)}}, nil
}

// recordTransitions records what happens to Applications. Every replica does, and what several of them see is recorded once.
func recordTransitions(ctx context.Context, c cache.Cache, into audit.Recorder, now func() time.Time) error {
	informer, err := c.GetInformer(ctx, &v1alpha1.Application{})
	if err != nil {
		return fmt.Errorf("watch Applications: %w", err)
	}
	tell := func(before, after *v1alpha1.Application) {
		for _, a := range audit.Transitions(before, after, metav1.NewTime(now())) {
			into.Record(ctx, a)
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(obj any, initial bool) {
			if app, ok := obj.(*v1alpha1.Application); ok && !initial {
				tell(nil, app)
			}
		},
		UpdateFunc: func(before, after any) {
			b, okB := before.(*v1alpha1.Application)
			a, okA := after.(*v1alpha1.Application)
			if okA && okB && a.ResourceVersion != b.ResourceVersion {
				tell(b, a)
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
		return fmt.Errorf("watch Applications: %w", err)
	}
	return nil
}
