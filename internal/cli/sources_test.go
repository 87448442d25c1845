package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/api/v1alpha1"
)

// TestRevisionsOfSources: flags name revisions for sources, by position or by name; the rest keep their own.
func TestRevisionsOfSources(t *testing.T) {
	several := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{Sources: v1alpha1.ApplicationSources{
		{RepoURL: "a", Name: "first"}, {RepoURL: "b"}, {RepoURL: "c", Name: "third"},
	}}}
	single := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{Source: &v1alpha1.ApplicationSource{RepoURL: "a"}}}
	for _, tc := range []struct {
		reason  string
		app     *v1alpha1.Application
		flags   planFlags
		want    []string
		refused string
	}{
		{reason: "nothing is named", app: several},
		{reason: "by position", app: several, flags: planFlags{revisions: []string{"v1", "v2"}, sourcePositions: []int64{3, 1}}, want: []string{"v2", "", "v1"}},
		{reason: "by name", app: several, flags: planFlags{revisions: []string{"v1"}, sourceNames: []string{"third"}}, want: []string{"", "", "v1"}},
		{reason: "a position that is none", app: several, flags: planFlags{revisions: []string{"v1"}, sourcePositions: []int64{0}}, refused: "no such source"},
		{reason: "a position too far", app: several, flags: planFlags{revisions: []string{"v1"}, sourcePositions: []int64{4}}, refused: "no such source"},
		{reason: "a name that is none", app: several, flags: planFlags{revisions: []string{"v1"}, sourceNames: []string{"second"}}, refused: "no such source"},
		{reason: "more revisions than positions", app: several, flags: planFlags{revisions: []string{"v1", "v2"}, sourcePositions: []int64{1}}, refused: "each of --revisions"},
		{reason: "one revision for several", app: several, flags: planFlags{revision: "v1"}, refused: "use --revisions"},
		{reason: "local files", app: several, flags: planFlags{local: "."}, refused: "--local stands for one alone"},
		{reason: "one source", app: single, flags: planFlags{revision: "v1"}, want: []string{"v1"}},
		{reason: "a list for one source", app: single, flags: planFlags{revisions: []string{"v1"}, sourcePositions: []int64{1}}, refused: "use --revision"},
	} {
		err := tc.flags.check()
		var got PlanOptions
		if err == nil {
			got, err = tc.flags.options(tc.app)
		}
		switch {
		case tc.refused != "" && (err == nil || !strings.Contains(err.Error(), tc.refused)):
			t.Errorf("%s: %v, want an error with %q", tc.reason, err, tc.refused)
		case tc.refused == "" && err != nil:
			t.Errorf("%s: %v", tc.reason, err)
		case tc.refused == "":
			if d := cmp.Diff(tc.want, got.Revisions); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
		}
	}
}

func TestSyncStatusLineOfSources(t *testing.T) {
	app := &v1alpha1.Application{Spec: v1alpha1.ApplicationSpec{Sources: v1alpha1.ApplicationSources{{TargetRevision: "main"}, {TargetRevision: "v1"}}}}
	sha := strings.Repeat("a", 40)
	for _, tc := range []struct {
		status    v1alpha1.SyncStatusCode
		revisions []string
		want      string
	}{
		{"", nil, ""}, // nobody has looked yet
		{v1alpha1.SyncStatusSynced, []string{sha, "v1"}, "Synced to main (aaaaaaa), v1"},
		{v1alpha1.SyncStatusOutOfSync, []string{sha}, "OutOfSync from main (aaaaaaa), v1"},
		{v1alpha1.SyncStatusUnknown, []string{"v1", sha}, "Unknown (v1), (aaaaaaa)"},
	} {
		app.Status.Sync = v1alpha1.SyncStatus{Status: tc.status, Revisions: tc.revisions}
		if got := syncStatusLine(app); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
}
