package ssa

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// deleteTries bounds the attempts to delete an object whose content keeps changing.
const deleteTries = 5

// deleteSeen deletes an object as it was seen: the decision to delete it rests on its labels, annotations and owners, so
// that one that has passed to another application meanwhile, or was told to stay, is left alone. Other changes do not
// matter. It reports whether the object is known to be gone.
func deleteSeen(ctx context.Context, target dynamic.ResourceInterface, seen *unstructured.Unstructured, opts metav1.DeleteOptions) (gone bool, err error) {
	latest := seen
	for try := 1; ; try++ {
		opts.Preconditions = &metav1.Preconditions{UID: ptr.To(seen.GetUID())}
		if v := latest.GetResourceVersion(); v != "" {
			opts.Preconditions.ResourceVersion = &v
		}
		err := target.Delete(ctx, seen.GetName(), opts)
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		if !apierrors.IsConflict(err) || try == deleteTries {
			return false, err
		}
		latest, err = target.Get(ctx, seen.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if latest.GetUID() != seen.GetUID() {
			return true, nil // the name is another object's now
		}
		if !sameClaims(seen, latest) {
			return false, fault.New(fault.Conflict, "its labels, annotations or owners have changed since it was compared")
		}
	}
}

// releaseTries bounds the attempts to remove a finalizer from an object that keeps changing.
const releaseTries = 5

// Release removes a finalizer from the object that was seen. An object that is gone, or whose name is another's by now, needs
// nothing.
func (w *Writer) Release(ctx context.Context, live *object.Live, finalizer string) error {
	ref := live.Ref()
	target, err := w.resource(live.Object)
	if err != nil {
		return w.classify("release", ref, err)
	}
	slot, err := w.acquire(ctx)
	if err != nil {
		return w.classify("release", ref, err)
	}
	defer slot()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	latest := live.Object
	for try := 1; ; try++ {
		rest := slices.DeleteFunc(latest.GetFinalizers(), func(f string) bool { return f == finalizer })
		if len(rest) == len(latest.GetFinalizers()) {
			return nil
		}
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": latest.GetResourceVersion(), "finalizers": rest}})
		if err != nil {
			return fault.New(fault.Internal, "release %s: %w", ref, err)
		}
		out, err := target.Patch(ctx, ref.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: v1alpha1.FieldManager})
		switch {
		case err == nil && out.GetDeletionTimestamp() != nil && len(out.GetFinalizers()) == 0:
			w.cache.ObserveDeleted(ref, out.GetUID())
			return nil
		case err == nil:
			w.cache.Observe(out)
			return nil
		case apierrors.IsNotFound(err):
			w.cache.ObserveDeleted(ref, live.Object.GetUID())
			return nil
		case !apierrors.IsConflict(err) || try == releaseTries:
			return w.classify("release", ref, err)
		}
		if latest, err = target.Get(ctx, ref.Name, metav1.GetOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return w.classify("release", ref, err)
		}
		if err != nil || latest.GetUID() != live.Object.GetUID() {
			return nil
		}
	}
}

// sameClaims reports whether two states of an object say the same about whose it is and whether it may be deleted.
func sameClaims(a, b *unstructured.Unstructured) bool {
	return sameText(a.GetLabels(), b.GetLabels()) && sameText(claims(a), claims(b)) &&
		(len(a.GetOwnerReferences())+len(b.GetOwnerReferences()) == 0 || reflect.DeepEqual(a.GetOwnerReferences(), b.GetOwnerReferences()))
}

func sameText(a, b map[string]string) bool {
	return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b)
}

// claims are the annotations that say whose an object is and what may be done with it.
func claims(u *unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	for k, v := range u.GetAnnotations() {
		if strings.HasPrefix(k, "argocd.argoproj.io/") || strings.HasPrefix(k, "helm.sh/") {
			out[k] = v
		}
	}
	return out
}

// recreate deletes an object that cannot be changed and creates it as desired. What the server would not create is not
// deleted for it.
func (w *Writer) recreate(ctx context.Context, desired *unstructured.Unstructured, opts apply.WriteOptions, refusal error) (*unstructured.Unstructured, error) {
	target, err := w.resource(desired)
	if err != nil {
		return nil, err
	}
	old, err := target.Get(ctx, desired.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, refusal // there is nothing that could be in the way
	}
	if err != nil {
		return nil, err
	}
	if _, err = judgeFresh(ctx, target, desired, opts); err != nil {
		return nil, err
	}
	uid := old.GetUID()
	err = target.Delete(ctx, desired.GetName(), metav1.DeleteOptions{
		PropagationPolicy: ptr.To(metav1.DeletePropagationBackground), Preconditions: &metav1.Preconditions{UID: &uid},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, recreateWait, true, func(ctx context.Context) (bool, error) {
		now, err := target.Get(ctx, desired.GetName(), metav1.GetOptions{})
		return apierrors.IsNotFound(err) || err == nil && now.GetUID() != uid, nil
	})
	if err != nil {
		return nil, fault.New(fault.Transient, "wait for the old object to be gone: %w", err)
	}
	return w.write(ctx, desired, opts)
}
