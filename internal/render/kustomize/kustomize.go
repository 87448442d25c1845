// Package kustomize renders kustomizations in process: the kustomization at spec.source.path with the overrides of
// spec.source.kustomize laid over it goes in; what `kustomize build` would print comes out, as objects.
package kustomize

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/openapi"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// New returns the renderer for kustomizations. Remote bases come from the remotes of the render; Helm charts and plugins are
// refused: a build neither reaches the network nor starts a process.
func New() render.Renderer { return &renderer{} }

type renderer struct {
	// schema guards the OpenAPI schema that the library keeps for the whole process. Builds share it; one whose
	// kustomization names a schema of its own has it alone and puts the default back.
	schema sync.RWMutex
}

// Render implements render.Renderer.
func (r *renderer) Render(ctx context.Context, files source.FS, spec render.Spec) (render.Manifests, error) {
	dir, err := render.CleanPath(spec.Source.Path)
	if err != nil {
		return render.Manifests{}, err
	}
	options, warnings, err := parseOptions(spec.Options.KustomizeBuildOptions)
	if err != nil {
		return render.Manifests{}, err
	}
	if o := spec.Source.Kustomize; o != nil && o.Version != "" {
		warnings = append(warnings, "spec.source.kustomize.version is ignored: kustomize is built in")
	}
	b := &build{ctx: ctx, files: files, project: spec.Project, dir: dir, options: options}
	if err := b.overlay(spec); err != nil {
		return render.Manifests{}, err
	}
	resources, err := r.shared(b)
	if errors.Is(err, errOwnSchema) {
		resources, err = r.alone(b)
	}
	if err != nil {
		return render.Manifests{}, err
	}
	nodes := make([]*yaml.Node, 0, resources.Size())
	for _, res := range resources.Resources() {
		nodes = append(nodes, res.YNode())
	}
	objects, err := render.FromNodes("kustomize build "+dir, nodes)
	if err != nil {
		return render.Manifests{}, err
	}
	nameManager(objects)
	return render.Manifests{Objects: objects, Warnings: append(warnings, b.warnings()...)}, nil
}

func (r *renderer) shared(b *build) (resmap.ResMap, error) {
	r.schema.RLock()
	defer r.schema.RUnlock()
	return b.run(false)
}

func (r *renderer) alone(b *build) (resmap.ResMap, error) {
	r.schema.Lock()
	defer r.schema.Unlock()
	defer openapi.ResetOpenAPI()
	return b.run(true)
}

// build is one run of the library over one snapshot.
type build struct {
	ctx     context.Context
	files   source.FS
	project string
	dir     string
	options options
	// edited holds the root kustomization after overrides, by path from the repository root.
	edited map[string][]byte

	fs *tree
}

func (b *build) run(ownSchema bool) (resmap.ResMap, error) {
	b.fs = newTree(b, ownSchema)
	resources, err := b.fs.build(b.dir)
	// What the file tree refused is the cause; the library reports only its consequence.
	if refused := b.fs.refused(); refused != nil {
		return nil, refused
	}
	if err == nil {
		return resources, nil
	}
	if missing := b.fs.findMissing(); missing != nil {
		return nil, missing
	}
	return nil, fault.New(fault.Invalid, "kustomize build %s: %s", b.dir, b.fs.shown(relativize(err.Error())))
}

// build runs the library on one directory. A panic in it is an error of this kustomization and of no other.
func (t *tree) build(dir string) (resources resmap.ResMap, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the kustomization makes the library panic: %v", r)
		}
	}()
	return krusty.MakeKustomizer(t.options.krusty()).Run(t, path.Join(mount, dir))
}

// relativize takes the place where the library sees the repository out of its messages.
func relativize(message string) string {
	message = strings.ReplaceAll(message, mount+"/", "")
	message = strings.ReplaceAll(message, mount, ".")
	return strings.TrimSpace(message)
}

func (b *build) warnings() []string { return b.fs.deprecations() }
