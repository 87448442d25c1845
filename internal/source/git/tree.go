package git

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// mode is the mode of a tree entry. Other values than these (old repositories have 100664) are told by their type bits.
type mode uint32

const (
	typeMask    mode = 0o170000
	dirMode     mode = 0o040000
	fileMode    mode = 0o100000
	linkMode    mode = 0o120000
	gitlinkMode mode = 0o160000 // a submodule: names a commit of another repository
)

func (m mode) is(t mode) bool { return m&typeMask == t }

// entry is one name in a directory.
type entry struct {
	name string
	mode mode
	id   oid
	// in and path are set for entries that were found on a walk: the commit that the entry belongs to and, for a submodule,
	// its path there.
	in   *module
	path string
}

// isDir reports whether the entry appears as a directory. Submodules do.
func (e entry) isDir() bool { return e.mode.is(dirMode) || e.mode.is(gitlinkMode) }

// tree is a directory, sorted by name. It is shared and not changed, save for what is computed from it once.
type tree struct {
	entries []entry
	links   atomic.Pointer[[]string] // see fsys.links
}

func (t *tree) find(name string) (entry, bool) {
	i, ok := slices.BinarySearchFunc(t.entries, name, func(e entry, n string) int { return strings.Compare(e.name, n) })
	if !ok {
		return entry{}, false
	}
	return t.entries[i], true
}

// bytes estimates the memory that the tree takes.
func (t *tree) bytes() int64 {
	n := int64(64)
	for _, e := range t.entries {
		n += int64(len(e.name)+len(e.id)) + 72
	}
	return n
}

// parseTree reads a tree object: entries of "<octal mode> SP <name> NUL <binary object name>". Names that could mean
// another place than they stand at are refused, whoever wrote them.
func parseTree(data []byte, hashLen int) (*tree, error) {
	t := &tree{}
	for len(data) > 0 {
		space := bytes.IndexByte(data, ' ')
		if space < 1 || space > 6 {
			return nil, fmt.Errorf("entry %d has no mode", len(t.entries))
		}
		var m mode
		for _, c := range data[:space] {
			if c < '0' || c > '7' {
				return nil, fmt.Errorf("entry %d has mode %q", len(t.entries), data[:space])
			}
			m = m<<3 | mode(c-'0')
		}
		data = data[space+1:]
		end := bytes.IndexByte(data, 0)
		if end < 0 || len(data) < end+1+hashLen {
			return nil, fmt.Errorf("entry %d is cut off", len(t.entries))
		}
		name := string(data[:end])
		if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
			return nil, fmt.Errorf("entry %d has the name %q", len(t.entries), name)
		}
		if !m.is(dirMode) && !m.is(fileMode) && !m.is(linkMode) && !m.is(gitlinkMode) {
			return nil, fmt.Errorf("entry %q has mode %o", name, m)
		}
		id := oid(hex.EncodeToString(data[end+1 : end+1+hashLen]))
		t.entries = append(t.entries, entry{name: name, mode: m, id: id})
		data = data[end+1+hashLen:]
	}
	// git sorts directories as if their names ended in a slash.
	slices.SortFunc(t.entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for i := 1; i < len(t.entries); i++ {
		if t.entries[i].name == t.entries[i-1].name {
			return nil, fmt.Errorf("two entries have the name %q", t.entries[i].name)
		}
	}
	return t, nil
}
