// Package rendertest serves tests of renderers: files in memory or on disk go in; a source.FS that names content,
// counts reads and refuses links out of the repository, and a conformance suite over it, come out.
package rendertest

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing/fstest"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// FS is a read-only repository in memory. It is safe for concurrent use as long as nobody changes the map.
type FS struct {
	files fstest.MapFS
	// Reads counts ReadFile and Open calls.
	Reads atomic.Int64
}

var _ source.FS = (*FS)(nil)

// Files returns a repository with the given files; a value of the form "-> target" makes a symbolic link.
func Files(files map[string]string) *FS {
	out := fstest.MapFS{}
	for name, content := range files {
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			out[name] = &fstest.MapFile{Data: []byte(strings.TrimSpace(target)), Mode: fs.ModeSymlink | 0o777}
			continue
		}
		out[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	return &FS{files: out}
}

// Dir loads the directory tree at root.
func Dir(root string) (*FS, error) {
	out := fstest.MapFS{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		out[filepath.ToSlash(rel)] = &fstest.MapFile{Data: data, Mode: 0o644}
		return err
	})
	return &FS{files: out}, err
}

// With returns a copy in which the given files are replaced, or removed where the content is nil.
func (f *FS) With(changes map[string]*string) *FS {
	out := fstest.MapFS{}
	for name, file := range f.files {
		out[name] = file
	}
	for name, content := range changes {
		delete(out, name)
		if content != nil {
			out[name] = &fstest.MapFile{Data: []byte(*content), Mode: 0o644}
		}
	}
	return &FS{files: out}
}

// resolve follows the symbolic links of name.
func (f *FS) resolve(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	done, rest := ".", strings.Split(name, "/")
	for hops := 0; len(rest) > 0; {
		next := path.Join(done, rest[0])
		rest = rest[1:]
		if next == ".." || strings.HasPrefix(next, "../") {
			return "", fault.New(fault.Denied, "%s %s: a link leaves the repository", op, name)
		}
		file := f.files[next]
		if file == nil || file.Mode&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		target := string(file.Data)
		if path.IsAbs(target) {
			return "", fault.New(fault.Denied, "%s %s: a link leaves the repository", op, name)
		}
		if hops++; hops > 40 {
			return "", fault.New(fault.Invalid, "%s %s: too many links", op, name)
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return done, nil
}

// Open implements fs.FS.
func (f *FS) Open(name string) (fs.File, error) {
	f.Reads.Add(1)
	real, err := f.resolve("open", name)
	if err != nil {
		return nil, err
	}
	return f.files.Open(real)
}

// ReadDir implements fs.ReadDirFS.
func (f *FS) ReadDir(name string) ([]fs.DirEntry, error) {
	real, err := f.resolve("readdir", name)
	if err != nil {
		return nil, err
	}
	return f.files.ReadDir(real)
}

// ReadFile implements fs.ReadFileFS.
func (f *FS) ReadFile(name string) ([]byte, error) {
	f.Reads.Add(1)
	real, err := f.resolve("read", name)
	if err != nil {
		return nil, err
	}
	return f.files.ReadFile(real)
}

// Stat implements fs.StatFS.
func (f *FS) Stat(name string) (fs.FileInfo, error) {
	real, err := f.resolve("stat", name)
	if err != nil {
		return nil, err
	}
	return f.files.Stat(real)
}

// ContentID implements source.FS.
func (f *FS) ContentID(name string) (string, error) {
	real, err := f.resolve("identify", name)
	if err != nil {
		return "", err
	}
	info, err := f.files.Stat(real)
	if err != nil {
		return "", nil
	}
	sum := sha256.New()
	if !info.IsDir() {
		data, err := f.files.ReadFile(real)
		if err != nil {
			return "", err
		}
		sum.Write(data)
		return "f" + hex.EncodeToString(sum.Sum(nil)), nil
	}
	entries, err := f.files.ReadDir(real)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		var id string
		child := path.Join(real, e.Name())
		if e.Type()&fs.ModeSymlink != 0 {
			id = "-> " + string(f.files[child].Data)
		} else if id, err = f.ContentID(child); err != nil {
			return "", err
		}
		if _, err := io.WriteString(sum, e.Name()+"\x00"+id+"\n"); err != nil {
			return "", err
		}
	}
	return "d" + hex.EncodeToString(sum.Sum(nil)), nil
}
