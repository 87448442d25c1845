// Package kubeapi knows the kinds and fields that the versions of Kubernetes serve: an object and a minor version go in; fields that
// this version does not have, values of the wrong type and list elements with the same key come out.
package kubeapi

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// bundle is made by TestBundle from the OpenAPI documents of Kubernetes.
//
//go:embed bundle.json.gz
var bundle []byte

// API holds what the bundle tells. It is not changed once it is open.
type API struct {
	// First and Last are the minor versions that it covers: 29 for 1.29.
	First int `json:"first"`
	Last  int `json:"last"`
	// Kinds are by group, version and kind, with slashes between.
	Kinds map[string]*Kind `json:"kinds"`
	// Types are the definitions, by name.
	Types map[string]*Type `json:"types"`
}

// Span is the minor versions that have something: from Since up to Until, both 0 where that lies outside of what the API covers.
type Span struct {
	Since int `json:"s,omitempty"`
	Until int `json:"u,omitempty"`
}

// Has reports whether a minor version lies in the span.
func (s Span) Has(minor int) bool { return minor >= s.Since && (s.Until == 0 || minor <= s.Until) }

// Kind is a kind that can be created.
type Kind struct {
	Span
	// Type is empty for kinds that were gone before the first version that the API covers.
	Type       string `json:"t,omitempty"`
	Plural     string `json:"p,omitempty"`
	Namespaced bool   `json:"n,omitempty"`
	// Deprecated and Removed are the minor versions that deprecated it and will remove or removed it, 0 for none. Replacement is
	// what to use instead, as a key of Kinds.
	Deprecated  int    `json:"dep,omitempty"`
	Removed     int    `json:"rem,omitempty"`
	Replacement string `json:"rep,omitempty"`
}

// Type is a structure: its fields by name. A field that changed its type is there more than once.
type Type struct {
	Fields map[string][]Field `json:"f,omitempty"`
}

// Field is one field of a structure.
type Field struct {
	Span
	Shape
}

// Shape is what a value must look like.
type Shape struct {
	// Is is one of the constants below.
	Is string `json:"i"`
	// Ref names the Type of a structure.
	Ref string `json:"r,omitempty"`
	// Of is the shape of the elements of a list or mapping.
	Of *Shape `json:"o,omitempty"`
	// Keys tell the elements of a list apart. Set says that the elements themselves do.
	Keys []string `json:"k,omitempty"`
	Set  bool     `json:"e,omitempty"`
	// Default is the value of a field that is left out, for keys of list elements.
	Default string `json:"d,omitempty"`
}

// Shapes.
const (
	anything  = "any"
	text      = "string"
	binary    = "bytes"
	boolean   = "bool"
	integer   = "int"
	number    = "number"
	textOrInt = "int|string"
	quantity  = "quantity"
	list      = "list"
	mapping   = "map"
	structure = "struct"
)

// Open reads the bundle, which takes some milliseconds.
func Open() (*API, error) {
	r, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		return nil, fmt.Errorf("read the table of Kubernetes' fields: %w", err)
	}
	api := &API{}
	if err := json.NewDecoder(r).Decode(api); err != nil {
		return nil, fmt.Errorf("read the table of Kubernetes' fields: %w", err)
	}
	return api, nil
}

// Kind returns what is known of a kind in any version of Kubernetes, nil if there is none.
func (a *API) Kind(gvk schema.GroupVersionKind) *Kind {
	return a.Kinds[gvk.Group+"/"+gvk.Version+"/"+gvk.Kind]
}

// Versions returns the versions of an API group that serve a kind in a minor version of Kubernetes, the
// most stable first.
func (a *API) Versions(gk schema.GroupKind, minor int) (out []string) {
	for key, kind := range a.Kinds {
		if gvk := GVK(key); gvk.GroupKind() == gk && kind.Has(minor) {
			out = append(out, gvk.Version)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return version.CompareKubeAwareVersionStrings(b, a) })
	return out
}

// Group reports whether an API group is one of Kubernetes' own.
func (a *API) Group(group string) bool {
	for key := range a.Kinds {
		if g, _, _ := strings.Cut(key, "/"); g == group {
			return true
		}
	}
	return false
}

// GVK reads a key of Kinds.
func GVK(key string) schema.GroupVersionKind {
	parts := strings.SplitN(key, "/", 3)
	return schema.GroupVersionKind{Group: parts[0], Version: parts[1], Kind: parts[2]}
}

// Minor reads a version of Kubernetes such as 1.37, v1.37.2 or 1.37.2-eks-1.
func Minor(version string) (int, error) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 || parts[0] != "1" {
		return 0, fmt.Errorf("%q is not a version of Kubernetes such as 1.37", version)
	}
	minor, err := strconv.Atoi(strings.TrimRight(parts[1], "+"))
	if err != nil {
		return 0, fmt.Errorf("%q is not a version of Kubernetes such as 1.37", version)
	}
	return minor, nil
}
