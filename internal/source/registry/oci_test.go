package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

const config = "application/vnd.oci.empty.v1+json"

func files(value string) sourcetest.Layer {
	return sourcetest.Layer{MediaType: sourcetest.LayerGzip, Data: sourcetest.Archive(map[string]string{"apps/web/values.yaml": value, "values.yaml": value})}
}

func push(t *testing.T, reg *sourcetest.OCIRegistry, tag, config string, layers ...sourcetest.Layer) string {
	t.Helper()
	digest, err := reg.Push(context.Background(), "team/app", tag, config, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestArtifacts(t *testing.T) {
	reg := sourcetest.NewOCIRegistry()
	one, two := push(t, reg, "1.0.0", config, files("one")), push(t, reg, "1.1.0", config, files("two"))
	push(t, reg, "latest", config, files("one"))
	now := newClock()
	s := newSource(t, func(c *Config) { c.Access, c.Now = plainHTTP(), now.Now })
	req := source.Request{RepoURL: "oci://" + strings.TrimPrefix(serve(t, reg), "http://") + "/team/app"}
	for target, want := range map[string]string{"": one, "latest": one, "1.0.0": one, "1.*": two, "*": two, one: one, two: two} {
		req.Target = target
		rev, err := s.Resolve(t.Context(), req, source.Cached)
		if err != nil || string(rev) != want {
			t.Errorf("Resolve(%q) = %s, %v; want %s", target, rev, err, want)
			continue
		}
		if got := values(t, s, req, rev); got != map[string]string{one: "one", two: "two"}[want] {
			t.Errorf("%q: values %q", target, got)
		}
	}
	for target, says := range map[string]string{"9.9.9": "no tag", "none": "no tag", "^9": "satisfies", "sha256:abc": "neither a tag"} {
		req.Target = target
		if rev, err := s.Resolve(t.Context(), req, source.Cached); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Resolve(%q) = %s, %v; want %q", target, rev, err, says)
		}
	}
	absent := "sha256:" + strings.Repeat("0", 64)
	if _, err := s.Snapshot(t.Context(), req, source.Revision(absent)); !fault.Is(err, fault.NotFound) {
		t.Errorf("Snapshot of a digest that is not there: %v (%v)", err, fault.KindOf(err))
	}
	// A tag that is moved is seen after an interval, or at once by who asks for news.
	req.Target = "latest"
	push(t, reg, "latest", config, files("two"))
	for _, c := range []struct {
		wait  time.Duration
		fresh source.Freshness
		want  string
	}{{time.Minute, source.Cached, one}, {0, source.Fresh, two}, {time.Minute, source.Cached, two}} {
		now.advance(c.wait)
		if rev, err := s.Resolve(t.Context(), req, c.fresh); err != nil || string(rev) != c.want {
			t.Errorf("latest = %s, %v; want %s", rev, err, c.want)
		}
	}
	// An open snapshot and an old digest stay what they were.
	if got := values(t, s, req, source.Revision(one)); got != "one" {
		t.Errorf("the old digest has %q", got)
	}
}

func TestArtifactOfAChart(t *testing.T) {
	reg := registryWith(t, "1.0.0")
	s := newSource(t, func(c *Config) { c.Access = plainHTTP() })
	req := source.Request{RepoURL: "oci://" + strings.TrimPrefix(serve(t, reg), "http://") + "/charts/web", Target: "1.0.0"}
	rev, err := s.Resolve(t.Context(), req, source.Cached)
	if err != nil || !strings.HasPrefix(string(rev), "sha256:") {
		t.Fatal(rev, err)
	}
	if got := values(t, s, req, rev); got != "version: 1.0.0\n" {
		t.Errorf("values %q", got)
	}
}

func TestUnfitArtifacts(t *testing.T) {
	reg := sourcetest.NewOCIRegistry()
	push(t, reg, "image", "application/vnd.oci.image.config.v1+json", files("a"), files("b"))
	push(t, reg, "none", config)
	push(t, reg, "text", config, sourcetest.Layer{MediaType: "text/plain", Data: []byte("x")})
	push(t, reg, "and-text", config, files("a"), sourcetest.Layer{MediaType: "text/plain", Data: []byte("x")})
	push(t, reg, "garbage", config, sourcetest.Layer{MediaType: sourcetest.LayerGzip, Data: []byte("garbage")})
	push(t, reg, "large", config, sourcetest.Layer{MediaType: sourcetest.LayerGzip, Data: make([]byte, 2<<20)})
	push(t, reg, "1.0.0", config, files("no chart"))
	host := strings.TrimPrefix(serve(t, reg), "http://")
	s := newSource(t, func(c *Config) { c.Access, c.MaxPackage = plainHTTP(), 1<<20 })
	for tag, says := range map[string]string{"image": "2 layers", "none": "no layer", "text": "text/plain", "and-text": "2 layers", "garbage": "archive", "large": "larger than"} {
		req := source.Request{RepoURL: "oci://" + host + "/team/app", Target: tag}
		rev, err := s.Resolve(t.Context(), req, source.Cached)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Snapshot(t.Context(), req, rev); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v (%v); want %q", tag, err, fault.KindOf(err), says)
		}
	}
	chart := source.Request{RepoURL: host + "/team", Chart: "app", Target: "1.0.0"}
	if _, err := s.Snapshot(t.Context(), chart, "1.0.0"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "no Helm chart") {
		t.Errorf("a chart that is none: %v", err)
	}
	// The setting may allow other layers.
	s = newSource(t, func(c *Config) {
		c.Access, c.MediaTypes = plainHTTP(), func() []string { return []string{"application/x-tar"} }
	})
	digest := push(t, reg, "own", config, sourcetest.Layer{MediaType: "application/x-tar", Data: files("own").Data})
	if got := values(t, s, source.Request{RepoURL: "oci://" + host + "/team/app"}, source.Revision(digest)); got != "own" {
		t.Errorf("values %q", got)
	}
}

// TestLyingRegistry: what does not have the digest under which it was asked for is refused.
func TestLyingRegistry(t *testing.T) {
	for _, what := range []string{"/manifests/sha256:", "/blobs/"} {
		reg := sourcetest.NewOCIRegistry()
		digest := push(t, reg, "1.0.0", config, files("true"))
		reg.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, what) {
				return false
			}
			if strings.Contains(what, "manifests") {
				w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
				w.Header().Set("Docker-Content-Digest", digest)
			}
			lie := `{"schemaVersion": 2, "layers": []}`
			fmt.Fprint(w, lie, strings.Repeat(" ", max(0, len(files("true").Data)-len(lie))))
			return true
		}
		s := newSource(t, func(c *Config) { c.Access = plainHTTP() })
		req := source.Request{RepoURL: "oci://" + strings.TrimPrefix(serve(t, reg), "http://") + "/team/app"}
		if _, err := s.Snapshot(t.Context(), req, source.Revision(digest)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v (%v); want Invalid", what, err, fault.KindOf(err))
		}
	}
}

// TestScopes: what was fetched with the credentials of one project is not shown to another.
func TestScopes(t *testing.T) {
	repo := chartRepo("1.0.0")
	repo.Username, repo.Password = "reader", "canary"
	url := serve(t, repo)
	s := newSource(t, func(c *Config) { c.Access = scoped{} })
	req := source.Request{RepoURL: url, Chart: "web", Project: "team"}
	values(t, s, req, "1.0.0")
	req.Project = "other"
	if _, err := s.Resolve(t.Context(), req, source.Cached); !fault.Is(err, fault.Denied) {
		t.Errorf("another project resolves: %v", err)
	}
	if _, err := s.Snapshot(t.Context(), req, "1.0.0"); !fault.Is(err, fault.Denied) {
		t.Errorf("another project opens: %v", err)
	}
}

type scoped struct{}

func (scoped) Access(_, project string) (Access, error) {
	var a Access
	if project == "team" {
		a.Username, a.Password, a.Scope = "reader", "canary", "team"
	}
	return a, nil
}

// TestPoll: what moves is told once, whoever saw it, and each remote is asked once for all.
func TestPoll(t *testing.T) {
	repo, reg := chartRepo("1.0.0"), registryWith(t, "1.0.0")
	push(t, reg, "latest", config, files("one"))
	url, host := serve(t, repo), strings.TrimPrefix(serve(t, reg), "http://")
	s := newSource(t, func(c *Config) { c.Access, c.Interval = plainHTTP(), 50*time.Millisecond })
	inUse := []source.Request{
		{RepoURL: url, Chart: "web", Target: "1.*"}, {RepoURL: host + "/charts", Chart: "web", Target: "1.*"},
		{RepoURL: "oci://" + host + "/team/app"}, {RepoURL: "http://127.0.0.1:1", Chart: "web"}, {RepoURL: "nonsense", Chart: "web"},
	}
	for _, req := range inUse[:3] {
		if _, err := s.Resolve(t.Context(), req, source.Cached); err != nil {
			t.Fatal(err)
		}
	}
	told := make(chan source.Request, 100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.Poll(ctx, func() []source.Request { return inUse }, func(req source.Request) { told <- req })
	}()
	defer func() { cancel(); <-done }()
	next := func(want source.Request) {
		t.Helper()
		select {
		case got := <-told:
			if got != want {
				t.Errorf("told %+v; want %+v", got, want)
			}
		case <-time.After(time.Minute):
			t.Fatalf("Poll does not tell of %+v", want)
		}
	}
	repo.Publish("web", "1.1.0", web("1.1.0"))
	next(inUse[0])
	if _, err := reg.PushChart(ctx, "charts/web", "1.1.0", web("1.1.0")); err != nil {
		t.Fatal(err)
	}
	next(inUse[1])
	push(t, reg, "latest", config, files("two"))
	next(inUse[2])
	if len(told) != 0 {
		t.Errorf("told %+v and nothing has moved", <-told)
	}
}
