package render

import (
	"maps"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/source"
)

// Ref is another source of the same application. Value files may name its files as $name/path, from the root of its
// repository.
type Ref struct {
	RepoURL, Chart string
	Revision       source.Revision
	Files          source.FS
}

// Refs are those sources by the name that spec.sources[].ref gives them, without the dollar.
type Refs map[string]Ref

// Names returns the names in lexical order.
func (r Refs) Names() []string { return slices.Sorted(maps.Keys(r)) }

// whole names all content of the refs at once, see wholeTree.
func (r Refs) whole() (string, error) {
	var out strings.Builder
	for _, name := range r.Names() {
		ref := r[name]
		root, err := wholeRevision(ref.Files, ref.Revision, ref.Chart)
		if err != nil {
			return "", err
		}
		for _, part := range []string{name, ref.RepoURL, ref.Chart, root} {
			out.WriteByte(0)
			out.WriteString(part)
		}
	}
	return out.String(), nil
}

// traced returns refs that note what is looked at in their trees.
func (r Refs) traced() (Refs, map[string]*tracer) {
	if len(r) == 0 {
		return nil, nil
	}
	refs, tracers := make(Refs, len(r)), make(map[string]*tracer, len(r))
	for name, ref := range r {
		tracers[name] = newTracer(ref.Files)
		ref.Files = tracers[name]
		refs[name] = ref
	}
	return refs, tracers
}
