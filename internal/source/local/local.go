// Package local reads a directory in place of a repository: a path goes in; a snapshot of what is there now comes out.
// Command lines use it to compare work that is not committed yet.
package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// Revision is the revision of every snapshot of a directory: content without a name.
const Revision source.Revision = "local"

// Source is a source.Source whose repositories are all the same directory.
type Source struct{ root *os.Root }

// Open opens the directory. Links that lead out of it are not followed.
func Open(dir string) (*Source, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fault.New(fault.NotFound, "open local manifests: %w", err)
	}
	return &Source{root: root}, nil
}

// Close closes the directory.
func (s *Source) Close() error { return s.root.Close() }

// Resolve implements source.Source.
func (s *Source) Resolve(context.Context, source.Request, source.Freshness) (source.Revision, error) {
	return Revision, nil
}

// Snapshot implements source.Source.
func (s *Source) Snapshot(context.Context, source.Request, source.Revision) (source.Snapshot, error) {
	files, ok := s.root.FS().(interface {
		fs.StatFS
		fs.ReadFileFS
		fs.ReadDirFS
	})
	if !ok {
		return nil, fault.New(fault.Internal, "open local manifests: the file system cannot list directories")
	}
	return snapshot{tree{files}}, nil
}

type snapshot struct{ files tree }

func (snapshot) Revision() source.Revision { return Revision }
func (s snapshot) FS() source.FS           { return s.files }

type tree struct {
	files interface {
		fs.StatFS
		fs.ReadFileFS
		fs.ReadDirFS
	}
}

func (t tree) Open(name string) (fs.File, error)          { return t.files.Open(name) }
func (t tree) Stat(name string) (fs.FileInfo, error)      { return t.files.Stat(name) }
func (t tree) ReadFile(name string) ([]byte, error)       { return t.files.ReadFile(name) }
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) { return t.files.ReadDir(name) }

// ContentID implements source.FS by reading.
func (t tree) ContentID(name string) (string, error) {
	info, err := t.files.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	h := sha256.New()
	if !info.IsDir() {
		data, err := t.files.ReadFile(name)
		if err != nil {
			return "", err
		}
		h.Write(data)
		return hex.EncodeToString(h.Sum(nil)), nil
	}
	entries, err := t.files.ReadDir(name)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if e.Name() == ".git" {
			continue
		}
		id, err := t.ContentID(path.Join(name, e.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%q %v %s\n", e.Name(), e.Type(), id)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
