// Package object holds the identities and values that all stages share: a Kubernetes object goes in; its Ref, a
// content hash and, for two of them, the list of Changes come out, each with a stable text form.
package object

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Ref identifies an object within one cluster, whatever the API version it is written in.
type Ref struct {
	Group     string
	Kind      string
	Namespace string
	Name      string
}

// RefOf returns the identity of u.
func RefOf(u *unstructured.Unstructured) Ref {
	gvk := u.GroupVersionKind()
	return Ref{Group: gvk.Group, Kind: gvk.Kind, Namespace: u.GetNamespace(), Name: u.GetName()}
}

// GroupKind returns the kind of the object.
func (r Ref) GroupKind() schema.GroupKind { return schema.GroupKind{Group: r.Group, Kind: r.Kind} }

// String returns [group/]Kind/[namespace/]name, the form that messages and logs use.
func (r Ref) String() string {
	parts := make([]string, 0, 4)
	for _, p := range []string{r.Group, r.Kind, r.Namespace, r.Name} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "/")
}

// Less orders refs by group, kind, namespace and name, the order of status.resources.
func (r Ref) Less(o Ref) bool {
	if r.Group != o.Group {
		return r.Group < o.Group
	}
	if r.Kind != o.Kind {
		return r.Kind < o.Kind
	}
	if r.Namespace != o.Namespace {
		return r.Namespace < o.Namespace
	}
	return r.Name < o.Name
}

// Compare orders refs as Less does, for slices.SortFunc.
func (r Ref) Compare(o Ref) int {
	switch {
	case r.Less(o):
		return -1
	case o.Less(r):
		return 1
	}
	return 0
}

// Manager is one entry of metadata.managedFields: who owns which fields.
type Manager struct {
	Name        string
	Operation   string // Apply or Update
	Subresource string
	Time        string // RFC 3339, empty when the server sent none
	FieldsV1    []byte // the raw field set, JSON
}

// Live is an object as the cluster holds it. It is shared between goroutines and must not be changed.
type Live struct {
	// Object is the content without metadata.managedFields; with Partial it has apiVersion, kind and metadata only.
	Object *unstructured.Unstructured
	// Managers is what metadata.managedFields said.
	Managers []Manager
	// Partial says that only metadata is known.
	Partial bool
}

// Ref returns the identity of the object.
func (l *Live) Ref() Ref { return RefOf(l.Object) }

// Hash returns a hex SHA-256 over the canonical JSON of v: equal values give equal hashes.
func Hash(v any) string {
	data, err := json.Marshal(v) // maps are written in key order
	if err != nil {
		// Values here come from JSON or YAML decoders, so this is a programming error; a hash that
		// equals no other makes callers recompute instead of trusting it.
		data = []byte("unhashable: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Change is one field that a sync would change.
type Change struct {
	// Path is the field in the form spec.template.spec.containers[name=app].image.
	Path string
	// Live and Desired are the values; nil means absent.
	Live, Desired any
	// Manager is the field manager that last wrote the live value, when known.
	Manager string
}
