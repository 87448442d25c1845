package helm

import (
	"bytes"
	"context"
	"io/fs"
	"path"

	semver "github.com/Masterminds/semver/v3"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/ignore"
	release1 "helm.sh/helm/v4/pkg/release/v1"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
)

const (
	maxChartBytes = 100 << 20 // of the files of a chart with its vendored dependencies
	maxChartFiles = 20_000
	maxChartDepth = 40
)

// load reads the chart at the source's path and makes sure that its dependencies are there.
func (r *release) load(ctx context.Context) (*chart.Chart, error) {
	c, err := r.loadDir(ctx, r.dir, 0)
	if err != nil {
		return nil, err
	}
	if c.Metadata.Type == "library" {
		return nil, fault.New(fault.Invalid, "chart %s in %s is a library chart, which cannot be installed", c.Name(), r.dir)
	}
	return c, nil
}

func (r *release) loadDir(ctx context.Context, dir string, depth int) (*chart.Chart, error) {
	if info, err := r.files.Stat(path.Join(dir, "Chart.yaml")); err != nil || info.IsDir() {
		if err != nil && fault.Is(err, fault.Denied) {
			return nil, render.Classify("read "+path.Join(dir, "Chart.yaml"), err)
		}
		return nil, fault.New(fault.Invalid, "%s is not a chart: Chart.yaml is missing", dir)
	}
	rules := ignore.Empty()
	ignoreFile := path.Join(dir, ignore.HelmIgnore)
	if info, err := r.files.Stat(ignoreFile); err == nil && !info.IsDir() {
		data, err := r.files.ReadFile(ignoreFile)
		if err != nil {
			return nil, render.Classify("read "+ignoreFile, err)
		}
		if rules, err = ignore.Parse(bytes.NewReader(data)); err != nil {
			return nil, fault.New(fault.Invalid, "%s: %w", ignoreFile, err)
		}
	}
	rules.AddDefaults()
	w := chartWalker{release: r, root: dir, rules: rules, budget: maxChartBytes}
	if err := w.walk(ctx, "", 0); err != nil {
		return nil, err
	}
	c, err := loader.LoadFiles(w.found)
	if err != nil {
		return nil, fault.New(fault.Invalid, "load chart %s: %w", dir, err)
	}
	return c, r.requireDependencies(ctx, c, dir, depth)
}

type chartWalker struct {
	release *release
	root    string
	rules   *ignore.Rules
	budget  int64
	found   []*archive.BufferedFile
}

// walk collects the files below the chart directory; rel is "" for the chart itself.
func (w *chartWalker) walk(ctx context.Context, rel string, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxChartDepth {
		return fault.New(fault.Invalid, "%s: nested deeper than %d directories; does a link point back?", path.Join(w.root, rel), maxChartDepth)
	}
	entries, err := w.release.files.ReadDir(path.Join(w.root, rel))
	if err != nil {
		return render.Classify("list "+path.Join(w.root, rel), err)
	}
	for _, e := range entries {
		if err := w.entry(ctx, path.Join(rel, e.Name()), depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *chartWalker) entry(ctx context.Context, rel string, depth int) error {
	name := path.Join(w.root, rel)
	info, err := w.release.files.Stat(name) // follows links, as Helm does
	if err != nil {
		return render.Classify("load chart file "+name, err)
	}
	if w.rules.Ignore(rel, info) {
		return nil
	}
	if info.IsDir() {
		return w.walk(ctx, rel, depth+1)
	}
	if info.Mode()&fs.ModeType != 0 {
		return fault.New(fault.Invalid, "%s is not a regular file", name)
	}
	if w.budget -= info.Size(); w.budget < 0 || len(w.found) >= maxChartFiles {
		return fault.New(fault.Invalid, "chart %s has more than %d bytes or %d files", w.root, maxChartBytes, maxChartFiles)
	}
	data, err := w.release.files.ReadFile(name)
	if err != nil {
		return render.Classify("read "+name, err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	w.found = append(w.found, &archive.BufferedFile{Name: rel, Data: data})
	return nil
}

func satisfies(constraint, version string) bool {
	if constraint == "" {
		return true
	}
	c, err := semver.NewConstraint(constraint)
	if err != nil {
		return false
	}
	v, err := semver.NewVersion(version)
	return err == nil && c.Check(v)
}

// leftOut reports hooks that never run on a sync: tests and rollbacks (Argo CD ignores both).
func (r *release) leftOut(events []release1.HookEvent) bool {
	only := len(events) > 0
	for _, e := range events {
		switch e {
		case release1.HookTest:
			if r.options.SkipTests {
				return true
			}
		case release1.HookPreRollback, release1.HookPostRollback:
		default:
			only = false
		}
	}
	return only
}
