package source_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/belaycd/belay/internal/source"
)

// counted is a tree that counts which files are read.
type counted struct {
	fstest.MapFS
	read map[string]int
}

func (c counted) ReadFile(name string) ([]byte, error) {
	c.read[name]++
	return c.MapFS.ReadFile(name)
}

func (c counted) ContentID(name string) (string, error) {
	data, err := fs.ReadFile(c.MapFS, name)
	if err != nil {
		return "", nil
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// TestTwin: what both have is read from the twin, everything else from the tree itself, and what the twin alone has is not there.
func TestTwin(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	own := counted{fstest.MapFS{"same": file("a"), "changed": file("old"), "gone": file("b"), "dir/same": file("c")}, map[string]int{}}
	twin := counted{fstest.MapFS{"same": file("a"), "changed": file("new"), "added": file("d"), "dir/same": file("c")}, map[string]int{}}
	files := source.Twin(own, twin)
	for name, want := range map[string]string{"same": "a", "changed": "old", "gone": "b", "dir/same": "c"} {
		if data, err := files.ReadFile(name); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v; want %q", name, data, err, want)
		}
	}
	for _, name := range []string{"added", "dir", "nothing"} {
		if data, err := files.ReadFile(name); err == nil {
			t.Errorf("%s: %q", name, data)
		}
	}
	if own.read["same"]+own.read["dir/same"] > 0 || twin.read["same"] != 1 || twin.read["changed"] > 0 || own.read["changed"] != 1 {
		t.Errorf("read of the tree: %v, of the twin: %v", own.read, twin.read)
	}
}
