package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/belaycd/belay/internal/fault"
)

var limits = ArchiveLimits{Bytes: 1 << 20, Files: 100}

func pack(t testing.TB, zip bool, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.Writer = &out
	if zip {
		z := gzip.NewWriter(&out)
		defer z.Close()
		w = z
	}
	tw := tar.NewWriter(w)
	for _, h := range headers {
		content := ""
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname = h.Linkname, ""
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := tw.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if z, ok := w.(*gzip.Writer); ok {
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func file(name, content string) tar.Header {
	return tar.Header{Name: name, Typeflag: tar.TypeReg, Linkname: content}
}

func TestReadArchive(t *testing.T) {
	for _, zip := range []bool{true, false} {
		data := pack(t, zip,
			tar.Header{Name: "./app/", Typeflag: tar.TypeDir}, file("./app/a.yaml", "one"), file(`win\b.yaml`, "two"),
			tar.Header{Name: "app/l.yaml", Typeflag: tar.TypeSymlink, Linkname: "../win/b.yaml"},
			tar.Header{Name: "app/l2.yaml", Typeflag: tar.TypeSymlink, Linkname: "l.yaml"},
			tar.Header{Name: "hard", Typeflag: tar.TypeLink, Linkname: "app/a.yaml"},
			tar.Header{Name: "run.sh", Typeflag: tar.TypeReg, Linkname: "#!", Mode: 0o755}, file("app/a.yaml", "three"))
		tree, err := ReadArchive(bytes.NewReader(data), limits)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{"app/a.yaml": "three", "win/b.yaml": "two", "app/l.yaml": "two", "app/l2.yaml": "two", "hard": "three"} {
			if got, err := tree.ReadFile(name); err != nil || string(got) != want {
				t.Errorf("%s = %q, %v; want %q", name, got, err, want)
			}
		}
		if err := fstest.TestFS(tree, "app/a.yaml", "win/b.yaml", "run.sh"); err != nil {
			t.Error(err)
		}
		sub, err := tree.Sub("app")
		if err != nil {
			t.Fatal(err)
		}
		if err := fstest.TestFS(sub, "a.yaml", "l.yaml"); err != nil {
			t.Error(err)
		}
		for _, c := range []struct {
			name string
			is   error
			kind fault.Kind
		}{{"none", fs.ErrNotExist, fault.NotFound}, {"app/a.yaml/x", fs.ErrNotExist, fault.NotFound}, {"../x", fs.ErrInvalid, fault.Invalid}, {"/app", fs.ErrInvalid, fault.Invalid}} {
			if _, err := tree.ReadFile(c.name); !errors.Is(err, c.is) || !fault.Is(err, c.kind) {
				t.Errorf("ReadFile(%q): %v", c.name, err)
			}
		}
	}
}

func TestArchiveContentIDs(t *testing.T) {
	ids := func(headers ...tar.Header) map[string]string {
		tree, err := ReadArchive(bytes.NewReader(pack(t, true, headers...)), limits)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, p := range []string{".", "a", "a/x", "b", "none"} {
			if out[p], err = tree.ContentID(p); err != nil {
				t.Fatal(err)
			}
		}
		return out
	}
	before, after := ids(file("a/x", "1"), file("b/y", "2")), ids(file("b/y", "3"), file("a/x", "1"))
	if before["a"] != after["a"] || before["a/x"] != after["a/x"] || before["b"] == after["b"] || before["."] == after["."] || before["none"] != "" || before["a"] == "" {
		t.Errorf("ids %v, then %v", before, after)
	}
}

func TestHostileArchives(t *testing.T) {
	many := make([]tar.Header, 101)
	for i := range many {
		many[i] = file("f"+strings.Repeat("x", i), "")
	}
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"traversal":    {pack(t, true, file("app/../../etc/passwd", "x")), "leads out of"},
		"backslashes":  {pack(t, true, file(`..\..\x`, "x")), "leads out of"},
		"absolute":     {pack(t, true, file("/etc/passwd", "x")), "absolute"},
		"drive":        {pack(t, true, file(`C:\x`, "x")), "absolute"},
		"link out":     {pack(t, true, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../../etc/passwd"}), "leads out of"},
		"link abs":     {pack(t, true, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), "leads out of"},
		"hard out":     {pack(t, true, tar.Header{Name: "l", Typeflag: tar.TypeLink, Linkname: "../x"}), "leads out of"},
		"link to dir":  {pack(t, true, file("d/x", ""), tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "d"}), "no file"},
		"loop":         {pack(t, true, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "l"}), "no file"},
		"dangling":     {pack(t, true, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "none"}), "no file"},
		"device":       {pack(t, true, tar.Header{Name: "dev", Typeflag: tar.TypeChar}), "neither a file"},
		"file and dir": {pack(t, true, file("a", ""), file("a/b", "")), "both"},
		"large":        {pack(t, true, file("a", strings.Repeat("x", 1<<20)), file("b", "x")), "more than"},
		"many":         {pack(t, true, many...), "entries"},
		"deep":         {pack(t, true, file(strings.Repeat("d/", 120)+"x", "")), "nested"},
		"empty":        {pack(t, true), "empty"},
		"nothing":      {nil, "empty"},
		"garbage":      {[]byte(strings.Repeat("garbage ", 1000)), "read archive"},
		"cut":          {pack(t, true, file("a", strings.Repeat("abc", 999)))[:60], "read archive"},
	} {
		_, err := ReadArchive(bytes.NewReader(c.data), limits)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v; want Invalid with %q", name, err, c.says)
		}
	}
	bomb := pack(t, true, file("a", strings.Repeat("\x00", 64<<20)))
	if _, err := ReadArchive(bytes.NewReader(bomb), ArchiveLimits{Bytes: 1 << 30, Files: 10}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "times") {
		t.Errorf("a bomb: %v", err)
	}
}

func FuzzReadArchive(f *testing.F) {
	f.Add(pack(f, true, file("a/b", "x"), tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "a/b"}))
	f.Add(pack(f, false, file("a", "x")))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := ReadArchive(bytes.NewReader(data), ArchiveLimits{Bytes: 1 << 16, Files: 50})
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("kind %v: %v", fault.KindOf(err), err)
			}
			return
		}
		n := int64(0)
		err = fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := tree.ReadFile(p)
			n += int64(len(data))
			return err
		})
		if err != nil || n > 50<<16 {
			t.Fatalf("%d bytes, %v", n, err)
		}
	})
}
