package reconcile

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/object"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

// origin says where manifests come from: the sources of an application or of an operation, each at a revision.
type origin struct {
	sources v1alpha1.ApplicationSources
	// revisions has one entry for each source, or none while they are not known.
	revisions []source.Revision
	// listed says that the sources were written as a list. The status then has lists as well, even of one.
	listed bool
	// project is the application's: some repositories have credentials for one project only.
	project string
}

// originOf returns the sources that an application follows.
func originOf(spec *v1alpha1.ApplicationSpec) origin {
	return origin{sources: spec.GetSources(), listed: len(spec.Sources) > 0, project: spec.ProjectName()}
}

// known reports whether it is known what the sources' target revisions mean.
func (o origin) known() bool { return len(o.revisions) > 0 && len(o.revisions) == len(o.sources) }

// at returns the origin at the given revisions.
func (o origin) at(revisions []source.Revision) origin {
	o.revisions = revisions
	return o
}

// inRevisions returns the revisions in the two forms of the API, of which one is empty.
func (o origin) inRevisions() (one string, list []string) {
	if !o.known() {
		return "", nil
	}
	if !o.listed {
		return string(o.revisions[0]), nil
	}
	list = make([]string, len(o.revisions))
	for i, rev := range o.revisions {
		list[i] = string(rev)
	}
	return "", list
}

// inSources returns the sources in the two forms of the API, of which one is empty.
func (o origin) inSources() (one v1alpha1.ApplicationSource, list v1alpha1.ApplicationSources) {
	switch {
	case o.listed:
		return one, o.sources
	case len(o.sources) > 0:
		return o.sources[0], nil
	}
	return one, nil
}

// isAt reports whether the origin is at the revisions that a field of the API holds in one of its forms.
func (o origin) isAt(one string, list []string) bool {
	haveOne, haveList := o.inRevisions()
	return haveOne == one && slices.Equal(haveList, list)
}

// isFrom reports whether the sources are those that a field of the API holds in one of its forms.
func (o origin) isFrom(one v1alpha1.ApplicationSource, list v1alpha1.ApplicationSources) bool {
	haveOne, haveList := o.inSources()
	return reflect.DeepEqual(haveOne, one) && reflect.DeepEqual(haveList, list)
}

// leading returns the first revision of either form: a generated name has room for one.
func leading(one string, list []string) string {
	if len(list) > 0 {
		return list[0]
	}
	return one
}

func (o origin) equal(other origin) bool {
	return slices.Equal(o.revisions, other.revisions) && o.isFrom(other.inSources())
}

// String returns the revisions for messages.
func (o origin) String() string { return o.join(func(r source.Revision) string { return string(r) }) }

// short returns the revisions for messages, each shortened.
func (o origin) short() string { return o.join(source.Revision.Short) }

func (o origin) join(text func(source.Revision) string) string {
	texts := make([]string, len(o.revisions))
	for i, rev := range o.revisions {
		texts[i] = text(rev)
	}
	return strings.Join(texts, ", ")
}

// of says which of several sources an error is about.
func (o origin) of(i int, err error) error {
	if !o.listed || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", o.place(i), err)
}

// place names source i for people as command lines count, from 1.
func (o origin) place(i int) string {
	src := o.sources[i]
	text := fmt.Sprintf("source %d of %d", i+1, len(o.sources))
	for _, name := range []string{src.Name, src.Ref} {
		if name != "" {
			return text + " (" + name + ")"
		}
	}
	return text
}

// permit asks the project about each source.
func (o origin) permit(p Permissions) error {
	for i, src := range o.sources {
		if err := p.PermitsSource(src.RepoURL); err != nil {
			return o.of(i, err)
		}
	}
	return nil
}

// onlyFiles reports whether source i gives no manifests but files for the others alone.
func (o origin) onlyFiles(i int) bool { return o.listed && o.sources[i].IsRefOnly() }

// request says which content source i asks for.
func (o origin) request(i int) source.Request { return source.RequestFor(o.sources[i], o.project) }

// revisionsOf resolves each source by itself. Of each repository a fresh look is taken once.
func (r *Reconciler) revisionsOf(ctx context.Context, o origin, fresh source.Freshness) ([]source.Revision, error) {
	out := make([]source.Revision, len(o.sources))
	asked := map[string]bool{}
	for i, src := range o.sources {
		how := fresh
		repo := src.RepoURL + " " + src.Chart
		if asked[repo] {
			how = source.Cached
		}
		asked[repo] = true
		rev, err := r.revisionOf(ctx, o.request(i), how)
		if err != nil {
			return nil, o.of(i, err)
		}
		out[i] = rev
	}
	return out, nil
}

// trees opens what the sources hold at their revisions.
func (r *Reconciler) trees(ctx context.Context, o origin) ([]source.FS, error) {
	out := make([]source.FS, len(o.sources))
	for i := range o.sources {
		snapshot, err := r.Source.Snapshot(ctx, o.request(i), o.revisions[i])
		if err != nil {
			return nil, o.of(i, err)
		}
		out[i] = snapshot.FS()
	}
	return out, nil
}

// refs are the sources of a list whose files the others may use.
func (o origin) refs(trees []source.FS) render.Refs {
	var out render.Refs
	for i, src := range o.sources {
		if !o.listed || src.Ref == "" {
			continue
		}
		if out == nil {
			out = render.Refs{}
		}
		out[src.Ref] = render.Ref{RepoURL: src.RepoURL, Chart: src.Chart, Revision: o.revisions[i], Files: trees[i]}
	}
	return out
}

// rendered is what sources give together.
type rendered struct {
	render.Manifests // Type is that of a single source
	// types are those of a list of sources, "" for one that gives files alone.
	types []v1alpha1.ApplicationSourceType
}

// mostObjects bounds what the sources of one application give together.
const mostObjects = 50_000

// combine puts the manifests of the sources together, in their order. The key follows from those of the parts, so that
// it can be told without any of them being rendered.
func (o origin) combine(give func(i int) (render.Manifests, error)) (rendered, error) {
	if !o.listed {
		m, err := give(0)
		return rendered{Manifests: m}, err
	}
	out := rendered{types: make([]v1alpha1.ApplicationSourceType, len(o.sources))}
	var keys []string
	for i := range o.sources {
		if o.onlyFiles(i) {
			continue
		}
		m, err := give(i)
		if err != nil {
			return rendered{}, o.of(i, err)
		}
		out.types[i] = m.Type
		keys = append(keys, m.Key)
		out.Objects = append(out.Objects, m.Objects...)
		if len(out.Objects) > mostObjects {
			return rendered{}, fault.New(fault.Invalid, "the sources give more than %d objects together; make several applications of them", mostObjects)
		}
		for _, w := range m.Warnings {
			out.Warnings = append(out.Warnings, o.place(i)+": "+w)
		}
	}
	out.Key = object.Hash(keys)
	return out, nil
}
