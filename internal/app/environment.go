package app

import (
	"context"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/controller"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/project"
	"github.com/belaycd/belay/internal/reconcile"
	"github.com/belaycd/belay/internal/source/git"
)

// environment is the present state of the settings and projects, kept up to date by watches.
type environment struct {
	client  client.Client
	cfg     Config
	current atomic.Pointer[reconcile.Config]
}

func newEnvironment(c client.Client, cfg Config) *environment {
	e := &environment{client: c, cfg: cfg}
	e.current.Store(&reconcile.Config{ControllerNamespace: cfg.Namespace, Tracking: object.Tracking{}})
	return e
}

// Config implements controller.Environment.
func (e *environment) Config() reconcile.Config { return *e.current.Load() }

func (e *environment) interval() time.Duration { return 120 * time.Second }
func (e *environment) jitter() time.Duration   { return 60 * time.Second }

// excluded keeps kinds out of the watch cache.
func (e *environment) excluded(group, kind string) bool {
	switch kind {
	case "Event", "Lease", "TokenReview", "SubjectAccessReview", "LocalSubjectAccessReview", "SelfSubjectAccessReview",
		"SelfSubjectReview", "CertificateSigningRequest", "Endpoints":
		return true
	}
	return false
}

// Credentials implements git.CredentialStore.
func (e *environment) Credentials(string) (git.Credentials, error) { return git.Credentials{}, nil }

// Project implements controller.Environment.
func (e *environment) Project(ctx context.Context, name string) (reconcile.Permissions, error) {
	var p v1alpha1.AppProject
	err := e.client.Get(ctx, client.ObjectKey{Namespace: e.cfg.Namespace, Name: name}, &p)
	if apierrors.IsNotFound(err) {
		if name == v1alpha1.DefaultProjectName {
			return project.New(project.Default(e.cfg.Namespace)), nil
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return project.New(&p), nil
}

// watch follows projects, settings and Secrets, and asks for another look at what a change concerns.
func (e *environment) watch(ctx context.Context, c cache.Cache, ctl *controller.Controller) error {
	for _, obj := range []client.Object{&v1alpha1.AppProject{}, &corev1.ConfigMap{}, &corev1.Secret{}} {
		informer, err := c.GetInformer(ctx, obj)
		if err != nil {
			return err
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{}); err != nil {
			return err
		}
	}
	return nil
}
