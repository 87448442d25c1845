package app

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/fault"
)

// complete reads what a plan would take away, of kinds of which the watch cache has metadata alone: a reader of the plan wants to
// see what goes. Objects that are gone by now stay as they are.
func complete(ctx context.Context, direct client.Reader, plan *diff.Plan) error {
	for _, item := range plan.Items {
		if item.Action != diff.Delete || item.Live == nil || !item.Live.Partial {
			continue
		}
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(item.Live.Object.GroupVersionKind())
		err := direct.Get(ctx, client.ObjectKeyFromObject(item.Live.Object), u)
		switch {
		case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
			continue
		case err != nil:
			return fault.As(readKind(err), fmt.Errorf("get %s: %w", item.Ref, err))
		}
		u.SetManagedFields(nil)
		whole := *item.Live
		whole.Object, whole.Partial = u, false
		item.Live = &whole
	}
	return nil
}
