package discover

import (
	"path"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/render"
)

// maxLeftover bounds what is read of one directory.
const maxLeftover = 64 << 20

// maxGlob is how long a glob can be, in bytes, and a little less.
const maxGlob = 3800

// globs returns globs that match the names.
func globs(names []string) (out []string) {
	for len(names) > 0 {
		n, size := 0, 0
		for n < len(names) && (n == 0 || size+len(names[n]) < maxGlob) {
			size += len(names[n]) + 1
			n++
		}
		out = append(out, "{"+strings.Join(names[:n], ",")+"}")
		names = names[n:]
	}
	return out
}

// bare returns the spec of a directory that no Application renders.
func (l *loader) bare(dir string, src v1alpha1.ApplicationSource) render.Spec {
	src.Path = dir
	name := path.Base(dir)
	if dir == "." {
		name = "app"
	}
	return render.Spec{AppName: name, Project: "default", Source: src, Revision: l.opts.Revision, KubeVersion: l.opts.KubeVersion, Origins: true}
}

// directories adds the kustomizations and charts that nothing else renders.
func (l *loader) directories() {
	taken := l.taken()
	for _, dir := range l.roots(taken) {
		l.jobAdded(&job{unit: &check.Unit{Name: dir, Kind: check.FromKustomize, Path: dir}, specs: []render.Spec{l.bare(dir, v1alpha1.ApplicationSource{})}})
	}
	for _, dir := range l.tree.charts {
		if !taken[dir] {
			l.chart(dir)
		}
	}
}

// chart adds a chart with its own values, and once more with each file of test values.
func (l *loader) chart(dir string) {
	if readChart(l.files, dir).Type == "library" {
		return
	}
	release := func() *v1alpha1.ApplicationSourceHelm {
		return &v1alpha1.ApplicationSourceHelm{ReleaseName: releaseName(readChart(l.files, dir).Name)}
	}
	l.jobAdded(&job{unit: &check.Unit{Name: dir, Kind: check.FromHelm, Path: dir}, lenient: true,
		specs: []render.Spec{l.bare(dir, v1alpha1.ApplicationSource{Helm: release()})}})
	tests, err := l.files.ReadDir(path.Join(dir, "ci"))
	if err != nil {
		return
	}
	for _, e := range tests {
		if e.IsDir() || !strings.HasSuffix(e.Name(), "-values.yaml") {
			continue
		}
		helm := release()
		helm.ValueFiles = []string{"ci/" + e.Name()}
		l.jobAdded(&job{unit: &check.Unit{Name: path.Join(dir, "ci", e.Name()), Kind: check.FromHelm, Path: dir},
			specs: []render.Spec{l.bare(dir, v1alpha1.ApplicationSource{Helm: helm})}})
	}
}

// releaseName is that of a chart, if it can be one.
func releaseName(chart string) string {
	name := strings.Trim(strings.ToLower(chart), "-.")
	if len(name) > 40 {
		name = strings.Trim(name[:40], "-.")
	}
	return name
}

// roots are the kustomizations that no other one uses, components aside: these make sense as a part only. Of some that use each
// other one is among them, so that nothing is left out.
func (l *loader) roots(taken map[string]bool) []string {
	used := map[string]bool{}
	for _, dir := range l.tree.kustomizations {
		for _, to := range l.closures.references(dir).dirs {
			used[to] = true
		}
	}
	reached := newClosure()
	for dir := range taken {
		l.closures.kustomization(reached, dir)
	}
	var out []string
	slices.Sort(l.tree.kustomizations)
	for _, cyclic := range []bool{false, true} {
		for _, dir := range l.tree.kustomizations {
			if taken[dir] || used[dir] && !cyclic || l.closures.references(dir).component || reached.used[dir] {
				continue
			}
			l.closures.kustomization(reached, dir)
			out = append(out, dir)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// leftovers adds manifests that belong to no job, a unit for every directory.
func (l *loader) leftovers() {
	byDir := map[string][]string{}
	all := newClosure()
	for _, j := range l.jobs {
		all.join(j.closure)
	}
	for _, name := range slices.Concat(l.tree.manifests, l.tree.programs) {
		if f := l.tree.look(name); path.Ext(name) != ".jsonnet" && (!f.manifest || f.patch) || all.covers(name) {
			continue
		}
		byDir[path.Dir(name)] = append(byDir[path.Dir(name)], path.Base(name))
	}
	for dir, names := range byDir {
		name := dir
		if slices.ContainsFunc(l.jobs, func(j *job) bool { return j.unit.Name == dir }) {
			name += " (the rest)"
		}
		j := &job{unit: &check.Unit{Name: name, Kind: check.FromDirectory, Path: dir}, closure: newClosure()}
		for _, part := range globs(quoted(names)) {
			spec := l.bare(dir, v1alpha1.ApplicationSource{Directory: &v1alpha1.ApplicationSourceDirectory{Include: part}})
			spec.Options.MaxDirectoryBytes = maxLeftover
			j.specs = append(j.specs, spec)
		}
		for _, base := range names {
			j.closure.files[path.Join(dir, base)] = true
			j.closure.open = j.closure.open || path.Ext(base) == ".jsonnet" // imports may name anything
		}
		l.jobs = append(l.jobs, j)
	}
}

// quoted escapes what has a meaning in a glob.
func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.NewReplacer(`\`, `\\`, "{", `\{`, "}", `\}`, "[", `\[`, "]", `\]`, "*", `\*`, "?", `\?`, ",", `\,`, "!", `\!`).Replace(n)
	}
	return out
}

func (c *closure) join(o *closure) {
	c.open = c.open || o.open
	for _, pair := range [][2]map[string]bool{{c.files, o.files}, {c.dirs, o.dirs}, {c.flat, o.flat}} {
		for name := range pair[1] {
			pair[0][name] = true
		}
	}
}

// below reports whether a path is one of the paths or below it.
func below(name string, paths []string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return p == "." || name == p || strings.HasPrefix(name, p+"/") })
}
