// Package helm renders charts in process: the chart at spec.source.path with the values of spec.source.helm goes in;
// what `helm template` would print comes out, as objects: custom resource definitions, manifests, hooks.
package helm

import (
	"context"
	"fmt"
	"path"
	"sort"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	releaseutil "helm.sh/helm/v4/pkg/release/v1/util"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

const (
	maxReleaseName = 53
	// renderedPrefix tells the text that a template wrote from the template.
	renderedPrefix = "rendered "
)

// New returns the renderer for charts. Charts and values come from the snapshot, and dependencies that are missing there from
// the remotes of the render. Remote schemas are errors, lookup finds nothing, and no process is started.
func New() render.Renderer { return renderer{} }

type renderer struct{}

// Render implements render.Renderer.
func (renderer) Render(ctx context.Context, files source.FS, spec render.Spec) (render.Manifests, error) {
	dir, err := render.CleanPath(spec.Source.Path)
	if err != nil {
		return render.Manifests{}, err
	}
	r := &release{files: files, opener: files, dir: dir, spec: spec, env: render.BuildEnv(files, spec)}
	if spec.Source.Helm != nil {
		r.options = *spec.Source.Helm
	}
	if err := r.identify(); err != nil {
		return render.Manifests{}, err
	}
	loaded, err := r.load(ctx)
	if err != nil {
		return render.Manifests{}, err
	}
	values, err := r.values(ctx)
	if err != nil {
		return render.Manifests{}, err
	}
	rendered, err := r.execute(ctx, loaded, values)
	if err != nil {
		return render.Manifests{}, err
	}
	return r.objects(loaded, rendered)
}

// release is one render of a chart.
type release struct {
	files source.FS
	// opener is the tree that is told what remotes are opened: files, but for a chart that is itself a remote.
	opener  source.FS
	dir     string
	spec    render.Spec
	options v1alpha1.ApplicationSourceHelm
	env     render.Env

	name, namespace string
	capabilities    *common.Capabilities
	warnings        []string
}

func (r *release) warn(format string, args ...any) {
	r.warnings = append(r.warnings, fmt.Sprintf(format, args...))
}

// identify settles what the release is called, where it goes and which cluster the chart sees.
func (r *release) identify() error {
	r.name = r.options.ReleaseName
	if r.name == "" {
		r.name = r.spec.AppName
	}
	if len(r.name) > maxReleaseName {
		return fault.New(fault.Invalid, "release name %q is longer than %d characters; set spec.source.helm.releaseName", r.name, maxReleaseName)
	}
	if err := chartutil.ValidateReleaseName(r.name); err != nil {
		return fault.New(fault.Invalid, "release name %q: %w", r.name, err)
	}
	r.namespace = r.options.Namespace
	if r.namespace == "" {
		r.namespace = r.spec.Namespace
	}
	if r.namespace == "" {
		r.namespace = "default"
	}
	r.capabilities = common.DefaultCapabilities.Copy()
	version, versions := r.spec.KubeVersion, r.spec.APIVersions
	if r.options.KubeVersion != "" {
		version = r.options.KubeVersion
	}
	if len(r.options.APIVersions) > 0 {
		versions = r.options.APIVersions
	}
	if version != "" {
		parsed, err := common.ParseKubeVersion(version)
		if err != nil {
			return fault.New(fault.Invalid, "Kubernetes version %q: %w", version, err)
		}
		r.capabilities.KubeVersion = *parsed
	}
	known := r.capabilities.APIVersions
	r.capabilities.APIVersions = append(append(make(common.VersionSet, 0, len(known)+len(versions)), known...), versions...)
	return nil
}

// execute runs the templates. The result is the text of each template by name.
func (r *release) execute(ctx context.Context, c *chart.Chart, values map[string]any) (map[string]string, error) {
	if want := c.Metadata.KubeVersion; want != "" && !chartutil.IsCompatibleRange(want, r.capabilities.KubeVersion.String()) {
		return nil, fault.New(fault.Invalid, "chart %s requires kubeVersion %s, which Kubernetes %s is not",
			c.Name(), want, r.capabilities.KubeVersion.String())
	}
	if err := chartutil.ProcessDependencies(c, values); err != nil {
		return nil, fault.New(fault.Invalid, "chart %s: dependencies: %w", c.Name(), err)
	}
	top, err := util.ToRenderValuesWithSchemaValidation(c, values, common.ReleaseOptions{
		Name: r.name, Namespace: r.namespace, Revision: 1, IsInstall: true,
	}, r.capabilities, true)
	if err != nil {
		return nil, fault.New(fault.Invalid, "chart %s: values: %w", c.Name(), err)
	}
	if !r.options.SkipSchemaValidation {
		final, err := top.Table("Values")
		if err != nil {
			return nil, fault.New(fault.Invalid, "chart %s: values: %w", c.Name(), err)
		}
		if err := validateValues(c, final); err != nil {
			return nil, err
		}
	}
	guard := newGuard(ctx)
	instrument(c)
	templates := engine.Engine{CustomTemplateFuncs: guard.funcs()}
	rendered, err := templates.RenderWithContext(ctx, c, top)
	if ctxErr := ctx.Err(); ctxErr != nil {
		return nil, fmt.Errorf("helm template %s: %w", r.dir, ctxErr)
	}
	if guard.err != nil {
		return nil, fault.New(fault.Invalid, "helm template %s: %w", r.dir, guard.err)
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "helm template %s: %s", r.dir, uninstrumented(err.Error()))
	}
	total := 0
	for name, text := range rendered {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(rendered, name)
			continue
		}
		if total += len(text); total > maxOutput {
			return nil, fault.New(fault.Invalid, "helm template %s: more than %d bytes of manifests", r.dir, maxOutput)
		}
	}
	return rendered, nil
}

// objects puts the parts in the order of `helm template`: definitions, manifests in install order, hooks.
func (r *release) objects(c *chart.Chart, rendered map[string]string) (render.Manifests, error) {
	out := render.Manifests{}
	add := func(name, text string) error {
		objects, warnings, err := render.DecodeLenient(name, []byte(text))
		if err != nil {
			return err
		}
		out.Objects = append(out.Objects, objects...)
		out.AddOrigin(r.spec, strings.TrimPrefix(name, renderedPrefix))
		r.warnings = append(r.warnings, warnings...)
		return nil
	}
	if !r.options.SkipCrds {
		crds := c.CRDObjects()
		sort.SliceStable(crds, func(i, j int) bool { return crds[i].Filename < crds[j].Filename })
		for _, crd := range crds {
			if err := add(path.Join(r.dir, crd.Filename), string(crd.File.Data)); err != nil {
				return render.Manifests{}, err
			}
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(rendered, nil, releaseutil.InstallOrder)
	if err != nil {
		return render.Manifests{}, fault.New(fault.Invalid, "helm template %s: %w", r.dir, err)
	}
	for _, m := range manifests {
		if err := add(renderedPrefix+m.Name, m.Content); err != nil {
			return render.Manifests{}, err
		}
	}
	for _, h := range hooks {
		if r.leftOut(h.Events) {
			continue
		}
		if err := add(renderedPrefix+h.Path, h.Manifest); err != nil {
			return render.Manifests{}, err
		}
	}
	if c.Metadata.Deprecated {
		r.warn("chart %s is deprecated", c.Name())
	}
	out.Warnings = r.warnings
	return out, nil
}
