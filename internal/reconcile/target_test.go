package reconcile

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/source"
)

// resolver knows what targets mean.
type resolver struct {
	source.Source
	heads map[string]source.Revision
}

func (r resolver) Resolve(_ context.Context, req source.Request, _ source.Freshness) (source.Revision, error) {
	return r.heads[req.Target], nil
}

// two makes an application of two sources, of which the first follows release and the second main.
func two(a *v1alpha1.Application) {
	a.Spec.Sources = v1alpha1.ApplicationSources{
		{RepoURL: "https://git.example.com/charts.git", Path: "chart", TargetRevision: "release"},
		{RepoURL: "https://git.example.com/values.git", Ref: "values", TargetRevision: "main", Name: "env"},
	}
}

func TestOperationOrigin(t *testing.T) {
	r := &Reconciler{Source: resolver{heads: map[string]source.Revision{"main": "c3", "release": "c1", "c1": "c1", "c2": "c2"}}}
	other := &v1alpha1.ApplicationSource{Path: "old", TargetRevision: "main"}
	others := v1alpha1.ApplicationSources{{Path: "a", TargetRevision: "main"}, {Path: "b", TargetRevision: "release"}, {Ref: "c", TargetRevision: "main"}}
	for _, tc := range []struct {
		reason  string
		several bool
		sync    v1alpha1.SyncOperation
		retry   v1alpha1.RetryStrategy
		retries int64
		frozen  []string
		from    v1alpha1.ApplicationSources // that the frozen revisions are of; nil for those of the application
		want    string
	}{
		{reason: "what the application wants", want: "c1"},
		{reason: "a branch", sync: v1alpha1.SyncOperation{Revision: "main"}, want: "c3"},
		{reason: "a list of one for one source", sync: v1alpha1.SyncOperation{Revisions: []string{"main"}}, want: "c3"},
		{reason: "a longer list says nothing of one source", sync: v1alpha1.SyncOperation{Revisions: []string{"main", "main"}}, want: "c1"},
		{reason: "frozen by an earlier step", sync: v1alpha1.SyncOperation{Revision: "main"}, frozen: []string{"c2"}, want: "c2"},
		{reason: "another source's target", sync: v1alpha1.SyncOperation{Source: other}, want: "c3"},
		{reason: "another source at the commit that the application is at", sync: v1alpha1.SyncOperation{Source: other, Revision: "c1"}, want: "c1"},
		{reason: "a retry means the same", sync: v1alpha1.SyncOperation{Revision: "c2"}, retries: 1, want: "c2"},
		{reason: "a retry that refreshes does not", sync: v1alpha1.SyncOperation{Revision: "c2"}, retries: 1, retry: v1alpha1.RetryStrategy{Refresh: true}, want: "c1"},
		{reason: "what the application wants", several: true, want: "c1, c3"},
		{reason: "one of them elsewhere", several: true, sync: v1alpha1.SyncOperation{Revisions: []string{"", "c2"}}, want: "c1, c2"},
		{reason: "all of them elsewhere", several: true, sync: v1alpha1.SyncOperation{Revisions: []string{"main", "release"}}, want: "c3, c1"},
		{reason: "a retry that refreshes", several: true, sync: v1alpha1.SyncOperation{Revisions: []string{"c2", "c2"}}, retries: 1, retry: v1alpha1.RetryStrategy{Refresh: true}, want: "c1, c3"},
		{reason: "frozen", several: true, sync: v1alpha1.SyncOperation{Revisions: []string{"main", "main"}}, frozen: []string{"c2", "c2"}, want: "c2, c2"},
		{reason: "frozen before a source was added", several: true, frozen: []string{"c2"}, from: others[:1], want: "c1, c3"},
		{reason: "frozen of other repositories", several: true, frozen: []string{"c2", "c2"}, from: others[:2], want: "c1, c3"},
		{reason: "too few", several: true, sync: v1alpha1.SyncOperation{Revisions: []string{"main"}}, want: "operation.sync.revisions has 1 entries for 2 sources"},
		{reason: "one for two", several: true, sync: v1alpha1.SyncOperation{Revision: "main"}, want: "operation.sync.revision names one revision for 2 sources"},
		{reason: "a rollback to other sources", several: true, sync: v1alpha1.SyncOperation{Sources: others, Revisions: []string{"c2", "c1", "main"}}, want: "c2, c1, c3"},
		{reason: "a rollback with an empty source beside, as Argo CD writes it", several: true, want: "c2, c1, c3",
			sync: v1alpha1.SyncOperation{Sources: others, Source: &v1alpha1.ApplicationSource{}, Revisions: []string{"c2", "c1", "main"}}},
		{reason: "a rollback to before the sources became a list", several: true, sync: v1alpha1.SyncOperation{Source: other, Revision: "c2"}, want: "c2"},
		{reason: "a rollback to a list", sync: v1alpha1.SyncOperation{Sources: others[:2], Revisions: []string{"c2", "c1"}}, want: "c2, c1"},
	} {
		app, revisions := shop(), []source.Revision{"c1"} // of release, the application's target
		if tc.several {
			two(app)
			revisions = []source.Revision{"c1", "c3"}
		}
		s := newRun(Request{App: app, Memory: NewMemory("")}, time.Unix(0, 0))
		s.origin = s.origin.at(revisions)
		res := &v1alpha1.SyncOperationResult{}
		switch {
		case tc.several && tc.frozen != nil:
			res.Revisions, res.Sources = tc.frozen, app.Spec.Sources
			if tc.from != nil {
				res.Sources = tc.from
			}
		case tc.frozen != nil:
			res.Revision = tc.frozen[0]
		}
		s.state = &v1alpha1.OperationState{Operation: v1alpha1.Operation{Sync: &tc.sync, Retry: tc.retry}, RetryCount: tc.retries, SyncResult: res}
		o, err := r.operationOrigin(t.Context(), s)
		got := o.String()
		if err != nil {
			got = err.Error()
		}
		if got != tc.want && (err == nil || !strings.Contains(got, tc.want)) {
			t.Errorf("%s (several: %v): %s, want %s", tc.reason, tc.several, got, tc.want)
		}
	}
}

// TestPin: a commit is what a failed operation was about only if it is known to be, for a retry repeats it.
func TestPin(t *testing.T) {
	for _, tc := range []struct {
		reason, revision, want string
		source                 *v1alpha1.ApplicationSource
	}{
		{reason: "what the application wants", want: "head"},
		{reason: "an automatic sync", revision: "head", want: "head"},
		{reason: "another commit", revision: "v1.0.0", want: ""},
		{reason: "another source", source: &v1alpha1.ApplicationSource{Path: "old"}, want: ""},
	} {
		s := newRun(Request{App: shop(), Memory: NewMemory("")}, time.Unix(0, 0))
		s.origin = s.origin.at([]source.Revision{"head"})
		s.state = &v1alpha1.OperationState{Operation: v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{Revision: tc.revision, Source: tc.source}}}
		if s.pin(); s.state.SyncResult.Revision != tc.want {
			t.Errorf("%s: %q, want %q", tc.reason, s.state.SyncResult.Revision, tc.want)
		}
		if own := s.asksForOwn(); own != (tc.want != "") {
			t.Errorf("%s: passes for the application's own: %v", tc.reason, own)
		}
	}
	for _, tc := range []struct {
		reason string
		sync   v1alpha1.SyncOperation
		want   []string
	}{
		{reason: "what the application wants", want: []string{"c1", "c3"}},
		{reason: "an automatic sync", sync: v1alpha1.SyncOperation{Revisions: []string{"c1", "c3"}}, want: []string{"c1", "c3"}},
		{reason: "the targets by their names", sync: v1alpha1.SyncOperation{Revisions: []string{"release", "main"}}, want: []string{"c1", "c3"}},
		{reason: "one of them elsewhere", sync: v1alpha1.SyncOperation{Revisions: []string{"c1", "v2"}}},
		{reason: "a list that does not fit", sync: v1alpha1.SyncOperation{Revisions: []string{"c1"}}},
	} {
		s := newRun(Request{App: shop(two), Memory: NewMemory("")}, time.Unix(0, 0))
		s.origin = s.origin.at([]source.Revision{"c1", "c3"})
		s.state = &v1alpha1.OperationState{Operation: v1alpha1.Operation{Sync: &tc.sync}}
		s.pin()
		res := s.state.SyncResult
		if diff := cmp.Diff(tc.want, res.Revisions); diff != "" || len(res.Sources) != 2 || res.Source.RepoURL != "" || res.Revision != "" {
			t.Errorf("%s: %s; %+v", tc.reason, diff, res)
		}
	}
}

func TestAutomaticSyncOfSeveralSources(t *testing.T) {
	s := newRun(Request{App: shop(two), Memory: NewMemory("")}, time.Unix(0, 0))
	s.origin = s.origin.at([]source.Revision{"c1", "c3"})
	automated := v1alpha1.OperationInitiator{Automated: true}
	for _, tc := range []struct {
		reason     string
		sync       v1alpha1.SyncOperation
		superseded bool
	}{
		{reason: "the revisions of now", sync: v1alpha1.SyncOperation{Revisions: []string{"c1", "c3"}}},
		{reason: "one has moved", sync: v1alpha1.SyncOperation{Revisions: []string{"c1", "c2"}}, superseded: true},
		{reason: "a source was added", sync: v1alpha1.SyncOperation{Revisions: []string{"c1"}}, superseded: true},
		{reason: "one source became a list", sync: v1alpha1.SyncOperation{Revision: "c1"}, superseded: true},
		{reason: "no revision was named", sync: v1alpha1.SyncOperation{}},
	} {
		s.state = &v1alpha1.OperationState{Operation: v1alpha1.Operation{Sync: &tc.sync, InitiatedBy: automated}}
		if got := s.superseded(); got != tc.superseded {
			t.Errorf("%s: superseded %v, want %v", tc.reason, got, tc.superseded)
		}
	}
	last := &v1alpha1.OperationState{Operation: v1alpha1.Operation{Sync: &v1alpha1.SyncOperation{}}, SyncResult: &v1alpha1.SyncOperationResult{
		Sources: s.app.Spec.Sources, Revisions: []string{"c1", "c3"},
	}}
	if !attempted(last, s.origin) {
		t.Error("a sync to the same revisions of the same sources passes for another one")
	}
	if changed := *last.SyncResult; true {
		changed.Sources = append(v1alpha1.ApplicationSources{}, changed.Sources...)
		changed.Sources[1].Path = "more"
		if attempted(&v1alpha1.OperationState{Operation: last.Operation, SyncResult: &changed}, s.origin) {
			t.Error("a sync from other sources passes for one from these")
		}
	}
}

// TestPlaceOfAnError: of several sources an error names its own; of one there is nothing to name.
func TestPlaceOfAnError(t *testing.T) {
	app := shop(two)
	app.Spec.Sources[1].Name = ""
	o := originOf(&app.Spec)
	for i, want := range []string{"source 1 of 2: ", "source 2 of 2 (values): "} {
		if err := o.of(i, errDone); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q, want it to begin with %q", err, want)
		}
	}
	if err := originOf(&shop().Spec).of(0, errDone); err != errDone {
		t.Errorf("one source: %v", err)
	}
}
