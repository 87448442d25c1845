package check

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
)

// Repository is one revision of a GitOps repository, rendered. It is shared by all Checkers and not changed by them.
type Repository struct {
	// Files is the tree, with paths relative to its root.
	Files source.FS
	// Units are ordered by name.
	Units []*Unit
	// Projects are the AppProjects that the repository defines, by name.
	Projects map[string]*v1alpha1.AppProject
	// Settings are what its ConfigMap argocd-cm says of projects, if it has one.
	Settings settings.Settings
	// KubeVersions are the versions of the clusters that it is for, such as 1.37, the first one foremost.
	KubeVersions []string
	// Config is what the team has set.
	Config Config
	// URLs are the addresses of this repository itself, as source.NormalizeURL writes them.
	URLs []string
	// Revisions are its branches and tags; nil when they are not known.
	Revisions []string
	// Unreadable are the files that are no YAML or JSON although they should be.
	Unreadable []Unreadable
	// Base is the revision that this one is to be merged into; nil when no revision was named. Its units have the same names.
	Base *Repository
}

// Unreadable is a file that cannot be parsed, or is not read for its size.
type Unreadable struct {
	Place Place
	Why   string
	// Units are those that want to read it.
	Units []*Unit
}

// IsHere reports whether a repository URL is that of this repository.
func (r *Repository) IsHere(url string) bool {
	return slices.Contains(r.URLs, source.NormalizeURL(url))
}

// UnitKind is what a Unit was made from.
type UnitKind string

// Kinds of units.
const (
	FromApplication UnitKind = "Application"
	FromKustomize   UnitKind = "Kustomize"
	FromHelm        UnitKind = "Helm"
	FromDirectory   UnitKind = "Directory"
)

// Unit is what is rendered and applied as a whole: an Application, or a directory that none refers to.
type Unit struct {
	// Name is that of the Application, or the path of the directory.
	Name string
	Kind UnitKind
	// Path is the directory in the repository that is rendered, the first one of an Application with several.
	Path string
	// App is nil for directories. Definition is where it is defined.
	App        *v1alpha1.Application
	Definition Place
	// Cluster and Namespace are the destination; empty for directories. Cluster is a URL or a name.
	Cluster, Namespace string
	// Objects are in the order of the render, with the namespace of the destination where they have none and are of a built-in
	// kind that lives in one.
	Objects []*Object
	// Values are the value files of a chart in the order in which they are merged, that of the chart itself first; nil for
	// what is no chart.
	Values []string
	// Reads are the files that the render has read, in order.
	Reads []string
	// Unchanged says that the unit was not rendered, because it is the same at the base revision and shares nothing with what
	// is not. Objects is empty then. Context says that it was rendered only for what others find in it: findings about it are
	// not reported.
	Unchanged, Context bool
	// Err says why nothing could be rendered, with the place if it is known. Objects is empty then.
	Err   error
	ErrAt Place
	// Skipped says why the unit, or a part of it, was not rendered, such as a source in another repository. It is neither clean
	// nor wrong.
	Skipped string
}

// Object is a rendered object.
type Object struct {
	*unstructured.Unstructured
	Ref  object.Ref
	Unit *Unit
	// Template is the file that made the object where the renderer tells, from the root of the repository: a template of a
	// chart, or a file of a plain directory.
	Template string
}

// Find returns the object of the unit with that identity, nil if there is none.
func (u *Unit) Find(ref object.Ref) *Object {
	for _, o := range u.Objects {
		if o.Ref == ref {
			return o
		}
	}
	return nil
}

// Unit returns the unit of that name, nil if there is none.
func (r *Repository) Unit(name string) *Unit {
	if r == nil {
		return nil
	}
	for _, u := range r.Units {
		if u.Name == name {
			return u
		}
	}
	return nil
}

// Before returns the object as the base revision renders it, nil if it did not exist there or no base was named.
func (r *Repository) Before(o *Object) *Object {
	if u := r.Base.Unit(o.Unit.Name); u != nil {
		return u.Find(o.Ref)
	}
	return nil
}
