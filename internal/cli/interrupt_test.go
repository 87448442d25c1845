package cli

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/belaycd/belay/api/v1alpha1"
)

// TestInterruptedWhileWriting: a write that is on its way is awaited, so that the user learns whether it took effect.
func TestInterruptedWhileWriting(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	key := appKey{Namespace: "argocd", Name: "shop"}
	conn := &Connection{Client: fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(&v1alpha1.Application{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}).
		WithInterceptorFuncs(interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
				cancel()
				if err := ctx.Err(); err != nil {
					return err
				}
				return c.Patch(ctx, obj, patch, opts...)
			},
		}).Build()}
	app, err := conn.Start(ctx, key, func(*v1alpha1.Application) (Start, error) {
		return Start{Operation: &v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}}}, nil
	}, time.Now())
	if err != nil || app.Operation == nil {
		t.Errorf("%+v, %v", app, err)
	}
}
