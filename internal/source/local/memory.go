package local

import (
	"io/fs"
	"slices"
	"sync"
)

// Bounds of what is kept of a directory that does not change.
const (
	keptFile  = 256 << 10 // a larger file is read each time
	keptFiles = 64 << 20  // all files together
)

// memory is a directory that does not change: what was read of it once is kept, since many look at the same files and each look costs
// system calls for every part of the path. It is safe for concurrent use.
type memory struct {
	tree

	mu    sync.Mutex
	size  int
	data  map[string][]byte
	lists map[string][]fs.DirEntry
	infos map[string]fs.FileInfo
}

func remember(t tree) *memory {
	return &memory{tree: t, data: map[string][]byte{}, lists: map[string][]fs.DirEntry{}, infos: map[string]fs.FileInfo{}}
}

// ReadFile implements fs.ReadFileFS.
func (m *memory) ReadFile(name string) ([]byte, error) {
	if data, ok := recall(m, m.data, name); ok {
		return slices.Clone(data), nil
	}
	data, err := m.tree.ReadFile(name)
	if err != nil || len(data) > keptFile {
		return data, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.data[name]; !ok && m.size+len(data) <= keptFiles {
		m.size += len(data)
		m.data[name] = slices.Clone(data)
	}
	return data, nil
}

// ReadDir implements fs.ReadDirFS.
func (m *memory) ReadDir(name string) ([]fs.DirEntry, error) {
	if entries, ok := recall(m, m.lists, name); ok {
		return slices.Clone(entries), nil
	}
	entries, err := m.tree.ReadDir(name)
	if err != nil {
		return entries, err
	}
	keep(m, m.lists, name, slices.Clone(entries))
	return entries, nil
}

// Stat implements fs.StatFS.
func (m *memory) Stat(name string) (fs.FileInfo, error) {
	if info, ok := recall(m, m.infos, name); ok {
		return info, nil
	}
	info, err := m.tree.Stat(name)
	if err == nil {
		keep(m, m.infos, name, info)
	}
	return info, err
}

func recall[T any](m *memory, kept map[string]T, name string) (T, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := kept[name]
	return value, ok
}

func keep[T any](m *memory, kept map[string]T, name string, value T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept[name] = value
}
