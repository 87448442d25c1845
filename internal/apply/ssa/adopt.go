package ssa

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/client-go/util/retry"

	"github.com/belaycd/belay/api/v1alpha1"
)

// adopt writes the fields that other managers own by updates over to our applies. It changes who owns them and nothing else; the
// apply that follows removes those that are not desired.
func (w *Writer) adopt(ctx context.Context, desired *unstructured.Unstructured, managers []string) error {
	target, err := w.resource(desired)
	if err != nil {
		return err
	}
	release, err := w.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		live, err := target.Get(ctx, desired.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil // the apply creates it
		}
		if err != nil {
			return err
		}
		patch, err := csaupgrade.UpgradeManagedFieldsPatch(live, sets.New(managers...), v1alpha1.FieldManager)
		if err != nil || len(patch) == 0 {
			return err
		}
		// The patch names the resourceVersion that it was made for.
		_, err = target.Patch(ctx, desired.GetName(), types.JSONPatchType, patch, metav1.PatchOptions{FieldManager: v1alpha1.FieldManager})
		return err
	})
}
