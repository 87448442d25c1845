package local_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/local"
)

func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("app/cm.yaml", "a")
	write("base/x.yaml", "b")
	s, err := local.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	snap, err := s.Snapshot(t.Context(), source.Request{}, local.Revision)
	if err != nil {
		t.Fatal(err)
	}
	files := snap.FS()
	if err := fstest.TestFS(files, "app/cm.yaml", "base/x.yaml"); err != nil {
		t.Error(err)
	}
	before, err := files.ContentID("app")
	if err != nil {
		t.Fatal(err)
	}
	write("base/x.yaml", "changed")
	if same, err := files.ContentID("app"); err != nil || same != before {
		t.Errorf("a change elsewhere changed the id of app: %v", err)
	}
	write("app/cm.yaml", "changed")
	if now, err := files.ContentID("app"); err != nil || now == before {
		t.Errorf("a change inside app kept its id: %v", err)
	}
	if id, err := files.ContentID("nowhere"); id != "" || err != nil {
		t.Errorf("missing path: id %q, error %v", id, err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "app", "out")); err != nil {
		t.Fatal(err)
	}
	if _, err := files.ReadFile("app/out"); err == nil {
		t.Error("a link out of the directory was followed")
	}
}
