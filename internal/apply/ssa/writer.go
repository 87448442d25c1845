// Package ssa writes objects by server-side apply: a desired object goes in, what the server stored (or would store, for
// a dry-run) comes out. It is the only writer of workloads.
package ssa

import (
	"context"
	"encoding/json"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/utils/ptr"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/apply"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
)

// Kinds tells how the cluster serves a kind.
type Kinds interface {
	// Resource returns the resource and scope of a kind at a version; false when the cluster does not serve it.
	Resource(gvk schema.GroupVersionKind) (gvr schema.GroupVersionResource, namespaced, ok bool)
	// RefreshDiscovery asks the cluster again.
	RefreshDiscovery(ctx context.Context) error
}

// Cache is told of everything written, so that reads after a write see it.
type Cache interface {
	Observe(u *unstructured.Unstructured)
	ObserveDeleted(ref object.Ref, uid types.UID)
}

// Writer writes to one cluster. It is safe for concurrent use.
type Writer struct {
	client dynamic.Interface
	// user is in whose name client writes, "" for Belay's own. What is read between writes is read by reads, in Belay's own name.
	user  string
	reads dynamic.Interface
	kinds Kinds
	cache Cache
	slots chan struct{}
}

var _ apply.Writer = (*Writer)(nil)

// Waits of a write: for a CRD to be served, and for a deleted object to be gone before it is created again.
const (
	kindTimeout    = 30 * time.Second
	recreateWait   = 60 * time.Second
	requestTimeout = 60 * time.Second
)

// New returns a writer that has at most inFlight requests under way.
func New(client dynamic.Interface, kinds Kinds, cache Cache, inFlight int) *Writer {
	return &Writer{client: client, reads: client, kinds: kinds, cache: cache, slots: make(chan struct{}, inFlight)}
}

// As returns a writer that writes, and asks for dry-runs, in the name of a user, whose client it gets. It shares the slots of w.
func (w *Writer) As(user string, client dynamic.Interface) *Writer {
	out := *w
	out.client, out.user = client, user
	return &out
}

// Apply makes the object as desired. Errors name the object and carry a fault kind.
func (w *Writer) Apply(ctx context.Context, desired *unstructured.Unstructured, opts apply.WriteOptions) (*object.Live, error) {
	ref := object.RefOf(desired)
	if len(opts.Adopt) > 0 && !opts.DryRun && !opts.Replace {
		if err := w.adopt(ctx, desired, opts.Adopt); err != nil {
			return nil, w.classify("take over fields of", ref, err)
		}
	}
	stored, err := w.write(ctx, desired, opts)
	if err != nil && opts.Force && !opts.DryRun && refusesChange(err) {
		stored, err = w.recreate(ctx, desired, opts, err)
	}
	if err != nil {
		return nil, w.classify("apply", ref, err)
	}
	if !opts.DryRun {
		w.cache.Observe(stored)
	}
	return object.NewLive(stored), nil
}

// Predict returns what an apply would make of the object.
func (w *Writer) Predict(ctx context.Context, desired *unstructured.Unstructured, validate bool) (*unstructured.Unstructured, error) {
	live, err := w.Apply(ctx, desired, apply.WriteOptions{DryRun: true, NoValidate: !validate})
	if err != nil {
		return nil, err
	}
	return live.Object, nil
}

// Read returns the object as the server has it now, at the version of like.
func (w *Writer) Read(ctx context.Context, like *unstructured.Unstructured) (*object.Live, error) {
	ref := object.RefOf(like)
	target, err := w.resource(like)
	if err != nil {
		return nil, w.classify("read", ref, err)
	}
	release, err := w.acquire(ctx)
	if err != nil {
		return nil, w.classify("read", ref, err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	u, err := target.Get(ctx, like.GetName(), metav1.GetOptions{})
	if err != nil {
		return nil, w.classify("read", ref, err)
	}
	return object.NewLive(u), nil
}

// Delete deletes the object if it still is the one that was seen.
func (w *Writer) Delete(ctx context.Context, live *object.Live, propagation string, dryRun bool) error {
	ref := live.Ref()
	target, err := w.resource(live.Object)
	if err != nil {
		return w.classify("delete", ref, err)
	}
	release, err := w.acquire(ctx)
	if err != nil {
		return w.classify("delete", ref, err)
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	opts := metav1.DeleteOptions{PropagationPolicy: policy(propagation)}
	if dryRun {
		opts.DryRun = []string{metav1.DryRunAll}
	}
	gone, err := deleteSeen(ctx, target, live.Object, opts)
	if gone && !dryRun {
		w.cache.ObserveDeleted(ref, live.Object.GetUID())
	}
	return w.classify("delete", ref, err)
}

// AwaitKind returns when a kind that was just defined is served at all of its versions.
func (w *Writer) AwaitKind(ctx context.Context, gk schema.GroupKind, versions []string) error {
	served := func() bool {
		for _, v := range append([]string{""}, versions...) {
			if _, _, ok := w.kinds.Resource(gk.WithVersion(v)); !ok {
				return false
			}
		}
		return true
	}
	err := wait.PollUntilContextTimeout(ctx, 25*time.Millisecond, kindTimeout, true, func(ctx context.Context) (bool, error) {
		if served() {
			return true, nil
		}
		// A refresh that fails is tried again until the time is up.
		_ = w.kinds.RefreshDiscovery(ctx)
		return served(), nil
	})
	if err != nil {
		return fault.New(fault.Transient, "wait for kind %s to be served: %w; look at the conditions of its CustomResourceDefinition", gk, err)
	}
	return nil
}

func policy(propagation string) *metav1.DeletionPropagation {
	switch propagation {
	case "background":
		return ptr.To(metav1.DeletePropagationBackground)
	case "orphan":
		return ptr.To(metav1.DeletePropagationOrphan)
	}
	return ptr.To(metav1.DeletePropagationForeground)
}

func (w *Writer) write(ctx context.Context, desired *unstructured.Unstructured, opts apply.WriteOptions) (*unstructured.Unstructured, error) {
	target, err := w.resource(desired)
	if err != nil {
		return nil, err
	}
	release, err := w.acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if opts.Replace {
		return replace(ctx, target, desired, opts)
	}
	if opts.Fresh && opts.DryRun {
		return judgeFresh(ctx, target, desired, opts)
	}
	stored, err := patch(ctx, target, desired, opts)
	if err == nil || !opts.NoValidate {
		return stored, err
	}
	declared, some := withoutUndeclared(desired, err)
	if !some {
		return nil, err
	}
	return patch(ctx, target, declared, opts)
}

// patch is server-side apply.
func patch(ctx context.Context, target dynamic.ResourceInterface, desired *unstructured.Unstructured, opts apply.WriteOptions) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(desired.Object)
	if err != nil {
		return nil, fault.New(fault.Internal, "encode: %w", err)
	}
	return target.Patch(ctx, desired.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{
		FieldManager: v1alpha1.FieldManager, Force: ptr.To(true), FieldValidation: validation(opts), DryRun: dryRun(opts),
	})
}

// replace puts the whole object in place of the live one, or creates it.
func replace(ctx context.Context, target dynamic.ResourceInterface, desired *unstructured.Unstructured, opts apply.WriteOptions) (*unstructured.Unstructured, error) {
	live, err := target.Get(ctx, desired.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return target.Create(ctx, desired, metav1.CreateOptions{
			FieldManager: v1alpha1.FieldManager, FieldValidation: validation(opts), DryRun: dryRun(opts),
		})
	}
	if err != nil {
		return nil, err
	}
	next := desired.DeepCopy()
	next.SetResourceVersion(live.GetResourceVersion())
	return target.Update(ctx, next, metav1.UpdateOptions{
		FieldManager: v1alpha1.FieldManager, FieldValidation: validation(opts), DryRun: dryRun(opts),
	})
}

// judgeFresh asks whether the object could be created. Validation and admission come before the server notices that the name
// is taken, so that this is no refusal.
func judgeFresh(ctx context.Context, target dynamic.ResourceInterface, desired *unstructured.Unstructured, opts apply.WriteOptions) (*unstructured.Unstructured, error) {
	out, err := target.Create(ctx, desired, metav1.CreateOptions{
		FieldManager: v1alpha1.FieldManager, FieldValidation: validation(opts), DryRun: []string{metav1.DryRunAll},
	})
	if apierrors.IsAlreadyExists(err) {
		return desired, nil
	}
	return out, err
}

func (w *Writer) resource(u *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := u.GroupVersionKind()
	gvr, namespaced, ok := w.kinds.Resource(gvk)
	if !ok {
		return nil, fault.New(fault.NotFound, "the cluster does not serve %s; is its CustomResourceDefinition installed?", gvk)
	}
	of := func(client dynamic.Interface) dynamic.ResourceInterface {
		if namespaced {
			return client.Resource(gvr).Namespace(u.GetNamespace())
		}
		return client.Resource(gvr)
	}
	if w.user == "" {
		return of(w.client), nil
	}
	return inTwoNames{of(w.client), of(w.reads)}, nil
}

// inTwoNames writes in one name and reads in another.
type inTwoNames struct {
	dynamic.ResourceInterface
	reads dynamic.ResourceInterface
}

// Get implements dynamic.ResourceInterface.
func (r inTwoNames) Get(ctx context.Context, name string, opts metav1.GetOptions, subresources ...string) (*unstructured.Unstructured, error) {
	return r.reads.Get(ctx, name, opts, subresources...)
}

func (w *Writer) acquire(ctx context.Context) (release func(), err error) {
	select {
	case w.slots <- struct{}{}:
		return func() { <-w.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func validation(opts apply.WriteOptions) string {
	if opts.NoValidate {
		return metav1.FieldValidationIgnore
	}
	return metav1.FieldValidationStrict
}

func dryRun(opts apply.WriteOptions) []string {
	if opts.DryRun {
		return []string{metav1.DryRunAll}
	}
	return nil
}
