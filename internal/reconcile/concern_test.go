package reconcile

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
	"github.com/belaycd/belay/internal/render/rendertest"
	"github.com/belaycd/belay/internal/source"
)

// history is a repository whose branch can be moved.
type history struct {
	head    source.Revision
	commits map[source.Revision]*rendertest.FS
}

func (h *history) Resolve(context.Context, source.Request, source.Freshness) (source.Revision, error) {
	if h.commits[h.head] == nil {
		return "", fault.New(fault.NotFound, "no such branch")
	}
	return h.head, nil
}

func (h *history) Snapshot(_ context.Context, _ source.Request, rev source.Revision) (source.Snapshot, error) {
	return commit{rev, h.commits[rev]}, nil
}

// hub holds repositories by their URLs.
type hub map[string]*history

func (h hub) Resolve(ctx context.Context, req source.Request, fresh source.Freshness) (source.Revision, error) {
	return h[req.RepoURL].Resolve(ctx, req, fresh)
}

func (h hub) Snapshot(ctx context.Context, req source.Request, rev source.Revision) (source.Snapshot, error) {
	return h[req.RepoURL].Snapshot(ctx, req, rev)
}

type commit struct {
	rev source.Revision
	fs  *rendertest.FS
}

func (c commit) Revision() source.Revision { return c.rev }
func (c commit) FS() source.FS             { return c.fs }

// oneFile renders the file config.yaml below the path, or the file of another source that helm.values names, and looks
// at nothing else.
type oneFile struct{}

func (oneFile) Render(_ context.Context, files source.FS, spec render.Spec) (render.Manifests, error) {
	if h := spec.Source.Helm; h != nil {
		files = spec.Refs[h.Values].Files
	}
	data, err := files.ReadFile(spec.Source.Path + "/config.yaml")
	if err != nil {
		return render.Manifests{}, fault.New(fault.NotFound, "read: %w", err)
	}
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": string(data)}}}
	return render.Manifests{Objects: []*unstructured.Unstructured{u}, Key: string(data)}, nil
}

// here is a destination of which only the versions are asked.
type here struct{ Cluster }

func (here) Version() string       { return "1.37.2" }
func (here) APIVersions() []string { return []string{"v1"} }

func (h here) Destination(context.Context, v1alpha1.ApplicationDestination) (*Destination, error) {
	return &Destination{Cluster: h}, nil
}

func TestUnconcerned(t *testing.T) {
	first := map[string]string{"shop/config.yaml": "one", "search/config.yaml": "one"}
	for _, tc := range []struct {
		reason string
		next   map[string]string // the second commit
		change func(*v1alpha1.Application, *Memory)
		want   bool
	}{
		{reason: "another application's file moved", next: map[string]string{"shop/config.yaml": "one", "search/config.yaml": "two"}, want: true},
		{reason: "nothing moved", next: first, want: true},
		{reason: "its own file moved", next: map[string]string{"shop/config.yaml": "two", "search/config.yaml": "one"}},
		{reason: "its own file is gone", next: map[string]string{"search/config.yaml": "one"}},
		{reason: "the branch is gone"},
		{reason: "an operation is under way", next: first,
			change: func(a *v1alpha1.Application, _ *Memory) { a.Operation = &v1alpha1.Operation{} }},
		{reason: "it is being deleted", next: first,
			change: func(a *v1alpha1.Application, _ *Memory) { now := metav1.Now(); a.DeletionTimestamp = &now }},
		{reason: "the last reconciliation failed", next: first, change: func(_ *v1alpha1.Application, m *Memory) { m.settle("") }},
		{reason: "the rules of comparison changed", next: first, change: func(_ *v1alpha1.Application, m *Memory) { m.reset("other") }},
		{reason: "the last reconciliation wanted something else", next: first, change: func(_ *v1alpha1.Application, m *Memory) { m.settle("two\x00shop") }},
		{reason: "its spec changed", next: first, change: func(a *v1alpha1.Application, _ *Memory) { a.Spec.Destination.Namespace = "other" }},
		{reason: "it has another source now", next: first,
			change: func(a *v1alpha1.Application, _ *Memory) {
				a.Spec.Sources = v1alpha1.ApplicationSources{*a.Spec.Source, {RepoURL: a.Spec.Source.RepoURL, Path: "search"}}
			}},
	} {
		t.Run(tc.reason, func(t *testing.T) {
			repo := &history{head: "c1", commits: map[source.Revision]*rendertest.FS{"c1": rendertest.Files(first)}}
			cache := render.NewCache(oneFile{}, render.CacheOptions{})
			r := &Reconciler{Source: repo, Renderer: cache, Kept: cache, Destinations: here{}}
			app := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{
				Source:      &v1alpha1.ApplicationSource{RepoURL: "https://git.example.com/mono.git", Path: "shop"},
				Destination: v1alpha1.ApplicationDestination{Namespace: "shop"},
			}}
			req := Request{App: app, Memory: NewMemory("")}
			if ok, _ := r.Unconcerned(t.Context(), req); ok {
				t.Fatal("an application that was never reconciled passes for unconcerned")
			}
			m, err := cache.Render(t.Context(), repo.commits["c1"], req.renderSpec(here{}, *app.Spec.Source, "c1", nil))
			if err != nil {
				t.Fatal(err)
			}
			req.Memory.settle(targetsKey(m, app))

			repo.head = "c2"
			if tc.next != nil {
				repo.commits["c2"] = rendertest.Files(tc.next)
			}
			if tc.change != nil {
				tc.change(app, req.Memory)
			}
			app.Status.Sync.Revision = "c1"
			got, named := r.Unconcerned(t.Context(), req)
			if got != tc.want || named {
				t.Errorf("unconcerned %v, named %v, want %v and a status that names another commit", got, named, tc.want)
			}
			app.Status.Sync.Revision = "c2"
			if _, named := r.Unconcerned(t.Context(), req); got && !named {
				t.Error("the commit that the status names does not pass for named")
			}
			if n := repo.commits["c2"]; n != nil && n.Reads.Load() != 0 {
				t.Errorf("%d files were read", n.Reads.Load())
			}
		})
	}
}

// TestUnconcernedOfSeveralSources: each repository is told apart, also one that gives nothing but values.
func TestUnconcernedOfSeveralSources(t *testing.T) {
	const charts, values, extra = "https://git.example.com/charts.git", "https://git.example.com/values.git", "https://git.example.com/extra.git"
	for _, tc := range []struct {
		reason, repo string
		next         map[string]string
		want         bool
	}{
		{reason: "a file that no source reads", repo: charts, next: map[string]string{"shop/config.yaml": "one", "other": "two"}, want: true},
		{reason: "another value file", repo: values, next: map[string]string{"shop/config.yaml": "one", "other": "two"}, want: true},
		{reason: "the value file that a source reads", repo: values, next: map[string]string{"shop/config.yaml": "two"}},
		{reason: "a manifest of the last source", repo: extra, next: map[string]string{"more/config.yaml": "two"}},
	} {
		first := func(files map[string]string) *history {
			return &history{head: "c1", commits: map[source.Revision]*rendertest.FS{"c1": rendertest.Files(files)}}
		}
		repos := hub{
			charts: first(map[string]string{"shop/config.yaml": "one"}), values: first(map[string]string{"shop/config.yaml": "one"}),
			extra: first(map[string]string{"more/config.yaml": "one"}),
		}
		cache := render.NewCache(oneFile{}, render.CacheOptions{})
		r := &Reconciler{Source: repos, Renderer: cache, Kept: cache, Destinations: here{}}
		app := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{Sources: v1alpha1.ApplicationSources{
			{RepoURL: charts, Path: "shop", Helm: &v1alpha1.ApplicationSourceHelm{Values: "values"}},
			{RepoURL: values, Ref: "values"}, {RepoURL: extra, Path: "more"},
		}}}
		s := newRun(Request{App: app, Memory: NewMemory("")}, time.Unix(0, 0))
		s.dest = &Destination{Cluster: here{}}
		if err := r.resolve(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		m, err := r.manifests(t.Context(), s, s.origin)
		if err != nil {
			t.Fatal(err)
		}
		s.Memory.settle(targetsKey(m.Manifests, app))
		app.Status.Sync.Revisions = []string{"c1", "c1", "c1"}
		if ok, named := r.Unconcerned(t.Context(), s.Request); !ok || !named {
			t.Fatalf("before any commit: unconcerned %v, named %v", ok, named)
		}
		moved := repos[tc.repo]
		moved.head, moved.commits["c2"] = "c2", rendertest.Files(tc.next)
		if got, named := r.Unconcerned(t.Context(), s.Request); got != tc.want || named {
			t.Errorf("%s: unconcerned %v, named %v, want %v and not named", tc.reason, got, named, tc.want)
		}
		if n := moved.commits["c2"].Reads.Load(); n != 0 {
			t.Errorf("%s: %d files were read", tc.reason, n)
		}
		before := cache.Stats().Misses
		if err := r.resolve(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if _, err := r.manifests(t.Context(), s, s.origin); err != nil {
			t.Fatal(err)
		}
		want := int64(1)
		if tc.want {
			want = 0
		}
		if n := cache.Stats().Misses - before; n != want {
			t.Errorf("%s: %d renders, want %d", tc.reason, n, want)
		}
	}
}
