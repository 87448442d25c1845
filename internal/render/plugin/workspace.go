package plugin

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/source"
)

const maxDepth = 200

// workspace is a private directory with the repository and places for a program's own files.
type workspace struct{ root string }

func (w workspace) source() string { return filepath.Join(w.root, "source") }
func (w workspace) home() string   { return filepath.Join(w.root, "home") }
func (w workspace) temp() string   { return filepath.Join(w.root, "tmp") }

// newWorkspace writes files to a new directory, which is removed again when that fails.
func newWorkspace(ctx context.Context, files source.FS, opts Options, keepModes bool) (w workspace, err error) {
	if opts.TempDir != "" {
		if err := os.MkdirAll(opts.TempDir, 0o700); err != nil {
			return w, fault.New(fault.Internal, "make a directory for plugins: %w", err)
		}
	}
	w.root, err = os.MkdirTemp(opts.TempDir, "belay-plugin-")
	if err != nil {
		return w, fault.New(fault.Internal, "make a directory for plugins: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.remove())
		}
	}()
	for _, dir := range []string{w.source(), w.home(), w.temp()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return w, fault.New(fault.Internal, "make a directory for plugins: %w", err)
		}
	}
	// The content of everything is noted, so that the result is kept until anything changes.
	if _, err := files.ContentID("."); err != nil {
		return w, render.Classify("identify the repository", err)
	}
	c := copier{ctx: ctx, files: files, to: w.source(), keepModes: keepModes, bytes: opts.MaxTree, left: opts.MaxFiles, opts: opts}
	if err := c.dir(".", 0); err != nil {
		return w, err
	}
	// Links come last, so that no file is written through one.
	for _, l := range c.links {
		if err := os.Symlink(l.target, filepath.Join(c.to, filepath.FromSlash(l.name))); err != nil {
			return w, fault.New(fault.Internal, "write %s for a plugin: %w", l.name, err)
		}
	}
	return w, nil
}

// remove removes everything, also what a program has made unreadable.
func (w workspace) remove() error {
	if os.RemoveAll(w.root) == nil {
		return nil
	}
	walked := filepath.WalkDir(w.root, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			if os.Chmod(name, 0o700) == nil && err != nil {
				return nil
			}
		}
		return nil
	})
	if err := os.RemoveAll(w.root); err != nil {
		return fault.New(fault.Internal, "remove the directory of a plugin: %w", errors.Join(err, walked))
	}
	return nil
}

// copier writes a file tree.
type copier struct {
	ctx       context.Context
	files     source.FS
	to        string
	keepModes bool
	bytes     int64 // that may still be written
	left      int   // entries that may still be written
	opts      Options
	links     []link
}

type link struct{ name, target string }

func (c *copier) dir(name string, depth int) error {
	if depth > maxDepth {
		return fault.New(fault.Invalid, "%s: directories are nested deeper than %d levels", name, maxDepth)
	}
	entries, err := c.files.ReadDir(name)
	if err != nil {
		return render.Classify("list "+name, err)
	}
	for _, e := range entries {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if c.left--; c.left < 0 {
			return fault.New(fault.Invalid, "the repository has more than %d files, too many for a plugin", c.opts.MaxFiles)
		}
		at := path.Join(name, e.Name())
		switch {
		case e.IsDir():
			if err := os.Mkdir(filepath.Join(c.to, filepath.FromSlash(at)), 0o700); err != nil {
				return fault.New(fault.Internal, "write %s for a plugin: %w", at, err)
			}
			err = c.dir(at, depth+1)
		case e.Type()&fs.ModeSymlink != 0:
			err = c.link(at)
		case e.Type().IsRegular():
			err = c.file(at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) file(name string) error {
	info, err := c.files.Stat(name)
	if err != nil {
		return render.Classify("read "+name, err)
	}
	// The size is looked at before the content is read: this is what bounds memory.
	if c.bytes -= info.Size(); c.bytes < 0 {
		return fault.New(fault.Invalid, "the repository is larger than %d bytes, too large for a plugin", c.opts.MaxTree)
	}
	data, err := c.files.ReadFile(name)
	if err != nil {
		return render.Classify("read "+name, err)
	}
	mode := fs.FileMode(0o600)
	if c.keepModes && info.Mode()&0o111 != 0 {
		mode = 0o700
	}
	if err := os.WriteFile(filepath.Join(c.to, filepath.FromSlash(name)), data, mode); err != nil {
		return fault.New(fault.Internal, "write %s for a plugin: %w", name, err)
	}
	return nil
}

// link notes a link of which the file tree has shown that it stays inside. One that leads nowhere is kept: it does no harm.
func (c *copier) link(name string) error {
	if _, err := c.files.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) && !fault.Is(err, fault.NotFound) {
		return render.Classify("follow the link "+name, err)
	}
	reader, ok := c.files.(interface {
		ReadLink(name string) (string, error)
	})
	if ok {
		target, err := reader.ReadLink(name)
		if err == nil {
			if path.IsAbs(target) {
				return fault.New(fault.Denied, "the link %s leaves the repository", name)
			}
			c.links = append(c.links, link{name, target})
			return nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return render.Classify("read the link "+name, err)
		}
	}
	// A file tree that shows no links: the file itself then.
	if info, err := c.files.Stat(name); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	return c.file(name)
}
