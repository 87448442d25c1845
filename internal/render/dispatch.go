package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// Renderers are the implementations by type of source.
type Renderers struct {
	Directory, Kustomize, Helm Renderer
	Plugins                    Plugins // nil where plugins are switched off
}

// Plugins renders sources of plugins, which may look for their sources by themselves.
type Plugins interface {
	Renderer
	// Claims reports whether a plugin wants a source that names no type. It is safe for concurrent use.
	Claims(ctx context.Context, files source.FS, spec Spec) (bool, error)
}

// PluginsOff says how plugins are switched on.
const PluginsOff = "config management plugins are switched off; name the directory of their definitions with belay run --plugins-dir, or in $BELAY_PLUGINS_DIR for any command"

// New returns the renderer that finds out the type of a source and lets the renderer of that type do the work: it
// checks the path, lays .argocd-source.yaml over the source and sets Type and Key of the result.
func New(by Renderers) Renderer { return dispatcher{by: by} }

type dispatcher struct{ by Renderers }

func (d dispatcher) Render(ctx context.Context, files source.FS, spec Spec) (Manifests, error) {
	if err := ctx.Err(); err != nil {
		return Manifests{}, err
	}
	if spec.Source.Chart != "" {
		spec.Source.Path = "." // the tree is the chart itself
	}
	dir, err := CleanPath(spec.Source.Path)
	if err != nil {
		return Manifests{}, err
	}
	if err := requireDir(files, dir); err != nil {
		return Manifests{}, err
	}
	if spec.Source, err = mergeOverrides(files, dir, spec); err != nil {
		return Manifests{}, err
	}
	spec.Source.Path = dir
	kind, err := d.detect(ctx, files, spec)
	if err != nil {
		return Manifests{}, err
	}
	impl, err := d.of(kind)
	if err != nil {
		return Manifests{}, err
	}
	out, err := impl.Render(ctx, files, spec)
	if err != nil {
		return Manifests{}, err
	}
	out.Type = kind
	out.Key, err = contentKey(out.Objects)
	return out, err
}

func (d dispatcher) of(kind v1alpha1.ApplicationSourceType) (Renderer, error) {
	var impl Renderer
	switch kind {
	case v1alpha1.SourceTypeDirectory:
		impl = d.by.Directory
	case v1alpha1.SourceTypeKustomize:
		impl = d.by.Kustomize
	case v1alpha1.SourceTypeHelm:
		impl = d.by.Helm
	case v1alpha1.SourceTypePlugin:
		if d.by.Plugins == nil {
			return nil, fault.New(fault.Invalid, "spec.source.plugin: %s", PluginsOff)
		}
		impl = d.by.Plugins
	}
	if impl == nil {
		return nil, fault.New(fault.Invalid, "sources of type %s cannot be rendered here", kind)
	}
	return impl, nil
}

// detect follows Argo CD: an explicit field wins, then a plugin that wants the source, then Chart.yaml, then a
// kustomization file, else a directory. A type that is switched off is rendered as a directory.
func (d dispatcher) detect(ctx context.Context, files source.FS, spec Spec) (v1alpha1.ApplicationSourceType, error) {
	kind, err := explicit(spec)
	if kind != "" || err != nil {
		return kind, err
	}
	if d.by.Plugins != nil {
		if claimed, err := d.by.Plugins.Claims(ctx, files, spec); err != nil || claimed {
			return v1alpha1.SourceTypePlugin, err
		}
	}
	dir := spec.Source.Path
	if !spec.Options.DisableHelm {
		if found, err := isFile(files, path.Join(dir, "Chart.yaml")); err != nil || found {
			return v1alpha1.SourceTypeHelm, err
		}
	}
	if !spec.Options.DisableKustomize {
		for _, name := range KustomizationNames() {
			if found, err := isFile(files, path.Join(dir, name)); err != nil || found {
				return v1alpha1.SourceTypeKustomize, err
			}
		}
	}
	return v1alpha1.SourceTypeDirectory, nil
}

// explicit returns the type that the source's fields say, or nothing.
func explicit(spec Spec) (v1alpha1.ApplicationSourceType, error) {
	var explicit []v1alpha1.ApplicationSourceType
	if spec.Source.Kustomize != nil {
		explicit = append(explicit, v1alpha1.SourceTypeKustomize)
	}
	if spec.Source.Helm != nil {
		explicit = append(explicit, v1alpha1.SourceTypeHelm)
	}
	if spec.Source.Directory != nil {
		explicit = append(explicit, v1alpha1.SourceTypeDirectory)
	}
	if spec.Source.Plugin != nil {
		explicit = append(explicit, v1alpha1.SourceTypePlugin)
	}
	if len(explicit) > 1 {
		names := make([]string, len(explicit))
		for i, kind := range explicit {
			names[i] = string(kind)
		}
		return "", fault.New(fault.Invalid, "multiple application sources defined: %s; keep one", strings.Join(names, ","))
	}
	if len(explicit) == 1 {
		if disabled(explicit[0], spec.Options) {
			return v1alpha1.SourceTypeDirectory, nil
		}
		return explicit[0], nil
	}
	return "", nil
}

func disabled(kind v1alpha1.ApplicationSourceType, options Options) bool {
	return kind == v1alpha1.SourceTypeHelm && options.DisableHelm ||
		kind == v1alpha1.SourceTypeKustomize && options.DisableKustomize
}

func isFile(files source.FS, name string) (bool, error) {
	info, err := files.Stat(name)
	if err != nil {
		if isMissing(err) {
			return false, nil
		}
		return false, Classify("look for "+name, err)
	}
	return !info.IsDir(), nil
}

// contentKey hashes the objects in their order. encoding/json writes maps sorted by key, so equal objects give equal keys.
func contentKey(objects []*unstructured.Unstructured) (string, error) {
	sum := sha256.New()
	enc := json.NewEncoder(sum)
	enc.SetEscapeHTML(false)
	for _, u := range objects {
		if err := enc.Encode(u.Object); err != nil {
			return "", fault.New(fault.Internal, "hash %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// KustomizationNames are the files that make a directory a kustomization.
func KustomizationNames() []string {
	return []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}
}
