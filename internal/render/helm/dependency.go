package helm

import (
	"context"
	"path"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
)

const (
	// maxDependencyDepth bounds how charts refer to each other.
	maxDependencyDepth = 8
	// maxDependencies bounds what one chart can make us fetch.
	maxDependencies = 100
)

// requireDependencies finds the dependencies that are not vendored in charts/. Those with a file:// repository are
// loaded from there, as `helm dependency build` would; the others come from their repositories, in the version of
// Chart.lock if there is one.
func (r *release) requireDependencies(ctx context.Context, c *chart.Chart, dir string, depth int) error {
	vendored := map[string]bool{}
	for _, d := range c.Dependencies() {
		vendored[d.Name()] = true
	}
	if len(c.Metadata.Dependencies) > maxDependencies {
		return fault.New(fault.Invalid, "chart %s: it has more than %d dependencies", dir, maxDependencies)
	}
	var missing []string
	for _, d := range c.Metadata.Dependencies {
		if d == nil || vendored[d.Name] || added(c, d) {
			continue
		}
		if depth >= maxDependencyDepth {
			return fault.New(fault.Invalid, "chart %s: dependencies refer to each other more than %d levels deep", dir, maxDependencyDepth)
		}
		if !render.HasRemotes(ctx) && !strings.HasPrefix(d.Repository, "file://") || d.Repository == "" {
			missing = append(missing, d.Name+" "+d.Version)
			continue
		}
		sub, err := r.dependency(ctx, c, d, dir, depth)
		if err != nil {
			return err
		}
		c.AddDependency(sub)
	}
	if len(missing) > 0 {
		return fault.New(fault.Invalid, "chart %s: dependencies are missing in %s: %s; run `helm dependency build` and commit the result, %w",
			dir, path.Join(dir, "charts"), strings.Join(missing, ", "), render.ErrOffline)
	}
	return nil
}

// added reports whether a dependency was found under another alias already.
func added(c *chart.Chart, d *chart.Dependency) bool {
	for _, have := range c.Dependencies() {
		if have.Name() == d.Name && satisfies(d.Version, have.Metadata.Version) {
			return true
		}
	}
	return false
}

func (r *release) dependency(ctx context.Context, c *chart.Chart, d *chart.Dependency, dir string, depth int) (*chart.Chart, error) {
	if local, ok := strings.CutPrefix(d.Repository, "file://"); ok {
		at, err := render.Resolve(dir, local)
		if err != nil {
			return nil, fault.New(fault.KindOf(err), "chart %s: dependency %s: %w", dir, d.Name, err)
		}
		sub, err := r.loadDir(ctx, at, depth+1)
		if err != nil {
			return nil, err
		}
		if !satisfies(d.Version, sub.Metadata.Version) {
			return nil, fault.New(fault.Invalid, "chart %s: dependency %s wants version %s, %s has %s", dir, d.Name, d.Version, at, sub.Metadata.Version)
		}
		return sub, nil
	}
	wanted := render.Remote{Kind: render.RemoteChart, URL: d.Repository, Chart: d.Name, Version: locked(c, d), Project: r.spec.Project}
	files, err := render.OpenRemote(ctx, r.opener, wanted)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "chart %s: dependency %s %s: %w; or run `helm dependency build` and commit charts/", dir, d.Name, d.Version, err)
	}
	elsewhere := &release{files: files, opener: r.opener, dir: ".", spec: r.spec}
	sub, err := elsewhere.loadDir(ctx, ".", depth+1)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "chart %s: dependency %s of %s: %w", dir, d.Name, d.Repository, err)
	}
	if sub.Name() != d.Name {
		return nil, fault.New(fault.Invalid, "chart %s: dependency %s of %s: the package holds a chart named %s", dir, d.Name, d.Repository, sub.Name())
	}
	return sub, nil
}

// locked returns the version of Chart.lock, if that still fits Chart.yaml.
func locked(c *chart.Chart, d *chart.Dependency) string {
	if c.Lock == nil {
		return d.Version
	}
	for _, l := range c.Lock.Dependencies {
		if l != nil && l.Name == d.Name && l.Repository == d.Repository && satisfies(d.Version, l.Version) {
			return l.Version
		}
	}
	return d.Version
}
