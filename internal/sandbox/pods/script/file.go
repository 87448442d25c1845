package script

import (
	"io"
	"io/fs"
	"time"
)

// memoryFile is an open file of the pretended file system.
type memoryFile struct {
	content string
	offset  int
	// also takes a copy of what is written; save takes the content when the file is closed.
	also io.Writer
	save func(content string)
}

func (f *memoryFile) Read(p []byte) (int, error) {
	if f.offset >= len(f.content) {
		return 0, io.EOF
	}
	n := copy(p, f.content[f.offset:])
	f.offset += n
	return n, nil
}

func (f *memoryFile) Write(p []byte) (int, error) {
	if f.also != nil {
		return f.also.Write(p)
	}
	if f.save != nil {
		f.content += string(p)
	}
	return len(p), nil
}

func (f *memoryFile) Close() error {
	if f.save != nil {
		f.save(f.content)
	}
	return nil
}

// fileInfo describes a file of the pretended file system: a regular one.
type fileInfo struct{ name string }

func (i fileInfo) Name() string     { return i.name }
func (fileInfo) Size() int64        { return 1 }
func (fileInfo) Mode() fs.FileMode  { return 0o644 }
func (fileInfo) ModTime() time.Time { return time.Time{} }
func (fileInfo) IsDir() bool        { return false }
func (fileInfo) Sys() any           { return nil }
