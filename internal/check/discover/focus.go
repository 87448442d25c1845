package discover

import (
	"encoding/json"
	"path"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/belaycd/belay/internal/check"
)

// focused reports whether only a part of the tree is judged.
func (l *loader) focused(before *loader) bool { return before != nil || len(l.opts.Paths) > 0 }

// choose returns the names of the jobs that are judged, nil for all: those that have to do with the paths, or that differ from
// the base, and those that may give Applications.
func (l *loader) choose(before *loader) map[string]bool {
	if !l.focused(before) {
		return nil
	}
	out := map[string]bool{}
	for _, side := range []*loader{l, before} {
		if side == nil {
			continue
		}
		for _, j := range side.jobs {
			if side.gives(j, "Application", "AppProject") {
				out[j.unit.Name] = true
			}
		}
	}
	for name := range l.subjects(before) {
		out[name] = true
	}
	return out
}

// subjects are the jobs that findings may be about.
func (l *loader) subjects(before *loader) map[string]bool {
	out := map[string]bool{}
	if before == nil {
		for _, j := range l.jobs {
			if below(j.unit.Definition.File, l.opts.Paths) || j.closure.touches(l.tree, l.opts.Paths) {
				out[j.unit.Name] = true
			}
		}
		return out
	}
	was := map[string]*job{}
	for _, j := range before.jobs {
		was[j.unit.Name] = j
		out[j.unit.Name] = true // unless it is there still, and the same
	}
	for _, j := range l.jobs {
		old := was[j.unit.Name]
		if j.same == nil {
			same := old != nil && sameSpecs(j, old) && !j.closure.differs(before.files, l.files) && !old.closure.differs(before.files, l.files)
			j.same = &same
		}
		if *j.same || len(l.opts.Paths) > 0 && !below(j.unit.Definition.File, l.opts.Paths) && !j.closure.touches(l.tree, l.opts.Paths) {
			delete(out, j.unit.Name)
		} else {
			out[j.unit.Name] = true
		}
	}
	return out
}

// sameSpecs reports whether two jobs ask for the same, the names of revisions aside.
func sameSpecs(a, b *job) bool {
	text := func(j *job) string {
		specs := slices.Clone(j.specs)
		for i := range specs {
			specs[i].Revision, specs[i].Refs = "", nil
		}
		data, err := json.Marshal([]any{specs, j.unit.App, j.unit.Skipped})
		if err != nil {
			return err.Error()
		}
		return string(data)
	}
	return text(a) == text(b)
}

// related adds to the subjects what they can meet in a cluster: jobs with an object in one of their namespaces, and those that
// define what is judged elsewhere: namespaces, kinds, policies, and cluster-wide objects of kinds that the subjects have.
func (l *loader) related(before *loader) map[string]bool {
	subjects := l.subjects(before)
	namespaces, kinds := sets.New[string](), sets.New("Namespace", "CustomResourceDefinition", "ValidatingAdmissionPolicy",
		"ValidatingAdmissionPolicyBinding", "List")
	for _, side := range []*loader{l, before} {
		if side == nil {
			continue
		}
		for _, j := range side.jobs {
			if !subjects[j.unit.Name] {
				continue
			}
			namespaces.Insert(j.unit.Namespace)
			for _, o := range j.unit.Objects {
				namespaces.Insert(o.GetNamespace())
				if namespaced, known := check.NewScopes(nil).Namespaced(o.GroupVersionKind().GroupKind()); !namespaced && known {
					kinds.Insert(o.GetKind())
				}
			}
		}
	}
	namespaces.Delete("")
	out := l.choose(before)
	for name := range subjects {
		out[name] = true
	}
	for _, side := range []*loader{l, before} {
		if side == nil {
			continue
		}
		for _, j := range side.jobs {
			if namespaces.Has(j.unit.Namespace) || side.gives(j, sets.List(kinds)...) || side.mentions(j, namespaces) {
				out[j.unit.Name] = true
			}
		}
	}
	if before == nil {
		for _, j := range l.jobs {
			j.unit.Context = !subjects[j.unit.Name]
		}
	}
	return out
}

// gives reports whether the text of what a job reads has one of the kinds.
func (l *loader) gives(j *job, kinds ...string) bool {
	return l.any(j, func(f *facts) bool {
		return slices.ContainsFunc(f.kinds, func(k string) bool { return slices.Contains(kinds, k) })
	})
}

func (l *loader) mentions(j *job, namespaces sets.Set[string]) bool {
	return l.any(j, func(f *facts) bool { return slices.ContainsFunc(f.namespaces, namespaces.Has) })
}

// any asks what the files tell that a job reads.
func (l *loader) any(j *job, ask func(*facts) bool) bool {
	if j.closure.open {
		return true
	}
	for name := range j.closure.files {
		if ask(l.tree.look(name)) {
			return true
		}
	}
	for dir := range j.closure.flat {
		if l.anyBelow(dir, ask, maxDepth) {
			return true
		}
	}
	for dir := range j.closure.dirs {
		if l.anyBelow(dir, ask, 0) {
			return true
		}
	}
	return false
}

func (l *loader) anyBelow(dir string, ask func(*facts) bool, depth int) bool {
	entries, err := l.files.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		at := path.Join(dir, e.Name())
		if e.IsDir() {
			if depth < maxDepth && l.anyBelow(at, ask, depth+1) {
				return true
			}
			continue
		}
		if ext := path.Ext(at); isYAML(at) || ext == ".json" || ext == ".tpl" || ext == ".tgz" {
			if ext == ".tgz" || ask(l.tree.look(at)) {
				return true
			}
		}
	}
	return false
}
