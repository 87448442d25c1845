// Package discover finds what a GitOps repository deploys: a file tree, or two of them, goes in; the tree comes out as a
// check.Repository, rendered by the renderer that will deploy it.
package discover

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"golang.org/x/sync/errgroup"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/diff"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// Options say how a tree is read.
type Options struct {
	Renderer render.Renderer
	// Revision names the tree for build environments and kept renders.
	Revision source.Revision
	// Paths are the directories and files to judge; empty means all.
	Paths []string
	// URLs are the addresses of the repository itself; without them it is known by the paths of its Applications.
	URLs []string
	// Revisions are its branches and tags; nil when they are not known.
	Revisions []string
	// KubeVersion is the version that charts are rendered for, such as 1.37.2.
	KubeVersion string
	// Config of the team.
	Config check.Config
	// Concurrent bounds the renders at the same time; 0 means the number of processors.
	Concurrent int
}

// Base is the revision that a tree is to be merged into.
type Base struct {
	Files    source.FS
	Revision source.Revision
	// Config of the team at that revision.
	Config check.Config
}

// Load finds the units of a tree and renders them. What cannot be rendered is a unit with an error.
//
// With a base or with paths only those units are rendered that differ from the base or have to do with the paths, and those
// that share a namespace or a definition with them; the others are Unchanged.
func Load(ctx context.Context, files source.FS, base *Base, opts Options) (*check.Repository, error) {
	if opts.Concurrent == 0 {
		opts.Concurrent = runtime.GOMAXPROCS(0)
	}
	for i, p := range opts.Paths {
		opts.Paths[i] = clean(p)
	}
	var head, before *loader
	var both errgroup.Group
	both.Go(func() (err error) {
		head, err = newLoader(files, opts)
		return err
	})
	if base != nil {
		both.Go(func() (err error) {
			opts := opts
			opts.Revision, opts.Paths, opts.Config = base.Revision, nil, base.Config
			before, err = newLoader(base.Files, opts)
			return err
		})
	}
	if err := both.Wait(); err != nil {
		return nil, err
	}
	if err := head.run(ctx, before); err != nil {
		return nil, err
	}
	if before != nil {
		head.repo.Base = before.repo
	}
	return head.repo, nil
}

// loader reads one tree.
type loader struct {
	files    source.FS
	opts     Options
	tree     *tree
	closures *closures
	repo     *check.Repository
	jobs     []*job
	apps     map[string]bool // names of Applications that are jobs
	rendered map[string]bool // jobs whose render was looked through for Applications
	// mu guards problems, and the facts of the tree, while renders run.
	mu       sync.Mutex
	problems map[string]*check.Unreadable
}

// job is a unit and how it is rendered: one spec for every source in this repository.
type job struct {
	unit    *check.Unit
	specs   []render.Spec
	closure *closure
	// lenient says that a chart which wants other values than its own is not wrong.
	lenient bool
	done    bool
	// broken says that files were left out, because they cannot be read.
	broken bool
	// same says that the unit is the same at the base revision; nil until that is known.
	same *bool
}

func newLoader(files source.FS, opts Options) (*loader, error) {
	t, err := walk(files)
	if err != nil {
		return nil, err
	}
	t.without(opts.Config.Policies)
	l := &loader{files: files, opts: opts, tree: t, closures: &closures{files: files, read: map[string]*references{}}, apps: map[string]bool{}, rendered: map[string]bool{}, problems: map[string]*check.Unreadable{},
		repo: &check.Repository{Files: files, Projects: map[string]*v1alpha1.AppProject{}, Config: opts.Config, Revisions: opts.Revisions}}
	for _, u := range opts.URLs {
		if n := source.NormalizeURL(u); n != "" {
			l.repo.URLs = append(l.repo.URLs, n)
		}
	}
	if opts.KubeVersion != "" {
		l.repo.KubeVersions = []string{opts.KubeVersion}
	}
	defined := l.definitions()
	l.own(defined)
	for _, d := range defined {
		l.application(d)
	}
	l.directories()
	l.settle()
	return l, nil
}

// settle adds what belongs to no job yet as jobs of their own.
func (l *loader) settle() {
	l.leftovers()
	slices.SortStableFunc(l.jobs, func(a, b *job) int { return strings.Compare(a.unit.Name, b.unit.Name) })
}

// run renders, in rounds: a render may give more Applications.
func (l *loader) run(ctx context.Context, before *loader) error {
	both := []*loader{l}
	if before != nil {
		both = append(both, before)
	}
	for range maxRounds {
		more := false
		chosen := l.choose(before)
		for _, side := range both {
			if err := side.render(ctx, chosen); err != nil {
				return err
			}
			more = side.applicationsOfRenders() || more
		}
		if !more {
			break
		}
	}
	if l.focused(before) { // what the renders have added may concern more units
		chosen := l.related(before)
		for _, side := range both {
			if err := side.render(ctx, chosen); err != nil {
				return err
			}
		}
	}
	for _, side := range both {
		side.finish()
	}
	return nil
}

// maxRounds bounds Applications that deploy Applications.
const maxRounds = 5

// finish completes the repository.
func (l *loader) finish() {
	for _, j := range l.jobs {
		j.unit.Unchanged = !j.done && j.unit.Skipped == ""
		l.repo.Units = append(l.repo.Units, j.unit)
	}
	for name, why := range l.tree.lost {
		l.repo.Units = append(l.repo.Units, &check.Unit{Name: name, Kind: check.FromDirectory, Path: name, Skipped: why})
	}
	l.setAside()
	l.place()
	slices.SortFunc(l.repo.Units, func(a, b *check.Unit) int { return strings.Compare(a.Name, b.Name) })
	l.syntax()
}

// setAside leaves out what lies in the directory of a unit that cannot be rendered and that no unit has read: a patch whose name is
// misspelt in its kustomization is no object, and what is wrong is told there.
func (l *loader) setAside() {
	failed := map[string]string{}
	for _, j := range l.jobs {
		if j.unit.Err != nil && j.unit.Kind != check.FromDirectory {
			failed[j.unit.Path] = j.unit.Name
		}
	}
	for _, j := range l.jobs {
		if name, ok := failed[j.unit.Path]; ok && j.unit.Kind == check.FromDirectory && j.unit.Err == nil {
			j.unit.Objects, j.unit.Skipped = nil, "it lies beside "+name+", which cannot be rendered"
		}
	}
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
				o.Unstructured = inNamespace(o.Unstructured, u.Namespace)
			}
			o.Ref = object.RefOf(o.Unstructured)
		}
	}
}
