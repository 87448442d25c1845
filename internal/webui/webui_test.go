package webui

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func built() fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o444} }
	return fstest.MapFS{
		"index.html":          file(`<html><head><base href="/" /></head><body>the page</body></html>`),
		"favicon.svg":         file("<svg/>"),
		"assets/app-1.js":     file("script"),
		"assets/app-1.js.gz":  file("packed"),
		"assets/small-1.css":  file("style"),
		".vite/manifest.json": file("{}"),
		".keep":               file("kept"),
	}
}

func TestHandler(t *testing.T) {
	const immutable = "public, max-age=31536000, immutable"
	for _, tc := range []struct {
		name, method, path, encoding string
		status                       int
		body, kind, cache, packed    string
	}{
		{name: "page", path: "/", status: 200, body: "the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		{name: "page by its name", path: "/index.html", status: 200, body: "the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		{name: "route of Argo CD", path: "/applications/argocd/shop", status: 200, body: "the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		{name: "route with a dot", path: "/applications/argocd/shop.v2", status: 200, body: "the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		{name: "folder", path: "/assets", status: 200, body: "the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		{name: "script", path: "/assets/app-1.js", status: 200, body: "script", kind: "text/javascript; charset=utf-8", cache: immutable},
		{name: "packed script", path: "/assets/app-1.js", encoding: "br, gzip", status: 200, body: "packed", kind: "text/javascript; charset=utf-8", cache: immutable, packed: "gzip"},
		{name: "refused packing", path: "/assets/app-1.js", encoding: "gzip;q=0", status: 200, body: "script", kind: "text/javascript; charset=utf-8", cache: immutable},
		{name: "not packed", path: "/assets/small-1.css", encoding: "gzip", status: 200, body: "style", kind: "text/css; charset=utf-8", cache: immutable},
		{name: "other file", path: "/favicon.svg", status: 200, body: "<svg/>", kind: "image/svg+xml", cache: "public, max-age=3600"},
		{name: "file of an earlier version", path: "/assets/app-0.js", status: 404, body: "no such file", kind: "text/plain; charset=utf-8"},
		{name: "the build's own", path: "/.vite/manifest.json", status: 200, body: "the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		{name: "placeholder", path: "/.keep", status: 200, body: "the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		{name: "out of the folder", path: "/../webui.go", status: 200, body: "the page", kind: "text/html; charset=utf-8", cache: "no-cache"},
		{name: "write", method: http.MethodPost, path: "/", status: 405, body: "GET", kind: "text/plain; charset=utf-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.method == "" {
				tc.method = http.MethodGet
			}
			r := httptest.NewRequest(tc.method, "http://belay.test/", nil)
			r.URL.Path = tc.path
			r.Header.Set("Accept-Encoding", tc.encoding)
			w := httptest.NewRecorder()
			handler("/", built()).ServeHTTP(w, r)
			if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.body) {
				t.Errorf("%s %s: status %d, body %q; want %d, %q", tc.method, tc.path, w.Code, w.Body, tc.status, tc.body)
			}
			for header, want := range map[string]string{"Content-Type": tc.kind, "Cache-Control": tc.cache, "Content-Encoding": tc.packed} {
				if got := w.Header().Get(header); got != want {
					t.Errorf("%s of %s is %q, want %q", header, tc.path, got, want)
				}
			}
		})
	}
}

func TestHandlerNamesItsBase(t *testing.T) {
	for base, want := range map[string]string{
		"": `<base href="/"`, "/": `<base href="/"`, "/belay": `<base href="/belay/"`, "belay/": `<base href="/belay/"`,
		`/"><script>`: `<base href="/&#34;&gt;&lt;script&gt;/"`,
	} {
		w := httptest.NewRecorder()
		handler(base, built()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("base %q: page %s lacks %s", base, w.Body, want)
		}
	}
}

func TestPagesRunNoInlineScript(t *testing.T) {
	w := httptest.NewRecorder()
	handler("/", built()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	got := w.Header().Get("Content-Security-Policy")
	for _, directive := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(got, directive) {
			t.Errorf("policy %q lacks %s", got, directive)
		}
	}
	if strings.Contains(got, "unsafe") {
		t.Errorf("policy %q permits what is unsafe", got)
	}
}

func TestWithoutFilesThePageSaysHowToGetThem(t *testing.T) {
	w := httptest.NewRecorder()
	handler("/", fstest.MapFS{".keep": &fstest.MapFile{}}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/applications", nil))
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "make ui") {
		t.Errorf("status %d, body %s", w.Code, w.Body)
	}
}

// What is embedded is either nothing, which the page says, or a page that loads.
func TestEmbedded(t *testing.T) {
	h := Handler("/")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	page := w.Body.String()
	if !Built() {
		if w.Code != http.StatusNotFound || !strings.Contains(page, "make ui") {
			t.Errorf("without the web interface: status %d, body %s", w.Code, page)
		}
		return
	}
	if strings.Contains(page, "<script>") || strings.Contains(page, "style=") {
		t.Error("the page has inline scripts or styles, which its policy forbids")
	}
	_, rest, ok := strings.Cut(page, `src="./`)
	if !ok {
		t.Fatalf("the page loads no script: %s", page)
	}
	script, _, _ := strings.Cut(rest, `"`)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+script, nil))
	if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/javascript") {
		t.Errorf("script %s: status %d, %s", script, w.Code, w.Header().Get("Content-Type"))
	}
}
