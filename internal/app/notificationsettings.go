package app

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/notify"
)

// OpenNotifications returns what the command line tries notifications out with: the controller's own engine in this process.
func OpenNotifications(env []string) cli.NotificationsFunc {
	return func(ctx context.Context, conn *cli.Connection, cm *corev1.ConfigMap, secret *corev1.Secret) (*cli.Notifications, error) {
		p, e, err := openProber(ctx, env, conn, withNotifications{conn.Client, cm, secret})
		if err != nil {
			return nil, err
		}
		n := e.current.Load().notify
		return &cli.Notifications{
			Config: n.config, Problems: n.problems, Close: p.Close,
			Commit: func(ctx context.Context, app *v1alpha1.Application, revision string) (notify.Commit, error) {
				return commitFor(ctx, p.repos, app, revision)
			},
		}, nil
	}
}

// withNotifications reads as the inner reader does, with other settings of notifications where there are some.
type withNotifications struct {
	client.Reader
	cm     *corev1.ConfigMap
	secret *corev1.Secret
}

// Get implements client.Reader.
func (w withNotifications) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if into, ok := obj.(*corev1.ConfigMap); ok && w.cm != nil && key.Name == notify.ConfigMapName {
		w.cm.DeepCopyInto(into)
		return nil
	}
	return w.Reader.Get(ctx, key, obj, opts...)
}

// List implements client.Reader.
func (w withNotifications) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if err := w.Reader.List(ctx, list, opts...); err != nil {
		return err
	}
	if secrets, ok := list.(*corev1.SecretList); ok && w.secret != nil {
		secrets.Items = slices.DeleteFunc(secrets.Items, func(s corev1.Secret) bool { return s.Name == notify.SecretName })
		given := *w.secret.DeepCopy()
		given.Name = notify.SecretName
		secrets.Items = append(secrets.Items, given)
	}
	return nil
}
