package live

import (
	"bytes"
	"fmt"
	"strconv"
	"unique"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/belaycd/belay/internal/object"
)

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// OwnerFunc says which application an object belongs to. It sees at least apiVersion, kind and metadata, without
// managedFields, and must neither change nor keep what it is given.
type OwnerFunc func(u *unstructured.Unstructured) (app string, ok bool)

// item is one state of one object as the cluster sent it; it never changes.
type item struct {
	ref    object.Ref
	uid    types.UID
	rv     uint64 // 0 when the server's resourceVersion is not a number and so cannot be compared
	app    string // the application that owns it, or ""
	owners []types.UID
	body   body
}

// body keeps the content in the form that costs least: applications' own objects ready for use, other objects of
// managed kinds as JSON, objects of all other kinds as metadata.
type body interface {
	live(it *item) *object.Live
	full() bool
}

func (it *item) live() *object.Live {
	if it == nil {
		return nil
	}
	return it.body.live(it)
}

// item travels through client-go's reflector, which wants a runtime.Object with metadata.
var (
	_ runtime.Object            = (*item)(nil)
	_ metav1.ObjectMetaAccessor = (*item)(nil)
)

func (it *item) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }
func (it *item) DeepCopyObject() runtime.Object   { return it }
func (it *item) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: it.ref.Namespace, Name: it.ref.Name, UID: it.uid}
}

type fullBody struct{ l *object.Live }

func (b fullBody) live(*item) *object.Live { return b.l }
func (b fullBody) full() bool              { return true }

// packedBody is the whole object as JSON, managedFields included: about a quarter of the size of the decoded form.
type packedBody struct{ data []byte }

func (b packedBody) live(it *item) *object.Live {
	u := new(unstructured.Unstructured)
	if err := u.UnmarshalJSON(b.data); err != nil {
		// The bytes are our own encoding of a decoded object; should they not decode, what is known without
		// them is said, and Partial keeps callers from trusting it as content.
		u.SetGroupVersionKind(schema.GroupVersionKind{Group: it.ref.Group, Kind: it.ref.Kind})
		u.SetNamespace(it.ref.Namespace)
		u.SetName(it.ref.Name)
		u.SetUID(it.uid)
		return &object.Live{Object: u, Partial: true}
	}
	return split(u)
}
func (b packedBody) full() bool { return true }

type metaBody struct {
	apiVersion string
	meta       *metav1.ObjectMeta
}

func (b metaBody) live(it *item) *object.Live {
	m := b.meta
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": b.apiVersion, "kind": it.ref.Kind}}
	u.SetNamespace(m.Namespace)
	u.SetName(m.Name)
	u.SetUID(m.UID)
	u.SetResourceVersion(m.ResourceVersion)
	u.SetCreationTimestamp(m.CreationTimestamp)
	if m.Generation != 0 {
		u.SetGeneration(m.Generation)
	}
	if m.GenerateName != "" {
		u.SetGenerateName(m.GenerateName)
	}
	if m.DeletionTimestamp != nil {
		u.SetDeletionTimestamp(m.DeletionTimestamp)
		u.SetDeletionGracePeriodSeconds(m.DeletionGracePeriodSeconds)
	}
	if len(m.Labels) > 0 {
		u.SetLabels(m.Labels)
	}
	if len(m.Annotations) > 0 {
		u.SetAnnotations(m.Annotations)
	}
	if len(m.OwnerReferences) > 0 {
		u.SetOwnerReferences(m.OwnerReferences)
	}
	if len(m.Finalizers) > 0 {
		u.SetFinalizers(m.Finalizers)
	}
	return &object.Live{Object: u, Partial: true}
}
func (b metaBody) full() bool { return false }

// decoder turns what clients return for one kind at one version into items.
type decoder struct {
	gvk   schema.GroupVersionKind
	full  bool
	owner OwnerFunc
}

// decode takes ownership of obj: the result shares its content.
func (d decoder) decode(obj any) (*item, error) {
	switch o := obj.(type) {
	case *item:
		return o, nil
	case *metav1.PartialObjectMetadata:
		return d.fromMeta(&o.ObjectMeta), nil
	case *unstructured.Unstructured:
		if !d.full {
			return d.fromMeta(metaOf(o)), nil
		}
		return d.fromFull(o)
	default:
		return nil, fmt.Errorf("decode %s: unexpected %T", d.gvk.Kind, obj)
	}
}

func (d decoder) base(m metav1.Object) *item {
	it := &item{
		ref: object.Ref{Group: d.gvk.Group, Kind: d.gvk.Kind, Namespace: intern(m.GetNamespace()), Name: m.GetName()},
		uid: m.GetUID(),
		rv:  comparable64(m.GetResourceVersion()),
	}
	for _, o := range m.GetOwnerReferences() {
		it.owners = append(it.owners, o.UID)
	}
	return it
}

func (d decoder) fromMeta(m *metav1.ObjectMeta) *item {
	m.ManagedFields = nil
	delete(m.Annotations, lastApplied) // content, and long; of a kind that is followed by metadata alone
	m.Namespace = intern(m.Namespace)
	it := d.base(m)
	it.body = metaBody{apiVersion: d.gvk.GroupVersion().String(), meta: m}
	it.app = d.ownerOf(it.live().Object)
	return it
}

func (d decoder) fromFull(u *unstructured.Unstructured) (*item, error) {
	it := d.base(u)
	it.app = d.ownerOf(u)
	if it.app != "" {
		it.body = fullBody{split(u)}
		return it, nil
	}
	data, err := u.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", it.ref, err)
	}
	it.body = packedBody{bytes.Clone(bytes.TrimSpace(data))}
	return it, nil
}

func (d decoder) ownerOf(u *unstructured.Unstructured) string {
	if d.owner == nil {
		return ""
	}
	app, ok := d.owner(u)
	if !ok {
		return ""
	}
	return intern(app)
}

// split moves managedFields out of u, which it changes.
func split(u *unstructured.Unstructured) *object.Live {
	l := object.NewLive(u)
	for i := range l.Managers {
		m := &l.Managers[i]
		m.Name, m.Operation, m.Subresource = intern(m.Name), intern(m.Operation), intern(m.Subresource)
	}
	return l
}

// metaOf returns the metadata of a full object, copied, without managedFields.
func metaOf(u *unstructured.Unstructured) *metav1.ObjectMeta {
	return &metav1.ObjectMeta{
		Namespace:                  u.GetNamespace(),
		Name:                       u.GetName(),
		GenerateName:               u.GetGenerateName(),
		UID:                        u.GetUID(),
		ResourceVersion:            u.GetResourceVersion(),
		Generation:                 u.GetGeneration(),
		CreationTimestamp:          u.GetCreationTimestamp(),
		DeletionTimestamp:          u.GetDeletionTimestamp(),
		DeletionGracePeriodSeconds: u.GetDeletionGracePeriodSeconds(),
		Labels:                     u.GetLabels(),
		Annotations:                u.GetAnnotations(),
		OwnerReferences:            u.GetOwnerReferences(),
		Finalizers:                 u.GetFinalizers(),
	}
}

// shallow returns a copy of u of which the top level and metadata may be changed.
func shallow(u *unstructured.Unstructured) *unstructured.Unstructured {
	top := make(map[string]any, len(u.Object))
	for k, v := range u.Object {
		top[k] = v
	}
	if meta, ok := u.Object["metadata"].(map[string]any); ok {
		m := make(map[string]any, len(meta))
		for k, v := range meta {
			m[k] = v
		}
		top["metadata"] = m
	}
	return &unstructured.Unstructured{Object: top}
}

// comparable64 returns a resourceVersion as a number. Kubernetes 1.35 made them comparable by contract; etcd-backed
// servers always had numbers. Anything else is 0.
func comparable64(rv string) uint64 {
	n, err := strconv.ParseUint(rv, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// intern returns s from a process-wide pool that forgets what nobody uses: namespaces, applications and field
// managers repeat in every object.
func intern(s string) string {
	if s == "" {
		return ""
	}
	return unique.Make(s).Value()
}
