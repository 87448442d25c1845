package git

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

const (
	// maxHops bounds the symbolic links that are followed for one path, as Linux does.
	maxHops = 40
	// maxLink is the longest link text that an operating system accepts.
	maxLink = 4096
)

var (
	errEscape  = fault.New(fault.Denied, "symbolic link leaves the repository")
	errLoop    = fault.New(fault.Invalid, "too many levels of symbolic links")
	errNoEntry = fault.As(fault.NotFound, fs.ErrNotExist)
	errNoPath  = fault.As(fault.Invalid, fs.ErrInvalid)
	errIsDir   = fault.New(fault.Invalid, "is a directory")
	errNotDir  = fault.New(fault.Invalid, "is not a directory")
	errNotLink = fault.New(fault.Invalid, "is not a symbolic link")
)

type snapshot struct {
	rev source.Revision
	fs  *fsys
}

func (s *snapshot) Revision() source.Revision { return s.rev }
func (s *snapshot) FS() source.FS             { return s.fs }

// fsys is the tree of one commit as a file system. It is safe for concurrent use.
type fsys struct {
	top     *module
	time    time.Time // of the commit: git knows no other
	project string    // submodules are reached for its applications
	flat    bool      // submodules are empty directories

	mu      sync.Mutex
	modules map[gitlink]*module // that were read
}

var (
	_ source.FS     = (*fsys)(nil)
	_ fs.ReadLinkFS = (*fsys)(nil)
)

// validPath is fs.ValidPath without its demand for UTF-8, which git does not make of names.
func validPath(name string) bool {
	if name == "." {
		return true
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return !strings.Contains(name, "\x00")
}

// find walks to name through trees and the symbolic links among them. With follow a link at the end is followed too.
// where is the path without links, for which the entry stands.
func (f *fsys) find(name string, follow bool) (found entry, where string, err error) {
	if !validPath(name) {
		return entry{}, "", errNoPath
	}
	w := walker{fs: f, follow: follow}
	w.reset()
	return w.walk(name)
}

// walker is the state of one walk: the directories from the root to where it stands.
type walker struct {
	fs     *fsys
	follow bool
	stack  []entry
	hops   int
}

func (w *walker) reset() {
	w.stack = append(w.stack[:0], entry{mode: dirMode, id: w.fs.top.root, in: w.fs.top})
}

func (w *walker) top() entry { return w.stack[len(w.stack)-1] }

func (w *walker) walk(rest string) (entry, string, error) {
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			if len(w.stack) == 1 || w.top().mode.is(gitlinkMode) { // a submodule is the same wherever it is
				return entry{}, "", errEscape
			}
			w.stack = w.stack[:len(w.stack)-1]
			continue
		}
		if !w.top().isDir() {
			return entry{}, "", errNoEntry
		}
		e, err := w.fs.child(w.top(), part)
		if err != nil {
			return entry{}, "", err
		}
		if e.mode.is(linkMode) && (w.follow || rest != "") {
			target, err := w.fs.linkText(e)
			if err != nil {
				return entry{}, "", err
			}
			if w.hops++; w.hops > maxHops {
				return entry{}, "", errLoop
			}
			if strings.HasPrefix(target, "/") {
				return entry{}, "", errEscape
			}
			if rest != "" {
				target += "/" + rest
			}
			rest = target
			continue
		}
		w.stack = append(w.stack, e)
		if e.mode.is(gitlinkMode) {
			w.stack[len(w.stack)-1].path = w.within()
		}
	}
	return w.top(), w.where(), nil
}

func (w *walker) where() string {
	if len(w.stack) == 1 {
		return "."
	}
	return names(w.stack[1:])
}

// within returns the path of a submodule on top from the root of the commit that it belongs to.
func (w *walker) within() string {
	first := len(w.stack) - 1
	for first > 1 && !w.stack[first-1].mode.is(gitlinkMode) {
		first--
	}
	return names(w.stack[first:])
}

func names(stack []entry) string {
	var b strings.Builder
	for i, e := range stack {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(e.name)
	}
	return b.String()
}

// child looks name up in dir.
func (f *fsys) child(dir entry, name string) (entry, error) {
	if f.flat && dir.mode.is(gitlinkMode) {
		return entry{}, errNoEntry
	}
	dir, err := f.enter(dir)
	if err != nil {
		return entry{}, err
	}
	t, err := dir.in.repo.tree(dir.id)
	if err != nil {
		return entry{}, err
	}
	e, ok := t.find(name)
	if !ok {
		return entry{}, errNoEntry
	}
	e.in = dir.in
	return e, nil
}

func (f *fsys) linkText(e entry) (string, error) {
	b, err := e.in.repo.blob(e.id)
	if err != nil {
		return "", err
	}
	if b.size > maxLink || len(b.data) == 0 || bytes.IndexByte(b.data, 0) >= 0 {
		return "", fault.New(fault.Invalid, "symbolic link is malformed")
	}
	return string(b.data), nil
}

// content returns the bytes of a file, which the caller must not change.
func (f *fsys) content(e entry) ([]byte, error) {
	b, err := e.in.repo.blob(e.id)
	if err != nil {
		return nil, err
	}
	if b.size > int64(len(b.data)) {
		return nil, fault.New(fault.Invalid, "file has %.1f MiB, more than the limit of %.1f MiB",
			float64(b.size)/(1<<20), float64(e.in.repo.src.cfg.MaxBlob)/(1<<20))
	}
	if p, ok := e.in.pointer(e, b); ok {
		return e.in.repo.large(p)
	}
	return b.data, nil
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// Open implements fs.FS.
func (f *fsys) Open(name string) (fs.File, error) {
	e, _, err := f.find(name, true)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	info, err := f.info(base(name), e)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	if e.isDir() {
		list, err := f.list(e)
		if err != nil {
			return nil, pathError("open", name, err)
		}
		return &openDir{name: name, info: info, rest: list}, nil
	}
	data, err := f.content(e)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &openFile{info: info, Reader: bytes.NewReader(data)}, nil
}

// ReadFile implements fs.ReadFileFS.
func (f *fsys) ReadFile(name string) ([]byte, error) {
	e, _, err := f.find(name, true)
	if err == nil && e.isDir() {
		err = errIsDir
	}
	if err != nil {
		return nil, pathError("read", name, err)
	}
	data, err := f.content(e)
	if err != nil {
		return nil, pathError("read", name, err)
	}
	return append(make([]byte, 0, len(data)), data...), nil
}

// ReadDir implements fs.ReadDirFS.
func (f *fsys) ReadDir(name string) ([]fs.DirEntry, error) {
	e, _, err := f.find(name, true)
	if err == nil && !e.isDir() {
		err = errNotDir
	}
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	list, err := f.list(e)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	return list, nil
}

func (f *fsys) list(dir entry) ([]fs.DirEntry, error) {
	if f.flat && dir.mode.is(gitlinkMode) {
		return nil, nil
	}
	dir, err := f.enter(dir)
	if err != nil {
		return nil, err
	}
	t, err := dir.in.repo.tree(dir.id)
	if err != nil {
		return nil, err
	}
	list := make([]fs.DirEntry, len(t.entries))
	for i, e := range t.entries {
		e.in = dir.in
		list[i] = dirEntry{fs: f, entry: e}
	}
	return list, nil
}

// Stat implements fs.StatFS.
func (f *fsys) Stat(name string) (fs.FileInfo, error) { return f.stat("stat", name, true) }

// Lstat implements fs.ReadLinkFS.
func (f *fsys) Lstat(name string) (fs.FileInfo, error) { return f.stat("lstat", name, false) }

func (f *fsys) stat(op, name string, follow bool) (fs.FileInfo, error) {
	e, _, err := f.find(name, follow)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	info, err := f.info(base(name), e)
	if err != nil {
		return nil, pathError(op, name, err)
	}
	return info, nil
}

// ReadLink implements fs.ReadLinkFS.
func (f *fsys) ReadLink(name string) (string, error) {
	e, _, err := f.find(name, false)
	if err == nil && !e.mode.is(linkMode) {
		err = errNotLink
	}
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	text, err := f.linkText(e)
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	return text, nil
}

func base(name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

func (f *fsys) info(name string, e entry) (fs.FileInfo, error) {
	info := fileInfo{name: name, mode: fileModeOf(e.mode), time: f.time}
	if !e.isDir() {
		b, err := e.in.repo.blob(e.id)
		if err != nil {
			return nil, err
		}
		info.size = b.size
		if p, ok := e.in.pointer(e, b); ok {
			info.size = p.size
		}
	}
	return info, nil
}

func fileModeOf(m mode) fs.FileMode {
	switch {
	case m.is(dirMode), m.is(gitlinkMode):
		return fs.ModeDir | 0o555
	case m.is(linkMode):
		return fs.ModeSymlink | 0o777
	case m&0o100 != 0:
		return 0o555
	}
	return 0o444
}

type fileInfo struct {
	name string
	size int64
	mode fs.FileMode
	time time.Time
}

func (i fileInfo) Name() string       { return i.name }
func (i fileInfo) Size() int64        { return i.size }
func (i fileInfo) Mode() fs.FileMode  { return i.mode }
func (i fileInfo) ModTime() time.Time { return i.time }
func (i fileInfo) IsDir() bool        { return i.mode.IsDir() }
func (i fileInfo) Sys() any           { return nil }

type dirEntry struct {
	fs    *fsys
	entry entry
}

func (d dirEntry) Name() string               { return d.entry.name }
func (d dirEntry) IsDir() bool                { return d.entry.isDir() }
func (d dirEntry) Type() fs.FileMode          { return fileModeOf(d.entry.mode).Type() }
func (d dirEntry) Info() (fs.FileInfo, error) { return d.fs.info(d.entry.name, d.entry) }
func (d dirEntry) String() string             { return fs.FormatDirEntry(d) }

type openFile struct {
	info fs.FileInfo
	*bytes.Reader
}

func (o *openFile) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFile) Close() error               { return nil }

type openDir struct {
	name string
	info fs.FileInfo
	rest []fs.DirEntry
}

func (o *openDir) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openDir) Close() error               { return nil }
func (o *openDir) Read([]byte) (int, error)   { return 0, pathError("read", o.name, errIsDir) }

func (o *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if n <= 0 {
		list := o.rest
		o.rest = nil
		return list, nil
	}
	if len(o.rest) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(o.rest))
	list := slices.Clone(o.rest[:n])
	o.rest = o.rest[n:]
	return list, nil
}

// isGone reports whether err says that a path does not exist.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }
