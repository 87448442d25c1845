package check_test

import (
	"context"
	"testing"

	"github.com/belaycd/belay/internal/check"
)

// says reports what it was told to.
type says []check.Finding

func (says) Rules() []check.Rule {
	return []check.Rule{{ID: "deletes", Severity: check.Warning}}
}

func (s says) Check(_ context.Context, _ *check.Repository, report func(check.Finding)) error {
	for _, f := range s {
		report(f)
	}
	return nil
}

// TestNewAgainst: of several findings on one unit as a whole, those that the base does not have are new.
func TestNewAgainst(t *testing.T) {
	unit := &check.Unit{Name: "shop"}
	judge := func(messages ...string) *check.Report {
		var all says
		for _, m := range messages {
			all = append(all, check.Finding{Rule: "deletes", Unit: unit, Message: m})
		}
		report, err := check.Judge(t.Context(), &check.Repository{Units: []*check.Unit{unit}}, nil, all)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	fresh := judge("deletes PersistentVolumeClaim a", "deletes PersistentVolumeClaim b").NewAgainst(judge("deletes PersistentVolumeClaim a"))
	if len(fresh.Results) != 1 || fresh.Results[0].Message != "deletes PersistentVolumeClaim b" {
		t.Errorf("new: %+v", fresh.Results)
	}
}
