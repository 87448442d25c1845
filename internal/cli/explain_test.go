package cli

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/insight"
)

func TestExplanationsInPrint(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC))
	for name, tt := range map[string]struct {
		print func(*bytes.Buffer) error
		want  string
	}{
		"plan": {func(b *bytes.Buffer) error {
			return writePlan(b, &insight.Plan{Application: "web", Namespace: "argocd", Revisions: []string{"main"}, Digest: "d1",
				Counts: insight.PlanCounts{Update: 1}, Unchanged: 4,
				Objects: []insight.PlannedObject{{ResourceRef: insight.ResourceRef{Group: "apps", Kind: "Deployment", Namespace: "voice", Name: "web"},
					Action: "update", Restarts: true, Wave: 2, Reason: "image differs"}},
				Hooks:    []insight.PlannedHook{{ResourceRef: insight.ResourceRef{Group: "batch", Kind: "Job", Namespace: "voice", Name: "migrate"}, Phase: "PreSync"}},
				Warnings: []insight.PlanWarning{{Severity: "danger", Code: "ScaleToZero", Message: "no pods\x1b[31m left"}}})
		}, `Application:        argocd/web
Revision:           main
Digest:             d1
Changes:            0 to create, 1 to update, 0 to delete, 4 unchanged

ACTION  WAVE  GROUP  KIND        NAMESPACE  NAME  PODS      REASON
update  2     apps   Deployment  voice      web   restarts  image differs

HOOK     WAVE  GROUP  KIND  NAMESPACE  NAME
PreSync  0     batch  Job   voice      migrate

SEVERITY  CODE         MESSAGE
danger    ScaleToZero  no pods\x1b[31m left
`},
		"why": {func(b *bytes.Buffer) error {
			return writeWhy(b, &insight.Why{Status: "Degraded", Sentence: "Deployment web: image pull failed",
				Causes: []insight.Cause{{Message: "image pull failed", Evidence: []insight.Evidence{{Kind: "event", Text: "Failed: no such\nimage", Time: &at}}}},
				Next:   []insight.NextStep{{Text: "Go back", Command: "belay app rollback web 4"}}}, time.UTC)
		}, `Degraded: Deployment web: image pull failed

CAUSES
  1. image pull failed
     event      Failed: no such\nimage (2026-11-03T10:00:00Z)

NEXT
  Go back
    belay app rollback web 4
`},
		"all is well": {func(b *bytes.Buffer) error { return writeWhy(b, &insight.Why{Sentence: "All is well."}, time.UTC) }, "All is well.\n"},
		"audit": {func(b *bytes.Buffer) error {
			return writeActivities(b, []audit.Activity{{Time: at, Kind: audit.KindSync, Namespace: "argocd", Application: "web", Actor: "admin", Address: "192.0.2.7",
				Outcome: audit.Success, Text: "asked for a sync", Reason: "Ticket 7"}, {Time: at, Kind: audit.KindLogin, Actor: "eve", Text: "signed\nin"}}, time.UTC)
		}, `TIME                  KIND   APPLICATION  ACTOR  FROM       OUTCOME  WHAT              WHY
2026-11-03T10:00:00Z  sync   argocd/web   admin  192.0.2.7  success  asked for a sync  Ticket 7
2026-11-03T10:00:00Z  login               eve                        signed\nin
`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := tt.print(&out); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, out.String()); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}
