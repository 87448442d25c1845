package source

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
)

// Tree is a file tree in memory. It never changes and is safe for concurrent use.
type Tree struct {
	root  *node
	bytes int64
}

// node is a file or a directory.
type node struct {
	name    string
	mode    fs.FileMode
	data    []byte
	entries []*node // of a directory, sorted by name
	id      string
}

var _ FS = (*Tree)(nil)

// Bytes is the size of all files.
func (t *Tree) Bytes() int64 { return t.bytes }

// Sub returns the tree below the directory dir, which is a valid path of io/fs.
func (t *Tree) Sub(dir string) (*Tree, error) {
	n, err := t.find("sub", dir)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, pathError("sub", dir, fault.New(fault.Invalid, "not a directory"))
	}
	return &Tree{root: n, bytes: t.bytes}, nil
}

// seal sorts the entries and gives every node its id, the deepest first.
func (n *node) seal() {
	h := sha256.New()
	if !n.mode.IsDir() {
		fmt.Fprintf(h, "file %t\n", n.mode&0o111 != 0)
		h.Write(n.data)
		n.id = hex.EncodeToString(h.Sum(nil))
		return
	}
	slices.SortFunc(n.entries, func(a, b *node) int { return strings.Compare(a.name, b.name) })
	for _, e := range n.entries {
		e.seal()
		fmt.Fprintf(h, "%q %s\n", e.name, e.id)
	}
	n.id = hex.EncodeToString(h.Sum(nil))
}

func (n *node) entry(name string) *node {
	i, ok := slices.BinarySearchFunc(n.entries, name, func(e *node, name string) int { return strings.Compare(e.name, name) })
	if !ok {
		return nil
	}
	return n.entries[i]
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (t *Tree) find(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, fault.As(fault.Invalid, pathError(op, name, fs.ErrInvalid))
	}
	n := t.root
	if name == "." {
		return n, nil
	}
	for part := range strings.SplitSeq(name, "/") {
		if n = n.entry(part); n == nil {
			return nil, fault.As(fault.NotFound, pathError(op, name, fs.ErrNotExist))
		}
	}
	return n, nil
}

// ContentID implements FS.
func (t *Tree) ContentID(name string) (string, error) {
	n, err := t.find("identify", name)
	if fault.Is(err, fault.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return n.id, nil
}

// ReadFile implements fs.ReadFileFS; the result is the caller's.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	n, err := t.find("read", name)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		return nil, pathError("read", name, fault.New(fault.Invalid, "is a directory"))
	}
	return bytes.Clone(n.data), nil
}

// Stat implements fs.StatFS.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	n, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return nodeInfo{n}, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.mode.IsDir() {
		return nil, pathError("readdir", name, fault.New(fault.Invalid, "not a directory"))
	}
	return n.list(), nil
}

func (n *node) list() []fs.DirEntry {
	out := make([]fs.DirEntry, len(n.entries))
	for i, e := range n.entries {
		out[i] = fs.FileInfoToDirEntry(nodeInfo{e})
	}
	return out
}

// Open implements fs.FS.
func (t *Tree) Open(name string) (fs.File, error) {
	n, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.mode.IsDir() {
		return &openDir{nodeInfo: nodeInfo{n}, path: name, rest: n.list()}, nil
	}
	return &openFile{Reader: bytes.NewReader(n.data), nodeInfo: nodeInfo{n}}, nil
}

// nodeInfo implements fs.FileInfo. Times are no part of the content and stay zero.
type nodeInfo struct{ node *node }

func (i nodeInfo) Name() string {
	if i.node.name == "" {
		return "."
	}
	return i.node.name
}
func (i nodeInfo) Size() int64        { return int64(len(i.node.data)) }
func (i nodeInfo) Mode() fs.FileMode  { return i.node.mode }
func (i nodeInfo) ModTime() time.Time { return time.Time{} }
func (i nodeInfo) IsDir() bool        { return i.node.mode.IsDir() }
func (i nodeInfo) Sys() any           { return nil }

type openFile struct {
	*bytes.Reader
	nodeInfo nodeInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.nodeInfo, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	nodeInfo nodeInfo
	path     string
	rest     []fs.DirEntry
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.nodeInfo, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, pathError("read", d.path, fault.New(fault.Invalid, "is a directory"))
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 || n > len(d.rest) {
		if n > 0 && len(d.rest) == 0 {
			return nil, io.EOF
		}
		n = len(d.rest)
	}
	out := d.rest[:n:n]
	d.rest = d.rest[n:]
	return out, nil
}

// OneFile returns a tree of a single file. It takes data over.
func OneFile(name string, data []byte) (*Tree, error) {
	if !fs.ValidPath(name) || strings.Contains(name, "/") {
		return nil, fault.New(fault.Invalid, "%q is not the name of a file", name)
	}
	root := &node{mode: fs.ModeDir | 0o755, entries: []*node{{name: name, mode: 0o644, data: data}}}
	root.seal()
	return &Tree{root: root, bytes: int64(len(data))}, nil
}
