package local

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // git names content by it
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// Worktree returns the directory as a commit of the given files would show it: nothing else is in it. Content has the names that
// git gives it, so that it can be compared with a commit without reading that. What is there is taken not to change.
func (s *Source) Worktree(files []string) (source.FS, error) {
	all, ok := s.root.FS().(interface {
		fs.StatFS
		fs.ReadFileFS
		fs.ReadDirFS
	})
	if !ok {
		return nil, fault.New(fault.Internal, "open local manifests: the file system cannot list directories")
	}
	w := &worktree{files: remember(tree{all}), known: map[string]bool{}, dirs: map[string]bool{".": true}, ids: map[string]string{}}
	for _, name := range files {
		name = path.Clean(name)
		w.known[name] = true
		for dir := path.Dir(name); !w.dirs[dir]; dir = path.Dir(dir) {
			w.dirs[dir] = true
		}
	}
	return w, nil
}

// Files lists all files and links of the directory, for Worktree; what git keeps for itself is not among them.
func (s *Source) Files() (out []string, err error) {
	err = fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case !d.IsDir():
			out = append(out, name)
		}
		return nil
	})
	if err != nil {
		return nil, fault.New(fault.NotFound, "list local manifests: %w", err)
	}
	return out, nil
}

type worktree struct {
	files *memory
	known map[string]bool // files and links
	dirs  map[string]bool // that hold them

	mu  sync.Mutex
	ids map[string]string
}

// has reports whether a path belongs to the tree: it is listed, or lies behind something that is, which is a link then.
func (w *worktree) has(name string) bool {
	if w.known[name] || w.dirs[name] {
		return true
	}
	for dir := path.Dir(name); !w.dirs[dir] && dir != "/" && dir != "."; dir = path.Dir(dir) {
		if w.known[dir] {
			info, err := fs.Lstat(w.files.files, dir)
			return err == nil && info.Mode()&fs.ModeSymlink != 0
		}
	}
	return false
}

func (w *worktree) hidden(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// Open implements fs.FS.
func (w *worktree) Open(name string) (fs.File, error) {
	if !w.has(name) {
		return nil, w.hidden("open", name)
	}
	return w.files.Open(name)
}

// Stat implements fs.StatFS.
func (w *worktree) Stat(name string) (fs.FileInfo, error) {
	if !w.has(name) {
		return nil, w.hidden("stat", name)
	}
	return w.files.Stat(name)
}

// ReadFile implements fs.ReadFileFS.
func (w *worktree) ReadFile(name string) ([]byte, error) {
	if !w.has(name) {
		return nil, w.hidden("read", name)
	}
	return w.files.ReadFile(name)
}

// ReadDir implements fs.ReadDirFS.
func (w *worktree) ReadDir(name string) ([]fs.DirEntry, error) {
	if !w.has(name) {
		return nil, w.hidden("readdir", name)
	}
	entries, err := w.files.ReadDir(name)
	if err != nil || !w.dirs[name] {
		return entries, err
	}
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		at := path.Join(name, e.Name())
		return !w.known[at] && !w.dirs[at]
	}), nil
}

// ContentID implements source.FS: the name that git gives to the file or the directory.
func (w *worktree) ContentID(name string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.id(path.Clean(name))
}

func (w *worktree) id(name string) (string, error) {
	if id, ok := w.ids[name]; ok {
		return id, nil
	}
	if w.known[name] && !w.dirs[name] {
		if data, err := w.files.ReadFile(name); err == nil {
			w.ids[name] = gitID("blob", data)
			return w.ids[name], nil
		} // else a link to a directory, a submodule, or a file that is gone
	}
	info, err := w.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		w.ids[name] = ""
		return "", nil
	case err != nil:
		return "", err
	}
	id := ""
	if info.IsDir() {
		id, err = w.dirID(name)
	} else {
		var data []byte
		if data, err = w.files.ReadFile(name); err == nil {
			id = gitID("blob", data)
		}
	}
	if err != nil {
		return "", err
	}
	w.ids[name] = id
	return id, nil
}

// dirID names a directory as git does: by the modes, names and ids of its entries.
func (w *worktree) dirID(name string) (string, error) {
	entries, err := w.ReadDir(name)
	if err != nil {
		return "", err
	}
	type line struct{ sortName, text string }
	lines := make([]line, 0, len(entries))
	for _, e := range entries {
		at := path.Join(name, e.Name())
		mode, id, sortName := "100644", "", e.Name()
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			target, err := fs.ReadLink(w.files.files, at)
			if err != nil {
				return "", err
			}
			mode, id = "120000", gitID("blob", []byte(target))
		case e.IsDir():
			mode, sortName = "40000", sortName+"/"
			if id, err = w.id(at); err != nil {
				return "", err
			}
		default:
			info, err := e.Info()
			if err != nil {
				return "", err
			}
			if info.Mode()&0o100 != 0 {
				mode = "100755"
			}
			if id, err = w.id(at); err != nil {
				return "", err
			}
		}
		raw, err := hex.DecodeString(id)
		if err != nil {
			return "", fault.New(fault.Internal, "identify %s: %w", at, err)
		}
		lines = append(lines, line{sortName, mode + " " + e.Name() + "\x00" + string(raw)})
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.sortName, b.sortName) })
	var data bytes.Buffer
	for _, l := range lines {
		data.WriteString(l.text)
	}
	return gitID("tree", data.Bytes()), nil
}

func gitID(kind string, data []byte) string {
	h := sha1.New() //nolint:gosec // see above
	fmt.Fprintf(h, "%s %d\x00", kind, len(data))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}
