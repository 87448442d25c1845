package registry

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// store keeps packages on disk, as they came and by digest, and the latest unpacked ones in memory. What belongs to one
// repository is not shown to another: who knows a digest must not get at what only others may fetch.
type store struct {
	cfg Config

	mu     sync.Mutex
	used   int64
	recent *list.List // of *kept, the latest used first
	trees  map[string]*list.Element
}

type kept struct {
	key  string
	tree *source.Tree
}

func newStore(cfg Config) *store {
	return &store{cfg: cfg, recent: list.New(), trees: map[string]*list.Element{}}
}

// tree returns the files of the package with the given SHA-256 in hex. fetch gets a package that is not there; it has
// verified it. root finds the directory that counts.
func (s *store) tree(ctx context.Context, owner, digest string, root func(*source.Tree) (*source.Tree, error),
	fetch func(context.Context) ([]byte, error)) (*source.Tree, error) {
	file := s.file(owner, digest)
	if t, ok := s.cached(file); ok {
		return t, nil
	}
	data, err := s.read(file, digest)
	if err != nil {
		if data, err = fetch(ctx); err != nil {
			return nil, err
		}
		if err := s.write(file, data); err != nil {
			return nil, err
		}
	}
	t, err := source.ReadArchive(bytes.NewReader(data), source.ArchiveLimits{Bytes: s.cfg.MaxUnpacked, Files: s.cfg.MaxFiles})
	if err != nil {
		return nil, err
	}
	if t, err = root(t); err != nil {
		return nil, err
	}
	s.keep(file, t)
	return t, nil
}

func (s *store) file(owner, digest string) string {
	return filepath.Join(s.cfg.CacheDir, sha256Of([]byte(owner)), digest)
}

// has reports whether a package is at hand.
func (s *store) has(owner, digest string) bool {
	file := s.file(owner, digest)
	if _, ok := s.cached(file); ok {
		return true
	}
	_, err := os.Stat(file)
	return err == nil
}

func (s *store) cached(key string) (*source.Tree, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.trees[key]
	if !ok {
		return nil, false
	}
	s.recent.MoveToFront(e)
	k, ok := e.Value.(*kept)
	return k.tree, ok
}

const treeOverhead = 4096 // nodes and maps

func (s *store) keep(key string, t *source.Tree) {
	size := t.Bytes() + treeOverhead
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.trees[key]; ok || size > s.cfg.CacheBytes/2 {
		return
	}
	s.trees[key] = s.recent.PushFront(&kept{key, t})
	s.used += size
	for s.used > s.cfg.CacheBytes {
		last := s.recent.Back()
		if k, ok := last.Value.(*kept); ok {
			delete(s.trees, k.key)
			s.used -= k.tree.Bytes() + treeOverhead
		}
		s.recent.Remove(last)
	}
}

// read returns a package from disk when it is what its name says.
func (s *store) read(file, digest string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := readAll(f, s.cfg.MaxPackage)
	if err != nil {
		return nil, err
	}
	if sha256Of(data) != digest {
		s.cfg.Log.Warn("a kept package is damaged and is fetched again", "digest", digest)
		return nil, errDamaged
	}
	now := s.cfg.Now()
	_ = os.Chtimes(file, now, now) // only the sweep looks at it
	return data, nil
}

var errDamaged = errors.New("kept package is damaged")

// write puts a package into place whole.
func (s *store) write(file string, data []byte) error {
	fail := func(err error) error { return fault.New(fault.Internal, "keep package: %w", err) }
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fail(err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "tmp-")
	if err != nil {
		return fail(err)
	}
	defer os.Remove(tmp.Name()) // it has another name when all went well
	if _, err := tmp.Write(data); err != nil {
		_ = tmp.Close()
		return fail(err)
	}
	if err := tmp.Close(); err != nil {
		return fail(err)
	}
	if err := os.Rename(tmp.Name(), file); err != nil {
		return fail(err)
	}
	return nil
}

// sweep removes packages that were not used for a long time.
func (s *store) sweep(now time.Time) {
	err := filepath.WalkDir(s.cfg.CacheDir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || now.Sub(info.ModTime()) < s.cfg.KeepUnused {
			return nil //nolint:nilerr // gone meanwhile
		}
		if err := os.Remove(p); err != nil {
			s.cfg.Log.Warn("cannot remove package", "error", err)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.cfg.Log.Warn("cannot sweep packages", "error", err)
	}
}

// chartRoot finds the directory of a chart in its package: the one that has the chart's name, or the only one.
func chartRoot(chart string) func(*source.Tree) (*source.Tree, error) {
	name := chart[strings.LastIndex(chart, "/")+1:]
	return func(t *source.Tree) (*source.Tree, error) {
		if _, err := t.Stat(name + "/Chart.yaml"); err == nil {
			return t.Sub(name)
		}
		entries, err := t.ReadDir(".")
		if err != nil {
			return nil, err
		}
		if len(entries) == 1 && entries[0].IsDir() {
			if _, err := t.Stat(entries[0].Name() + "/Chart.yaml"); err == nil {
				return t.Sub(entries[0].Name())
			}
		}
		return nil, fault.New(fault.Invalid, "the package of chart %s holds no chart: %s/Chart.yaml is missing", chart, name)
	}
}
