package registry

import (
	"context"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/remote"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// accessFor gives the same access to whatever is asked with a URL that begins with prefix.
type accessFor struct {
	prefix string
	access Access
}

func (a accessFor) Access(repoURL, _ string) (Access, error) {
	if !strings.HasPrefix(repoURL, a.prefix) {
		return Access{}, nil
	}
	return a.access, nil
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClock() *clock { return &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func newSource(t testing.TB, change func(*Config)) *Source {
	t.Helper()
	cfg := Config{CacheDir: filepath.Join(t.TempDir(), "cache"), Now: time.Now}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

func web(version string) []byte {
	return sourcetest.Chart("web", version, map[string]string{"values.yaml": "version: " + version + "\n", "templates/a.yaml": "a"})
}

func chartRepo(versions ...string) *sourcetest.ChartRepo {
	repo := &sourcetest.ChartRepo{}
	for _, v := range versions {
		repo.Publish("web", v, web(v))
	}
	return repo
}

// registryWith returns a registry with the same charts at charts/web.
func registryWith(t testing.TB, versions ...string) *sourcetest.OCIRegistry {
	t.Helper()
	reg := sourcetest.NewOCIRegistry()
	for _, v := range versions {
		if _, err := reg.PushChart(context.Background(), "charts/web", v, web(v)); err != nil {
			t.Fatal(err)
		}
	}
	return reg
}

func plainHTTP() AccessStore { return accessFor{"", Access{PlainHTTP: true}} }

func values(t testing.TB, s *Source, req source.Request, rev source.Revision) string {
	t.Helper()
	snap, err := s.Snapshot(context.Background(), req, rev)
	if err != nil {
		t.Fatal(err)
	}
	data, err := snap.FS().ReadFile("values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// places are the kinds of repositories that charts come from: the same charts must give the same outcomes.
func places(t *testing.T, versions []string, test func(t *testing.T, s *Source, req source.Request)) {
	t.Run("index", func(t *testing.T) {
		url := serve(t, chartRepo(versions...))
		test(t, newSource(t, nil), source.Request{RepoURL: url, Chart: "web"})
	})
	t.Run("oci", func(t *testing.T) {
		host := strings.TrimPrefix(serve(t, registryWith(t, versions...)), "http://")
		for _, prefix := range []string{"", "oci://"} {
			s := newSource(t, func(c *Config) { c.Access = plainHTTP() })
			test(t, s, source.Request{RepoURL: prefix + host + "/charts", Chart: "web"})
		}
	})
}

func TestVersions(t *testing.T) {
	versions := []string{"1.0.0", "1.9.0", "1.10.0", "2.0.0", "2.1.0-rc.1", "v3.0.0", "3.1.0+build.5", "0.9.0"}
	places(t, versions, func(t *testing.T, s *Source, req source.Request) {
		for target, want := range map[string]string{
			"": "3.1.0+build.5", "*": "3.1.0+build.5", "1.0.0": "1.0.0", " 1.0.0 ": "1.0.0", "1.*": "1.10.0", "^1.0.0": "1.10.0", "~1.9": "1.9.0",
			">=1.0.0 <1.10.0": "1.9.0", ">=2.1.0-0 <3": "2.1.0-rc.1", "2.1.0-rc.1": "2.1.0-rc.1", "v3.0.0": "v3.0.0",
			"3.1.0+build.5": "3.1.0+build.5", "<1": "0.9.0", "1.x || 2.x": "2.0.0", "2": "2.0.0", "1.9": "1.9.0",
		} {
			req.Target = target
			rev, err := s.Resolve(t.Context(), req, source.Cached)
			if err != nil || string(rev) != want {
				t.Errorf("Resolve(%q) = %q, %v; want %s", target, rev, err, want)
				continue
			}
			if got := values(t, s, req, rev); got != "version: "+want+"\n" {
				t.Errorf("values of %s: %q", want, got)
			}
		}
		snap, err := s.Snapshot(t.Context(), req, "1.0.0")
		if err != nil || snap.Revision() != "1.0.0" {
			t.Fatal(snap, err)
		}
		if err := fstest.TestFS(snap.FS(), "Chart.yaml", "values.yaml", "templates/a.yaml"); err != nil {
			t.Error(err)
		}
		for target, says := range map[string]string{
			"9.9.9": "no version", "^9": "satisfies", "nonsense": "nonsense", "latest": "latest", "../../x": "..", "a b": "a b",
			"1.0.0\n": "1.0.0", "x\ny": "control", strings.Repeat("1", 500): "longer",
		} {
			req.Target = target
			rev, err := s.Resolve(t.Context(), req, source.Cached)
			if target == "1.0.0\n" {
				if err != nil {
					t.Errorf("Resolve(%q): %v", target, err)
				}
				continue
			}
			if k := fault.KindOf(err); err == nil || k != fault.NotFound && k != fault.Invalid || !strings.Contains(err.Error(), says) {
				t.Errorf("Resolve(%q) = %q, %v (%v); want %q", target, rev, err, fault.KindOf(err), says)
			}
		}
	})
}

func TestPrereleasesOnly(t *testing.T) {
	places(t, []string{"1.0.0-rc.1", "1.0.0-rc.2"}, func(t *testing.T, s *Source, req source.Request) {
		if _, err := s.Resolve(t.Context(), req, source.Cached); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "prereleases only") {
			t.Errorf("Resolve: %v", err)
		}
		req.Target = ">=0.0.0-0"
		if rev, err := s.Resolve(t.Context(), req, source.Cached); err != nil || rev != "1.0.0-rc.2" {
			t.Errorf("Resolve = %s, %v", rev, err)
		}
	})
}

func TestMissing(t *testing.T) {
	places(t, []string{"1.0.0"}, func(t *testing.T, s *Source, req source.Request) {
		req.Chart = "webb"
		if _, err := s.Resolve(t.Context(), req, source.Cached); !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "webb") {
			t.Errorf("a chart that does not exist: %v (%v)", err, fault.KindOf(err))
		}
		if _, err := s.Snapshot(t.Context(), req, "1.0.0"); !fault.Is(err, fault.NotFound) {
			t.Errorf("Snapshot of it: %v", err)
		}
	})
	s := newSource(t, nil)
	dead := serve(t, http.NotFoundHandler())
	_, err := s.Resolve(t.Context(), source.Request{RepoURL: dead, Chart: "web"}, source.Cached)
	if !fault.Is(err, fault.NotFound) || !strings.Contains(err.Error(), "not a Helm repository") {
		t.Errorf("no index: %v", err)
	}
	for _, req := range []source.Request{
		{RepoURL: "https://charts.example.com"}, {RepoURL: "", Chart: "x"}, {RepoURL: "https://charts.example.com", Chart: "../x"},
		{RepoURL: "https://charts.example.com", Chart: "a b"}, {RepoURL: "ssh://git@example.com/x", Chart: "x"},
		{RepoURL: "oci://registry.example.com"}, {RepoURL: "oci://registry.example.com/../x"}, {RepoURL: "oci://registry.example.com/a?b"},
		{RepoURL: "https://%zz", Chart: "x"}, {RepoURL: "git@example.com:a/b", Chart: "x"}, {RepoURL: "oci://UPPER.example.com/Upper"},
	} {
		if _, err := s.Resolve(t.Context(), req, source.Cached); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v (%v); want Invalid", req, err, fault.KindOf(err))
		}
	}
}

// TestPublish: what was seen before counts for an interval, and one look serves all.
func TestPublish(t *testing.T) {
	now := newClock()
	repo := chartRepo("1.0.0")
	url := serve(t, repo)
	s := newSource(t, func(c *Config) { c.Now = now.Now })
	req := source.Request{RepoURL: url, Chart: "web", Target: "1.*"}
	resolve := func(fresh source.Freshness, want string) {
		t.Helper()
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if rev, err := s.Resolve(context.Background(), req, fresh); err != nil || string(rev) != want {
					t.Errorf("Resolve = %s, %v; want %s", rev, err, want)
				}
			})
		}
		wg.Wait()
	}
	resolve(source.Cached, "1.0.0")
	repo.Publish("web", "1.1.0", web("1.1.0"))
	resolve(source.Cached, "1.0.0")
	if n := repo.Requests("/index.yaml"); n != 1 {
		t.Errorf("%d requests for the index within an interval, want 1", n)
	}
	resolve(source.Fresh, "1.1.0")
	repo.Publish("web", "1.2.0", web("1.2.0"))
	now.advance(3 * time.Minute)
	resolve(source.Cached, "1.2.0")
	before := repo.Requests("/index.yaml")
	now.advance(3 * time.Minute)
	resolve(source.Cached, "1.2.0")
	if n := repo.Requests("/index.yaml"); n != before {
		t.Errorf("an index that has not changed was sent again")
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { values(t, s, req, "1.2.0") })
	}
	wg.Wait()
	if n := repo.Requests("/web-1.2.0.tgz"); n != 1 {
		t.Errorf("%d downloads for 100 snapshots, want 1", n)
	}
}

// TestRepublished: a version that is published anew is other content.
func TestRepublished(t *testing.T) {
	repo := chartRepo("1.0.0")
	s := newSource(t, nil)
	req := source.Request{RepoURL: serve(t, repo), Chart: "web", Target: "1.0.0"}
	id := func() string {
		if _, err := s.Resolve(t.Context(), req, source.Fresh); err != nil {
			t.Fatal(err)
		}
		snap, err := s.Snapshot(t.Context(), req, "1.0.0")
		if err != nil {
			t.Fatal(err)
		}
		id, err := snap.FS().ContentID(".")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	before := id()
	repo.Publish("web", "1.0.0", sourcetest.Chart("web", "1.0.0", map[string]string{"values.yaml": "other"}))
	if after := id(); after == before || after == "" {
		t.Errorf("content ids %s, %s", before, after)
	}
}

func TestDigests(t *testing.T) {
	repo := chartRepo("1.0.0", "1.1.0", "1.2.0")
	lie := strings.Repeat("ab", 32)
	repo.Lie("web", "1.0.0", lie)
	repo.Lie("web", "1.1.0", "")
	repo.Lie("web", "1.2.0", "nonsense")
	dir := filepath.Join(t.TempDir(), "cache")
	s := newSource(t, func(c *Config) { c.CacheDir = dir })
	req := source.Request{RepoURL: serve(t, repo), Chart: "web"}
	_, err := s.Snapshot(t.Context(), req, "1.0.0")
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), lie) || !strings.Contains(err.Error(), sha256Of(web("1.0.0"))) {
		t.Errorf("a digest that does not fit: %v (%v); want Invalid that names both", err, fault.KindOf(err))
	}
	for range 3 {
		if got := values(t, s, req, "1.1.0"); got != "version: 1.1.0\n" {
			t.Errorf("without a digest: %q", got)
		}
	}
	if n := repo.Requests("/web-1.1.0.tgz"); n != 1 {
		t.Errorf("%d downloads of a package without a digest, want 1", n)
	}
	if _, err := s.Snapshot(t.Context(), req, "1.2.0"); !fault.Is(err, fault.Invalid) {
		t.Errorf("a digest that is none: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("kept: %v, %v; want the one that was verified", files, err)
	}
}

// TestKept: packages outlive the process; a damaged one is fetched again.
func TestKept(t *testing.T) {
	repo := chartRepo("1.0.0")
	url, dir := serve(t, repo), filepath.Join(t.TempDir(), "cache")
	req := source.Request{RepoURL: url, Chart: "web"}
	open := func() {
		values(t, newSource(t, func(c *Config) { c.CacheDir = dir }), req, "1.0.0")
	}
	open()
	open()
	if n := repo.Requests("/web-1.0.0.tgz"); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte("damage"), 0o600); err != nil {
		t.Fatal(err)
	}
	open()
	if n := repo.Requests("/web-1.0.0.tgz"); n != 2 {
		t.Errorf("%d downloads, want 2", n)
	}
	now := newClock()
	now.now = time.Now().Add(8 * 24 * time.Hour)
	s := newSource(t, func(c *Config) { c.CacheDir, c.Now = dir, now.Now })
	s.sweep(now.Now())
	if files, err := filepath.Glob(filepath.Join(dir, "*", "*")); err != nil || len(files) != 0 {
		t.Errorf("after the sweep: %v, %v", files, err)
	}
}

func TestCredentials(t *testing.T) {
	reg := registryWith(t, "1.0.0")
	reg.Username, reg.Password = "reader", "canary"
	token := registryWith(t, "1.0.0")
	token.Username, token.Password, token.Token = "reader", "canary", true
	repo := chartRepo("1.0.0")
	repo.Username, repo.Password = "reader", "canary"
	for name, url := range map[string]string{
		"index": serve(t, repo), "basic": "oci://" + strings.TrimPrefix(serve(t, reg), "http://") + "/charts",
		"token": "oci://" + strings.TrimPrefix(serve(t, token), "http://") + "/charts",
	} {
		for _, c := range []struct {
			password string
			ok       bool
		}{{"canary", true}, {"canary-wrong", false}, {"", false}} {
			access := Access{PlainHTTP: true}
			if c.password != "" {
				access.Username, access.Password = "reader", c.password
			}
			s := newSource(t, func(cfg *Config) { cfg.Access = accessFor{url, access} })
			req := source.Request{RepoURL: url, Chart: "web", Target: "*"}
			rev, err := s.Resolve(t.Context(), req, source.Cached)
			if err == nil {
				_, err = s.Snapshot(t.Context(), req, rev)
			}
			if (err == nil) != c.ok || err != nil && !fault.Is(err, fault.Denied) {
				t.Errorf("%s with %q: %v (%v)", name, c.password, err, fault.KindOf(err))
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: the error tells the password: %v", name, err)
			}
		}
	}
}

// TestOtherHosts: credentials are for the repository's own host, unless passCredentials says otherwise.
func TestOtherHosts(t *testing.T) {
	packages := chartRepo("1.0.0")
	packages.Username, packages.Password = "reader", "canary"
	elsewhere := strings.Replace(serve(t, packages), "127.0.0.1", "localhost", 1)
	repo := chartRepo("1.0.0")
	repo.Username, repo.Password, repo.PackageURL = "reader", "canary", elsewhere+"/"
	redirecting := chartRepo("1.0.0")
	redirecting.Username, redirecting.Password = "reader", "canary"
	redirecting.Intercept = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, ".tgz") {
			http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusFound)
		}
		return strings.HasSuffix(r.URL.Path, ".tgz")
	}
	for name, url := range map[string]string{"listed": serve(t, repo), "redirected": serve(t, redirecting)} {
		for _, pass := range []bool{false, true} {
			before := len(packages.Refused())
			s := newSource(t, func(c *Config) {
				c.Access = accessFor{url, Access{Access: remote.Access{Username: "reader", Password: "canary"}}}
			})
			req := source.Request{RepoURL: url, Chart: "web", PassCredentials: pass}
			_, err := s.Snapshot(t.Context(), req, "1.0.0")
			if (err == nil) != pass || err != nil && !fault.Is(err, fault.Denied) {
				t.Errorf("%s, passCredentials %t: %v", name, pass, err)
			}
			for _, sent := range packages.Refused()[before:] {
				if sent != "" {
					t.Errorf("%s, passCredentials %t: another host got credentials", name, pass)
				}
			}
		}
	}
}

func TestTLS(t *testing.T) {
	for name, h := range map[string]http.Handler{"index": chartRepo("1.0.0"), "oci": registryWith(t, "1.0.0")} {
		srv := httptest.NewTLSServer(h)
		t.Cleanup(srv.Close)
		ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
		url := srv.URL
		if name == "oci" {
			url = strings.TrimPrefix(srv.URL, "https://") + "/charts"
		}
		for _, c := range []struct {
			access remote.Access
			kind   fault.Kind
			ok     bool
		}{
			{remote.Access{CA: ca}, 0, true}, {remote.Access{Insecure: true}, 0, true}, {remote.Access{}, fault.Denied, false},
			{remote.Access{CA: []byte("nonsense")}, fault.Invalid, false}, {remote.Access{CA: ca, TLSClientCert: []byte("x")}, fault.Invalid, false},
			{remote.Access{CA: ca, Proxy: ":nonsense"}, fault.Invalid, false},
		} {
			s := newSource(t, func(cfg *Config) { cfg.Access = accessFor{url, Access{Access: c.access}} })
			_, err := s.Snapshot(t.Context(), source.Request{RepoURL: url, Chart: "web"}, "1.0.0")
			if (err == nil) != c.ok || err != nil && !fault.Is(err, c.kind) {
				t.Errorf("%s: %v (%v); want kind %v", name, err, fault.KindOf(err), c.kind)
			}
		}
	}
	// From https to http a redirect is refused: the way in the clear could be anybody's.
	plain := serve(t, chartRepo("1.0.0"))
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain+r.URL.Path, http.StatusFound)
	}))
	t.Cleanup(srv.Close)
	s := newSource(t, func(cfg *Config) { cfg.Access = accessFor{"", Access{Access: remote.Access{Insecure: true}}} })
	if _, err := s.Resolve(t.Context(), source.Request{RepoURL: srv.URL, Chart: "web"}, source.Cached); err == nil || !strings.Contains(err.Error(), "https to http") {
		t.Errorf("a redirect from https to http: %v", err)
	}
}

func TestHostileRemotes(t *testing.T) {
	index := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/index.yaml" {
				http.NotFound(w, r)
				return
			}
			fmt.Fprint(w, text)
		})
	}
	entry := "apiVersion: v1\nentries:\n  web:\n  - version: 1.0.0\n    urls: [%s]\n"
	for name, c := range map[string]struct {
		handler http.Handler
		kind    fault.Kind
		says    string
	}{
		"page":         {index("<html>Welcome</html>"), fault.Invalid, "not the index"},
		"broken":       {index("entries: [\n"), fault.Invalid, "not the index"},
		"empty":        {index(""), fault.Invalid, "not the index"},
		"wrong types":  {index("entries: {web: 7}"), fault.Invalid, "no list"},
		"huge":         {index("apiVersion: v1\n# " + strings.Repeat("x", 2<<20)), fault.Invalid, "larger than"},
		"no address":   {index(fmt.Sprintf(entry, "")), fault.Invalid, "without an address"},
		"bad scheme":   {index(fmt.Sprintf(entry, "file:///etc/passwd")), fault.Invalid, "neither http nor https"},
		"bad address":  {index(fmt.Sprintf(entry, "'http://%zz'")), fault.Invalid, "cannot be read"},
		"gone":         {index(fmt.Sprintf(entry, "none.tgz")), fault.NotFound, "none.tgz"},
		"oci":          {index(fmt.Sprintf(entry, "'oci://registry.example.com/x'")), fault.Invalid, "no version"},
		"no chart":     {packaged(sourcetest.Archive(map[string]string{"other/file": "x"})), fault.Invalid, "holds no chart"},
		"no archive":   {packaged([]byte("nonsense")), fault.Invalid, "archive"},
		"traversal":    {packaged(sourcetest.Archive(map[string]string{"web/Chart.yaml": "x", "web/../../x": "x"})), fault.Invalid, "leads out"},
		"large":        {packaged([]byte(strings.Repeat("x", 2<<20))), fault.Invalid, "larger than"},
		"bomb":         {packaged(sourcetest.Archive(map[string]string{"web/Chart.yaml": strings.Repeat("x", 3<<20)})), fault.Invalid, "more than"},
		"down":         {status(http.StatusServiceUnavailable), fault.Transient, "503"},
		"throttled":    {status(http.StatusTooManyRequests), fault.Transient, "429"},
		"forbidden":    {status(http.StatusForbidden), fault.Denied, "repository Secret"},
		"teapot":       {status(http.StatusTeapot), fault.Invalid, "418"},
		"redirects":    {http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }), fault.Transient, "too many redirects"},
		"hangs":        {hanging(t, nil), fault.Transient, "within"},
		"hangs midway": {hanging(t, []byte("apiVersion: v1\n")), fault.Transient, "within"},
		"hangs up":     {hangsUp(), fault.Transient, "EOF"},
	} {
		s := newSource(t, func(conf *Config) {
			conf.MaxIndex, conf.MaxPackage, conf.MaxUnpacked = 1<<20, 1<<20, 2<<20
			if c.says == "within" {
				conf.ListTimeout, conf.FetchTimeout = time.Second, time.Second
			}
		})
		req := source.Request{RepoURL: serve(t, c.handler), Chart: "web"}
		_, err := s.Snapshot(t.Context(), req, "1.0.0")
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v (%v); want %v with %q", name, err, fault.KindOf(err), c.kind, c.says)
		}
	}
	s := newSource(t, nil)
	if _, err := s.Resolve(t.Context(), source.Request{RepoURL: "http://127.0.0.1:1", Chart: "web"}, source.Cached); !fault.Is(err, fault.Transient) {
		t.Errorf("a closed port: %v", err)
	}
}

func packaged(data []byte) http.Handler {
	repo := &sourcetest.ChartRepo{}
	repo.Publish("web", "1.0.0", data)
	return repo
}

func status(code int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func hanging(t *testing.T, first []byte) http.Handler {
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first != nil {
			_, _ = w.Write(first)
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
}

func hangsUp() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte("apiVersion: v1\n"))
	})
}
