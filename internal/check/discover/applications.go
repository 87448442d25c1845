package discover

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
)

// defined is an Application and where it is.
type defined struct {
	app   *v1alpha1.Application
	place check.Place
}

func clean(p string) string { return path.Clean(strings.TrimPrefix(p, "/")) }

// definitions reads the Applications and AppProjects of the tree. Those that a kustomization takes up are read from its
// render.
func (l *loader) definitions() []defined {
	taken := map[string]bool{}
	for _, dir := range l.tree.kustomizations {
		for _, name := range l.closures.references(dir).files {
			taken[name] = true
		}
	}
	var out []defined
	for _, name := range l.tree.manifests {
		if !l.tree.look(name).argo {
			continue
		}
		data, err := fs.ReadFile(l.files, name)
		if err != nil {
			continue
		}
		objects, err := render.Decode(name, data)
		if err != nil {
			continue // syntax tells
		}
		for _, u := range objects {
			app := l.definition(u)
			if app != nil && !taken[name] {
				out = append(out, defined{app, check.Place{File: name}})
			}
		}
	}
	return out
}

// IsRoot reports whether a directory of a tree stands for a repository of its own, such as an example: the paths of its
// Applications are there, and not at the root.
func IsRoot(files source.FS, dir string) bool {
	if clean(dir) == "." {
		return false
	}
	inside := source.Below(files, clean(dir))
	t, err := walk(inside)
	if err != nil {
		return false
	}
	l := &loader{files: inside, tree: t, closures: &closures{files: inside, read: map[string]*references{}}, repo: &check.Repository{Projects: map[string]*v1alpha1.AppProject{}}}
	outside := &closures{files: files}
	for _, d := range l.definitions() {
		for _, src := range d.app.Spec.GetSources() {
			if at := clean(src.Path); src.Path != "" && at != "." && l.closures.isDir(at) && !outside.isDir(at) {
				return true
			}
		}
	}
	return false
}

// definition keeps an AppProject and what projects take over from each other, and returns an Application.
func (l *loader) definition(u *unstructured.Unstructured) *v1alpha1.Application {
	switch u.GroupVersionKind().GroupKind() {
	case schema.GroupKind{Group: v1alpha1.Group, Kind: "AppProject"}:
		if p, err := convert[v1alpha1.AppProject](u); err == nil {
			l.repo.Projects[p.Name] = p
		}
	case schema.GroupKind{Group: v1alpha1.Group, Kind: "Application"}:
		if app, err := convert[v1alpha1.Application](u); err == nil {
			return app
		}
	case schema.GroupKind{Kind: "ConfigMap"}:
		if text, ok, _ := unstructured.NestedString(u.Object, "data", settings.GlobalProjectsKey); ok && u.GetName() == settings.ConfigMapName {
			if read, problems := settings.Parse(map[string]string{settings.GlobalProjectsKey: text}, nil, nil); len(problems) == 0 {
				l.repo.Settings = read
			}
		}
	}
	return nil
}

func convert[T any](u *unstructured.Unstructured) (*T, error) {
	out := new(T)
	if err := kruntime.DefaultUnstructuredConverter.FromUnstructured(u.Object, out); err != nil {
		return nil, fmt.Errorf("read %s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return out, nil
}

// own finds out which repository URLs mean this repository: those that it was cloned from, or, in a fork or a mirror, those of
// which the paths are here.
func (l *loader) own(apps []defined) {
	sources := func(visit func(src v1alpha1.ApplicationSource)) {
		for _, d := range apps {
			for _, src := range d.app.Spec.GetSources() {
				visit(src)
			}
		}
	}
	known := false
	sources(func(src v1alpha1.ApplicationSource) { known = known || l.repo.IsHere(src.RepoURL) })
	if known {
		return
	}
	sources(func(src v1alpha1.ApplicationSource) {
		dir := clean(src.Path)
		if src.Chart != "" || dir == "." || l.repo.IsHere(src.RepoURL) || !l.closures.isDir(dir) {
			return
		}
		if url := source.NormalizeURL(src.RepoURL); url != "" {
			l.repo.URLs = append(l.repo.URLs, url)
		}
	})
}

// name returns a name for an Application that no other unit has.
func (l *loader) name(d defined) string {
	for _, name := range []string{d.app.Name, d.app.Namespace + "/" + d.app.Name} {
		if !l.apps[name] && !strings.HasPrefix(name, "/") {
			return name
		}
	}
	return d.app.Name + " in " + d.place.File
}

// application adds the job of an Application.
func (l *loader) application(d defined) {
	app := d.app
	unit := &check.Unit{Name: l.name(d), Kind: check.FromApplication, App: app, Definition: d.place,
		Cluster: cmp.Or(app.Spec.Destination.Server, app.Spec.Destination.Name), Namespace: app.Spec.Destination.Namespace}
	l.apps[unit.Name] = true
	j := &job{unit: unit}
	refs := render.Refs{}
	for _, src := range app.Spec.GetSources() {
		if src.Ref != "" && l.repo.IsHere(src.RepoURL) {
			refs[src.Ref] = render.Ref{RepoURL: src.RepoURL, Revision: l.opts.Revision, Files: l.files}
		}
	}
	for _, src := range app.Spec.GetSources() {
		switch why := l.elsewhere(src, app.Spec.GetSources()); {
		case why != "":
			unit.Skipped = why
		case src.Path != "":
			if unit.Path == "" {
				unit.Path = clean(src.Path)
			}
			j.specs = append(j.specs, l.spec(app, src, refs))
		}
	}
	l.jobAdded(j)
}

func (l *loader) spec(app *v1alpha1.Application, src v1alpha1.ApplicationSource, refs render.Refs) render.Spec {
	return render.Spec{AppName: app.Name, AppNamespace: app.Namespace, Project: app.Spec.Project, Namespace: app.Spec.Destination.Namespace,
		Source: src, Refs: refs, Revision: l.opts.Revision, KubeVersion: l.opts.KubeVersion, Origins: true}
}

func (l *loader) jobAdded(j *job) {
	j.closure = newClosure()
	for _, spec := range j.specs {
		j.closure.join(l.closures.of(spec))
		if v := l.values(spec); v != nil { // also of a chart without any, which is not nil
			j.unit.Values = append(slices.Grow(j.unit.Values, 1), v...)
		}
	}
	l.jobs = append(l.jobs, j)
}

// elsewhere says why a source cannot be read here, "" if it can.
func (l *loader) elsewhere(src v1alpha1.ApplicationSource, all v1alpha1.ApplicationSources) string {
	url := source.Redact(src.RepoURL)
	switch {
	case src.Chart != "":
		return fmt.Sprintf("its chart %s is in %s", src.Chart, url)
	case !l.repo.IsHere(src.RepoURL) && (src.Path == "" || !l.closures.isDir(clean(src.Path)) || len(l.repo.URLs) > 0):
		return fmt.Sprintf("its source %s is elsewhere", url)
	case src.Plugin != nil:
		return "a config management plugin renders it, and belay check runs none"
	}
	if src.Helm == nil {
		return ""
	}
	for _, v := range src.Helm.ValueFiles {
		first, _, ok := strings.Cut(v, "/")
		ref, dollar := strings.CutPrefix(first, "$")
		if !ok || !dollar {
			continue
		}
		for _, other := range all {
			if other.Ref == ref && !l.repo.IsHere(other.RepoURL) {
				return fmt.Sprintf("its value file %s is in %s", v, source.Redact(other.RepoURL))
			}
		}
	}
	return ""
}

// values lists the value files of a chart that exist, in the order in which they are merged.
func (l *loader) values(spec render.Spec) []string {
	dir := clean(spec.Source.Path)
	if !l.closures.exists(path.Join(dir, "Chart.yaml")) {
		return nil
	}
	out := []string{}
	add := func(name string) {
		if l.closures.exists(name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	add(path.Join(dir, "values.yaml"))
	if spec.Source.Helm == nil {
		return out
	}
	for _, v := range spec.Source.Helm.ValueFiles {
		name, inRef := valuePath(v, spec)
		if inRef || path.IsAbs(name) {
			add(clean(name))
		} else {
			add(path.Join(dir, name))
		}
	}
	return out
}

// applicationsOfRenders adds the Applications that the renders gave, and takes away the directories that these render. It reports
// whether there are any.
func (l *loader) applicationsOfRenders() bool {
	var found []defined
	for _, j := range l.jobs {
		if l.rendered[j.unit.Name] || !j.done {
			continue
		}
		l.rendered[j.unit.Name] = true
		for _, o := range j.unit.Objects {
			if app := l.definition(o.Unstructured); app != nil && !l.isDefined(app, o) {
				found = append(found, defined{app, l.definedAt(j, o)})
			}
		}
	}
	if len(found) == 0 {
		return false
	}
	l.own(found)
	for _, d := range found {
		l.application(d)
	}
	taken := l.taken()
	l.jobs = slices.DeleteFunc(l.jobs, func(j *job) bool {
		return j.unit.Kind == check.FromDirectory || j.unit.App == nil && taken[j.unit.Path]
	})
	l.settle()
	return true
}

// isDefined reports whether an Application is a job already: the file that defines it is a manifest too.
func (l *loader) isDefined(app *v1alpha1.Application, o *check.Object) bool {
	for _, j := range l.jobs {
		u := j.unit
		if u.App != nil && u.App.Name == app.Name && (u.App.Namespace == app.Namespace || app.Namespace == "") &&
			(o.Template == "" || u.Definition.File == o.Template || u.App.Spec.Destination == app.Spec.Destination) {
			return true
		}
	}
	return false
}

// definedAt is where a rendered Application comes from, as far as the renderer tells.
func (l *loader) definedAt(j *job, o *check.Object) check.Place {
	if o.Template != "" {
		return check.Place{File: o.Template}
	}
	for _, name := range j.unit.Reads {
		if f := l.tree.look(name); f.argo && slices.Contains(f.kinds, "Application") {
			if data, err := fs.ReadFile(l.files, name); err == nil && strings.Contains(string(data), o.GetName()) {
				return check.Place{File: name}
			}
		}
	}
	return l.placeOf(j.unit, "")
}

// taken are the directories that Applications render.
func (l *loader) taken() map[string]bool {
	out := map[string]bool{}
	for _, j := range l.jobs {
		for _, s := range j.specs {
			if j.unit.App != nil {
				out[clean(s.Source.Path)] = true
			}
		}
	}
	return out
}
