// Package discover finds what a GitOps repository deploys: a file tree goes in; the tree comes out as a check.Repository, rendered by
// the renderer that will deploy it.
package discover

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Options say how a tree is read.
type Options struct {
	Renderer render.Renderer
	// Revision names the tree for build environments and kept renders.
	Revision source.Revision
	// Paths are the directories and files to judge; empty means all.
	Paths []string
	// KubeVersion is the version that charts are rendered for, such as 1.37.2.
	KubeVersion string
	// Config of the team.
	Config check.Config
	// Concurrent bounds the renders at the same time; 0 means the number of processors.
	Concurrent int
}

// Load finds the units of a tree and renders them. What cannot be rendered is a unit with an error.
func Load(ctx context.Context, files source.FS, opts Options) (*check.Repository, error) {
	if opts.Concurrent == 0 {
		opts.Concurrent = runtime.GOMAXPROCS(0)
	}
	found, err := walk(files, opts.Paths)
	if err != nil {
		return nil, err
	}
	found.without(opts.Config.Policies)
	l := &loader{files: files, opts: opts, found: found, repo: &check.Repository{Files: files, Projects: map[string]*v1alpha1.AppProject{}, Config: opts.Config}}
	if opts.KubeVersion != "" {
		l.repo.KubeVersions = []string{opts.KubeVersion}
	}
	jobs := l.applications()
	jobs = append(jobs, l.directories(jobs)...)
	if err := l.render(ctx, jobs); err != nil {
		return nil, err
	}
	if err := l.render(ctx, l.leftovers(jobs)); err != nil {
		return nil, err
	}
	l.place()
	slices.SortFunc(l.repo.Units, func(a, b *check.Unit) int { return strings.Compare(a.Name, b.Name) })
	return l.repo, nil
}

type loader struct {
	files source.FS
	opts  Options
	found tree
	repo  *check.Repository
}

// job is a unit and how it is rendered: one spec for every source in this repository.
type job struct {
	unit  *check.Unit
	specs []render.Spec
}

// render renders jobs side by side and adds their units to the repository.
func (l *loader) render(ctx context.Context, jobs []job) error {
	turns := make(chan struct{}, l.opts.Concurrent)
	var wg sync.WaitGroup
	for _, j := range jobs {
		l.repo.Units = append(l.repo.Units, j.unit)
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			l.one(ctx, j)
		})
	}
	wg.Wait()
	return ctx.Err()
}

func (l *loader) one(ctx context.Context, j job) {
	seen := &reads{FS: l.files}
	for _, spec := range j.specs {
		m, err := l.opts.Renderer.Render(ctx, seen, spec)
		if err != nil {
			j.unit.Err, j.unit.Objects = err, nil
			break
		}
		for _, u := range m.Objects {
			j.unit.Objects = append(j.unit.Objects, &check.Object{Unstructured: u.DeepCopy(), Unit: j.unit})
		}
	}
	j.unit.Reads = seen.names()
}

// place gives objects the namespace of their destination where they live in one, and names them.
func (l *loader) place() {
	custom := map[schema.GroupKind]bool{}
	for _, u := range l.repo.Units {
		for _, o := range u.Objects {
			if gk, namespaced, ok := diff.DefinedKind(o.Unstructured); ok {
				custom[gk] = namespaced
			}
		}
	}
	scopes := check.NewScopes(custom)
	for _, u := range l.repo.Units {
		for _, o := range u.Objects {
			if namespaced, known := scopes.Namespaced(o.GroupVersionKind().GroupKind()); known && namespaced && o.GetNamespace() == "" && u.Namespace != "" {
				o.SetNamespace(u.Namespace)
			}
			o.Ref = object.RefOf(o.Unstructured)
		}
	}
}

// applications reads the Applications and AppProjects of the tree.
func (l *loader) applications() []job {
	var jobs []job
	for _, name := range l.found.manifests {
		data, err := fs.ReadFile(l.files, name)
		if err != nil || !strings.Contains(string(data), v1alpha1.Group) {
			continue
		}
		objects, err := render.Decode(name, data)
		if err != nil {
			continue // the unit that the file belongs to says so
		}
		for _, u := range objects {
			switch u.GroupVersionKind().GroupKind() {
			case schema.GroupKind{Group: v1alpha1.Group, Kind: "AppProject"}:
				if p, err := convert[v1alpha1.AppProject](u); err == nil {
					l.repo.Projects[p.Name] = p
				}
			case schema.GroupKind{Group: v1alpha1.Group, Kind: "Application"}:
				if app, err := convert[v1alpha1.Application](u); err == nil {
					jobs = append(jobs, l.application(name, app))
				}
			}
		}
	}
	return jobs
}

func (l *loader) application(file string, app *v1alpha1.Application) job {
	unit := &check.Unit{Name: app.Name, Kind: check.FromApplication, App: app, Definition: check.Place{File: file},
		Cluster: app.Spec.Destination.Server, Namespace: app.Spec.Destination.Namespace}
	if unit.Cluster == "" {
		unit.Cluster = app.Spec.Destination.Name
	}
	j := job{unit: unit}
	for _, src := range app.Spec.GetSources() {
		if src.Chart != "" || src.Path == "" && src.Ref == "" {
			unit.Skipped = fmt.Sprintf("its source %s is elsewhere", source.Redact(src.RepoURL))
			continue
		}
		if src.Path == "" {
			continue
		}
		if unit.Path == "" {
			unit.Path = path.Clean(src.Path)
		}
		j.specs = append(j.specs, render.Spec{AppName: app.Name, AppNamespace: app.Namespace, Project: app.Spec.Project, Namespace: app.Spec.Destination.Namespace,
			Source: src, Revision: l.opts.Revision, KubeVersion: l.opts.KubeVersion})
	}
	if unit.Skipped != "" {
		j.specs = nil
	}
	return j
}

// directories are the kustomizations and charts that nothing else renders.
func (l *loader) directories(apps []job) []job {
	taken := map[string]bool{}
	for _, j := range apps {
		for _, s := range j.specs {
			taken[path.Clean(s.Source.Path)] = true
		}
	}
	var jobs []job
	add := func(kind check.UnitKind, dirs []string) {
		for _, dir := range dirs {
			if taken[dir] {
				continue
			}
			unit := &check.Unit{Name: dir, Kind: kind, Path: dir}
			jobs = append(jobs, job{unit: unit, specs: []render.Spec{{AppName: path.Base(dir), Project: "default",
				Source: v1alpha1.ApplicationSource{Path: dir}, Revision: l.opts.Revision, KubeVersion: l.opts.KubeVersion}}})
		}
	}
	add(check.FromKustomize, l.found.roots(l.files))
	add(check.FromHelm, l.found.charts)
	return jobs
}

// leftovers are manifests that no unit has read, a unit for every directory.
func (l *loader) leftovers(jobs []job) []job {
	read := map[string]bool{}
	for _, j := range jobs {
		for _, name := range j.unit.Reads {
			read[name] = true
		}
	}
	byDir := map[string][]string{}
	for _, name := range l.found.manifests {
		if !read[name] && l.found.isManifest(l.files, name) {
			byDir[path.Dir(name)] = append(byDir[path.Dir(name)], path.Base(name))
		}
	}
	var out []job
	for dir, names := range byDir {
		unit := &check.Unit{Name: dir, Kind: check.FromDirectory, Path: dir}
		out = append(out, job{unit: unit, specs: []render.Spec{{AppName: path.Base(dir), Project: "default", Revision: l.opts.Revision, KubeVersion: l.opts.KubeVersion,
			Source: v1alpha1.ApplicationSource{Path: dir, Directory: &v1alpha1.ApplicationSourceDirectory{Include: "{" + strings.Join(names, ",") + "}"}}}}})
	}
	slices.SortFunc(out, func(a, b job) int { return strings.Compare(a.unit.Name, b.unit.Name) })
	return out
}

func convert[T any](u *unstructured.Unstructured) (*T, error) {
	out := new(T)
	err := fromUnstructured(u.Object, out)
	return out, err
}
