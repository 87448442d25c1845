package discover

import (
	"io/fs"
	"sync"

	"github.com/belaycd/belay/internal/source"
)

// reads is a file tree that notes which files are read.
type reads struct {
	source.FS
	mu    sync.Mutex
	seen  map[string]bool
	files []string
}

func (r *reads) note(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	if !r.seen[name] {
		r.seen[name] = true
		r.files = append(r.files, name)
	}
}

// Open implements fs.FS.
func (r *reads) Open(name string) (fs.File, error) {
	f, err := r.FS.Open(name)
	if err == nil {
		if info, serr := f.Stat(); serr == nil && !info.IsDir() {
			r.note(name)
		}
	}
	return f, err
}

// ReadFile implements fs.ReadFileFS.
func (r *reads) ReadFile(name string) ([]byte, error) {
	data, err := r.FS.ReadFile(name)
	if err == nil {
		r.note(name)
	}
	return data, err
}

// names returns the files in the order of their first read.
func (r *reads) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.files...)
}
