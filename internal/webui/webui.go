// Package webui is the web interface: the address that it is reached at goes in; a handler of its pages comes out. The
// files are built from web/ and copied to dist before the program is compiled; without them the handler says how to get them.
package webui

import (
	"bytes"
	"embed"
	"html"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// policy lets the pages load nothing but themselves. React sets styles through the object model, which style-src does not
// concern; no script and no style is inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'"

// baseMark is how index.html names the address that it is served at, before that is known.
const baseMark = `<base href="/"`

const missing = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Belay</title></head>
<body>
<h1>The web interface is not part of this program</h1>
<p>It was built without it, because Node.js was missing. With Node.js 20 or later:</p>
<pre>make ui
make build</pre>
<p>Everything that the pages do, the command line and the API do as well: <code>belay app list</code>, <code>/api/v1</code>.</p>
</body>
</html>
`

// Built reports whether the web interface is part of the program.
func Built() bool {
	_, err := fs.Stat(dist, "dist/index.html")
	return err == nil
}

// Handler serves the web interface below base, such as "/" or "/belay/". It expects paths without base. Paths that name no
// file are routes of the interface, and get its page: links to Argo CD's pages work.
func Handler(base string) http.Handler {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // dist is no path
	}
	return handler(base, files)
}

func handler(base string, files fs.FS) http.Handler {
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if readOnly(w, r) {
				page(w, r, http.StatusNotFound, []byte(missing))
			}
		})
	}
	base = "/" + strings.TrimPrefix(strings.TrimSuffix(base, "/")+"/", "/")
	index = bytes.Replace(index, []byte(baseMark), []byte(`<base href="`+html.EscapeString(base)+`"`), 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !readOnly(w, r) {
			return
		}
		name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
		switch {
		case name != "index.html" && !hidden(name) && isFile(files, name):
			file(w, r, files, name)
		case strings.HasPrefix(name, "assets/"):
			// A page of an earlier version asks for its own files: the page itself would be no answer.
			http.Error(w, "no such file: load the page again", http.StatusNotFound)
		default:
			page(w, r, http.StatusOK, index)
		}
	})
}

// readOnly answers requests that want to change something.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	http.Error(w, "the web interface is read with GET", http.StatusMethodNotAllowed)
	return false
}

// hidden names are the build's own.
func hidden(name string) bool {
	return strings.HasPrefix(name, ".") || strings.Contains(name, "/.") || strings.HasSuffix(name, ".gz")
}

func isFile(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && info.Mode().IsRegular()
}

func page(w http.ResponseWriter, r *http.Request, status int, content []byte) {
	h := headers(w)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a caller who has left needs no page
	}
}

// file serves a file: compressed as it was built, to whoever takes that; what is in assets has its hash in its name, and
// never changes.
func file(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	h := headers(w)
	h.Set("Content-Type", contentType(name))
	if strings.HasPrefix(name, "assets/") {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		h.Set("Cache-Control", "public, max-age=3600")
	}
	if isFile(files, name+".gz") {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			name += ".gz"
		}
	}
	content, err := fs.ReadFile(files, name)
	if err != nil {
		http.Error(w, "read "+name, http.StatusInternalServerError)
		return
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(content) // a caller who has left needs no file
	}
}

func headers(w http.ResponseWriter) http.Header {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	return h
}

// contentType does not ask the machine, whose table may say otherwise.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	case ".woff2":
		return "font/woff2"
	case ".png":
		return "image/png"
	default:
		return "application/octet-stream"
	}
}

// acceptsGzip reads an Accept-Encoding header.
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		if name := strings.TrimSpace(coding); name != "gzip" && name != "*" {
			continue
		}
		weight := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(parameters), "q="))
		return strings.Trim(weight, "0.") != "" || weight == ""
	}
	return false
}
