package git

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// lfsServer serves repositories and objects of Git LFS, by what their pointers call them.
type lfsServer struct {
	git     http.Handler
	objects map[string]string
	url     string
	got     atomic.Int64
}

func (l *lfsServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	oid, isObject := strings.CutPrefix(r.URL.Path, "/objects/")
	switch {
	case r.URL.Path == "/app.git/info/lfs/objects/batch":
		if user, password, _ := r.BasicAuth(); user != "ann" || password != "canary" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		var ask struct {
			Operation string
			Objects   []struct{ OID string }
		}
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil || ask.Operation != "download" || len(ask.Objects) != 1 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", lfsMedia)
		oid := ask.Objects[0].OID
		if _, ok := l.objects[oid]; !ok {
			fmt.Fprintf(w, `{"objects":[{"oid":%q,"error":{"code":404,"message":"gone"}}]}`, oid)
			return
		}
		fmt.Fprintf(w, `{"transfer":"basic","objects":[{"oid":%q,"actions":{"download":{"href":%q,"header":{"X-Key":"k"}}}}]}`, oid, l.url+"/objects/"+oid+"?signature=canary")
	case isObject && r.Header.Get("X-Key") == "k":
		l.got.Add(1)
		_, _ = w.Write([]byte(l.objects[oid]))
	case isObject:
		w.WriteHeader(http.StatusForbidden)
	default:
		l.git.ServeHTTP(w, r)
	}
}

func pointerTo(content string) (oid, text string) {
	sum := sha256.Sum256([]byte(content))
	oid = hex.EncodeToString(sum[:])
	return oid, fmt.Sprintf("%soid sha256:%s\nsize %d\n", lfsVersion, oid, len(content))
}

// TestLFS: a pointer is read as what it stands for where the repository says so, fetched once, and never taken on trust.
func TestLFS(t *testing.T) {
	dir := t.TempDir()
	values := "a: " + strings.Repeat("large ", 1000) + "\n"
	oid, text := pointerTo(values)
	lying, lie := pointerTo("truth")
	longer, long := pointerTo("short")
	gone, lost := pointerTo("lost")
	huge := fmt.Sprintf("%soid sha256:%s\nsize %d\n", lfsVersion, gone, maxLFS+1)
	srv := &lfsServer{git: gitserver.New(gitserver.Config{Dir: dir, Username: "ann", Password: "canary"}), objects: map[string]string{oid: values, lying: "liesX", longer: "short and more"}}
	server := httptest.NewServer(srv)
	t.Cleanup(server.Close)
	srv.url = server.URL
	repo := sourcetest.NewRepo(t, dir, "app")
	sha := repo.Commit("main", map[string]string{"big.yaml": text, "plain.yaml": "p: 1\n"})
	creds := Credentials{Username: "ann", Password: "canary", LFS: true}
	s := newSource(t, func(c *Config) { c.Credentials = fixed(creds) })
	req := source.Request{RepoURL: server.URL + "/app.git"}
	files := openAt(t, s, req, sha)
	if info, err := files.Stat("big.yaml"); err != nil || info.Size() != int64(len(values)) || srv.got.Load() != 0 {
		t.Errorf("Stat = %v, %v, got %d times", info, err, srv.got.Load())
	}
	if err := fstest.TestFS(files, "big.yaml", "plain.yaml"); err != nil {
		t.Error(err)
	}
	if data, err := files.ReadFile("big.yaml"); err != nil || string(data) != values || srv.got.Load() != 1 {
		t.Errorf("big.yaml has %d bytes, %v, got %d times", len(data), err, srv.got.Load())
	}
	off := creds
	off.LFS = false
	plain := openAt(t, newSource(t, func(c *Config) { c.Credentials = fixed(off) }), req, sha)
	if data, err := plain.ReadFile("big.yaml"); err != nil || string(data) != text {
		t.Errorf("without enableLfs: %q, %v", data, err)
	}
	for _, p := range []string{".", "big.yaml"} {
		with, err := files.ContentID(p)
		without, err2 := plain.ContentID(p)
		if err != nil || err2 != nil || with == without {
			t.Errorf("ContentID(%s) with and without LFS: %q, %q, %v, %v", p, with, without, err, err2)
		}
	}
	bad := openAt(t, s, req, repo.Commit("main", map[string]string{"lie": lie, "long": long, "lost": lost, "huge": huge}))
	for name, want := range map[string]string{"lie": "other content", "long": "more than 5 bytes", "lost": "404 gone", "huge": "limit"} {
		if _, err := bad.ReadFile(name); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v (%v); want %q", name, err, fault.KindOf(err), want)
		}
	}
	local := openAt(t, s, source.Request{RepoURL: repo.Dir}, sha)
	if _, err := local.ReadFile("big.yaml"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "http and https only") {
		t.Errorf("of a repository without HTTP: %v", err)
	}
}

func FuzzParsePointer(f *testing.F) {
	_, text := pointerTo("x")
	f.Add([]byte(text))
	f.Add([]byte(lfsVersion + "oid sha256:../../x\nsize -1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, ok := parsePointer(data); ok && (len(p.oid) != 64 || !isHex(p.oid) || p.size < 0) {
			t.Errorf("%q: %+v", data, p)
		}
	})
}
