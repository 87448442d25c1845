package app

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/gitserver"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/settings"
	"github.com/belaycd/belay/internal/source"
	"github.com/belaycd/belay/internal/source/sourcetest"
)

// withSettings returns repositories whose settings are those given.
func withSettings(t *testing.T, allow string, secrets ...map[string]string) (*environment, *repositories) {
	t.Helper()
	return withTrust(t, settings.Trust{}, allow, secrets...)
}

func withTrust(t *testing.T, trust settings.Trust, allow string, secrets ...map[string]string) (*environment, *repositories) {
	t.Helper()
	cfg := Config{CacheDir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
	env := newEnvironment(nil, cfg)
	var list []*corev1.Secret
	for i, data := range secrets {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s" + string(rune('a'+i)), Labels: map[string]string{v1alpha1.LabelSecretType: "repository"}}, Data: map[string][]byte{}}
		for k, v := range data {
			s.Data[k] = []byte(v)
		}
		list = append(list, s)
	}
	repos, problems := settings.NewRepositories(list, trust)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	belay, _ := settings.ParseBelay(map[string]string{settings.KeyRemoteAllow: allow})
	env.current.Store(&state{settings: settings.Default(), belay: belay, repos: repos})
	sources, err := openSources(cfg, env, observers{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sources.Close(); err != nil {
			t.Error(err)
		}
	})
	return env, sources
}

// TestRemotes fetches dependencies, bases and files from real servers, where the settings allow it and nowhere else.
func TestRemotes(t *testing.T) {
	dir := t.TempDir()
	repo := sourcetest.NewRepo(t, dir, "base")
	sha := repo.Commit("main", map[string]string{"kustomization.yaml": "resources: []\n"})
	gitURL := sourcetest.HTTP(t, gitserver.Config{Dir: dir}) + "/base.git"
	charts := &sourcetest.ChartRepo{Username: "reader", Password: "canary"}
	charts.Publish("web", "1.2.0", sourcetest.Chart("web", "1.2.0", nil))
	chartSrv := httptest.NewServer(charts)
	t.Cleanup(chartSrv.Close)
	fileSrv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a.yaml" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte("a: 1\n"))
	}))
	t.Cleanup(fileSrv.Close)
	secret := map[string]string{"type": "helm", "name": "ours", "url": chartSrv.URL, "username": "reader", "password": "canary"}
	env, repos := withSettings(t, gitURL+","+fileSrv.URL+"/*", secret)
	r := newRemotes(env, repos)
	for _, c := range []struct {
		want render.Remote
		file string
		id   string
	}{
		{render.Remote{Kind: render.RemoteGit, URL: gitURL, Version: "main"}, "kustomization.yaml", sha},
		{render.Remote{Kind: render.RemoteGit, URL: strings.TrimSuffix(gitURL, ".git"), Version: sha[:9]}, "", ""}, // another spelling, not allowed
		{render.Remote{Kind: render.RemoteChart, URL: chartSrv.URL, Chart: "web", Version: "1.x"}, "Chart.yaml", "1.2.0 "},
		{render.Remote{Kind: render.RemoteChart, URL: "@ours", Chart: "web"}, "Chart.yaml", "1.2.0 "},
		{render.Remote{Kind: render.RemoteFile, URL: fileSrv.URL + "/a.yaml"}, render.RemoteFileName, ""},
	} {
		files, id, err := r.Open(t.Context(), c.want)
		if c.file == "" {
			if !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), settings.KeyRemoteAllow) || !strings.Contains(err.Error(), c.want.URL) {
				t.Errorf("%+v: %v", c.want, err)
			}
			continue
		}
		if err != nil || !strings.HasPrefix(id, c.id) || id == "" || r.Current(c.want) != id {
			t.Errorf("%+v: %q, %v", c.want, id, err)
			continue
		}
		if _, err := files.ReadFile(c.file); err != nil {
			t.Errorf("%+v: %v", c.want, err)
		}
	}
	for want, kind := range map[render.Remote]fault.Kind{
		{Kind: render.RemoteFile, URL: fileSrv.URL + "/none.yaml"}:                fault.NotFound,
		{Kind: render.RemoteFile, URL: fileSrv.URL + "/x/../a.yaml"}:              fault.Denied,
		{Kind: render.RemoteGit, URL: gitURL, Version: "none"}:                    fault.NotFound,
		{Kind: render.RemoteGit, URL: dir + "/base.git"}:                          fault.Denied,
		{Kind: render.RemoteChart, URL: "@nobody", Chart: "web"}:                  fault.NotFound,
		{Kind: render.RemoteChart, URL: "https://charts.example.com", Chart: "x"}: fault.Denied,
	} {
		if _, _, err := r.Open(t.Context(), want); !fault.Is(err, kind) {
			t.Errorf("%+v: %v (%v); want %v", want, err, fault.KindOf(err), kind)
		}
	}
	// What has moved is seen by a hard refresh.
	two := repo.Commit("main", map[string]string{"a": "2"})
	want := render.Remote{Kind: render.RemoteGit, URL: gitURL, Version: "main"}
	if _, id, err := r.Open(t.Context(), want); err != nil || id != sha {
		t.Errorf("%s, %v", id, err)
	}
	if _, id, err := r.Open(render.Anew(t.Context()), want); err != nil || id != two || r.Current(want) != two {
		t.Errorf("%s, %v", id, err)
	}
}

// TestRouting: which repository serves a request.
func TestRouting(t *testing.T) {
	_, repos := withSettings(t, "")
	for _, c := range []struct {
		req source.Request
		git bool
	}{
		{source.Request{RepoURL: "https://git.example.com/a"}, true}, {source.Request{RepoURL: "git@git.example.com:a"}, true},
		{source.Request{RepoURL: "https://charts.example.com", Chart: "web"}, false}, {source.Request{RepoURL: "registry.example.com/a", Chart: "web"}, false},
		{source.Request{RepoURL: "oci://registry.example.com/a"}, false}, {source.Request{RepoURL: "OCI://registry.example.com/a"}, false},
	} {
		if got := repos.of(c.req) == source.Source(repos.git); got != c.git {
			t.Errorf("%+v: git %t", c.req, got)
		}
	}
	got := gitRequests([]source.Request{{RepoURL: "https://b"}, {RepoURL: "https://a"}, {RepoURL: "https://b", Target: "x"},
		{RepoURL: "https://b", Project: "p"}, {RepoURL: "https://c", Chart: "x"}, {RepoURL: "oci://d/e"}})
	if want := []source.Request{{RepoURL: "https://a"}, {RepoURL: "https://b"}, {RepoURL: "https://b", Project: "p"}}; !slices.Equal(got, want) {
		t.Errorf("git: %v", got)
	}
}
