package source

import (
	"io/fs"
	"path"
)

// Below returns the tree below the directory dir of files.
func Below(files FS, dir string) FS {
	if dir = path.Clean(dir); dir == "." {
		return files
	}
	return below{files, dir}
}

type below struct {
	files FS
	dir   string
}

func (b below) at(name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	return path.Join(b.dir, name), nil
}

// Open implements fs.FS.
func (b below) Open(name string) (fs.File, error) {
	at, err := b.at(name)
	if err != nil {
		return nil, err
	}
	return b.files.Open(at)
}

// Stat implements fs.StatFS.
func (b below) Stat(name string) (fs.FileInfo, error) {
	at, err := b.at(name)
	if err != nil {
		return nil, err
	}
	return b.files.Stat(at)
}

// ReadFile implements fs.ReadFileFS.
func (b below) ReadFile(name string) ([]byte, error) {
	at, err := b.at(name)
	if err != nil {
		return nil, err
	}
	return b.files.ReadFile(at)
}

// ReadDir implements fs.ReadDirFS.
func (b below) ReadDir(name string) ([]fs.DirEntry, error) {
	at, err := b.at(name)
	if err != nil {
		return nil, err
	}
	return b.files.ReadDir(at)
}

// ContentID implements FS.
func (b below) ContentID(name string) (string, error) {
	at, err := b.at(name)
	if err != nil {
		return "", err
	}
	return b.files.ContentID(at)
}
