// Package render turns a snapshot into manifests: a source.FS and a Spec go in; Kubernetes objects, in the order in
// which the source gave them, come out.
package render

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/source"
)

// Spec is everything besides file content that a render depends on. Equal specs over equal content give equal
// manifests.
type Spec struct {
	// AppName, AppNamespace and Project name the Application for release names and the build environment.
	AppName, AppNamespace, Project string
	// Namespace is spec.destination.namespace.
	Namespace string
	// Source is the source after operation overrides; its Path is relative to the snapshot root.
	Source v1alpha1.ApplicationSource
	// Revision is what Source.TargetRevision resolved to.
	Revision source.Revision
	// Refs are the other sources whose files this one may use, nil for an application with one source.
	Refs Refs
	// KubeVersion (for example 1.37.2) and APIVersions (group/version and group/version/Kind) describe the cluster.
	KubeVersion string
	APIVersions []string
	// Options are the settings of argocd-cm that concern rendering.
	Options Options
	// Origins asks for Manifests.Origins.
	Origins bool `json:",omitempty"`
}

// Options are system-wide settings of rendering.
type Options struct {
	// DisableHelm, DisableKustomize and DisableJsonnet switch detection of a type off
	// (helm.enable, kustomize.enable, jsonnet.enable: "false").
	DisableHelm, DisableKustomize, DisableJsonnet bool
	// KustomizeBuildOptions is kustomize.buildOptions, for example "--enable-helm --load-restrictor LoadRestrictionsNone".
	KustomizeBuildOptions string
	// HelmValuesFileSchemes is helm.valuesFileSchemes: URL schemes from which value files may be fetched.
	HelmValuesFileSchemes []string
	// MaxDirectoryBytes bounds the total size of a plain directory's manifests; 0 means 10 MiB.
	MaxDirectoryBytes int64
}

// Manifests is the result of a render.
type Manifests struct {
	// Objects is shared by all users of a cached render and must not be changed.
	Objects []*unstructured.Unstructured
	// Type is what the source was found to be.
	Type v1alpha1.ApplicationSourceType
	// Key names inputs and so the content: two results with equal keys have equal objects.
	Key string
	// Warnings are for people: deprecated fields, ignored settings.
	Warnings []string
	// Origins are the files that Objects were read from, one for each of them and empty where that is not known; nil unless the
	// Spec asks for it. That of a chart is the name of the template as Helm has it: chart/templates/a.yaml.
	Origins []string
}

// ErrOffline is why something is not rendered that needs more than the file tree, where nothing else can be had.
var ErrOffline = errors.New("renders reach no network")

// AddOrigin notes, if spec asks for it, that the objects added last came from the file of that name.
func (m *Manifests) AddOrigin(spec Spec, name string) {
	for spec.Origins && len(m.Origins) < len(m.Objects) {
		m.Origins = append(m.Origins, name)
	}
}

// Renderer renders. Implementations are safe for concurrent use, spawn no process and reach no network. The one exception
// is the renderer of plugins, which runs the programs that an administrator has named.
//
// Errors carry a fault kind: NotFound for a missing path, Invalid for content that cannot be rendered (with file and
// line where the library gives them), Denied for paths and links that leave the repository.
type Renderer interface {
	Render(ctx context.Context, files source.FS, spec Spec) (Manifests, error)
}

type anewKey struct{}

// Anew returns a context in which a Renderer does the work again instead of answering from a cache (hard refresh).
func Anew(ctx context.Context) context.Context { return context.WithValue(ctx, anewKey{}, true) }

// IsAnew reports whether ctx came from Anew.
func IsAnew(ctx context.Context) bool { return ctx.Value(anewKey{}) != nil }
