package git

import (
	"bytes"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/fault"
)

const (
	headsPrefix = "refs/heads/"
	tagsPrefix  = "refs/tags/"
	// ownPrefix is where the mirror keeps refs that the remote has elsewhere or not at all.
	ownPrefix   = "refs/belay/"
	ownHead     = ownPrefix + "HEAD"
	extraPrefix = ownPrefix + "extra/"
	keepPrefix  = ownPrefix + "keep/"
	// maxRefs bounds what one remote can make us hold in memory.
	maxRefs = 500_000
)

// ref is a name at the remote and what it points to.
type ref struct {
	name   string // full: refs/heads/main, or HEAD
	oid    oid
	peeled oid // what an annotated tag finally names; empty for everything else
}

// commit is the object that a user of the ref means.
func (r ref) commit() oid {
	if r.peeled != "" {
		return r.peeled
	}
	return r.oid
}

// refTable is what one look at a remote saw: HEAD, branches, tags, and other refs that somebody had asked for.
// It is immutable.
type refTable struct {
	refs []ref // sorted by name
}

func newRefTable(refs []ref) *refTable {
	slices.SortFunc(refs, func(a, b ref) int { return strings.Compare(a.name, b.name) })
	return &refTable{refs: refs}
}

func (t *refTable) find(name string) (ref, bool) {
	i, ok := slices.BinarySearchFunc(t.refs, name, func(r ref, n string) int { return strings.Compare(r.name, n) })
	if !ok {
		return ref{}, false
	}
	return t.refs[i], true
}

// pointsTo returns the full names that name commit id.
func (t *refTable) pointsTo(id oid) []string {
	var names []string
	for _, r := range t.refs {
		if r.oid == id || r.peeled == id {
			names = append(names, r.name)
		}
	}
	return names
}

// movement returns the names that differ between two looks, new and deleted ones among them.
func movement(before, after *refTable) []string {
	var names []string
	i, j := 0, 0
	for i < len(before.refs) || j < len(after.refs) {
		switch {
		case j == len(after.refs) || (i < len(before.refs) && before.refs[i].name < after.refs[j].name):
			names = append(names, before.refs[i].name)
			i++
		case i == len(before.refs) || before.refs[i].name > after.refs[j].name:
			names = append(names, after.refs[j].name)
			j++
		default:
			if before.refs[i].oid != after.refs[j].oid {
				names = append(names, before.refs[i].name)
			}
			i++
			j++
		}
	}
	return names
}

// parseLsRemote reads the output of ls-remote: lines of "<oid> TAB <name>".
func parseLsRemote(out []byte, extra map[string]bool) (*refTable, error) {
	return parseRefLines(out, "\t", func(name string) string { return name }, extra)
}

// parseShowRef reads what the mirror holds after a fetch: lines of "<oid> SP <name>", with the remote's names in part
// below names of our own.
func parseShowRef(out []byte, extra map[string]bool) (*refTable, error) {
	return parseRefLines(out, " ", func(name string) string {
		if rest, ok := strings.CutPrefix(name, extraPrefix); ok {
			return "refs/" + rest
		}
		if name == ownHead {
			return "HEAD"
		}
		return name
	}, extra)
}

// parseRefLines reads one ref a line; after an annotated tag comes a line for name^{}, what it finally points to.
// Names outside heads and tags are kept when extra has them: a host may list one for every pull request it ever had.
func parseRefLines(out []byte, separator string, rename func(string) string, extra map[string]bool) (*refTable, error) {
	var refs []ref
	for line := range bytes.Lines(out) {
		id, name, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), separator)
		if !ok || !isObjectID(id) {
			continue // a line of a form that a later git may add
		}
		r := ref{name: rename(name), oid: oid(id)}
		if name, isPeel := strings.CutSuffix(r.name, "^{}"); isPeel {
			if n := len(refs); n > 0 && refs[n-1].name == name {
				refs[n-1].peeled = r.oid
			}
			continue
		}
		if r.name != "HEAD" && !strings.HasPrefix(r.name, headsPrefix) && !strings.HasPrefix(r.name, tagsPrefix) && !extra[r.name] {
			continue
		}
		if len(refs) == maxRefs {
			return nil, fault.New(fault.Invalid, "the remote has more than %d branches and tags", maxRefs)
		}
		refs = append(refs, r)
	}
	return newRefTable(refs), nil
}

// names reports whether a branch or tag points to commit id; before the first look none does.
func (t *refTable) names(id oid) bool { return t != nil && len(t.pointsTo(id)) > 0 }
