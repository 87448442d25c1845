package sourcetest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Archive packs files, by path, into a tar archive with gzip, the same bytes for the same files.
func Archive(files map[string]string) []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		// A writer to memory does not fail, and the headers are sound.
		_ = w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(files[name]))})
		_, _ = io.WriteString(w, files[name])
	}
	_ = w.Close()
	_ = zip.Close()
	return out.Bytes()
}

// Chart packs a chart. Chart.yaml is added unless files has one; paths are relative to the chart.
func Chart(name, version string, files map[string]string) []byte {
	all := map[string]string{name + "/Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: %s\n", name, version)}
	for path, content := range files {
		all[name+"/"+path] = content
	}
	return Archive(all)
}

// ChartRepo is a Helm repository over HTTP: an index and packages in memory. Set its fields before it serves; Publish at
// any time.
type ChartRepo struct {
	// Username and Password are asked for when set.
	Username, Password string
	// PackageURL is put before the names of packages in the index; empty makes them relative to it.
	PackageURL string
	// Intercept, if set, may answer in place of the repository; it reports whether it did.
	Intercept func(w http.ResponseWriter, r *http.Request) bool

	mu       sync.Mutex
	packages map[string][]byte
	versions map[string][]published // by chart
	digests  map[string]string      // by package, in place of the true one
	changed  time.Time
	requests map[string]int // by path
	refused  []string       // Authorization headers that were not let in
}

type published struct{ version, file string }

// Publish adds a package, or replaces it.
func (c *ChartRepo) Publish(name, version string, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.packages == nil {
		c.packages, c.versions, c.digests, c.requests = map[string][]byte{}, map[string][]published{}, map[string]string{}, map[string]int{}
	}
	file := name + "-" + version + ".tgz"
	if _, ok := c.packages[file]; !ok {
		c.versions[name] = append(c.versions[name], published{version, file})
	}
	c.packages[file] = data
	c.changed = c.changed.Add(time.Second)
}

// Lie makes the index list a package with another digest; empty lists it without one.
func (c *ChartRepo) Lie(name, version, digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.digests[name+"-"+version+".tgz"] = digest
	c.changed = c.changed.Add(time.Second)
}

// Requests counts the answers with content to requests for path, such as /index.yaml.
func (c *ChartRepo) Requests(path string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[path]
}

// Refused lists the Authorization headers that did not fit.
func (c *ChartRepo) Refused() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.refused)
}

// Index returns index.yaml as Helm writes it.
func (c *ChartRepo) Index() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.index()
}

func (c *ChartRepo) index() string {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nentries:\n")
	for _, name := range slices.Sorted(maps.Keys(c.versions)) {
		fmt.Fprintf(&b, "  %s:\n", name)
		for _, v := range c.versions[name] {
			sum := sha256.Sum256(c.packages[v.file])
			digest, lies := c.digests[v.file]
			if !lies {
				digest = hex.EncodeToString(sum[:])
			}
			fmt.Fprintf(&b, "  - apiVersion: v2\n    created: \"2026-01-02T03:04:05Z\"\n    description: |-\n      A chart: of two\n      lines.\n")
			if digest != "" {
				fmt.Fprintf(&b, "    digest: %s\n", digest)
			}
			fmt.Fprintf(&b, "    name: %s\n    urls:\n    - %s%s\n    version: %s\n", name, c.PackageURL, v.file, v.version)
		}
	}
	b.WriteString("generated: \"2026-01-02T03:04:05Z\"\n")
	return b.String()
}

// ServeHTTP implements http.Handler.
func (c *ChartRepo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.Intercept != nil && c.Intercept(w, r) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.Username != "" {
		if user, password, ok := r.BasicAuth(); !ok || user != c.Username || password != c.Password {
			c.refused = append(c.refused, r.Header.Get("Authorization"))
			w.Header().Set("WWW-Authenticate", `Basic realm="charts"`)
			http.Error(w, "credentials wanted", http.StatusUnauthorized)
			return
		}
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	data, ok := c.packages[name]
	if name == "index.yaml" {
		data, ok = []byte(c.index()), true
		tag := fmt.Sprintf("%q", fmt.Sprint(c.changed.Unix()))
		w.Header().Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	c.requests[r.URL.Path]++
	_, _ = w.Write(data) // a client that has gone misses nothing
}
