package git

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockAge is how old a lock is that belongs to nobody any more: git holds one for the moment in which it writes a ref.
const lockAge = time.Minute

// unlock removes the locks that processes left in the mirror when they were killed, and reports whether there were any. Those of
// processes that are alive are young, but for the lock of a shallow mirror, which is held as long as a fetch takes.
func (r *repo) unlock() bool {
	if r.readOnly {
		return false
	}
	found := false
	now := r.src.cfg.Now()
	_ = filepath.WalkDir(r.dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil: // gone meanwhile, or not to be read: what holds the next command up is told by that
			return nil
		case d.IsDir() && len(d.Name()) == 2 && filepath.Base(filepath.Dir(name)) == "objects":
			return fs.SkipDir // loose objects
		case d.IsDir() || !strings.HasSuffix(d.Name(), ".lock"):
			return nil
		}
		age := lockAge
		if d.Name() == "shallow.lock" {
			age = r.src.cfg.FetchTimeout
		}
		if info, err := d.Info(); err == nil && now.Sub(info.ModTime()) > age && os.Remove(name) == nil {
			found = true
			r.src.cfg.Log.Warn("removed a lock that a killed git process left in the mirror", "repository", r.remote.shown(), "lock", strings.TrimPrefix(name, r.dir))
		}
		return nil
	})
	return found
}

// clearPacks removes the beginnings of packs that were on their way when their fetch was killed; each may be as large as the
// repository. packs are the entries of the mirror's directory of packs.
func (r *repo) clearPacks(packs []fs.DirEntry) {
	now := r.src.cfg.Now()
	for _, e := range packs {
		if !strings.HasPrefix(e.Name(), "tmp_") {
			continue
		}
		if info, err := e.Info(); err == nil && now.Sub(info.ModTime()) > 2*r.src.cfg.FetchTimeout {
			_ = os.Remove(filepath.Join(r.dir, "objects", "pack", e.Name())) // it costs space only, and the next fetch tries again
		}
	}
}
