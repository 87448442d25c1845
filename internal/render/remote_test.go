package render_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/rendertest"
	"github.com/belaycd/belay/internal/source"
)

// elsewhere holds remotes in memory, by what is asked for without the project.
type elsewhere struct {
	mu    sync.Mutex
	files map[render.Remote]map[string]string
	ids   map[render.Remote]string
	asked []render.Remote
}

func (e *elsewhere) Open(_ context.Context, r render.Remote) (source.FS, string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.asked = append(e.asked, r)
	if r.Project != "team" {
		return nil, "", fault.New(fault.Internal, "project %q", r.Project)
	}
	r.Project = ""
	files, ok := e.files[r]
	if !ok {
		return nil, "", fault.New(fault.Denied, "%s is not allowed", source.Redact(r.URL))
	}
	return rendertest.Files(files), e.ids[r], nil
}

func (e *elsewhere) Current(r render.Remote) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.Project = ""
	return e.ids[r]
}

func (e *elsewhere) set(r render.Remote, id string, files map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.files == nil {
		e.files, e.ids = map[render.Remote]map[string]string{}, map[render.Remote]string{}
	}
	e.files[r], e.ids[r] = files, id
}

func objectNames(m render.Manifests) string {
	var out []string
	for _, u := range m.Objects {
		out = append(out, u.GetName())
	}
	return strings.Join(out, " ")
}

func remoteObject(name string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\n"
}

func chartFiles(name, version, more string) map[string]string {
	return map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: " + name + "\nversion: " + version + "\n" + more, "templates/a.yaml": remoteObject(name + "-" + version),
	}
}

func remoteChart(url, name, version string) render.Remote {
	return render.Remote{Kind: render.RemoteChart, URL: url, Chart: name, Version: version}
}

func remoteGit(url, version string) render.Remote {
	return render.Remote{Kind: render.RemoteGit, URL: url, Version: version}
}

func TestRemotes(t *testing.T) {
	e := &elsewhere{}
	const charts, git = "https://charts.example.com", "https://git.example.com/team/base"
	e.set(remoteChart(charts, "redis", "18.1.0"), "18.1.0 x", chartFiles("redis", "18.1.0", "dependencies: [{name: common, version: 1.x, repository: 'oci://registry.example.com/charts'}]\n"))
	e.set(remoteChart("oci://registry.example.com/charts", "common", "1.x"), "1.2.0 y", chartFiles("common", "1.2.0", ""))
	e.set(remoteChart(charts, "liar", "1.0.0"), "z", chartFiles("other", "1.0.0", ""))
	e.set(remoteGit(git, "v1"), "sha1", map[string]string{
		"base/kustomization.yaml": "resources: [a.yaml, ../more]\n", "base/a.yaml": remoteObject("remote-a"),
		"more/kustomization.yaml": "resources: [b.yaml, 'https://git.example.com/team/second.git/deep?ref=main']\n", "more/b.yaml": remoteObject("remote-b"),
		"out/kustomization.yaml": "resources: [../../app]\n", "ring/kustomization.yaml": "resources: ['" + git + "//ring?ref=v1']\n",
	})
	e.set(remoteGit("https://git.example.com/team/second.git", "main"), "sha2", map[string]string{
		"deep/kustomization.yaml": "resources: [c.yaml]\n", "deep/c.yaml": remoteObject("remote-c"),
	})
	e.set(render.Remote{Kind: render.RemoteFile, URL: "https://files.example.com/crds/d.yaml"}, "sum", map[string]string{render.RemoteFileName: remoteObject("remote-d")})
	kustomization := func(resources string) map[string]string {
		return map[string]string{"app/over/kustomization.yaml": "namePrefix: x-\nresources: [" + resources + "]\n", "app/own.yaml": remoteObject("own"), "app/over/own.yaml": remoteObject("own")}
	}
	dependency := func(name, version, more string) map[string]string {
		return map[string]string{
			"app/over/Chart.yaml":       "apiVersion: v2\nname: app\nversion: 1.0.0\ndependencies: [{name: " + name + ", version: " + version + ", repository: '" + charts + "'}]\n",
			"app/over/Chart.lock":       more,
			"app/over/templates/o.yaml": remoteObject("own"),
		}
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
		kind  fault.Kind
	}{
		"base":                {kustomization("own.yaml, '" + git + "//base?ref=v1'"), "x-own x-remote-a x-remote-b x-remote-c", 0},
		"file":                {kustomization("own.yaml, 'https://files.example.com/crds/d.yaml'"), "x-own x-remote-d", 0},
		"lock":                {dependency("redis", "18.x", "dependencies:\n- {name: redis, version: 18.1.0, repository: '"+charts+"'}\n"), "common-1.2.0 redis-18.1.0 own", 0},
		"pin":                 {dependency("redis", "18.1.0", ""), "common-1.2.0 redis-18.1.0 own", 0},
		"not allowed chart":   {dependency("redis", "17.0.0", ""), "not allowed", fault.Denied},
		"another chart":       {dependency("liar", "1.0.0", ""), "a chart named other", fault.Invalid},
		"not allowed base":    {kustomization("'https://git.example.com/other//base?ref=v1'"), "not allowed", fault.Denied},
		"missing in the base": {kustomization("'" + git + "//none?ref=v1'"), "none", fault.Invalid},
		"out of the base":     {kustomization("'" + git + "//out?ref=v1'"), "leaves the repository", fault.Denied},
		"round in a ring":     {kustomization("'" + git + "//ring?ref=v1'"), "", fault.Invalid},
	} {
		spec := render.Spec{AppName: "app", Project: "team", Source: v1alpha1.ApplicationSource{Path: "app/over"}, KubeVersion: "1.37.2"}
		out, err := render.WithRemotes(newRenderer(), e).Render(t.Context(), rendertest.Files(c.files), spec)
		if c.kind == 0 {
			if err != nil || objectNames(out) != c.want {
				t.Errorf("%s: %s, %v; want %s", name, objectNames(out), err, c.want)
			}
			if _, err := newRenderer().Render(t.Context(), rendertest.Files(c.files), spec); err == nil || !strings.Contains(err.Error(), "no network") {
				t.Errorf("%s without remotes: %v", name, err)
			}
			continue
		}
		if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), ".remote-of") {
			t.Errorf("%s: %v (%v); want %v with %q", name, err, fault.KindOf(err), c.kind, c.want)
		}
	}
}

// TestRemotesAreInTheTrace: a kept render counts as long as what it opened elsewhere means the same, and a failure to open
// is not kept.
func TestRemotesAreInTheTrace(t *testing.T) {
	e := &elsewhere{}
	base := remoteGit("https://git.example.com/team/base", "main")
	cache := render.NewCache(render.WithRemotes(newRenderer(), e), render.CacheOptions{Now: time.Now, Remotes: e})
	files := rendertest.Files(map[string]string{"app/kustomization.yaml": "resources: ['https://git.example.com/team/base?ref=main']\n"})
	spec := render.Spec{AppName: "app", Project: "team", Source: v1alpha1.ApplicationSource{Path: "app"}, Revision: "1"}
	if _, err := cache.Render(t.Context(), files, spec); !fault.Is(err, fault.Denied) {
		t.Fatalf("not allowed: %v", err)
	}
	for i, c := range []struct {
		id, name string
		asks     bool
	}{{"1", "one", true}, {"1", "one", false}, {"2", "two", true}, {"2", "two", false}} {
		e.set(base, c.id, map[string]string{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": remoteObject(c.name)})
		before := len(e.asked)
		out, err := cache.Render(t.Context(), files, spec)
		if err != nil || objectNames(out) != c.name || (len(e.asked) > before) != c.asks {
			t.Errorf("%d: %s, %v, asked %d times", i, objectNames(out), err, len(e.asked)-before)
		}
	}
}

// TestRemoteValueFiles: value files of web servers count in their place among the others, and only where both the scheme and
// the address are allowed.
func TestRemoteValueFiles(t *testing.T) {
	e := &elsewhere{}
	file := func(url, content string) {
		e.set(render.Remote{Kind: render.RemoteFile, URL: url}, content, map[string]string{render.RemoteFileName: content})
	}
	file("https://files.example.com/a.yaml", "a: remote\nb: remote\n")
	file("https://files.example.com/b.yaml?x=*,1", "b: second\n")
	file("https://files.example.com/motd,1.txt", "hello, \"all\"\n")
	file("https://files.example.com/broken.yaml", "a: [\n")
	file("ftp://files.example.com/a.yaml", "a: ftp\n")
	files := rendertest.Files(map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "own.yaml": "a: own\nc: own\n",
		"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n" +
			"  got: {{ printf \"%v %v %v %v\" .Values.a .Values.b .Values.c .Values.motd | quote }}\n",
	})
	motd := []v1alpha1.HelmFileParameter{{Name: "motd", Path: "https://files.example.com/motd,1.txt"}}
	for _, c := range []struct {
		valueFiles []string
		parameters []v1alpha1.HelmFileParameter
		want       string
		kind       fault.Kind
	}{
		{[]string{"https://files.example.com/a.yaml", "own.yaml"}, nil, "own remote own <nil>", 0},
		{[]string{"own.yaml", "https://files.example.com/a.yaml", "https://files.example.com/b.yaml?x=*,1"}, motd, "remote second own hello, \"all\"\n", 0},
		{[]string{"https://user:canary@files.example.com/other.yaml"}, nil, "https://***@files.example.com/other.yaml", fault.Denied},
		{[]string{"https://files.example.com/broken.yaml"}, nil, "https://files.example.com/broken.yaml", fault.Invalid},
		{[]string{"ftp://files.example.com/a.yaml"}, nil, "helm.valuesFileSchemes", fault.Denied},
		{nil, []v1alpha1.HelmFileParameter{{Name: "motd", Path: "https://files.example.com/none"}}, "not allowed", fault.Denied},
	} {
		spec := render.Spec{AppName: "app", Project: "team", KubeVersion: "1.37.2", Options: render.Options{HelmValuesFileSchemes: []string{"https"}},
			Source: v1alpha1.ApplicationSource{Path: ".", Helm: &v1alpha1.ApplicationSourceHelm{
				ValueFiles: c.valueFiles, FileParameters: c.parameters, IgnoreMissingValueFiles: true}}}
		out, err := render.WithRemotes(newRenderer(), e).Render(t.Context(), files, spec)
		if c.kind != 0 {
			if !fault.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v %v: %v (%v); want %v with %q", c.valueFiles, c.parameters, err, fault.KindOf(err), c.kind, c.want)
			}
			continue
		}
		if err != nil || len(out.Objects) != 1 {
			t.Errorf("%v: %v", c.valueFiles, err)
			continue
		}
		if got := out.Objects[0].Object["data"].(map[string]any)["got"]; got != c.want {
			t.Errorf("%v: %q; want %q", c.valueFiles, got, c.want)
		}
	}
}
